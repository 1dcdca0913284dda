"""`churn init`: a folder of tables or a warehouse in, a commented `churn.toml` out.

What was found is written down, what was not stays as a comment that says what it needs. Three columns decide who counts
as lost and what that costs (`mrr`, `ended_on`, `notice_on`): they are proposed with a question, never in silence.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from os.path import relpath
from pathlib import Path
from textwrap import wrap
from typing import Final

from features.contract import CONTRACT
from pipeline.errors import UsageError
from pipeline.proposal.draft import draft
from pipeline.proposal.found_tables import gather
from pipeline.proposal.matching import Matches, TableMatch, match
from pipeline.proposal.near_misses import near_misses, tables_seen
from pipeline.proposal.observed import Observed, observe
from pipeline.proposal.questions import CONFIRMED_BY_USER, questions, row_count, seen
from pipeline.proposal.warehouse_tables import gather_warehouse
from pipeline.warehouse.postgresql import address

__all__ = ["Proposal", "propose", "propose_warehouse"]

_SETTINGS: Final = "churn.toml"


@dataclass(frozen=True)
class Proposal:
    """What a folder's tables seem to be, as settings and as a text for a terminal.

    Those of a warehouse lie at `connection`, an address without a password; `folder` is where the settings belong.
    """

    folder: Path
    matches: Matches
    unreadable: tuple[str, ...]
    observed: Observed
    connection: str | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """Required tables and columns that were not found, such as `subscriptions` or `subscriptions.ended_on`."""
        return self.matches.missing

    @property
    def questions(self) -> tuple[str, ...]:
        """What only the user can answer, the weightiest first."""
        return tuple(questions(self.matches, self.observed))

    def as_of(self, today: date) -> date:
        """The day to look from: the one after the newest row, since tables to try are seldom of today."""
        return min(today, self.observed.newest + timedelta(days=1)) if self.observed.newest else today

    def path(self, out: Path | None = None) -> Path:
        """Where the settings belong: the file asked for, else `churn.toml` in the folder."""
        return out or self.folder / _SETTINGS

    def toml(self, out: Path | None = None) -> str:
        """The text of the settings, with paths relative to its file; usable when nothing required is missing."""
        place = self.folder.resolve().name if self.connection is None else self.connection.rpartition("/")[2]
        company = place.replace("_", " ").title() or "Company"
        way = relpath(self.folder.resolve(), self.path(out).parent.resolve())
        prefix = "" if way == "." else f"{Path(way).as_posix()}/"
        return draft(company, self.matches.placed(prefix), self.observed, self.connection)

    def told(self) -> str:
        """What a person sees: each table with its columns and sample values, what is missing, and the questions."""
        return "\n".join(_told(self))

    def write(self, out: Path | None = None, force: bool = False) -> Path:
        """Write the settings and return their path.

        Raises
        ------
        UsageError
            When there is such a file already and `force` does not allow to replace it, or it cannot be written.
        """
        path = self.path(out)
        if path.exists() and not force:
            raise UsageError(f"{path} is there already and was left as it is. Move it away, or replace it by --force.")
        try:
            path.write_text(self.toml(out), encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"{path} cannot be written: {error.strerror}. Name a file in a folder of yours by --out FILE."
            ) from error
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
        return Proposal(folder, matches, tuple(gathered.unreadable), observe(gathered, matches))
    finally:
        gathered.engine.close()


def propose_warehouse(connection: str) -> Proposal:
    """Look at every table and view of a warehouse that the role may select from. Nothing is written there or here.

    Raises
    ------
    UsageError
        When the address is none, the server refuses the role, or the role may select from no table.
    FailedError
        When the warehouse does not answer.
    """
    gathered, shown = gather_warehouse(connection), address(connection)
    try:
        if not gathered.tables:
            listed = "".join(f"\n  {fault}" for fault in gathered.unreadable)
            raise UsageError(
                f"No tables to read in {shown}.{listed} Give its role the rights: GRANT USAGE ON SCHEMA "
                "… TO …; GRANT SELECT ON ALL TABLES IN SCHEMA … TO …."
            )
        matches = match(gathered)
        return Proposal(Path(), matches, tuple(gathered.unreadable), observe(gathered, matches), shown)
    finally:
        gathered.engine.close()


def _nothing(folder: Path, unreadable: list[str]) -> str:
    if not unreadable:
        looked_for = "looked for *.csv, *.tsv and *.parquet, also in subfolders"
        return f"No tables in {folder}: {looked_for}. Put them there, or name another folder."
    listed = "\n".join(f"  {fault}" for fault in unreadable)
    return f"None of the tables in {folder} can be read:\n{listed}"


def _told(proposal: Proposal) -> Iterator[str]:
    matches = proposal.matches
    for name, found in matches.tables.items():
        yield f"{name} ← {found.found.source} ({row_count(found.found)})"
        yield from _told_columns(found)
        yield ""
    if proposal.missing:
        yield from _told_missing(proposal)
    optional = [name for name in CONTRACT if name not in matches.tables and name not in proposal.missing]
    if optional:
        yield f"Not found, their signals stay out: {', '.join(optional)}"
    if matches.unused:
        yield f"Fits nothing, not used: {', '.join(table.source for table in matches.unused)}"
    if proposal.unreadable:
        yield from ("Cannot be read:", *(f"  {fault}" for fault in proposal.unreadable))
    asked = proposal.questions
    if asked:
        yield from ("", "Only you can answer (the lines marked ? above, and more):")
        for place, question in enumerate(asked, start=1):
            yield from wrap(question, 100, initial_indent=f"{place:>3}. ", subsequent_indent=" " * 5)


def _told_missing(proposal: Proposal) -> Iterator[str]:
    for name in proposal.missing:
        needs = f", with {', '.join(CONTRACT[name].required)}" if name in CONTRACT else ""
        yield f"Not found, and required: {name}{needs}. Its line in the settings is a comment."
        yield from (f"   {line}" for line in near_misses(proposal.matches, name))
    yield "Seen were:"
    yield from (f"   {line}" for line in tables_seen(proposal.matches))


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
