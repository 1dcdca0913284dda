"""Why they left: it stands beside the label of those that left, as known today, and teaches no feature anything."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from engine_companies import loaded
from oracle_time import Rules
from single_cases import ago, asked, term
from small_companies import LATER, SmallCompany

from features.build import catalogue
from features.labels import labels

AS_OF = date(2026, 3, 1)
BEGAN = date(2026, 1, 1)
LEFT = AS_OF + timedelta(days=20)


def company(*rows: dict[str, Any]) -> SmallCompany:
    """Terms of any accounts; those that name none are of A1."""
    terms = [
        {"subscription_id": f"S{place}", "account_id": "A1", "started_on": BEGAN, "mrr": 100.0, "notice_on": None} | row
        for place, row in enumerate(rows)
    ]
    ids = sorted({row["account_id"] for row in terms})
    accounts = [{"account_id": account_id, "created_at": datetime(2026, 1, 1)} for account_id in ids]  # noqa: DTZ001
    return SmallCompany({"accounts": accounts, "subscriptions": terms}, frozenset(), None, LATER, [AS_OF])


def told(engine: Any, terms: SmallCompany, rules: Rules | None = None) -> dict[str, tuple[bool | None, str | None]]:
    """Label and end reason by account."""
    with loaded(engine, terms, rules or Rules()) as history:
        found = labels(history, AS_OF, LATER).to_pyarrow().to_pylist()
    return {row["account_id"]: (row["label"], row["end_reason"]) for row in found}


@pytest.mark.parametrize("reason", ["voluntary", "involuntary", "other", None])
def test_whoever_leaves_has_left_whatever_the_reason(engine: Any, reason: str | None) -> None:
    """Involuntary leavers are never trained as if they had stayed."""
    assert {"A1": (True, reason)} == told(engine, company({"ended_on": LEFT, "end_reason": reason}))


def test_those_who_stayed_in_the_window_have_no_reason(engine: Any) -> None:
    """A reason of a later departure would be a word from the future of the label."""
    later = AS_OF + timedelta(days=60)
    assert {"A1": (False, None)} == told(engine, company({"ended_on": later, "end_reason": "involuntary"}))


def test_a_term_that_ended_before_the_account_did_says_nothing(engine: Any) -> None:
    ended = {"ended_on": AS_OF - timedelta(days=10), "end_reason": "voluntary"}
    last = {"started_on": AS_OF - timedelta(days=10), "ended_on": LEFT, "end_reason": "involuntary"}
    assert {"A1": (True, "involuntary")} == told(engine, company(ended, last))


def test_of_two_departures_in_the_window_the_first_one_counts(engine: Any) -> None:
    """As its day does. A first one whose reason is unknown stays so, whatever the second says."""
    first = {"ended_on": AS_OF + timedelta(days=3), "end_reason": None}
    again = {
        "started_on": AS_OF + timedelta(days=40),
        "ended_on": AS_OF + timedelta(days=50),
        "end_reason": "voluntary",
    }
    assert {"A1": (True, None)} == told(engine, company(first, again))


def test_products_cut_off_on_one_day_are_cut_off(engine: Any) -> None:
    both = [{"ended_on": LEFT, "end_reason": reason} for reason in ("voluntary", "involuntary")]
    assert {"A1": (True, "involuntary")} == told(engine, company(*both))


def test_notice_has_the_reason_of_the_end_it_led_to(engine: Any) -> None:
    row = {"notice_on": LEFT, "ended_on": LEFT + timedelta(days=60), "end_reason": "voluntary"}
    assert {"A1": (True, "voluntary")} == told(engine, company(row), Rules(event="notice"))


def test_without_the_column_nobody_knows(engine: Any) -> None:
    assert {"A1": (True, None)} == told(engine, company({"ended_on": LEFT}))


def test_no_feature_needs_it_and_none_moves_with_it(engine: Any) -> None:
    """It is known with the end alone: whatever read it would know who left."""
    with loaded(engine, company({"ended_on": LEFT, "end_reason": "other"}), Rules()) as history:
        assert not [each.name for each in catalogue(history, {}) if "subscriptions.end_reason" in each.needs]
    found = []
    for reason in ("voluntary", "involuntary"):
        ended = term(ago(300), ended_on=ago(100), end_reason=reason)
        runs = term(ago(100), end_reason=None) | {"subscription_id": "S2"}
        found.append(asked(engine, {"subscriptions": [ended, runs]}))
    assert found[0] == found[1]
