"""The list of one night for one person: the order of the published book, less who rests by what people wrote down."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from heapq import merge
from itertools import chain, islice
from math import fsum
from typing import Any

from sqlalchemy import Connection

from pipeline.people.actions import Action, newest_actions
from pipeline.people.forgotten import PSEUDONYM
from pipeline.resting import Candidate, Formed, Return, Then, candidate, formed, is_live, newest, returned
from pipeline.store.lines import Line, OwnersOf, entries, leaving, model_key, owned_by, owners, stood
from pipeline.store.nights import Night, catalogue, night

__all__ = ["Book", "place", "total", "who_took_the_place"]

Entry = tuple[Line, ...]


@dataclass(frozen=True)
class Book:
    """One person's book in one night, with what was done by then.

    `person` is an address, or None for what nobody owns; `people` is None while nobody has written anything down.
    `day` is the day that rests are held against, `seen_by` the last night whose actions count, `owners_of` who tells
    under which spellings of the address the person owns accounts.
    """

    published: Connection
    people: Connection | None
    of: Night
    person: str | None
    day: date
    seen_by: date
    owners_of: OwnersOf = owners

    @classmethod
    def as_it_began(
        cls,
        published: Connection,
        people: Connection | None,
        of: Night,
        person: str | None,
        owners_of: OwnersOf = owners,
    ) -> "Book":
        """The book on the morning of that night, before anything was done about it."""
        return cls(published, people, of, person, of.as_of, of.as_of - timedelta(days=1), owners_of)

    def formed(self, capacity: int, *, at_least: int = 0) -> Formed:
        """The list, and who is not on it; entries are looked through until it is full, and at least so many."""
        at_once = max(at_least, 2 * capacity)
        books = [entries(self.published, self.of, owner, ranks_at_once=at_once) for owner in self._owned]
        in_order = iter(books[0] if len(books) == 1 else merge(*books, key=place))
        found: list[Candidate] = []
        while chunk := list(islice(in_order, at_once)):
            found += self._candidates(chunk)
            if sum(not each.is_resting for each in found) >= capacity:
                break
        return formed(found, capacity)

    def gave_notice(self) -> Iterator[Return]:
        """Whoever is under notice and gave it before a rest was over."""
        everyone = chain.from_iterable(leaving(self.published, self.of, owner) for owner in self._owned)
        lines = [line for line in everyone if not line.account_id.startswith(PSEUDONYM)]
        actions = self._actions(lines)
        live = [line for line in lines if is_live(actions.get(line.account_id), self.day)]
        then = self._then((actions[line.account_id], (line,)) for line in live)
        for line in live:
            if (back := returned(line, actions[line.account_id], then, self.day)) is not None:
                yield back

    @cached_property
    def _owned(self) -> list[str | None]:
        return owned_by(self.published, self.of, self.person, self.owners_of)

    def _candidates(self, chunk: Sequence[Entry]) -> Iterator[Candidate]:
        actions = self._actions(list(chain.from_iterable(chunk)))
        done = [(newest(entry, actions), entry) for entry in chunk]
        then = self._then((action, entry) for action, entry in done if action and is_live(action, self.day))
        return (candidate(entry, action, then, self.day) for action, entry in done)

    def _actions(self, lines: Sequence[Line]) -> dict[str, Action]:
        if self.people is None or not lines:
            return {}
        return newest_actions(self.people, [line.account_id for line in lines], seen_by=self.seen_by)

    def _then(self, done: Iterator[tuple[Action, Entry]]) -> Then:
        """How the accounts stood on the nights of those actions."""
        asked = {(action.as_of, line.account_id) for action, entry in done for line in entry}
        if not asked:
            return Then({}, {})
        return Then(stood(self.published, asked), catalogue(self.published, self.of)["bands"], self._compared_model)

    @cached_property
    def _compared_model(self) -> str | None:
        """The model of the night with which this one was compared."""
        since = self.of.headline.get("compared_with")  # absent from nights that an older churn published
        former = night(self.published, date.fromisoformat(since)) if since else None
        return model_key(former) if former is not None else None


def total(amounts: Iterator[float | None]) -> float | None:
    """The sum of what is known; None where nothing is."""
    known = [amount for amount in amounts if amount is not None]
    return fsum(known) if known else None


def who_took_the_place(of: Entry, listed: Sequence[Entry], capacity: int) -> Entry | None:
    """Who stands on a full list because this one rests; None where the list is not full, or ends before its place."""
    last = listed[-1] if listed and len(listed) >= capacity else None
    return last if last is not None and place(of) < place(last) else None


def place(entry: Entry) -> tuple[Any, ...]:
    """Where an entry stands among those of other books, as each book is ordered by itself."""
    value = total(line.value_at_risk for line in entry)
    risk = max(line.risk or 0.0 for line in entry)
    return value is None, -(value or 0.0), -risk, min(line.account_id for line in entry)
