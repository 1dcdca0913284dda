"""Rows as they were known at a moment.

A warehouse shows the tables as they stand now. A model trained on that sees the future three times over: rows that
arrived late, rows that were edited since, and columns that were still empty then. Each function here takes one of these
away.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import ibis
import ibis.expr.types as ir
from ibis.util import gen_name

from features.contract import CONTRACT, RECORDED_AT, Column, Knowable, Table
from features.timeline import ChurnRules, Moment

__all__ = ["History", "facts_until", "recorded_at", "visible"]


@dataclass(frozen=True)
class History:
    """A company's tables with what is known about how they are kept.

    Attributes
    ----------
    tables
        By name, in the contract's columns and types; instants are UTC without a zone. Absent tables are absent here.
    versioned
        Tables whose past values may be believed, since their rows are kept in versions: their mutable columns may
        teach, and an end that lies ahead was entered ahead. It is decided once, when a model is trained, and stored
        with it: were it read off the tables on each date, an early date would see no second version yet and judge
        otherwise. Of several versions of a key the newest counts in any table.
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
        """The table of that name as known at the moment: rows, versions and facts; each event of use once."""
        rows = facts_until(visible(self.tables[name], CONTRACT[name], moment, self.rules), CONTRACT[name], moment)
        return _first_deliveries(rows, self._redelivered) if name == "usage" and self.has("usage.event_id") else rows

    @cached_property
    def _redelivered(self) -> ir.Table:
        """The ids under which an event of use was delivered more than once, whenever: `event_id`.

        They are looked up once for all moments, into a table that goes with the engine. They are few, so that a moment
        has only their rows to put in order; to order the whole table would take longer than all the sums over it.
        """
        usage = self.tables["usage"]
        named = usage.filter(usage["event_id"].notnull()).group_by("event_id").agg(_n=ibis._.count())
        again = named.filter(named["_n"] > 1).select("event_id")
        kept: ir.Table = usage.get_backend().create_table(gen_name("redelivered"), again, temp=True)
        return kept


def _mutable(table: Table, name: str, history: History) -> bool:
    column = table.column(name)
    if column is None or column.knowable is Knowable.MUTABLE:
        return True
    if column.known_from and column.known_from not in history.tables[table.name].columns:
        return True  # a fact without its time: it stood there when the row was read, and nobody knows since when
    overwritten = table.name == "subscriptions" and not history.subscription_history
    return overwritten and name in {"mrr", "plan", "seats"}


def visible(table: ir.Table, contract: Table, moment: Moment, rules: ChurnRules) -> ir.Table:
    """The rows that had arrived, one version of each key: the newest that was there at the moment.

    A row counts from its event on, and not before its version reached the warehouse. Facts inside the version are left
    as they stand; `facts_until` takes away those still ahead.
    """
    if RECORDED_AT in table.columns:
        recorded = table[RECORDED_AT]
        arrived = recorded.isnull() | (recorded < moment.cut)
        if rules.recorded_from is not None:
            arrived = arrived | (recorded <= rules.recorded_from)
        table = table.filter(arrived)
        if contract.key is not None and contract.key in table.columns:
            table = _newest(table, contract.key)
    return table.filter(table[contract.event_time].cast("timestamp") < moment.midnight)


def _newest(rows: ir.Table, key: str) -> ir.Table:
    """The version recorded last, of each key."""
    place = ibis.row_number().over(group_by=key, order_by=ibis.desc(recorded_at(rows)))
    rows = rows.mutate(_place=place)
    return rows.filter(rows["_place"] == 0).drop("_place")


def recorded_at(rows: ir.Table) -> ir.TimestampValue:
    """When each version reached the warehouse; where nobody noted it, before all others."""
    return rows[RECORDED_AT].fill_null(_BEFORE_ALL)


_BEFORE_ALL = ibis.timestamp("0001-01-01 00:00:00")


def _first_deliveries(rows: ir.Table, redelivered: ir.Table) -> ir.Table:
    """Each event once, as it first arrived: a tracker that is not sure sends again, and the work was done once.

    What came later under the same `event_id` is no correction, for nothing says that it is one. Deliveries that arrived
    together are ordered by their values, so that none is left to chance.
    """
    copies = rows.semi_join(redelivered, "event_id")
    arrival = [recorded_at(copies)] if RECORDED_AT in copies.columns else []
    order = [*arrival, *(copies[name] for name in sorted(copies.columns))]
    copies = copies.mutate(_place=ibis.row_number().over(group_by="event_id", order_by=order))
    first = copies.filter(copies["_place"] == 0).drop("_place")
    return rows.anti_join(redelivered, "event_id").union(first)


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
