"""Tuning: LightGBM's parameters tried on past dates, with what they cost to explain in view.

What is tried is judged where neither the backtest nor the gate looks: on labels that were all known when the first of
their test dates began. There each trial is fitted and judged through time as the backtest does it. Trial 0 is what a
training chooses without tuning.

Among the trials whose log loss is within one standard error of the best and no worse than that of trial 0, the one that
is cheapest to explain is chosen. The standard error is that of the difference to the best, by root accounts.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy.exc import SQLAlchemyError

from features.catalogue import Feature
from models.backtest import date_blocks, known_on
from models.boosting import boosting_parameters
from models.departures import count_departures, in_order
from models.errors import UnusableStudy
from models.metrics import squared_and_log_errors
from models.training import fit
from models.twin import gate_window

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

__all__ = ["Trial", "Tuning", "tune"]

GROUPS: Final = 200
"""Groups of root accounts by which a trial's losses are kept: enough for a standard error, and few to store."""

SAMPLER_STEP: Final = 10_007


@dataclass(frozen=True)
class Trial:
    """What was tried, and what it came to.

    `losses` is (groups,) the log loss of the test rows, summed by group of root accounts; `rows` how many they are;
    `lookups` what explaining one account costs, see `PathTables.lookups`.
    """

    number: int
    parameters: Mapping[str, Any]
    losses: tuple[float, ...]
    rows: int
    lookups: float

    @property
    def log_loss(self) -> float:
        """Mean negative log-likelihood in nats."""
        return sum(self.losses) / self.rows

    def behind(self, best: "Trial") -> tuple[float, float]:
        """How much worse than the best its log loss is, and the standard error of that."""
        apart = np.subtract(self.losses, best.losses)
        return float(apart.sum()) / self.rows, float(apart.std(ddof=1) * np.sqrt(apart.size)) / self.rows

    def as_record(self) -> dict[str, Any]:
        """The trial as plain data."""
        figures = {"log_loss": self.log_loss, "lookups": self.lookups}
        return {"number": self.number, **figures, "parameters": dict(self.parameters)}

    def __str__(self) -> str:
        depth = self.parameters["max_depth"]
        shape = f"{min(self.parameters['num_leaves'], 2**depth)} leaves of depth {depth}"
        return f"log loss {self.log_loss:.5f}, {shape}, {self.lookups:,.0f} look-ups to explain an account"


@dataclass(frozen=True)
class Tuning:
    """All trials, in order, and on what they were judged; `departures` are those of the test rows."""

    trials: tuple[Trial, ...]
    test_dates: tuple[str, ...]
    departures: int

    @cached_property
    def chosen(self) -> Trial:
        """The cheapest to explain of those that are as good as the best, and no worse than trial 0."""
        best = min(self.trials, key=lambda trial: trial.log_loss)
        good = [trial for trial in self.trials if trial.log_loss <= self.trials[0].log_loss]
        near = [trial for trial in good if np.less_equal(*trial.behind(best))]
        return min(near, key=lambda trial: (trial.lookups, trial.number))

    @property
    def parameters(self) -> Mapping[str, Any] | None:
        """What to train with; None where the default stays."""
        return self.chosen.parameters if self.chosen.number else None

    def told(self) -> str:
        """The tuning as a person reads it."""
        default, chosen = self.trials[0], self.chosen
        judged = f"{self.departures:,} departures seen from {self.test_dates[0]} to {self.test_dates[-1]}"
        tuned = f"Tuned by {len(self.trials)} trials on {judged}"
        if not chosen.number:
            others = min((trial.log_loss for trial in self.trials[1:]), default=np.nan)
            return f"{tuned}: the default stays, log loss {default.log_loss:.4f}; the best other has {others:.4f}."
        shape = str(chosen).split(", ")[1]
        return (
            f"{tuned}: log loss {chosen.log_loss:.4f} instead of {default.log_loss:.4f} (default); {shape}, "
            f"{chosen.lookups:,.0f} instead of {default.lookups:,.0f} look-ups to explain an account. It was chosen "
            "for these figures, which therefore flatter it; backtest and gate look at later dates."
        )

    def as_record(self) -> dict[str, Any]:
        """The tuning as plain data."""
        return {
            "chosen": self.chosen.number,
            "test_dates": list(self.test_dates),
            "departures": self.departures,
            "trials": [trial.as_record() for trial in self.trials],
        }


