"""Columns that no name tells, known by their values: an account's id, the only time, money, an owner's e-mail."""

from collections.abc import Callable, Mapping

from features.contract import RECORDED_AT, Column, Table
from pipeline.proposal.familiar_names import DERIVED, columns_like, familiar, is_called, named
from pipeline.proposal.found_columns import FoundColumn
from pipeline.proposal.found_tables import FoundTable, Gathered

__all__ = ["Key", "columns_of"]

Key = tuple[FoundTable, str]
"""The table of accounts, and its column that identifies them."""

Columns = dict[str, tuple[FoundColumn, float]]
"""Ours to theirs, with how much they are alike."""


def columns_of(gathered: Gathered, table: FoundTable, contract: Table, accounts: Key | None) -> Columns:
    """Ours to theirs in the contract's order: by name, and by content where the names have failed.

    Content says least of a table under a foreign name, so only the accounts' ids are looked for there.
    """
    columns = columns_like(table, contract)
    if accounts is not None and "account_id" in contract.required:
        _account(gathered, table, columns, accounts)
    if named(table, contract):
        if contract.name == "subscriptions":
            _term(table, columns)
        elif contract.event_time not in columns:
            _only(table, columns, contract.event_time, lambda theirs: theirs.times >= 0.9)
        if contract.name == "accounts":
            _owner(table, columns)
    order = [column.name for column in (*contract.columns, Column(RECORDED_AT, "instant"))]
    return {name: columns[name] for name in order if name in columns}


def _account(gathered: Gathered, table: FoundTable, columns: Columns, accounts: Key) -> None:
    """Where no name tells the account, or the column so named holds none, the column whose values are accounts."""
    if "account_id" in columns and gathered.overlap(table, columns["account_id"][0].name, *accounts) > 0:
        return
    shares = {
        theirs.name: gathered.overlap(table, theirs.name, *accounts)
        for theirs in _left(table, columns)
        if theirs.times < 0.9 and len(set(theirs.examples)) > 1
    }
    likeliest = max(shares, key=lambda name: shares[name], default=None)
    if likeliest is not None and shares[likeliest] >= 0.9:
        columns["account_id"] = table.column(likeliest), DERIVED


def _term(table: FoundTable, columns: Columns) -> None:
    """An end is empty while a term runs, the start beside it never is, and money has cents. All is asked about."""
    _only(table, columns, "ended_on", lambda theirs: theirs.times >= 0.9 and theirs.filled < 0.995)
    if "ended_on" in columns:
        _only(table, columns, "started_on", lambda theirs: theirs.times >= 0.9 and theirs.filled >= 0.995)
    _only(table, columns, "mrr", _is_money)


def _is_money(theirs: FoundColumn) -> bool:
    return theirs.fits("number") and (theirs.decimals >= 0.1 or theirs.writing_of("number") is not None)


def _owner(table: FoundTable, columns: Columns) -> None:
    """E-mails that several accounts share are a colleague's; those of the customers differ from row to row."""
    if "owner" in columns and columns["owner"][0].emails >= 0.9:
        return
    named_otherwise = columns.pop("owner", None)
    _only(table, columns, "owner", lambda theirs: theirs.emails >= 0.9 and theirs.distinct <= 0.5)
    if "owner" not in columns and named_otherwise is not None:
        columns["owner"] = named_otherwise


def _only(table: FoundTable, columns: Columns, ours: str, is_one: Callable[[FoundColumn], bool]) -> None:
    """Take the column of that content, if there is but one and no name told it."""
    if ours in columns:
        return
    found = [theirs for theirs in _left(table, columns) if theirs.filled and is_one(theirs)]
    if len(found) == 1:
        columns[ours] = found[0], DERIVED


def _left(table: FoundTable, columns: Mapping[str, tuple[FoundColumn, float]]) -> list[FoundColumn]:
    taken = {theirs.name for theirs, _ in columns.values()}
    return [theirs for theirs in table.columns if theirs.name not in taken and not _is_trap(theirs.name)]


def _is_trap(name: str) -> bool:
    """Called like something that looks right and is not, whatever it holds."""
    return any(is_called(name, names, "") for names in familiar()["traps"].values())
