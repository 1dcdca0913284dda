"""When rows and their versions reach the warehouse: with the load of the night after, a few of them days late."""

from typing import Final

import numpy as np

from pipeline.demo.dates import DAY, FIRST, LAST, NEVER, Flags, Floats, Ints

LOAD_AT: Final = 90 * 60
"""The load runs at 01:30 and brings what happened the day before."""
LOAD_LASTS: Final = 20 * 60

BULK_LOAD: Final = (FIRST - 1) * DAY + 23 * 3600
"""The evening before the history begins: all that is older was recorded then, in one load."""


def recorded(day: Ints, rng: np.random.Generator, late_share: float = 0.0, late_days: int = 6) -> Ints:
    """Seconds at which what happened on `day` is recorded; a share of it 2 to `late_days` days late."""
    late = (rng.random(len(day)) < late_share) * rng.integers(1, late_days, len(day))
    at = (day + 1 + late) * DAY + LOAD_AT + rng.integers(0, LOAD_LASTS, len(day))
    return np.where(day < FIRST, BULK_LOAD, at)


def loads(happened_on: list[Ints]) -> tuple[Ints, Ints]:
    """The versions of each row: one for every day on which something happened to it.

    Each entry of `happened_on` holds, for every row, the day of one kind of happening, `NEVER` where there was none.
    All that happened before the history began makes one version. Returns each version's row and day, sorted.
    """
    rows = np.arange(len(happened_on[0]))
    pairs = []
    for day in happened_on:
        there = day < LAST
        pairs.append(rows[there] * 2 * NEVER + np.maximum(day[there], FIRST - 1))
    keys = np.unique(np.concatenate(pairs))
    return keys // (2 * NEVER), keys % (2 * NEVER)


def office_hours(day: Ints, rng: np.random.Generator) -> Ints:
    """An instant of each day, in seconds, most of them between 7 and 19 o'clock."""
    hour: Floats = np.clip(rng.normal(12.6, 3.0, len(day)), 0.2, 23.8)
    return day * DAY + (hour * 3600).astype(np.int64)


def running(starts: Ints, ends: Ints, owner: Ints, owners: int, first: int, last: int) -> Flags:
    """Whether an owner has a span `[start, end)` running, for each owner and day of `[first, last)`."""
    change = np.zeros((owners, last - first + 1), dtype=np.int8)
    begin = np.clip(starts, first, last) - first
    stop = np.clip(ends, first, last) - first
    np.add.at(change, (owner, begin), 1)
    np.add.at(change, (owner, stop), -1)
    covered: Flags = np.cumsum(change[:, :-1], axis=1) > 0
    return covered
