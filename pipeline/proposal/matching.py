"""Which of a folder's tables and columns are which of the contract's: by name first, held against the values.

A name alone never decides: a date must parse, an account's key must be unique, the accounts that other tables speak of
must be found among the accounts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from features.contract import CONTRACT, RECORDED_AT, Table, required_tables
from pipeline.proposal.by_content import Key, columns_of
from pipeline.proposal.familiar_names import DERIVED, column_like, columns_like, familiar, is_called, named, type_of
from pipeline.proposal.found_columns import FoundColumn, Writing
from pipeline.proposal.found_tables import FoundTable, Gathered

__all__ = ["Join", "Matches", "TableMatch", "match"]

_BRIDGES: Final = ("subscription_id", "user_id", "ticket_id")
_UNNAMED: Final = 1.5  # of 2 for required columns named like ours: what tells a table whose own name says nothing
_WITHOUT: Final = {"subscriptions": ("ended_on",)}  # asked for, never guessed; without it the table is still the one


@dataclass(frozen=True)
class Join:
    """Another table through which a row finds its account: our rows' `key` is its `other_key`."""

    other: FoundTable
    key: str
    other_key: str
    account: str
    overlap: float


@dataclass(frozen=True)
class TableMatch:
    """A table of the contract and what it seems to be.

    `columns` is ours to theirs, `guessed` are those of ours that values told and no name, `constants` are told by the
    file's name, `known` is the share of sampled rows whose account is among the accounts.
    """

    contract: Table
    found: FoundTable
    score: float
    columns: Mapping[str, FoundColumn]
    constants: Mapping[str, str] = field(default_factory=dict)
    join: Join | None = None
    known: float = 1.0
    guessed: frozenset[str] = frozenset()

    @property
    def missing(self) -> tuple[str, ...]:
        """Required columns for which nothing was found."""
        have = {*self.columns, *self.constants, *(["account_id"] if self.join else [])}
        return tuple(name for name in self.contract.required if name not in have)

    @property
    def is_complete(self) -> bool:
        """Whether all is there that tells this table from another."""
        return not set(self.missing) - set(_WITHOUT.get(self.contract.name, ()))

    @property
    def key(self) -> Key:
        """The table and its column that identifies accounts."""
        return self.found, self.columns["account_id"].name

    @property
    def rewritten(self) -> Mapping[str, Writing]:
        """Our columns whose values have to be read by SQL, with how they are written."""
        found = {ours: theirs.writing_of(type_of(self.contract, ours)) for ours, theirs in self.columns.items()}
        return {ours: writing for ours, writing in found.items() if writing is not None}

    @property
    def needs_sql(self) -> bool:
        """Whether a name is not enough to read the table."""
        return self.join is not None or bool(self.constants) or bool(self.rewritten)

    def value(self, ours: str, table: str = "") -> str:
        """The SQL of one of our columns."""
        return self.columns[ours].read_as(type_of(self.contract, ours), table)

    @property
    def unused(self) -> tuple[str, ...]:
        """Their columns that stand for nothing of the contract."""
        used = {column.name for column in self.columns.values()} | ({self.join.key} if self.join else set())
        return tuple(column.name for column in self.found.columns if column.name not in used)


@dataclass(frozen=True)
class Matches:
    """Every table of the contract that was found, tables that list departures, and those that fit nothing."""

    tables: Mapping[str, TableMatch]
    departures: tuple[FoundTable, ...]
    unused: tuple[FoundTable, ...]

    @property
    def definition(self) -> Literal["subscription", "inactivity"]:
        """Churn by subscriptions, unless there is use and no subscription."""
        return "inactivity" if "usage" in self.tables and "subscriptions" not in self.tables else "subscription"

    @property
    def missing(self) -> tuple[str, ...]:
        """Required tables that were not found, and `table.column` of those found without a required column."""
        tables = tuple(name for name in required_tables(self.definition) if name not in self.tables)
        return tables + tuple(f"{name}.{column}" for name, found in self.tables.items() for column in found.missing)

    def placed(self, prefix: str) -> "Matches":
        """The same, with every source as it is named from elsewhere: `prefix` leads from there to the folder."""

        def there(table: FoundTable) -> FoundTable:
            return table if table.in_warehouse else replace(table, source=f"{prefix}{table.source}")

        def moved(found: TableMatch) -> TableMatch:
            join = replace(found.join, other=there(found.join.other)) if found.join else None
            return replace(found, found=there(found.found), join=join)

        return replace(self, tables={name: moved(found) for name, found in self.tables.items()})


