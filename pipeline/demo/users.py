"""The people who use the product: places in an account, held by one person after another."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from pipeline.demo import versions
from pipeline.demo.dates import DAY, FIRST, FIRST_MONDAY, LAST, NEVER, Floats, Ints
from pipeline.demo.life import Company
from pipeline.demo.tables import Columns, Words, take
from pipeline.demo.terms import ADD_ON_PLAN, Terms

ROLES: Final = ("admin", "manager", "planner", "payroll")
PLACES_AT_MOST: Final = 90
MAIN_PLACE = 0
"""The first place of an account is its main user's, who does about half of the work of a small one."""
WEIGHT_FALLS: Final = 1.05


@dataclass(frozen=True)
class People:
    """Places and the persons in them.

    A place is a row of `place_account`, `place_rank` (0 is the main user's) and `edges`, the running sum of the places'
    shares of their account's work, each account adding one. A person holds `place` on the days `[joined, left)`.
    Persons are sorted by place and day; their `number` follows the day of joining.
    """

    first_place: Ints
    places: Ints  # of each account, those added later included
    at_first: Ints  # of each account when it began
    growth: Floats  # all places' work against the work of the first ones
    place_account: Ints
    place_rank: Ints
    edges: Floats
    place: Ints
    joined: Ints
    left: Ints
    number: Ints

    def holder(self, place: Ints, day: Ints) -> Ints:
        """The person in each place on each day; −1 where it is empty."""
        key = self.place * 2 * NEVER + self.joined
        person = np.searchsorted(key, place * 2 * NEVER + day, side="right") - 1
        person = np.maximum(person, 0)
        holds = (self.place[person] == place) & (self.joined[person] <= day) & (day < self.left[person])
        return np.where(holds, person, -1)

    def somebody(self, account: Ints, share: Floats) -> Ints:
        """The place at `share` (0 to 1) of its account's work."""
        found = np.searchsorted(self.edges, account + share, side="right")
        return np.clip(found, self.first_place[account], self.first_place[account] + self.places[account] - 1)


def people_of(company: Company, terms: Terms, rng: np.random.Generator) -> People:
    """The persons of all accounts over the two years, main users who leave and their successors included."""
    people = company.people
    main = terms.take((terms.plan < ADD_ON_PLAN) & (terms.mrr > 0))
    most = people.seats.copy()
    np.maximum.at(most, main.account, main.seats)
    at_first = _wanted(people.seats, people.utilisation)
    places = _wanted(most, people.utilisation)
    first = np.cumsum(places) - places
    account = np.repeat(np.arange(len(people)), places)
    rank = np.arange(len(account)) - first[account]
    weight = (rank + 1.0) ** -WEIGHT_FALLS
    whole = np.add.reduceat(weight, first)
    share = np.cumsum(weight / whole[account])
    added = rank >= at_first[account]
    growth = whole / np.maximum(np.add.reduceat(weight * ~added, first), 1e-9)
    joined = _joining(company, account, rank, rng)
    joined = np.where(added, _opened(main, company, account, rank) + rng.integers(1, 15, len(account)), joined)
    place, begins, ends = _succession(company, account, rank, joined, rng)
    last = np.zeros(len(people), dtype=np.int64)
    np.maximum.at(last, terms.account, terms.ended_on)
    kept = begins < np.minimum(np.minimum(last[account[place]], LAST), ends)
    place, begins, ends = place[kept], begins[kept], ends[kept]
    order = np.lexsort((begins, place))
    place, begins, ends = place[order], begins[order], ends[order]
    number = np.empty(len(place), dtype=np.int64)
    number[np.lexsort((place, begins))] = np.arange(len(place))
    return People(first, places, at_first, growth, account, rank, share, place, begins, ends, number)


def _wanted(seats: Ints, utilisation: Floats) -> Ints:
    """Places used of so many seats; large accounts fill fewer of theirs."""
    wide = seats * utilisation
    used = np.where(wide > 20, 20 + np.maximum(wide - 20, 0) ** 0.8, wide)
    return np.clip(np.rint(used), 1, PLACES_AT_MOST).astype(np.int64)


