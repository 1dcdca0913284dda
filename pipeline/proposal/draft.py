"""The commented `churn.toml` that `churn init` writes."""

import json
from collections.abc import Iterator
from datetime import timedelta

from features.contract import CONTRACT
from pipeline.files import quoted
from pipeline.proposal.dialects import in_postgresql
from pipeline.proposal.durations import durations
from pipeline.proposal.found_columns import FoundColumn, quoted_name
from pipeline.proposal.matching import Matches, TableMatch
from pipeline.proposal.near_misses import near_misses
from pipeline.proposal.observed import Observed
from pipeline.proposal.questions import CONFIRMED_BY_USER, needed, row_count, seen, why_inactive, yearly_money

__all__ = ["draft"]


def draft(company: str, matches: Matches, observed: Observed, connection: str | None = None) -> str:
    """The text of the settings: what was found as keys, what was not as comments that say what they need.

    `connection` is the address of the warehouse where the tables lie, without a password.
    """
    return "\n".join(_lines(company, matches, observed, connection))


def _lines(company: str, matches: Matches, observed: Observed, connection: str | None) -> Iterator[str]:
    where = "a folder of tables" if connection is None else "the tables of a warehouse"
    yield f'# Proposed by `churn init` from {where}. Lines marked "please confirm" decide who counts as'
    yield "# lost and what that costs: read them before you train. `churn check` holds the tables against all this."
    if matches.missing:
        yield from ("#", "# OPEN. This cannot be used until these are answered below:")
        yield from (f"#   {line}" for name in matches.missing for line in _open(name, matches))
    yield ""
    yield "[company]"
    yield f"name = {_text(company)}"
    yield '# currency = "USD"'
    yield ""
    yield from _data(connection)
    for name in CONTRACT:
        found = matches.tables.get(name)
        if found is None:
            yield _absent(name, matches)
        elif not found.needs_sql:
            yield _commented(f"{name} = {_text(found.found.source)}", row_count(found.found))
            yield from _yearly(found)
            yield from _times(found)
    if observed.successors.show_last_day:
        yield _commented('ended_on = "last_day"', f"please confirm: {observed.successors.told()}")
    for found in matches.tables.values():
        if found.needs_sql:
            yield from ("", f"[data.{found.contract.name}]", f'sql = """\n{_escaped(_sql(found))}\n"""')
    for found in matches.tables.values():
        lines = [] if found.needs_sql else list(_column_lines(found))
        if lines:
            yield from ("", _commented(f"[data.columns.{found.contract.name}]", 'our column = "their column"'), *lines)
    yield ""
    yield from _churn_lines(matches, observed)
    if "page_visits" in matches.tables:
        yield from ("", _commented("[pages]", "groups of paths; change them to yours"))
        yield 'pricing = ["/pricing*", "/plans*"]'
        yield 'cancellation = ["/account/cancel*", "/refund*", "/downgrade*"]'
    if observed.newest is not None:
        yield from ("", _commented("# [run]", f"the newest row is of {observed.newest}; to look from the day after:"))
        yield f"# as_of = {observed.newest + timedelta(days=1)}"
    yield ""


def _data(connection: str | None) -> Iterator[str]:
    if connection is None:
        yield _commented("[data]", "a file, a glob, or a query; paths are relative to this file")
        return
    yield _commented("[data]", "a table of the warehouse, or a query in its dialect")
    yield _commented(f"connection = {_text(connection)}", "with its password: CHURN__DATA__CONNECTION")


def _open(missing: str, matches: Matches) -> Iterator[str]:
    name, _, column = missing.partition(".")
    found = matches.tables.get(name)
    yield f"{missing} {needed(found, column) if found and column else 'needs ' + ', '.join(CONTRACT[name].required)}"
    yield from (f"  {line}" for line in near_misses(matches, missing))


