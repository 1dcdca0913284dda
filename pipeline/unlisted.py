"""Who left without ever having been listed: what the lists missed, by name.

Lists are made when they are read and stored nowhere (decision 19), so those of the past are made again: as they began
on the first night of each week. Whoever stood among the first of a book in any other night was listed, too, and whoever
was dealt with had been seen. Nights that were scored with hindsight listed nobody.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from sqlalchemy import Connection

from pipeline.addresses import recipient
from pipeline.call_list import Book
from pipeline.people.actions import newest_actions
from pipeline.people.forgotten import PSEUDONYM
from pipeline.store.departures import Header, Seen, departed, headers, lives
from pipeline.store.lines import CANDIDATE
from pipeline.store.nights import Night, night
from pipeline.store.schema import UNSCORED

__all__ = ["LOOKED_BACK", "Gone", "Unlisted", "unlisted"]

LOOKED_BACK: Final = 120
"""Days in which an account may have been listed: before that one night a week alone is kept."""

_MOST: Final = 25
_AT_ONCE: Final = 100


@dataclass(frozen=True)
class Gone:
    """An account that left: the first day without it, and the last night that scored it, or else that knew it."""

    account_id: str
    left_on: date
    told_by: date


@dataclass(frozen=True)
class Unlisted:
    """Who has left since a night and was never listed, most MRR first.

    `left` counts all who have left since. With `is_more` only the first are named, and nobody counted the others.
    """

    since: date
    left: int
    found: tuple[Gone, ...]
    is_more: bool


def unlisted(
    published: Connection, people: Connection, of: Night, *, days: int, calls_per_week: int
) -> Unlisted | None:
    """Those who left in so many days up to a night; since the oldest night, where that is younger.

    None where no earlier night is there whose model had not seen how it went on.
    """
    known = headers(published, of.as_of, max(LOOKED_BACK, days + 1))
    fair = [each.as_of for each in known if not each.in_sample and each.as_of < of.as_of]
    if not fair:
        return None
    first = max((day for day in fair if (of.as_of - day).days >= days), default=fair[0])
    then = night(published, first)
    assert then is not None, "it was read in the same transaction"
    gone = [each.account_id for each in departed(published, then, of, hidden=PSEUDONYM)]
    lists = _Lists(published, people, calls_per_week, _first_of_weeks(known))
    found: list[Gone] = []
    for each in _never_listed(lists, gone, known):
        if len(found) == _MOST:
            return Unlisted(first, len(gone), tuple(found), True)
        found.append(each)
    return Unlisted(first, len(gone), tuple(found), False)


def _never_listed(lists: "_Lists", gone: Sequence[str], known: Sequence[Header]) -> Iterator[Gone]:
    nights = [each.as_of for each in known]
    for start in range(0, len(gone), _AT_ONCE):
        ids = gone[start : start + _AT_ONCE]
        dealt_with = newest_actions(lists.people, ids)
        found = lives(lists.published, ids, nights[0], nights[-1])
        for account_id in ids:
            life = found[account_id]
            if all(seen.state in UNSCORED for seen in life):
                continue  # it was under notice before the first of these nights: no list could have named it
            if account_id not in dealt_with and not lists.held(account_id, life):
                scored = [seen.as_of for seen in life if seen.rank is not None]
                yield Gone(account_id, _left_on(life, nights), max(scored, default=life[-1].as_of))


def _left_on(life: Sequence[Seen], nights: Sequence[date]) -> date:
    """The first day without it; where no night told that, the first night without it."""
    last = life[-1]
    return last.last_day or next((night for night in nights if night > last.as_of), last.as_of)


def _first_of_weeks(known: Sequence[Header]) -> frozenset[date]:
    first: dict[tuple[int, int], date] = {}
    for each in known:
        if not each.in_sample:
            first.setdefault(each.as_of.isocalendar()[:2], each.as_of)
    return frozenset(first.values())


@dataclass
class _Lists:
    """The lists of the past; each that is asked for is made once."""

    published: Connection
    people: Connection
    calls_per_week: int
    first_of_weeks: frozenset[date]
    _made: dict[tuple[date, str | None], frozenset[str]] = field(default_factory=dict)

    def held(self, account_id: str, life: Sequence[Seen]) -> bool:
        """Whether an account stood on one."""
        fair = [seen for seen in life if seen.rank is not None and not seen.in_sample]
        if any(self._is_first(seen) and seen.state == CANDIDATE for seen in fair):
            return True
        return any(
            account_id in self._of(seen.as_of, recipient(seen.owner) if seen.owner else None)
            for seen in fair
            if seen.as_of in self.first_of_weeks and (seen.state == CANDIDATE or self._is_first(seen))
        )

    def _is_first(self, seen: Seen) -> bool:
        return seen.rank is not None and seen.rank <= self.calls_per_week

    def _of(self, day: date, person: str | None) -> frozenset[str]:
        if (day, person) not in self._made:
            then = night(self.published, day)
            assert then is not None, "it was read in the same transaction"
            listed = Book.as_it_began(self.published, self.people, then, person).formed(self.calls_per_week).listed
            self._made[day, person] = frozenset(line.account_id for each in listed for line in each.lines)
        return self._made[day, person]
