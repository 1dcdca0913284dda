"""Boosting: the LightGBM parameters that suit a company's size, and the two ways in which trees are grown."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from features.catalogue import Feature
from models.bag import bagged

if TYPE_CHECKING:
    from lightgbm import Booster

__all__ = ["FEW_DEPARTURES", "SEEDS_WHERE_FEW", "boost", "boost_until_worse", "boosting_parameters"]

Floats = NDArray[np.float64]

MOST_ROUNDS: Final = 400
LEAST_ROUNDS: Final = 10
PATIENCE: Final = 40

FEW_DEPARTURES: Final = 300
"""Below this many departures trees learn more slowly, must follow the directions that the catalogue expects, and are
grown from several seeds."""

SEEDS_WHERE_FEW: Final = 3
SEED_STEP: Final = 101


ROWS_FOR_THREADS: Final = 500_000
"""Below this many rows one thread is used unless another number is asked for. Threads wait for one another by spinning:
82,000 rows of 40 features took one thread 4 s, and two threads 22 s on a machine whose two cores had other work."""


def boosting_parameters(
    features: Sequence[Feature], *, rows: int, departures: int, positive_rows: int, seed: int, threads: int
) -> dict[str, Any]:
    """LightGBM's parameters.

    A departure stands in several overlapping snapshots, so rows say less than their number: leaves must hold rows of
    several departures, and the more so the more copies each has. Depth 5 and 15 leaves keep exact explanations cheap
    and lose nothing that a trial could show, nor does asking three tenths of the features for each tree.

    Where few left, the directions that the catalogue expects are known beyond the company's own rows, and are worth
    more than stronger regularisation or shallower trees, which lost against them (decision 9). Where thousands left,
    the rows know better. `bag` is no parameter of LightGBM but the number of seeds that `boost` takes: where few left
    an order owes much to its seed, and three cost little there (`docs/small.md`).

    Histograms are built column by column (`force_col_wise`): each sum is then formed by one thread in row order, and
    the trees do not depend on the number of threads.
    """
    few = departures < FEW_DEPARTURES
    if threads == 0 and rows < ROWS_FOR_THREADS:
        threads = 1
    copies = max(1.0, positive_rows / max(1, departures))
    directions = [feature.direction if feature.kind == "number" else 0 for feature in features]
    return {
        "bag": SEEDS_WHERE_FEW if few else 1,
        "monotone_constraints": directions if few else None,
        "objective": "binary",
        "metric": "binary_logloss",
        "learning_rate": 0.03 if few else 0.05,
        "max_depth": 5,
        "num_leaves": 15,
        "min_data_in_leaf": int(np.clip(rows / 200, 20, 400) * min(copies, 3.0) ** 0.5),
        "min_sum_hessian_in_leaf": copies,
        "lambda_l2": 5.0,
        "feature_fraction": 0.3,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "cat_smooth": 50.0,
        "cat_l2": 50.0,
        "max_cat_threshold": 16,
        "max_bin": 127,
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": threads,
        "verbosity": -1,
    }


def boost_until_worse(
    parameters: Mapping[str, Any], features: Sequence[Feature], fit: tuple[Floats, Floats], stop: tuple[Floats, Floats]
) -> tuple["Booster", int]:
    """Trees grown on `fit` until the log loss on `stop` has not fallen for 40 rounds, and the best number of rounds."""
    import lightgbm

    train = _dataset(features, fit)
    booster = lightgbm.train(
        _of_lightgbm(parameters, 0),
        train,
        MOST_ROUNDS,
        valid_sets=[_dataset(features, stop, train)],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )
    return booster, int(np.clip(booster.best_iteration, LEAST_ROUNDS, booster.current_iteration() or LEAST_ROUNDS))


def boost(
    parameters: Mapping[str, Any], features: Sequence[Feature], fit: tuple[Floats, Floats], rounds: int
) -> "Booster":
    """Trees grown on `fit` for a known number of rounds, once from each seed of the bag."""
    import lightgbm

    return bagged(
        [
            lightgbm.train(_of_lightgbm(parameters, member), _dataset(features, fit), rounds)
            for member in range(parameters["bag"])
        ]
    )


def _of_lightgbm(parameters: Mapping[str, Any], member: int) -> dict[str, Any]:
    """What LightGBM is told for a member of the bag."""
    given = {name: value for name, value in parameters.items() if name != "bag"}
    return given | {"seed": parameters["seed"] + SEED_STEP * member}


def _dataset(features: Sequence[Feature], rows: tuple[Floats, Floats], reference: Any = None) -> Any:
    import lightgbm

    matrix, label = rows
    return lightgbm.Dataset(
        matrix,
        label=label,
        feature_name=[feature.name for feature in features],
        categorical_feature=[i for i, feature in enumerate(features) if feature.kind == "category"],
        reference=reference,
        free_raw_data=True,
    )
