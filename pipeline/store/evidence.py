"""What readers ask of the evidence of an account: its weeks, its tickets, its visits, how its terms changed.

A night wrote what it found otherwise than the night before, so the evidence of a night is the newest that it or an
earlier one wrote. Runs that are staged, or were replaced, are passed over: a reader of a published night sees nothing
that is not published, and nothing that came after it.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Connection, Select, and_, select

from pipeline.store.nights import Night
from pipeline.store.packed_weeks import STEP, WEEKS_A_BLOCK, monday, unpacked, week_of
from pipeline.store.schema import EVIDENCE, EVIDENCE_NIGHTS, RUNS

__all__ = [
    "SHOWN",
    "AccountEvidence",
    "Peers",
    "TermsChange",
    "Ticket",
    "VisitDay",
    "about_night",
    "evidence_of",
    "seen_by",
    "unpublished",
]

SHOWN: Final = ("kept", "oldest")
"""The states of nights of which evidence can be seen."""


@dataclass(frozen=True)
class Ticket:
    """A ticket; `mood` and `worst` run from −1 to 1 and are None where its words were not judged."""

    ticket_id: str
    opened_at: datetime
    resolved_at: datetime | None
    mood: float | None
    worst: float | None
    excerpt: str | None


@dataclass(frozen=True)
class VisitDay:
    """Visits of one day to one group of pages, and by how many people."""

    day: date
    group: str
    visits: int
    people: int


@dataclass(frozen=True)
class TermsChange:
    """What an account had until a day, and from it on: running terms, MRR, seats (the most of any) and plans.

    None where it is not known, or no term ran.
    """

    day: date
    terms_before: int
    terms: int
    mrr_before: float | None
    mrr: float | None
    seats_before: float | None
    seats: float | None
    plan_before: str | None
    plan: str | None


@dataclass(frozen=True)
class Peers:
    """The middle values of a night's customers by feature: of all, or of those of one segment."""

    segment: str | None
    accounts: int
    middle: Mapping[str, float]


@dataclass(frozen=True)
class AccountEvidence:
    """The evidence of one account in one night.

    Attributes
    ----------
    weeks
        The Mondays of 53 weeks, oldest first; the last one is that of the day before the night.
    series
        Of each week: `usage` (quantities), `active_days`, `active_users`, and `GROUP_visits` for each group of pages.
        None for weeks that were over before the source began to record. Absent where the company has no such table.
    lost
        The days that a source (`usage`, `page_visits`) lost for everybody: their week shows too little.
    tickets, visits, changes, renewals
        Oldest first; of a quarter with very many, the newest. A renewal is the day on which a commitment had run out.
    peers
        Of all customers first, then of each large segment; none of nights that an older churn published.
    """

    weeks: tuple[date, ...]
    series: Mapping[str, tuple[float | None, ...]]
    lost: Mapping[str, tuple[date, ...]]
    tickets: tuple[Ticket, ...] = ()
    visits: tuple[VisitDay, ...] = ()
    changes: tuple[TermsChange, ...] = ()
    renewals: tuple[date, ...] = ()
    peers: tuple[Peers, ...] = ()


