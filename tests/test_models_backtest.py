"""The backtest: trained on what was known on the test date, and the same rows for model and baselines."""

import json

import pandas as pd
import pytest
from known_risk import FEATURES, known_risk

from models.backtest import Backtest, backtest
from models.errors import NoTestDate
from models.training import fit

NEED = 58  # a horizon of 28 days and a grace of 30


@pytest.fixture(scope="module")
def judged() -> Backtest:
    return backtest(known_risk(700, 14).frame, FEATURES, need_days=NEED, horizon_days=28, capacity=30, threads=1)


def test_every_model_was_trained_on_labels_known_on_its_first_test_date(judged: Backtest) -> None:
    assert len(judged.folds) == 3
    for fold in judged.folds:
        assert pd.Timestamp(fold.trained_to) + pd.Timedelta(days=NEED) <= pd.Timestamp(fold.test_dates[0])


def test_what_became_known_later_changes_nothing(judged: Backtest) -> None:
    """The first block's risks do not move when every later label is turned round."""
    known = known_risk(700, 14)
    first = pd.Timestamp(judged.folds[0].test_dates[0])
    later = known.frame["as_of"] + pd.Timedelta(days=NEED) > first
    turned = known.frame.assign(label=known.frame["label"] & ~later)
    turned["churn_on"] = turned["churn_on"].where(turned["label"])
    again = backtest(turned, FEATURES, need_days=NEED, horizon_days=28, capacity=30, threads=1, test_dates=[first])
    expected = judged.rows[judged.rows["as_of"] == first]["risk"].to_numpy()
    assert expected.tolist() == again.rows["risk"].tolist()


def test_it_beats_the_baseline_on_the_same_rows(judged: Backtest) -> None:
    baseline = judged.baselines["days to renewal"]
    assert judged.baselines.keys() == {"MRR", "days to renewal", "logistic model"}
    assert (judged.model.rows, judged.model.departures) == (baseline.rows, baseline.departures)
    assert judged.model.figures["auc"].low > baseline.figures["auc"].high
    assert judged.model.figures["recall"].value > baseline.figures["recall"].value


def test_the_logistic_baseline_learns_too_and_is_no_copy_of_the_model(judged: Backtest) -> None:
    logistic = judged.baselines["logistic model"].figures["auc"]
    assert logistic.low > judged.baselines["days to renewal"].figures["auc"].high
    assert logistic.value != judged.model.figures["auc"].value


def test_blocks_hold_the_latest_dates_once_each(judged: Backtest) -> None:
    dates = [date for fold in judged.folds for date in fold.test_dates]
    every = sorted({str(date.date()) for date in known_risk(700, 14).frame["as_of"]})
    assert every[-len(dates) :] == dates
    assert len(dates) == 6


def test_given_test_dates_have_a_model_each() -> None:
    frame = known_risk(700, 14).frame
    dates = sorted(frame["as_of"].unique())[-2:]
    found = backtest(frame, FEATURES, need_days=NEED, horizon_days=28, capacity=30, threads=1, test_dates=list(dates))
    assert [(str(date.date()),) for date in dates] == [fold.test_dates for fold in found.folds]
    known = frame[frame["as_of"] + pd.Timedelta(days=NEED) <= dates[0]]
    expected, _ = fit(known, FEATURES, need_days=NEED, horizon_days=28, threads=1)
    rows = frame[frame["as_of"] == dates[0]]
    assert expected.risk(rows, threads=1).tolist() == found.rows[found.rows["as_of"] == dates[0]]["risk"].tolist()


def test_its_record_is_json(judged: Backtest) -> None:
    assert json.loads(json.dumps(judged.as_record(), allow_nan=False))["model"]["departures"] == judged.model.departures


def test_a_history_too_short_says_what_was_known_and_what_is_needed() -> None:
    with pytest.raises(
        NoTestDate, match=r"Departures known on .*: 0 \(58 days before.*a model needs 30.*bring older rows"
    ):
        backtest(known_risk(300, 2).frame, FEATURES, need_days=NEED, horizon_days=28, capacity=10)


def test_a_test_date_without_snapshots_is_refused() -> None:
    with pytest.raises(NoTestDate, match="No snapshots with known labels on 2031-01-01"):
        backtest(
            known_risk(300, 3).frame,
            FEATURES,
            need_days=NEED,
            horizon_days=28,
            capacity=10,
            test_dates=[pd.Timestamp("2031-01-01")],
        )
