"""Evaluation: figures as scikit-learn has them, intervals as a plain bootstrap of root accounts has them."""

import numpy as np
import pandas as pd
import pytest
from known_risk import known_risk
from sklearn import metrics as sk

from models.baselines import baseline_scores
from models.evaluate import evaluate, evaluate_order
from models.lists import listed
from models.metrics import area_under_curve, average_precision, log_loss, ranking_of_draws


@pytest.mark.parametrize("levels", [5, 10_000], ids=["many ties", "few ties"])
def test_figures_are_scikit_learns(levels: int) -> None:
    rng = np.random.default_rng(1)
    risk = rng.integers(1, levels, 3000) / levels
    label = rng.random(3000) < risk
    assert area_under_curve(label, risk) == pytest.approx(sk.roc_auc_score(label, risk))
    assert average_precision(label, risk) == pytest.approx(sk.average_precision_score(label, risk))
    assert log_loss(label, risk) == pytest.approx(sk.log_loss(label, risk))


def test_a_draw_is_a_sample_with_rows_repeated() -> None:
    rng = np.random.default_rng(2)
    risk, root = np.round(rng.random(400), 2), rng.integers(0, 60, 400)
    label = rng.random(400) < risk / 3
    weight = rng.poisson(1.0, (70, 60)).astype(float)
    auc, precision = ranking_of_draws(label, risk, root, weight)
    for draw in (0, 33, 69):
        rows = np.repeat(np.arange(400), weight[draw, root].astype(int))
        assert auc[draw] == pytest.approx(sk.roc_auc_score(label[rows], risk[rows]))
        assert precision[draw] == pytest.approx(sk.average_precision_score(label[rows], risk[rows]))


def test_intervals_are_those_of_resampled_root_accounts() -> None:
    """Against the plain way: draw root accounts, take all their rows, compute again."""
    known = known_risk(300, 6)
    frame, risk = known.frame, known.true_risk
    found = evaluate(frame, risk, capacity=20).figures
    rows_of = list(frame.groupby("root_id").indices.values())
    rng = np.random.default_rng(5)
    label = frame["label"].to_numpy()
    draws = []
    for _ in range(400):
        rows = np.concatenate([rows_of[i] for i in rng.integers(0, len(rows_of), len(rows_of))])
        draws.append((sk.roc_auc_score(label[rows], risk[rows]), sk.brier_score_loss(label[rows], risk[rows])))
    for name, column in (("auc", 0), ("brier", 1)):
        low, high = np.quantile([draw[column] for draw in draws], (0.025, 0.975))
        width = high - low
        assert found[name].low == pytest.approx(low, abs=0.2 * width)
        assert found[name].high == pytest.approx(high, abs=0.2 * width)


def test_the_truth_is_calibrated_and_a_bold_copy_is_not() -> None:
    known = known_risk(3000, 5)
    truth = evaluate(known.frame, known.true_risk, capacity=50).figures
    odds = (known.true_risk / (1 - known.true_risk)) ** 2
    bold = evaluate(known.frame, odds / (1 + odds), capacity=50).figures
    assert truth["calibration_slope"].low < 1 < truth["calibration_slope"].high
    assert bold["calibration_slope"].value == pytest.approx(0.5, abs=0.05)
    assert truth["calibration_error"].value < 0.01 < bold["calibration_error"].value
    assert bold["auc"] == truth["auc"]


def test_every_value_lies_in_its_interval() -> None:
    known = known_risk(600, 6)
    for name, figure in evaluate(known.frame, known.true_risk, capacity=20).figures.items():
        assert figure.low <= figure.value <= figure.high, name


def _small(scores: list[float]) -> tuple[pd.DataFrame, np.ndarray]:
    """Two dates of four accounts; `a` leaves after both, and is one departure; `b` leaves after the second."""
    days = pd.to_datetime(["2026-01-01"] * 4 + ["2026-01-29"] * 4)
    left = {"a": "2026-02-10", "b": "2026-02-20"}
    frame = pd.DataFrame({"account_id": list("abcd") * 2, "as_of": days, "mrr": [100.0, 900.0, 50.0, np.nan] * 2})
    frame["root_id"] = frame["account_id"]
    frame["label"] = [True, False, False, False, True, True, False, False]
    frame["churn_on"] = pd.to_datetime(frame["account_id"].map(left)).where(frame["label"])
    return frame, np.array(scores)


def test_a_departure_is_found_once_when_any_list_held_it() -> None:
    frame, score = _small([0.9, 0.1, 0.2, 0.3, 0.1, 0.2, 0.9, 0.3])
    found = evaluate_order(frame, score, capacity=1)
    assert found.departures == 2
    assert found.figures["recall"].value == 0.5
    assert found.figures["mrr_recall"].value == pytest.approx(100 / 1000)


