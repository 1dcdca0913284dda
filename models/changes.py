"""What changed: the difference in an account's log-odds between two nights, split into time, data and model.

In this order: *time* is the former model on the former features with only the calendar moved on (tenure, days to
renewal), *data* what everything else that happened adds to that, *model* what another booster and calibration make of
the new features. The three add up to the difference of the two nights exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import Family, Feature
from models.churn_model import ChurnModel

__all__ = ["Changes", "changes", "moved_on"]

Floats = NDArray[np.float64]

CALENDAR: Final = (Family.CONTRACT, Family.PROFILE)
"""Families whose clocks run by themselves. A longer silence is something a customer did, or left undone."""


@dataclass(frozen=True)
class Changes:
    """(accounts,) each, in log-odds; together the difference between the nights."""

    time: Floats
    data: Floats
    model: Floats


def changes(
    before: ChurnModel,
    after: ChurnModel,
    former: pd.DataFrame,
    present: pd.DataFrame,
    *,
    days: int,
    log_odds_before: Floats,
    log_odds_after: Floats,
    threads: int = 0,
) -> Changes:
    """Split the differences of the same accounts, in the same order, between two nights.

    Parameters
    ----------
    before, after : the models of the two nights.
    former, present : (accounts,) rows with the features that the nights saw; `present` also those of `before`.
    days : from the one night to the other.
    log_odds_before, log_odds_after : (accounts,) as the nights published them.

    Raises `ColumnsDiffer` when a feature of `before` is absent. The boosters' own margins agree with what was published
    to 1e-4; what lies between counts as data.
    """
    then = before.log_odds(former, threads=threads)
    time = before.log_odds(moved_on(former, present, before.features, days), threads=threads) - then
    same = before.digest == after.digest
    now = before.log_odds(present, threads=threads)
    model = np.zeros(len(then)) if same else after.log_odds(present, threads=threads) - now
    return Changes(time, (log_odds_after - log_odds_before) - time - model, model)


def moved_on(former: pd.DataFrame, present: pd.DataFrame, features: Sequence[Feature], days: int) -> pd.DataFrame:
    """The former rows with the clocks of contract and tenure moved on, wherever nothing but the calendar moved them.

    A clock that jumped, as days to renewal do when a term is renewed early, stays where it was: that is data. On a
    renewal's own day it has run down, which the calendar does.
    """
    moved = former.copy()
    clocks = [feature for feature in features if feature.clock and feature.family in CALENDAR]
    ran = {feature.name: _ran(former[feature.name], present[feature.name], days) for feature in clocks}
    for feature in clocks:
        # Whether a renewal lies inside the horizon goes by the days to it.
        alone = [ran[other.name] for other in clocks if other.unit == "days" and other.family is feature.family]
        mask = ran[feature.name] if feature.unit == "days" else np.logical_and.reduce(alone)
        moved[feature.name] = np.where(mask, present[feature.name], former[feature.name]).astype(np.float64)
    return moved


def _ran(former: pd.Series, present: pd.Series, days: int) -> NDArray[np.bool_]:
    """(accounts,) where the calendar alone explains the move: by so many days up or down, or past the day itself."""
    old, new = former.to_numpy(np.float64), present.to_numpy(np.float64)
    by_days: NDArray[np.bool_] = (np.abs(new - old) == days) | (old < days) | (np.isnan(old) & np.isnan(new))
    return by_days
