"""The book: bands depend on risk alone, states on the facts, and the order on money, the same on every run."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_nights import BANDS, NIGHT, make_book


def account(account_id: str, risk: float | None = 0.02, mrr: float | None = 100.0, **more: Any) -> dict[str, Any]:
    scored = risk is not None
    log_odds = float(np.log(risk / (1 - risk))) if risk is not None else None
    return {
        "account_id": account_id,
        "root_id": account_id,
        "name": f"Name of {account_id}",
        "owner": "mei@example.com",
        "state": "active",
        "since": NIGHT - timedelta(days=400),
        "mrr": mrr,
        "risk": risk,
        "log_odds": log_odds,
        "base_log_odds": -3.0 if scored else None,
        "families": {"usage": 0.5, "support": -0.2},
    } | more


def made(*accounts: dict[str, Any], as_of: date = NIGHT) -> pd.DataFrame:
    book = make_book(pd.DataFrame(list(accounts)), bands=BANDS, new_days=28, as_of=as_of)
    return book.set_index("account_id")


def test_state_and_band() -> None:
    """A band comes from the risk alone; only candidates take a call."""
    book = made(
        account("high", 0.2),
        account("medium", 0.1),
        account("low", 0.09),
        account("payment", 0.3, families={"billing": 0.9, "usage": 0.8}),
        account("low_payment", 0.01, families={"billing": 0.1}),
        account("new", 0.5, since=NIGHT - timedelta(days=27)),
        account("no_longer_new", 0.5, since=NIGHT - timedelta(days=28)),
        account("leaving", 0.9, state="leaving"),
        account("lapsed", None, state="lapsed"),
    )
    assert {
        "high": ("candidate", "high"),
        "medium": ("candidate", "medium"),
        "low": ("watch", "low"),
        "payment": ("payment", "high"),
        "low_payment": ("watch", "low"),
        "new": ("new", None),
        "no_longer_new": ("candidate", "high"),
        "leaving": ("leaving", None),
        "lapsed": ("lapsed", None),
    } == {name: (row["state"], row["band"]) for name, row in book.iterrows()}


def test_who_would_be_cut_off_is_reminded_and_not_called() -> None:
    """Above one half, whatever the largest family; but only where the risk is worth any action (decision 2)."""
    book = made(
        account("likely", 0.2, involuntary=0.51),
        account("even", 0.2, involuntary=0.5),
        account("low", 0.02, involuntary=0.9),
        account("new", 0.2, involuntary=0.9, since=NIGHT),
        account("family", 0.2, involuntary=0.1, families={"billing": 0.9}),
        account("leaving", None, state="leaving", involuntary=None),
    )
    expected = {"likely": "payment", "even": "candidate", "low": "watch", "new": "new", "family": "payment"}
    assert expected | {"leaving": "leaving"} == book["state"].to_dict()
    assert np.isnan(book.loc["leaving", "involuntary"])


@settings(max_examples=50)
@given(
    billing=st.floats(-3, 3),
    usage=st.floats(0.0, 3),
    risk=st.floats(0.001, 0.999),
)
def test_without_reasons_on_record_only_billing_trouble_means_payment(
    billing: float, usage: float, risk: float
) -> None:
    """No model of reasons, no other way into the state."""
    book = made(account("a", risk, families={"billing": billing, "usage": usage}))
    assert book["involuntary"].isna().all()
    if book.loc["a", "state"] == "payment":
        assert billing > 0
        assert billing >= usage


def test_only_active_accounts_keep_a_score() -> None:
    """The end of an account under notice is known: it has no risk, no value at risk and no rank."""
    book = made(account("leaving", 0.9, state="leaving"), account("new", 0.5, since=NIGHT))
    scores = ["risk", "log_odds", "base_log_odds", "value_at_risk", "rank", "largest_family"]
    assert book.loc["leaving", scores].isna().all()
    assert book.loc["new", "risk"] == 0.5


def test_value_at_risk_is_risk_times_mrr() -> None:
    """Its sum is a forecast of the MRR that will be lost; without an MRR there is none."""
    book = made(account("a", 0.25, 1000.0), account("b", 0.25, None))
    assert book.loc["a", "value_at_risk"] == 250.0
    assert np.isnan(book.loc["b", "value_at_risk"])


def test_candidates_come_first_then_money_then_risk_then_id() -> None:
    """The order within one owner's book."""
    book = made(
        account("watch", 0.05, 90_000.0),
        account("a", 0.2, 1000.0),
        account("c", 0.4, 500.0),
        account("b", 0.2, 1000.0),
        account("most", 0.2, 2000.0),
        account("unknown", 0.6, None),
        account("payment", 0.3, 100.0, families={"billing": 2.0}),
    )
    assert ["most", "c", "a", "b", "unknown", "watch", "payment"] == book.sort_values("rank").index.tolist()
    assert [1, 2, 3, 4, 5, 6, 7] == sorted(book["rank"])


