"""Whom to call this week, and below it who takes no call and why: of one person, or of all books."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection

from pipeline.amounts import Language
from pipeline.call_list import place, who_took_the_place
from pipeline.console.books import Apart, Books
from pipeline.console.entries import Item, Row, Writer, title
from pipeline.people.actions import Action
from pipeline.plays import Play
from pipeline.resting import Candidate, Early
from pipeline.store.lines import Line, customers, owned_by
from pipeline.store.nights import Night, among, catalogue
from pipeline.week import Listed, Off, Week, WhyOff, listed

__all__ = ["Asked", "Done", "Fold", "Today", "list_of", "list_of_all"]

_MOST_SHOWN: Final = 25
"""Of all books together, and of each kind below the list: what one person reads."""


@dataclass(frozen=True)
class Asked:
    """What a list is asked from: both stores, the night, what is remembered of it, what the settings say.

    `today` is the day that rests are held against; `done` is what the reader has just done, of which a word is said.
    """

    published: Connection
    people: Connection
    night: Night
    books: Books
    calls_per_week: int
    today: date
    plays: tuple[Play, ...]
    language: Language
    done: Action | None = None

    @property
    def writer(self) -> Writer:
        """Who words it."""
        return Writer(self.night, catalogue(self.published, self.night), self.language, self.plays)

    def week(self, person: str | None) -> Week:
        """The week of a person, or of what nobody owns."""
        return self.books.week(self.published, self.people, self.night, person, **self.rules)

    @property
    def rules(self) -> dict[str, Any]:
        """What the settings and the day say of a list."""
        return {"calls_per_week": self.calls_per_week, "today": self.today}


@dataclass(frozen=True)
class Fold:
    """Rows under one heading; `count` counts those, too, that are not shown."""

    rows: tuple[Row, ...] = ()
    count: int = 0


@dataclass(frozen=True)
class Done:
    """What the reader has just done: the account rests, and `next_title` has its place on the list, if somebody has.

    It stood on the list that is shown, behind so many others (`place`); None where it did not.
    """

    action: Action
    title: str
    place: int | None = None
    next_title: str | None = None
    is_unowned: bool = False


@dataclass(frozen=True)
class Today:
    """The week's list and what stands below it.

    `calls` counts all that need one, of which `items` are those shown, and `more` who would, were the list longer.
    `new` counts who was not on the list of `since`, None where there is no such night. `unowned` are those that nobody
    owns; of all books, `by_owner` counts the calls of each person.
    """

    night: Night
    customers: int
    calls: int
    more: int
    new: int | None
    since: date | None
    items: tuple[Item, ...]
    folds: Mapping[str, Fold]
    off_since: date | None = None
    unowned: tuple[Item, ...] = ()
    by_owner: Mapping[str, int] | None = None
    done: Done | None = None


def list_of(asked: Asked, whose: str) -> Today:
    """The list of a person by their address, and below it what nobody owns."""
    night, writer = asked.night, asked.writer
    mine, nobodys = asked.week(whose), asked.week(None)
    owned = owned_by(asked.published, night, whose, asked.books.owners)
    takes_no_call = asked.books.apart(asked.published, night, whose)
    back = {each.now.account_id for each in mine.returned if each.why is Early.NOTICE}
    folds = _apart(asked, writer, takes_no_call, back) | {
        "resting": _resting(mine.resting),
        "off": Fold(tuple(map(_off, mine.off)), len(mine.off)),
    }
    return Today(
        night=night,
        customers=sum(customers(asked.published, night, owned).values()),
        calls=len(mine.listed),
        more=mine.more,
        new=_new(mine.listed) if mine.new_since else None,
        since=mine.new_since,
        items=tuple(map(writer.item, mine.listed)),
        folds=folds,
        off_since=mine.off_since,
        unowned=tuple(map(writer.item, nobodys.listed)),
        done=_done(asked, mine.listed, mine.resting) or _done(asked, nobodys.listed, nobodys.resting, is_unowned=True),
    )


def list_of_all(asked: Asked) -> Today:
    """The calls of all books with most at stake, and how many each person has."""
    night, writer = asked.night, asked.writer
    lists = asked.books.lists(asked.published, asked.people, night, **asked.rules)
    every = lists.most_at_stake()
    shown = listed(asked.published, night, every[:_MOST_SHOWN], lists.before)
    done = (_done(asked, found.listed, found.resting) for found in lists.formed.values())
    return Today(
        night=night,
        customers=sum(asked.books.customers(asked.published, night).values()),
        calls=len(every),
        more=0,
        new=sum(map(lists.before.is_new, every)) if lists.before.day else None,
        since=lists.before.day,
        items=tuple(map(writer.item, shown)),
        folds=_apart(asked, writer, asked.books.apart(asked.published, night), ())
        | {"resting": _resting(lists.resting())},
        by_owner=lists.calls_by_person(),
        done=next(filter(None, done), None),
    )


def _new(found: Sequence[Listed]) -> int:
    return sum(each.is_new for each in found)


def _apart(asked: Asked, writer: Writer, found: Mapping[str, Apart], back: Collection[str]) -> dict[str, Fold]:
    """Who takes no call whatever the list looks like: under notice, to be reminded of payment, new."""
    ids = [line.account_id for each in found.values() for line in each.lines]
    pages = {page.account_id: page for page in among(asked.published, asked.night, ids)}

    def row(line: Line) -> Row:
        page = pages[line.account_id]
        told = {"new": writer.facts, "payment": writer.payment}.get(line.state)
        play = writer.reminder(page) if line.state == "payment" else None
        why = "returned" if line.account_id in back else ""
        return Row(title([line]), line, told(page) if told else (), why, play=play)

    return {
        state: Fold(tuple(row(line) for line in each.lines if line.account_id in pages), each.count)
        for state, each in found.items()
    }


def _resting(found: Sequence[Candidate]) -> Fold:
    rows = tuple(Row(title(each.lines), each.worst, action=each.action) for each in found[:_MOST_SHOWN])
    return Fold(rows, len(found))


def _off(each: Off) -> Row:
    """Of what is another manager's now nothing is told but whose."""
    line = each.then if each.now is None or each.why is WhyOff.MOVED else each.now
    return Row(title([each.then]), line, why=each.why, action=each.action, owner=each.now.owner if each.now else None)


def _done(
    asked: Asked, found: Sequence[Listed | Candidate], resting: Sequence[Candidate], *, is_unowned: bool = False
) -> Done | None:
    """The word on what was done, where the account rests by it in this book."""
    action = asked.done
    mine = [each for each in resting if action and each.action and each.action.action_id == action.action_id]
    if action is None or not mine:
        return None
    entry, others = mine[0].lines, [each.lines for each in found]
    after = who_took_the_place(entry, others, asked.calls_per_week)
    before = sum(place(each) < place(entry) for each in others)
    return Done(action, title(entry), before, title(after) if after else None, is_unowned)
