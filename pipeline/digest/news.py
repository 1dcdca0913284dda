"""News: what of a night is worth naming to the manager of an account, and what is not.

A band that changed is news where the odds moved by half with it, by what time and the customer did, and twice as far as
this account moves in any week. What another model or a source that was out has moved is counted and names nobody. Pure:
from stored accounts to news.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Final

from pipeline.addresses import recipient
from pipeline.headline import sources_out
from pipeline.store.movements import Moved
from pipeline.store.nights import AccountNight, Night

__all__ = ["MOST_NAMED", "REST_DAYS", "BookNews", "Change", "Comparison", "News", "Quiet", "book_news"]

MOST_NAMED: Final = 5
REST_DAYS: Final = 14
"""Days from one announcement of an account to its next; a notice waits for none."""

WEEK: Final = 7
_ROSE: Final = math.log(1.5)
_FELL: Final = math.log(0.5)
_UNUSUAL: Final = 2.0
"""How often the usual weekly move of an account a move has to be, lest chance be told as news."""

_BANDS: Final = ("low", "medium", "high")


class Change(StrEnum):
    """What happened to an account, the gravest first."""

    NOTICE = "notice"
    WORSE = "worse"
    NEW = "new"
    RECOVERED = "recovered"


class Quiet(StrEnum):
    """What changed a band without being news."""

    MODEL = "model"
    OUTAGE = "outage"


@dataclass(frozen=True)
class Comparison:
    """Two nights, and what must be known of them to tell news.

    `sources` are those that were out in either, `families` what the model reads from them.
    """

    of: Night
    since: Night
    bands: Mapping[str, float]
    sources: Mapping[str, tuple[date, date]]
    families: frozenset[str]

    @classmethod
    def between(cls, of: Night, since: Night, words: Mapping[str, Any]) -> "Comparison":
        """The comparison of a night with an earlier one; `words` is the catalogue of the later."""
        out = sources_out(since.headline) | sources_out(of.headline)
        read = {
            feature["family"]
            for feature in words["features"].values()
            if feature["learned"] and any(need.partition(".")[0] in out for need in feature["needs"])
        }
        return cls(of, since, words["bands"], out, frozenset(read))

    @property
    def is_told(self) -> bool:
        """Whether the later night knows what moved its accounts since the earlier one, a week or more before."""
        week_old = (self.of.as_of - self.since.as_of).days >= WEEK
        return week_old and self.of.headline.get("compared_with") == str(self.since.as_of)

    @property
    def limit(self) -> str:
        """What cannot be told of this night, and from when on it can; empty where all can."""
        if self.is_told:
            return ""
        if (self.of.as_of - self.since.as_of).days < WEEK:
            return (
                "Only notices can be told: bands are compared with a night a week older, and none before this one is; "
                f"the newest is that of {self.since.as_of}. They are told from the first night that has one."
            )
        return (
            "Only notices can be told: when this night was scored it was not compared with that of "
            f"{self.since.as_of}. The log of its run says why; if that night was published since, score this one again."
        )

    @property
    def is_other_model(self) -> bool:
        """Whether the nights go by two models."""
        return self.of.headline.get("model_digest") != self.since.headline.get("model_digest")


@dataclass(frozen=True)
class News:
    """One entry of a message: an account, or those of one parent of which it is the worst.

    `then` is what `now` was a week before, or on the night before; `accounts` are all that are announced by it.
    """

    change: Change
    now: AccountNight
    then: AccountNight
    accounts: tuple[str, ...]
    mrr: float | None
    value_at_risk: float | None


@dataclass(frozen=True)
class BookNews:
    """All there is to say to one manager. `unnamed` counts the news past the fifth, `quiet` bands that are no news."""

    recipient: str
    news: tuple[News, ...] = ()
    unnamed: Mapping[Change, int] = field(default_factory=dict)
    quiet: Mapping[Quiet, int] = field(default_factory=dict)


def book_news(
    moved: Iterable[Moved],
    compared: Comparison,
    *,
    fresh: Collection[str] | None,
    announced: Mapping[str, Collection[str]],
    usual: Mapping[str, float],
) -> list[BookNews]:
    """What to say to each manager, by address; what nobody owns is under an empty one.

    Parameters
    ----------
    moved
        Accounts whose band or notice differs between the nights of `compared`.
    fresh
        The accounts that moved since the night before: on days that are not the week's first, of these alone it is told
        that they are high now. None on the first.
    announced
        What was announced of an account in the last fortnight. A notice is told all the same, once, on any day.
    usual
        How far an account's log-odds usually move in a week, where that is known.
    """
    told: dict[str, list[tuple[Change, Moved]]] = {}
    quiet: dict[str, Counter[Quiet]] = {}
    for each in moved:
        who, found = recipient(each.now.owner or ""), _change(each, compared, usual.get(each.now.account_id, 0.0))
        if isinstance(found, Quiet):
            quiet.setdefault(who, Counter())[found] += 1
        elif found is not None and _is_due(found, each.now, fresh, announced.get(each.now.account_id, ())):
            told.setdefault(who, []).append((found, each))
    return [_of_book(who, told.get(who, []), quiet.get(who, {})) for who in sorted(told.keys() | quiet.keys())]


def _is_due(change: Change, now: AccountNight, fresh: Collection[str] | None, before: Collection[str]) -> bool:
    if change is Change.NOTICE:  # once, on whatever day a letter can be sent
        return change not in before
    is_day = fresh is None or (now.account_id in fresh and now.band == "high")
    return is_day and not before


def _change(each: Moved, compared: Comparison, usual: float) -> Change | Quiet | None:
    """What changed, or what else moved its band; None where nothing is to be said."""
    now, then = each.now, each.then
    if now.state == "leaving":
        return Change.NOTICE if then.state != "leaving" else None
    if not compared.is_told or now.band is None or now.change_data is None or now.change_time is None:
        return None
    moved = now.change_time + now.change_data  # under the former model alone
    shown = _step(then.band or _band(now, moved, compared), now.band)  # a new customer had no band
    step = _step(_band(now, moved, compared), now.band)
    if shown == 0:
        return None
    if step == 0 or not compared.families:
        return _of_band(each, moved, usual) if step * shown > 0 else Quiet.MODEL
    if compared.is_other_model:  # how far the families moved owes something to both
        return Quiet.OUTAGE
    moved -= sum(now.families.get(name, 0.0) - then.families.get(name, 0.0) for name in compared.families)
    step = _step(_band(now, moved, compared), now.band)
    return _of_band(each, moved, usual) if step * shown > 0 else Quiet.OUTAGE


def _of_band(each: Moved, moved: float, usual: float) -> Change | None:
    """What a band that changed by itself means, where the odds moved by half with it and further than usual."""
    if abs(moved) < _UNUSUAL * usual:
        return None
    now, was_listed = each.now, each.then.state == "candidate"
    if now.state == "candidate" and moved >= _ROSE:
        return Change.WORSE if was_listed else Change.NEW
    return Change.RECOVERED if now.band == "low" and was_listed and moved <= _FELL else None


def _band(now: AccountNight, moved: float, compared: Comparison) -> str:
    """The band that tonight's model would have given without what moved since."""
    risk = 1.0 / (1.0 + math.exp(moved - (now.log_odds or 0.0)))
    return "high" if risk >= compared.bands["high"] else "medium" if risk >= compared.bands["medium"] else "low"


