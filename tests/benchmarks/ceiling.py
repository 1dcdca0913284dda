"""What the tables show of the true risk: trees that are taught the true risks themselves, on the same features.

No label is that clear, so no model that learns from outcomes comes as far; what these trees miss, the features do not
show. Revealing one hidden condition after another tells what that is.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import Feature
from models.churn_model import encode
from models.metrics import area_under_curve, average_precision
from models.splits import FOLDS, fold_numbers

__all__ = ["CAUSES", "revealed", "shown"]

Floats = NDArray[np.float64]

PARAMETERS: Final = {
    "objective": "cross_entropy",
    "learning_rate": 0.1,
    "num_leaves": 15,
    "min_data_in_leaf": 50,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "seed": 7,
    "verbosity": -1,
}
ROUNDS: Final = 120

CAUSES: Final[Mapping[str, tuple[str, ...]]] = {
    "means to leave": ("intent",),
    "gives up using it": ("declining", "slack"),
    "trouble with support": ("troubled", "anger"),
    "lost its main user": ("orphaned",),
    "how well the product fits": ("fit",),
    "a payment is failing": ("fail_day",),
    "price shock, growth": ("shock", "growth"),
    "poor start": ("poor_start",),
    "a bad time for its trade": ("slump",),
}
"""Hidden conditions, by what a person calls them."""


def shown(test: pd.DataFrame, features: Sequence[Feature], risk: Floats, threads: int, *others: Floats) -> Floats:
    """(rows,) the true risk as told by the features and the model's `risk`, by trees taught on other root accounts."""
    import lightgbm

    learned = tuple(feature for feature in features if feature.learned)
    words = {f.name: tuple(sorted(map(str, test[f.name].dropna().unique()))) for f in learned if f.kind == "category"}
    margin = np.log(risk / (1.0 - risk))
    matrix = np.column_stack([encode(test, learned, words), margin, *others])
    fold = fold_numbers(test, 7)
    parameters = {**PARAMETERS, "num_threads": threads}
    told = np.empty(len(test))
    for k in range(FOLDS):
        rest = fold != k
        taught = lightgbm.train(parameters, lightgbm.Dataset(matrix[rest], test["truth"][rest]), ROUNDS)
        told[~rest] = taught.predict(matrix[~rest], num_threads=threads)
    return told


def revealed(
    folder: Path, test: pd.DataFrame, features: Sequence[Feature], risk: Floats, threads: int
) -> dict[str, list[float]]:
    """AUC and average precision of the same trees when one hidden condition is told them besides."""
    hidden = pd.read_parquet(folder / "hidden" / "risk.parquet")
    hidden["as_of"] = pd.to_datetime(hidden["as_of"]).astype(test["as_of"].dtype)
    beside = test[["account_id", "as_of"]].merge(hidden, on=["account_id", "as_of"], how="left", validate="1:1")
    label = test["label"].to_numpy(bool)
    found = {}
    for name, columns in {"nothing": (), **CAUSES}.items():
        told = shown(test, features, risk, threads, *(beside[column].to_numpy(np.float64) for column in columns))
        found[name] = [area_under_curve(label, told), average_precision(label, told)]
    return found
