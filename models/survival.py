"""Survival: who is still there beyond the longest horizon that a model gives a risk for.

No sign of today tells of next year. What is known of it is how fast accounts of the same segment have left at the same
age. That is the hazard of Kaplan and Meier (1958) with late entry, pooled over bands of tenure: departures per day that
accounts were watched in the band, the maximum-likelihood estimate of a hazard that is constant within it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.segments import TENURE

__all__ = ["Hazards", "fit_hazards"]

Floats = NDArray[np.float64]

EDGES: Final = tuple(map(float, TENURE))
"""Days of tenure at which bands begin; the last has no end."""
COLUMNS: Final = ("segment", "plan")
LEAST_DEPARTURES: Final = 20
"""With fewer in a band, a segment goes by that of all accounts, and all accounts by that of all bands."""


@dataclass(frozen=True)
class Hazards:
    """Departures a day, band by band, of all accounts and by the values of `column` (None where there is none)."""

    every: tuple[float, ...]
    column: str | None
    groups: Mapping[str, tuple[float, ...]]

    def survival(self, tenure_days: float, group: str | None, days: Floats) -> Floats:
        """(n,) the share of such accounts that is still there after `days` (n,), not negative.

        >>> Hazards((0.001,) * 4, None, {}).survival(300.0, None, np.array([0.0, 100.0])).round(3).tolist()
        [1.0, 0.905]
        """
        hazard = np.array(self.groups.get(str(group), self.every))
        there: Floats = np.exp(-_in_bands(np.full(len(days), tenure_days), tenure_days + days) @ hazard)
        return there


def fit_hazards(frame: pd.DataFrame, *, horizon_days: int, lead_days: int = 0) -> Hazards | None:
    """The hazards of past snapshots: account_id, as_of, tenure_days, churn_on, and perhaps segment or plan.

    An account is watched from each snapshot to its next one, as far as the label looks. None without tenure or where
    too few left.
    """
    if "tenure_days" not in frame:
        return None
    rows = frame[frame["tenure_days"].notna()].sort_values(["account_id", "as_of"])
    furthest = rows["as_of"] + pd.Timedelta(days=lead_days + horizon_days)
    end = rows.groupby("account_id")["as_of"].shift(-1).fillna(furthest).clip(upper=furthest)
    left = (rows["churn_on"] <= end).to_numpy(bool)
    watched = (end.where(~left, rows["churn_on"]) - rows["as_of"]).dt.days.to_numpy(np.float64)
    begins = rows["tenure_days"].to_numpy(np.float64)
    days = _in_bands(begins, begins + watched)
    departures = np.zeros_like(days)
    departures[left, _band(begins + watched)[left]] = 1.0
    if departures.sum() < LEAST_DEPARTURES:
        return None
    every = _rates(departures, days, np.full(len(EDGES), departures.sum() / days.sum()))
    column = next((name for name in COLUMNS if name in rows and rows[name].notna().any()), None)
    groups = {}
    if column is not None:
        names = rows[column].astype(object)
        groups = {
            str(name): tuple(_rates(departures[own], days[own], every).tolist())
            for name in sorted(names.dropna().unique(), key=str)
            for own in [(names == name).to_numpy(bool)]
        }
    return Hazards(tuple(every.tolist()), column, groups)


def _in_bands(begins: Floats, ends: Floats) -> Floats:
    """(rows, bands) how many days of each row's span of tenure lie in each band."""
    low, high = np.array(EDGES), np.array([*EDGES[1:], np.inf])
    spans: Floats = np.minimum(ends[:, None], high) - np.maximum(begins[:, None], low)
    return np.maximum(spans, 0.0)


def _band(tenure: Floats) -> NDArray[np.int64]:
    return np.searchsorted(EDGES, tenure, side="right").astype(np.int64) - 1


def _rates(departures: Floats, days: Floats, otherwise: Floats) -> Floats:
    counted, watched = departures.sum(axis=0), days.sum(axis=0)
    return np.where(counted >= LEAST_DEPARTURES, counted / np.maximum(watched, 1.0), otherwise)
