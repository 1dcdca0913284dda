"""Training: from snapshots with known labels to a calibrated model.

Three things are learned from disjoint rows (see `splits`): the trees, how many of them, and the calibration. Then the
trees are grown again on all known labels, with the rounds that the folds chose and the (a, b) that were pooled from
rows no fold had seen. That refit has no test of its own: its rows are all used. What it is worth is told by the
backtest, and how well the folds did on rows they had not seen stands in the report.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import Feature
from models.bands import Bands
from models.boosting import FEW_DEPARTURES, boost, boost_until_worse, boosting_parameters
from models.calibration import Calibration, fit_calibration, logistic_line, probability
from models.churn_model import ChurnModel, encode
from models.departures import count_departures, in_order
from models.errors import ModelRefusal, TooFewDepartures
from models.fit_report import FitReport, FoldReport
from models.involuntary import fit_involuntary
from models.metrics import area_under_curve, average_precision, log_loss
from models.splits import Fold, split_rows

if TYPE_CHECKING:
    from lightgbm import Booster

__all__ = ["LEAST_DEPARTURES", "base_rate", "calibration_from_all_rows", "fit"]

Floats = NDArray[np.float64]
Progress = Callable[[str, int, int], None]
"""Called with the step's name, the steps done and the steps in all."""

LEAST_DEPARTURES: Final = 30
BASE_RATE_DAYS: Final = 365


def fit(
    frame: pd.DataFrame,
    features: Sequence[Feature],
    *,
    need_days: int,
    horizon_days: int,
    lead_days: int = 0,
    multiples: tuple[float, float] = (2.0, 4.0),
    seed: int = 7,
    parameters: Mapping[str, Any] | None = None,
    threads: int = 0,
    progress: Progress | None = None,
) -> tuple[ChurnModel, FitReport]:
    """Learn a model from a training frame.

    Parameters
    ----------
    frame : one row per (account_id, as_of) with root_id, label (known!), churn_on, and a column for each feature. A
        row's label was unknown until as_of + need_days; leave rows out that are younger. Where `end_reason` stands
        beside the label, the model also learns which departures are involuntary; the trees never see it.
    need_days, horizon_days, lead_days : lead + horizon + grace (and settling); how far a label looks, and from when.
    multiples : of the base odds, where the bands medium and high begin.
    parameters : LightGBM's, instead of those that suit the company's size: another model's (its fit report has them).
    threads : 0 for as many as pay off. The trees do not depend on it, nor on the order of the rows.

    Raises `TooFewDepartures` under 30 distinct departures, `ModelRefusal` where nobody stayed, `ColumnsDiffer` when a
    feature's column is absent.
    """
    frame = in_order(frame)
    chosen = tuple(feature for feature in features if feature.learned)
    departures = count_departures(frame)
    if departures < LEAST_DEPARTURES:
        raise TooFewDepartures(departures, LEAST_DEPARTURES)
    if frame["label"].all():
        raise ModelRefusal(f"All {len(frame):,} rows left: there is nobody to tell them from. See: churn check.")
    vocabularies = {f.name: _vocabulary(frame[f.name]) for f in chosen if f.kind == "category" and f.name in frame}
    matrix = encode(frame, chosen, vocabularies)
    label = frame["label"].to_numpy(bool)
    sized = boosting_parameters(
        chosen, rows=len(frame), departures=departures, positive_rows=int(label.sum()), seed=seed, threads=threads
    )
    parameters = sized if parameters is None else {**sized, **parameters, "seed": seed}
    split = split_rows(frame, lead_days=lead_days, horizon_days=horizon_days, seed=seed)
    steps = len(split.folds) + 1
    margin = np.full(len(frame), np.nan)
    reports = []
    for number, fold in enumerate(split.folds):
        _tell(progress, f"fold {number + 1} of {len(split.folds)}", number, steps)
        margin[fold.calibrate], rounds = _fold_margins(fold, matrix, label, chosen, parameters)
        reports.append(_fold_report(fold, frame, rounds))
    seen = ~np.isnan(margin)
    copies = label[seen].sum() / max(1, count_departures(frame[seen]))
    calibration = fit_calibration(margin[seen], label[seen], np.full(int(seen.sum()), 1.0 / copies))
    rounds = int(np.median([report.rounds for report in reports]))
    _tell(progress, "refit on all known labels", steps - 1, steps)
    booster = boost(parameters, chosen, (matrix, label.astype(np.float64)), rounds)
    _tell(progress, "trained", steps, steps)
    fitted, calibration = calibration, calibration_from_all_rows(calibration, label, split.folds)
    if split.mode == "time":
        year = _last_year(frame)
        calibration = _levelled(calibration, booster, matrix[year], label[year], parameters["num_threads"])
    report = FitReport(
        mode=split.mode,
        folds=tuple(reports),
        rounds=rounds,
        calibration=calibration,
        rows=len(frame),
        accounts=int(frame["account_id"].nunique()),
        departures=departures,
        first_as_of=str(frame["as_of"].min().date()),
        last_as_of=str(frame["as_of"].max().date()),
        base_rate=base_rate(frame),
        out_of_fold=_out_of_fold(fitted, margin[seen], label[seen]),
        parameters={name: value for name, value in parameters.items() if name not in ("num_threads", "verbosity")},
    )
    model = ChurnModel(
        booster_text=booster.model_to_string(),
        features=chosen,
        categories=vocabularies,
        calibration=calibration,
        medians=_medians(matrix, chosen),
        bands=Bands.from_base_rate(report.base_rate, *multiples),
        facts=tuple(feature for feature in features if not feature.learned),
        involuntary=fit_involuntary(frame, chosen),
        about={
            "first_as_of": report.first_as_of,
            "last_as_of": report.last_as_of,
            "horizon_days": horizon_days,
            "lead_days": lead_days,
            "need_days": need_days,
            "seed": seed,
            "rounds": rounds,
            "few_departures": departures < FEW_DEPARTURES,
            "fit": report.as_record(),
            "note": str(report),
        },
    )
    return model, report


