"""How companies name the tables and columns of the contract, and how much a name they gave looks like one of ours."""

import tomllib
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, Final

from features.contract import RECORDED_AT, Column, Table
from pipeline.proposal.found_tables import FoundColumn, FoundTable, reduced

__all__ = ["DERIVED", "column_like", "columns_like", "familiar", "named"]

DERIVED: Final = 0.4
"""What a column is worth that is taken from elsewhere or by its values alone: less than one named like ours."""


@cache
def familiar() -> dict[str, Any]:
    """What companies call things (`familiar_names.toml`), every name without case and marks."""
    content = tomllib.loads(files("pipeline.proposal").joinpath("familiar_names.toml").read_text(encoding="utf-8"))
    return {part: _reduced_names(names) for part, names in content.items()}


def _reduced_names(names: Any) -> Any:
    if isinstance(names, dict):
        return {key: _reduced_names(inner) for key, inner in names.items()}
    return [reduced(name) for name in names]


def named(table: FoundTable, contract: Table) -> float:
    """1 where the file is called like the contract's table, less where a word of its name is, 0 else."""
    names = familiar()["tables"][contract.name]
    words = table.words
    if "".join(words) in names:
        return 1.0
    parts = {*words, *(first + second for first, second in pairwise(words))}
    return 0.8 if parts & set(names) else 0.0


def _likeness(theirs: FoundColumn, contract: Table, column: Column) -> float:
    """How much a column looks like one of ours: 1 by the same name, less by a familiar one, 0 not at all."""
    if theirs.name == column.name:
        return 1.0
    columns = familiar()["columns"]
    names = [*columns["any"].get(column.name, ()), *columns[contract.name].get(column.name, ())]
    most = 0.0
    own = [noun for noun in familiar()["tables"][contract.name] if reduced(theirs.name).startswith(noun)]
    shortened = [reduced(theirs.name).removeprefix(noun) for noun in own]
    for place, name in enumerate([reduced(theirs.name), *shortened]):
        if name in names:
            most = max(most, 0.95 - 0.01 * names.index(name) - 0.05 * (place > 0))
    return most if theirs.fits(column.type) else 0.3 * most


def column_like(table: FoundTable, contract: Table, name: str) -> FoundColumn | None:
    """Their column that looks most like this one of ours, or None where none does."""
    column = contract.column(name)
    assert column is not None, name
    best = max(table.columns, key=lambda theirs: _likeness(theirs, contract, column), default=None)
    return best if best is not None and _likeness(best, contract, column) > 0 else None


def columns_like(table: FoundTable, contract: Table) -> dict[str, tuple[FoundColumn, float]]:
    """Ours to theirs with the likeness, the likeliest pairs first, each of their columns used once."""
    recorded = Column(RECORDED_AT, "instant")
    pairs = [
        (_likeness(theirs, contract, ours), ours, theirs)
        for ours in (*contract.columns, recorded)
        for theirs in table.columns
    ]
    chosen: dict[str, tuple[FoundColumn, float]] = {}
    taken: set[str] = set()
    for likeness, ours, theirs in sorted(pairs, key=lambda pair: (-pair[0], not pair[1].required)):
        if likeness and ours.name not in chosen and theirs.name not in taken:
            chosen[ours.name] = theirs, likeness
            taken.add(theirs.name)
    times = [theirs for theirs in table.columns if theirs.times >= 0.9 and theirs.name not in taken]
    if contract.event_time not in chosen and named(table, contract) and len(times) == 1:
        chosen[contract.event_time] = times[0], DERIVED
    order = [column.name for column in (*contract.columns, recorded)]
    return {name: chosen[name] for name in order if name in chosen}
