"""Lead time: how long before they left the accounts that left had been on a list.

A warning on the day before is worth little, and a departure whose earlier dates were never tested says nothing either
way: it is no part of the denominator.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bootstrap import DRAWS, Draws, Figure

__all__ = ["LEAD_DAYS", "LeadTime", "lead_times"]

LEAD_DAYS: Final = (30, 60, 90)
OLDEST_DAYS: Final = 180
"""A list of more days before has warned of something else: over a long test, everybody is on one some day."""


@dataclass(frozen=True)
class LeadTime:
    """Departures that could have been on a list `days` or more before (and were, `found`), and the MRR of both.

    `departures` are those whose account was tested on a date between 180 and `days` days before it left, from
    `first_on` to `last_on`; `mrr` is that of the last such date.
    """

    days: int
    departures: int
    found: int
    mrr: float
    mrr_found: float
    share: Figure
    first_on: date | None = None
    last_on: date | None = None

    def as_record(self) -> dict[str, Any]:
        """The lead time as values that JSON can hold."""
        days = {
            name: None if day is None else str(day) for name in ("first_on", "last_on") for day in [vars(self)[name]]
        }
        return {**vars(self), **days, "share": self.share.as_record()}


def lead_times(
    rows: pd.DataFrame, on_list: NDArray[np.bool_], *, draws: int = DRAWS, seed: int = 7
) -> tuple[LeadTime, ...]:
    """The lead times of one list, for 30, 60 and 90 days.

    `rows` are all test rows: account_id, root_id, as_of, label, churn_on, mrr. A row too early for its label to hold
    the departure counts as well: its account was there to be listed.
    """
    left = rows.loc[rows["label"].to_numpy(bool), ["account_id", "churn_on"]].drop_duplicates()
    tested = rows[["account_id", "root_id", "as_of", "mrr"]].assign(on_list=on_list)
    before = tested.merge(left, on="account_id", suffixes=("_", "")).sort_values(["account_id", "churn_on", "as_of"])
    before["ahead"] = (before["churn_on"] - before["as_of"]).dt.days
    return tuple(_lead_time(before, days, draws, seed) for days in LEAD_DAYS)


def _lead_time(before: pd.DataFrame, days: int, draws: int, seed: int) -> LeadTime:
    early = before[before["ahead"].between(days, OLDEST_DAYS)]
    departure = early.groupby(["account_id", "churn_on"], sort=True).agg(
        root_id=("root_id", "last"), mrr=("mrr", "last"), found=("on_list", "max")
    )
    found, mrr = departure["found"].to_numpy(bool), departure["mrr"].fillna(0.0).to_numpy(np.float64)
    left_on = departure.index.get_level_values("churn_on")
    return LeadTime(
        days=days,
        departures=len(departure),
        found=int(found.sum()),
        mrr=float(mrr.sum()),
        mrr_found=float(mrr[found].sum()),
        share=Draws.of(departure["root_id"], draws, seed).share(found, np.ones(found.size)),
        first_on=left_on.min().date() if len(departure) else None,
        last_on=left_on.max().date() if len(departure) else None,
    )
