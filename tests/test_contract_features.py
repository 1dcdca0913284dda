"""Tenure and contract: renewals, prices, plans, products and returns of single accounts with known answers."""

import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from engine_companies import Row
from single_cases import AS_OF, ago, asked, on, term

from features.catalogue import read_catalogue
from features.tenure import further
from pipeline.amounts import Language
from pipeline.settings_file import read_settings
from pipeline.sources import open_sources
from pipeline.wording import sentence, top_sentences

NIGHT = date(2026, 11, 2)
RECORDS = {feature.name: feature.as_record() for feature in read_catalogue("tenure")}

# --- renewals -------------------------------------------------------------------------------------------------------

RENEWALS: list[tuple[str, Row, date | None, float | None]] = [
    ("each renewal counts from the start", term(date(2025, 8, 30), term_months=3.0), date(2026, 5, 30), 0),
    ("a short month in between changes nothing", term(date(2025, 8, 31), term_months=6.0), date(2026, 8, 31), 0),
    ("on the date itself it has not passed", term(date(2025, 3, 15), term_months=12.0), AS_OF, 0),
    ("29 February renews on the 28th", term(date(2024, 2, 29), term_months=12.0), date(2027, 2, 28), 0),
    (
        "without a term the billing period suggests it",
        term(date(2025, 12, 31), billing_period="Quarterly"),
        date(2026, 3, 31),
        1,
    ),
    ("who can leave every month renews nothing", term(date(2026, 1, 31), billing_period="Monthly"), None, None),
    ("a term goes before the billing", term(ago(10), term_months=12.0, billing_period="monthly"), date(2027, 3, 5), 0),
    ("a stated first one is believed", term(ago(10), term_months=3.0, renews_on=date(2026, 7, 6)), date(2026, 7, 6), 0),
    ("one rolled on in place is not", term(ago(10), term_months=3.0, renews_on=date(2026, 7, 7)), date(2026, 6, 5), 0),
    ("without a term a stated date may be rolled on", term(ago(10), renews_on=date(2026, 4, 1)), None, None),
    (
        "a stated date needs no billing to suggest it",
        term(ago(10), billing_period="quarterly", renews_on=date(2026, 6, 7)),
        date(2026, 6, 7),
        0,
    ),
    (
        "the renewal after a stated one is suggested by the billing again",
        term(date(2025, 9, 10), billing_period="quarterly", renews_on=date(2025, 12, 12)),
        date(2026, 6, 12),
        1,
    ),
]

TWO_ON_ONE_DAY: list[Row] = [{"billing_period": "annual"}, {"term_months": 12.0}]
"""What one contract states is no inference, whatever the billing of another product suggests for the same day."""


def test_next_renewal(engine: Any) -> None:
    """Days to the renewal, seen on 15 March 2026 in a table that keeps no versions, and whether it is inferred."""
    rows = [row | {"account_id": promise} for promise, row, _, _ in RENEWALS]
    rows += [term(ago(10), account_id="two products", **each) for each in TWO_ON_ONE_DAY]
    found = asked(engine, {"subscriptions": rows})
    assert found["two products"]["renewal_inferred"] == 0
    for promise, _, day, inferred in RENEWALS:
        row = found[promise]
        expected = (day and float((day - AS_OF).days), inferred, day and float((day - AS_OF).days < 60))
        assert expected == (row["days_to_renewal"], row["renewal_inferred"], row["renews_in_horizon"]), promise


BY_ITSELF: list[tuple[str, list[Row], float | None]] = [
    ("by itself", [{"term_months": 12.0, "auto_renews": True}], 0),
    ("only by hand", [{"term_months": 12.0, "auto_renews": False}], 1),
    ("nobody says", [{"term_months": 12.0, "auto_renews": None}], 0),
    ("no renewal ahead", [{"term_months": 1.0, "auto_renews": False}], None),
    ("another product ends later", [{"term_months": m, "auto_renews": m == 3.0} for m in (3.0, 12.0)], 0),
    ("one of two that end on one day", [{"term_months": 3.0, "auto_renews": each} for each in (True, False)], 1),
]


