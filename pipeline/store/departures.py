"""What readers ask of two nights and of those between them: who is no customer any more, and how they stood before."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from sqlalchemy import Connection, and_, or_, select

from pipeline.store.nights import Night
from pipeline.store.schema import FROZEN, PUBLISHED, RUNS, SCORES

__all__ = ["Departed", "Header", "Seen", "departed", "headers", "kept", "lives"]

_LAPSED: Final = "lapsed"


@dataclass(frozen=True)
class Header:
    """A published night; `in_sample` where its model had seen how it went on."""

    as_of: date
    in_sample: bool


@dataclass(frozen=True)
class Departed:
    """An account that was a customer in one night and is none in a later one.

    `mrr` is that of the earlier night, in which it `was_scored` unless it was under notice. In the later one it is gone
    (None) or in a `state`, such as *lapsed*: its gap may still end. Then `last_day` is the first day without it.
    """

    account_id: str
    mrr: float | None
    was_scored: bool
    state: str | None
    last_day: date | None


@dataclass(frozen=True)
class Seen:
    """An account in one night."""

    as_of: date
    owner: str | None
    state: str
    last_day: date | None
    band: str | None
    rank: int | None
    in_sample: bool


def headers(connection: Connection, until: date, days: int) -> list[Header]:
    """The nights of so many days up to that one, oldest first."""
    wanted = (
        select(PUBLISHED.c.as_of, RUNS.c.in_sample)
        .join_from(PUBLISHED, RUNS)
        .where(PUBLISHED.c.as_of > until - timedelta(days=days), PUBLISHED.c.as_of <= until)
        .order_by(PUBLISHED.c.as_of)
    )
    return [Header(*row) for row in connection.execute(wanted)]


def departed(
    connection: Connection, then: Night, now: Night, *, hidden: str = "", states: Collection[str] = (_LAPSED,)
) -> list[Departed]:
    """Customers of the night `then` that are in the night `now` absent or in one of these states, most MRR first.

    Those whose id begins with `hidden` are left out. It goes through both nights, along their keys.
    """
    later = SCORES.alias("later")
    same = and_(later.c.run_id == now.run_id, later.c.account_id == SCORES.c.account_id)
    wanted = (
        select(SCORES.c.account_id, SCORES.c.mrr, SCORES.c.risk.is_not(None), later.c.state, later.c.last_day)
        .select_from(SCORES.outerjoin(later, same))
        .where(SCORES.c.run_id == then.run_id, SCORES.c.state != _LAPSED)
        .where(or_(later.c.account_id.is_(None), later.c.state.in_(states)))
    )
    found = (Departed(row[0], row[1], bool(row[2]), *row[3:]) for row in connection.execute(wanted))
    shown = (each for each in found if not (hidden and each.account_id.startswith(hidden)))
    return sorted(shown, key=lambda each: (-(each.mrr or 0.0), each.account_id))


def lives(connection: Connection, ids: Sequence[str], since: date, until: date) -> dict[str, list[Seen]]:
    """How these accounts stood in the nights from `since` to `until`, oldest first; those in none are absent."""
    wanted = (
        select(
            SCORES.c.account_id,
            PUBLISHED.c.as_of,
            SCORES.c.owner,
            SCORES.c.state,
            SCORES.c.last_day,
            SCORES.c.band,
            SCORES.c.rank,
            RUNS.c.in_sample,
        )
        .select_from(PUBLISHED.join(RUNS).join(SCORES, SCORES.c.run_id == PUBLISHED.c.run_id))
        .where(PUBLISHED.c.as_of >= since, PUBLISHED.c.as_of <= until, SCORES.c.account_id.in_(ids))
    )
    found: dict[str, list[Seen]] = {}
    for account_id, *seen in connection.execute(wanted):
        found.setdefault(account_id, []).append(Seen(*seen))
    return {account_id: sorted(every, key=lambda each: each.as_of) for account_id, every in found.items()}


def kept(connection: Connection, ids: Collection[str]) -> set[str]:
    """Those of these accounts whose last score is kept, though later nights do not know them."""
    return set(connection.execute(select(FROZEN.c.account_id).where(FROZEN.c.account_id.in_(ids))).scalars())
