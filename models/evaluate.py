"""Evaluation: every figure with the interval that shows how sure it is, and how many departures it rests on.

Accounts are seen on many dates and belong to parents, so rows are not independent: the bootstrap draws root accounts,
each with all its snapshots. Below 100 distinct departures an evaluation says so instead of being read as a grade.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.departures import departure_codes
from models.metrics import (
    calibration_error_of_draws,
    ranking_of_draws,
    slope_of_draws,
    squared_and_log_errors,
    sums_by_root,
)

__all__ = [
    "ENOUGH_DEPARTURES",
    "Evaluation",
    "Figure",
    "draws_of_roots",
    "evaluate",
    "evaluate_order",
    "figure_of_draws",
    "listed",
]

Floats = NDArray[np.float64]

ENOUGH_DEPARTURES: Final = 100
DRAWS: Final = 500
INTERVAL: Final = (0.025, 0.975)


@dataclass(frozen=True)
class Figure:
    """A figure with its 95 % interval; NaN where it cannot be formed.

    >>> print(Figure(0.7812, 0.7401, 0.8213))
    0.781 (0.740 to 0.821)
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Evaluation:
    """How good scores were on rows whose labels are known.

    Figures, by name: `auc`, `average_precision`, `base_rate`; of probabilities also `brier`, `log_loss`,
    `calibration_slope`, `calibration_error`; at the team's capacity `recall` (share of the departures that were on a
    list on at least one of the test dates) and `mrr_recall` (share of their MRR).
    """

    figures: Mapping[str, Figure]
    departures: int
    rows: int
    accounts: int
    first_as_of: str
    last_as_of: str
    capacity: int

    @property
    def enough(self) -> bool:
        """Whether there were departures enough to speak of a grade."""
        return self.departures >= ENOUGH_DEPARTURES

    @property
    def note(self) -> str:
        """On what it was measured, and whether that suffices."""
        measured = f"{self.accounts:,} accounts, {self.first_as_of} to {self.last_as_of}"
        if not self.enough:
            return f"{self.departures} churns, too few for a grade (that takes {ENOUGH_DEPARTURES}); {measured}"
        return f"{self.departures:,} churns; {measured}"

    def as_record(self) -> dict[str, Any]:
        """The evaluation as values that JSON can hold; a figure that cannot be formed is null."""
        figures = {
            name: {key: None if np.isnan(number) else number for key, number in asdict(figure).items()}
            for name, figure in self.figures.items()
        }
        return {**asdict(self), "figures": figures, "enough": self.enough, "note": self.note}


def evaluate(
    frame: pd.DataFrame, risk: Floats, *, capacity: int, worth: Floats | None = None, draws: int = DRAWS, seed: int = 7
) -> Evaluation:
    """Judge probabilities: their order, and whether they are true.

    Parameters
    ----------
    frame : one row per (account_id, as_of) with root_id, label, churn_on, mrr.
    risk : (rows,) probability of leaving within the horizon.
    capacity : how many accounts the team can call for each test date, in the whole company.
    worth : (rows,) what the list for `mrr_recall` is sorted by, value at risk by default.
    """
    worth = risk * np.nan_to_num(frame["mrr"].to_numpy(np.float64, na_value=np.nan)) if worth is None else worth
    root, weight = draws_of_roots(frame, draws, seed)
    figures = _order_figures(frame, risk, worth, capacity, root, weight) | _probability_figures(
        frame, risk, root, weight
    )
    return _evaluation(frame, figures, capacity)


def evaluate_order(
    frame: pd.DataFrame, score: Floats, *, capacity: int, draws: int = DRAWS, seed: int = 7
) -> Evaluation:
    """Judge scores that only order accounts, such as days to renewal; both recalls use their order."""
    root, weight = draws_of_roots(frame, draws, seed)
    return _evaluation(frame, _order_figures(frame, score, score, capacity, root, weight), capacity)


def listed(frame: pd.DataFrame, score: Floats, capacity: int) -> NDArray[np.bool_]:
    """(rows,) whether the row is among the `capacity` highest scores of its date; ties go by account_id."""
    by = pd.DataFrame(
        {"as_of": frame["as_of"].to_numpy(), "score": -score, "account_id": frame["account_id"].to_numpy()}
    )
    by = by.sort_values(["as_of", "score", "account_id"], kind="stable")
    place = by.groupby("as_of").cumcount().sort_index()
    return place.to_numpy() < capacity


