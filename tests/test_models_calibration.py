"""Calibration and bands: a line in log-odds that keeps the order, and thresholds that are multiples of odds."""

import numpy as np
import pytest

from models.bands import Bands
from models.calibration import SMALLEST_SLOPE, Calibration, fit_calibration, logistic_line, probability


def _leavers(slope: float, level: float, rows: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    margin = rng.normal(-1.0, 1.2, rows)
    return margin, rng.random(rows) < probability(slope * margin + level)


@pytest.mark.parametrize(("slope", "level"), [(1.0, 0.0), (0.4, -2.0), (1.8, 1.0)])
def test_finds_the_line_that_made_the_labels(slope: float, level: float) -> None:
    margin, label = _leavers(slope, level, 40_000)
    found = fit_calibration(margin, label)
    assert found.a == pytest.approx(slope, abs=0.06)
    assert found.b == pytest.approx(level, abs=0.08)


def test_mean_risk_is_the_share_that_left() -> None:
    """The level is not shrunk, however few have left."""
    margin, label = _leavers(0.3, -3.0, 600)
    risk = probability(fit_calibration(margin, label).log_odds(margin))
    assert risk.mean() == pytest.approx(label.mean(), abs=1e-6)


def test_few_departures_draw_the_slope_towards_one() -> None:
    margin, label = _leavers(0.3, -3.0, 600)
    alone, _ = logistic_line(margin, label)
    assert alone < fit_calibration(margin, label).a < 1.0
    many_margin, many_label = np.tile(margin, 50), np.tile(label, 50)
    assert fit_calibration(many_margin, many_label).a == pytest.approx(alone, abs=0.05)


def test_copies_of_rows_count_once_when_weighted() -> None:
    margin, label = _leavers(0.3, -2.0, 600)
    once = fit_calibration(margin, label)
    thrice = fit_calibration(np.tile(margin, 3), np.tile(label, 3), np.full(1800, 1 / 3))
    assert (thrice.a, thrice.b) == pytest.approx((once.a, once.b), abs=1e-6)


def test_the_order_is_never_turned_round() -> None:
    margin, label = _leavers(-2.0, 0.0, 20_000)
    found = fit_calibration(margin, label)
    assert found.a == SMALLEST_SLOPE
    assert probability(found.log_odds(margin)).mean() == pytest.approx(label.mean(), abs=1e-6)


def test_one_kind_of_label_is_refused() -> None:
    with pytest.raises(ValueError, match="Both labels are needed"):
        fit_calibration(np.zeros(5), np.zeros(5, dtype=bool))


@pytest.mark.parametrize(("a", "b"), [(0.0, 0.0), (-1.0, 0.0), (float("nan"), 0.0), (1.0, float("inf"))])
def test_a_calibration_that_cannot_be_used_is_not_made(a: float, b: float) -> None:
    with pytest.raises(ValueError, match="finite a > 0"):
        Calibration(a, b)


@pytest.mark.parametrize(("base", "medium", "high"), [(0.05, "10%", "17%"), (0.45, "62%", "77%")])
def test_bands_are_multiples_of_the_base_odds(base: float, medium: str, high: str) -> None:
    bands = Bands.from_base_rate(base)
    assert (f"{bands.medium:.0%}", f"{bands.high:.0%}") == (medium, high)


@pytest.mark.parametrize("base", [0.0, 1.0, float("nan")])
def test_no_bands_without_a_base_rate(base: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Bands.from_base_rate(base)
