"""The profit of a list: what calling its rows brings, by hand."""

import numpy as np
import pandas as pd
import pytest

from models.profit import ASSUMPTIONS, profit_of_rows


def _frame() -> pd.DataFrame:
    """`a` leaves after both dates, `b` stays, and what `c` pays is not known."""
    frame = pd.DataFrame({"account_id": list("abc") * 2, "mrr": [100.0, 200.0, np.nan] * 2})
    frame["as_of"] = pd.to_datetime(["2026-01-01"] * 3 + ["2026-01-29"] * 3)
    frame["label"] = frame["account_id"] == "a"
    frame["churn_on"] = pd.to_datetime("2026-02-10")
    frame["churn_on"] = frame["churn_on"].where(frame["label"])
    return frame


COST = 0.005 * 12 * (100 + 200 + 0) / 3


def test_a_leaver_is_saved_once_and_every_call_costs_the_same() -> None:
    brought = profit_of_rows(_frame(), np.array([True] * 6))
    assert brought.tolist() == pytest.approx([0.3 * 1200 - COST, *[-COST] * 5])


def test_who_is_not_called_neither_costs_nor_brings() -> None:
    """Called on the second date alone, the leaver is saved then."""
    brought = profit_of_rows(_frame(), np.array([False, False, False, True, False, False]))
    assert brought.tolist() == pytest.approx([0.0, 0.0, 0.0, 0.3 * 1200 - COST, 0.0, 0.0])


def test_the_order_of_the_rows_does_not_matter() -> None:
    frame, called = _frame(), np.array([True, True, False, True, True, False])
    turned = frame.iloc[::-1].reset_index(drop=True)
    assert profit_of_rows(turned, called[::-1])[::-1].tolist() == profit_of_rows(frame, called).tolist()


def test_assumptions_are_told_with_their_numbers() -> None:
    for number in ("30 %", "12 months", "0.5 %"):
        assert number in ASSUMPTIONS
