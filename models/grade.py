"""The grade: one line on whether a model can be trusted, which cannot flatter.

A model that says "nobody leaves" is right about most accounts, and any model beats chance where renewals are known. So
the grade is what remains above the best of the baselines, whichever that is on these rows; it counts only when the
interval of that difference lies above nought, when the risks come true, and when enough customers left to tell.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bootstrap import DRAWS, Draws, Figure, figure_of_draws
from models.evaluate import ENOUGH_DEPARTURES, Evaluation
from models.metrics import ranking_of_draws

__all__ = ["Grade", "grade"]

Floats = NDArray[np.float64]

TRUE_SLOPES: Final = (0.8, 1.25)
"""Risks come true where the interval of the calibration slope reaches this range: odds too bold or too timid by a fifth
are of no consequence to whom one calls."""
NEAR: Final = 0.1
"""How far the mean risk may be from the share that left, as a share of it, before a reader is told of it."""
LARGEST_ERROR: Final = 0.25
"""Of the base rate: risks that are off by more on average, even at the near end of the interval, are off."""


@dataclass(frozen=True)
class Grade:
    """Model against the best baseline, in average precision, and whether its risks come true.

    `skill` is the difference with its paired interval: both orders meet the same draws of root accounts.
    """

    baseline: str
    model_precision: float
    baseline_precision: float
    skill: Figure
    calibration_slope: Figure
    calibration_error: Figure
    mean_risk: float
    base_rate: float
    departures: int

    @property
    def is_true(self) -> bool:
        """Whether the risks come true, as far as the intervals can tell."""
        slope, error = self.calibration_slope, self.calibration_error
        reaches = slope.low <= TRUE_SLOPES[1] and slope.high >= TRUE_SLOPES[0]
        return bool(reaches and error.low <= LARGEST_ERROR * self.base_rate)

    @property
    def word(self) -> str:
        """The grade itself."""
        if self.departures < ENOUGH_DEPARTURES:
            return f"not enough churns (n = {self.departures})"
        if not self.skill.low > 0.0:
            return "no better than the best baseline"
        if not self.is_true:
            return "better than any baseline, but the risks are off"
        if abs(self.mean_risk / self.base_rate - 1.0) <= NEAR:
            return "better than any baseline, and the risks come true"
        return (
            f"better than any baseline, and the risks nearly come true: on average {100 * self.mean_risk:.1f} % was "
            f"given, and {100 * self.base_rate:.1f} % left"
        )

    def as_record(self) -> dict[str, Any]:
        """The grade as values that JSON can hold."""
        figures = ("skill", "calibration_slope", "calibration_error")
        return {"word": self.word, **vars(self), **{name: getattr(self, name).as_record() for name in figures}}


def grade(
    frame: pd.DataFrame,
    risk: Floats,
    model: Evaluation,
    scores: Mapping[str, Floats],
    baselines: Mapping[str, Evaluation],
    *,
    seed: int = 7,
) -> Grade | None:
    """The grade of `risk` beside the baselines' `scores` on the same rows; None where there is no baseline or leaver.

    `model` and `baselines` are what `evaluate` said of them.
    """
    precision = {name: found.figures["average_precision"].value for name, found in baselines.items()}
    precision = {name: value for name, value in precision.items() if np.isfinite(value)}
    if not precision:
        return None
    best = max(precision, key=lambda name: (precision[name], name))
    drawn, label = Draws.of(frame["root_id"], DRAWS, seed), frame["label"].to_numpy(bool)
    ours, theirs = (ranking_of_draws(label, score, drawn.root, drawn.weight)[1] for score in (risk, scores[best]))
    return Grade(
        baseline=best,
        model_precision=float(ours[0]),
        baseline_precision=float(theirs[0]),
        skill=figure_of_draws(ours - theirs),
        calibration_slope=model.figures["calibration_slope"],
        calibration_error=model.figures["calibration_error"],
        mean_risk=model.figures["mean_risk"].value,
        base_rate=model.figures["base_rate"].value,
        departures=model.departures,
    )
