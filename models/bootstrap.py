"""The bootstrap: figures with the interval that shows how sure they are.

Accounts are seen on many dates and belong to parents, so rows are not independent: root accounts are drawn, each with
all its snapshots. Two scores of the same rows meet the same draws, so what lies between them is known more surely than
either of them.
"""

from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.metrics import sums_by_root, totals_of_draws

__all__ = ["DRAWS", "INTERVAL", "Draws", "Figure", "figure_of_draws"]

Floats = NDArray[np.float64]

DRAWS: Final = 500
INTERVAL: Final = (0.025, 0.975)


@dataclass(frozen=True)
class Figure:
    """A figure with its 95 % interval; NaN where it cannot be formed.

    >>> print(Figure(0.7812, 0.7401, 0.8213), Figure(1718.94, 890.26, 2618.8), sep="; ")
    0.781 (0.740 to 0.821); 1,719 (890 to 2,619)
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        largest = max(map(abs, (self.value, self.low, self.high)))
        digits = 0 if largest >= 100 else 1 if largest >= 10 else 3
        return f"{self.value:,.{digits}f} ({self.low:,.{digits}f} to {self.high:,.{digits}f})"

    def as_record(self) -> dict[str, float | None]:
        """The figure as values that JSON can hold: null for what cannot be formed."""
        ends = {"value": self.value, "low": self.low, "high": self.high}
        return {name: None if np.isnan(number) else float(number) for name, number in ends.items()}


@dataclass(frozen=True)
class Draws:
    """How often each root account was drawn: first the sample itself, then Poisson(1).

    `root` is (rows,) the column of the row's root account in `weight`, which is (1 + draws, roots).
    """

    root: NDArray[np.int64]
    weight: NDArray[np.uint8]

    @classmethod
    def of(cls, root_id: pd.Series, draws: int = DRAWS, seed: int = 7) -> Self:
        """Draws for rows with these root accounts; the same for the same roots and seed."""
        root, roots = pd.factorize(root_id, sort=True)
        rng, weight = np.random.default_rng(seed), np.ones((1 + draws, len(roots)), dtype=np.uint8)
        for drawn in weight[1:]:
            drawn[:] = rng.poisson(1.0, size=len(roots))
        return cls(root.astype(np.int64), weight)

    def sums(self, *columns: Floats | NDArray[Any], root: NDArray[np.int64] | None = None) -> tuple[Floats, ...]:
        """Of each column of rows (whose roots are `root`, those of all rows by default), the sum in each draw."""
        stacked = np.column_stack([np.asarray(column, np.float64) for column in columns])
        by_root = sums_by_root(stacked, self.root if root is None else root, self.weight.shape[1])
        return tuple(totals_of_draws(self.weight, by_root).T)

    def share(
        self, part: Floats | NDArray[Any], whole: Floats | NDArray[Any], root: NDArray[np.int64] | None = None
    ) -> Figure:
        """Sum of `part` over sum of `whole`."""
        of_part, of_whole = self.sums(part, whole, root=root)
        with np.errstate(divide="ignore", invalid="ignore"):
            return figure_of_draws(of_part / of_whole)


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
