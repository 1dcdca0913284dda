"""The smaller tables: page visits, surveys, and the calls of the customer success managers."""

from typing import Final

import numpy as np

from pipeline.demo import versions
from pipeline.demo.accounts import Register
from pipeline.demo.dates import FIRST, FIRST_MONDAY, LAST, WEEKS, Floats, Ints
from pipeline.demo.events import END, VOLUNTARY
from pipeline.demo.life import Company
from pipeline.demo.owners import NOBODY, STAFF
from pipeline.demo.tables import Columns, Words
from pipeline.demo.terms import Terms
from pipeline.demo.texts import MORE, write_texts
from pipeline.demo.users import People

PATHS: Final = (
    "/docs/rota-templates",
    "/docs/payroll-export",
    "/docs/mobile-app",
    "/billing/invoices",
    "/status",
    "/pricing",
    "/plans/compare",
    "/account/cancel",
    "/refund-policy",
    "/downgrade",
)
_INNOCENT: Final = np.array([0.07, 0.05, 0.05, 0.09, 0.04, 0.012, 0.007, 0.0016, 0.0012, 0.001])
"""Visits of a contented small account in a week, by path."""
_INTENT: Final = np.array([0.0, 0.1, 0.0, 0.15, 0.0, 0.16, 0.11, 0.27, 0.16, 0.12])
"""More of them in a week in which an account means to leave, whatever its size."""
_SHOCK: Final = np.array([0.0, 0.0, 0.0, 0.12, 0.0, 0.13, 0.12, 0.01, 0.01, 0.05])
"""More of them in a week in which the price has just risen steeply."""
_CANCEL: Final = PATHS.index("/account/cancel")
_TIER_VISITS: Final = np.array([1.0, 1.9, 3.5])

NPS, CSAT = 0, 1
_CALLS: Final = np.array([0.012, 0.06, 0.3])
CONTACTS: Final = ("call", "email", "meeting")


def page_visits(
    company: Company, terms: Terms, people: People, words: tuple[list[str], list[str]], rng: np.random.Generator
) -> Columns:
    """The table: innocent visits at any time, more to prices and ways out while an account means to leave."""
    weekly, traits = company.weekly, company.people.traits
    weeks: list[Ints] = []
    paths: list[Ints] = []
    for place in range(len(PATHS)):
        rate = _INNOCENT[place] * _TIER_VISITS[traits.tier] * ~company.people.unused
        rate = (
            rate
            + _INTENT[place] * weekly["intent"][:WEEKS]
            + _SHOCK[place] * np.minimum(weekly["shock"][:WEEKS], 1.5) / 1.5
        )
        number = rng.poisson(rate)
        weeks.append(np.repeat(np.arange(number.size), number.ravel()))
        paths.append(np.full(len(weeks[-1]), place))
    path: Ints = np.concatenate(paths)
    week, account = np.divmod(np.concatenate(weeks), len(company.people))
    day: Ints = FIRST_MONDAY + 7 * week + rng.integers(0, 7, len(account))
    there = _there(terms, len(company.people), account, day)
    leaving = company.events
    goes = (leaving["kind"] == END) & (leaving["reason"] == VOLUNTARY) & (leaving["notice_on"] > LAST)
    goes &= (rng.random(len(goes)) < 0.6) & (leaving["day"] >= FIRST) & (leaving["day"] < LAST)
    account = np.concatenate([account[there], leaving["account"][goes]])
    path = np.concatenate([path[there], np.full(int(goes.sum()), _CANCEL)])
    day = np.concatenate([day[there], leaving["day"][goes]])
    person = people.holder(people.somebody(account, rng.random(len(account)) ** 2), day)
    at = versions.office_hours(day, rng)
    order = np.lexsort((path, account, at))
    return {
        "account_id": Words(account[order], words[0]),
        "visited_at": at[order],
        "path": Words(path[order], PATHS),
        "user_id": Words(np.where(person < 0, -1, people.number[person])[order], words[1]),
        "recorded_at": versions.recorded(day[order], rng, 0.01),
    }


