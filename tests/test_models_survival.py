"""The hazard beyond the longest horizon, held against lives that were drawn from a known one."""

import numpy as np
import pandas as pd
import pytest

from models.survival import EDGES, Hazards, fit_hazards

TRUE = {"small": (0.004, 0.002, 0.001, 0.0005), "large": (0.001, 0.0008, 0.0004, 0.0004)}
STEP, HORIZON = 28, 60
START = pd.Timestamp("2022-01-03")


def snapshots(accounts: int, *, step: int = STEP) -> pd.DataFrame:
    """Snapshots of accounts that come over two years and leave by the true hazards, watched for three years."""
    rng, rows = np.random.default_rng(4), []
    days = np.arange(1500)
    band = np.searchsorted(EDGES, days, side="right") - 1
    for number in range(accounts):
        segment = "small" if number % 2 else "large"
        begun = int(rng.integers(0, 730))
        leaves = np.flatnonzero(rng.random(days.size) < np.array(TRUE[segment])[band])
        gone = begun + int(leaves[0]) + 1 if leaves.size else 10_000
        for seen in range(0, 1095, step):
            if begun <= seen < gone:
                within = gone <= seen + HORIZON
                rows.append((number, seen, seen - begun, gone if within else None, segment))
    frame = pd.DataFrame(rows, columns=["account_id", "as_of", "tenure_days", "churn_on", "segment"])
    for name in ("as_of", "churn_on"):
        frame[name] = START + pd.to_timedelta(frame[name], unit="D")
    return frame


@pytest.mark.parametrize("step", [STEP, 112])
def test_the_hazard_of_each_segment_and_age_is_found(step: int) -> None:
    """Also where snapshots lie further apart than a label looks, so that accounts are not watched all the time."""
    found = fit_hazards(snapshots(12_000, step=step), horizon_days=HORIZON)
    assert found is not None
    assert found.column == "segment"
    for name, hazard in TRUE.items():
        np.testing.assert_allclose(found.groups[name], hazard, rtol=0.25 if step == STEP else 0.4)
    small, large = (found.survival(30.0, name, np.array([365.0]))[0] for name in ("small", "large"))
    assert small == pytest.approx(np.exp(-60 * 0.004 - 275 * 0.002 - 30 * 0.001), abs=0.03)
    assert large > small


def test_a_curve_falls_and_goes_over_the_bands() -> None:
    hazards = Hazards(every=(0.01, 0.005, 0.002, 0.001), column=None, groups={})
    days = np.arange(0.0, 800.0)
    curve = hazards.survival(80.0, None, days)
    assert curve[0] == 1.0
    assert (np.diff(curve) < 0).all()
    assert -np.log(curve[10]) == pytest.approx(10 * 0.01)
    assert -np.log(curve[20]) == pytest.approx(10 * 0.01 + 10 * 0.005)
    assert hazards.survival(80.0, "unheard of", days) == pytest.approx(curve)


def test_a_segment_of_few_goes_by_all() -> None:
    frame = snapshots(3_000)
    rare = frame["account_id"].isin([1, 3, 5])
    found = fit_hazards(frame.assign(segment=frame["segment"].where(~rare, "rare")), horizon_days=HORIZON)
    assert found is not None
    assert found.groups["rare"] == found.every
    days = np.array([100.0])
    assert found.survival(10.0, pd.NA, days) == found.survival(10.0, "rare", days)  # type: ignore[arg-type]


def test_without_tenure_or_departures_there_is_none() -> None:
    frame = snapshots(200)
    assert fit_hazards(frame.drop(columns="tenure_days"), horizon_days=HORIZON) is None
    assert fit_hazards(frame.assign(churn_on=pd.NaT), horizon_days=HORIZON) is None
