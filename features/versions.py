"""Rows as they were known at a moment.

A warehouse shows the tables as they stand now. A model trained on that sees the future three times over: rows that
arrived late, rows that were edited since, and columns that were still empty then. Each function here takes one of these
away.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import ibis
import ibis.expr.types as ir

from features.contract import CONTRACT, RECORDED_AT, Column, Knowable, Table
from features.timeline import ChurnRules, Moment

__all__ = ["History", "facts_until", "known", "visible"]


@dataclass(frozen=True)
class History:
    """A company's tables with what is known about how they are kept.

    Attributes
    ----------
    tables
        By name, in the contract's columns and types; instants are UTC without a zone. Absent tables are absent here.
    versioned
        Tables that hold several versions of a row. It is decided once, when a model is trained, and stored with it:
        were it read off the tables on each date, an early date would see no second version yet and judge otherwise.
    constant
        Mutable columns, as `table.column`, that the company declares never to change in truth.
    subscription_history
        False when price, plan and seats are overwritten in place: then they are mutable too.
    """

    tables: Mapping[str, ir.Table]
    rules: ChurnRules
    versioned: frozenset[str] = frozenset()
    constant: frozenset[str] = field(default_factory=frozenset)
    subscription_history: bool = True

    def has(self, *columns: str) -> bool:
        """Whether all these columns, as `table.column`, are there."""
        for name in columns:
            table, column = name.split(".")
            if table not in self.tables or column not in self.tables[table].columns:
                return False
        return True

    def may_teach(self, name: str) -> bool:
        """Whether a column, as `table.column`, may enter the model: it is there, and its past values are known.

        A mutable column shows what is true today. Where departing rewrites it (a segment set to "former", an owner
        cleared) it tells the label, so it is believed only from versions, or on the company's word.
        """
        if not self.has(name):
            return False
        table, column = name.split(".")
        if table in self.versioned or name in self.constant:
            return True
        return not _mutable(CONTRACT[table], column, self)

    def known(self, name: str, moment: Moment) -> ir.Table:
        """The table of that name as known at the moment; see `known`."""
        return known(self.tables[name], CONTRACT[name], moment, self.rules, name in self.versioned)


def _mutable(table: Table, name: str, history: History) -> bool:
    column = table.column(name)
    if column is None or column.knowable is Knowable.MUTABLE:
        return True
    if column.known_from and column.known_from not in history.tables[table.name].columns:
        return True  # a fact without its time: it stood there when the row was read, and nobody knows since when
    overwritten = table.name == "subscriptions" and not history.subscription_history
    return overwritten and name in {"mrr", "plan", "seats"}


def visible(table: ir.Table, contract: Table, moment: Moment, rules: ChurnRules, versioned: bool) -> ir.Table:
    """The rows that had arrived, one version of each: the newest that was there at the moment.

    A row counts from its event on, and not before its version reached the warehouse. Facts inside the version are left
    as they stand; `facts_until` takes away those still ahead.
    """
    if RECORDED_AT in table.columns:
        recorded = table[RECORDED_AT]
        arrived = recorded.isnull() | (recorded < moment.cut)
        if rules.recorded_from is not None:
            arrived = arrived | (recorded <= rules.recorded_from)
        table = table.filter(arrived)
        if versioned and contract.key is not None:
            table = _newest(table, contract.key)
    return table.filter(table[contract.event_time].cast("timestamp") < moment.midnight)


def _newest(rows: ir.Table, key: str) -> ir.Table:
    """The version recorded last, of each key."""
    order = ibis.desc(rows[RECORDED_AT].fill_null(_BEFORE_ALL))
    place = ibis.row_number().over(group_by=rows[key], order_by=[order])
    return rows.mutate(_place=place).filter(lambda t: t["_place"] == 0).drop("_place")


_BEFORE_ALL = ibis.timestamp("0001-01-01 00:00:00")


def facts_until(table: ir.Table, contract: Table, moment: Moment) -> ir.Table:
    """The same rows with every fact that had not happened yet set to null, and with it all that came with it.

    A ticket opened in March and resolved in May was open in April: its `resolved_at` stands in the row today, and a
    feature that read it in April would know the future. Plans (a due date, a renewal) stay, for they were known ahead.
    """
    facts = {
        column.name: _until(table, column, moment)
        for column in contract.columns
        if column.knowable is Knowable.FACT and column.name in table.columns
    }
    return table.mutate(**facts) if facts else table


def _until(table: ir.Table, column: Column, moment: Moment) -> ir.Value:
    own_time = column.known_from or column.name
    value = table[column.name]
    if own_time not in table.columns:
        return value
    return (table[own_time].cast("timestamp") < moment.midnight).ifelse(value, ibis.null(value.type()))


def known(table: ir.Table, contract: Table, moment: Moment, rules: ChurnRules, versioned: bool) -> ir.Table:
    """Rows, versions and facts as they were known at the moment."""
    return facts_until(visible(table, contract, moment, rules, versioned), contract, moment)