def match(gathered: Gathered) -> Matches:
    """The likeliest table of the folder for each of the contract's, each used once."""
    departures = tuple(table for table in gathered.tables if _lists_departures(table))
    left = [table for table in gathered.tables if table not in departures]
    chosen: dict[str, TableMatch] = {}
    accounts = _best(_as_accounts(gathered, table) for table in left)
    if accounts is not None:
        chosen["accounts"] = accounts
        left.remove(accounts.found)
    candidates = [
        found
        for table in left
        for contract in CONTRACT.values()
        if contract.name != "accounts" and (found := _as(gathered, table, contract, accounts)) is not None
    ]
    for found in sorted(candidates, key=lambda candidate: candidate.score, reverse=True):
        if found.contract.name not in chosen and found.found in left:
            chosen[found.contract.name] = found
            left.remove(found.found)
    if "subscriptions" not in chosen and accounts is not None:
        terms = _within_accounts(accounts)
        if terms is not None:
            chosen["subscriptions"] = terms
    if not {"subscriptions", "usage"} & chosen.keys() and "invoices" in chosen:
        chosen["usage"] = _invoices_as_usage(chosen["invoices"])
    ordered = {name: chosen[name] for name in CONTRACT if name in chosen}
    return Matches(ordered, departures, tuple(left))


def _lists_departures(table: FoundTable) -> bool:
    """A table of departures alone: called so, and without the start of anything."""
    called = set(table.words) & set(familiar()["traps"]["departures"])
    return bool(called) and column_like(table, CONTRACT["subscriptions"], "started_on") is None


def _scored(
    table: FoundTable, contract: Table, columns: Mapping[str, tuple[FoundColumn, float]], derived: Iterable[str]
) -> float:
    """Name of the table, mean over its required columns, and a little for each further one."""
    worth = {name: likeness for name, (_, likeness) in columns.items()} | dict.fromkeys(derived, DERIVED)
    required = [worth.get(name, 0.0) for name in contract.required]
    further = sum(likeness for name, likeness in worth.items() if name not in contract.required)
    return named(table, contract) + 2 * sum(required) / len(required) + 0.1 * further


def _best(found: Iterable[TableMatch | None]) -> TableMatch | None:
    return max((one for one in found if one is not None), key=lambda one: one.score, default=None)


def _as_accounts(gathered: Gathered, table: FoundTable) -> TableMatch | None:
    contract = CONTRACT["accounts"]
    columns = columns_of(gathered, table, contract, None)
    if "account_id" not in columns or not (named(table, contract) or "created_at" in columns):
        return None
    key = [columns[name][0].name for name in ("account_id", RECORDED_AT) if name in columns]
    if not gathered.is_unique(table, *key):
        return None
    score = _scored(table, contract, columns, ())
    chosen = {name: theirs for name, (theirs, _) in columns.items()}
    return TableMatch(contract, table, score, chosen, guessed=_guessed(columns))


def _guessed(columns: Mapping[str, tuple[FoundColumn, float]]) -> frozenset[str]:
    return frozenset(name for name, (_, likeness) in columns.items() if likeness == DERIVED)


