"""The table of all accounts: a page of rows, each with how its risk went, and what it can be filtered by."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

from markupsafe import Markup
from sqlalchemy import Connection, select

from pipeline.addresses import recipient
from pipeline.amounts import Language
from pipeline.console.account_query import EVERYBODY, AccountQuery
from pipeline.console.figures import odds
from pipeline.console.pictures.spark import spark
from pipeline.console.selections import Selection
from pipeline.console.texts import texts
from pipeline.headline import by_rules
from pipeline.people.forgotten import PSEUDONYM
from pipeline.printable import one_line
from pipeline.store.nights import Night
from pipeline.store.schema import PUBLISHED, RUNS, SCORES
from pipeline.store.selection import MISSING, Conditions, Order, Sort

__all__ = ["Accounts", "Row", "Whose", "accounts_page", "asked_of", "usual_sort", "whose"]

ROWS: Final = 50
WEEKS: Final = 12
"""How far a spark line goes back: a night of each week, and tonight's."""


@dataclass(frozen=True)
class Whose:
    """Whose accounts are asked for, and whose may be: `owners` are those to look among, None is everybody's.

    `person` is one person's address, `EVERYBODY` or `MISSING`; `others` are the people that may be chosen.
    """

    person: str
    owners: tuple[str | None, ...] | None
    others: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One account. What is not known, or not to be shown of its state, is None; `trend` is empty without a past."""

    account_id: str
    name: str
    owner: str | None
    segment: str | None
    plan: str | None
    state: str
    last_day: date | None
    band: str | None
    risk: float | None
    mrr: float | None
    value_at_risk: float | None
    renews_on: date | None
    family: str | None
    trend: Markup


@dataclass(frozen=True)
class Accounts:
    """A page of the table. `count` are all that were found; with `is_more` only the first of them."""

    rows: tuple[Row, ...]
    count: int
    is_more: bool
    page: int
    pages: int


def whose(owners: Iterable[str], asked: str, me: str, *, is_csm: bool, sees_all: bool) -> Whose | None:
    """Whose accounts are asked for, of all `owners` in the night; None where the visitor may not see them.

    `asked` is an owner, `EVERYBODY`, `MISSING` (nobody's) or empty: then a manager of customers sees their own.
    """
    people: dict[str, list[str]] = {}
    for owner in owners:
        people.setdefault(recipient(owner), []).append(owner)
    others = tuple(sorted(people)) if sees_all else ()
    person = recipient(asked) or (me if is_csm else EVERYBODY)
    if person == MISSING:
        return Whose(person, (None,), others)
    if person == EVERYBODY:
        return Whose(person, None if sees_all else (*people.get(me, ()), None), others)
    return Whose(person, tuple(people.get(person, ())), others) if sees_all or person == me else None


def usual_sort(of: Night) -> Sort:
    """What the table is sorted by unless asked otherwise: value at risk, or risk where no account has an MRR."""
    return "value" if of.headline.get("mrr", 1) else "risk"


def asked_of(of: Night, query: AccountQuery, owners: tuple[str | None, ...] | None) -> tuple[Conditions, Order]:
    """What the store is asked."""
    renews: tuple[date, date] | Literal["-"] | None = None
    if query.renews == MISSING:
        renews = "-"
    elif query.renews:
        renews = of.as_of, of.as_of + timedelta(days=int(query.renews))
    conditions = Conditions(
        owners=owners,
        text=query.q or None,
        state=query.state or None,
        band=query.band or None,
        segment=query.segment or None,
        plan=query.plan or None,
        family=query.family or None,
        renews=renews,
        hidden=PSEUDONYM,
    )
    return conditions, query.order(usual_sort(of))


def accounts_page(connection: Connection, of: Night, found: Selection, page: int, language: Language) -> Accounts:
    """The rows of a page of what was found; the last page for one that lies behind it."""
    pages = max(1, -(-len(found.ids) // ROWS))
    here = min(page, pages)
    ids = found.ids[(here - 1) * ROWS : here * ROWS]
    return Accounts(tuple(_rows(connection, of, ids, language)), len(found.ids), found.is_more, here, pages)


_TOLD: Final = [
    SCORES.c[name]
    for name in (
        "account_id", "name", "owner", "segment", "plan", "state", "last_day",
        "band", "risk", "mrr", "value_at_risk", "renews_on", "largest_family",
    )
]  # fmt: skip


def _rows(connection: Connection, of: Night, ids: Sequence[str], language: Language) -> Iterator[Row]:
    """In the order of the ids; without whom a run that forgets has taken away meanwhile."""
    wanted = select(*_TOLD).where(SCORES.c.run_id == of.run_id, SCORES.c.account_id.in_(ids))
    known = {row.account_id: row for row in connection.execute(wanted)}
    has_numbers = by_rules(of.headline) is None
    past = _past_risks(connection, of, ids) if has_numbers else {}
    for account_id in ids:
        if (row := known.get(account_id)) is not None:
            is_told = has_numbers and row.band is not None
            yield Row(
                account_id=account_id,
                name=one_line(row.name or account_id),
                owner=row.owner,
                segment=row.segment,
                plan=row.plan,
                state=row.state,
                last_day=row.last_day,
                band=row.band,
                risk=row.risk if is_told else None,
                mrr=row.mrr,
                value_at_risk=row.value_at_risk if is_told else None,
                renews_on=row.renews_on,
                family=row.largest_family,
                trend=_trend(past.get(account_id, ()), language) if is_told else Markup(),
            )


def _past_risks(connection: Connection, of: Night, ids: Collection[str]) -> dict[str, list[float | None]]:
    """Risks by account, one for each week, oldest first, tonight's last; None where there was none."""
    places = {run_id: WEEKS - weeks for weeks, run_id in _nights_by_week(connection, of).items()}
    wanted = select(SCORES.c.run_id, SCORES.c.account_id, SCORES.c.risk)
    of_them = wanted.where(SCORES.c.run_id.in_(places), SCORES.c.account_id.in_(ids))
    found: dict[str, list[float | None]] = {}
    for run_id, account_id, risk in connection.execute(of_them):
        found.setdefault(account_id, [None] * (WEEKS + 1))[places[run_id]] = risk
    return found


def _nights_by_week(connection: Connection, of: Night) -> dict[int, str]:
    """The newest night of each week, by how many weeks ago it was; nights that rules ordered have no risks to show."""
    nights = (
        select(PUBLISHED.c.as_of, PUBLISHED.c.run_id)
        .where(PUBLISHED.c.as_of >= of.as_of - timedelta(weeks=WEEKS), PUBLISHED.c.as_of <= of.as_of)
        .order_by(PUBLISHED.c.as_of)
    )
    by_week = {(of.as_of - as_of).days // 7: run_id for as_of, run_id in connection.execute(nights)}
    headlines = select(RUNS.c.run_id, RUNS.c.headline).where(RUNS.c.run_id.in_(by_week.values()))
    learned = {run_id for run_id, told in connection.execute(headlines) if by_rules(json.loads(told)) is None}
    return {weeks: run_id for weeks, run_id in by_week.items() if run_id in learned}


def _trend(risks: Sequence[float | None], language: Language) -> Markup:
    known = [risk for risk in risks if risk is not None]
    if len(known) < 2:
        return Markup()
    then, now = odds(known[0], language), odds(known[-1], language)
    return spark(risks, texts(language)("accounts.trend_from", then=then, now=now))
