"""The model in use: what it reads, what it predicts, and why.

A saved model describes itself in text: `model.lgb` holds the trees, `model.json` everything else (the features with
their wording, the category vocabularies, the calibration, the bands and what is to be said about the training). There
is no pickle: reading a model runs no code of the file.

The booster's text is not reproducible as a whole (it records the number of threads), its trees are. So the digest
covers the tree section and the JSON.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import Family, Feature
from models.bands import Bands
from models.calibration import Calibration, probability
from models.contributions import PathTables
from models.errors import ColumnsDiffer, CorruptModel
from models.involuntary import InvoluntaryModel
from models.sentiment_model import SentimentModel

if TYPE_CHECKING:
    from lightgbm import Booster

__all__ = ["FAMILIES", "ChurnModel", "Explanation", "encode"]

Floats = NDArray[np.float64]

FAMILIES: Final[tuple[str, ...]] = tuple(family.value for family in Family)
"""The order of the columns of `Explanation.families`."""

END_OF_TREES: Final = "end of trees"
FORMAT: Final = 4


@dataclass(frozen=True)
class Explanation:
    """Why n accounts have their risk, in log-odds. The shown log-odds *are* the base and the families, added up."""

    base_log_odds: float
    contributions: Floats  # (n, features), in the model's order
    families: Floats  # (n, families), in the order of FAMILIES

    @cached_property
    def log_odds(self) -> Floats:
        """(n,) base + Σ families."""
        return np.asarray(self.base_log_odds + self.families.sum(axis=1), dtype=np.float64)

    @cached_property
    def risk(self) -> Floats:
        """(n,) probability of leaving within the horizon."""
        return probability(self.log_odds)


def encode(frame: pd.DataFrame, features: tuple[Feature, ...], categories: Mapping[str, tuple[str, ...]]) -> Floats:
    """The features as float64 (rows, features): numbers as they are, categories as their place in the vocabulary.

    A missing value and a word that training never saw are both NaN. Raises `ColumnsDiffer` when a feature is absent.
    """
    names = [feature.name for feature in features]
    if not set(names) <= set(frame.columns):
        keys = {"account_id", "root_id", "as_of", "label", "churn_on", "end_reason", "later_churn_on", "mrr"}
        raise ColumnsDiffer(names, [str(column) for column in frame.columns if column not in keys or column in names])
    matrix: Floats = np.empty((len(frame), len(names)), dtype=np.float64)
    for position, feature in enumerate(features):
        column = frame[feature.name]
        if feature.kind == "category":
            codes = {word: float(code) for code, word in enumerate(categories[feature.name])}
            matrix[:, position] = column.map(codes).to_numpy(np.float64, na_value=np.nan)
        else:
            matrix[:, position] = column.to_numpy(np.float64, na_value=np.nan)
    return matrix


@dataclass(frozen=True)
class ChurnModel:
    """A calibrated booster with all that is needed to use it, to explain it and to say what it is.

    `facts` teach it nothing; they are what the sentences of its features speak of. `medians` are the training medians
    of the number features: what counts as more or less of a feature. `about` is what the training had to say (dates,
    horizon, rounds, seed, …), in values that JSON can hold. `tone` judges the words of tickets, where ratings taught a
    scorer that is better than ours. `involuntary` says of those that leave whether they were cut off, where reasons
    taught it. `factors` tie the risk within other horizons, by their days, to its own (`models/horizons.py`).
    """

    booster_text: str
    features: tuple[Feature, ...]
    categories: Mapping[str, tuple[str, ...]]
    calibration: Calibration
    medians: Mapping[str, float]
    bands: Bands
    facts: tuple[Feature, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    tone: SentimentModel | None = None
    involuntary: InvoluntaryModel | None = None
    factors: Mapping[int, "ChurnModel"] = field(default_factory=dict)

    @property
    def catalogue(self) -> tuple[Feature, ...]:
        """All that a night must compute for it: its features, then its facts."""
        return (*self.features, *self.facts)

    @cached_property
    def booster(self) -> "Booster":
        """The trees, ready to predict. Raises `CorruptModel` when LightGBM cannot read them."""
        import lightgbm

        try:
            booster = lightgbm.Booster(model_str=self.booster_text)
        except (lightgbm.basic.LightGBMError, ValueError, TypeError) as error:
            raise CorruptModel(
                f"LightGBM cannot read the trees of this model: {error}. Train again: churn train."
            ) from error
        if booster.num_feature() != len(self.features):
            raise CorruptModel(
                f"The trees read {booster.num_feature()} columns, model.json names {len(self.features)} features: "
                "the files belong to two models. Restore both from one version, or train again: churn train."
            )
        return booster

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the trees and the rest; equal for equal training, whatever the number of threads."""
        return _sha256(self.tree_digest + _canonical(self._record()))

    @cached_property
    def tree_digest(self) -> str:
        """SHA-256 over the tree section of the booster's text."""
        trees, mark, _ = self.booster_text.partition(END_OF_TREES)
        if not mark:
            raise CorruptModel(
                "The booster's text ends within its trees. Restore the file, or train again: churn train."
            )
        return _sha256(trees)

    @property
    def version(self) -> str:
        """A short name for a model that no registry has numbered."""
        return self.digest[:12]

    def matrix(self, frame: pd.DataFrame) -> Floats:
        """The frame as the booster reads it, float64 (rows, features); see `encode`."""
        return encode(frame, self.features, self.categories)

    def log_odds(self, frame: pd.DataFrame, *, threads: int = 0) -> Floats:
        """(rows,) the booster's own calibrated margin: quick, and within 1e-4 of `explain(frame).log_odds`."""
        margin = self.booster.predict(self.matrix(frame), raw_score=True, num_threads=threads)
        return self.calibration.log_odds(np.asarray(margin, dtype=np.float64))

    def risk(self, frame: pd.DataFrame, *, threads: int = 0) -> Floats:
        """(rows,) probability of leaving within the horizon."""
        return probability(self.log_odds(frame, threads=threads))

    def horizons(self, frame: pd.DataFrame, *, risk: Floats | None = None, threads: int = 0) -> dict[int, Floats]:
        """By days, ascending: (rows,) probability of leaving so soon, never less within more days.

        `risk` is that within the model's own horizon, where the caller has it already; it is given back unchanged.
        """
        own = int(self.about["horizon_days"])
        risk = self.risk(frame, threads=threads) if risk is None else risk
        found, shorter, longer = {own: risk}, risk, risk
        for days in sorted((days for days in self.factors if days < own), reverse=True):
            shorter = found[days] = shorter * self.factors[days].risk(frame, threads=threads)
        for days in sorted(days for days in self.factors if days > own):
            longer = found[days] = longer + (1.0 - longer) * self.factors[days].risk(frame, threads=threads)
        return dict(sorted(found.items()))

    def explain(self, frame: pd.DataFrame, *, threads: int = 0) -> Explanation:
        """Exact contributions (TreeSHAP) of every row, which add up to its log-odds.

        Calibration is linear, so a · contribution is the contribution to the calibrated log-odds and the base is
        a · bias + b. Memory is one float64 per row and feature: pass a large company in parts.
        """
        contributions = self.calibration.a * self._tables.contributions(self.matrix(frame), threads)
        # Row by row, in one order: a product of matrices rounds an account otherwise beside fewer or more of them.
        of_family = [np.ascontiguousarray(contributions[:, columns]).sum(axis=1) for columns in self._family_columns]
        families: Floats = np.column_stack(of_family)
        base = self.calibration.a * self._tables.bias + self.calibration.b
        return Explanation(base, contributions, families)

    @property
    def lookups(self) -> int:
        """What explaining an account costs beyond reading it, in looks into a table; see `PathTables.lookups`."""
        return self._tables.lookups

    @cached_property
    def _tables(self) -> PathTables:
        return PathTables.of(self.booster)

    @cached_property
    def _family_columns(self) -> list[list[int]]:
        """Which features belong to each family."""
        families = [feature.family.value for feature in self.features]
        return [[place for place, each in enumerate(families) if each == family] for family in FAMILIES]

    def _record(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "features": [feature.as_record() for feature in self.features],
            "facts": [fact.as_record() for fact in self.facts],
            "categories": {name: list(words) for name, words in self.categories.items()},
            "calibration": self.calibration.as_record(),
            "medians": dict(self.medians),
            "bands": self.bands.as_record(),
            "about": dict(self.about),
            "tone": None if self.tone is None else self.tone.version,
            "involuntary": None if self.involuntary is None else self.involuntary.as_record(),
            "factors": {str(days): factor.digest for days, factor in self.factors.items()},
        }

    def save(self, folder: Path, name: str = "model") -> None:
        """Write `model.lgb` and `model.json` into the folder, which is made if absent.

        Beside them the learned tone, if any, and each factor in the same two files under a name of its own.
        """
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.lgb").write_text(self.booster_text, encoding="utf-8", newline="\n")
        record = {"tree_digest": self.tree_digest, "digest": self.digest, **self._record()}
        text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        (folder / f"{name}.json").write_text(text, encoding="utf-8", newline="\n")
        if self.tone is not None:
            self.tone.save(folder)
        for days, factor in self.factors.items():
            factor.save(folder, _factor(days))

    @classmethod
    def load(cls, folder: Path, name: str = "model") -> Self:
        """The model that `save` wrote. Raises `CorruptModel` when a file is absent, damaged or was edited."""
        described = folder / f"{name}.json"
        try:
            record = json.loads(described.read_text(encoding="utf-8"))
            text = (folder / f"{name}.lgb").read_text(encoding="utf-8")
            if record["format"] != FORMAT:
                raise CorruptModel(
                    f"{described} has format {record['format']!r}, this version reads {FORMAT}. "
                    "Train again: churn train."
                )
            model = cls(
                booster_text=text,
                features=tuple(Feature.from_record(feature) for feature in record["features"]),
                facts=tuple(Feature.from_record(fact) for fact in record["facts"]),
                categories={name: tuple(words) for name, words in record["categories"].items()},
                calibration=Calibration(**record["calibration"]),
                medians=record["medians"],
                bands=Bands(**record["bands"]),
                about=record["about"],
                tone=SentimentModel.load(folder) if record["tone"] is not None else None,
                involuntary=None
                if record["involuntary"] is None
                else InvoluntaryModel.from_record(record["involuntary"]),
                factors={int(days): cls.load(folder, _factor(int(days))) for days in record["factors"]},
            )
            stored = record["tree_digest"], record["digest"]
        except OSError as error:
            raise CorruptModel(f"No model can be read from {folder}: {error.strerror} ({error.filename}).") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorruptModel(
                f"{described} does not describe a model: {type(error).__name__}: {error}. "
                "Restore the file, or train again: churn train."
            ) from error
        for file, seen, expected in (
            (f"{name}.lgb", model.tree_digest, stored[0]),
            (f"{name}.json", model.digest, stored[1]),
        ):
            if seen != expected:
                raise CorruptModel(
                    f"{folder / file} was changed after it was saved: digest {seen[:12]}, expected {expected[:12]}. "
                    "Restore the file, or train again: churn train."
                )
        model.booster  # noqa: B018  # read now: a damaged file is refused at the door, not halfway through a night
        return model


def _factor(days: int) -> str:
    """What the files of a factor are called."""
    return f"within_{days}_days"


def _canonical(record: Mapping[str, Any]) -> str:
    return json.dumps(record, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
