"""Peers: the middle values of a night's customers, of all and of each segment, to hold one account against.

They are computed where the features are and shown with the evidence of an account. Below `LEAST_PEERS` customers with
a value there is none, so it tells of nobody in particular.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import pandas as pd

from features.catalogue import Feature
from features.market import LEAST_PEERS

__all__ = ["peers"]

_SEGMENT: Final = "accounts.segment"
_MOST_ROWS: Final = 50_000
"""Of more, every so-many-th: a middle value is known well from these, and a night need not wait for more."""

_MOST_SEGMENTS: Final = 30
_DIGITS: Final = 7


def peers(seen: Iterable[pd.DataFrame], customers: int, features: Sequence[Feature]) -> list[dict[str, Any]]:
    """The middle values of the features that are numbers, of all customers and of each of the largest segments.

    `seen` are the frames of what the night saw (`Inputs.frames`), of so many `customers` in all. A record has `segment`
    (None: of all), `accounts` (how many customers) and `middle` (by feature).
    """
    step, before = -(-customers // _MOST_ROWS) or 1, 0
    counted, values, segments = Counter[str](), [], []
    for frame in seen:
        active = frame[frame["state"] == "active"]
        some = active.iloc[-before % step :: step]
        before += len(active)
        told = active[_SEGMENT] if _SEGMENT in active else pd.Series(None, index=active.index, dtype=object)
        counted.update(told.dropna())
        segments.append(told.loc[some.index])
        values.append(some[[feature.name for feature in features if feature.kind == "number" and feature.name in some]])
    whole = pd.concat(values)
    large = {segment: count for segment, count in counted.items() if count >= LEAST_PEERS}
    return [_record(None, customers, whole), *_of_segments(whole, pd.concat(segments), large)]


def _of_segments(values: pd.DataFrame, segments: pd.Series, counted: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    for segment in sorted(counted, key=lambda name: (-counted[name], name))[:_MOST_SEGMENTS]:
        yield _record(segment, counted[segment], values[segments == segment])


def _record(segment: str | None, accounts: int, values: pd.DataFrame) -> dict[str, Any]:
    known = values.loc[:, values.count() >= LEAST_PEERS]
    middle = {name: float(f"{value:.{_DIGITS}g}") for name, value in known.median().items()}
    return {"segment": segment, "accounts": accounts, "middle": middle}
