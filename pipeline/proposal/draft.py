"""The commented `churn.toml` that `churn init` writes."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from features.contract import CONTRACT
from pipeline.files import quoted
from pipeline.proposal.found_tables import FoundColumn, FoundTable, quoted_name, reading
from pipeline.proposal.matching import Matches, TableMatch
from pipeline.proposal.questions import CONFIRMED_BY_USER, needed, row_count, seen

__all__ = ["draft"]


def draft(company: str, matches: Matches, activity_events: tuple[str, ...] | None, newest: date | None) -> str:
    """The text of the settings: what was found as keys, what was not as comments that say what they need.

    Parameters
    ----------
    activity_events
        What counts as use where there are no subscriptions; None for every event.
    newest
        The last day in the tables, offered as the day to look from.
    """
    return "\n".join(_lines(company, matches, activity_events, newest))


def _lines(
    company: str, matches: Matches, activity_events: tuple[str, ...] | None, newest: date | None
) -> Iterator[str]:
    yield '# Proposed by `churn init` from the tables in this folder. Lines marked "please confirm" decide who counts'
    yield "# as lost and what that costs: read them before you train. `churn check` holds the tables against all this."
    yield ""
    yield "[company]"
    yield f"name = {_text(company)}"
    yield '# currency = "USD"'
    yield ""
    yield _commented("[data]", "a file, a glob, or a query; paths are relative to this file")
    for name in CONTRACT:
        found = matches.tables.get(name)
        if found is None:
            yield _absent(name, matches)
        elif not _needs_sql(found):
            yield _commented(f"{name} = {_text(found.found.source)}", row_count(found.found))
    for found in matches.tables.values():
        if _needs_sql(found):
            yield from ("", f"[data.{found.contract.name}]", f'sql = """\n{_escaped(_sql(found))}\n"""')
    for found in matches.tables.values():
        lines = [] if _needs_sql(found) else list(_column_lines(found))
        if lines:
            yield from ("", _commented(f"[data.columns.{found.contract.name}]", 'our column = "their column"'), *lines)
    yield ""
    yield from _churn_lines(matches, activity_events)
    if "page_visits" in matches.tables:
        yield from ("", _commented("[pages]", "groups of paths; change them to yours"))
        yield 'pricing = ["/pricing*", "/plans*"]'
        yield 'cancellation = ["/account/cancel*", "/refund*", "/downgrade*"]'
    if newest is not None:
        yield from ("", _commented("# [run]", f"the newest row is of {newest}; to look from the day after:"))
        yield f"# as_of = {newest + timedelta(days=1)}"
    yield ""


def _absent(name: str, matches: Matches) -> str:
    required = ", ".join(CONTRACT[name].required)
    if name not in matches.missing:
        return _commented(f'# {name} = "…"', f"not found; needs {required}")
    speaking = matches.tables.get("subscriptions") or matches.tables.get("usage")
    if name != "accounts" or speaking is None or _needs_sql(speaking):
        return _commented(f'# {name} = "…"', f"REQUIRED, not found; needs {required}")
    theirs = (speaking.columns[ours].name for ours in ("account_id", speaking.contract.event_time))
    account, time = (quoted_name(column) for column in theirs)
    sql = f"SELECT {account} AS account_id, min({time}) AS created_at FROM {_read(speaking.found)} GROUP BY ALL"
    return _commented(f"# accounts = {{ sql = {_text(sql)} }}", f"REQUIRED, not found; needs {required}, or made so")


def _churn_lines(matches: Matches, activity_events: tuple[str, ...] | None) -> Iterator[str]:
    yield "[churn]"
    if matches.definition == "subscription":
        yield _commented("horizon_days = 60", "leaves within 60 days; at least the time a rescue takes")
        yield _commented("grace_days = 30", "back within 30 days: a lapse, no departure")
        return
    yield _commented('definition = "inactivity"', "please confirm: no subscriptions found; who does nothing has left")
    yield _commented("inactive_days = 60", "after so many days without use")
    yield _commented("horizon_days = 60", "at least inactive_days")
    if activity_events is None:
        yield _commented('# activity_events = ["…"]', "what counts as use; every event, unless you name some")
        return
    listed = f"[{', '.join(map(_text, activity_events))}]"
    yield _commented(f"activity_events = {listed}", "please confirm: what counts as use")
    yield from ("", "# [book]")
    yield _commented(f"# value_events = {listed}", "if their quantity is money")


def _column_lines(found: TableMatch) -> Iterator[str]:
    asked = CONFIRMED_BY_USER if found.contract.name == "subscriptions" else {}
    for ours, theirs in found.columns.items():
        line = f"{ours} = {_text(theirs.name)}"
        if ours in asked:
            yield _commented(line, f"please confirm: {asked[ours]}; seen: {seen(theirs)}")
        elif ours != theirs.name:  # else it has our name already
            yield _commented(line, _shown(found, ours, theirs))
    for ours in dict.fromkeys([*found.missing, *asked]):
        if ours not in found.columns:
            yield _commented(f'# {ours} = "…"', needed(found, ours))


def _shown(found: TableMatch, ours: str, theirs: FoundColumn) -> str:
    """Dates and numbers as they stand; texts may name people, and this file is kept where code is."""
    column = found.contract.column(ours)
    return seen(theirs) if column is not None and column.type != "text" else (column and column.meaning) or ""


def _needs_sql(found: TableMatch) -> bool:
    return found.join is not None or bool(found.constants)


def _sql(found: TableMatch) -> str:
    """A query in our names, for rows that find their account elsewhere or lack a column that the file's name tells."""
    values = {ours: f"own.{quoted_name(theirs.name)}" for ours, theirs in found.columns.items()}
    values |= {ours: quoted(value) for ours, value in found.constants.items()}
    if found.join is not None:
        values = {"account_id": "other.account_id"} | values
    asked = CONFIRMED_BY_USER if found.contract.name == "subscriptions" else {}
    marks = {ours: f"  -- please confirm: {meaning}" for ours, meaning in asked.items()}
    selected = [f"    {value} AS {ours}" for ours, value in values.items()]
    ends = [*["," for _ in selected[1:]], ""]
    lines = "\n".join(
        f"{line}{end}{marks.get(ours, '')}" for line, end, ours in zip(selected, ends, values, strict=True)
    )
    lines += "".join(f"\n    -- {ours} {needed(found, ours)}" for ours in asked if ours not in values)
    sql = f"SELECT\n{lines}\nFROM {_read(found.found)} AS own"
    if found.join is None:
        return sql
    key, account = quoted_name(found.join.other_key), quoted_name(found.join.account)
    other = f"SELECT DISTINCT {key} AS key, {account} AS account_id FROM {_read(found.join.other)}"
    return f"{sql}\nJOIN (\n    {other}\n) AS other ON own.{quoted_name(found.join.key)} = other.key"


def _read(table: FoundTable) -> str:
    return reading(table.source, [Path(table.source)])


def _commented(line: str, comment: str) -> str:
    return f"{line:<44} # {comment}" if comment else line


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _escaped(sql: str) -> str:
    return sql.replace("\\", "\\\\").replace('"""', '\\"""')
