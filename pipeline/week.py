"""The week of a customer success manager at this moment: the list, who rests, who is back early, who is off and why.

Made when it is read (decision 19): the published night gives the order, the people store what was done, and no click
writes to the night. When an account is called its place on the list goes to the next.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import chain
from math import exp
from typing import Final

from sqlalchemy import Connection

from pipeline.addresses import recipient
from pipeline.call_list import Book, total
from pipeline.people.actions import Action
from pipeline.resting import Candidate, Formed, Return
from pipeline.store.lines import LEAVING, Line, OwnersOf, lines_of, owners
from pipeline.store.movements import night_before
from pipeline.store.nights import AccountNight, Night, among, catalogue

__all__ = [
    "Before",
    "Listed",
    "Off",
    "Week",
    "WhyOff",
    "last_working_day",
    "listed",
    "week_of",
]

_WEEK: Final = 7
_LOOKED_THROUGH: Final = 200
"""Entries that are looked through at least, so that whoever rests is named though the list would not reach them."""


class WhyOff(StrEnum):
    """Why an entry that was on the list a week ago is not any more. `moved`: it is another manager's now."""

    NOTICE = "notice"
    LEFT = "left"
    MOVED = "moved"
    RESTS = "rests"
    OTHERS_FIRST = "others_first"
    PAYMENT = "payment"
    NEW = "new"
    MODEL = "model"
    RECOVERED = "recovered"


@dataclass(frozen=True)
class Listed:
    """One entry of the list: the account to speak of with its reasons, all its accounts, what was done about it last.

    `mrr` and `value_at_risk` are sums over its accounts, None where none is known. `early` says why it is back before
    its rest was over; `is_new`, that it was not on the list of the last working day.
    """

    account: AccountNight
    lines: tuple[Line, ...]
    mrr: float | None
    value_at_risk: float | None
    last_action: Action | None
    early: Return | None
    is_new: bool


@dataclass(frozen=True)
class Before:
    """Which accounts stood on a list as an earlier `day` began; no day where there was no such night."""

    day: date | None
    account_ids: frozenset[str]

    def is_new(self, entry: Candidate) -> bool:
        """Whether none of its accounts stood there; never, where nobody knows."""
        return self.day is not None and not any(line.account_id in self.account_ids for line in entry.lines)


@dataclass(frozen=True)
class Off:
    """An entry that was on the list a week ago: its account `then`, and `now` where it is there.

    `action` is that by which it rests.
    """

    why: WhyOff
    then: Line
    now: Line | None
    action: Action | None = None


@dataclass(frozen=True)
class Week:
    """The week of one person.

    Attributes
    ----------
    listed
        The list, in the order of the book; at most as long as the person can call in a week.
    resting
        Entries that would take a call but rest, in that order; their action says since when, until when and by whom.
        Of a book with more than 200 entries to call, those before the end of the list and among the first 200.
    returned
        Whoever is back before the rest was over, on the list or not, and who gave notice meanwhile.
    off
        Who was on the list of the night of `off_since`, a week ago, and is not any more.
    more
        How many more would take a call, among the entries that were looked through.
    new_since, off_since
        The nights with which the list is compared; None where there was none.
    """

    listed: tuple[Listed, ...]
    resting: tuple[Candidate, ...]
    returned: tuple[Return, ...]
    off: tuple[Off, ...]
    more: int
    new_since: date | None
    off_since: date | None


