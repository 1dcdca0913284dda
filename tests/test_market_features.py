"""The market: peers as each account would look them up by itself, itself and its siblings left out."""

import random
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from engine_companies import Row, connect, loaded
from oracle_features import features
from oracle_known import Known
from oracle_market import market
from oracle_time import Rules
from small_companies import SmallCompany

from features.build import Recipe, build, catalogue

FIRST = date(2025, 1, 6)
TODAY = FIRST + timedelta(days=500)
DATES = [FIRST + timedelta(days=days) for days in (200, 290)]
RULES = Rules(definition="subscription", grace_days=30, horizon_days=60)


@pytest.fixture(scope="module")
def engine() -> Any:
    return connect()


def company(seed: int = 3, accounts: int = 110) -> SmallCompany:
    """Accounts in few segments, industries and plans, some of one family; a third of them leave."""
    draw = random.Random(seed)
    tables: dict[str, list[Row]] = {"accounts": [], "subscriptions": [], "usage": []}
    for number in range(accounts):
        name = f"A{number:03}"
        started_on = FIRST + timedelta(days=draw.randrange(100))
        stays = draw.random() < 0.67
        ended_on = None if stays else started_on + timedelta(days=draw.randrange(60, 360))
        above = f"A{draw.randrange(number):03}" if number and draw.random() < 0.2 else None
        tables["accounts"].append(
            {
                "account_id": name,
                "created_at": noon(started_on),
                "parent_id": above,
                "segment": draw.choice(["small", "small", "small", "large", None]),
                "industry": draw.choice(["clinics", "shops"]),
                "recorded_at": noon(started_on + timedelta(days=draw.choice([0, 0, 0, 150]))),
            }
        )
        term = {"subscription_id": name, "account_id": name, "started_on": started_on, "ended_on": ended_on}
        more = {"mrr": draw.choice([40.0, 100.0]), "plan": draw.choice(["basic", "basic", "pro"]), "renews_on": None}
        tables["subscriptions"].append({**term, **more, "seats": None})
        for _ in range(draw.randrange(120)):
            day = started_on + timedelta(days=draw.randrange(400))
            if ended_on is None or day < ended_on:
                tables["usage"].append(
                    {"account_id": name, "occurred_at": noon(day), "event": "export", "quantity": 1.0, "user_id": None}
                )
    return SmallCompany(tables, frozenset({"accounts"}), None, TODAY, DATES)


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12))


def computed(engine: Any, drawn: SmallCompany, as_of: date) -> dict[str, Row]:
    with loaded(engine, drawn, RULES) as history:
        recipe = Recipe(catalogue(history, {}), {})
        rows = build(history, history.rules.moment(as_of), recipe).to_pyarrow().to_pylist()
    return {row["account_id"]: row for row in rows}


NAMES = [f"peer_{what}_{kind}" for what in ("churn", "trend") for kind in ("segment", "industry", "plan")]


@pytest.mark.parametrize("as_of", DATES, ids=str)
def test_peers_are_what_each_account_finds_by_itself(engine: Any, as_of: date) -> None:
    """Every feature of the market, for every account, and none of them empty throughout."""
    drawn = company()
    expected = features(drawn, RULES, as_of, {})
    found = computed(engine, drawn, as_of)
    for name in [*NAMES, "usage_place"]:
        wanted = {account: values[name] for account, values in expected.items()}
        assert wanted == {account: near(row[name]) for account, row in found.items()}, name
        assert any(value is not None for value in wanted.values()), name
    assert len({row["peer_churn_industry"] for row in found.values()}) > 2


def near(value: Any) -> Any:
    return value if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)


def test_an_account_and_its_siblings_are_no_peers_of_their_own(engine: Any) -> None:
    """Whatever happens inside a family changes nothing about its own market, and something about the others'."""
    drawn = company()
    as_of = DATES[1]
    before = computed(engine, drawn, as_of)
    parents = {row["account_id"]: row["parent_id"] for row in drawn.tables["accounts"]}
    roots = {name: root(name, parents) for name in parents}
    chosen = next(name for name in before if sum(r == roots[name] for r in roots.values()) > 2)
    family = {name for name, above in roots.items() if above == before[chosen]["root_id"]}
    quiet = {**drawn.tables, "usage": [row for row in drawn.tables["usage"] if row["account_id"] not in family]}
    after = computed(engine, SmallCompany(quiet, drawn.versioned, None, TODAY, DATES), as_of)
    assert [before[chosen][name] for name in NAMES] == [after[chosen][name] for name in NAMES]
    assert any(before[name]["peer_trend_industry"] != after[name]["peer_trend_industry"] for name in before)


def root(name: str, parents: dict[str, str | None]) -> str:
    while parents.get(name) is not None:
        name = str(parents[name])
    return name


def test_a_peer_in_its_grace_has_not_left_yet(engine: Any) -> None:
    """Ended 30 days ago it may still return; from the next day on it is known to be gone."""
    drawn = company()
    as_of = DATES[1]
    here = Known(drawn, RULES, as_of)
    assert market(here, {}) == {}
    staying = next(row for row in drawn.tables["subscriptions"] if row["ended_on"] is None)
    rows = []
    for ended in (30, 31):
        ended_on = as_of - timedelta(days=ended)
        terms = [row | ({"ended_on": ended_on} if row is staying else {}) for row in drawn.tables["subscriptions"]]
        tables = {**drawn.tables, "subscriptions": terms}
        rows.append(computed(engine, SmallCompany(tables, drawn.versioned, None, TODAY, DATES), as_of))
    one = next(name for name in rows[0] if rows[0][name]["plan"] == staying["plan"] and name != staying["account_id"])
    assert rows[0][one]["peer_churn_plan"] < rows[1][one]["peer_churn_plan"]


def test_who_gave_notice_has_left_once(engine: Any) -> None:
    """With `event = "notice"` an account under notice is gone, on the plan it still has, and not here as well."""
    drawn = company()
    as_of = DATES[1]
    rules = Rules(definition="subscription", event="notice", grace_days=30, horizon_days=60)
    staying = [row for row in drawn.tables["subscriptions"] if row["ended_on"] is None][:12]
    noticed = {row["account_id"] for row in staying}
    terms = [
        row | {"notice_on": as_of - timedelta(days=60) if row["account_id"] in noticed else None}
        for row in drawn.tables["subscriptions"]
    ]
    changed = SmallCompany({**drawn.tables, "subscriptions": terms}, drawn.versioned, None, TODAY, DATES)
    expected = features(changed, rules, as_of, {})
    with loaded(engine, changed, rules) as history:
        recipe = Recipe(catalogue(history, {}), {})
        rows = build(history, history.rules.moment(as_of), recipe).to_pyarrow().to_pylist()
    found = {row["account_id"]: row for row in rows}
    for name in ("peer_churn_plan", "peer_churn_industry"):
        assert {account: values[name] for account, values in expected.items()} == {
            account: near(row[name]) for account, row in found.items()
        }
    assert max(row["peer_churn_plan"] or 0.0 for row in found.values()) > 0.1
