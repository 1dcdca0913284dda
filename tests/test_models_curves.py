"""The curves: whether risks come true in each tenth, and how many times the base rate a list of each length finds."""

import numpy as np
import pandas as pd
import pytest
from known_risk import known_risk

from models.curves import calibration_curve, lift_curve


def test_the_true_risk_comes_true_in_every_tenth() -> None:
    known = known_risk(3000, 5)
    points = calibration_curve(known.frame, known.true_risk)
    assert len(points) == 10
    assert {point.rows for point in points} <= {len(known.frame) // 10, len(known.frame) // 10 + 1}
    assert sum(point.share.low <= point.risk <= point.share.high for point in points) >= 8
    assert [point.risk for point in points] == sorted(point.risk for point in points)
    order = np.argsort(known.true_risk, kind="stable")[-points[-1].rows :]
    assert points[-1].share.value == pytest.approx(known.frame["label"].to_numpy()[order].mean())


def test_fewer_rows_than_tenths_make_fewer_points() -> None:
    frame = known_risk(600, 6).frame.head(4)
    assert len(calibration_curve(frame, np.array([0.1, 0.2, 0.3, 0.4]))) == 4


def test_lift_of_the_whole_is_one_and_of_a_perfect_order_the_inverse_of_the_base_rate() -> None:
    """Ten accounts on two dates; one leaves after the first date, two after the second."""
    frame = pd.DataFrame(
        {"account_id": [*"abcdefghij"] * 2, "as_of": pd.to_datetime(["2026-01-01"] * 10 + ["2026-01-29"] * 10)}
    )
    frame["label"] = [True] + [False] * 9 + [True, True] + [False] * 8
    score = np.array([*range(10, 0, -1)] * 2, dtype=float)
    curve = lift_curve(frame, score)
    assert curve[1.0] == pytest.approx(1.0)
    assert curve[0.1] == pytest.approx(1 / (3 / 20))
    assert curve[0.2] == pytest.approx((3 / 4) / (3 / 20))
    assert lift_curve(frame, -score)[0.5] == 0.0


def test_lift_where_nobody_left_cannot_be_formed() -> None:
    frame = known_risk(600, 6).frame.head(20).assign(label=False)
    assert np.isnan(list(lift_curve(frame, np.arange(20.0)).values())).all()