def test_what_does_not_renew_by_itself(engine: Any) -> None:
    """The flag of the term to renew next is shown as it stands, edited in place or not: no model learns from it."""
    every = [(promise, each) for promise, several, _ in BY_ITSELF for each in several]
    rows = [term(ago(10), subscription_id=f"S{n}", account_id=name, **each) for n, (name, each) in enumerate(every)]
    found = asked(engine, {"subscriptions": rows})
    assert {promise: by_hand for promise, _, by_hand in BY_ITSELF} == {
        promise: row["renewal_by_hand"] for promise, row in found.items()
    }


def test_without_the_flag_a_contract_is_said_to_renew(engine: Any) -> None:
    rows = [term(ago(10), account_id="A1", term_months=12.0)]
    assert asked(engine, {"subscriptions": rows})["A1"]["renewal_by_hand"] == 0


SURVIVED: list[tuple[str, list[Row], float | None]] = [
    ("a year has passed twice", [term(date(2024, 3, 1), term_months=12.0)], 2),
    ("the day of the renewal is not over", [term(date(2024, 3, 15), term_months=12.0)], 1),
    ("the day after it is", [term(date(2024, 3, 14), term_months=12.0)], 2),
    (
        "a row for every term",
        [
            term(date(2023, 9, 1), term_months=12.0, ended_on=date(2024, 9, 1)),
            term(date(2024, 9, 1), term_months=12.0, ended_on=date(2025, 9, 1)),
            term(date(2025, 9, 1), term_months=12.0),
        ],
        2,
    ),
    (
        "one that was cut short was not survived",
        [
            term(date(2025, 1, 1), term_months=12.0, ended_on=date(2025, 9, 1)),
            term(date(2025, 9, 1), term_months=12.0),
        ],
        0,
    ),
    (
        "an earlier spell is another life",
        [
            term(date(2023, 1, 1), term_months=6.0, ended_on=date(2024, 1, 1)),
            term(date(2025, 9, 1), term_months=3.0),
        ],
        2,
    ),
    ("who can leave every month renews nothing", [term(date(2023, 1, 1), term_months=1.0)], None),
]


def test_renewals_survived(engine: Any) -> None:
    """Commitments that ran out in the present spell."""
    found = asked(engine, {"subscriptions": named(SURVIVED)})
    assert {promise: count for promise, _, count in SURVIVED} == {
        promise: row["renewals_survived"] for promise, row in found.items()
    }


def named(cases: list[tuple[str, list[Row], Any]]) -> list[Row]:
    """The rows of all cases, each case an account by the name of its promise, each row with a key of its own."""
    return [
        row | {"account_id": promise, "subscription_id": f"{promise} {place}"}
        for promise, rows, _ in cases
        for place, row in enumerate(rows)
    ]


# --- prices ---------------------------------------------------------------------------------------------------------

PRICES: list[tuple[str, list[Row], list[Row], float]] = [
    ("the same for more money", [{}], [{"mrr": 118.0}], 0.18),
    ("more seats are no price rise", [{}], [{"mrr": 200.0, "seats": 10.0}], 0.0),
    ("fewer seats for more money are one", [{}], [{"mrr": 150.0, "seats": 4.0}], 0.5),
    ("a second product is none", [{}], [{}, {"mrr": 50.0}], 0.0),
    ("without seats on record the plan decides", [{"seats": None}], [{"mrr": 118.0, "seats": None}], 0.18),
    ("another plan is another price", [{"seats": None}], [{"mrr": 300.0, "seats": None, "plan": "max"}], 0.0),
    (
        "with neither seats nor plans nothing tells more from dearer",
        [{"seats": None, "plan": None}],
        [{"mrr": 118.0, "seats": None, "plan": None}],
        0.0,
    ),
    ("a fall is no rise", [{}], [{"mrr": 80.0}], 0.0),
    ("more use is no rise", [{"mrr": None}], [{"mrr": 118.0}], 0.0),
    ("nor is it beside a fixed price", [{}, {"mrr": None}], [{"mrr": 118.0}, {"mrr": 40.0}], 0.0),
]