def _opened(main: Terms, company: Company, account: Ints, rank: Ints) -> Ints:
    """The day on which an added place was there: the start of the first term with seats enough for it."""
    enough = _wanted(main.seats, company.people.utilisation[main.account])
    day = np.full((len(company.people), PLACES_AT_MOST), NEVER)
    np.minimum.at(day, (main.account, enough - 1), main.started_on)
    reached = np.minimum.accumulate(day[:, ::-1], axis=1)[:, ::-1]
    return reached[account, rank]


def _joining(company: Company, account: Ints, rank: Ints, rng: np.random.Generator) -> Ints:
    """The day each place is first taken: soon after the start, late for most people of a poor start."""
    people = company.people
    start = people.created[account]
    steady = start + np.minimum(rng.exponential(9.0, len(account)) * (1 + rank / 6), 70).astype(np.int64)
    crawling = start + rng.integers(50, 260, len(account))
    slow = people.traits.poor_start[account] & (rank > 0) & (rng.random(len(account)) < 0.72)
    hired_later = (rank > 1) & (rng.random(len(account)) < 0.12)
    day = np.where(slow, crawling, steady)
    day = np.where(hired_later, start + rng.integers(30, 700, len(account)), day)
    return np.where(rank == MAIN_PLACE, start, day)


def _succession(
    company: Company, account: Ints, rank: Ints, joined: Ints, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints]:
    """Who holds each place from when to when: ordinary changes of staff, and main users by the hidden state."""
    count = len(account)
    places = np.arange(count)
    moves_on = (rank > 0) & (rng.random(count) < 0.3)
    leaves = np.where(moves_on, np.maximum(joined, FIRST) + rng.integers(20, 800, count), NEVER)
    follows = moves_on & (rng.random(count) < 0.8)
    heir_from = leaves + rng.integers(0, 25, count)

    orphaned = company.weekly["orphaned"].astype(bool)
    turn = np.diff(orphaned.astype(np.int8), axis=0, prepend=0)
    gone_week, gone = np.nonzero(turn == 1)
    back_week, back = np.nonzero(turn == -1)
    main = np.flatnonzero(rank == MAIN_PLACE)
    gone_place, gone_day = main[gone], FIRST_MONDAY + 7 * gone_week
    heir_place, heir_day = main[back], FIRST_MONDAY + 7 * back_week
    place = np.concatenate([places, places[follows], heir_place])
    begins = np.concatenate([joined, heir_from[follows], heir_day])
    ends = np.concatenate([leaves, np.full(int(follows.sum()) + len(heir_day), NEVER)])
    key = np.sort(gone_place * 2 * NEVER + gone_day)
    next_gone = np.append(key, -1)[np.searchsorted(key, place * 2 * NEVER + begins, side="right")]
    departs = (next_gone // (2 * NEVER) == place) & (next_gone >= 0)
    ends = np.where(departs, np.minimum(ends, next_gone % (2 * NEVER)), ends)
    return place, begins, ends


def users(
    company: Company, people: People, account_ids: list[str], rng: np.random.Generator
) -> tuple[Columns, list[str]]:
    """The table, a row a person by number, and the user ids by number."""
    order = np.argsort(people.number)
    account, rank = people.place_account[people.place], people.place_rank[people.place]
    count = len(order)
    closed = (people.left < LAST) & (rng.random(count) < 0.7)
    shut_on = np.where(closed, people.left + rng.integers(0, 9, count), NEVER)
    shut_on = np.where(shut_on < LAST, shut_on, NEVER)
    role = np.where(rank == MAIN_PLACE, 0, np.where(rank % 7 == 3, 3, np.where(rank % 4 == 1, 1, 2)))
    ids = [f"U-{number:06d}" for number in range(1, count + 1)]
    columns: Columns = {
        "user_id": Words(people.number, ids),
        "account_id": Words(account, account_ids),
        "created_at": people.joined * DAY + 9 * 3600 + rng.integers(0, 7 * 3600, count),
        "deactivated_at": shut_on * DAY + np.where(shut_on < NEVER, 18 * 3600, 0),
        "role": Words(role, ROLES),
        "recorded_at": versions.recorded(people.joined, rng),
    }
    return take(columns, order), ids