def _there(terms: Terms, accounts: int, account: Ints, day: Ints) -> Ints:
    open_days = terms.running(accounts, FIRST, LAST)
    inside = (day >= FIRST) & (day < LAST)
    return np.flatnonzero(inside & open_days[account, np.clip(day - FIRST, 0, LAST - FIRST - 1)])


def feedback(company: Company, terms: Terms, account_ids: list[str], rng: np.random.Generator) -> Columns:
    """The table: quarterly NPS surveys and occasional CSAT ones, answered by some, most readily by the content."""
    weekly = company.weekly
    count = len(company.people)
    quarter = (np.arange(WEEKS)[:, None] + np.arange(count)[None, :] * 5) % 13 == 0
    mood = 1.0 - 0.9 * weekly["anger"][:WEEKS] - 0.45 * weekly["slack"][:WEEKS] - 0.25 * weekly["intent"][:WEEKS]
    asked = rng.random((WEEKS, count))
    answers = np.where(quarter, asked < 0.1 + 0.13 * mood, asked > 0.9965)
    week, account = np.nonzero(
        answers & (company.people.created[None, :] < FIRST_MONDAY + 7 * np.arange(WEEKS)[:, None] - 30)
    )
    day = FIRST_MONDAY + 7 * week + rng.integers(0, 7, len(week))
    there = _there(terms, count, account, day)
    week, account, day = week[there], account[there], day[there]
    kind = np.where(quarter[week, account], NPS, CSAT)
    liking: Floats = mood[week, account] - 0.3 * company.people.traits.fit[account] + rng.normal(0.0, 0.16, len(week))
    score = np.where(kind == NPS, np.clip(np.rint(8.4 * liking), 0, 10), np.clip(np.rint(1 + 3.4 * liking), 1, 5))
    tone = np.where(
        liking > 0.85, MORE.index("praise"), np.where(liking > 0.55, MORE.index("middling"), MORE.index("complaint"))
    )
    comment = np.where(rng.random(len(week)) < 0.4, tone, -1)
    at = versions.office_hours(day, rng)
    order = np.lexsort((account, at))
    texts = write_texts(comment, MORE, company.people.chinese[account], rng)
    return {
        "account_id": Words(account[order], account_ids),
        "submitted_at": at[order],
        "kind": Words(kind[order], ("nps", "csat")),
        "score": score[order],
        "comment": texts.take(order),
        "recorded_at": versions.recorded(day[order], rng),
    }


def interactions(company: Company, terms: Terms, book: Register, rng: np.random.Generator) -> Columns:
    """The table: routine contacts by size of account, and more of them while an account is in trouble.

    They change nothing about the hazard, so that no effect of calls is hidden in the company.
    """
    weekly, traits = company.weekly, company.people.traits
    number = rng.poisson(_CALLS[traits.tier] * (1 + 1.5 * weekly["troubled"][:WEEKS]))
    week, account = np.divmod(np.repeat(np.arange(number.size), number.ravel()), len(company.people))
    day = FIRST_MONDAY + 7 * week + rng.integers(0, 5, len(week))
    there = _there(terms, len(company.people), account, day)
    account, day = account[there], day[there]
    owner = book.owners.on(account, day)
    owned = owner != NOBODY
    account, day, owner = account[owned], day[owned], owner[owned]
    kind = rng.choice(3, len(account), p=(0.35, 0.5, 0.15))
    inbound = rng.random(len(account)) < 0.3
    at = versions.office_hours(day, rng)
    order = np.lexsort((account, at))
    return {
        "account_id": Words(account[order], book.ids),
        "occurred_at": at[order],
        "kind": Words(kind[order], CONTACTS),
        "direction": Words(inbound.astype(np.int64)[order], ("out", "in")),
        "by": Words(owner[order], STAFF),
        "recorded_at": versions.recorded(day[order], rng),
    }
