"""How companies name the tables and columns of the contract, and how much a name they gave looks like one of ours."""

import re
import tomllib
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, Final

from features.contract import RECORDED_AT, Column, Table
from pipeline.proposal.found_columns import FoundColumn, reduced
from pipeline.proposal.found_tables import FoundTable

__all__ = ["DERIVED", "column_like", "columns_like", "familiar", "is_called", "named", "type_of"]

DERIVED: Final = 0.5
"""What a column is worth that is taken from elsewhere or by its values alone: less than one named like ours."""

_ENDINGS: Final = {
    "time": r"(datetime|timestamp|date|time|day|at|on|ts|日期|时间|日)$",
    "id": r"(id|number|num|nr|no|code|key|ref|uuid|guid|编号|编码|代码|号码|号)$",
    "money": r"(usd|eur|gbp|chf|cny|rmb|美元|人民币|元)$",
}
"""What ends a name without telling one from another, by what the column holds."""

_LOGS_WITHOUT: Final = frozenset({"accounts", "subscriptions", "users"})
"""Tables whose event time is the beginning of something that lasts, which no bare `date` is trusted to be."""


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
    whole = "".join(words)
    if whole in names:
        return 1.0
    parts = {*words, *(first + second for first, second in pairwise(words))}
    is_inside = any(not name.isascii() and name in whole for name in names)  # Chinese has no spaces between words
    return 0.8 if is_inside or parts & set(names) else 0.0


def is_called(theirs: str, names: list[str], kind: str) -> bool:
    """Whether a name is one of the familiar ones, up to the ending that is usual for a time, an id or money."""
    return any(_forms(theirs, kind) & _forms(name, kind) for name in names)


def type_of(contract: Table, name: str) -> str:
    """The type that the contract gives a column: of one that it does not know, text."""
    column = contract.column(name)
    return column.type if column is not None else "instant" if name == RECORDED_AT else "text"


@cache
def _forms(name: str, kind: str) -> frozenset[str]:
    """A name in full and without its usual ending: `sign_up_date` is `signupdate` and `signup`."""
    whole = re.sub(r"(?<=.)(utc|gmt)$", "", reduced(name))
    stem = re.sub(_ENDINGS[kind], "", whole) if kind in _ENDINGS else whole
    if kind == "time":
        stem = re.sub(r"^date(of)?(?=.)", "", stem)
    return frozenset({whole, f"{stem}*" if kind == "id" and stem != whole else stem} - {"", "*"})


def _kind(column: Column) -> str:
    if column.type in {"date", "instant"}:
        return "time"
    return "money" if column.type == "number" else "id" if column.name.endswith("_id") else ""


@cache
def _names(contract: Table, column: Column) -> tuple[str, ...]:
    """Every familiar name of a column, the likeliest first."""
    columns = familiar()["columns"]
    parts = [columns["any"].get(column.name, ()), columns[contract.name].get(column.name, ())]
    if column.name == contract.event_time and contract.name not in _LOGS_WITHOUT:
        parts.append(columns["log"]["event_time"])
    return tuple(name for part in [*parts, columns["bare"].get(column.name, ())] for name in part)


def _likeness(theirs: FoundColumn, contract: Table, column: Column) -> float:
    """How much a column looks like one of ours: 1 by the same name, less by a familiar one, 0 not at all."""
    if theirs.name == column.name:
        return 1.0
    kind = _kind(column)
    most = 0.0
    own = [noun for noun in familiar()["tables"][contract.name] if reduced(theirs.name).startswith(noun)]
    shortened = [reduced(theirs.name).removeprefix(noun) for noun in own]
    for place, ours in enumerate([reduced(theirs.name), *shortened]):
        if not ours:
            continue
        for rank, name in enumerate(_names(contract, column)):
            worth = 0.95 - 0.004 * rank - 0.05 * (place > 0)
            if name == ours:
                most = max(most, worth)
            elif theirs.fits(column.type) and _forms(ours, kind) & _forms(name, kind):
                most = max(most, worth - 0.03)
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
    return chosen
