"""Departures: churns counted as a person would count them, once for each account and day, never as rows."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["count_departures", "departure_codes", "in_order"]


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """The training frame sorted by (as_of, account_id): what is learned must not depend on the order of arrival."""
    return frame.sort_values(["as_of", "account_id"], kind="stable", ignore_index=True)


def departure_codes(frame: pd.DataFrame) -> NDArray[np.int64]:
    """(rows,) the number of the row's departure (account, churn day), from 0; −1 where the account stayed.

    One departure stands in as many rows as there are snapshots whose label window holds its day.
    """
    label = frame["label"].to_numpy(bool)
    codes = np.full(len(frame), -1, dtype=np.int64)
    left = frame.loc[label, ["account_id", "churn_on"]]
    codes[label] = left.groupby(["account_id", "churn_on"], sort=True).ngroup().to_numpy()
    return codes


def count_departures(frame: pd.DataFrame) -> int:
    """Distinct (account, churn day) among the rows.

    >>> rows = pd.DataFrame(
    ...     {
    ...         "account_id": ["a", "a", "b"],
    ...         "label": [True, True, False],
    ...         "churn_on": pd.to_datetime(["2026-03-01", "2026-03-01", None]),
    ...     }
    ... )
    >>> count_departures(rows)
    1
    """
    return int(departure_codes(frame).max(initial=-1)) + 1
