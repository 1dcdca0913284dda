"""Segments: the same scores, on the same lists, looked at group by group.

A model that is good on the whole may be useless for large customers or in the first months. Groups are columns of the
training frame, so each account stands in the group that was known of it on the date.
"""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.evaluate import Evaluation, evaluate
from models.lists import Lists

__all__ = ["TENURE", "by_segment", "groups_of"]

Floats = NDArray[np.float64]

COLUMNS: Final = ("segment", "plan", "billing_period")
TENURE: Final = {0: "under 90 days", 90: "90 days to 1 year", 365: "1 to 2 years", 730: "2 years and more"}
LARGEST: Final = 6
"""So many groups of a column stand alone; the rest are judged together."""
DRAWS: Final = 200
NOT_KNOWN: Final = "not known"


def groups_of(frame: pd.DataFrame) -> dict[str, "pd.Series[str]"]:
    """By segment, plan, billing period and tenure, as far as the frame has them: the group of each row."""
    groups = {name: _largest(frame[name]) for name in COLUMNS if name in frame}
    if "tenure_days" in frame:
        bands = pd.cut(frame["tenure_days"], [*TENURE, np.inf], right=False, labels=list(TENURE.values()))
        groups["tenure"] = bands.astype(object).where(bands.notna(), NOT_KNOWN)
    return {name: group for name, group in groups.items() if group.nunique() > 1}


def by_segment(
    frame: pd.DataFrame, risk: Floats, lists: Lists, *, capacity: int, seed: int = 7
) -> dict[str, dict[str, Evaluation]]:
    """By column and group: the model's figures on the group's rows, largest group first.

    `lists` are those of the whole company: nobody calls by segment. The intervals rest on 200 draws.
    """
    found: dict[str, dict[str, Evaluation]] = {}
    for column, group in groups_of(frame).items():
        found[column] = {}
        for name in _order(column, group):
            rows = (group == name).to_numpy(bool)
            found[column][name] = evaluate(
                frame[rows], risk[rows], capacity=capacity, lists=lists.among(rows), draws=DRAWS, seed=seed
            )
    return found


def _largest(column: pd.Series) -> "pd.Series[str]":
    """The column as text, with all but its largest groups under one name."""
    text = column.astype(object).where(column.notna(), NOT_KNOWN).astype(str)
    kept = text.value_counts(sort=True).index[:LARGEST]
    return text.where(text.isin(kept), "others")


def _order(column: str, group: "pd.Series[str]") -> list[str]:
    """Tenure by its bands, other columns by size; what is not known and the rest come last."""
    last = ("others", NOT_KNOWN)
    names = (
        list(TENURE.values())
        if column == "tenure"
        else sorted(set(group), key=lambda name: (-(group == name).sum(), name))
    )
    return [name for name in [*names, *last] if name not in last and (group == name).any()] + [
        name for name in last if (group == name).any()
    ]
