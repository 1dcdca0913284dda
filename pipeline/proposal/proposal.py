"""`churn init`: a folder of tables in, a commented `churn.toml` out.

What was found is written down, what was not stays as a comment that says what it needs. Three columns decide who counts
as lost and what that costs (`mrr`, `ended_on`, `notice_on`): they are proposed with a question, never in silence.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from textwrap import wrap
from typing import Final

from features.contract import CONTRACT
from pipeline.errors import UsageError
from pipeline.proposal.draft import draft
from pipeline.proposal.found_tables import Gathered, gather
from pipeline.proposal.matching import Matches, TableMatch, match
from pipeline.proposal.questions import CONFIRMED_BY_USER, questions, row_count, seen

__all__ = ["Proposal", "propose"]

_SETTINGS: Final = "churn.toml"
_MOST_EVENTS: Final = 12


@dataclass(frozen=True)
class Proposal:
    """What a folder's tables seem to be, as settings and as a text for a terminal."""

    folder: Path
    matches: Matches
    unreadable: tuple[str, ...]
    activity_events: tuple[str, ...] | None
    newest: date | None

    @property
    def missing(self) -> tuple[str, ...]:
        """Required tables that were not found; without them the settings cannot be read yet."""
        return self.matches.missing

    def toml(self) -> str:
        """The text of `churn.toml`. It can be read as settings when no required table is missing."""
        company = self.folder.resolve().name.replace("_", " ").title() or "Company"
        return draft(company, self.matches, self.activity_events, self.newest)

    def told(self) -> str:
        """What a person sees: each table with its columns and sample values, what is missing, and the questions."""
        return "\n".join(_told(self))

    def write(self, force: bool = False) -> Path:
        """Write `churn.toml` into the folder and return its path.

        Raises
        ------
        UsageError
            When there is one already and `force` does not allow to replace it, or it cannot be written.
        """
        path = self.folder / _SETTINGS
        if path.exists() and not force:
            raise UsageError(f"{path} is there already and was left as it is. Move it away, or replace it by --force.")
        try:
            path.write_text(self.toml(), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}. Choose a folder of yours.") from error
        return path


def propose(folder: Path) -> Proposal:
    """Look at every CSV, TSV and Parquet file in a folder and its subfolders. Nothing is written.

    Raises
    ------
    UsageError
        When the folder is not there, holds no such file, or none that can be read.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder. Name the one in which your tables lie as CSV, TSV or Parquet files.")
    gathered = gather(folder)
    try:
        if not gathered.tables:
            raise UsageError(_nothing(folder, gathered.unreadable))
        matches = match(gathered)
        return Proposal(
            folder, matches, tuple(gathered.unreadable), _activity_events(gathered, matches), _newest(gathered, matches)
        )
    finally:
        gathered.engine.close()


def _nothing(folder: Path, unreadable: list[str]) -> str:
    if not unreadable:
        looked_for = "looked for *.csv, *.tsv and *.parquet, also in subfolders"
        return f"No tables in {folder}: {looked_for}. Put them there, or name another folder."
    listed = "\n".join(f"  {fault}" for fault in unreadable)
    return f"None of the tables in {folder} can be read:\n{listed}"


def _activity_events(gathered: Gathered, matches: Matches) -> tuple[str, ...] | None:
    """With no subscriptions: the frequent events that give something rather than take it back; None where all do."""
    usage = matches.tables.get("usage")
    if usage is None or "subscriptions" in matches.tables or "event" not in usage.columns:
        return None
    quantity = usage.columns["quantity"].name if "quantity" in usage.columns else None
    frequent = gathered.frequent(usage.found, usage.columns["event"].name, quantity)
    events = tuple(event for event, is_positive in frequent if is_positive)
    return events if 0 < len(events) < len(frequent) and len(events) <= _MOST_EVENTS else None


def _newest(gathered: Gathered, matches: Matches) -> date | None:
    """The last day in the table that shows customers at work, to look from where the tables have ended long ago."""
    for name in ("usage", "subscriptions"):
        found = matches.tables.get(name)
        if found is not None and found.contract.event_time in found.columns:
            newest = gathered.newest(found.found, found.columns[found.contract.event_time].name)
            return date.fromisoformat(newest) if newest else None
    return None


def _told(proposal: Proposal) -> Iterator[str]:
    matches = proposal.matches
    for name, found in matches.tables.items():
        yield f"{name} ← {found.found.source} ({row_count(found.found)})"
        yield from _told_columns(found)
        yield ""
    absent = [name for name in CONTRACT if name not in matches.tables]
    for name in proposal.missing:
        columns = ", ".join(CONTRACT[name].required)
        yield f"Not found, and required: {name}, with {columns}. Its line in {_SETTINGS} is a comment."
    optional = [name for name in absent if name not in proposal.missing]
    if optional:
        yield f"Not found, their signals stay out: {', '.join(optional)}"
    if matches.unused:
        yield f"Fits nothing, not used: {', '.join(table.source for table in matches.unused)}"
    if proposal.unreadable:
        yield from ("Cannot be read:", *(f"  {fault}" for fault in proposal.unreadable))
    asked = list(questions(matches, proposal.activity_events))
    if asked:
        yield from ("", "Only you can answer (the lines marked ? above, and more):")
        for place, question in enumerate(asked, start=1):
            yield from wrap(question, 100, initial_indent=f"{place:>3}. ", subsequent_indent=" " * 5)


def _told_columns(found: TableMatch) -> Iterator[str]:
    rows = [(ours, theirs.name, seen(theirs)) for ours, theirs in found.columns.items()]
    if found.join is not None:
        rows.insert(0, ("account_id", f"by {found.join.key}", f"through {found.join.other.source}"))
    rows += [(ours, f"'{value}'", "in every row") for ours, value in found.constants.items()]
    ours_wide, theirs_wide = (max(len(row[place]) for row in rows) for place in (0, 1))
    asked = CONFIRMED_BY_USER if found.contract.name == "subscriptions" else {}
    for ours, theirs, example in rows:
        mark = "?" if ours in asked else " "
        yield f" {mark} {ours:<{ours_wide}} ← {theirs:<{theirs_wide}}  {example}"
    have = {row[0] for row in rows}
    if found.missing:
        yield f"   MISSING: {', '.join(found.missing)}"
    others = [column.name for column in found.contract.columns if column.name not in have and not column.required]
    if others:
        yield f"   not found: {', '.join(others)}"
    if found.unused:
        yield f"   not used: {', '.join(found.unused)}"
