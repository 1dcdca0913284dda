"""Which accounts the latest questions were answered with.

A published night does not change, and a table is turned page by page, left and come back to. So what was asked of a
night is remembered, under the id of the run that published it: a question that has to go through a million rows waits
for them once.
"""

import threading
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection

from pipeline.store.nights import Night
from pipeline.store.selection import Conditions, Order, select_ids

__all__ = ["Selection", "Selections"]

MOST: Final = 1_000
"""Accounts of a large night that can be turned through."""

LARGE: Final = 20_000
"""A night of more accounts is large."""

_IDS_KEPT: Final = 500_000
"""Of all answers together: some 40 MB."""

_BESIDE: Final = 20
"""What an answer weighs beside its ids, as so many of them: many questions may find nobody."""

_Asked = tuple[str, Conditions, Order]


@dataclass(frozen=True)
class Selection:
    """The ids of the accounts, in order. `is_more`: these are the first of more, which nobody counted."""

    ids: tuple[str, ...]
    is_more: bool


@dataclass(frozen=True)
class Selections:
    """The answers that were given lately; those not asked for again go first."""

    _found: dict[_Asked, Selection] = field(default_factory=dict)
    _at_work: dict[_Asked, threading.Lock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, connection: Connection, night: Night, conditions: Conditions, order: Order) -> Selection:
        """The accounts of a night that meet the conditions, in that order: of a large one the first thousand."""
        asked = (night.run_id, conditions, order)
        if (found := self._remembered(asked)) is not None:
            return found
        with self._lock:
            mine = self._at_work.setdefault(asked, threading.Lock())
        with mine:  # who asks the same meanwhile waits, rather than reading the night too
            found = self._remembered(asked)
            if found is None:
                found = _answer(connection, night, conditions, order)
                self._remember(asked, found)
        return found

    def _remembered(self, asked: _Asked) -> Selection | None:
        with self._lock:
            found = self._found.pop(asked, None)
            if found is not None:
                self._found[asked] = found
            return found

    def _remember(self, asked: _Asked, found: Selection) -> None:
        with self._lock:
            self._found[asked] = found
            self._at_work.pop(asked, None)
            kept = sum(len(each.ids) + _BESIDE for each in self._found.values())
            while kept > _IDS_KEPT and len(self._found) > 1:
                kept -= len(self._found.pop(next(iter(self._found))).ids) + _BESIDE


def _answer(connection: Connection, night: Night, conditions: Conditions, order: Order) -> Selection:
    if night.accounts <= LARGE:
        return Selection(tuple(select_ids(connection, night, conditions, order)), False)
    ids = select_ids(connection, night, conditions, order, MOST + 1)
    return Selection(tuple(ids[:MOST]), len(ids) > MOST)
