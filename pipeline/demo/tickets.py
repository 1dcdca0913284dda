"""Support: tickets as they are opened, answered, solved, opened again and rated, and the messages within them."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from pipeline.demo import versions
from pipeline.demo.dates import DAY, FIRST, FIRST_MONDAY, LAST, NEVER, WEEKS, Flags, Floats, Ints
from pipeline.demo.life import Company
from pipeline.demo.tables import Columns, Words, take
from pipeline.demo.terms import Terms
from pipeline.demo.texts import KINDS, MORE, write_texts

PRIORITIES: Final = ("low", "normal", "high", "urgent")
_WEEKLY: Final = np.array([0.045, 0.1, 0.42])
"""Tickets of a contented account in a week, by tier."""
_WEEKLY_IN_TROUBLE: Final = np.array([0.5, 0.7, 1.3])
"""More of them while support goes wrong."""
_NO_TIME: Final = NEVER * DAY
_CALM_MIX: Final = (0.37, 0.29, 0.05, 0.0, 0.0, 0.02, 0.03, 0.01, 0.03, 0.012, 0.13, 0.058, 0.0)
_ANGRY_MIX: Final = (0.05, 0.13, 0.28, 0.15, 0.07, 0.16, 0.03, 0.05, 0.04, 0.02, 0.01, 0.0, 0.0)


@dataclass(frozen=True)
class Desk:
    """One entry a ticket, by time of opening; times in seconds, `NEVER` days where something did not happen."""

    account: Ints
    opened: Ints
    kind: Ints
    cross: Flags
    answered: Ints
    solved: Ints
    reopened: Ints
    solved_again: Ints
    rated: Ints
    csat: Floats
    priority: Ints


def desk_of(company: Company, terms: Terms, rng: np.random.Generator) -> Desk:
    """All tickets of the two years with their course, drawn from the hidden state of the week of their opening."""
    people, weekly = company.people, company.weekly
    count = len(people)
    open_days = terms.running(count, FIRST, LAST)
    troubled, anger = weekly["troubled"][:WEEKS], weekly["anger"][:WEEKS]
    tier = people.traits.tier
    calm = _WEEKLY[tier] * (1 - 0.3 * weekly["slack"][:WEEKS])
    upset = _WEEKLY_IN_TROUBLE[tier] * troubled + 0.16 * anger
    rate = (calm + upset + 0.07 * weekly["intent"][:WEEKS] + 0.05 * (weekly["shock"][:WEEKS] > 0.6)) * ~people.unused
    number = rng.poisson(rate)
    week, account = np.divmod(np.repeat(np.arange(number.size), number.ravel()), count)
    day = FIRST_MONDAY + 7 * week + rng.choice(7, len(week), p=(0.21, 0.19, 0.18, 0.17, 0.16, 0.05, 0.04))
    kept = (day >= FIRST) & open_days[account, np.maximum(day - FIRST, 0)]
    account, day, week = account[kept], day[kept], week[kept]
    opened = versions.office_hours(day, rng)
    order = np.lexsort((account, opened))
    account, opened, week = account[order], opened[order], week[order]

    upset = anger[week, account]
    cross = rng.random(len(account)) < 0.03 + 0.8 * upset
    kind = _kinds(company, account, week, cross, opened, rng)
    slow = troubled[week, account].astype(bool)
    return _course(account, opened, kind, cross, slow, upset, rng)


def _kinds(company: Company, account: Ints, week: Ints, cross: Flags, opened: Ints, rng: np.random.Generator) -> Ints:
    """The occasion of each ticket, by mood, intent to leave, price and age of the account."""
    weekly = company.weekly
    draw = rng.random(len(account))
    calm = np.searchsorted(np.cumsum(_CALM_MIX), draw * 0.9999)
    angry = np.searchsorted(np.cumsum(_ANGRY_MIX), draw * 0.9899)
    kind = np.minimum(np.where(cross, angry, calm), len(KINDS) - 2)
    asks = rng.random(len(account))
    kind = np.where(weekly["intent"][week, account].astype(bool) & (asks < 0.33), KINDS.index("cancel"), kind)
    kind = np.where((weekly["shock"][week, account] > 0.6) & (asks > 0.6), KINDS.index("price"), kind)
    young = opened // DAY < company.people.created[account] + 70
    return np.where(young & (asks > 0.4) & ~cross, KINDS.index("start"), kind)


def _course(
    account: Ints, opened: Ints, kind: Ints, cross: Flags, slow: Flags, upset: Floats, rng: np.random.Generator
) -> Desk:
    """How each ticket goes on: slowly and more than once where the account is in trouble."""
    count = len(account)
    wait = np.exp(rng.normal(np.where(slow, 3.1, 1.2), 0.9)) * 3600
    work = np.exp(rng.normal(np.where(slow, 4.9, 3.1), 1.0)) * 3600
    answered = opened + wait.astype(np.int64)
    open_ended = rng.random(count) < np.where(slow, 0.12, 0.02)
    solved = np.where(open_ended, _NO_TIME, answered + work.astype(np.int64))
    again = ~open_ended & (rng.random(count) < np.where(slow, 0.27, 0.04))
    reopened = np.where(again, solved + rng.integers(3600, 6 * DAY, count), _NO_TIME)
    solved_again = np.where(again, reopened + (work * rng.uniform(0.4, 1.3, count)).astype(np.int64), _NO_TIME)
    done = np.where(again, solved_again, solved)
    rates = ~open_ended & (rng.random(count) < 0.27)
    rated = np.where(rates, done + rng.integers(600, 2 * DAY, count), _NO_TIME)
    liking = 4.6 - 2.6 * upset - 0.9 * cross - 0.5 * again + rng.normal(0.0, 0.8, count)
    csat = np.where(rates, np.clip(np.rint(liking), 1, 5), np.nan)
    urgent = np.isin(kind, [KINDS.index(name) for name in ("furious", "outage", "loss")])
    priority = np.clip(1 + urgent + (rng.random(count) < 0.15) - (rng.random(count) < 0.2), 0, 3)
    return Desk(account, opened, kind, cross, answered, solved, reopened, solved_again, rated, csat, priority)


def tickets(
    company: Company, terms: Terms, account_ids: list[str], rng: np.random.Generator
) -> tuple[Columns, Columns]:
    """The tables of tickets and of their messages."""
    desk = desk_of(company, terms, rng)
    ids = [f"T-{number:06d}" for number in range(1, len(desk.account) + 1)]
    text = write_texts(desk.kind, KINDS, company.people.chinese[desk.account], rng)
    times = (desk.opened, desk.answered, desk.solved, desk.reopened, desk.solved_again, desk.rated)
    row, day = versions.loads([time // DAY for time in times])
    known = (day + 1) * DAY
    answered, solved, reopened, again, rated = (np.where(time[row] < known, time[row], _NO_TIME) for time in times[1:])
    returned = reopened < _NO_TIME
    table: Columns = {
        "ticket_id": Words(row, ids),
        "account_id": Words(desk.account[row], account_ids),
        "opened_at": desk.opened[row],
        "text": text.take(row),
        "first_response_at": answered,
        "resolved_at": np.where(returned, again, solved),
        "reopened_count": returned.astype(np.int64),
        "csat": np.where(rated < _NO_TIME, desk.csat[row], np.nan),
        "csat_at": rated,
        "priority": Words(np.minimum(desk.priority[row] + returned, 3), PRIORITIES),
        "recorded_at": versions.recorded(day, rng),
    }
    return table, _messages(company, desk, ids, text, rng)


def _messages(company: Company, desk: Desk, ids: list[str], text: Words, rng: np.random.Generator) -> Columns:
    """The customer's first words, the answers, and what came back."""
    count = len(desk.account)
    rows = np.arange(count)
    replies = (rng.random(count) < np.where(desk.cross, 0.75, 0.4)) & (desk.answered < LAST * DAY)
    reply_at = desk.answered + rng.integers(1200, 20 * 3600, count)
    mood = np.where(desk.cross & (rng.random(count) < 0.8), MORE.index("follow_angry"), MORE.index("follow_calm"))
    returned = desk.reopened < _NO_TIME
    again = np.full(count, MORE.index("follow_angry"))
    by_staff = np.full(count, MORE.index("staff"))
    parts = [
        (rows[replies], reply_at[replies], mood[replies], 0),
        (rows, desk.answered, by_staff, 1),
        (rows[returned], desk.reopened[returned], again[returned], 0),
        (rows[desk.solved_again < _NO_TIME], desk.solved_again[desk.solved_again < _NO_TIME], by_staff[returned], 1),
    ]
    row = np.concatenate([part[0] for part in parts])
    said = write_texts(
        np.concatenate([part[2] for part in parts]), MORE, company.people.chinese[desk.account[row]], rng
    )
    author = np.concatenate([np.zeros(count), *(np.full(len(part[0]), part[3]) for part in parts)]).astype(np.int64)
    sent = np.concatenate([desk.opened, *(part[1] for part in parts)])
    row = np.concatenate([rows, row])
    words = Words(np.concatenate([text.codes, said.codes + len(text.vocabulary)]), [*text.vocabulary, *said.vocabulary])
    order = np.lexsort((row, sent))
    order = order[sent[order] < LAST * DAY]
    messages: Columns = {"ticket_id": Words(row, ids), "sent_at": sent}
    messages |= {"author": Words(author, ("customer", "staff")), "text": words}
    table = take(messages, order)
    numbers = np.arange(len(order))
    named: Columns = {"message_id": Words(numbers, [f"M-{number:06d}" for number in range(1, len(order) + 1)])}
    return {**named, **table, "recorded_at": versions.recorded(sent[order] // DAY, rng)}
