"""Evaluation: every figure with the interval that shows how sure it is, and how many departures it rests on.

Below 100 distinct departures an evaluation says so instead of being read as a grade.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bootstrap import DRAWS, Draws, Figure, figure_of_draws
from models.departures import departure_codes
from models.lists import Lists
from models.metrics import calibration_error_of_draws, ranking_of_draws, slope_of_draws, squared_and_log_errors
from models.profit import profit_of_rows

__all__ = ["ENOUGH_DEPARTURES", "Evaluation", "evaluate", "evaluate_order", "recalls", "value_at_risk"]

Floats = NDArray[np.float64]

ENOUGH_DEPARTURES: Final = 100


@dataclass(frozen=True)
class Evaluation:
    """How good scores were on rows whose labels are known.

    Figures, by name: `auc`, `average_precision`, `base_rate` (share of the rows that left); of probabilities also
    `mean_risk`, `brier`, `brier_skill` (1 less its ratio to that of the base rate for everybody), `log_loss`,
    `calibration_slope`, `calibration_error`; at the team's capacity `recall` (share of the departures that were on a
    list on at least one of the test dates), `lift` (share of listed rows that left, against `base_rate`), and of the
    lists by worth `mrr_recall` (share of the departures' MRR) and `profit` (a call's, in money, see `profit`).
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
        figures = {name: figure.as_record() for name, figure in self.figures.items()}
        return {**asdict(self), "figures": figures, "enough": self.enough, "note": self.note}


def evaluate(
    frame: pd.DataFrame,
    risk: Floats,
    *,
    capacity: int,
    worth: Floats | None = None,
    lists: Lists | None = None,
    draws: int = DRAWS,
    seed: int = 7,
) -> Evaluation:
    """Judge probabilities: their order, and whether they are true.

    Parameters
    ----------
    frame : one row per (account_id, as_of) with root_id, label, churn_on, mrr.
    risk : (rows,) probability of leaving within the horizon.
    capacity : how many accounts the team can call for each test date, in the whole company.
    worth : (rows,) what the list for money is sorted by, value at risk by default.
    lists : who was on the lists, where these rows are a part of those that the lists were made of.
    """
    worth = value_at_risk(frame, risk) if worth is None else worth
    lists = Lists.of(frame, risk, worth, capacity) if lists is None else lists
    drawn = Draws.of(frame["root_id"], draws, seed)
    figures = _order_figures(frame, risk, lists, drawn) | _probability_figures(frame, risk, drawn)
    return _evaluation(frame, figures, capacity)


def evaluate_order(
    frame: pd.DataFrame,
    score: Floats,
    *,
    capacity: int,
    worth: Floats | None = None,
    draws: int = DRAWS,
    seed: int = 7,
) -> Evaluation:
    """Judge scores that only order accounts, such as days to renewal; without `worth` both lists go by the score."""
    lists = Lists.of(frame, score, score if worth is None else worth, capacity)
    return _evaluation(frame, _order_figures(frame, score, lists, Draws.of(frame["root_id"], draws, seed)), capacity)


def value_at_risk(frame: pd.DataFrame, risk: Floats) -> Floats:
    """(rows,) risk × mrr, where an unknown mrr counts as none."""
    worth: Floats = risk * np.nan_to_num(frame["mrr"].to_numpy(np.float64, na_value=np.nan))
    return worth


def _order_figures(frame: pd.DataFrame, score: Floats, lists: Lists, drawn: Draws) -> dict[str, Figure]:
    label, ones = frame["label"].to_numpy(bool), np.ones(len(frame))
    auc, precision = ranking_of_draws(label, score, drawn.root, drawn.weight)
    left, rows, left_listed, rows_listed = drawn.sums(label, ones, label & lists.by_score, lists.by_score)
    with np.errstate(divide="ignore", invalid="ignore"):
        lift = (left_listed / rows_listed) / (left / rows)
    figures = {
        "auc": figure_of_draws(auc),
        "average_precision": figure_of_draws(precision),
        "base_rate": drawn.share(label, ones),
        "lift": figure_of_draws(lift),
    }
    return figures | recalls(frame, lists, drawn) | _profit(frame, lists, drawn)


def recalls(frame: pd.DataFrame, lists: Lists, drawn: Draws) -> dict[str, Figure]:
    """`recall` and `mrr_recall` of the lists, see `Evaluation`; `drawn` are draws of the frame's root accounts."""
    codes = departure_codes(frame)
    rows = pd.DataFrame(
        {
            "departure": codes,
            "as_of": frame["as_of"].to_numpy(),
            "root": drawn.root,
            "mrr": frame["mrr"].to_numpy(np.float64, na_value=np.nan),
            "by_score": lists.by_score,
            "by_worth": lists.by_worth,
        }
    )
    left = rows[codes >= 0].sort_values(["departure", "as_of"]).groupby("departure")
    departure = left.agg(
        root=("root", "last"), mrr=("mrr", "last"), by_score=("by_score", "max"), by_worth=("by_worth", "max")
    )
    of, found = departure["root"].to_numpy(np.int64), departure["by_score"].to_numpy(np.float64)
    mrr = np.nan_to_num(departure["mrr"].to_numpy(np.float64))
    return {
        "recall": drawn.share(found, np.ones(found.size), of),
        "mrr_recall": drawn.share(mrr * departure["by_worth"].to_numpy(np.float64), mrr, of),
    }


def _profit(frame: pd.DataFrame, lists: Lists, drawn: Draws) -> dict[str, Figure]:
    """What a call is expected to bring; without any money on record it cannot be formed."""
    calls = lists.by_worth if frame["mrr"].notna().any() else np.zeros(len(frame))
    return {"profit": drawn.share(profit_of_rows(frame, lists.by_worth), calls)}


def _probability_figures(frame: pd.DataFrame, risk: Floats, drawn: Draws) -> dict[str, Figure]:
    label, ones = frame["label"].to_numpy(bool), np.ones(len(frame))
    errors = squared_and_log_errors(label, risk)
    squared, left, rows = drawn.sums(errors[:, 0], label, ones)
    with np.errstate(divide="ignore", invalid="ignore"):
        skill = 1.0 - (squared / rows) / (left / rows * (1.0 - left / rows))
    return {
        "mean_risk": drawn.share(risk, ones),
        "brier": drawn.share(errors[:, 0], ones),
        "brier_skill": figure_of_draws(skill),
        "log_loss": drawn.share(errors[:, 1], ones),
        "calibration_slope": figure_of_draws(slope_of_draws(label, risk, drawn.root, drawn.weight)),
        "calibration_error": figure_of_draws(
            calibration_error_of_draws(label, risk, drawn.root, drawn.weight), centred=True
        ),
    }


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