def tune(
    frame: pd.DataFrame,
    features: Sequence[Feature],
    *,
    need_days: int,
    horizon_days: int,
    lead_days: int = 0,
    trials: int,
    file: Path,
    seed: int = 7,
    threads: int = 0,
    told: Callable[[Sequence[Trial]], None] | None = None,
) -> Tuning:
    """Try `trials` sets of parameters, of which the first is the default.

    Parameters
    ----------
    frame, features, need_days, horizon_days, lead_days, seed, threads : as for `training.fit`.
    file : SQLite, made where absent. What was tried on the same rows, features and question is taken from it, so a
        tuning that was stopped goes on, to the same end. Other rows begin anew.
    told : is called before each trial with those done so far, and once after the last.

    Raises `NoTestDate` or `TooFewDepartures` where history is too short to hold anything back from backtest and gate,
    `UnusableStudy` where the file cannot be used.
    """
    opens = min(date_blocks(frame, need_days)[0][0], gate_window(frame, need_days).opens)
    early = in_order(known_on(frame, opens, need_days))
    blocks = date_blocks(early, need_days)
    test = early[early["as_of"].isin([date for dates in blocks for date in dates])]
    done: list[Trial] = []

    def tried(parameters: Mapping[str, Any] | None) -> dict[str, Any]:
        losses, lookups = np.zeros(GROUPS), []
        for dates in blocks:
            model, _ = fit(
                known_on(early, dates[0], need_days),
                features,
                need_days=need_days,
                horizon_days=horizon_days,
                lead_days=lead_days,
                seed=seed,
                parameters=parameters,
                threads=threads,
            )
            rows = early[early["as_of"].isin(dates)]
            loss = squared_and_log_errors(rows["label"].to_numpy(bool), model.risk(rows, threads=threads))[:, 1]
            losses += np.bincount(_groups(rows["root_id"]), weights=loss, minlength=GROUPS)
            lookups.append(model.lookups)
        return {"losses": losses.tolist(), "lookups": float(np.mean(lookups)), "rows": len(test)}

    sized = _sized(early, features, seed)
    default = {name: sized[name] for name in _space()}
    with _study(file, _name(early, features, sized, (need_days, horizon_days, lead_days, seed))) as study:
        while True:
            done = _completed(study)[:trials]
            if told is not None:
                told(done)
            if len(done) >= trials:
                break
            _try_next(study, len(done), seed, default, tried)
    return Tuning(tuple(done), tuple(str(date.date()) for dates in blocks for date in dates), count_departures(test))


def _space() -> "dict[str, BaseDistribution]":
    """Within what is searched. Six splits on a path are explained by tables of 64 numbers; deeper trees cost more."""
    from optuna.distributions import FloatDistribution, IntDistribution

    return {
        "learning_rate": FloatDistribution(0.02, 0.2, log=True),
        "max_depth": IntDistribution(2, 6),
        "num_leaves": IntDistribution(4, 31, log=True),
        "min_data_in_leaf": IntDistribution(10, 1000, log=True),
        "lambda_l2": FloatDistribution(0.1, 100.0, log=True),
        "feature_fraction": FloatDistribution(0.2, 1.0),
        "bagging_fraction": FloatDistribution(0.5, 1.0),
        "cat_l2": FloatDistribution(1.0, 200.0, log=True),
        "max_cat_threshold": IntDistribution(4, 32, log=True),
    }


def _sized(frame: pd.DataFrame, features: Sequence[Feature], seed: int) -> dict[str, Any]:
    """LightGBM's parameters for as many rows as these: the default within the space, and all that no trial changes."""
    size = {"rows": len(frame), "departures": count_departures(frame), "positive_rows": int(frame["label"].sum())}
    return boosting_parameters(features, **size, seed=seed, threads=1)


def _try_next(
    study: "Study",
    number: int,
    seed: int,
    default: Mapping[str, Any],
    tried: Callable[[Mapping[str, Any] | None], dict[str, Any]],
) -> None:
    """One trial more. What it proposes depends on the seed and on the trials completed, not on who completed them."""
    from optuna.samplers import TPESampler
    from optuna.trial import TrialState, create_trial

    if not number:
        found = tried(None)
        value = sum(found["losses"]) / found["rows"]
        study.add_trial(create_trial(params=dict(default), distributions=_space(), value=value, user_attrs=found))
        return
    study.sampler = TPESampler(seed=seed + SAMPLER_STEP * number)
    trial = study.ask(_space())
    try:
        found = tried(trial.params)
    except BaseException:  # also by Ctrl-C: its place is free for another
        study.tell(trial, state=TrialState.FAIL)
        raise
    for key, value in found.items():
        trial.set_user_attr(key, value)
    study.tell(trial, sum(found["losses"]) / found["rows"])


def _completed(study: "Study") -> list[Trial]:
    from optuna.trial import TrialState

    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [
        Trial(
            number,
            trial.params,
            tuple(trial.user_attrs["losses"]),
            trial.user_attrs["rows"],
            trial.user_attrs["lookups"],
        )
        for number, trial in enumerate(complete)
    ]


@contextmanager
def _study(file: Path, name: str) -> "Iterator[Study]":
    """The study of this name in the file, both made where absent."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        storage = optuna.storages.RDBStorage(f"sqlite:///{file}")
        yield optuna.create_study(study_name=name, storage=storage, load_if_exists=True)
    except (OSError, SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        first = str(error).splitlines()[0]
        raise UnusableStudy(
            f"Trials cannot be kept in {file}: {first}\nGive the right to write there, free some space, delete the "
            "file if it is damaged, or name another folder in [data] cache."
        ) from error
    finally:
        if storage is not None:
            storage.remove_session()
            storage.engine.dispose()


def _name(frame: pd.DataFrame, features: Sequence[Feature], sized: Mapping[str, Any], question: tuple[int, ...]) -> str:
    """A digest of all that the losses of a trial depend on."""
    from importlib.metadata import version

    learned = [(feature.name, feature.kind) for feature in features if feature.learned]
    columns = ["account_id", "root_id", "as_of", "label", "churn_on", *(name for name, _ in learned)]
    rows = pd.util.hash_pandas_object(frame[columns], index=False).to_numpy()
    space = {name: repr(distribution) for name, distribution in _space().items()}
    asked = json.dumps([learned, dict(sized), question, GROUPS, space, version("lightgbm"), version("optuna")])
    return hashlib.sha256(rows.tobytes() + asked.encode()).hexdigest()


def _groups(root_id: pd.Series) -> NDArray[np.int64]:
    """(rows,) the group of each row's root account, by a hash of its name alone."""
    found = pd.util.hash_pandas_object(root_id.astype(object), index=False).to_numpy() % np.uint64(GROUPS)
    return found.astype(np.int64)
