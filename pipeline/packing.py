"""Packing: the reasons of a whole night as the store keeps them (`pipeline/store/details.py`), with no loop over them.

Numbers become columns of records, and an account's bytes a slice of each.
"""

from itertools import accumulate
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.reasons import DECIMALS, Reasons
from pipeline.store.details import CONTRADICTS, HEAD, MILLIONTHS, WORD

__all__ = ["doubles", "packed", "sums"]

Floats = NDArray[np.float64]

_HEAD: Final = np.dtype([("reasons", "u1"), ("numbers", "<u2"), ("words", "u1"), ("rest", "<f8")])
_REASON: Final = np.dtype([("feature", "<u2"), ("contribution", "<i4")])
_NUMBER: Final = np.dtype([("feature", "<u2"), ("value", "<f4")])
_LONGEST_WORD: Final = 1_000

assert MILLIONTHS == 10**DECIMALS, "what is told is what is stored"


def packed(reasons: Reasons) -> list[bytes]:
    """The details of each account, in the order of its rows."""
    names = sorted(reasons.values)
    places = {name: place for place, name in enumerate(names)}
    told = reasons.told != 0.0
    rows = len(told)

    listed = np.empty(int(told.sum()), dtype=_REASON)
    feature = np.array([places[each.name] for each in reasons.features], dtype=np.uint16)[reasons.order]
    against = np.take_along_axis(reasons.contradicts, reasons.order, axis=1)
    listed["feature"] = np.where(against, feature | CONTRADICTS, feature)[told]
    listed["contribution"] = np.rint(reasons.told[told] * MILLIONTHS)

    is_word = np.array([column.dtype == object for column in reasons.values.values()])
    spoken = reasons.spoken
    there = np.zeros_like(spoken)
    values = np.zeros(spoken.shape, dtype=np.float32)
    for place, column in enumerate(reasons.values.values()):
        if not is_word[place]:
            values[:, place] = column
            there[:, place] = spoken[:, place] & ~np.isnan(column)
    numbers = np.empty(int(there.sum()), dtype=_NUMBER)
    numbers["feature"] = np.broadcast_to([places[name] for name in reasons.values], there.shape)[there]
    numbers["value"] = values[there]

    words, worded = _words(reasons, places, is_word)
    head = np.empty(rows, dtype=_HEAD)
    head["reasons"], head["numbers"], head["words"], head["rest"] = told.sum(1), there.sum(1), worded, reasons.rest
    return [
        b"".join(parts)
        for parts in zip(
            _cut(head, np.ones(rows, int)), _cut(listed, told.sum(1)), _cut(numbers, there.sum(1)), words, strict=True
        )
    ]


def _words(reasons: Reasons, places: dict[str, int], is_word: NDArray[np.bool_]) -> tuple[list[bytes], NDArray[Any]]:
    """The words among each account's facts, packed, and how many they are."""
    rows = len(reasons.order)
    found, counts = [b""] * rows, np.zeros(rows, dtype=np.uint8)
    for place, (name, column) in enumerate(reasons.values.items()):
        if not is_word[place]:
            continue
        known: dict[str, bytes] = {}
        for row in np.flatnonzero(reasons.spoken[:, place] & (column != None)):  # noqa: E711
            word = column[row]
            if word not in known:
                text = word.encode()[:_LONGEST_WORD].decode(errors="ignore").encode()
                known[word] = WORD.pack(places[name], len(text)) + text
            found[row] += known[word]
            counts[row] += 1
    return found, counts


def _cut(records: NDArray[Any], counts: NDArray[Any]) -> list[bytes]:
    """The bytes of so many records for each account."""
    whole, size = records.tobytes(), records.dtype.itemsize
    ends = (np.cumsum(counts) * size).tolist()
    return [whole[first:last] for first, last in zip([0, *ends], ends, strict=False)]


def doubles(values: Floats) -> list[bytes]:
    """Each row of (n, k) as k doubles."""
    return _cut(np.ascontiguousarray(values, dtype="<f8").reshape(-1), np.full(len(values), values.shape[1]))


def sums(details: list[bytes]) -> Floats:
    """What the reasons of each account add up to, its rest among them, in log-odds."""
    whole = np.frombuffer(b"".join(details), dtype=np.uint8)
    starts = np.array([0, *accumulate(map(len, details))][:-1], dtype=np.int64)
    found = whole[starts[:, np.newaxis] + np.arange(HEAD.size)].copy().view(_HEAD)[:, 0]
    total: Floats = found["rest"].copy()
    for place in range(int(found["reasons"].max(initial=0))):
        has = np.flatnonzero(found["reasons"] > place)
        at = starts[has, np.newaxis] + HEAD.size + place * _REASON.itemsize + np.arange(_REASON.itemsize)
        total[has] += whole[at].copy().view(_REASON)[:, 0]["contribution"] / MILLIONTHS
    return total
