"""The backtest: what the model would have been worth, had it been in use.

For every block of past test dates a model is fitted on the labels that were known on the block's first date: rows with
as_of + need_days at or before it. A later row's label was not known then, even where the account had left already.
Model and baselines are judged on the same rows, at the same capacity.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import Feature
from models.baselines import FITTED_HEALTH, HEALTH, LAST_MONTH, LOGISTIC, baseline_scores, logistic_risk, month_before
from models.churn_model import ChurnModel
from models.curves import CalibrationPoint, calibration_curve, lift_curve
from models.departures import count_departures, in_order
from models.errors import NoTestDate
from models.evaluate import Evaluation, evaluate, evaluate_order, value_at_risk
from models.fit_report import FitReport
from models.grade import Grade, grade
from models.health_score import fitted_health_risk, health_score, rules_of
from models.lead_time import LeadTime, lead_times
from models.leavers import Leavers, by_end_reason
from models.lists import Lists, listed
from models.profit import ASSUMPTIONS
from models.segments import by_segment
from models.training import LEAST_DEPARTURES, fit

__all__ = ["Backtest", "BacktestFold", "backtest", "backtest_rules", "date_blocks", "known_on"]

TEST_SHARE: Final = 0.4
"""Share of the snapshots that are tested at most: with more, the first models would have learned from too little."""


@dataclass(frozen=True)
class BacktestFold:
    """One block of test dates and the model fitted for it."""

    test_dates: tuple[str, ...]
    trained_to: str
    fit: FitReport
    evaluation: Evaluation


@dataclass(frozen=True)
class Backtest:
    """Model and baselines on the same test rows.

    `rows` holds account_id, root_id, as_of, label, churn_on, mrr and `risk` of every test row, sorted by (as_of,
    account_id); `scores` what the baselines said of the same rows, a column each. `lead_times` and `lift_curves` are by
    the name of the list, `model` among them; `segments` by column and group, `leavers` by reason, of the model alone.
    """

    model: Evaluation
    baselines: Mapping[str, Evaluation]
    folds: tuple[BacktestFold, ...]
    rows: pd.DataFrame
    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    grade: Grade | None = None
    lead_times: Mapping[str, tuple[LeadTime, ...]] = field(default_factory=dict)
    calibration_curve: tuple[CalibrationPoint, ...] = ()
    lift_curves: Mapping[str, Mapping[float, float]] = field(default_factory=dict)
    segments: Mapping[str, Mapping[str, Evaluation]] = field(default_factory=dict)
    leavers: Mapping[str, Leavers] = field(default_factory=dict)

    def as_record(self) -> dict[str, Any]:
        """All but the rows, as values that JSON can hold."""
        return {
            "model": self.model.as_record(),
            "baselines": {name: evaluation.as_record() for name, evaluation in self.baselines.items()},
            "folds": [
                {
                    "test_dates": list(fold.test_dates),
                    "trained_to": fold.trained_to,
                    "departures_in_training": fold.fit.departures,
                    "evaluation": fold.evaluation.as_record(),
                }
                for fold in self.folds
            ],
            "grade": None if self.grade is None else self.grade.as_record(),
            "lead_times": {name: [lead.as_record() for lead in found] for name, found in self.lead_times.items()},
            "calibration_curve": [point.as_record() for point in self.calibration_curve],
            "lift_curves": {
                name: {f"{depth:g}": None if np.isnan(lift) else lift for depth, lift in curve.items()}
                for name, curve in self.lift_curves.items()
            },
            "segments": {
                column: {name: found.as_record() for name, found in groups.items()}
                for column, groups in self.segments.items()
            },
            "leavers": {reason: found.as_record() for reason, found in self.leavers.items()},
            "profit_assumptions": ASSUMPTIONS,
        }


def backtest(
    frame: pd.DataFrame,
    features: Sequence[Feature],
    *,
    need_days: int,
    horizon_days: int,
    lead_days: int = 0,
    capacity: int,
    folds: int = 3,
    test_dates: Sequence[pd.Timestamp] | None = None,
    seed: int = 7,
    parameters: Mapping[str, Any] | None = None,
    threads: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Backtest:
    """Fit and judge through time.

    Parameters
    ----------
    frame, features, need_days, horizon_days, lead_days, seed, parameters, threads : as for `training.fit`.
    capacity : how many accounts the team can call for each test date, in the whole company.
    folds : blocks of neighbouring test dates, each with one model; fewer where history is short.
    test_dates : instead of the last two fifths of the snapshots, these, each with a model of its own.

    Raises `NoTestDate` where no date had 30 departures known before it.
    """
    frame = in_order(frame)
    blocks = date_blocks(frame, need_days, folds, test_dates)
    tested, judged = [], []
    for number, dates in enumerate(blocks):
        if progress is not None:
            progress(f"test from {dates[0].date()}", number, len(blocks))
        known = known_on(frame, dates[0], need_days)
        model, report = fit(
            known,
            features,
            need_days=need_days,
            horizon_days=horizon_days,
            lead_days=lead_days,
            seed=seed,
            parameters=parameters,
            threads=threads,
        )
        test = _scored(frame, dates, known, model, features, threads)
        tested.append(test)
        evaluation = evaluate(test, test["risk"].to_numpy(np.float64), capacity=capacity, seed=seed)
        days = tuple(str(date.date()) for date in dates)
        judged.append(BacktestFold(days, report.last_as_of, report, evaluation))
    if progress is not None:
        progress("figures and intervals", len(blocks), len(blocks))
    return _judged(in_order(pd.concat(tested, ignore_index=True)), tuple(judged), capacity, seed)


def _scored(
    frame: pd.DataFrame,
    dates: Sequence[pd.Timestamp],
    known: pd.DataFrame,
    model: ChurnModel,
    features: Sequence[Feature],
    threads: int,
) -> pd.DataFrame:
    """The rows of the test dates, with what the model says of them and what was learned besides, a column each."""
    test = frame[frame["as_of"].isin(dates)]
    return test.assign(
        **{
            "risk": model.risk(test, threads=threads),
            LAST_MONTH: month_before(frame, test, lambda rows: model.risk(rows, threads=threads)),
            FITTED_HEALTH: fitted_health_risk(known, test),
            LOGISTIC: logistic_risk(known, test, features),
        }
    )


def backtest_rules(
    frame: pd.DataFrame, model: ChurnModel, *, capacity: int, seed: int = 7, threads: int = 0
) -> Backtest:
    """Judge a model that learned from nobody: every row is a test of it. `frame` is that of `backtest`."""
    rows = in_order(frame)
    return _judged(rows.assign(risk=model.risk(rows, threads=threads)), (), capacity, seed)


def _judged(rows: pd.DataFrame, folds: tuple[BacktestFold, ...], capacity: int, seed: int) -> Backtest:
    """All figures of the test rows, which carry the columns of `_scored`; those of rules `risk` alone."""
    risk = rows["risk"].to_numpy(np.float64)
    scores, baselines = _baselines(rows, capacity, seed)
    model = evaluate(rows, risk, capacity=capacity, seed=seed)
    every = {"model": risk, **scores}
    lists = Lists.of(rows, risk, value_at_risk(rows, risk), capacity)
    return Backtest(
        model=model,
        baselines=baselines,
        folds=folds,
        rows=rows[["account_id", "root_id", "as_of", "label", "churn_on", "mrr", "risk"]],
        scores=pd.DataFrame(scores),
        grade=grade(rows, risk, model, scores, baselines, seed=seed),
        lead_times={name: lead_times(rows, listed(rows, score, capacity), seed=seed) for name, score in every.items()},
        calibration_curve=calibration_curve(rows, risk, seed=seed),
        lift_curves={name: lift_curve(rows, score) for name, score in every.items()},
        segments=by_segment(rows, risk, lists, capacity=capacity, seed=seed),
        leavers=by_end_reason(rows, lists, seed=seed),
    )


def _baselines(
    rows: pd.DataFrame, capacity: int, seed: int
) -> tuple[dict[str, NDArray[np.float64]], dict[str, Evaluation]]:
    """Scores of the baselines and how good they are. What tells odds is weighed with MRR for the money's list."""
    scores = baseline_scores(rows)
    judged = {name: evaluate_order(rows, score, capacity=capacity, seed=seed) for name, score in scores.items()}
    if LAST_MONTH in scores:
        worth = value_at_risk(rows, np.nan_to_num(rows[LAST_MONTH].to_numpy(np.float64)))
        judged[LAST_MONTH] = evaluate_order(rows, scores[LAST_MONTH], worth=worth, capacity=capacity, seed=seed)
    if LOGISTIC not in rows:  # the model is itself the rules, and nothing was fitted beside it
        return scores, judged
    risks = {LOGISTIC: rows[LOGISTIC].to_numpy(np.float64)}
    if rules_of(rows):
        scores[HEALTH] = health_score(rows)
        worth = value_at_risk(rows, np.exp(scores[HEALTH]))
        judged[HEALTH] = evaluate_order(rows, scores[HEALTH], worth=worth, capacity=capacity, seed=seed)
        risks = {FITTED_HEALTH: rows[FITTED_HEALTH].to_numpy(np.float64), **risks}
    judged |= {name: evaluate(rows, risk, capacity=capacity, seed=seed) for name, risk in risks.items()}
    return scores | risks, judged


