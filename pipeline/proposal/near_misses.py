"""What a required table or column that was not found might be: the tables and columns nearest to it."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Final

from features.contract import CONTRACT, Table
from pipeline.proposal.familiar_names import columns_like, named, type_of
from pipeline.proposal.found_columns import FoundColumn, reduced
from pipeline.proposal.found_tables import FoundTable
from pipeline.proposal.matching import Matches

__all__ = ["near_misses", "tables_seen"]

_MOST: Final = 3


def tables_seen(matches: Matches) -> Iterator[str]:
    """Every table of the folder with its columns, a line each."""
    for table in _all(matches):
        yield f"{table.source}: {', '.join(column.name for column in table.columns)}"


def near_misses(matches: Matches, missing: str) -> Iterator[str]:
    """What comes nearest to one of `Matches.missing`, a line each; nothing where all is foreign."""
    name, _, column = missing.partition(".")
    if column:
        found = matches.tables[name]
        yield from _nearest_columns(found.found, found.contract, column, {c.name for c in found.columns.values()})
        return
    contract = CONTRACT[name]
    taken = {found.found.source for found in matches.tables.values()}
    near = [(_nearness(table, contract), table) for table in _all(matches) if table.source not in taken]
    for nearness, table in sorted(near, key=lambda pair: -pair[0])[:_MOST]:
        if nearness:
            yield from _told(table, contract)


def _all(matches: Matches) -> list[FoundTable]:
    found = [match.found for match in matches.tables.values()]
    tables = {table.source: table for table in (*found, *matches.departures, *matches.unused)}
    return sorted(tables.values(), key=lambda table: table.source)


def _nearness(table: FoundTable, contract: Table) -> float:
    found = columns_like(table, contract)
    return named(table, contract) + sum(found[ours][1] for ours in contract.required if ours in found)


def _told(table: FoundTable, contract: Table) -> Iterator[str]:
    found = {ours: theirs for ours, (theirs, _) in columns_like(table, contract).items()}
    has = [f"{ours} ← {found[ours].name}" for ours in contract.required if ours in found]
    lacks = [ours for ours in contract.required if ours not in found]
    told = f"{table.source} {'has ' + ', '.join(has) if has else 'is called so'}"
    yield told + (f"; lacks {', '.join(lacks)}" if lacks else "; its values do not agree with the names")
    for ours in lacks:
        yield from _nearest_columns(table, contract, ours, {theirs.name for theirs in found.values()})


def _nearest_columns(table: FoundTable, contract: Table, ours: str, taken: set[str]) -> Iterator[str]:
    """Their unused columns, those of the right type first, then those of a similar name."""
    type_ = type_of(contract, ours)
    left = [theirs for theirs in table.columns if theirs.name not in taken]
    fitting = [theirs for theirs in left if theirs.filled and theirs.fits(type_)] if type_ != "text" else []

    def likeness(theirs: FoundColumn) -> float:
        return SequenceMatcher(None, reduced(theirs.name), reduced(ours)).ratio()

    nearest = sorted(fitting or left, key=likeness, reverse=True)[:_MOST]
    if nearest:
        which = "of its type" if fitting else "by name"
        yield f"{ours} in {table.source}: nearest {which} {', '.join(theirs.name for theirs in nearest)}"
    else:
        yield f"{ours}: {table.source} has no column left for it"
