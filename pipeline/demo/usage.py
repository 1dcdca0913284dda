"""What the customers do in the product, a file a month: one row a user, day and event, with a quantity."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from pipeline.demo import versions
from pipeline.demo.dates import FIRST, FIRST_MONDAY, LAST, WEEKS, Flags, Floats, day_number
from pipeline.demo.hazard import INDUSTRIES
from pipeline.demo.life import Company
from pipeline.demo.population import COUNTRIES
from pipeline.demo.tables import Columns, Words
from pipeline.demo.terms import Terms
from pipeline.demo.users import MAIN_PLACE, People

EVENTS: Final = (
    "login",
    "shift_published",
    "shift_swapped",
    "timesheet_approved",
    "timesheet_exported",
    "leave_requested",
    "rota_template_saved",
    "report_viewed",
    "staff_invited",
    "mobile_checkin",
)
_SHARE: Final = np.array([0.24, 0.2, 0.11, 0.1, 0.09, 0.08, 0.04, 0.06, 0.02, 0.06])
_ADOPTED: Final = np.array([1.0, 0.97, 0.75, 0.7, 0.65, 0.75, 0.4, 0.55, 0.5, 0.55])
_FIT_NARROWS: Final = 1.5
"""Accounts that the product fits badly take up fewer of its events: the chance is raised to exp(this times fit)."""
_AT_ONCE: Final = np.array([1.0, 5.0, 1.4, 4.0, 1.0, 1.3, 1.0, 1.6, 1.8, 14.0])
"""Mean quantity of a row, by event."""
_LOGIN, _EXPORT, _CHECKIN = EVENTS.index("login"), EVENTS.index("timesheet_exported"), EVENTS.index("mobile_checkin")

OUTAGE: Final = tuple(day_number(date(2026, 4, day)) for day in (7, 8, 9))
"""Three days on which the tracker lost everything."""

LATE_SHARE: Final = 0.006
_ROWS_A_WEEK: Final = 2.35
_WEEKDAYS: Final = np.array([1.25, 1.1, 1.05, 1.05, 1.2, 0.75, 0.5])
_WEEKDAYS_OFFICE: Final = np.array([1.4, 1.25, 1.15, 1.15, 1.25, 0.35, 0.1])
_SHOPS: Final = tuple(INDUSTRIES.index(name) for name in ("grocery", "fashion shop", "parcel depot"))
_CHINESE: Final = COUNTRIES.index("CN")


@dataclass(frozen=True)
class Pace:
    """Rows to be expected of each account: `weekly` (weeks, accounts) before the season of the day."""

    weekly: Floats
    open_days: Flags  # (accounts, days from FIRST on)
    habits: Floats  # running sum of the events' shares, for each account


def usage_months(
    company: Company, terms: Terms, people: People, words: tuple[list[str], list[str]], seed: int
) -> Iterator[tuple[str, Columns]]:
    """Yields each month (`2024-11`, …) with its rows by time; `words` are the ids of accounts and of users.

    Each month has its own random stream, so none depends on another and only one is held in memory.
    """
    pace = _pace(company, terms, people, np.random.default_rng([seed, 10]))
    months = np.arange(np.datetime64("2024-11"), np.datetime64("2026-12"))
    for number, month in enumerate(months):
        first = int(month.astype("datetime64[D]").astype(np.int64))
        last = min(int((month + 1).astype("datetime64[D]").astype(np.int64)), LAST)
        rng = np.random.default_rng([seed, 11, number])
        yield str(month), _rows(company, pace, people, words, (first, last), rng)


def _pace(company: Company, terms: Terms, people: People, rng: np.random.Generator) -> Pace:
    traits, population, weekly = company.people.traits, company.people, company.weekly
    count = len(population)
    noise = np.zeros((WEEKS + 1, count))
    for week in range(WEEKS + 1):
        noise[week] = 0.6 * noise[max(week - 1, 0)] + rng.normal(0.0, 0.18, count)
    away = rng.random((WEEKS + 1, count)) < 0.015
    away[1:] |= away[:-1] & (rng.random((WEEKS, count)) < 0.35)
    slump = company.slump[:, traits.industry]
    rate = (
        _ROWS_A_WEEK
        * people.at_first**0.72
        * people.growth
        * population.busy
        * np.exp(0.25 * -traits.fit)
        * ~population.unused
    )
    rate = rate * np.where(population.trial_only, 0.5, 1.0)
    factor = np.exp(noise) * (1 - 0.72 * away) * (1 - 0.16 * slump) * (1 - weekly["slack"]) ** 0.85
    adopted = _ADOPTED ** np.exp(_FIT_NARROWS * traits.fit)[:, None]
    habits = _SHARE * (rng.random((count, len(EVENTS))) < adopted) * rng.gamma(4.0, 0.25, (count, len(EVENTS)))
    habits[:, _LOGIN] += 0.02
    edges = np.cumsum(habits, axis=1)
    return Pace(rate * factor, terms.running(count, FIRST, LAST), edges / edges[:, -1:])


def _season(company: Company, day: int) -> Floats:
    """How busy a day is, against the mean, by trade and country."""
    traits = company.people.traits
    shops = np.isin(traits.industry, _SHOPS)
    weekday = (day - FIRST_MONDAY) % 7
    factor: Floats = np.where(shops, _WEEKDAYS[weekday], _WEEKDAYS_OFFICE[weekday]) / 7
    of_year = (date(1970, 1, 1) + timedelta(days=day)).timetuple().tm_yday
    if of_year >= 356 or of_year <= 3:
        factor = factor * 0.45
    elif of_year >= 330:
        factor = factor * np.where(shops, 1.3, 1.0)
    if 200 <= of_year <= 242:
        factor = factor * np.where(shops, 1.0, 0.82)
    spring_festival = any(abs(day - day_number(start) - 3) <= 4 for start in (date(2025, 1, 29), date(2026, 2, 17)))
    if spring_festival or 274 <= of_year <= 280:
        factor = factor * np.where(company.people.country == _CHINESE, 0.35, 1.0)
    return factor


def _rows(
    company: Company,
    pace: Pace,
    people: People,
    words: tuple[list[str], list[str]],
    span: tuple[int, int],
    rng: np.random.Generator,
) -> Columns:
    days = np.arange(*span)
    expected = np.stack([pace.weekly[(day - FIRST_MONDAY) // 7] * _season(company, int(day)) for day in days], axis=1)
    expected *= pace.open_days[:, days[0] - FIRST : days[-1] + 1 - FIRST]
    number = rng.poisson(expected)
    account, offset = np.divmod(np.repeat(np.arange(number.size), number.ravel()), len(days))
    day = days[offset]
    slack = company.weekly["slack"][(day - FIRST_MONDAY) // 7, account]
    place = people.somebody(account, rng.random(len(account)))
    person = people.holder(place, day)
    event = (rng.random(len(account))[:, None] > pace.habits[account]).sum(axis=1)
    gives_up_exports = (event == _EXPORT) & (rng.random(len(account)) < 1.6 * slack)
    event = np.where(gives_up_exports, _LOGIN, event)
    kiosk = (event == _CHECKIN) & (person >= 0)

    edge = np.minimum((people.place_rank[place] + 0.5) / people.at_first[account], 0.95)
    silent = (people.place_rank[place] > MAIN_PLACE) & (edge > 1 - slack) & (rng.random(len(account)) < 0.75)
    kept = (person >= 0) & ~silent & ~np.isin(day, OUTAGE)
    account, day, event, person = account[kept], day[kept], event[kept], person[kept]
    user = np.where(kiosk[kept], -1, people.number[person])

    key = ((day - FIRST) * len(company.people) + account) * len(EVENTS) + event
    order = np.lexsort((user, key))
    key, user = key[order], user[order]
    new = np.append(True, (key[1:] != key[:-1]) | (user[1:] != user[:-1]))
    times = np.diff(np.append(np.flatnonzero(new), len(key)))
    account, day, event, user = account[order][new], day[order][new], event[order][new], user[new]
    at = versions.office_hours(day, rng)
    quantity = times + rng.poisson(times * (_AT_ONCE[event] - 1))
    order = np.lexsort((user, event, account, at))
    late = versions.recorded(day, rng, LATE_SHARE)
    return {
        "account_id": Words(account[order], words[0]),
        "occurred_at": at[order],
        "event": Words(event[order], EVENTS),
        "quantity": quantity[order],
        "user_id": Words(user[order], words[1]),
        "recorded_at": late[order],
    }
