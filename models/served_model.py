"""The model for other tools: `mlflow.pyfunc.load_model("models:/churn-risk@champion").predict(accounts)`.

A copy of this file lies with every model that is logged, so it stands alone: it needs LightGBM, NumPy and pandas, and
reads the two files of text that `ChurnModel.save` wrote. It gives the risk; reasons come from `churn explain`.
"""

import json
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["ServedModel"]


class ServedModel:
    """The calibrated risk of accounts, read from a folder with `model.lgb` and `model.json`."""

    def __init__(self, folder: Path) -> None:
        about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        self.features = [str(feature["name"]) for feature in about["features"]]
        self.codes = {
            name: {word: float(code) for code, word in enumerate(words)} for name, words in about["categories"].items()
        }
        self.calibration = about["calibration"]
        self.booster = lightgbm.Booster(model_str=(folder / "model.lgb").read_text(encoding="utf-8"))

    def predict(self, accounts: pd.DataFrame, params: dict[str, Any] | None = None) -> NDArray[np.float64]:
        """(rows,) probability of leaving within the model's horizon; a column for each feature, missing where unknown.

        A word that training never saw counts as missing. `params` is what MLflow passes along; there are none.
        """
        matrix = np.empty((len(accounts), len(self.features)))
        for position, name in enumerate(self.features):
            column = accounts[name].map(self.codes[name]) if name in self.codes else accounts[name]
            matrix[:, position] = column.to_numpy(np.float64, na_value=np.nan)
        margin = np.asarray(self.booster.predict(matrix, raw_score=True, num_threads=1))
        log_odds = self.calibration["a"] * margin + self.calibration["b"]
        small = np.exp(-np.abs(log_odds))
        risk: NDArray[np.float64] = np.where(log_odds >= 0, 1.0 / (1.0 + small), small / (1.0 + small))
        return risk


def _load_pyfunc(path: str) -> ServedModel:
    """What MLflow calls with the folder of the model's files."""
    return ServedModel(Path(path))
