"""Metrics: how well scores order and how true probabilities are, each for one sample or for many weighted ones at once.

A bootstrap that copies rows costs a sort for each draw. Weights cost none: the rows are sorted once and every draw is a
row of counts. What is a mean over rows needs the sums of each root account alone.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.calibration import logistic_line, probability

__all__ = [
    "area_under_curve",
    "average_precision",
    "calibration_error_of_draws",
    "log_loss",
    "ranking_of_draws",
    "slope_of_draws",
    "squared_and_log_errors",
    "sums_by_root",
    "totals_of_draws",
]

Floats = NDArray[np.float64]
Labels = NDArray[np.bool_]

BINS: Final = 10
DRAWS_AT_ONCE: Final = 64
SMALLEST_RISK: Final = 1e-12


def area_under_curve(label: Labels, score: Floats) -> float:
    """Chance that an account that left scores above one that stayed; ties count half. NaN where either is absent.

    >>> area_under_curve(np.array([True, True, False]), np.array([0.9, 0.2, 0.2]))
    0.75
    """
    return float(ranking_of_draws(label, score, np.arange(label.size), np.ones((1, label.size)))[0][0])


def average_precision(label: Labels, score: Floats) -> float:
    """Mean over the accounts that left of the share of leavers among those scored at least as high.

    >>> round(average_precision(np.array([True, False, True]), np.array([0.9, 0.5, 0.1])), 4)
    0.8333
    """
    return float(ranking_of_draws(label, score, np.arange(label.size), np.ones((1, label.size)))[1][0])


def log_loss(label: Labels, risk: Floats) -> float:
    """Mean negative log-likelihood in nats.

    >>> round(log_loss(np.array([True, False]), np.array([0.5, 0.5])), 4)
    0.6931
    """
    return float(squared_and_log_errors(label, risk)[:, 1].mean())


def squared_and_log_errors(label: Labels, risk: Floats) -> Floats:
    """(rows, 2) squared error and negative log-likelihood of each row; their means are Brier score and log loss."""
    clipped = np.clip(risk, SMALLEST_RISK, 1.0 - SMALLEST_RISK)
    return np.column_stack([(risk - label) ** 2, -np.log(np.where(label, clipped, 1.0 - clipped))])


def ranking_of_draws(
    label: Labels, score: Floats, root: NDArray[np.int64], weight: NDArray[Any]
) -> tuple[Floats, Floats]:
    """AUC and average precision of each draw.

    Parameters
    ----------
    label, score : (rows,); score without NaN.
    root : (rows,) the row's column in `weight`.
    weight : (draws, roots) whole numbers, how often each root account was drawn.
    """
    order = np.argsort(-score, kind="stable")
    label, score, root = label[order], score[order], root[order]
    starts = np.flatnonzero(np.r_[True, score[1:] != score[:-1]])  # rows of one score are one step of the curve
    ends = np.r_[starts[1:], score.size]
    step = np.repeat(np.arange(starts.size), ends - starts)
    held, first_left = np.unique(step[label], return_index=True)  # only steps that hold a leaver add to either sum
    if held.size == 0:
        return np.full(len(weight), np.nan), np.full(len(weight), np.nan)
    auc, precision = np.empty(len(weight)), np.empty(len(weight))
    for first in range(0, len(weight), DRAWS_AT_ONCE):
        part = slice(first, first + DRAWS_AT_ONCE)
        drawn = weight[part].astype(np.uint8, copy=False)
        reached = np.cumsum(drawn[:, root], axis=1, dtype=np.int32)
        reached = np.concatenate([np.zeros((len(reached), 1), np.int32), reached], axis=1)
        left = np.add.reduceat(drawn[:, root[label]].astype(np.float64), first_left, axis=1)
        left_above = np.cumsum(left, axis=1)
        all_above = reached[:, ends[held]].astype(np.float64)
        tied = all_above - reached[:, starts[held]] - left
        all_left = left_above[:, -1]
        all_stayed = reached[:, -1] - all_left
        stayed_below = all_stayed[:, None] - (all_above - left_above)
        with np.errstate(divide="ignore", invalid="ignore"):
            auc[part] = (left * (stayed_below + tied / 2.0)).sum(axis=1) / (all_left * all_stayed)
            share = np.where(all_above > 0, left_above / all_above, 0.0)
            precision[part] = (left * share).sum(axis=1) / all_left
    return auc, precision


def calibration_error_of_draws(label: Labels, risk: Floats, root: NDArray[np.int64], weight: NDArray[Any]) -> Floats:
    """(draws,) calibration error: how far the risks are off, on average, in ten bins with equally many rows.

    The bins are those of the whole sample in every draw.
    """
    place = np.empty(risk.size, dtype=np.int64)
    place[np.argsort(risk, kind="stable")] = np.arange(risk.size)
    cell = root * BINS + place * BINS // max(1, risk.size)
    off = np.bincount(cell, weights=label - risk, minlength=weight.shape[1] * BINS).reshape(-1, BINS)
    rows = np.bincount(root, minlength=weight.shape[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        error: Floats = np.abs(totals_of_draws(weight, off)).sum(axis=1) / totals_of_draws(weight, rows)
    return error


def slope_of_draws(label: Labels, risk: Floats, root: NDArray[np.int64], weight: NDArray[Any]) -> Floats:
    """(draws,) calibration slope: 1 where risks are neither too bold (below 1) nor too timid (above).

    Each draw is one Newton step from the estimate of the whole sample: as accurate as the bootstrap itself, and made of
    sums over root accounts alone.
    """
    clipped = np.clip(risk, SMALLEST_RISK, 1.0 - SMALLEST_RISK)
    log_odds = np.log(clipped / (1.0 - clipped))
    if label.all() or not label.any() or np.ptp(log_odds) == 0.0:
        return np.full(len(weight), np.nan)
    slope, intercept = logistic_line(log_odds, label)
    x = log_odds - log_odds.mean()
    p = probability(slope * log_odds + intercept)
    residual, curve = label - p, p * (1.0 - p)
    sums = np.column_stack([residual * x, residual, curve * x * x, curve * x, curve])
    g_slope, g_level, h_slope, h_both, h_level = totals_of_draws(weight, sums_by_root(sums, root, weight.shape[1])).T
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes: Floats = slope + (h_level * g_slope - h_both * g_level) / (h_slope * h_level - h_both**2)
    return slopes


def totals_of_draws(weight: NDArray[Any], by_root: NDArray[Any]) -> Floats:
    """(draws, …) what the root accounts of each draw come to. Weights of a byte each are widened a few draws at a time:
    a thousand draws of a million root accounts would be 8 GB of doubles.
    """
    parts = (weight[first : first + DRAWS_AT_ONCE] for first in range(0, len(weight), DRAWS_AT_ONCE))
    return np.concatenate([part.astype(np.float64) @ by_root for part in parts])


def sums_by_root(values: Floats, root: NDArray[np.int64], roots: int) -> Floats:
    """(roots, columns) sums of the rows of each root account."""
    return np.column_stack([np.bincount(root, weights=column, minlength=roots) for column in values.T])
