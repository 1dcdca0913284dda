"""The grade: against the best of the baselines, with the interval of the difference, and none where churns are few."""

import json

import numpy as np
import pandas as pd
import pytest
from known_risk import known_risk
from sklearn.metrics import average_precision_score

from models.calibration import probability
from models.evaluate import Evaluation, evaluate, evaluate_order
from models.grade import Grade, grade

KNOWN = known_risk(2500, 5)
FRAME, TRUTH = KNOWN.frame, KNOWN.true_risk
RNG = np.random.default_rng(3)


def _graded(risk: np.ndarray, baselines: dict[str, np.ndarray], frame: pd.DataFrame = FRAME) -> Grade:
    model = evaluate(frame, risk, capacity=50)
    judged: dict[str, Evaluation] = {
        name: evaluate_order(frame, score, capacity=50) for name, score in baselines.items()
    }
    found = grade(frame, risk, model, baselines, judged)
    assert found is not None
    return found


def _noisy(level: float) -> np.ndarray:
    return np.log(TRUTH / (1 - TRUTH)) + level * RNG.normal(size=TRUTH.size)


def test_it_is_against_the_best_baseline_whatever_its_name() -> None:
    found = _graded(TRUTH, {"weak": _noisy(4.0), "strong": _noisy(1.0), "weaker": RNG.random(TRUTH.size)})
    assert found.baseline == "strong"
    label = FRAME["label"].to_numpy(bool)
    assert found.skill.value > 0
    assert found.word == "better than any baseline, and the risks come true"
    plain = average_precision_score(label, TRUTH)
    assert found.model_precision == pytest.approx(plain)
    assert found.skill.value == pytest.approx(found.model_precision - found.baseline_precision)


def test_the_interval_is_that_of_the_difference_and_not_of_either() -> None:
    """Two scores that are almost the same differ by almost nothing, however unsure both are."""
    close = np.log(TRUTH / (1 - TRUTH)) + 0.05 * RNG.normal(size=TRUTH.size)
    found = _graded(TRUTH, {"close": close})
    alone = evaluate_order(FRAME, close, capacity=50).figures["average_precision"]
    assert found.skill.high - found.skill.low < 0.3 * (alone.high - alone.low)


def test_the_difference_is_judged_as_a_plain_paired_bootstrap_would() -> None:
    other = _noisy(1.0)
    found = _graded(TRUTH, {"other": other})
    label, rng = FRAME["label"].to_numpy(bool), np.random.default_rng(11)
    rows_of = list(FRAME.groupby("root_id").indices.values())
    draws = []
    for _ in range(200):
        rows = np.concatenate([rows_of[i] for i in rng.integers(0, len(rows_of), len(rows_of))])
        draws.append(
            average_precision_score(label[rows], TRUTH[rows]) - average_precision_score(label[rows], other[rows])
        )
    low, high = np.quantile(draws, (0.025, 0.975))
    assert found.skill.low == pytest.approx(low, abs=0.25 * (high - low))
    assert found.skill.high == pytest.approx(high, abs=0.25 * (high - low))


def test_a_model_that_is_no_better_than_a_baseline_gets_no_praise() -> None:
    found = _graded(probability(_noisy(1.5)), {"truth": TRUTH})
    assert found.word == "no better than the best baseline"
    assert found.skill.high < 0


def test_the_same_order_is_no_skill() -> None:
    assert _graded(TRUTH, {"same": TRUTH}).word == "no better than the best baseline"


def test_risks_that_do_not_come_true_are_told() -> None:
    odds = (TRUTH / (1 - TRUTH)) ** 3
    found = _graded(odds / (1 + odds), {"weak": _noisy(4.0)})
    assert found.word == "better than any baseline, but the risks are off"


def test_few_churns_are_no_grade_however_good_the_figures() -> None:
    few = FRAME.head(600)
    found = _graded(TRUTH[:600], {"weak": RNG.random(600)}, few)
    assert found.departures < 100
    assert found.word == f"not enough churns (n = {found.departures})"
    assert json.loads(json.dumps(found.as_record(), allow_nan=False))["word"] == found.word


def test_where_nothing_could_be_compared_there_is_no_grade() -> None:
    model = evaluate(FRAME, TRUTH, capacity=50)
    assert grade(FRAME, TRUTH, model, {}, {}) is None
