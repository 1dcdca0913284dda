"""Drift: whether the accounts of a night still look like those that a model was made for.

The measure is the population stability index of each feature over the tenths of its reference (Siddiqi, *Credit Risk
Scorecards*, 2006): Σ (now − then) · ln(now / then). It is above 0 by chance alone, and the more so the fewer accounts
there are; so it counts only where it lies above what draws without any drift reach, and above 0.1, below which nobody
would act.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import Family, Feature

__all__ = ["RISK", "Drift", "drifts", "reference_of"]

Floats = NDArray[np.float64]
Record = Mapping[str, Any]

RISK: Final = "risk"
TENTHS: Final = 10
MOST_WORDS: Final = 30
LEAST_INDEX: Final = 0.1
DRAWS: Final = 20_000
CHANCE: Final = 0.05
"""Chance that any feature at all is called drifted though none is; it is shared out evenly between them."""
OTHER: Final = "other"


@dataclass(frozen=True)
class Drift:
    """How one feature, or the risk, is distributed now beside then.

    `by_chance` is what the index reaches without any drift, in all but few draws. `new` are words of now that were
    not there then, with their share of the accounts.
    """

    name: str
    index: float
    by_chance: float
    missing_then: float
    missing_now: float
    new: tuple[tuple[str, float], ...] = ()

    @property
    def has_drifted(self) -> bool:
        """Whether it is more than chance, and more than nobody would act on."""
        return self.index > max(self.by_chance, LEAST_INDEX)

    def as_record(self) -> dict[str, Any]:
        """The drift as plain data."""
        return {**asdict(self), "new": [list(each) for each in self.new], "drifted": self.has_drifted}


def reference_of(frame: pd.DataFrame, features: Sequence[Feature], risk: Floats) -> dict[str, Any]:
    """What `drifts` compares with later, in values that JSON can hold: tenths and counts, no account.

    `frame` has one row an account with a column for each feature, `risk` (rows,) what the model says of them. Features
    of the market are left out: all accounts of a segment share one value, so that it moves for all of them at once, and
    draws of single accounts do not tell how far by chance.
    """
    own = [feature for feature in features if feature.family is not Family.MARKET]
    columns = {feature.name: (frame[feature.name], feature.kind) for feature in own}
    columns[RISK] = (pd.Series(risk), "number")
    return {name: _counted(column, kind) for name, (column, kind) in columns.items()}


def drifts(reference: Record, frame: pd.DataFrame, risk: Floats, *, draws: int = DRAWS, seed: int = 7) -> list[Drift]:
    """Each column of the reference beside the same one now, those that moved most first.

    A column that is gone now counts as missing everywhere.
    """
    now = frame.assign(**{RISK: risk})
    rng = np.random.default_rng(seed)
    quantile = 1.0 - CHANCE / max(1, len(reference))
    found = [
        _drift(name, then, now[name] if name in now else pd.Series([None] * len(now)), draws, quantile, rng)
        for name, then in reference.items()
    ]
    return sorted(found, key=lambda each: (not each.has_drifted, -each.index, each.name))


def _counted(column: pd.Series, kind: str) -> dict[str, Any]:
    if kind == "category":
        words = [str(word) for word in column.value_counts().index[:MOST_WORDS]]
        return {"words": words, "counts": _by_word(column, words).tolist()}
    values = column.to_numpy(np.float64, na_value=np.nan)
    seen = values[np.isfinite(values)]
    inner = np.arange(1, TENTHS) / TENTHS
    edges = np.unique(np.quantile(seen, inner)) if seen.size else np.array([])
    return {"edges": edges.tolist(), "counts": _by_edge(values, edges).tolist()}


def _by_edge(values: Floats, edges: Floats) -> NDArray[np.int64]:
    """Counts in each bin (up to and with its edge), the missing ones last."""
    missing = ~np.isfinite(values)
    counts = np.bincount(np.searchsorted(edges, values[~missing], side="left"), minlength=len(edges) + 1)
    return np.append(counts, missing.sum()).astype(np.int64)


def _by_word(column: pd.Series, words: Sequence[str]) -> NDArray[np.int64]:
    """Counts of each word, then of all others, then of the missing."""
    plain = column.dropna().astype(str)
    known = plain.value_counts().reindex(list(words), fill_value=0).to_numpy(np.int64)
    return np.append(known, [len(plain) - known.sum(), len(column) - len(plain)])


def _drift(name: str, then: Record, column: pd.Series, draws: int, quantile: float, rng: np.random.Generator) -> Drift:
    before = np.array(then["counts"], dtype=np.float64)
    new: tuple[tuple[str, float], ...] = ()
    if "words" in then:
        now = _by_word(column, then["words"])
        shares = column.dropna().astype(str).value_counts() / max(1, len(column))
        if len(then["words"]) < MOST_WORDS:
            new = tuple((str(word), float(share)) for word, share in shares.items() if word not in then["words"])
    else:
        now = _by_edge(column.to_numpy(np.float64, na_value=np.nan), np.array(then["edges"]))
    rows_then, rows_now = int(before.sum()), int(now.sum())
    pooled = (before + now) / max(1, rows_then + rows_now)
    drawn = _index(rng.multinomial(rows_then, pooled, draws), rng.multinomial(rows_now, pooled, draws))
    return Drift(
        name=name,
        index=float(_index(before[None, :], now[None, :])[0]),
        by_chance=float(np.quantile(drawn, quantile)),
        missing_then=float(before[-1] / max(1, rows_then)),
        missing_now=float(now[-1] / max(1, rows_now)),
        new=new,
    )


def _index(then: NDArray[Any], now: NDArray[Any]) -> Floats:
    """(draws,) the index of counts (draws, bins); half an account is added to each bin, for none may be empty."""
    shares = [(counts + 0.5) / (counts + 0.5).sum(axis=1, keepdims=True) for counts in (then, now)]
    found: Floats = ((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum(axis=1)
    return found
