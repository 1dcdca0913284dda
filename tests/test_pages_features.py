"""Page visits: who looked, how often and when, of single accounts with known answers."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from engine_companies import PAGE_GROUPS, Row
from single_cases import ago, asked, on, term

from features.outages import Recorded
from features.pages import HALF_LIFE_DAYS, listed
from pipeline.amounts import Language
from pipeline.wording import sentence

NIGHT = date(2026, 11, 2)
RECORDS = {feature.name: feature.as_record() for feature in listed(PAGE_GROUPS)}
CANCEL, PRICES, DOCS = "/account/cancel/why", "/pricing", "/docs/start"


def visit(days: int, path: str = CANCEL, user: str | None = None) -> Row:
    return {"visited_at": on(ago(days)), "path": path, "user_id": user}


CASES: list[tuple[str, list[Row], Mapping[str, float | None]]] = [
    (
        "two people, and nobody before",
        [visit(3, user="U1"), visit(5, user="U2"), visit(4, user="U1")],
        {
            "cancellation_visits_28": 3,
            "cancellation_visitors_28": 2,
            "days_since_cancellation": 3,
            "days_since_first_cancellation": 5,
        },
    ),
    (
        "somebody had looked before",
        [visit(3, user="U1"), visit(29, user="U2")],
        {"cancellation_visitors_28": 1, "days_since_first_cancellation": 3, "cancellation_visits_84": 2},
    ),
    (
        "what was looked at more than a year ago is forgotten",
        [visit(365, user="U1")],
        {"days_since_cancellation": None, "cancellation_visits_decayed": 0},
    ),
    (
        "another page is no page of this group",
        [visit(3, user="U1"), visit(60, PRICES, "U1")],
        {"cancellation_visits_84": 1, "pricing_visitors_28": 0, "pricing_visits_84": 1},
    ),
    ("visits that name nobody were somebody's", [visit(3), visit(4)], {"cancellation_visitors_28": 1}),
    (
        "the first and the last day of the windows",
        [visit(days) for days in (1, 28, 29, 84, 85)],
        {"cancellation_visits_28": 2, "cancellation_visits_84": 4},
    ),
    (
        "a visit weighs half after a fortnight",
        [visit(1), visit(1 + HALF_LIFE_DAYS), visit(1 + 2 * HALF_LIFE_DAYS)],
        {"cancellation_visits_decayed": 1.75},
    ),
    (
        "all groups together, but the documentation",
        [visit(3), visit(4, PRICES), visit(5, DOCS), visit(29)],
        {"leaving_page_visits_28": 2, "documentation_visits_28": 1},
    ),
    (
        "nobody looked",
        [],
        {"cancellation_visits_28": 0, "cancellation_visitors_28": 0, "days_since_cancellation": None},
    ),
]
GROUPS = {**PAGE_GROUPS, "documentation": ("/docs*",)}
LONG_RECORDED = {"account_id": "long ago", **visit(600, "/")}


def test_visits(engine: Any) -> None:
    """Windows, people and the first and last time, seen on 15 March 2026."""
    terms = [term(ago(900), account_id=name) for name in ("long ago", *(promise for promise, _, _ in CASES))]
    rows = [row | {"account_id": promise} for promise, rows, _ in CASES for row in rows]
    found = asked(engine, {"subscriptions": terms, "page_visits": [*rows, LONG_RECORDED]}, groups=GROUPS)
    for promise, _, expected in CASES:
        assert {name: near(value) for name, value in expected.items()} == {
            name: found[promise][name] for name in expected
        }, promise


def near(value: Any) -> Any:
    return value if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("recorded_for", "missing"),
    [
        (27, {"visits_28", "visits_84", "visits_decayed", "visitors_28"}),
        (28, {"visits_84", "visits_decayed"}),
        (83, {"visits_84", "visits_decayed"}),
        (84, set()),
    ],
)
def test_what_was_not_recorded_is_missing(engine: Any, recorded_for: int, missing: set[str]) -> None:
    """A tracker that was set up last month says nothing of the months before."""
    first = {"account_id": "A2", **visit(recorded_for, "/")}
    rows = [{"account_id": "A1", **visit(3)}, first]
    terms = [term(ago(900), account_id=name) for name in ("A1", "A2")]
    found = asked(engine, {"subscriptions": terms, "page_visits": rows})["A1"]
    names = {name for name in RECORDS if name.startswith("cancellation_")}
    assert {f"cancellation_{name}" for name in missing} == {name for name in names if found[name] is None}


LOST = (2, 3, 4)


def test_lost_days_are_no_days_without_visits(engine: Any) -> None:
    """Twenty-four accounts open prices every day; on three days nothing arrived, which none of them had done."""
    names = [f"A{number:02}" for number in range(24)]
    rows = [
        {"account_id": name, **visit(age + 1, PRICES, "U1")} for name in names for age in range(120) if age not in LOST
    ]
    rows += [{"account_id": "rare", **visit(10, CANCEL, "U1")}]
    terms = [term(ago(900), account_id=name) for name in [*names, "rare"]]
    found = asked(engine, {"subscriptions": terms, "page_visits": rows})
    often, rare = found["A00"], found["rare"]
    assert (near(28.0), near(84.0)) == tuple(often[f"pricing_visits_{days}"] for days in (28, 84))
    whole = sum(0.5 ** (age / HALF_LIFE_DAYS) for age in range(364))
    fading, lost = (sum(0.5 ** (age / HALF_LIFE_DAYS) for age in ages) for ages in (set(range(120)) - {*LOST}, LOST))
    assert often["pricing_visits_decayed"] == pytest.approx(fading * whole / (whole - lost), rel=1e-4)
    assert (1.0, 1.0) == (often["pricing_visitors_28"], rare["cancellation_visitors_28"])
    assert (None, 1.0) == (rare["days_since_cancellation"], often["days_since_pricing"])


def test_people_are_not_made_up_for_lost_days() -> None:
    """Counts of visits are scaled to the whole window, people are counted as they were seen or not at all."""
    assert Recorded(first=400, lost=LOST).covers(0, 28)
    assert not Recorded(first=400, lost=tuple(range(8))).covers(0, 28)


def test_without_users_somebody_looked(engine: Any) -> None:
    """A table that names no users still tells how often and when; how many people it were, it cannot."""
    rows = [{"account_id": "A1", "visited_at": on(ago(days)), "path": path} for days, path in [(3, CANCEL), (200, "/")]]
    found = asked(engine, {"subscriptions": [term(ago(900))], "page_visits": rows})["A1"]
    assert (1, 3) == (found["cancellation_visits_28"], found["days_since_cancellation"])
    assert "cancellation_visitors_28" not in found


def test_one_group_needs_no_summary() -> None:
    """Of one group, or of one beside the documentation, the sum would say the same again."""
    assert "leaving_page_visits_28" in RECORDS
    assert "leaving_page_visits_28" not in {feature.name for feature in listed(["pricing", "documentation"])}


def test_who_stays_reads_documentation_and_bills_too() -> None:
    """Directions are expected only where the trade is sure."""
    directions = {feature.name: feature.direction for feature in listed(["refund", "billing", "documentation"])}
    assert (1, 0, 0) == tuple(directions[f"{group}_visits_28"] for group in ("refund", "billing", "documentation"))


SENTENCES: list[tuple[str, str, float, dict[str, float], Language]] = [
    (
        "Two people there opened cancellation pages in the last 28 days, the last 3 days ago. (internal, do not quote)",
        "cancellation_visitors_28",
        2.0,
        {"days_since_cancellation": 3.0},
        "en",
    ),
    (
        "近 28 天有 2 个人打开过退订页面,最近一次在 3 天前。(内部信息,勿对客户提起)",
        "cancellation_visitors_28",
        2.0,
        {"days_since_cancellation": 3.0},
        "zh",
    ),
    (
        "近 28 天有一个人打开过退订页面,最近一次在 3 天前。(内部信息,勿对客户提起)",
        "cancellation_visitors_28",
        1.0,
        {"days_since_cancellation": 3.0},
        "zh",
    ),
    (
        "Pricing or cancellation pages were opened 6 times in all in the last 28 days. (internal, do not quote)",
        "leaving_page_visits_28",
        6.0,
        {},
        "en",
    ),
    (
        "近 28 天打开价格、退订页面共 6 次。(内部信息,勿对客户提起)",
        "leaving_page_visits_28",
        6.0,
        {},
        "zh",
    ),
]


@pytest.mark.parametrize(("expected", "feature", "value", "facts", "language"), SENTENCES)
def test_sentences(expected: str, feature: str, value: float, facts: dict[str, Any], language: Language) -> None:
    """As a colleague would say it among us, never to the customer."""
    assert expected == sentence(RECORDS[feature], {"value": value, "contribution": 0.3}, facts, NIGHT, language)
