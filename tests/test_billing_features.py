"""Billing: what is unpaid, late and failed, of single accounts with known answers."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
from engine_companies import Row
from single_cases import AS_OF, ago, asked, on, term

from features.catalogue import read_catalogue
from pipeline.amounts import Language
from pipeline.wording import sentence

NIGHT = date(2026, 11, 2)
RECORDS = {feature.name: feature.as_record() for feature in read_catalogue("billing")}


def invoice(issued: int, **more: Any) -> Row:
    """An invoice of so many days ago over 100, due after a fortnight, not paid."""
    row = {"issued_on": ago(issued), "amount": 100.0, "due_on": ago(issued - 14), "paid_on": None}
    return row | {"failed_at": None, "voided_at": None} | more


CASES: list[tuple[str, list[Row], Mapping[str, float | None]]] = [
    (
        "not yet due",
        [invoice(10)],
        {"invoices_unpaid": 1, "oldest_unpaid_days": 10, "invoices_overdue": 0, "late_share_364": None},
    ),
    ("due on the day itself", [invoice(14)], {"invoices_unpaid": 1, "invoices_overdue": 0, "invoices_due_364": 0}),
    (
        "due the day before",
        [invoice(15)],
        {"invoices_overdue": 1, "amount_overdue": 100, "oldest_overdue_days": 1, "days_late_364": 1},
    ),
    (
        "two overdue, one paid",
        [invoice(50), invoice(80, amount=20.5), invoice(110, paid_on=ago(90))],
        {
            "invoices_unpaid": 2,
            "oldest_unpaid_days": 80,
            "invoices_overdue": 2,
            "amount_overdue": 120.5,
            "oldest_overdue_days": 66,
            "invoices_due_364": 3,
            "invoices_late_364": 3,
            "late_share_364": 1,
            "days_late_364": (36 + 66 + 6) / 3,
        },
    ),
    (
        "paid in time, one of them early",
        [invoice(50, paid_on=ago(36)), invoice(80, paid_on=ago(79))],
        {"invoices_unpaid": 0, "oldest_unpaid_days": 0, "late_share_364": 0, "days_late_364": 0},
    ),
    (
        "paid tomorrow, which nobody knows today",
        [invoice(30, paid_on=AS_OF)],
        {"invoices_unpaid": 1, "invoices_overdue": 1, "days_late_364": 16},
    ),
    (
        "voided, credited and for nothing",
        [invoice(30, voided_at=on(ago(20))), invoice(30, amount=-100.0), invoice(30, amount=0.0)],
        {"invoices_unpaid": 0, "invoices_due_364": 0, "amount_overdue": 0},
    ),
    ("voided only later", [invoice(30, voided_at=on(AS_OF))], {"invoices_unpaid": 1}),
    ("forgotten for more than a year", [invoice(365)], {"invoices_unpaid": 0, "invoices_due_364": 1}),
    (
        "a card that failed for the first time",
        [invoice(60, failed_at=on(ago(84)))],
        {
            "payment_failures_84": 1,
            "payment_failures_364": 1,
            "days_since_payment_failure": 84,
        },
    ),
    (
        "a card that had failed before",
        [invoice(60, failed_at=on(ago(10))), invoice(800, failed_at=on(ago(790)))],
        {
            "payment_failures_84": 1,
            "payment_failures_364": 1,
            "days_since_payment_failure": 10,
        },
    ),
    (
        "a failure of long ago",
        [invoice(400, failed_at=on(ago(365)))],
        {"payment_failures_364": 0, "days_since_payment_failure": None},
    ),
    ("a failure that is still ahead", [invoice(10, failed_at=on(AS_OF))], {"payment_failures_84": 0}),
    ("no invoice at all", [], {"invoices_unpaid": 0, "payment_failures_364": 0, "days_late_364": None}),
]


def test_billing(engine: Any) -> None:
    """What one would read off the invoices on the morning of 15 March 2026."""
    terms = [term(ago(900), account_id=promise) for promise, _, _ in CASES]
    rows = [row | {"account_id": promise} for promise, rows, _ in CASES for row in rows]
    found = asked(engine, {"subscriptions": terms, "invoices": numbered(rows)})
    for promise, _, expected in CASES:
        assert {name: near(value) for name, value in expected.items()} == {
            name: found[promise][name] for name in expected
        }, promise


IN_84 = {"invoices_unpaid", "invoices_overdue", "amount_overdue", "oldest_overdue_days", "payment_failures_84"}
IN_364 = {"payment_failures_364"}
BEGINS: list[tuple[int, int, set[str]]] = [
    (83, 900, IN_84 | {"oldest_unpaid_days"} | IN_364),
    (84, 900, IN_364),
    (363, 900, IN_364),
    (364, 900, set()),
    (83, 83, set()),
    (83, 84, IN_84 | {"oldest_unpaid_days"} | IN_364),
    (100, 101, IN_364),
]
"""How many days ago the table began, how old the account is, and which counts are missing for it."""


@pytest.mark.parametrize(("began", "tenure", "missing"), BEGINS)
def test_what_lies_before_the_table_is_missing(engine: Any, began: int, tenure: int, missing: set[str]) -> None:
    """Books that were opened last month say nothing of the months before but to those who came with them."""
    rows = numbered([{"account_id": "Another"} | invoice(began), {"account_id": "A1"} | invoice(10)])
    terms = [term(ago(900), account_id="Another"), term(ago(tenure), account_id="A1")]
    found = asked(engine, {"subscriptions": terms, "invoices": rows})["A1"]
    counts = IN_84 | IN_364 | {"oldest_unpaid_days"}
    assert missing == {name for name in counts if found[name] is None}
    there = {name: found[name] for name in ("invoices_unpaid", "payment_failures_84") if name not in missing}
    assert there == {
        name: value for name, value in {"invoices_unpaid": 1, "payment_failures_84": 0}.items() if name in there
    }


def test_before_the_first_invoice_nothing_is_known(engine: Any) -> None:
    """A table that begins on the date itself: no failure is on record, which is not the same as none."""
    rows = numbered([{"account_id": "A1"} | invoice(0)])
    found = asked(engine, {"subscriptions": [term(ago(900))], "invoices": rows})["A1"]
    taught = [name for name, record in RECORDS.items() if record["learned"]]
    assert dict.fromkeys(taught) == {name: found[name] for name in taught}


def numbered(rows: list[Row]) -> list[Row]:
    return [{"invoice_id": f"I{place}", **row} for place, row in enumerate(rows)]


def near(value: Any) -> Any:
    return value if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)


def test_without_due_dates_only_what_can_be_said(engine: Any) -> None:
    """Unpaid invoices and failures remain, lateness goes; without payments on record lateness goes too."""
    row = {"account_id": "A1"} | invoice(30)
    there = {}
    for lost in ("due_on", "paid_on", "failed_at"):
        rows = numbered([{name: value for name, value in row.items() if name != lost}])
        there[lost] = asked(engine, {"subscriptions": [term(ago(900))], "invoices": rows})["A1"].keys() & RECORDS.keys()
    unpaid = {"invoices_unpaid", "oldest_unpaid_days"}
    failed = {name for name in RECORDS if "failure" in name}
    assert {"due_on": unpaid | failed, "paid_on": failed, "failed_at": RECORDS.keys() - failed} == there


def test_billing_speaks_of_nothing_else() -> None:
    """An account whose largest family is billing takes no call: nothing of the contract may weigh there."""
    assert {record["family"] for record in RECORDS.values()} == {"billing"}
    assert all(need.startswith("invoices.") for record in RECORDS.values() for need in record["needs"])


SENTENCES: list[tuple[str, str, float, dict[str, float], Language]] = [
    (
        "Two invoices are overdue, 120 in all; the oldest was due on 1 October.",
        "invoices_overdue",
        2.0,
        {"amount_overdue": 120.0, "oldest_overdue_days": 32.0},
        "en",
    ),
    (
        "有 2 张账单逾期未付,共 120;最早一张应在 10 月 1 日付清。",
        "invoices_overdue",
        2.0,
        {"amount_overdue": 120.0, "oldest_overdue_days": 32.0},
        "zh",
    ),
    (
        "Three of the 12 invoices of the last year were not paid in time.",
        "late_share_364",
        0.25,
        {"invoices_late_364": 3.0, "invoices_due_364": 12.0},
        "en",
    ),
    (
        "A payment failed on 1 October.",
        "payment_failures_84",
        1.0,
        {"days_since_payment_failure": 32.0},
        "en",
    ),
    ("有一张账单还没付,是 9 天前开的。", "invoices_unpaid", 1.0, {"oldest_unpaid_days": 9.0}, "zh"),
]


@pytest.mark.parametrize(("expected", "feature", "value", "facts", "language"), SENTENCES)
def test_sentences(expected: str, feature: str, value: float, facts: dict[str, Any], language: Language) -> None:
    """As a colleague would say it, in the language in which it was written."""
    assert expected == sentence(RECORDS[feature], {"value": value, "contribution": 0.3}, facts, NIGHT, language)