def test_each_owner_has_a_book_and_those_without_owner_one_together() -> None:
    """Every book counts from 1; the book of nobody comes last."""
    book = made(
        account("nobody_1", 0.2, owner=None),
        account("nobody_2", 0.3, owner=None),
        account("mei", 0.2),
        account("ana", 0.2, owner="ana@example.com"),
    )
    assert {"nobody_1": 2, "nobody_2": 1, "mei": 1, "ana": 1} == book["rank"].to_dict()
    assert ["ana", "mei", "nobody_2", "nobody_1"] == book.index.tolist()


def test_accounts_of_one_root_and_owner_are_one_entry() -> None:
    """Children share the rank of their entry, which stands by their sum under the parent's name."""
    book = made(
        account("alone", 0.2, 4000.0),
        account("parent", 0.05, 10_000.0, name="Parent Ltd"),
        account("child", 0.3, 2000.0, root_id="parent"),
        account("elsewhere", 0.3, 2000.0, root_id="parent", owner="ana@example.com"),
        account("gone", 0.3, 9000.0, root_id="parent", state="leaving"),
    )
    assert {"parent": 1, "child": 1, "alone": 2, "elsewhere": 1} == book["rank"].dropna().to_dict()
    assert book.loc["child", "entry_name"] == book.loc["elsewhere", "entry_name"] == "Parent Ltd"
    assert book.loc["alone", "entry_name"] == "Name of alone"
    mei = book[book["owner"] == "mei@example.com"]
    assert ["child", "parent", "alone", "gone"] == mei.index.tolist(), "the worst of an entry first, the unranked last"


def test_an_entry_whose_parent_is_no_customer_bears_the_name_of_its_worst_account() -> None:
    book = made(account("one", 0.1, root_id="holding"), account("two", 0.3, root_id="holding"))
    assert ["Name of two", "Name of two"] == book["entry_name"].tolist()


def test_without_mrr_the_book_is_ordered_by_risk() -> None:
    """A company that names no value events has no money to order by."""
    book = made(account("a", 0.2, None), account("b", 0.9, None), account("c", 0.05, None))
    assert ["b", "a", "c"] == book.sort_values("rank").index.tolist()


@settings(max_examples=30)
@given(order=st.permutations(range(8)))
def test_order_of_the_rows_changes_nothing(order: list[int]) -> None:
    """Ties are broken by account_id, never by the order in which rows arrive."""
    rows = [
        account(f"a{n}", (0.2, 0.3)[n % 2], (100.0, None)[n % 3 == 0], root_id=f"r{n // 2}", owner=(None, "m@x")[n > 5])
        for n in range(8)
    ]
    shuffled = made(*(rows[n] for n in order))
    pd.testing.assert_frame_equal(made(*rows), shuffled)


def test_an_active_account_without_a_risk_is_refused() -> None:
    """A hole in the scores would otherwise be published as a customer nobody worries about."""
    with pytest.raises(ValueError, match=r"1 of 2 active accounts have no risk, for example 'b'"):
        made(account("a"), account("b", None))


def test_the_frame_that_was_given_stays_as_it_was() -> None:
    scores = pd.DataFrame([account("a", 0.9, state="leaving")])
    before = scores.copy(deep=True)
    make_book(scores, bands=BANDS, new_days=28, as_of=NIGHT)
    pd.testing.assert_frame_equal(before, scores)
