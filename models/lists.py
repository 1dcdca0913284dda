"""Lists: the accounts that a team with so many calls would have called, had it gone by a score."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["Lists", "listed", "places"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Lists:
    """Who was on the lists of all dates: `by_score` the likeliest to leave, `by_worth` those with most at stake."""

    by_score: NDArray[np.bool_]
    by_worth: NDArray[np.bool_]

    @classmethod
    def of(cls, frame: pd.DataFrame, score: Floats, worth: Floats, capacity: int) -> Self:
        """The lists of `capacity` accounts on each date."""
        return cls(listed(frame, score, capacity), listed(frame, worth, capacity))

    def among(self, rows: NDArray[np.bool_]) -> "Lists":
        """The part of the same lists that these rows hold."""
        return Lists(self.by_score[rows], self.by_worth[rows])


def listed(frame: pd.DataFrame, score: Floats, capacity: int) -> NDArray[np.bool_]:
    """(rows,) whether the row is among the `capacity` highest scores of its date; ties go by account_id."""
    on_list: NDArray[np.bool_] = places(frame, score) < capacity
    return on_list


def places(frame: pd.DataFrame, score: Floats) -> NDArray[np.int64]:
    """(rows,) the row's place on its date, from 0 for the highest score; ties go by account_id."""
    by = pd.DataFrame(
        {"as_of": frame["as_of"].to_numpy(), "score": -score, "account_id": frame["account_id"].to_numpy()}
    )
    by = by.sort_values(["as_of", "score", "account_id"], kind="stable")
    return np.asarray(by.groupby("as_of").cumcount().sort_index(), dtype=np.int64)