def _as(gathered: Gathered, table: FoundTable, contract: Table, accounts: TableMatch | None) -> TableMatch | None:
    """The table read as one of the contract's, or None where it cannot be that."""
    columns = columns_of(gathered, table, contract, accounts.key if accounts else None)
    is_named = named(table, contract) > 0
    without_account = "account_id" in contract.required and "account_id" not in columns
    join = _bridge(gathered, table, accounts) if without_account else None
    constants = _constants(table, contract, columns) if is_named else {}
    derived = [*constants, *(["account_id"] if join else [])]
    known = _known(gathered, table, columns, accounts)
    found = TableMatch(
        contract,
        table,
        _scored(table, contract, columns, derived) - (not known),
        {name: theirs for name, (theirs, _) in columns.items()},
        constants,
        join,
        known,
        _guessed(columns),
    )
    if contract.name == "subscriptions" and not (is_named or {"ended_on", "mrr"} & columns.keys()):
        return None
    # Without its own name a table must look like the contract's in every required column.
    return found if found.is_complete and (is_named or found.score >= _UNNAMED) else None


def _known(
    gathered: Gathered, table: FoundTable, columns: Mapping[str, tuple[FoundColumn, float]], accounts: TableMatch | None
) -> float:
    """The share of sampled rows whose account is known."""
    if accounts is None or "account_id" not in columns or not table.rows:
        return 1.0
    return gathered.overlap(table, columns["account_id"][0].name, *accounts.key)


def _bridge(gathered: Gathered, table: FoundTable, accounts: TableMatch | None) -> Join | None:
    """A table that has both the account and something that these rows know, such as their subscription."""
    contract = CONTRACT["subscriptions"]
    for bridge in _BRIDGES:
        names = familiar()["columns"]["any"][bridge]
        ours = next((c for c in table.columns if is_called(c.name, names, "id")), None)
        if ours is None:
            continue
        for other in gathered.tables:
            theirs = next((c for c in other.columns if is_called(c.name, names, "id")), None)
            account = column_like(other, contract, "account_id")
            if other is table or theirs is None or account is None or (accounts and other is accounts.found):
                continue
            overlap = gathered.overlap(table, ours.name, other, theirs.name)
            if overlap >= 0.5:
                return Join(other, ours.name, theirs.name, account.name, overlap)
    return None


def _constants(table: FoundTable, contract: Table, columns: Mapping[str, Any]) -> dict[str, str]:
    """What a file's name says of all its rows: orders.csv holds events called order, nps.csv answers of kind nps."""
    if contract.name == "usage" and "event" not in columns:
        return {"event": "_".join(table.words).removesuffix("s")}
    kinds = {"feedback": ("nps", "csat"), "interactions": ("call", "email", "meeting")}.get(contract.name, ())
    told = [kind for kind in kinds if any(word in (kind, kind + "s") for word in table.words)]
    told += [kind for kind in kinds if any(column.name.lower().startswith(kind) for column in table.columns)]
    return {"kind": told[0]} if told and "kind" not in columns else {}


def _within_accounts(accounts: TableMatch) -> TableMatch | None:
    """Accounts that carry their one subscription themselves: no start of their own but an end, or money a month."""
    contract = CONTRACT["subscriptions"]
    columns = {name: theirs for name, (theirs, _) in columns_like(accounts.found, contract).items()}
    if not {"ended_on", "mrr"} & columns.keys():
        return None
    columns = {"account_id": accounts.columns["account_id"]} | columns
    if "started_on" not in columns and "created_at" in accounts.columns:
        columns["started_on"] = accounts.columns["created_at"]
    found = TableMatch(contract, accounts.found, accounts.score, columns)
    return found if found.is_complete else None


def _invoices_as_usage(invoices: TableMatch) -> TableMatch:
    """A company of which only invoices are known: each is a purchase, its amount the quantity."""
    columns = {"account_id": "account_id", "issued_on": "occurred_at", "amount": "quantity"}
    return replace(
        invoices,
        contract=CONTRACT["usage"],
        columns={ours: invoices.columns[theirs] for theirs, ours in columns.items() if theirs in invoices.columns},
        constants={"event": "invoice"},
    )
