"""Tuning: the same choice at any thread count and after any stop, on dates that neither backtest nor gate looks at."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from known_risk import FEATURES, KnownRisk, known_risk

from features.catalogue import Feature
from models.backtest import date_blocks
from models.errors import NoTestDate, UnusableStudy
from models.training import fit
from models.tuning import Trial, Tuning, tune
from models.twin import gate_window

TRIALS = 4


@pytest.fixture(scope="module")
def known() -> KnownRisk:
    return known_risk(250, 14)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tuning") / "cache" / "tuning.db"


@pytest.fixture(scope="module")
def tuned(known: KnownRisk, file: Path) -> Tuning:
    return _tuned(known.frame, file)


def _tuned(frame: pd.DataFrame, file: Path, features: Sequence[Feature] = FEATURES, **options: Any) -> Tuning:
    options = {"trials": TRIALS, "threads": 1, **options}
    return tune(frame, features, need_days=28, horizon_days=28, file=file, **options)


def test_trial_0_is_what_a_training_chooses(known: KnownRisk, tuned: Tuning) -> None:
    early = known.frame[known.frame["as_of"] < pd.Timestamp(tuned.test_dates[0])]
    _, report = fit(early, FEATURES, need_days=28, horizon_days=28, threads=1)
    default = tuned.trials[0].parameters
    assert {"max_depth", "num_leaves", "learning_rate", "lambda_l2"} <= set(default)
    assert default["max_depth"] == report.parameters["max_depth"]
    assert TRIALS == len({str(trial.parameters) for trial in tuned.trials})


def test_neither_backtest_nor_gate_looks_where_it_looked(known: KnownRisk, tuned: Tuning) -> None:
    first = min(date_blocks(known.frame, 28, 3, None)[0][0], gate_window(known.frame, 28).opens)
    assert pd.Timestamp(tuned.test_dates[-1]) + pd.Timedelta(days=28) <= first


def test_what_lies_later_changes_nothing(known: KnownRisk, tuned: Tuning, tmp_path: Path) -> None:
    first = min(date_blocks(known.frame, 28, 3, None)[0][0], gate_window(known.frame, 28).opens)
    later = known.frame["as_of"] >= first
    changed = known.frame.assign(use_change=known.frame["use_change"].where(~later, 0.0))
    assert _tuned(changed, tmp_path / "tuning.db") == tuned


def test_row_order_and_a_stop_on_the_way_change_nothing(known: KnownRisk, tuned: Tuning, tmp_path: Path) -> None:
    class Stopped(BaseException):
        pass

    def stop(done: Sequence[Trial]) -> None:
        if len(done) == 2:
            raise Stopped

    file = tmp_path / "tuning.db"
    with pytest.raises(Stopped):
        _tuned(known.frame, file, told=stop)
    seen: list[int] = []
    again = _tuned(known.frame.sample(frac=1.0, random_state=3), file, told=lambda done: seen.append(len(done)))
    assert again == tuned
    assert [2, 3, 4] == seen


@pytest.mark.slow
def test_threads_change_nothing(known: KnownRisk, tuned: Tuning, tmp_path: Path) -> None:
    assert _tuned(known.frame, tmp_path / "tuning.db", trials=2, threads=2).trials == tuned.trials[:2]


def test_a_stop_within_a_trial_loses_that_trial_alone(
    known: KnownRisk, tuned: Tuning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = 0

    def interrupted(*arguments: Any, **options: Any) -> Any:
        nonlocal fits
        fits += 1
        if fits == 5:  # in trial 1: each has a fit for every block
            raise KeyboardInterrupt
        return fit(*arguments, **options)

    file = tmp_path / "tuning.db"
    with monkeypatch.context() as patched:
        patched.setattr("models.tuning.fit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            _tuned(known.frame, file)
    seen: list[int] = []
    assert _tuned(known.frame, file, told=lambda done: seen.append(len(done))) == tuned
    assert 1 == seen[0]


def test_fewer_trials_are_the_first_of_more_and_cost_nothing_again(known: KnownRisk, tuned: Tuning, file: Path) -> None:
    seen: list[int] = []
    fewer = _tuned(known.frame, file, trials=2, told=lambda done: seen.append(len(done)))
    assert fewer.trials == tuned.trials[:2]
    assert [2] == seen


@pytest.mark.slow
@pytest.mark.usefixtures("tuned")
def test_other_rows_and_another_seed_begin_anew(known: KnownRisk, file: Path) -> None:
    for frame, seed in ((known.frame.assign(noise=0.0), 7), (known.frame, 8)):
        seen: list[int] = []
        _tuned(frame, file, trials=2, seed=seed, told=lambda done, seen=seen: seen.append(len(done)))  # type: ignore[misc]
        assert [0, 1, 2] == seen


@pytest.mark.usefixtures("tuned")
def test_other_directions_begin_anew(known: KnownRisk, file: Path) -> None:
    """They are no part of what is searched, and the losses depend on them."""
    turned = [replace(feature, direction=-feature.direction) for feature in FEATURES]
    assert turned != list(FEATURES)
    seen: list[int] = []
    _tuned(known.frame, file, features=turned, trials=1, told=lambda done: seen.append(len(done)))
    assert [0, 1] == seen


def test_a_history_too_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoTestDate):
        _tuned(known_risk(250, 4).frame, tmp_path / "tuning.db")
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_named(known: KnownRisk, tmp_path: Path) -> None:
    file = tmp_path / "tuning.db"
    file.write_bytes(b"no database at all, though long enough to be taken for one" * 100)
    with pytest.raises(UnusableStudy, match=r"Trials cannot be kept in .*tuning\.db: .*\n.*delete the file"):
        _tuned(known.frame, file)


def _trial(number: int, losses: Sequence[float], lookups: float) -> Trial:
    return Trial(number, {"max_depth": 3, "num_leaves": 31}, tuple(losses), 100, lookups)


def test_the_cheapest_of_those_as_good_as_the_best_is_chosen() -> None:
    """Two groups of ten differ by chance, the sum of them hardly; a trial that loses everywhere is worse."""
    best = np.tile([1.0, 1.2], 10)
    swapped = np.tile([1.2, 1.01], 10)
    default = _trial(0, best + 0.2, 500)
    trials = (default, _trial(1, best, 400), _trial(2, swapped, 300), _trial(3, best + 0.1, 100))
    tuning = Tuning(trials, ("2026-01-05",), 40)
    assert 2 == tuning.chosen.number
    assert "log loss 0.2210 instead of 0.2600 (default)" in tuning.told()
    assert "8 leaves of depth 3, 300 instead of 500 look-ups to explain an account" in tuning.told()
    assert tuning.parameters == trials[2].parameters


def test_nothing_worse_than_the_default_is_chosen_however_cheap() -> None:
    best = np.tile([1.0, 1.2], 10)
    trials = (_trial(0, best, 500), _trial(1, np.tile([1.2, 1.01], 10), 100))
    tuning = Tuning(trials, ("2026-01-05",), 40)
    assert 0 == tuning.chosen.number
    assert tuning.parameters is None
    assert "the default stays" in tuning.told()
    better = replace(trials[1], losses=tuple(best - 0.1), lookups=1000.0)
    assert 1 == replace(tuning, trials=(trials[0], better)).chosen.number, "what is better may cost more"


def test_lookups_are_what_explaining_costs() -> None:
    """One look for each feature on the path of each leaf of each tree: counted in LightGBM's own dump."""
    frame = known_risk(250, 6).frame
    model, _ = fit(frame, FEATURES, need_days=28, horizon_days=28, threads=1)

    def features(node: dict[str, Any], above: frozenset[int]) -> int:
        if "split_feature" not in node:
            return len(above)
        here = above | {node["split_feature"]}
        return features(node["left_child"], here) + features(node["right_child"], here)

    trees = model.booster.dump_model()["tree_info"]
    assert model.lookups == sum(features(tree["tree_structure"], frozenset()) for tree in trees) > 0
