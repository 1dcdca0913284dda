"""Calibration: a line in log-odds that turns a booster's margin into a probability that can be believed.

Linear because only then do exact contributions stay exact: a · (sum of contributions) + b is again a sum. Isotonic
regression would bend each account's sum by another amount, and it overfits where few customers leave.
"""

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Calibration", "fit_calibration", "logistic_line", "probability"]

Floats = NDArray[np.float64]

SMALLEST_SLOPE: Final = 0.05
"""a stays above this: at zero or below, the order of the accounts would be lost or turned round."""

PRIOR_WEIGHT: Final = 25.0
"""Weight of the prior belief a = 1, in units of information on a. One departure carries about the variance of the
margins, near 1 for a useful model: at 25 departures a is half prior and half data, at 1,000 the prior is 2 % of it."""


@dataclass(frozen=True)
class Calibration:
    """log-odds = a · margin + b, with a > 0."""

    a: float = 1.0
    b: float = 0.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.a) and np.isfinite(self.b) and self.a > 0):
            raise ValueError(f"A calibration needs finite a > 0 and b, got a = {self.a!r}, b = {self.b!r}.")

    def log_odds(self, margin: Floats) -> Floats:
        """Calibrated log-odds of raw margins, of any shape."""
        return self.a * margin + self.b

    def as_record(self) -> dict[str, Any]:
        """The two numbers, as stored with a model."""
        return asdict(self)


def probability(log_odds: Floats) -> Floats:
    """1 / (1 + exp(−log_odds)), without overflow at either end.

    >>> probability(np.array([-800.0, 0.0, 800.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    small = np.exp(-np.abs(log_odds))
    return np.where(log_odds >= 0, 1.0 / (1.0 + small), small / (1.0 + small))


def logistic_line(
    x: Floats, label: NDArray[np.bool_], weight: Floats | None = None, *, prior: float = 0.0, slope: float | None = None
) -> tuple[float, float]:
    """Slope and intercept of the logistic regression of `label` on `x`, by damped Newton steps.

    `prior` is the weight of the belief that the slope is 1; a given `slope` is held and the intercept alone is fitted.
    Both labels must occur, or the intercept has no finite value.
    """
    if label.all() or not label.any():
        raise ValueError(f"Both labels are needed to fit a logistic line, got {int(label.sum())} of {label.size} true.")
    weight = np.ones_like(x) if weight is None else weight
    share = float(weight[label].sum() / weight.sum())
    centre = float(np.average(x, weights=weight))  # centred, a and b hardly depend on each other and Newton is stable
    x = x - centre
    a, b = (1.0 if slope is None else slope), float(np.log(share / (1.0 - share)))

    def loss(a: float, b: float) -> float:
        z = a * x + b
        return float(weight @ (np.logaddexp(0.0, z) - label * z)) + 0.5 * prior * (a - 1.0) ** 2

    current = loss(a, b)
    for _ in range(100):
        p = probability(a * x + b)
        residual, curve = weight * (p - label), weight * p * (1.0 - p)
        gradient = np.array([residual @ x + prior * (a - 1.0), residual.sum()])
        hessian = np.array([[curve @ x**2 + prior, curve @ x], [curve @ x, curve.sum()]]) + 1e-12 * np.eye(2)
        if slope is not None:
            step = np.array([0.0, gradient[1] / hessian[1, 1]])
        else:
            step = np.linalg.solve(hessian, gradient)
        scale = 1.0
        while (proposed := loss(a - scale * step[0], b - scale * step[1])) > current and scale > 1e-6:
            scale /= 2.0
        a, b = float(a - scale * step[0]), float(b - scale * step[1])
        settled = abs(current - proposed) <= 1e-12 * max(1.0, abs(current))
        current = proposed
        if settled:
            break
    return a, b - a * centre


def fit_calibration(margin: Floats, label: NDArray[np.bool_], weight: Floats | None = None) -> Calibration:
    """The calibration of greatest likelihood, drawn towards a = 1 where few customers left.

    Parameters
    ----------
    margin : (n,) raw margins of rows that the booster has not seen and that chose nothing of it.
    label : (n,) whether the account left.
    weight : (n,) optional. Snapshots of one account overlap, so a departure stands in several rows: pass weights that
        make the departures' total weight their distinct number, or the prior is outvoted by copies.

    >>> margin = np.linspace(-4, 2, 2000)
    >>> left = np.random.default_rng(7).random(2000) < probability(0.5 * margin - 1)
    >>> found = fit_calibration(margin, left)
    >>> bool(abs(found.a - 0.5) < 0.15), bool(abs(found.b + 1) < 0.2)
    (True, True)
    """
    a, b = logistic_line(margin, label, weight, prior=PRIOR_WEIGHT)
    if a < SMALLEST_SLOPE:
        a, b = logistic_line(margin, label, weight, slope=SMALLEST_SLOPE)
    return Calibration(a, b)
