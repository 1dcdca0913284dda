"""The customer success managers and their books. All of them are invented."""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from pipeline.demo.dates import NEVER, Floats, Ints, day_number
from pipeline.demo.hazard import LARGE, MIDDLE, SMALL

STAFF: Final = (
    "ines@example.com",
    "tom@example.com",
    "mei@example.com",
    "priya@example.com",
    "jonas@example.com",
    "aoife@example.com",
    "sam@example.com",
    "lin@example.com",
    "grace@example.com",
    "omar@example.com",
    "hanna@example.com",
    "dario@example.com",
    "ruth@example.com",
)
"""Twelve with a book on the last night; the thirteenth handed hers over to the twelfth."""
NOBODY: Final = -1

_BOOKS: Final = {
    LARGE: (0, 1),
    MIDDLE: (2, 3, 4, 5),
    SMALL: (6, 7, 8, 9, 10, 11),
}
_SHARES: Final[dict[int, tuple[float, ...]]] = {
    LARGE: (0.48, 0.52),
    MIDDLE: (0.19, 0.23, 0.27, 0.31),
    SMALL: (0.1, 0.13, 0.16, 0.18, 0.19, 0.24),
}
_SUCCESSOR, _PREDECESSOR = 11, 12
HANDOVER: Final = day_number(date(2025, 9, 15))
_SIZE: Final = np.array([LARGE, LARGE, MIDDLE, MIDDLE, MIDDLE, MIDDLE] + 7 * [SMALL])


@dataclass(frozen=True)
class Owners:
    """An index into `STAFF` for each account, before and from the day on which it changed (`NEVER`: it did not)."""

    before: Ints
    after: Ints
    changed_on: Ints

    def on(self, account: Ints, day: Ints) -> Ints:
        """Who owned each account on each day; `NOBODY` for an account without an owner."""
        return np.where(day < self.changed_on[account], self.before[account], self.after[account])


def assign(tier: Ints, parent: Ints, created: Ints, rng: np.random.Generator) -> Owners:
    """Books by size of account, a chain with its parent; one book is handed over whole, some accounts move."""
    owner = np.zeros(len(tier), dtype=np.int64)
    for size, staff in _BOOKS.items():
        rows = np.flatnonzero(tier == size)
        edges: Floats = np.cumsum(_SHARES[size])[:-1]
        spread = rng.permutation(len(rows)) / max(len(rows), 1)
        owner[rows] = np.array(staff)[np.searchsorted(edges, spread, side="right")]
    owner = np.where(parent >= 0, owner[parent], owner)
    before, after = owner.copy(), owner.copy()
    changed = np.full(len(tier), NEVER)

    moves = (rng.random(len(tier)) < 0.05) & (parent < 0) & (tier != LARGE)
    colleague = owner[rng.permutation(len(tier))]
    day = rng.integers(day_number(date(2024, 12, 1)), day_number(date(2026, 10, 25)), len(tier))
    moves &= _SIZE[colleague] == _SIZE[owner]
    before[moves], changed[moves] = colleague[moves], day[moves]

    handed = (owner == _SUCCESSOR) & ~moves
    before[handed], changed[handed] = _PREDECESSOR, HANDOVER
    alone = rng.random(len(tier)) < 0.004
    before[alone], after[alone], changed[alone] = NOBODY, NOBODY, NEVER
    settled = changed <= created
    before[settled], changed[settled] = after[settled], NEVER
    return Owners(before, after, changed)
