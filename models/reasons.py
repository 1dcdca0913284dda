"""Reasons: what raised and what lowered an account's risk, largest first, adding up to the shown log-odds.

What is stored is feature, value and contribution; sentences are made from the catalogue when they are shown. At most
twelve reasons are kept, closed by one that holds the rest, so that base + Σ reasons is the account's log-odds.
Everything is an array over all accounts, for a night has millions of reasons; lists are made for those that are shown.
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
DECIMALS: Final = 6
"""Contributions are told in millionths of log-odds; what that takes from them is in the rest."""

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
    values: Mapping[str, NDArray[Any]]  # by feature: numbers with NaN, or words with None
    contradicts: NDArray[np.bool_]  # (n, features)

    @classmethod
    def of(cls, model: ChurnModel, frame: pd.DataFrame, explanation: Explanation) -> Self:
        """The reasons behind an explanation that `model` gave of `frame`."""
        return cls(
            features=model.features,
            explanation=explanation,
            values={feature.name: _values(frame[feature.name], feature) for feature in model.catalogue},
            contradicts=contradicting(model, model.matrix(frame), explanation.contributions),
        )

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """(n, at most 12) the features of each account, largest contribution first; ties in the model's order."""
        size = -np.abs(self.explanation.contributions)
        return np.argsort(size, axis=1, kind="stable")[:, :MOST_REASONS]

    @cached_property
    def told(self) -> Floats:
        """(n, at most 12) the contributions in that order, as they are told; one of zero says nothing."""
        return np.round(np.take_along_axis(self.explanation.contributions, self.order, axis=1), DECIMALS)

    @cached_property
    def rest(self) -> Floats:
        """(n,) what is left, so that base + Σ told + rest is the log-odds."""
        left: Floats = self.explanation.families.sum(axis=1) - self.told.sum(axis=1)
        return left

    @cached_property
    def spoken(self) -> NDArray[np.bool_]:
        """(n, features of `values`) which values the sentences of an account's reasons may speak of."""
        names = list(self.values)
        by_feature = np.array([[name in self._mentioned(each) for name in names] for each in self.features])
        found = np.zeros((len(self.order), len(names)), dtype=bool)
        for place in range(self.order.shape[1]):
            found |= by_feature[self.order[:, place]] & (self.told[:, place] != 0.0)[:, np.newaxis]
        return found

    def listed(self) -> list[list[Reason]]:
        """For each account its reasons, closed by {family: other, feature: rest}."""
        against = np.take_along_axis(self.contradicts, self.order, axis=1)
        accounts: list[list[Reason]] = []
        for row, (order, told) in enumerate(zip(self.order.tolist(), self.told.tolist(), strict=True)):
            reasons: list[Reason] = [
                {
                    "family": self.features[at].family.value,
                    "feature": self.features[at].name,
                    "value": self._value(self.features[at].name, row),
                    "contribution": contribution,
                    "contradicts": bool(against[row, place]),
                }
                for place, (at, contribution) in enumerate(zip(order, told, strict=True))
                if contribution != 0.0
            ]
            rest = float(self.rest[row])
            accounts.append(
                [
                    *reasons,
                    {"family": OTHER, "feature": REST, "value": None, "contribution": rest, "contradicts": False},
                ]
            )
        return accounts

    def facts(self) -> list[dict[str, Value]]:
        """For each account the values that the sentences of its reasons may speak of; what is missing has none."""
        names = list(self.values)
        found = [
            {names[at]: self._value(names[at], row) for at in np.flatnonzero(of)} for row, of in enumerate(self.spoken)
        ]
        return [{name: value for name, value in facts.items() if value is not None} for facts in found]

    def largest_families(self) -> list[str | None]:
        """For each account the family that raises its risk most; None where none does.

        Of equals it is the first in the alphabet.
        """
        names = np.array(FAMILIES, dtype=object)
        alphabet = np.argsort(names)
        families = self.explanation.families[:, alphabet]
        found = names[alphabet][families.argmax(axis=1)]
        found[~(families.max(axis=1) > 0)] = None
        return list(found)

    def _value(self, name: str, row: int) -> Value:
        value = self.values[name][row]
        if value is None or isinstance(value, str):
            return value
        return None if np.isnan(value) else float(value)

    def _mentioned(self, feature: Feature) -> frozenset[str]:
        names = {feature.name}.union(*(mentions(wording) for wording in feature.words.values()))
        return frozenset(names & self.values.keys())

    @cached_property
    def size(self) -> float:
        """All contribution, in size."""
        return float(np.abs(self.explanation.contributions).sum())

    @cached_property
    def contradicting_size(self) -> float:
        """That which contradicts the expected direction."""
        return float(np.abs(self.explanation.contributions[self.contradicts]).sum())


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


def _values(column: pd.Series, feature: Feature) -> NDArray[Any]:
    """Numbers with NaN, or words with None, where missing."""
    if feature.kind == "number":
        return column.to_numpy(np.float64, na_value=np.nan)
    words = column.to_numpy(object).copy()
    words[column.isna().to_numpy()] = None
    return words
