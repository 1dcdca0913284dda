"""What readers ask of two nights: which accounts moved between them, and how the books stand."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from sqlalchemy import Connection, Select, case, func, select

from pipeline.store.nights import AccountNight, Night, among, night
from pipeline.store.schema import PUBLISHED, SCORES, UNSCORED

__all__ = ["Moved", "Size", "books", "first_of_week", "moved", "night_before", "usual_moves"]

_WEEKS: Final = 8
_LEAST_WEEKS: Final = 4


@dataclass(frozen=True)
class Moved:
    """One account in two nights."""

    now: AccountNight
    then: AccountNight


@dataclass(frozen=True)
class Size:
    """How many customers a book holds, and how many of them are on the list."""

    customers: int
    listed: int


def night_before(connection: Connection, day: date, days: int = 1) -> Night | None:
    """The newest night at least so many days older than `day`; None where there is none."""
    latest = PUBLISHED.c.as_of <= day - timedelta(days=days)
    as_of = connection.execute(select(func.max(PUBLISHED.c.as_of)).where(latest)).scalar()
    return None if as_of is None else night(connection, as_of)


def first_of_week(connection: Connection, day: date) -> date | None:
    """The first published night from Monday to the day: Monday's, or a later one where that was missed."""
    monday = day - timedelta(days=day.weekday())
    nights = select(func.min(PUBLISHED.c.as_of)).where(PUBLISHED.c.as_of >= monday, PUBLISHED.c.as_of <= day)
    return connection.execute(nights).scalar()


def moved(connection: Connection, of: Night, since: Night) -> Iterator[Moved]:
    """The accounts of both nights whose band is another in the later one, or that gave notice between them; by id."""
    ids = _moved(of, since)
    yield from map(Moved, among(connection, of, ids), among(connection, since, ids))


def usual_moves(connection: Connection, of: Night, since: Night) -> dict[str, float]:
    """How far the accounts of `moved` usually move in a week, in log-odds, another model aside.

    The root mean square of what time and data moved them by in each of the eight weeks before, where at least four are
    known: one night a week, told against the one a week before it.
    """
    earlier = select(PUBLISHED.c.as_of, PUBLISHED.c.run_id).where(
        PUBLISHED.c.as_of <= of.as_of - timedelta(weeks=1), PUBLISHED.c.as_of > of.as_of - timedelta(weeks=_WEEKS + 1)
    )
    nights = connection.execute(earlier.order_by(PUBLISHED.c.as_of)).all()
    by_week = {(of.as_of - night.as_of).days // 7: night.run_id for night in nights}  # the newest of each
    change = SCORES.c.change_time + SCORES.c.change_data
    known = select(SCORES.c.account_id, func.count(), func.sum(change * change)).where(
        SCORES.c.run_id.in_(by_week.values()), SCORES.c.account_id.in_(_moved(of, since)), change.is_not(None)
    )
    rows = connection.execute(known.group_by(SCORES.c.account_id)).all()
    return {account_id: math.sqrt(squares / weeks) for account_id, weeks, squares in rows if weeks >= _LEAST_WEEKS}


def _moved(of: Night, since: Night) -> Select[tuple[str]]:
    then = SCORES.alias("then")
    left = (SCORES.c.state == "leaving") & (then.c.state != "leaving")
    return (
        select(SCORES.c.account_id)
        .join(then, then.c.account_id == SCORES.c.account_id)
        .where(SCORES.c.run_id == of.run_id, then.c.run_id == since.run_id)
        .where(SCORES.c.band.is_distinct_from(then.c.band) | left)
    )


def books(connection: Connection, of: Night) -> dict[str | None, Size]:
    """The size of each owner's book; None is the owner of accounts that have none."""
    listed = func.sum(case((SCORES.c.state == "candidate", 1), else_=0))
    counted = (
        select(SCORES.c.owner, func.count(), listed)
        .where(SCORES.c.run_id == of.run_id, SCORES.c.state.not_in(UNSCORED))
        .group_by(SCORES.c.owner)
    )
    return {owner: Size(*sizes) for owner, *sizes in connection.execute(counted).all()}