def test_price_rise(engine: Any) -> None:
    """More money a month for no more; `before` and `now` are the terms up to and from some days ago."""
    when, rows = (20, 84, 85, 364, 365), []
    for promise, before, now, _ in PRICES:
        for days in when:
            name = f"{promise}, {days}"
            rows += [term(ago(400), account_id=name, **({"ended_on": ago(days)} | row)) for row in before]
            rows += [term(ago(days), account_id=name, **row) for row in now]
    found = asked(engine, {"subscriptions": rows})
    for promise, _, _, rise in PRICES:
        for days in when:
            row = found[f"{promise}, {days}"]
            within_84, within_364 = (rise if days <= window else 0.0 for window in (84, 364))
            expected = (near(within_364), near(within_84), float(days) if within_364 else None)
            seen = (row["price_rise_364"], row["price_rise_84"], row["days_since_price_rise"])
            assert expected == seen, f"{promise}, {days} days ago"


HISTORIES: list[tuple[str, list[Row], tuple[float, float | None]]] = [
    (
        "a lapse within the grace is the same contract at another price",
        [term(ago(300), ended_on=ago(130)), term(ago(100), mrr=150.0)],
        (0.5, 100),
    ),
    (
        "who came back after leaving for good bought anew",
        [term(ago(300), ended_on=ago(131)), term(ago(100), mrr=150.0)],
        (0.0, None),
    ),
    (
        "the last of two rises counts",
        [term(ago(400), ended_on=ago(200)), term(ago(200), mrr=120.0, ended_on=ago(50)), term(ago(50), mrr=132.0)],
        (0.1, 50),
    ),
    (
        "what was booked ahead is known, but not yet paid",
        [term(ago(400)), term(date(2026, 3, 16), mrr=118.0)],
        (0.0, None),
    ),
]


def test_price_rises_through_the_years(engine: Any) -> None:
    """The share of the last rise, and the days since."""
    found = asked(engine, {"subscriptions": named(HISTORIES)})
    for promise, _, (rise, since) in HISTORIES:
        assert (near(rise), since) == (found[promise]["price_rise_364"], found[promise]["days_since_price_rise"]), (
            promise
        )


def test_a_price_that_rose_within_its_row_is_seen_where_versions_are_kept(engine: Any) -> None:
    """From the day that the night saw, and from the term's start where the term was booked ahead."""
    first = {"account_id": "edited", "subscription_id": "S1", "recorded_at": on(ago(400))}
    ahead = {"account_id": "booked ahead", "subscription_id": "S2"}
    rows = [
        term(ago(400), **first),
        term(ago(400), **first | {"mrr": 118.0, "recorded_at": on(ago(29), 1)}),
        term(ago(60), **ahead, recorded_at=on(ago(90))),
        term(ago(60), **ahead, mrr=118.0, recorded_at=on(ago(80))),
    ]
    found = asked(engine, {"subscriptions": rows}, versioned=frozenset({"subscriptions"}))
    rises = {name: (row["price_rise_364"], row["days_since_price_rise"]) for name, row in found.items()}
    assert {"edited": (near(0.18), 30.0), "booked ahead": (0.0, None)} == rises


# --- changes --------------------------------------------------------------------------------------------------------

CHANGES: list[tuple[str, list[Row], Mapping[str, float | None]]] = [
    (
        "a dearer plan",
        [term(ago(400), ended_on=ago(50)), term(ago(50), plan="max", mrr=250.0)],
        {"plan_change_84": 1, "mrr_before_84": 100, "mrr_change_84": math.log(251 / 101), "price_rise_84": 1.5},
    ),
    (
        "a cheaper plan",
        [term(ago(400), ended_on=ago(20)), term(ago(20), plan="basic", mrr=40.0)],
        {"plan_change_84": -1, "mrr_before_84": 100, "price_rise_84": 0},
    ),
    ("the same plan", [term(ago(400))], {"plan_change_84": 0, "mrr_change_84": 0}),
    (
        "a new customer",
        [term(ago(60))],
        {"plan_change_84": None, "mrr_before_84": None, "mrr_change_84": None, "seats_change_84": None},
    ),
    (
        "eight seats more",
        [term(ago(400), ended_on=ago(30)), term(ago(30), seats=13.0, mrr=260.0)],
        {"seats_change_84": 8, "seats_before_84": 5, "price_rise_84": 0},
    ),
    (
        "one of two products ended",
        [term(ago(400)), term(ago(300), ended_on=ago(10))],
        {"products": 1, "mrr_before_84": 200},
    ),
    (
        "a product more",
        [term(ago(400)), term(ago(30))],
        {"products": 2, "mrr_before_84": 100},
    ),
    (
        "notice on one of two",
        [term(ago(400)), term(ago(300), notice_on=ago(3))],
        {"products": 2, "products_under_notice": 1},
    ),
    (
        "a notice still ahead",
        [term(ago(400)), term(ago(300), notice_on=AS_OF)],
        {"products": 2, "products_under_notice": 0},
    ),
    ("never away", [term(ago(400), ended_on=ago(300)), term(ago(300))], {"returns": 0}),
    ("away for a day", [term(ago(400), ended_on=ago(300)), term(ago(299))], {"returns": 1}),
    (
        "away within the grace and beyond it",
        [term(ago(900), ended_on=ago(700)), term(ago(690), ended_on=ago(400)), term(ago(100))],
        {"returns": 2, "tenure_days": 100},
    ),
    ("one product ended while another ran", [term(ago(400), ended_on=ago(300)), term(ago(350))], {"returns": 0}),
]


