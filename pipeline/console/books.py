"""What is known of the books of a night, remembered: a published night does not change, and many readers ask the same.

To go through a million accounts takes a second. So what needs that is asked for once, and kept under the id of the run
that published the night. The week's lists change with what people do: they are formed anew as soon as somebody has done
something, and at the latest after a minute, by when also whoever was forgotten is gone from them.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from heapq import nsmallest
from time import monotonic
from typing import Any, Final

from sqlalchemy import Connection

from pipeline.addresses import recipient
from pipeline.call_list import Book, place
from pipeline.console.memory import Memory
from pipeline.people.actions import written_since
from pipeline.people.deeds import FURTHEST_DAYS
from pipeline.people.forgotten import PSEUDONYM
from pipeline.resting import Candidate, Formed
from pipeline.store.lines import Line, apart, customers, owned_by, owners
from pipeline.store.nights import Night
from pipeline.week import Before, Week, last_working_day, week_of

__all__ = ["Apart", "Books", "Lists"]

_PERSONS: Final = 256
_SECONDS: Final = 60
_SHOWN: Final = 25
"""Of each kind of accounts that stand apart: what one person reads."""


@dataclass(frozen=True)
class Lists:
    """The lists of all books at one moment, by person; None is what nobody owns. `before` tells who is new on them."""

    formed: Mapping[str | None, Formed]
    before: Before

    def most_at_stake(self) -> list[Candidate]:
        """The entries of all lists, the most at stake first."""
        return sorted((each for found in self.formed.values() for each in found.listed), key=lambda e: place(e.lines))

    def resting(self) -> list[Candidate]:
        """Who rests before the end of a list, whoever is back first before the others."""

        def back(each: Candidate) -> date:
            return (each.action and each.action.rests_until) or date.max

        every = (each for found in self.formed.values() for each in found.resting)
        return sorted(every, key=lambda each: (back(each), place(each.lines)))

    def calls_by_person(self) -> dict[str, int]:
        """How many calls each person has, the most first."""
        calls = Counter({who: len(found.listed) for who, found in self.formed.items() if who and found.listed})
        return dict(sorted(calls.items(), key=lambda each: (-each[1], each[0])))


@dataclass(frozen=True)
class Apart:
    """Accounts of one state that take no call: how many, and the first of them by MRR."""

    count: int
    lines: tuple[Line, ...]


def _most_mrr(lines: Iterable[Line]) -> Mapping[str, Apart]:
    """The accounts by their state."""
    by_state: dict[str, list[Line]] = {}
    for line in lines:
        if not line.account_id.startswith(PSEUDONYM):
            by_state.setdefault(line.state, []).append(line)
    return {state: Apart(len(every), tuple(nsmallest(_SHOWN, every, _by_mrr))) for state, every in by_state.items()}


def _by_mrr(line: Line) -> tuple[float, str]:
    return -(line.mrr or 0.0), line.account_id


@dataclass(frozen=True)
class Books:
    """The books of the nights that were asked for lately."""

    _owners: Memory[tuple[str, ...]] = field(default_factory=Memory)
    _customers: Memory[Mapping[str | None, int]] = field(default_factory=Memory)
    _apart: Memory[Mapping[str, Apart]] = field(default_factory=lambda: Memory(_PERSONS))
    _before: Memory[Before] = field(default_factory=Memory)
    _lists: Memory[Lists] = field(default_factory=Memory)
    _weeks: Memory[Week] = field(default_factory=lambda: Memory(_PERSONS))

    def owners(self, connection: Connection, of: Night) -> tuple[str, ...]:
        """All who own accounts in that night, as the tables write them."""
        return self._owners.get(of.run_id, lambda: tuple(owners(connection, of)))

    def customers(self, connection: Connection, of: Night) -> Mapping[str | None, int]:
        """How many customers each owner has, None for those whom nobody owns."""
        return self._customers.get(of.run_id, lambda: customers(connection, of))

    def apart(self, connection: Connection, of: Night, person: str | None = None) -> Mapping[str, Apart]:
        """Who takes no call, by state: of a person, or of all books (None)."""

        def find() -> Mapping[str, Apart]:
            owned = None if person is None else owned_by(connection, of, person, self.owners)
            return _most_mrr(apart(connection, of, owned))

        return self._apart.get((of.run_id, person), find)

    def week(
        self,
        published: Connection,
        people: Connection,
        of: Night,
        person: str | None,
        *,
        calls_per_week: int,
        today: date,
    ) -> Week:
        """The week of a person, or of what nobody owns (None)."""
        rules: dict[str, Any] = {"calls_per_week": calls_per_week, "today": today, "owners_of": self.owners}
        key = (of.run_id, person, calls_per_week, today, _moment(people, today, person))
        return self._weeks.get(key, lambda: week_of(published, people, of, person, **rules))

    def lists(self, published: Connection, people: Connection, of: Night, *, calls_per_week: int, today: date) -> Lists:
        """The lists of all books."""
        persons = [*dict.fromkeys(map(recipient, self.owners(published, of))), None]
        rules: dict[str, Any] = {"calls_per_week": calls_per_week, "owners_of": self.owners}

        def before() -> Before:
            return last_working_day(published, people, of, persons, **rules)

        def find() -> Lists:
            books = {each: Book(published, people, of, each, today, of.as_of, self.owners) for each in persons}
            formed = {each: book.formed(calls_per_week) for each, book in books.items()}
            return Lists(formed, self._before.get((of.run_id, calls_per_week), before))

        return self._lists.get((of.run_id, calls_per_week, today, _moment(people, today)), find)


def _moment(people: Connection, today: date, person: str | None = None) -> Hashable:
    """Another one as soon as something was done that may still give a rest, and after a minute: not for all at once."""
    longest_rest = datetime.combine(today, time.min, UTC) - timedelta(days=FURTHEST_DAYS + 1)
    return written_since(people, longest_rest), int(monotonic() + hash(person) % _SECONDS) // _SECONDS
