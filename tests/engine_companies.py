"""Small companies on the real engine: rows of plain values become tables in the contract's types, as at the door."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from itertools import count
from typing import Any

import ibis
import pyarrow as pa
from oracle_time import Rules
from small_companies import SmallCompany

from features.aspects import as_bits
from features.contract import CONTRACT, RECORDED_AT
from features.sentiment import judge
from features.timeline import ChurnRules
from features.versions import History

__all__ = ["KINDS", "PAGE_GROUPS", "Row", "as_arrow", "at_the_door", "churn_rules", "connect", "loaded"]

Row = dict[str, Any]

KINDS = ("login", "export")
"""The events that are looked at by themselves."""

PAGE_GROUPS = {"pricing": ("/pricing*", "/plans*"), "cancellation": ("/account/cancel*",)}

_ARROW = {
    "text": pa.string(),
    "date": pa.date32(),
    "instant": pa.timestamp("us"),
    "number": pa.float64(),
    "whole": pa.int64(),
    "boolean": pa.bool_(),
}
_fresh = count()


def connect() -> Any:
    """An engine in memory on one thread."""
    engine = ibis.duckdb.connect(threads=1)
    engine.raw_sql("SET TimeZone = 'UTC'")
    return engine


def churn_rules(rules: Rules, company: SmallCompany) -> ChurnRules:
    """The oracle's rules as the product's; a rule that does not apply keeps the product's default."""
    inactivity = {"inactive_days": rules.inactive_days} if rules.inactive_days is not None else {}
    return ChurnRules(
        definition=rules.definition,
        event=rules.event,
        horizon_days=rules.horizon_days,
        lead_days=rules.lead_days,
        grace_days=rules.grace_days,
        settle_days=rules.settle_days,
        arrival_hours=rules.arrival_hours,
        activity_events=rules.activity_events,
        count_free=rules.count_free,
        recorded_from=company.recorded_from,
        **inactivity,
    )


def at_the_door(name: str, rows: list[Row], rules: Rules) -> list[Row]:
    """What the sources do before any feature looks: ends become the first day without, tickets get their sentiment."""
    if name == "subscriptions" and rules.ended_on == "last_day":
        day = timedelta(days=1)
        return [{**row, "ended_on": row["ended_on"] and row["ended_on"] + day} for row in rows]
    if name in ("tickets", "ticket_messages") and "text" in rows[0] and "sentiment" not in rows[0]:
        return [{**row, **judgement(row["text"] if row.get("author") != "staff" else None)} for row in rows]
    return rows


@cache
def judgement(text: str | None) -> Row:
    """Mood and aspects of a text; missing where there are no words of a customer."""
    judged = judge(text)
    return {"sentiment": judged.polarity, "aspects": None if judged.language is None else as_bits(judged.aspects)}


@contextmanager
def loaded(engine: Any, company: SmallCompany, rules: Rules) -> Iterator[History]:
    """The company's history on the engine; its tables are dropped at the end.

    Each company gets names of its own: Ibis takes a result it has cached for the answer to any later question that
    reads the same.
    """
    number = next(_fresh)
    names = {name: f"{name}_{number}" for name in company.tables}
    try:
        tables = {
            name: engine.create_table(names[name], as_arrow(name, at_the_door(name, rows, rules)))
            for name, rows in company.tables.items()
        }
        yield History(tables, churn_rules(rules, company), company.versioned)
    finally:
        for name in names.values():
            engine.drop_table(name, force=True)


def as_arrow(name: str, rows: list[Row]) -> pa.Table:
    """The rows of that table in the contract's types; of columns that the contract does not know, in text."""
    types = {column.name: column.type for column in CONTRACT[name].columns} | {RECORDED_AT: "instant"}
    types |= {"sentiment": "number", "aspects": "whole"}
    schema = pa.schema([(column, _ARROW[types.get(column, "text")]) for column in rows[0]])
    return pa.Table.from_pylist(rows, schema=schema)