def draws_of_roots(frame: pd.DataFrame, draws: int, seed: int) -> tuple[NDArray[np.int64], Floats]:
    """Root account of each row, and how often each root account was drawn: first the sample itself, then Poisson(1)."""
    root, roots = pd.factorize(frame["root_id"], sort=True)
    drawn = np.random.default_rng(seed).poisson(1.0, size=(draws, len(roots)))
    return root.astype(np.int64), np.vstack([np.ones((1, len(roots))), drawn])


def _order_figures(
    frame: pd.DataFrame, score: Floats, worth: Floats, capacity: int, root: NDArray[np.int64], weight: Floats
) -> dict[str, Figure]:
    label = frame["label"].to_numpy(bool)
    auc, precision = ranking_of_draws(label, score, root, weight)
    figures = {
        "auc": figure_of_draws(auc),
        "average_precision": figure_of_draws(precision),
        "base_rate": _share(label.astype(np.float64), np.ones(label.size), root, weight),
    }
    codes = departure_codes(frame)
    rows = pd.DataFrame(
        {
            "departure": codes,
            "as_of": frame["as_of"].to_numpy(),
            "root": root,
            "mrr": frame["mrr"].to_numpy(np.float64, na_value=np.nan),
            "by_score": listed(frame, score, capacity),
            "by_worth": listed(frame, worth, capacity),
        }
    )
    left = rows[codes >= 0].sort_values(["departure", "as_of"]).groupby("departure")
    departure = left.agg(
        root=("root", "last"), mrr=("mrr", "last"), by_score=("by_score", "max"), by_worth=("by_worth", "max")
    )
    of = departure["root"].to_numpy(np.int64)
    found = departure["by_score"].to_numpy(np.float64)
    figures["recall"] = _share(found, np.ones(found.size), of, weight)
    mrr = np.nan_to_num(departure["mrr"].to_numpy(np.float64))
    figures["mrr_recall"] = _share(mrr * departure["by_worth"].to_numpy(np.float64), mrr, of, weight)
    return figures


def _probability_figures(
    frame: pd.DataFrame, risk: Floats, root: NDArray[np.int64], weight: Floats
) -> dict[str, Figure]:
    label = frame["label"].to_numpy(bool)
    errors, ones = squared_and_log_errors(label, risk), np.ones(label.size)
    return {
        "brier": _share(errors[:, 0], ones, root, weight),
        "log_loss": _share(errors[:, 1], ones, root, weight),
        "calibration_slope": figure_of_draws(slope_of_draws(label, risk, root, weight)),
        "calibration_error": figure_of_draws(calibration_error_of_draws(label, risk, root, weight), centred=True),
    }


def _share(part: Floats, whole: Floats, root: NDArray[np.int64], weight: Floats) -> Figure:
    sums = weight @ sums_by_root(np.column_stack([part, whole]), root, weight.shape[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        return figure_of_draws(sums[:, 0] / sums[:, 1])


def figure_of_draws(values: Floats, *, centred: bool = False) -> Figure:
    """The first value with the quantiles of the others.

    An average of absolute errors grows with noise, and draws are noisier than the sample: `centred` moves them back
    onto it.
    """
    value, drawn = float(values[0]), values[1:][np.isfinite(values[1:])]
    if not np.isfinite(value) or drawn.size == 0:
        return Figure(value if np.isfinite(value) else float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(drawn, INTERVAL) - (drawn.mean() - value if centred else 0.0)
    return Figure(value, float(max(low, 0.0)) if centred else float(low), float(high))


def _evaluation(frame: pd.DataFrame, figures: Mapping[str, Figure], capacity: int) -> Evaluation:
    return Evaluation(
        figures=figures,
        departures=int(departure_codes(frame).max(initial=-1)) + 1,
        rows=len(frame),
        accounts=int(frame["account_id"].nunique()),
        first_as_of=str(frame["as_of"].min().date()),
        last_as_of=str(frame["as_of"].max().date()),
        capacity=capacity,
    )
