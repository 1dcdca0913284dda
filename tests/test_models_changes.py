"""What changed between two nights: time, data and model add up, and each is nought where it has no part."""

import numpy as np
import pandas as pd
import pytest
from known_risk import FEATURES, known_risk, trained

from models.changes import Changes, changes, moved_on
from models.churn_model import ChurnModel
from models.training import fit

WEEK = 7


@pytest.fixture(scope="module")
def before() -> ChurnModel:
    return trained()[1]


@pytest.fixture(scope="module")
def after() -> ChurnModel:
    known = known_risk(800, 12, seed=5)
    return fit(known.frame, FEATURES, need_days=28, horizon_days=28, threads=1)[0]


@pytest.fixture(scope="module")
def former() -> pd.DataFrame:
    frame = known_risk(300, 1, seed=9).frame
    return frame.assign(days_to_renewal=np.arange(len(frame)) % 300 + WEEK)


def _split(before: ChurnModel, after: ChurnModel, former: pd.DataFrame, present: pd.DataFrame) -> Changes:
    log_odds = [model.explain(rows, threads=1).log_odds for model, rows in ((before, former), (after, present))]
    split = changes(
        before, after, former, present, days=WEEK, log_odds_before=log_odds[0], log_odds_after=log_odds[1], threads=1
    )
    np.testing.assert_allclose(split.time + split.data + split.model, log_odds[1] - log_odds[0], rtol=0, atol=1e-12)
    return split


def _a_week_on(former: pd.DataFrame) -> pd.DataFrame:
    return former.assign(days_to_renewal=former["days_to_renewal"] - WEEK)


def test_where_only_the_calendar_moved_all_is_time(before: ChurnModel, former: pd.DataFrame) -> None:
    split = _split(before, before, former, _a_week_on(former))
    assert np.abs(split.data).max() < 1e-4
    assert not split.model.any()
    assert np.abs(split.time).max() > 0.01


def test_what_happened_is_data(before: ChurnModel, former: pd.DataFrame) -> None:
    present = former.assign(open_tickets=former["open_tickets"] + 2)
    split = _split(before, before, former, present)
    assert not split.time.any()
    assert not split.model.any()
    assert np.median(split.data) > 0.05


def test_another_model_on_the_same_rows_is_the_model(
    before: ChurnModel, after: ChurnModel, former: pd.DataFrame
) -> None:
    split = _split(before, after, former, former)
    assert not split.time.any()
    assert np.abs(split.data).max() < 1e-4
    assert np.abs(split.model).max() > 0.05


def test_all_three_at_once_add_up(before: ChurnModel, after: ChurnModel, former: pd.DataFrame) -> None:
    present = _a_week_on(former).assign(open_tickets=3.0, plan="pro")
    split = _split(before, after, former, present)
    assert all(part.any() for part in (split.time, split.data, split.model))


def test_a_clock_that_jumped_stays_where_it_was() -> None:
    """Renewed early, the days to the next renewal go up: that happened, it did not pass."""
    former = pd.DataFrame({"days_to_renewal": [40.0, 40.0, 3.0, np.nan, 40.0]})
    present = pd.DataFrame({"days_to_renewal": [33.0, 398.0, 361.0, 20.0, np.nan]})
    moved = moved_on(former, present, FEATURES, WEEK)["days_to_renewal"]
    assert moved.tolist()[:3] == [33.0, 40.0, 361.0]
    assert np.isnan(moved[3])
    assert moved[4] == 40.0


def test_silence_is_no_calendar() -> None:
    """Only contract and tenure have clocks that run by themselves."""
    from features.build import listed

    features = [feature for feature in listed(["pricing"]) if feature.clock]
    former = pd.DataFrame({feature.name: [30.0] for feature in features})
    moved = moved_on(former, former + WEEK, features, WEEK).iloc[0]
    assert {name for name in moved.index if moved[name] != 30.0} == {
        "tenure_days",
        "days_since_go_live",
        "days_to_renewal",
        "renews_in_horizon",
        "days_since_price_rise",
    }