def test_changes(engine: Any) -> None:
    """Against 84 days ago, and against all that was before."""
    rows = [{"notice_on": None} | row for row in named(CHANGES)]
    found = asked(engine, {"subscriptions": rows})
    for promise, _, expected in CHANGES:
        assert {name: near(value) for name, value in expected.items()} == {
            name: found[promise][name] for name in expected
        }, promise


def near(value: Any) -> Any:
    return value if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)


# --- further columns of accounts ------------------------------------------------------------------------------------

TIERS = {"A1": "gold", "A2": None}


def accounts_with_tiers(**more: Any) -> list[Row]:
    return [{"account_id": name, "created_at": on(ago(900)), "tier": tier, **more} for name, tier in TIERS.items()]


def test_a_further_column_is_a_category_where_it_may_teach(engine: Any) -> None:
    """Declared constant or kept in versions; a column that is overwritten would tell the future and is left out."""
    terms = [term(ago(400), account_id=name, subscription_id=name) for name in TIERS]
    tables = {"subscriptions": terms, "accounts": accounts_with_tiers()}
    declared = asked(engine, tables, categories=("accounts.tier",), constant=frozenset({"accounts.tier"}))
    assert {name: row["accounts_tier"] for name, row in declared.items()} == TIERS
    assert "accounts_tier" not in asked(engine, tables, categories=("accounts.tier",))["A1"]
    assert "accounts_tier" not in asked(engine, tables, constant=frozenset({"accounts.tier"}))["A1"]


def test_a_further_column_is_as_it_was_known(engine: Any) -> None:
    """A tier that arrives after the night is not seen by it."""
    now, later = ({"recorded_at": on(day)} for day in (ago(300), date(2026, 3, 20)))
    accounts = [*accounts_with_tiers(**now), *(row | {"tier": "lost"} for row in accounts_with_tiers(**later))]
    terms = [term(ago(200), account_id=name, subscription_id=name) for name in TIERS]
    tables = {"subscriptions": terms, "accounts": accounts}
    found = asked(engine, tables, categories=("accounts.tier",), versioned=frozenset({"accounts"}))
    assert {name: row["accounts_tier"] for name, row in found.items()} == TIERS


def test_a_further_column_is_read_without_a_mapping(tmp_path: Path) -> None:
    """Naming it as a category is enough; a table without it is refused like one without a mapped column."""
    (tmp_path / "accounts.csv").write_text("account_id,created_at,tier,notes\nA1,2025-01-01,gold,x\n", encoding="utf-8")
    (tmp_path / "subscriptions.csv").write_text("account_id,started_on,ended_on\nA1,2025-01-01,\n", encoding="utf-8")
    for column, read, missing in (("tier", ["tier"], []), ("region", [], ["region"])):
        tables = 'accounts = "accounts.csv"\nsubscriptions = "subscriptions.csv"\n'
        file = tmp_path / "churn.toml"
        file.write_text(f'[data]\n{tables}categories = ["accounts.{column}"]\n', encoding="utf-8")
        opened = open_sources(read_settings(file))
        assert missing == [fault.column for fault in opened.unreadable]
        accounts = opened.tables.get("accounts")
        assert read == ([] if accounts is None else [name for name in accounts.columns if name in {"tier", "notes"}])
        opened.close()


def test_a_further_column_has_words_of_its_own() -> None:
    [feature] = further(["accounts.sales_region"])
    reason = {"value": "Nordics", "contribution": 0.2}
    assert sentence(feature.as_record(), reason, {}, NIGHT) == "Their sales region: Nordics."
    assert ("accounts_sales_region", ("accounts.sales_region",)) == (feature.name, feature.needs)


