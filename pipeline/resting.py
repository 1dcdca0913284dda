"""Resting: who is left in peace for a while after what was done, who is back early and why, who comes in their place.

Nothing here changes a risk or a rank: it decides who is shown. Pure, from stored lines and actions to lists, and asked
again every time a page is read, so what holds is always said of tonight.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from pipeline.people.actions import Action
from pipeline.store.lines import LEAVING, Line

__all__ = [
    "NEAR_DAYS",
    "Candidate",
    "Early",
    "Formed",
    "Return",
    "Then",
    "candidate",
    "formed",
    "is_live",
    "newest",
    "returned",
]

NEAR_DAYS: Final = 30
"""A renewal within so many days wakes whoever rests."""

_ROSE: Final = math.log(1.5)
_BANDS: Final = ("low", "medium", "high")


class Early(StrEnum):
    """Why an account is back before its rest is over, the gravest first."""

    NOTICE = "notice"
    BAND = "band"
    ODDS = "odds"
    RENEWAL = "renewal"


@dataclass(frozen=True)
class Return:
    """An account that is back early. `then` is how it stood on the night of the action, where that is known."""

    why: Early
    now: Line
    then: Line | None
    action: Action


@dataclass(frozen=True)
class Then:
    """What is known of earlier nights: how accounts stood, and what model the night had with which tonight is compared.

    `bands` are where tonight's bands begin.
    """

    lines: Mapping[tuple[date, str], Line]
    bands: Mapping[str, float]
    compared_model: str | None = None


@dataclass(frozen=True)
class Candidate:
    """An entry of a book that takes a call: its accounts, the worst first, and what was done about any of them last."""

    lines: tuple[Line, ...]
    action: Action | None = None
    early: Return | None = None
    is_resting: bool = False

    @property
    def worst(self) -> Line:
        """The account to speak of."""
        return self.lines[0]


@dataclass(frozen=True)
class Formed:
    """A list and who is not on it: who rests, and who comes next. Each in the order of the book."""

    listed: tuple[Candidate, ...]
    resting: tuple[Candidate, ...]
    beyond: tuple[Candidate, ...]


def formed(candidates: Iterable[Candidate], capacity: int) -> Formed:
    """The first `capacity` that do not rest; it is never filled up with others."""
    listed: list[Candidate] = []
    resting: list[Candidate] = []
    beyond: list[Candidate] = []
    for each in candidates:
        (resting if each.is_resting else listed if len(listed) < capacity else beyond).append(each)
    return Formed(tuple(listed), tuple(resting), tuple(beyond))


def newest(lines: Sequence[Line], actions: Mapping[str, Action]) -> Action | None:
    """What was done last about any account of an entry: they take one call."""
    done = (actions[line.account_id] for line in lines if line.account_id in actions)
    return max(done, key=lambda action: (action.at, action.action_id), default=None)


def is_live(action: Action | None, day: date) -> bool:
    """Whether the rest that an action gave is not over on that day."""
    return action is not None and action.rests_until is not None and day < action.rests_until


def candidate(lines: Sequence[Line], action: Action | None, then: Then, day: date) -> Candidate:
    """An entry with what was done last: it rests until the day that this says, unless one of it is back early."""
    if action is None or not is_live(action, day):
        return Candidate(tuple(lines), action)
    back = [found for line in lines if (found := returned(line, action, then, day)) is not None]
    early = min(back, key=lambda found: list(Early).index(found.why), default=None)  # of equals that of the worst
    return Candidate(tuple(lines), action, early, is_resting=early is None)


def returned(now: Line, action: Action, then: Then, day: date) -> Return | None:
    """Whether an account whose rest is not over is back early; None where it is not."""
    before = then.lines.get((action.as_of, now.account_id))
    why = _why(now, before, action, then, day)
    return None if why is None else Return(why, now, before, action)


def _why(now: Line, before: Line | None, action: Action, then: Then, day: date) -> Early | None:
    if now.state == LEAVING:
        return Early.NOTICE if before is None or before.state != LEAVING else None
    if before is not None and now.log_odds is not None and before.log_odds is not None:
        moved_by_model = _moved_by_model(now, before, then)
        band = now.band if not moved_by_model else _band(now.log_odds - moved_by_model, then.bands)
        if _place(band) > _place(before.band or _band(before.log_odds, then.bands)):
            return Early.BAND
        if moved_by_model is not None and now.log_odds - moved_by_model - before.log_odds >= _ROSE:
            return Early.ODDS
    was_near = _is_near(before.renews_on, action.as_of) if before else _is_near(now.renews_on, action.as_of)
    return Early.RENEWAL if _is_near(now.renews_on, day) and not was_near else None


def _moved_by_model(now: Line, before: Line, then: Then) -> float | None:
    """By how much tonight's log-odds owe to another model; None where nobody can tell.

    What a new model thinks of everybody is no news of this account.
    """
    if now.model == before.model:
        return 0.0
    return now.change_model if before.model == then.compared_model else None


def _band(log_odds: float, bands: Mapping[str, float]) -> str:
    risk = 1.0 / (1.0 + math.exp(-log_odds))
    return "high" if risk >= bands["high"] else "medium" if risk >= bands["medium"] else "low"


def _place(band: str | None) -> int:
    """Where no band is shown, as of new customers, none has risen."""
    return _BANDS.index(band) if band is not None else -1


def _is_near(renews_on: date | None, day: date) -> bool:
    return renews_on is not None and day <= renews_on <= day + timedelta(days=NEAR_DAYS)
