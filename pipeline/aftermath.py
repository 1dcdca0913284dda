"""Aftermath: what became of accounts after something was done about them, as published nights tell it.

Whether an account stayed is read from the nights, which read it from the subscriptions, and never from what people
wrote: that stands beside it. An account that was forgotten has no aftermath, for nobody may say whose it would be.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Engine, select

from pipeline.errors import StoreMissing
from pipeline.people.actions import Action, actions_since
from pipeline.people.connection import reading as reading_people
from pipeline.people.forgotten import PSEUDONYM
from pipeline.store.lines import Line, stood
from pipeline.store.nights import Night
from pipeline.store.schema import PUBLISHED, SCORES

__all__ = ["Aftermath", "Fate", "NotARiskCases", "aftermath", "not_a_risk_cases"]

_AT_ONCE: Final = 500


class Fate(StrEnum):
    """How an account stands in the night that is looked from. `lapsed` has ended and may come back within the grace."""

    CUSTOMER = "customer"
    NOTICE = "notice"
    LAPSED = "lapsed"
    LEFT = "left"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Aftermath:
    """What became of an account after an action.

    Attributes
    ----------
    then
        How it stood on the night that was looked at, where that is kept.
    fate
        How it stands now; *left* also where it came back later as a new customer.
    left_on
        The last day of who left, has lapsed or gave notice; where no night told one, the first night without it.
    stayed
        Whether it was still a customer `horizon_days` after that night; None while that is not over, or not known.
    """

    action: Action
    then: Line | None
    fate: Fate
    left_on: date | None
    stayed: bool | None

    def as_record(self) -> dict[str, Any]:
        """The same as plain data, without what people wrote freely."""
        of = self.action
        return {
            "account_id": of.account_id,
            "as_of": str(of.as_of),
            "kind": of.kind,
            "why": of.why,
            "said": of.said,
            "reached": of.reached,
            "by": of.by,
            "band": self.then and self.then.band,
            "risk": self.then and self.then.risk,
            "fate": self.fate.value,
            "left_on": self.left_on and str(self.left_on),
            "stayed": self.stayed,
        }


@dataclass(frozen=True)
class NotARiskCases:
    """What people marked as no risk since a night, with what happened; the newest first."""

    since: date
    horizon_days: int
    cases: tuple[Aftermath, ...]

    def told(self) -> str:
        """In a line or two."""
        if not self.cases:
            return f"Marked as no risk since {self.since}: none."
        whys = Counter(each.action.why or "other" for each in self.cases)
        reasons = ", ".join(f"{why.replace('_', ' ')} {count}" for why, count in whys.most_common())
        known = [each for each in self.cases if each.stayed is not None]
        left = sum(not each.stayed for each in known)
        outcome = f"{left} of {len(known)} left within {self.horizon_days} days" if known else "what came of it is open"
        still = len(self.cases) - len(known)
        more = f", of {still} it is not known yet" if known and still else ""
        return f"Marked as no risk since {self.since}: {len(self.cases)} ({reasons}); {outcome}{more}."


def aftermath(published: Connection, of: Night, actions: Iterable[Action]) -> list[Aftermath]:
    """What became of the accounts of these actions by that night, in the order of the actions."""
    done = [action for action in actions if action.as_of <= of.as_of]
    first = min((action.as_of for action in done), default=of.as_of)
    days = select(PUBLISHED.c.as_of).where(PUBLISHED.c.as_of >= first, PUBLISHED.c.as_of <= of.as_of)
    nights = sorted(published.execute(days).scalars())
    lives = _lives(published, sorted({action.account_id for action in done}), first, of.as_of)
    then = stood(published, ((action.as_of, action.account_id) for action in done))
    horizon = int(of.headline["horizon_days"])
    return [
        _of_action(each, then.get((each.as_of, each.account_id)), lives[each.account_id], nights, horizon)
        for each in done
    ]


def not_a_risk_cases(published: Connection, people: Engine, of: Night, since: date) -> NotARiskCases:
    """The accounts that were marked as no risk since that night, for whoever looks after the model."""
    actions: list[Action] = []
    with suppress(StoreMissing), reading_people(people) as connection:
        actions = actions_since(connection, since, kinds=["not_a_risk"])
    return NotARiskCases(since, int(of.headline["horizon_days"]), tuple(aftermath(published, of, actions)))


@dataclass(frozen=True)
class _Seen:
    """An account in one night."""

    state: str
    last_day: date | None


def _lives(published: Connection, ids: Sequence[str], first: date, last: date) -> defaultdict[str, dict[date, _Seen]]:
    """How each account stood night by night."""
    found: defaultdict[str, dict[date, _Seen]] = defaultdict(dict)
    for start in range(0, len(ids), _AT_ONCE):
        rows = (
            select(SCORES.c.account_id, PUBLISHED.c.as_of, SCORES.c.state, SCORES.c.last_day)
            .join_from(PUBLISHED, SCORES, PUBLISHED.c.run_id == SCORES.c.run_id)
            .where(PUBLISHED.c.as_of >= first, PUBLISHED.c.as_of <= last)
            .where(SCORES.c.account_id.in_(ids[start : start + _AT_ONCE]))
        )
        for account_id, as_of, state, last_day in published.execute(rows):
            found[account_id][as_of] = _Seen(state, last_day)
    return found


def _of_action(
    action: Action, then: Line | None, life: Mapping[date, _Seen], nights: Sequence[date], horizon: int
) -> Aftermath:
    if action.account_id.startswith(PSEUDONYM) or not life:
        return Aftermath(action, then, Fate.UNKNOWN, None, None)
    fate, left_on = _fate(life, [night for night in nights if night >= action.as_of])
    end = action.as_of + timedelta(days=horizon)
    stayed: bool | None = None
    if fate is Fate.LEFT and left_on is not None and left_on < end:
        stayed = False
    elif nights[-1] >= end and (fate is Fate.CUSTOMER or (left_on is not None and left_on >= end)):
        stayed = True
    return Aftermath(action, then, fate, left_on, stayed)


def _fate(life: Mapping[date, _Seen], nights: Sequence[date]) -> tuple[Fate, date | None]:
    """What the nights tell, oldest first: an account that one of them does not know has left before it."""
    before: _Seen | None = None
    for night in nights:
        seen = life.get(night)
        if seen is None and before is not None:
            return Fate.LEFT, before.last_day or night
        before = seen or before
    if before is None:
        return Fate.UNKNOWN, None
    told = {"leaving": Fate.NOTICE, "lapsed": Fate.LAPSED}
    return told.get(before.state, Fate.CUSTOMER), before.last_day if before.state in told else None
