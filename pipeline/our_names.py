"""Their columns under our names: which of a table's columns are read, and which are missing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from features.contract import CONTRACT, RECORDED_AT
from pipeline.sections import Data

__all__ = ["Unreadable", "missing_columns", "read_columns"]

_RAGGED = "Look for a comma in text without quotes around it, and for a quote that is never closed."


@dataclass(frozen=True)
class Unreadable:
    """A table that could not be opened at all, and why."""

    table: str
    column: str | None
    rule: str
    remedy: str


def read_columns(data: Data, table: str) -> dict[str, str]:
    """What is looked for in a table, ours to theirs: the columns of the contract and those that the settings name."""
    mapped = _mapped(data, table)
    known = [column.name for column in CONTRACT[table].columns] + [RECORDED_AT, "currency"]
    return {ours: mapped.get(ours, ours) for ours in [*known, *mapped]}


def missing_columns(data: Data, table: str, there: Sequence[str]) -> Iterator[Unreadable]:
    """Required columns, and columns that the settings name, which are not among those of the table."""
    if len(there) == 1 and any(mark in there[0] for mark in ",;|\t"):
        yield Unreadable(table, None, f"has lines of different lengths; its header is {there[0]!r}", _RAGGED)
        return
    theirs, mapped = read_columns(data, table), _mapped(data, table)
    for ours in dict.fromkeys([*CONTRACT[table].required, *mapped]):
        if theirs[ours] not in there:
            rule = f"column {theirs[ours]} is missing" if ours in mapped else "required column is missing"
            remedy = f'The table has: {", ".join(there)}. Map it in [data.columns.{table}], {ours} = "their name".'
            yield Unreadable(table, ours, rule, remedy)


def _mapped(data: Data, table: str) -> dict[str, str]:
    """The columns that the settings name; a further column of accounts is there under its own name, unless mapped."""
    mapped = data.columns.get(table, {})
    further = [name.partition(".")[2] for name in data.categories if name.partition(".")[0] == table]
    return {name: name for name in further} | mapped
