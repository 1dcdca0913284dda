"""Which accounts of a night meet what a reader asks for, in the order asked for.

One manager's book is found by the index of ranks, whatever else is asked of it. All else reads the night: an index more
would have to be written for every night of every account, at random places, and costs a night of a million accounts
more than it saves its readers, whose questions are remembered (`pipeline/console/selections.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, CompoundSelect, Connection, cast, func, or_, select, union_all

from pipeline.store.columns import KEY
from pipeline.store.nights import Night
from pipeline.store.schema import SCORES

__all__ = ["MISSING", "Conditions", "Order", "Sort", "select_ids"]

Sort = Literal["value", "risk", "mrr", "renews", "name"]

MISSING: Final = "-"
"""Asks for accounts that have none, as a segment."""

_FEW: Final = 50_000
"""Accounts that are looked up one by one sooner than the night is read."""

_COLUMNS: Final = {"value": "value_at_risk", "risk": "risk", "mrr": "mrr", "renews": "renews_on"}


@dataclass(frozen=True)
class Conditions:
    """What accounts are chosen by; what is None asks nothing.

    `owners` are those of a night as it writes them, None among them is nobody. `text` is looked for in names and ids;
    the letters A to Z count as small ones. `segment`, `plan` and `family` may be `MISSING`. `renews` is from which day
    to which, both included, or `MISSING`.
    """

    owners: tuple[str | None, ...] | None = None
    text: str | None = None
    state: str | None = None
    band: str | None = None
    segment: str | None = None
    plan: str | None = None
    family: str | None = None
    renews: tuple[date, date] | Literal["-"] | None = None
    hidden: str = ""


@dataclass(frozen=True)
class Order:
    """By what, and whether the greatest come first. Those without it come last, ties go by id in the same direction."""

    by: Sort = "value"
    is_falling: bool = True


def select_ids(
    connection: Connection, of: Night, conditions: Conditions, order: Order, limit: int | None = None
) -> list[str]:
    """The ids of the accounts that meet the conditions, in order, at most `limit` of them.

    With a limit it reads books alone where these are few; without, the whole night.
    """
    owners = conditions.owners
    if owners == ():
        return []
    is_sqlite = connection.dialect.name == "sqlite"
    asked = [SCORES.c.run_id == of.run_id, *_asked(conditions, is_sqlite)]
    if owners is not None:
        is_few = limit is not None and _are_few(connection, of, owners)
        asked.append(SCORES.c.account_id.in_(_ids_of(of, owners)) if is_few else _is_of(SCORES.c.owner, owners))
    return _in_order(connection, asked, order, limit)


def _asked(conditions: Conditions, is_sqlite: bool) -> Iterator[ColumnElement[bool]]:
    for name in ("state", "band", "segment", "plan", "family"):
        column, value = SCORES.c["largest_family" if name == "family" else name], getattr(conditions, name)
        if value is not None:
            yield column.is_(None) if value == MISSING else column == value
    if conditions.renews == MISSING:
        yield SCORES.c.renews_on.is_(None)
    elif conditions.renews is not None:
        yield SCORES.c.renews_on.between(*conditions.renews)
    if conditions.hidden:  # LIKE would take no heed of capitals in SQLite
        yield func.substr(SCORES.c.account_id, 1, len(conditions.hidden)) != conditions.hidden
    if conditions.text is not None:
        # A to Z are told from a to z by neither database: SQLite's LIKE never does, and costs less than to lower all.
        # What is written in other letters is looked for in the ways it is written.
        ways = {_lowered(way) for way in (conditions.text, *_spellings(conditions.text))}
        yield or_(
            *(
                (column if is_sqlite else _small(column)).contains(way, autoescape=True)
                for column in (SCORES.c.name, SCORES.c.account_id)
                for way in sorted(ways)
            )
        )


def _spellings(text: str) -> tuple[str, ...]:
    return text.lower(), text.upper(), text.title()


def _lowered(text: str) -> str:
    """As the databases lower it.

    >>> _lowered("CAFÉ")
    'cafÉ'
    """
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def _small(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A text with A to Z in small letters, ordered by the characters' numbers, in both databases."""
    return func.lower(cast(column, KEY))


def _is_of(owner: ColumnElement[Any], owners: Sequence[str | None]) -> ColumnElement[bool]:
    return or_(*(owner.is_(None) if each is None else owner == each for each in owners))


def _ids_of(of: Night, owners: Sequence[str | None]) -> CompoundSelect[str]:
    """The ids of these owners' accounts, read off the index of ranks.

    SQLite keeps no statistics of a store: asked otherwise, it would go through the whole night by its key.
    """
    mine = SCORES.alias("mine")
    ids = select(mine.c.account_id).where(mine.c.run_id == of.run_id)
    return union_all(*(ids.where(_is_of(mine.c.owner, [owner])) for owner in owners))


def _are_few(connection: Connection, of: Night, owners: Sequence[str | None]) -> bool:
    """Whether the books of these owners hold so little that they are read whole."""
    left = _FEW
    for owner in owners:
        some = (
            select(SCORES.c.rank).where(SCORES.c.run_id == of.run_id, _is_of(SCORES.c.owner, [owner])).limit(left + 1)
        )
        left -= connection.execute(select(func.count()).select_from(some.subquery())).scalar_one()
        if left < 0:
            return False
    return True


def _in_order(
    connection: Connection, asked: Sequence[ColumnElement[bool]], order: Order, limit: int | None
) -> list[str]:
    key = (
        _small(func.coalesce(SCORES.c.name, SCORES.c.account_id))
        if order.by == "name"
        else SCORES.c[_COLUMNS[order.by]]
    )
    both = (key, SCORES.c.account_id)
    terms = [each.desc() if order.is_falling else each.asc() for each in both]
    wanted = select(SCORES.c.account_id).where(*asked).order_by(key.is_(None), *terms).limit(limit)
    return list(connection.execute(wanted).scalars())
