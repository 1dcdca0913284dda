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
from pipeline.store.movements import Moved, Size, books, first_of_week, moved, night_before, usual_moves
from pipeline.store.nights import Night, catalogue, published

__all__ = ["Drafts", "draft"]

_NOBODY: Final = ""
_FIRST: Final = "There is no earlier night to compare it with: from the next one on, notices can be told."


@dataclass(frozen=True)
class Drafts:
    """The letters of a night, those that were sent before among them.

    `is_weekly`: the night is the first of its week. `limit` says what cannot be told of it. `unowned` counts news of
    accounts without an owner.
    """

    as_of: date
    is_weekly: bool
    limit: str
    letters: tuple[tuple[Envelope, Letter], ...] = ()
    unowned: int = 0


@dataclass(frozen=True)
class _Told:
    """By channel: what was announced of each account lately, and who is owed the letter of the week's first night."""

    announced: Mapping[str, Mapping[str, set[Change]]]
    owed: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class _Seen:
    """What is told of a night, beside the one that it is compared with.

    `moves` are the accounts that moved since that, `fresh` those since the night before; `usual` is how far an account
    usually moves, and `sizes` are those of the books, by recipient.
    """

    paper: Paper
    moves: Sequence[Moved]
    fresh: frozenset[str]
    usual: Mapping[str, float]
    sizes: Mapping[str, Size]

    def news(self, announced: Mapping[str, set[Change]], *, weekly: bool) -> dict[str, BookNews]:
        """The news of each book, by recipient: of the week, or of the night alone."""
        fresh = None if weekly else self.fresh
        found = book_news(self.moves, self.paper.compared, fresh=fresh, announced=announced, usual=self.usual)
        return {book.recipient: book for book in found}

    def size_of(self, who: str) -> Size:
        """The size of a recipient's book."""
        return self.sizes.get(who, Size(0, 0))


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
        of = _of_today(connection, as_of, today)
        first = first_of_week(connection, of.as_of) or of.as_of
        is_weekly = first == of.as_of
        since = night_before(connection, of.as_of, WEEK) or night_before(connection, of.as_of)
        if since is None:
            return Drafts(of.as_of, is_weekly, _FIRST)
        seen = _seen(connection, of, since, settings)
    told = _told(people, first, of.as_of)
    letters, unowned = list[tuple[Envelope, Letter]](), 0
    for channel in channels:
        was = told.announced.get(channel, {})
        editions = {weekly: seen.news(was, weekly=weekly) for weekly in (True, False)}
        for who in sorted(editions[True].keys() | editions[False].keys()):
            weekly = is_weekly or (who, channel) in told.owed
            book = editions[weekly].get(who)
            if book is None:
                continue
            if who == _NOBODY:
                unowned = max(unowned, _count(book))
            elif (letter := write_letter(book, seen.size_of(who), seen.paper, is_weekly=weekly)) is not None:
                letters.append((Envelope(of.as_of, who, channel), letter))
    return Drafts(of.as_of, is_weekly, seen.paper.compared.limit, tuple(letters), unowned)


def _of_today(connection: Connection, as_of: date | None, today: date) -> Night:
    of = published(connection, as_of)
    if as_of is None and of.as_of < today:
        raise FailedError(
            f"The night of {today} is not published; the newest is that of {of.as_of}, which is no news any more. "
            f"Score it first (churn score), or name a night: --as-of {of.as_of}."
        )
    return of


def _seen(connection: Connection, of: Night, since: Night, settings: Settings) -> _Seen:
    words = catalogue(connection, of)
    compared = Comparison.between(of, since, words)
    return _Seen(
        paper=Paper(compared, words, settings.digest.language, settings.console.account_url),
        moves=[each for each in moved(connection, of, since) if not each.now.account_id.startswith(PSEUDONYM)],
        fresh=_fresh(connection, of),
        usual=usual_moves(connection, of, since),
        sizes=_sizes(books(connection, of).items()),
    )


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