def evidence_of(connection: Connection, of: Night, account_id: str) -> AccountEvidence | None:
    """The evidence of an account as that night saw it; None where the night has none, or keeps it no longer.

    An account that the night did not look at is one that has nothing: ask `nights.account` whether it is there.
    """
    nights = EVIDENCE_NIGHTS.c
    own = connection.execute(select(nights.about).where(nights.run_id == of.run_id, nights.state.in_(SHOWN))).scalar()
    if own is None:
        return None
    wanted = (
        select(EVIDENCE.c.kind, EVIDENCE.c.block, EVIDENCE.c.content, nights.about)
        .join(EVIDENCE_NIGHTS, nights.number == EVIDENCE.c.night)
        .where(EVIDENCE.c.account_id == account_id, seen_by(of.as_of))
        .order_by(nights.as_of)
    )
    newest = {(kind, block): (content, written) for kind, block, content, written in connection.execute(wanted)}
    about = about_night(own)
    weeks = range(about["first_week"], about["last_week"] + 1)
    told = _told((content for (kind, _), (content, _) in sorted(newest.items()) if kind == "events"), monday(weeks[0]))
    return AccountEvidence(
        weeks=tuple(map(monday, weeks)),
        series={name: _known(name, values, about) for name, values in _values(newest, about).items()},
        lost={source: tuple(map(date.fromisoformat, days)) for source, days in about["lost"].items()},
        tickets=tuple(map(_ticket, told["ticket"])),
        visits=tuple(VisitDay(**_dated(each)) for each in told["visits"]),
        changes=tuple(TermsChange(**_dated(each)) for each in told["change"]),
        renewals=tuple(date.fromisoformat(each["day"]) for each in told["renewal"]),
        peers=tuple(Peers(**each) for each in about.get("peers", ())),
    )


@lru_cache(maxsize=64)
def about_night(text: str) -> Mapping[str, Any]:
    """What a night says of all accounts; it is the same for all of them, and long. Not to be changed."""
    return cast("Mapping[str, Any]", json.loads(text))


def seen_by(as_of: date) -> ColumnElement[bool]:
    """Nights of `evidence_nights` whose evidence a reader of that night sees, where no later one wrote the same.

    A night whose run has expired, or is gone, was published once: later nights still show what it wrote.
    """
    return and_(EVIDENCE_NIGHTS.c.as_of <= as_of, EVIDENCE_NIGHTS.c.run_id.not_in(unpublished()))


def unpublished() -> Select[tuple[str]]:
    """The runs that no reader may see: staged ones, and those that were replaced."""
    return select(RUNS.c.run_id).where(RUNS.c.status.in_(("staged", "superseded")))


def _values(newest: Mapping[tuple[str, int], tuple[bytes, str]], about: Mapping[str, Any]) -> dict[str, list[float]]:
    """The values of each series by week, 0 where nothing is stored, as the night that wrote them names its series."""
    weeks = range(about["first_week"], about["last_week"] + 1)
    found: dict[str, list[float]] = {name: [0] * len(weeks) for name in about["series"]}
    for (kind, block), (content, written) in newest.items():
        if kind != "weeks" or not content:
            continue
        series = about_night(written)["series"]
        for name, values in zip(series, unpacked(content, len(series)), strict=True):
            for week, value in enumerate(values, block * WEEKS_A_BLOCK):
                if name in found and week in weeks:
                    found[name][week - weeks.start] = value
    return found


def _known(name: str, values: list[float], about: Mapping[str, Any]) -> tuple[float | None, ...]:
    """The values, None for weeks that were over before the source recorded anything."""
    since = about["since"]["page_visits" if name.endswith("_visits") else "usage"]
    if since is None:
        return (None,) * len(values)
    unknown = max(0, week_of(date.fromisoformat(since)) - about["first_week"])
    return (*(None for _ in values[:unknown]), *values[unknown:])


def _told(contents: Iterable[bytes], first: date) -> dict[str, list[dict[str, Any]]]:
    """What happened from a day on, by its kind."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for content in contents:
        for each in json.loads(content or b"[]"):
            if (each.get("day") or each["opened_at"]) >= str(first):
                found[each.pop("kind")].append(each)
    return found


def _dated(told: dict[str, Any]) -> dict[str, Any]:
    return told | {"day": date.fromisoformat(told["day"])}


def _ticket(told: dict[str, Any]) -> Ticket:
    opened, resolved = (_instant(told[name]) for name in ("opened_at", "resolved_at"))
    assert opened is not None
    moods = {name: None if told[name] is None else told[name] / STEP for name in ("mood", "worst")}
    return Ticket(**told | moods | {"opened_at": opened, "resolved_at": resolved})


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)