def date_blocks(
    frame: pd.DataFrame, need_days: int, folds: int = 3, test_dates: Sequence[pd.Timestamp] | None = None
) -> list[list[pd.Timestamp]]:
    """The test dates of a backtest, in blocks of neighbours, and what they raise; see `backtest`."""
    dates = [pd.Timestamp(date) for date in sorted(frame["as_of"].unique())]
    if test_dates is not None:
        chosen = sorted(pd.Timestamp(date) for date in test_dates)
        absent = [str(date.date()) for date in chosen if date not in dates]
        if absent:
            raise NoTestDate(
                f"No snapshots with known labels on {', '.join(absent)}; there are {len(dates)}, "
                f"from {dates[0].date()} to {dates[-1].date()}. Choose among these."
            )
        blocks = [[date] for date in chosen]
    else:
        able = [date for date in dates if count_departures(known_on(frame, date, need_days)) >= LEAST_DEPARTURES]
        last = able[-int(np.ceil(TEST_SHARE * len(dates))) :]
        edges = np.linspace(0, len(last), min(folds, len(last)) + 1).round().astype(int)
        blocks = [last[first:end] for first, end in pairwise(edges)]
    known = count_departures(known_on(frame, blocks[0][0], need_days)) if blocks else 0
    if known < LEAST_DEPARTURES:
        latest = blocks[0][0] if blocks else dates[-1]
        found = count_departures(known_on(frame, latest, need_days))
        raise NoTestDate(
            f"Departures known on {latest.date()}: {found} ({need_days} days before, as a label needs); "
            f"a model needs {LEAST_DEPARTURES}. The history is too short for a backtest: "
            "bring older rows, or train without a backtest."
        )
    return blocks


def known_on(frame: pd.DataFrame, date: pd.Timestamp, need_days: int) -> pd.DataFrame:
    """The rows whose labels were known on the date."""
    return frame[frame["as_of"] + pd.Timedelta(days=need_days) <= date]
