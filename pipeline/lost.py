"""What an earlier night expected to be lost, beside what was: read from the nights, which follow the subscriptions.

Lost is who was scored that night and is no customer when its window is over: gone, or in a gap. A gap that may still
end is told apart. Money is the MRR of the night that expected it, for its risks were multiplied with that.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from math import fsum
from typing import Any, Final

from sqlalchemy import Connection, func, select

from pipeline.headline import by_rules
from pipeline.people.forgotten import PSEUDONYM
from pipeline.store.departures import Departed, departed
from pipeline.store.nights import Night, night
from pipeline.store.schema import PUBLISHED, RUNS, SCORES

__all__ = ["Amount", "NotYet", "Said", "said_before"]

_LAPSED: Final = "lapsed"


@dataclass(frozen=True)
class Amount:
    """Accounts and their MRR; accounts that are expected need not be whole."""

    accounts: float
    mrr: float


@dataclass(frozen=True)
class Said:
    """What the night of `as_of` expected within its window, which ends before the day `until`, and what came.

    `counted_on` is the first night from then on. Of what was `lost` some is `open`: it may come back within the grace.
    What rules ordered expected nothing: `expected` is None.
    """

    as_of: date
    until: date
    counted_on: date
    expected: Amount | None
    lost: Amount
    open: Amount


@dataclass(frozen=True)
class NotYet:
    """No night is old enough whose model had not seen what came after it.

    `days` is how old one must be, `first_on` when the oldest will be, None where there is none; `in_hindsight` is the
    newest of those old enough that prove nothing.
    """

    days: int
    first_on: date | None
    in_hindsight: date | None


def said_before(connection: Connection, of: Night) -> Said | NotYet:
    """What the newest night said whose window is over in the night `of`, and what came."""
    then = _newest_over(connection, of)
    if then is None:
        return _not_yet(connection, of)
    until = then.as_of + timedelta(days=_span(then))
    counted = _first_from(connection, until)
    assert counted is not None, "the night that is asked about lies behind the window"
    question = then.headline.get("question") or {}  # absent from nights that an older churn published
    states = (_LAPSED, "leaving") if question.get("churn.event") == "notice" else (_LAPSED,)
    gone = [each for each in departed(connection, then, counted, hidden=PSEUDONYM, states=states) if each.was_scored]
    before = _gone_in_lead(connection, then, states)
    lost = [each for each in gone if each.account_id not in before and not _is_later(each, until)]
    return Said(
        as_of=then.as_of,
        until=until,
        counted_on=counted.as_of,
        expected=_expected(connection, then),
        lost=_sum(lost),
        open=_sum(each for each in lost if each.state == _LAPSED),
    )


def _lead(of: Night) -> int:
    return int((of.headline.get("question") or {}).get("churn.lead_days", 0))


def _span(of: Night) -> int:
    """Days from a night to the end of its window."""
    return _lead(of) + int(of.headline["horizon_days"])


def _newest_over(connection: Connection, of: Night) -> Night | None:
    days = _span(of)
    while True:
        wanted = _fair().where(PUBLISHED.c.as_of <= of.as_of - timedelta(days=days))
        as_of = connection.execute(wanted.with_only_columns(func.max(PUBLISHED.c.as_of))).scalar()
        found = None if as_of is None else night(connection, as_of)
        if found is None or found.as_of + timedelta(days=_span(found)) <= of.as_of:
            return found
        days = _span(found)  # another horizon was asked for then


def _not_yet(connection: Connection, of: Night) -> NotYet:
    days = _span(of)
    first = connection.execute(_fair().with_only_columns(func.min(PUBLISHED.c.as_of))).scalar()
    every = select(func.max(PUBLISHED.c.as_of)).where(PUBLISHED.c.as_of <= of.as_of - timedelta(days=days))
    return NotYet(days, first + timedelta(days=days) if first else None, connection.execute(every).scalar())


def _fair() -> Any:
    return select(PUBLISHED.c.as_of).join_from(PUBLISHED, RUNS).where(RUNS.c.in_sample.is_(False))


def _first_from(connection: Connection, day: date) -> Night | None:
    as_of = connection.execute(select(func.min(PUBLISHED.c.as_of)).where(PUBLISHED.c.as_of >= day)).scalar()
    return None if as_of is None else night(connection, as_of)


def _gone_in_lead(connection: Connection, then: Night, states: Iterable[str]) -> set[str]:
    """Who left before the window began: no forecast was meant for them."""
    lead = _lead(then)
    began = _first_from(connection, then.as_of + timedelta(days=lead)) if lead else None
    if began is None:
        return set()
    return {each.account_id for each in departed(connection, then, began, hidden=PSEUDONYM, states=list(states))}


def _is_later(each: Departed, until: date) -> bool:
    """Whether it is known to have left after the window, where no night was published as that ended."""
    return each.state == _LAPSED and each.last_day is not None and each.last_day >= until


def _expected(connection: Connection, then: Night) -> Amount | None:
    if by_rules(then.headline) is not None:
        return None
    sums = select(func.sum(SCORES.c.risk), func.sum(SCORES.c.value_at_risk)).where(SCORES.c.run_id == then.run_id)
    departures, value = connection.execute(sums).one()
    return Amount(departures or 0.0, value or 0.0)


def _sum(found: Iterable[Departed]) -> Amount:
    every = list(found)
    return Amount(len(every), fsum(each.mrr or 0.0 for each in every))
