"""The backtest: trained on what was known on the test date, and the same rows for model and baselines."""

import json

import pandas as pd
import pytest
from known_risk import FEATURES, known_risk

from models.backtest import Backtest, backtest
from models.errors import NoTestDate
from models.lead_time import lead_times
from models.lists import listed
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
    assert list(judged.baselines) == [
        "MRR",
        "days to renewal",
        "score of last month",
        "health score",
        "fitted health score",
        "logistic model",
    ]
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


def test_last_months_score_is_that_of_the_same_model_28_days_before(judged: Backtest) -> None:
    """The second date of a block was scored on the first by the same model; who was not there has no score."""
    first, second = judged.folds[0].test_dates[:2]
    now = judged.rows[judged.rows["as_of"] == pd.Timestamp(second)].set_index("account_id")
    before = judged.rows[judged.rows["as_of"] == pd.Timestamp(first)].set_index("account_id")["risk"]
    scores = judged.scores[judged.rows["as_of"] == pd.Timestamp(second)].set_axis(now.index)["score of last month"]
    both = now.index.intersection(before.index)
    assert len(both) == len(now) > 200
    assert scores[both].tolist() == before[both].tolist()


def test_without_a_snapshot_about_28_days_before_there_is_no_score_of_last_month() -> None:
    frame = known_risk(700, 14).frame
    sparse = frame[frame["as_of"].isin(sorted(frame["as_of"].unique())[::2])]
    found = backtest(sparse, FEATURES, need_days=NEED, horizon_days=28, capacity=30, threads=1)
    assert "score of last month" not in found.baselines
    assert "health score" in found.baselines


def test_an_account_without_a_score_of_last_month_comes_last() -> None:
    """One that came on the last date was not there 28 days before."""
    frame = known_risk(700, 14).frame
    last = frame["as_of"].max()
    came = (frame["account_id"] == frame[frame["as_of"] == last]["account_id"].iloc[0]) & (frame["as_of"] < last)
    found = backtest(frame[~came], FEATURES, need_days=NEED, horizon_days=28, capacity=30, threads=1, test_dates=[last])
    score = found.scores["score of last month"]
    assert score.idxmin() == 0
    assert score.notna().all()


def test_every_list_has_its_lead_times_and_a_curve(judged: Backtest) -> None:
    assert judged.lead_times.keys() == {"model", *judged.baselines}
    assert len({lead.departures for found in judged.lead_times.values() for lead in found if lead.days == 60}) == 1
    risk = judged.rows["risk"].to_numpy()
    assert judged.lead_times["model"] == lead_times(judged.rows, listed(judged.rows, risk, 30))
    assert len(judged.calibration_curve) == 10
    assert judged.lift_curves["model"][0.05] > judged.lift_curves["MRR"][0.05]


def test_segments_are_those_of_the_frame(judged: Backtest) -> None:
    assert judged.segments.keys() == {"plan"}
    assert sum(found.departures for found in judged.segments["plan"].values()) == judged.model.departures


def test_the_grade_is_of_the_same_rows(judged: Backtest) -> None:
    assert judged.grade is not None
    assert judged.grade.departures == judged.model.departures
    best = max(found.figures["average_precision"].value for found in judged.baselines.values())
    assert judged.grade.baseline_precision == pytest.approx(best)


def test_its_record_is_json(judged: Backtest) -> None:
    record = json.loads(json.dumps(judged.as_record(), allow_nan=False))
    assert record["model"]["departures"] == judged.model.departures
    assert judged.grade is not None
    assert record["grade"]["word"] == judged.grade.word
    assert [point["rows"] for point in record["calibration_curve"]] == [p.rows for p in judged.calibration_curve]
    assert record["lead_times"]["model"][0]["found"] == judged.lead_times["model"][0].found
    assert record["lift_curves"]["model"]["0.05"] == judged.lift_curves["model"][0.05]
    assert record["segments"]["plan"]["basic"]["figures"]["auc"]["value"] > 0.5
    assert "30 %" in record["profit_assumptions"]


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
