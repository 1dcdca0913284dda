"""Drafts: the letters that a published night gives rise to, by manager and channel."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import Connection, Engine

from pipeline.addresses import recipient
from pipeline.digest import outbox
from pipeline.digest.letter import Letter, Paper, write_letter
from pipeline.digest.news import WEEK, BookNews, Change, Comparison, book_news
from pipeline.digest.outbox import Envelope
from pipeline.errors import FailedError, StoreMissing
from pipeline.people.forgotten import PSEUDONYM
from pipeline.settings import Settings
from pipeline.store.connection import reading
from pipeline.store.movements import Size, books, first_of_week, moved, night_before, usual_moves
from pipeline.store.nights import Night, catalogue, published

__all__ = ["Drafts", "draft"]

_NOBODY: Final = ""


@dataclass(frozen=True)
class Drafts:
    """The letters of a night, those that were sent before among them.

    `is_weekly`: the night is the first of its week. `unowned` counts news of accounts without an owner.
    """

    as_of: date
    is_weekly: bool
    letters: tuple[tuple[Envelope, Letter], ...] = ()
    unowned: int = 0


@dataclass(frozen=True)
class _Told:
    """By channel: what was announced of each account lately, and who is owed the letter of the week's first night."""

    announced: Mapping[str, Mapping[str, set[Change]]]
    owed: frozenset[tuple[str, str]]


def draft(
    engine: Engine, people: Engine, channels: Sequence[str], settings: Settings, as_of: date | None, today: date
) -> Drafts:
    """Write the letters of the night of `as_of`, else of the newest, for each of the channels.

    Raises
    ------
    StoreMissing
        When that night is not published.
    FailedError
        When the newest is not today's: it is no news any more, and today's may be on its way.
    """
    with reading(engine) as connection:
        of = published(connection, as_of)
        if as_of is None and of.as_of < today:
            raise FailedError(
                f"The night of {today} is not published; the newest is that of {of.as_of}, which is no news any more. "
                f"Score it first (churn score), or name a night: --as-of {of.as_of}."
            )
        first = first_of_week(connection, of.as_of) or of.as_of
        is_weekly, told = first == of.as_of, _told(people, first, of.as_of)
        since = night_before(connection, of.as_of, WEEK) or night_before(connection, of.as_of)
        if since is None:
            return Drafts(of.as_of, is_weekly)
        words = catalogue(connection, of)
        paper = Paper(
            Comparison.between(of, since, words), words, settings.digest.language, settings.console.account_url
        )
        changed = [each for each in moved(connection, of, since) if not each.now.account_id.startswith(PSEUDONYM)]
        fresh = _fresh(connection, of)
        usual = usual_moves(connection, of, since)
        sizes = _sizes(books(connection, of).items())

    def news(channel: str, *, weekly: bool) -> list[BookNews]:
        was = told.announced.get(channel, {})
        return book_news(changed, paper.compared, fresh=None if weekly else fresh, announced=was, usual=usual)

    letters, unowned = [], 0
    for channel in channels:
        editions = {weekly: {book.recipient: book for book in news(channel, weekly=weekly)} for weekly in (True, False)}
        for who in sorted(editions[True].keys() | editions[False].keys()):
            weekly = is_weekly or (who, channel) in told.owed
            book = editions[weekly].get(who)
            if book is None:
                continue
            if who == _NOBODY:
                unowned = max(unowned, _count(book))
            elif (letter := write_letter(book, sizes.get(who, Size(0, 0)), paper, is_weekly=weekly)) is not None:
                letters.append((Envelope(of.as_of, who, channel), letter))
    return Drafts(of.as_of, is_weekly, tuple(letters), unowned)


def _told(people: Engine, first: date, as_of: date) -> _Told:
    with suppress(StoreMissing), reading(people) as connection:
        return _Told(outbox.announced(connection, as_of), frozenset(outbox.owed(connection, first, as_of)))
    return _Told({}, frozenset())


def _fresh(connection: Connection, of: Night) -> frozenset[str]:
    """The accounts that moved since the night before."""
    previous = night_before(connection, of.as_of)
    return frozenset(each.now.account_id for each in moved(connection, of, previous)) if previous else frozenset()


def _sizes(by_owner: Iterable[tuple[str | None, Size]]) -> dict[str, Size]:
    customers, listed = Counter[str](), Counter[str]()
    for owner, size in by_owner:
        if owner:
            customers[recipient(owner)] += size.customers
            listed[recipient(owner)] += size.listed
    return {who: Size(customers[who], listed[who]) for who in customers}


def _count(book: BookNews) -> int:
    return sum(len(each.accounts) for each in book.news) + sum(book.unnamed.values())
