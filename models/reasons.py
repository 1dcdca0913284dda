"""Reasons: what raised and what lowered an account's risk, largest first, adding up to the shown log-odds.

What is stored is feature, value and contribution; sentences are made from the catalogue when they are shown. At most
twelve reasons are kept, closed by one that holds the rest, so that base + Σ reasons is the account's log-odds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self, TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import Feature, mentions
from models.churn_model import FAMILIES, ChurnModel, Explanation

__all__ = ["MOST_REASONS", "Reason", "Reasons"]

Floats = NDArray[np.float64]
Value = float | str | None

MOST_REASONS: Final = 12
REST: Final = "rest"
OTHER: Final = "other"


class Reason(TypedDict):
    """One reason. `contribution` is in log-odds; `contradicts` marks one that must stay unworded (see
    `contradicting`)."""

    family: str
    feature: str
    value: Value
    contribution: float
    contradicts: bool


@dataclass(frozen=True)
class Reasons:
    """The reasons of n accounts, in the order of the rows that were explained."""

    features: tuple[Feature, ...]
    explanation: Explanation
    values: Mapping[str, NDArray[Any]]  # by feature, the values as they are said: number, word or None
    contradicts: NDArray[np.bool_]  # (n, features)

    @classmethod
    def of(cls, model: ChurnModel, frame: pd.DataFrame, explanation: Explanation) -> Self:
        """The reasons behind an explanation that `model` gave of `frame`."""
        return cls(
            features=model.features,
            explanation=explanation,
            values={feature.name: _spoken(frame[feature.name], feature) for feature in model.catalogue},
            contradicts=contradicting(model, model.matrix(frame), explanation.contributions),
        )

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """(n, at most 12) the features of each account, largest contribution first; ties in the model's order."""
        size = -np.abs(self.explanation.contributions)
        return np.argsort(size, axis=1, kind="stable")[:, :MOST_REASONS]

    def listed(self) -> list[list[Reason]]:
        """For each account its reasons, closed by {family: other, feature: rest}. Contributions of zero say nothing."""
        kept = np.take_along_axis(self.explanation.contributions, self._order, axis=1)
        rest = (self.explanation.contributions.sum(axis=1) - kept.sum(axis=1)).tolist()
        against = np.take_along_axis(self.contradicts, self._order, axis=1).tolist()
        names = [feature.name for feature in self.features]
        families = [feature.family.value for feature in self.features]
        columns = [self.values[name] for name in names]
        accounts: list[list[Reason]] = []
        for row, (order, contributions) in enumerate(zip(self._order.tolist(), kept.tolist(), strict=True)):
            reasons: list[Reason] = [
                {
                    "family": families[at],
                    "feature": names[at],
                    "value": columns[at][row],
                    "contribution": contribution,
                    "contradicts": contradicts,
                }
                for at, contribution, contradicts in zip(order, contributions, against[row], strict=True)
                if contribution != 0.0
            ]
            reasons.append(
                {"family": OTHER, "feature": REST, "value": None, "contribution": rest[row], "contradicts": False}
            )
            accounts.append(reasons)
        return accounts

    def families(self) -> list[dict[str, float]]:
        """For each account the contribution of every family, in log-odds; base + Σ families is its log-odds."""
        return [dict(zip(FAMILIES, row, strict=True)) for row in self.explanation.families.tolist()]

    def facts(self) -> list[dict[str, Value]]:
        """For each account the values of the features that the sentences of its reasons may speak of."""
        spoken = [self._mentioned(feature) for feature in self.features]
        contributions = self.explanation.contributions
        accounts: list[dict[str, Value]] = []
        for row, order in enumerate(self._order.tolist()):
            names = sorted({name for at in order if contributions[row, at] != 0.0 for name in spoken[at]})
            accounts.append({name: self.values[name][row] for name in names})
        return accounts

    def _mentioned(self, feature: Feature) -> frozenset[str]:
        names = {feature.name}.union(*(mentions(wording) for wording in feature.words.values()))
        return frozenset(names & self.values.keys())

    @property
    def contradicting_share(self) -> float:
        """Share of all contribution, in size, that contradicts the expected direction; 0 of nothing."""
        size = np.abs(self.explanation.contributions)
        whole = float(size.sum())
        return float(size[self.contradicts].sum()) / whole if whole > 0 else 0.0


def contradicting(model: ChurnModel, matrix: Floats, contributions: Floats) -> NDArray[np.bool_]:
    """(rows, features) where a contribution's sign contradicts what the catalogue expects of the feature.

    A feature of direction +1 raises the risk where there is more of it than usual (the training median) and lowers it
    where there is less. A contribution that does the reverse may well be right, given the other features, but a
    sentence would have to say that many open tickets speak for staying. Nothing contradicts at the median itself, where
    the value is missing, where the catalogue expects no direction, or in a category.
    """
    medians = np.array([model.medians.get(feature.name, np.nan) for feature in model.features])
    directions = np.array([feature.direction if feature.kind == "number" else 0 for feature in model.features])
    with np.errstate(invalid="ignore"):
        expected = np.sign(matrix - medians) * directions
    against: NDArray[np.bool_] = np.nan_to_num(expected) * np.sign(contributions) < 0
    return against


def _spoken(column: pd.Series, feature: Feature) -> NDArray[Any]:
    """The values as plain Python: float, str, or None where missing."""
    if feature.kind == "number":
        numbers = column.to_numpy(np.float64, na_value=np.nan)
        plain = numbers.astype(object)
        plain[np.isnan(numbers)] = None
        return plain
    words = column.to_numpy(object).copy()
    words[column.isna().to_numpy()] = None
    return words
