"""Single features with known answers: a few rows, seen on 15 March 2026, each account a case of its own."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from engine_companies import PAGE_GROUPS, Row, loaded
from oracle_time import Rules
from small_companies import LATER, SmallCompany

from features.build import Recipe, build, catalogue

__all__ = ["AS_OF", "ago", "asked", "on", "term"]

AS_OF = date(2026, 3, 15)


def on(day: date, hour: int = 12) -> datetime:
    return datetime(day.year, day.month, day.day, hour)  # noqa: DTZ001 - instants are naive UTC


def ago(days: int) -> date:
    return AS_OF - timedelta(days=days)


def term(started_on: date, **more: Any) -> Row:
    """A running term of 100 a month for five seats."""
    row = {"subscription_id": "S1", "account_id": "A1", "started_on": started_on, "ended_on": None, "mrr": 100.0}
    return row | {"plan": "pro", "seats": 5.0, "renews_on": None, "term_months": None, "billing_period": None} | more


def asked(
    engine: Any,
    tables: dict[str, list[Row]],
    *,
    groups: dict[str, tuple[str, ...]] = PAGE_GROUPS,
    categories: tuple[str, ...] = (),
    kinds: tuple[str, ...] = (),
    versioned: frozenset[str] = frozenset(),
    constant: frozenset[str] = frozenset(),
) -> dict[str, Row]:
    """All features on 15 March 2026, by account. Accounts are as old as the hills unless the tables have them."""
    ids = sorted({row["account_id"] for row in tables["subscriptions"]})
    accounts = [{"account_id": account_id, "created_at": on(ago(900))} for account_id in ids]
    company = SmallCompany({"accounts": accounts, **tables}, versioned, None, LATER, [AS_OF])
    with loaded(engine, company, Rules()) as bare:
        history = replace(bare, constant=constant)
        recipe = Recipe(catalogue(history, groups, categories=categories, kinds=kinds), groups, kinds)
        found = build(history, history.rules.moment(AS_OF), recipe).to_pyarrow().to_pylist()
    return {row["account_id"]: row for row in found}