def _yearly(found: TableMatch) -> Iterator[str]:
    """The line that makes MRR of a year's money, to be taken in place of the one above."""
    yearly = yearly_money(found)
    if found.contract.name != "subscriptions" or "mrr" in found.columns or yearly is None:
        return
    sql = f"SELECT *, try_cast({yearly.read_as('number')} AS DOUBLE) / 12 AS mrr FROM {found.found.read}"
    yield _commented(f"# subscriptions = {{ sql = {_text(sql)} }}", f"instead, if {yearly.name} / 12 is the MRR")


def _times(found: TableMatch) -> Iterator[str]:
    """The line that makes times of durations, to be taken in place of the one above."""
    made = list(durations(found))
    if made:
        columns = ", ".join(f"{_there(found, each.sql)} AS {each.ours}" for each in made)
        counts = ", ".join(f"{each.theirs.name} counts {each.unit}" for each in made)
        sql = f"SELECT *, {columns} FROM {found.found.read}"
        yield _commented(f"# {found.contract.name} = {{ sql = {_text(sql)} }}", f"instead, if {counts}")


def _absent(name: str, matches: Matches) -> str:
    required = ", ".join(CONTRACT[name].required)
    if name not in matches.missing:
        return _commented(f'# {name} = "…"', f"not found; needs {required}")
    speaking = matches.tables.get("subscriptions") or matches.tables.get("usage")
    if name != "accounts" or speaking is None or speaking.needs_sql:
        return _commented(f'# {name} = "…"', f"REQUIRED, not found; needs {required}")
    theirs = (speaking.columns[ours].name for ours in ("account_id", speaking.contract.event_time))
    account, time = (quoted_name(column) for column in theirs)
    sql = f"SELECT {account} AS account_id, min({time}) AS created_at FROM {speaking.found.read} GROUP BY 1"
    return _commented(f"# accounts = {{ sql = {_text(sql)} }}", f"REQUIRED, not found; needs {required}, or made so")


def _churn_lines(matches: Matches, observed: Observed) -> Iterator[str]:
    yield "[churn]"
    if matches.definition == "subscription":
        yield _commented("horizon_days = 60", "leaves within 60 days; at least the time a rescue takes")
        yield _commented("grace_days = 30", "back within 30 days: a lapse, no departure")
        return
    days, why = why_inactive(observed.silence)
    yield _commented('definition = "inactivity"', "please confirm: no subscriptions found; who does nothing has left")
    yield _commented(f"inactive_days = {days}", f"please confirm: {why}")
    yield _commented(f"horizon_days = {days}", "at least inactive_days")
    if observed.activity_events is None:
        yield _commented('# activity_events = ["…"]', "what counts as use; every event, unless you name some")
    else:
        yield _commented(f"activity_events = {_list(observed.activity_events)}", "please confirm: what counts as use")
    if observed.value_events:
        quantity = matches.tables["usage"].columns["quantity"]
        asked = f"is their quantity money ({seen(quantity)})? Then take away both marks"
        yield from ("", "# [book]", _commented(f"# value_events = {_list(observed.value_events)}", asked))


def _list(values: tuple[str, ...]) -> str:
    return f"[{', '.join(map(_text, values))}]"


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


def _sql(found: TableMatch) -> str:
    """A query in our names, for rows that find their account elsewhere or lack a column that the file's name tells."""
    values = {ours: _there(found, found.value(ours, "own.")) for ours in found.columns}
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
    sql = f"SELECT\n{lines}\nFROM {found.found.read} AS own"
    if found.join is None:
        return sql
    key, account = quoted_name(found.join.other_key), quoted_name(found.join.account)
    other = f"SELECT DISTINCT {key} AS key, {account} AS account_id FROM {found.join.other.read}"
    return f"{sql}\nJOIN (\n    {other}\n) AS other ON own.{quoted_name(found.join.key)} = other.key"


def _there(found: TableMatch, sql: str) -> str:
    """An expression in the dialect of where its table lies."""
    return in_postgresql(sql) if found.found.in_warehouse else sql


def _commented(line: str, comment: str) -> str:
    return f"{line:<44} # {comment}" if comment else line


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _escaped(sql: str) -> str:
    return sql.replace("\\", "\\\\").replace('"""', '\\"""')
