"""Lead time: who was on a list long enough before leaving, of those that could have been."""

import numpy as np
import pandas as pd
import pytest

from models.lead_time import lead_times

DATES = pd.date_range("2026-01-01", periods=8, freq="28D")


def _frame(churns: dict[str, str | None], horizon: int = 28) -> pd.DataFrame:
    """Every account on every date until it leaves, with a label that looks `horizon` days ahead."""
    rows = []
    for account, day in churns.items():
        churn_on = pd.Timestamp(day) if day else pd.NaT
        for as_of in DATES:
            if day is None or as_of < churn_on:
                label = day is not None and churn_on < as_of + pd.Timedelta(days=horizon)
                rows.append((account, account, as_of, 100.0, label, churn_on if label else pd.NaT))
    columns = ["account_id", "root_id", "as_of", "mrr", "label", "churn_on"]
    return pd.DataFrame(rows, columns=columns).astype({"churn_on": "datetime64[s]"})


def _on(frame: pd.DataFrame, **lists: list[int]) -> np.ndarray:
    """Whether the account was on the list of the dates with these numbers."""
    number = frame["as_of"].map({date: place for place, date in enumerate(DATES)})
    return np.array(
        [place in lists.get(account, []) for account, place in zip(frame["account_id"], number, strict=True)]
    )


def test_a_list_counts_from_as_many_days_before_as_it_was() -> None:
    """Leaving on day 150 (dates 0, 28, … 140): the list of day 84 is 66 days before."""
    frame = _frame({"a": str((DATES[0] + pd.Timedelta(days=150)).date()), "b": None})
    found = {lead.days: (lead.found, lead.departures) for lead in lead_times(frame, _on(frame, a=[3]))}
    assert found == {30: (1, 1), 60: (1, 1), 90: (0, 1)}


def test_only_departures_that_were_tested_so_early_are_the_denominator() -> None:
    """`a` leaves 20 days after the first date, `b` 70 days after it: nobody can have been 90 days early."""
    first = DATES[0]
    days = {"a": first + pd.Timedelta(days=20), "b": first + pd.Timedelta(days=70)}
    frame = _frame({name: str(day.date()) for name, day in days.items()} | {"c": None})
    found = lead_times(frame, _on(frame, b=[0]))
    assert [(lead.days, lead.found, lead.departures) for lead in found] == [(30, 1, 1), (60, 1, 1), (90, 0, 0)]
    assert (found[0].first_on, found[0].last_on) == (days["b"].date(), days["b"].date())
    assert found[0].as_record()["first_on"] == str(days["b"].date())
    assert found[2].first_on is None
    assert np.isnan(found[2].share.value)
    assert found[2].as_record()["share"]["value"] is None


def test_a_list_more_than_half_a_year_before_warned_of_something_else() -> None:
    frame = _frame({"a": str((DATES[0] + pd.Timedelta(days=200)).date()), "b": None})
    early, later = lead_times(frame, _on(frame, a=[0])), lead_times(frame, _on(frame, a=[1]))
    assert [0, 0, 0] == [lead.found for lead in early]
    assert [1, 1, 1] == [lead.found for lead in later]


def test_a_departure_in_several_rows_is_one_and_its_money_counts_once() -> None:
    day = DATES[0] + pd.Timedelta(days=170)
    frame = _frame({"a": str(day.date()), "b": str(day.date()), "c": None}, horizon=60)
    assert frame["label"].sum() == 6
    lead = lead_times(frame, _on(frame, a=[2, 3, 4]))[0]
    assert (lead.departures, lead.found, lead.share.value) == (2, 1, 0.5)
    assert (lead.mrr, lead.mrr_found) == (200.0, 100.0)


def test_the_share_has_an_interval_over_root_accounts() -> None:
    day = str((DATES[0] + pd.Timedelta(days=170)).date())
    frame = _frame({f"a{number}": day for number in range(40)})
    half = _on(frame, **{f"a{number}": [4] for number in range(20)})
    share = lead_times(frame, half)[0].share
    assert share.value == 0.5
    assert share.low == pytest.approx(0.34, abs=0.06)
    assert share.high == pytest.approx(0.66, abs=0.06)
    together = lead_times(frame.assign(root_id="one"), half)[0].share
    assert (together.low, together.high) == (0.5, 0.5)


def test_who_came_back_and_left_again_is_two_departures() -> None:
    frame = _frame({"a": str((DATES[0] + pd.Timedelta(days=60)).date()), "b": None})
    again = frame[frame["account_id"] == "b"].tail(3).assign(account_id="a", root_id="a")
    day = DATES[7] + pd.Timedelta(days=10)
    again = again.assign(label=[False, False, True], churn_on=[pd.NaT, pd.NaT, day])
    both = pd.concat([frame, again], ignore_index=True).astype({"churn_on": "datetime64[s]"})
    assert lead_times(both, _on(both))[0].departures == 2
