"""The team: what is expected to be lost, what came of an earlier forecast, what was missed, who has how much to do."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from markupsafe import Markup
from sqlalchemy import Connection

from pipeline.addresses import recipient
from pipeline.console.account_query import EVERYBODY, AccountQuery, UnknownValue, read_query
from pipeline.console.entries import title
from pipeline.console.pictures.strip import strip
from pipeline.console.teams import Teams
from pipeline.headline import by_rules
from pipeline.last_week import Dealt, dealt_with
from pipeline.lost import NotYet, Said
from pipeline.store.departures import kept
from pipeline.store.lines import Line, lines_of, stood
from pipeline.store.movements import night_before
from pipeline.store.nights import Night, night
from pipeline.store.selection import MISSING
from pipeline.store.totals import BY, By, Total
from pipeline.unlisted import Gone
from pipeline.waterfall import as_shown

__all__ = ["Asked", "Group", "Left", "Load", "Measure", "Missed", "Share", "Team", "Undone", "Waiting", "team_of"]

Measure = Literal["value", "departures", "high"]
"""MRR expected to be lost; where no MRR is known, accounts expected to leave; of rules' order, accounts in high."""

WEEK: Final = 7
_SHOWN: Final = 10
_MOST: Final = 100
"""Rows of a kind, unfolded: the others are told in one."""


@dataclass(frozen=True)
class Asked:
    """What the page is made from: both stores, the night, what is remembered of it, what the settings say."""

    published: Connection
    people: Connection
    night: Night
    teams: Teams
    calls_per_week: int


@dataclass(frozen=True)
class Share:
    """A row: what its accounts come to, how many they are, and the address that finds them, where there is one.

    `name` is None for those that have none. Amounts are rounded so that as printed those of a group add up.
    """

    name: str | None
    amount: float
    accounts: int
    link: str | None
    bar: Markup


@dataclass(frozen=True)
class Group:
    """All accounts told apart by one thing: the first rows, those that are folded, and what the rest comes to."""

    by: By
    rows: tuple[Share, ...]
    folded: tuple[Share, ...]
    kinds_left: int
    left: Share | None


@dataclass(frozen=True)
class Load:
    """How many entries of a person's book take a call, and for how many weeks these are work."""

    person: str | None
    calls: int
    weeks: float
    bar: Markup


@dataclass(frozen=True)
class Left:
    """An account that left without ever having been listed. `risk` is None where there was none to be shown."""

    account_id: str
    title: str
    left_on: date
    line: Line
    risk: float | None
    has_page: bool


@dataclass(frozen=True)
class Missed:
    """Who left since a night without ever having been listed; `left` counts all who have left since."""

    since: date
    left: int
    rows: tuple[Left, ...]
    is_more: bool


@dataclass(frozen=True)
class Waiting:
    """An entry that stood on a list a week ago and was left alone."""

    account_id: str
    title: str
    mrr: float | None
    has_page: bool


@dataclass(frozen=True)
class Undone:
    """What was done about a person's list of a week ago."""

    person: str | None
    dealt: Dealt
    waiting: tuple[Waiting, ...]


@dataclass(frozen=True)
class Team:
    """The page. `missed`, and `undone` with its night, are None where no night is old enough to tell."""

    night: Night
    measure: Measure
    has_mrr: bool
    customers: int
    mrr: float
    amount: float
    said: Said | NotYet
    missed: Missed | None
    listed_on: date | None
    undone: tuple[Undone, ...]
    load: tuple[Load, ...]
    groups: tuple[Group, ...]


def team_of(asked: Asked) -> Team:
    """All that the page shows, of one night."""
    of = asked.night
    found = asked.teams.totals(asked.published, of)
    people = _by_person(found["owner"])
    has_mrr = any(each.mrr for each in people)
    measure: Measure = "high" if by_rules(of.headline) is not None else "value" if has_mrr else "departures"
    groups = tuple(_group(by, people if by == "owner" else found[by], measure) for by in BY)
    before = night_before(asked.published, of.as_of, WEEK)
    if before is not None and (of.as_of - before.as_of).days >= 2 * WEEK:
        before = None
    return Team(
        night=of,
        measure=measure,
        has_mrr=has_mrr,
        customers=sum(each.customers for each in people),
        mrr=math.fsum(each.mrr for each in people),
        amount=_shown([_amount(each, measure) for each in people], measure)[1],
        said=asked.teams.said(asked.published, of),
        missed=_missed(asked),
        listed_on=before.as_of if before else None,
        undone=tuple(_undone(asked, before)) if before else (),
        load=tuple(_load(people, asked.calls_per_week)),
        groups=groups,
    )


def _by_person(found: Sequence[Total]) -> list[Total]:
    """Owners written in several ways are one person."""
    people: dict[str | None, list[Total]] = {}
    for each in found:
        people.setdefault(None if each.what is None else recipient(each.what), []).append(each)
    return [
        Total(
            what=who,
            accounts=sum(each.accounts for each in same),
            high=sum(each.high for each in same),
            customers=sum(each.customers for each in same),
            departures=math.fsum(each.departures for each in same),
            mrr=math.fsum(each.mrr for each in same),
            value_at_risk=math.fsum(each.value_at_risk for each in same),
            calls=sum(each.calls for each in same),
        )
        for who, same in people.items()
    ]