def week_of(
    published: Connection,
    people: Connection | None,
    of: Night,
    person: str | None,
    *,
    calls_per_week: int,
    today: date,
    owners_of: OwnersOf = owners,
) -> Week:
    """The week of a person by their address, or of what nobody owns (None), with what was done up to that night.

    Parameters
    ----------
    people
        Their store; None before anybody has written anything down, and then nobody rests.
    calls_per_week
        The longest that the list may get: `[book] calls_per_week`.
    today
        The day that rests are held against: one that ends on it is over.
    owners_of
        Where the owners of a night are known from.
    """
    book = Book(published, people, of, person, today, of.as_of, owners_of)
    now = book.formed(calls_per_week, at_least=_LOOKED_THROUGH)
    before = last_working_day(published, people, of, [person], calls_per_week=calls_per_week, owners_of=owners_of)
    off_since, was = night_before(published, of.as_of, _WEEK), Formed((), (), ())
    if off_since is not None:
        was = Book.as_it_began(published, people, off_since, person, owners_of).formed(calls_per_week)
    early = tuple(each.early for each in chain(now.listed, now.beyond) if each.early is not None)
    return Week(
        listed=listed(published, of, now.listed, before),
        resting=now.resting,
        returned=(*early, *book.gave_notice()),
        off=tuple(_off(published, of, was.listed, now, person)),
        more=len(now.beyond),
        new_since=before.day,
        off_since=off_since.as_of if off_since else None,
    )


def last_working_day(
    published: Connection,
    people: Connection | None,
    of: Night,
    persons: Iterable[str | None],
    *,
    calls_per_week: int,
    owners_of: OwnersOf = owners,
) -> Before:
    """What stood on the lists of these people on the last working day before that night: on a Monday, on Friday."""
    earlier = night_before(published, of.as_of, _days_to_last_workday(of.as_of))
    if earlier is None:
        return Before(None, frozenset())
    books = (Book.as_it_began(published, people, earlier, person, owners_of) for person in persons)
    began = chain.from_iterable(book.formed(calls_per_week).listed for book in books)
    return Before(earlier.as_of, frozenset(line.account_id for each in began for line in each.lines))


def listed(published: Connection, of: Night, found: Sequence[Candidate], before: Before) -> tuple[Listed, ...]:
    """These entries with their reasons; without those that were forgotten since they were found."""
    pages = {page.account_id: page for page in among(published, of, [each.worst.account_id for each in found])}
    return tuple(
        Listed(
            account=pages[each.worst.account_id],
            lines=each.lines,
            mrr=total(line.mrr for line in each.lines),
            value_at_risk=total(line.value_at_risk for line in each.lines),
            last_action=each.action,
            early=each.early,
            is_new=before.is_new(each),
        )
        for each in found
        if each.worst.account_id in pages
    )


def _days_to_last_workday(day: date) -> int:
    """On Mondays three: what came over the weekend is new since Friday."""
    return {0: 3, 6: 2}.get(day.weekday(), 1)


def _off(published: Connection, of: Night, was: Sequence[Candidate], now: Formed, person: str | None) -> Iterator[Off]:
    there = {line.account_id for each in now.listed for line in each.lines}
    resting = {line.account_id: each.action for each in now.resting for line in each.lines}
    gone = [each for each in was if not any(line.account_id in there for line in each.lines if line.is_candidate)]
    tonight = lines_of(published, of, [each.worst.account_id for each in gone])
    medium = catalogue(published, of)["bands"]["medium"] if gone else 0.0
    for each in gone:
        line = tonight.get(each.worst.account_id)
        why = _why_off(line, person, medium, is_resting=each.worst.account_id in resting)
        yield Off(why, each.worst, line, resting.get(each.worst.account_id) if why is WhyOff.RESTS else None)


def _why_off(line: Line | None, person: str | None, medium: float, *, is_resting: bool) -> WhyOff:
    if line is None or line.state == "lapsed":
        return WhyOff.LEFT
    if line.state == LEAVING:
        return WhyOff.NOTICE
    if (line.owner and recipient(line.owner)) != (person and recipient(person)):
        return WhyOff.MOVED
    if line.is_candidate:
        return WhyOff.RESTS if is_resting else WhyOff.OTHERS_FIRST
    if line.state in {"payment", "new"}:
        return WhyOff(line.state)
    former = (line.log_odds or 0.0) - (line.change_model or 0.0)  # what the model of a week ago would have given
    return WhyOff.MODEL if 1.0 / (1.0 + exp(-former)) >= medium else WhyOff.RECOVERED