def test_the_list_for_revenue_goes_by_value_at_risk() -> None:
    frame, risk = _small([0.4, 0.1, 0.2, 0.3, 0.4, 0.3, 0.2, 0.3])
    found = evaluate(frame, risk, capacity=1).figures
    assert found["recall"].value == 0.5
    assert found["mrr_recall"].value == pytest.approx(900 / 1000)


def test_a_list_is_as_long_as_the_capacity_on_every_date_and_ties_go_by_account() -> None:
    frame, score = _small([0.5] * 8)
    assert frame[listed(frame, score, 2)]["account_id"].tolist() == ["a", "b", "a", "b"]


def test_too_few_churns_are_said_instead_of_a_grade() -> None:
    frame, risk = _small([0.4, 0.1, 0.2, 0.3, 0.4, 0.3, 0.2, 0.3])
    found = evaluate(frame, risk, capacity=1)
    assert not found.enough
    assert found.note.startswith("2 churns, too few for a grade (that takes 100); ")


def test_what_cannot_be_formed_is_null_and_not_zero() -> None:
    frame, risk = _small([0.4, 0.1, 0.2, 0.3, 0.4, 0.3, 0.2, 0.3])
    nobody = frame.assign(label=False, churn_on=pd.NaT)
    record = evaluate(nobody, risk, capacity=1).as_record()
    assert record["figures"]["auc"]["value"] is None
    assert record["figures"]["recall"]["value"] is None
    assert record["departures"] == 0


def test_baselines_sort_as_a_manager_would_and_need_their_column() -> None:
    frame = pd.DataFrame({"days_to_renewal": [90.0, 3.0, np.nan], "days_since_use": [2.0, np.nan, 30.0]})
    frame["mrr"] = [10.0, np.nan, 500.0]
    scores = baseline_scores(frame)
    assert [2, 0, 1] == np.argsort(-scores["MRR"]).tolist()
    assert [1, 0, 2] == np.argsort(-scores["days to renewal"]).tolist()
    assert [1, 2, 0] == np.argsort(-scores["last use"]).tolist()  # no use on record is the longest silence
    assert baseline_scores(frame[["days_since_use"]]).keys() == {"last use"}
    assert baseline_scores(frame.assign(days_since_use=np.nan, mrr=np.nan)).keys() == {"days to renewal"}


def test_the_skill_of_the_brier_score_is_against_the_base_rate_for_everybody() -> None:
    known = known_risk(1500, 5)
    rate = np.full(len(known.frame), known.frame["label"].mean())
    nothing = evaluate(known.frame, rate, capacity=50).figures
    assert nothing["brier_skill"].value == pytest.approx(0.0, abs=1e-12)
    assert nothing["mean_risk"].value == pytest.approx(nothing["base_rate"].value)
    truth = evaluate(known.frame, known.true_risk, capacity=50).figures
    label = known.frame["label"].to_numpy(float)
    expected = 1 - sk.brier_score_loss(label, known.true_risk) / (label.mean() * (1 - label.mean()))
    assert truth["brier_skill"].value == pytest.approx(expected)
    assert 0 < truth["brier_skill"].low < truth["brier_skill"].high


def test_lift_is_how_many_times_more_of_the_listed_rows_left() -> None:
    """Of two listed rows one is a leaver's, of all eight three are."""
    frame, score = _small([0.9, 0.1, 0.2, 0.3, 0.1, 0.2, 0.9, 0.3])
    assert evaluate_order(frame, score, capacity=1).figures["lift"].value == pytest.approx((1 / 2) / (3 / 8))


def test_the_profit_of_a_call_counts_a_departure_once_and_goes_by_the_list_for_money() -> None:
    """Account a is called on both dates; b, worth most, only where the list is for money."""
    frame, score = _small([0.9, 0.1, 0.2, 0.3, 0.9, 0.2, 0.1, 0.3])
    cost = 0.005 * 12 * 2 * (100 + 900 + 50) / 8
    by_score = evaluate_order(frame, score, capacity=1).figures["profit"].value
    assert by_score == pytest.approx(0.3 * 12 * 100 / 2 - cost)
    by_worth = evaluate_order(frame, score, capacity=1, worth=frame["mrr"].fillna(0).to_numpy())
    assert by_worth.figures["profit"].value == pytest.approx(0.3 * 12 * 900 / 2 - cost)


def test_without_any_money_a_profit_cannot_be_formed() -> None:
    frame, score = _small([0.9, 0.1, 0.2, 0.3, 0.9, 0.2, 0.1, 0.3])
    assert np.isnan(evaluate_order(frame.assign(mrr=np.nan), score, capacity=1).figures["profit"].value)
