"""The expected profit of a call, in money, under assumptions that are written down here.

Two terms are left of those of Verbraken, Verbeke and Baesens (A Novel Profit Maximizing Metric for Measuring
Classification Performance of Customer Churn Prediction Models, IEEE TKDE 25(5), 2013), with each account's own value as
in the EMPB of Janssens, Bogaert, Bagué and Van den Poel (B2Boost, Annals of Operations Research, 2022). What we propose
is a call and no discount, so nothing is granted to those who would have stayed anyway. And a team's list has a
given length, where theirs is as long as pays best: then the profit is linear in the share that a call keeps, and the
mean of that share is all that is needed of its distribution. Hence a few lines instead of a library.

It compares lists of one length. What calls really bring is for an experiment to tell, not for a backtest.
"""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.departures import departure_codes

__all__ = ["ASSUMPTIONS", "profit_of_rows"]

KEPT: Final = 0.3
"""Share of the leavers that a call keeps: the mean of Verbraken's Beta(6, 14)."""
CONTACT: Final = 0.005
"""What a call costs, as a share of the mean value of the accounts: Verbraken's 1 of 200."""
MONTHS: Final = 12
"""Months of MRR that an account is worth."""

ASSUMPTIONS: Final = (
    f"a call keeps {KEPT:.0%} of those about to leave, an account is worth what it pays in {MONTHS} months, "
    f"and a call costs {CONTACT:.1%} of what the mean account is worth".replace("%", " %")
)


def profit_of_rows(frame: pd.DataFrame, on_list: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(rows,) what calling the listed rows is expected to bring, in the unit of `mrr`; 0 for rows that are not listed.

    A departure is worth saving once, at its first call; later calls only cost. An unknown `mrr` counts as none.
    """
    value = MONTHS * np.nan_to_num(frame["mrr"].to_numpy(np.float64, na_value=np.nan))
    called = pd.DataFrame({"departure": departure_codes(frame), "as_of": frame["as_of"].to_numpy()})[on_list]
    called = called.sort_values("as_of", kind="stable")
    first = np.zeros(len(frame), dtype=bool)
    first[called.index[(called["departure"] >= 0) & ~called["departure"].duplicated()]] = True
    return np.where(first, KEPT * value, 0.0) - np.where(on_list, CONTACT * value.mean(), 0.0)
