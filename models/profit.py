"""The expected profit of a list, in money, under assumptions that are written down here.

The cost-benefit terms are those of Verbraken, Verbeke and Baesens (A Novel Profit Maximizing Metric for Measuring
Classification Performance of Customer Churn Prediction Models, IEEE TKDE 25(5), 2013), with each account's own value in
place of an average one, as in the EMPB of Janssens, Bogaert, Bagué and Van den Poel (B2Boost, Annals of Operations
Research, 2022). Their measures choose the length of the list that pays best and integrate over the share that a call
keeps. A team's list has a given length; there the profit is linear in that share, and its mean is all that is needed.
Hence three products instead of a library.

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
INCENTIVE: Final = 0.05
"""What is granted to those that stay, as a share of the account's value."""
CONTACT: Final = 0.005
"""What the call itself costs, as a share of the account's value."""
MONTHS: Final = 12
"""Months of MRR that an account is worth."""

ASSUMPTIONS: Final = (
    f"a call keeps {KEPT:.0%} of those about to leave; an account is worth {MONTHS} months of MRR; "
    f"who stays is granted {INCENTIVE:.0%} of that, and a call costs {CONTACT:.1%}".replace("%", " %")
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
    saved = np.where(first, KEPT * (1.0 - INCENTIVE), 0.0)
    granted = np.where(frame["label"].to_numpy(bool), 0.0, INCENTIVE)
    return np.where(on_list, value * (saved - granted - CONTACT), 0.0)