def _step(before: str, after: str) -> int:
    return _BANDS.index(after) - _BANDS.index(before)


def _of_book(who: str, told: Sequence[tuple[Change, Moved]], quiet: Mapping[Quiet, int]) -> BookNews:
    grouped: dict[tuple[Change, str], list[Moved]] = {}
    for change, each in sorted(told, key=lambda pair: (-(pair[1].now.risk or 0.0), pair[1].now.account_id)):
        grouped.setdefault((change, each.now.root_id), []).append(each)
    entries = sorted((_entry(change, group) for (change, _), group in grouped.items()), key=_urgency)
    unnamed = Counter(entry.change for entry in entries[MOST_NAMED:])
    return BookNews(who, tuple(entries[:MOST_NAMED]), unnamed, quiet)


def _urgency(entry: News) -> tuple[Any, ...]:
    """Notices, what is high, what is medium, who recovered; in each the most money first."""
    place = {Change.NOTICE: 0, Change.RECOVERED: 3}.get(entry.change, 1 if entry.now.band == "high" else 2)
    money = entry.mrr if entry.change in {Change.NOTICE, Change.RECOVERED} else entry.value_at_risk
    return place, -(money or 0.0), -(entry.now.risk or 0.0), entry.now.account_id


def _entry(change: Change, group: Sequence[Moved]) -> News:
    worst = group[0]
    return News(
        change,
        worst.now,
        worst.then,
        tuple(each.now.account_id for each in group),
        _sum(each.now.mrr for each in group),
        _sum(each.now.value_at_risk for each in group),
    )


def _sum(amounts: Iterable[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return math.fsum(known) if known else None
