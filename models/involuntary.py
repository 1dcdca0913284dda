"""How they would leave: the probability that a departure, if it comes, is involuntary.

A card runs out, invoices stay unpaid, the account is cut off, and nobody there ever decided to go. A call cannot mend
that, a reminder can. So a second, small model learns it from those that left and whose reason is on record: a logistic
line over how their bills stood, and over nothing else, because usage and tickets say whether somebody leaves and would
only be noise among some hundred departures. It says nothing about whether they leave; the churn model alone does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import Family, Feature
from models.calibration import probability
from models.departures import departure_codes

__all__ = ["INVOLUNTARY", "LEAST_OF_EACH", "InvoluntaryModel", "fit_involuntary"]

Floats = NDArray[np.float64]

INVOLUNTARY: Final = "involuntary"

LEAST_OF_EACH: Final = 30
"""Departures of either kind; with fewer there is no such model."""

STRENGTH: Final = 0.1
"""scikit-learn's C, with a weight of 1 for each departure: 60 departures move a weight about half of the way that they
point to, 1,000 nearly all of it."""


@dataclass(frozen=True)
class Term:
    """One feature's part: `weight` a standard deviation of its signed logarithm, or `missing` where it is missing."""

    feature: str
    centre: float
    scale: float
    weight: float
    missing: float


@dataclass(frozen=True)
class InvoluntaryModel:
    """A line in log-odds. `departures` are those it learned from, `involuntary` so many of them."""

    intercept: float
    terms: tuple[Term, ...]
    departures: int
    involuntary: int

    def probability(self, frame: pd.DataFrame) -> Floats:
        """(rows,) P(involuntary | the account leaves); `frame` has the features of the churn model."""
        log_odds = np.full(len(frame), self.intercept)
        for term in self.terms:
            value = (_logarithm(frame[term.feature]) - term.centre) / term.scale
            log_odds += np.where(np.isnan(value), term.missing, term.weight * np.nan_to_num(value))
        return probability(log_odds)

    def as_record(self) -> dict[str, Any]:
        """The model as values that JSON can hold."""
        return {**asdict(self), "terms": [asdict(term) for term in self.terms]}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The model that `as_record` gave."""
        return cls(**{**record, "terms": tuple(Term(**term) for term in record["terms"])})


def fit_involuntary(frame: pd.DataFrame, features: Sequence[Feature]) -> InvoluntaryModel | None:
    """Learn from those that left and whose `end_reason` is known; None where that is too little.

    Parameters
    ----------
    frame : one row per (account_id, as_of) with label, churn_on, perhaps end_reason, and a column for each feature. A
        departure that stands in several rows counts once.
    features : the churn model's; the numbers of the billing family are read.
    """
    names = [each.name for each in features if each.family is Family.BILLING and each.kind == "number" and each.learned]
    if "end_reason" not in frame or not names:
        return None
    left = frame[frame["label"].to_numpy(bool) & frame["end_reason"].notna().to_numpy(bool)]
    codes = departure_codes(left)
    involuntary = left["end_reason"].eq(INVOLUNTARY).to_numpy(bool)
    found = [np.unique(codes[kind]).size for kind in (involuntary, ~involuntary)]
    if min(found) < LEAST_OF_EACH:
        return None
    weight = 1.0 / np.bincount(codes)[codes]
    intercept, terms = _line(left, names, involuntary, weight)
    return InvoluntaryModel(intercept, terms, departures=sum(found), involuntary=found[0])


def _line(
    left: pd.DataFrame, names: Sequence[str], involuntary: NDArray[np.bool_], weight: Floats
) -> tuple[float, tuple[Term, ...]]:
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    values = np.column_stack([_logarithm(left[name]) for name in names])
    missing = np.isnan(values)
    there = np.where(missing, 0.0, np.broadcast_to(weight[:, None], values.shape))
    counted = np.maximum(there.sum(axis=0), 1.0)
    centre = (there * np.nan_to_num(values)).sum(axis=0) / counted
    spread = np.sqrt((there * np.nan_to_num(values - centre) ** 2).sum(axis=0) / counted)
    scale = np.where(spread > 0, spread, 1.0)
    standard = np.nan_to_num((values - centre) / scale)
    fitted = LogisticRegression(C=STRENGTH, solver="newton-cholesky")
    with threadpool_limits(1, "blas"):  # which adds long products in another order on more threads
        fitted.fit(np.hstack([standard, missing]), involuntary, sample_weight=weight)
    weights, gaps = np.split(fitted.coef_[0], 2)
    numbers = zip(names, centre.tolist(), scale.tolist(), weights.tolist(), gaps.tolist(), strict=True)
    return float(fitted.intercept_[0]), tuple(Term(*each) for each in numbers)


def _logarithm(column: pd.Series) -> Floats:
    """sign(x) · log(1 + |x|): ten overdue invoices are more than one, but not ten times as telling."""
    value = column.to_numpy(np.float64, na_value=np.nan)
    signed: Floats = np.sign(value) * np.log1p(np.abs(value))
    return signed