def _fold_margins(
    fold: Fold, matrix: Floats, label: NDArray[np.bool_], features: tuple[Feature, ...], parameters: Mapping[str, Any]
) -> tuple[Floats, int]:
    target = label.astype(np.float64)
    grown_on = matrix[fold.fit], target[fold.fit]
    booster, rounds = boost_until_worse(parameters, features, grown_on, (matrix[fold.stop], target[fold.stop]))
    trees = rounds
    if parameters["bag"] > 1:  # whose margins are less bold than those of one seed
        booster, trees = boost(parameters, features, grown_on, rounds), rounds * parameters["bag"]
    margin = booster.predict(
        matrix[fold.calibrate], raw_score=True, num_iteration=trees, num_threads=parameters["num_threads"]
    )
    return np.asarray(margin, dtype=np.float64), rounds


def calibration_from_all_rows(calibration: Calibration, label: NDArray[np.bool_], folds: Sequence[Fold]) -> Calibration:
    """The same calibration for trees that start from all rows.

    Boosting starts at the base odds of the rows it is given. b was fitted on margins that start from the rows of the
    folds, and carries the way from their base rate to a later one; the refit has gone part of that way by itself.
    """
    starts = [np.log(rate / (1.0 - rate)) for rate in (label[fold.fit].mean() for fold in folds)]
    whole = label.mean()
    gone = float(np.log(whole / (1.0 - whole)) - np.mean(starts))
    return Calibration(calibration.a, calibration.b - calibration.a * gone)


def _levelled(
    calibration: Calibration, booster: "Booster", matrix: Floats, label: NDArray[np.bool_], threads: int
) -> Calibration:
    """The same slope, and the level at which the mean risk of these rows is the share that left.

    A block of time that calibrates is two or three snapshots long and shares the shocks of its months, which tell
    little of the months to come. The order within it is not touched by them, so the slope stays.
    """
    margin = np.asarray(booster.predict(matrix, raw_score=True, num_threads=threads), dtype=np.float64)
    return Calibration(calibration.a, logistic_line(calibration.a * margin, label, slope=1.0)[1])


def _fold_report(fold: Fold, frame: pd.DataFrame, rounds: int) -> FoldReport:
    sets = {"fit": fold.fit, "stop": fold.stop, "calibrate": fold.calibrate}
    return FoldReport(
        rounds=rounds,
        rows={name: int(rows.sum()) for name, rows in sets.items()},
        departures={name: count_departures(frame[rows]) for name, rows in sets.items()},
    )


def _vocabulary(column: pd.Series) -> tuple[str, ...]:
    return tuple(sorted(str(word) for word in column.dropna().unique()))


def _medians(matrix: Floats, features: tuple[Feature, ...]) -> dict[str, float]:
    """Training medians of the number features; a feature never seen has none."""
    return {
        feature.name: float(np.nanmedian(matrix[:, position]))
        for position, feature in enumerate(features)
        if feature.kind == "number" and not np.isnan(matrix[:, position]).all()
    }


def base_rate(frame: pd.DataFrame) -> float:
    """Share of the last year's snapshots that left; of all snapshots where nobody, or everybody, left in it."""
    return float(frame.loc[_last_year(frame), "label"].mean())


def _last_year(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """(rows,) the last year's snapshots; all of them where nobody, or everybody, left in the last year."""
    recent = (frame["as_of"] > frame["as_of"].max() - pd.Timedelta(days=BASE_RATE_DAYS)).to_numpy(bool)
    return recent if frame.loc[recent, "label"].nunique() == 2 else np.ones(len(frame), dtype=bool)


def _out_of_fold(calibration: Calibration, margin: Floats, label: NDArray[np.bool_]) -> dict[str, float]:
    """Skill of the folds' models on the rows they had not seen. The calibration was fitted on these rows."""
    risk = probability(calibration.log_odds(margin))
    return {
        "auc": area_under_curve(label, margin),
        "average_precision": average_precision(label, margin),
        "log_loss": log_loss(label, risk),
        "base_rate": float(label.mean()),
    }


def _tell(progress: Progress | None, step: str, done: int, total: int) -> None:
    if progress is not None:
        progress(step, done, total)