# ---------------------------------------------------------------------------------------------------------------------
# What is at stake


def _amount(of: Total, measure: Measure) -> float:
    return {"value": of.value_at_risk, "departures": of.departures, "high": float(of.high)}[measure]


def _shown(amounts: Sequence[float], measure: Measure) -> tuple[list[float], float]:
    """The amounts as they are printed, and what they add up to as printed."""
    decimals = 1 if measure == "departures" else 0
    rows = list(as_shown(0.0, amounts, decimals))
    return rows, round(math.fsum(rows), decimals)


def _group(by: By, found: Sequence[Total], measure: Measure) -> Group:
    ordered = sorted(found, key=lambda each: (-_amount(each, measure), each.what is None, each.what or ""))
    amounts, _ = _shown([_amount(each, measure) for each in ordered], measure)
    longest = max(amounts, default=0.0) or 1.0
    band = "high" if measure == "high" else ""
    rows = [
        Share(
            name=each.what,
            amount=amount,
            accounts=each.high if band else each.accounts,
            link=_link(by, each.what, band),
            bar=strip(amount / longest),
        )
        for each, amount in zip(ordered, amounts, strict=True)
    ]
    rest = rows[_MOST:]
    left = Share(None, math.fsum(each.amount for each in rest), sum(each.accounts for each in rest), None, Markup())
    return Group(by, tuple(rows[:_SHOWN]), tuple(rows[_SHOWN:_MOST]), len(rest), left if rest else None)


def _link(by: By, what: str | None, band: str) -> str | None:
    """The address of the table with these accounts; None for a name that an address cannot ask for."""
    of: dict[str, Any] = {by: MISSING if what is None else what}
    asked = AccountQuery(band=band, **of)
    try:
        is_same = read_query(asked.filters) == asked
    except UnknownValue:
        return None
    is_name = what is None or what not in {"", MISSING, EVERYBODY}
    return asked.link() if is_same and is_name else None


def _load(people: Sequence[Total], calls_per_week: int) -> Iterator[Load]:
    """The longest first; those without customers who may be called are told, too."""
    longest = max([calls_per_week, *(each.calls for each in people)])
    for each in sorted(people, key=lambda each: (-each.calls, each.what is None, each.what or "")):
        bar = strip(each.calls / longest, calls_per_week / longest)
        if each.customers:
            yield Load(each.what, each.calls, each.calls / calls_per_week, bar)


# ---------------------------------------------------------------------------------------------------------------------
# What was missed


def _missed(asked: Asked) -> Missed | None:
    days = int(asked.night.headline["horizon_days"])
    rules = {"days": days, "calls_per_week": asked.calls_per_week}
    found = asked.teams.unlisted(asked.published, asked.people, asked.night, **rules)
    if found is None:
        return None
    lines = stood(asked.published, ((each.told_by, each.account_id) for each in found.found))
    both = ((each, lines.get((each.told_by, each.account_id))) for each in found.found)
    rows = [(each, line) for each, line in both if line is not None]
    has_numbers = _has_numbers(asked, {each.told_by for each, _ in rows})
    has_page = _with_pages(asked, [line.account_id for _, line in rows])

    def left(each: Gone, line: Line) -> Left:
        risk = line.risk if line.band and has_numbers[line.as_of] else None
        return Left(line.account_id, title([line]), each.left_on, line, risk, line.account_id in has_page)

    return Missed(found.since, found.left, tuple(left(*row) for row in rows), found.is_more)


def _has_numbers(asked: Asked, days: Collection[date]) -> Mapping[date, bool]:
    """Of which of these nights risks may be told: what rules order has none."""
    found = {day: night(asked.published, day) for day in days}
    return {day: of is not None and by_rules(of.headline) is None for day, of in found.items()}


def _with_pages(asked: Asked, ids: Collection[str]) -> set[str]:
    return kept(asked.published, ids) | lines_of(asked.published, asked.night, ids).keys()


def _undone(asked: Asked, before: Night) -> list[Undone]:
    """By person, those with most left alone first."""
    lists = asked.teams.began(asked.published, asked.people, before, asked.calls_per_week)
    dealt = dealt_with(asked.people, before, lists)
    ids = [account_id for each in dealt.values() for account_id in each.open]
    lines = stood(asked.published, ((before.as_of, account_id) for account_id in ids))
    has_page = _with_pages(asked, ids)

    def waiting(each: Dealt) -> Iterator[Waiting]:
        for account_id in each.open:
            if (line := lines.get((before.as_of, account_id))) is not None:
                yield Waiting(account_id, title([line]), line.mrr, account_id in has_page)

    found = [Undone(who, each, tuple(waiting(each))) for who, each in dealt.items()]
    return sorted(found, key=lambda each: (-len(each.dealt.open), each.person is None, each.person or ""))