# --- words ----------------------------------------------------------------------------------------------------------

RENEWS = {"renewal_inferred": 0.0, "renewal_by_hand": 0.0}
INFERRED = {"renewal_inferred": 1.0, "renewal_by_hand": 0.0}
BY_HAND = {"renewal_inferred": 0.0, "renewal_by_hand": 1.0}

SENTENCES: list[tuple[str, str, float, dict[str, float | str], Language]] = [
    (
        "Their price rose by 18 % on 1 October with no more seats.",
        "price_rise_84",
        0.18,
        {"price_rise_364": 0.18, "days_since_price_rise": 32.0},
        "en",
    ),
    (
        "10 月 1 日涨价 18%,席位没有增加。",
        "price_rise_84",
        0.18,
        {"price_rise_364": 0.18, "days_since_price_rise": 32.0},
        "zh",
    ),
    (
        "Their price rose by 18 % on 1 October with no more seats, and the contract renews on 14 December.",
        "price_rise_364",
        0.18,
        {"price_rise_364": 0.18, "days_since_price_rise": 32.0, "days_to_renewal": 42.0, **RENEWS},
        "en",
    ),
    (
        "10 月 1 日涨价 18%,席位没有增加;合同 12 月 14 日续约。",
        "price_rise_84",
        0.18,
        {"price_rise_364": 0.18, "days_since_price_rise": 32.0, "days_to_renewal": 42.0, **RENEWS},
        "zh",
    ),
    (
        "The contract renews on 14 December or so, judging by their billing.",
        "days_to_renewal",
        42.0,
        INFERRED,
        "en",
    ),
    ("合同 12 月 14 日前后(按付费周期推算)续约。", "days_to_renewal", 42.0, INFERRED, "zh"),
    ("The contract ends on 14 December, unless it is renewed.", "days_to_renewal", 42.0, BY_HAND, "en"),
    ("合同 12 月 14 日到期,不会自动续约。", "days_to_renewal", 42.0, BY_HAND, "zh"),
    (
        "The contract does not end before 14 December.",
        "renews_in_horizon",
        0.0,
        {**BY_HAND, "days_to_renewal": 42.0},
        "en",
    ),
    (
        "They moved up to the plan max in the last twelve weeks and pay 250 a month, against 100 before.",
        "plan_change_84",
        1.0,
        {"plan": "max", "mrr": 250.0, "mrr_before_84": 100.0},
        "en",
    ),
    (
        "近 12 周降到了 basic 套餐,每月付费从 100 变为 40。",
        "plan_change_84",
        -1.0,
        {"plan": "basic", "mrr": 40.0, "mrr_before_84": 100.0},
        "zh",
    ),
    ("They gave notice on one of their 3 subscriptions.", "products_under_notice", 1.0, {"products": 3.0}, "en"),
    ("They are in their first term: no renewal has come up yet.", "renewals_survived", 0.0, {}, "en"),
    ("订阅中断过一次,后来又续上了。", "returns", 1.0, {}, "zh"),
]


@pytest.mark.parametrize(("expected", "feature", "value", "facts", "language"), SENTENCES)
def test_sentences(expected: str, feature: str, value: float, facts: dict[str, Any], language: Language) -> None:
    """As a colleague would say it, in the language in which it was written."""
    assert expected == sentence(RECORDS[feature], {"value": value, "contribution": 0.3}, facts, NIGHT, language)


def test_one_rise_is_said_once() -> None:
    """Reasons that speak of the same rise weigh together, the renewal that it comes before among them."""
    facts = {"price_rise_364": 0.18, "days_since_price_rise": 32.0, "days_to_renewal": 73.0, **RENEWS}
    reasons = [
        {"family": "contract", "feature": name, "value": value, "contribution": 0.2}
        for name, value in [("price_rise_84", 0.18), ("price_rise_364", 0.18), ("days_to_renewal", 73.0)]
    ]
    [rise] = top_sentences(reasons, RECORDS, facts, NIGHT)
    expected = "Their price rose by 18 % on 1 October with no more seats, and the contract renews on 14 January 2027."
    assert (rise.text, rise.contribution) == (expected, near(0.6))
