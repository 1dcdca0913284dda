"""Stability: whether the main reason of an account survives a change that is no news, such as another seed.

An account's main reason is the family that raises its risk most. It is kept where the other explanation has the same
one on top, or gives it at most 0.1 log-odds less than its own top: two families that close are a tie, which any change
may turn.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.churn_model import Explanation

__all__ = ["Stability", "stability", "top_kept"]

Masks = NDArray[np.bool_]

NEAR: Final = 0.1
TOP_SHARE: Final = 0.1


@dataclass(frozen=True)
class Stability:
    """Shares of accounts whose main reason is kept: in the top tenth of risk (also by strict equality), and of all."""

    kept: float
    strict: float
    kept_of_all: float
    strict_of_all: float

    def as_record(self) -> dict[str, Any]:
        """The shares as plain numbers."""
        return dict(vars(self))


def top_kept(first: Explanation, second: Explanation) -> tuple[Masks, Masks, Masks]:
    """For n accounts explained twice: (n,) kept, (n,) strictly equal, (n,) in the top tenth of the first's risk.

    >>> first = Explanation(-3.0, np.zeros((1, 0)), np.array([[0.50, 0.45, -0.2]]))
    >>> second = Explanation(-3.0, np.zeros((1, 0)), np.array([[0.48, 0.52, -0.2]]))
    >>> [bool(mask[0]) for mask in top_kept(first, second)]
    [True, False, True]
    """
    top = np.argmax(first.families, axis=1)
    rows = np.arange(len(top))
    kept = second.families[rows, top] >= second.families.max(axis=1) - NEAR
    strict = np.argmax(second.families, axis=1) == top
    order = np.argsort(-first.risk, kind="stable")
    among = np.zeros(len(top), dtype=bool)
    among[order[: int(np.ceil(TOP_SHARE * len(top)))]] = True
    return kept, strict, among


def stability(first: Explanation, second: Explanation) -> Stability:
    """How well the main reasons of `first` stand up to `second`, an explanation of the same accounts."""
    kept, strict, among = top_kept(first, second)
    return Stability(
        kept=float(kept[among].mean()),
        strict=float(strict[among].mean()),
        kept_of_all=float(kept.mean()),
        strict_of_all=float(strict.mean()),
    )
