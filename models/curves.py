"""Curves: whether risks come true from the lowest to the highest, and what lists of every length would have found."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bootstrap import DRAWS, Draws, Figure
from models.lists import places

__all__ = ["DEPTHS", "CalibrationPoint", "calibration_curve", "lift_curve"]

Floats = NDArray[np.float64]

BINS: Final = 10
DEPTHS: Final = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0)


@dataclass(frozen=True)
class CalibrationPoint:
    """A tenth of the rows: the mean of the risks it was given, and the share of it that left."""

    risk: float
    share: Figure
    rows: int

    def as_record(self) -> dict[str, Any]:
        """The point as values that JSON can hold."""
        return {"risk": self.risk, "rows": self.rows, "share": self.share.as_record()}


def calibration_curve(
    frame: pd.DataFrame, risk: Floats, *, draws: int = DRAWS, seed: int = 7
) -> tuple[CalibrationPoint, ...]:
    """The points of ten bins with equally many rows (needs root_id and label), from the lowest risks to the highest.

    The bins are those of the whole sample in every draw; the intervals draw root accounts.
    """
    place = np.empty(risk.size, dtype=np.int64)
    place[np.argsort(risk, kind="stable")] = np.arange(risk.size)
    tenth = place * BINS // max(1, risk.size)
    drawn, label = Draws.of(frame["root_id"], draws, seed), frame["label"].to_numpy(bool)
    points = []
    for each in np.unique(tenth):
        rows = tenth == each
        share = drawn.share(label[rows], np.ones(int(rows.sum())), drawn.root[rows])
        points.append(CalibrationPoint(float(risk[rows].mean()), share, int(rows.sum())))
    return tuple(points)


def lift_curve(frame: pd.DataFrame, score: Floats, depths: Sequence[float] = DEPTHS) -> dict[float, float]:
    """By depth: how many times the base rate the rows leave that have the highest scores of their date.

    A depth is a share of the accounts of each date, at least one of them; NaN where nobody left. `frame` needs
    account_id, as_of and label.
    """
    label = frame["label"].to_numpy(bool)
    place, there = places(frame, score), frame.groupby("as_of")["as_of"].transform("size").to_numpy()
    rate = label.mean() if label.any() else np.nan
    tops = {depth: place < np.maximum(1, np.round(depth * there)) for depth in depths}
    return {depth: float(label[top].mean() / rate) for depth, top in tops.items()}
