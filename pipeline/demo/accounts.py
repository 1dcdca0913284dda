"""The accounts table: names, chains, segments and owners, with a version for every edit."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from pipeline.demo import owners as staff
from pipeline.demo import versions
from pipeline.demo.dates import DAY, FIRST, LAST, NEVER, Ints
from pipeline.demo.hazard import INDUSTRIES, MIDDLE, SMALL
from pipeline.demo.life import Company
from pipeline.demo.names import branch_name, company_names
from pipeline.demo.population import COUNTRIES
from pipeline.demo.tables import Columns, Words
from pipeline.demo.terms import Terms

SEGMENTS: Final = ("small", "middle", "large")
SEGMENT_EDGES: Final = np.array([600.0, 4000.0])
"""MRR above which an account is middle and large."""
CHAIN_SHARE: Final = 0.045
BRANCHES: Final = 3
NO_PARENT: Final = -1


@dataclass(frozen=True)
class Register:
    """What the company has written down about each account, in the order of the accounts."""

    ids: list[str]
    names: list[str]
    renamed_on: Ints
    parent: Ints
    owners: staff.Owners
    went_live_on: Ints
    segment_account: Ints
    segment_day: Ints
    segment: Ints

    def segment_on(self, account: Ints, day: Ints) -> Ints:
        """The segment of each account by its MRR on each day; that of its first terms before these."""
        key = self.segment_account * 2 * NEVER + self.segment_day
        place = np.searchsorted(key, account * 2 * NEVER + day, side="right") - 1
        first = np.searchsorted(self.segment_account, account)
        known = np.minimum(np.maximum(place, first), len(key) - 1)
        there = self.segment_account[known] == account
        return np.where(there, self.segment[known], SMALL)


def register(company: Company, terms: Terms, rng: np.random.Generator) -> Register:
    """Names, chains, owners, first productive days and segments of all accounts."""
    people = company.people
    count = len(people)
    parent = _chains(company, rng)
    names = company_names(people.traits.industry, people.chinese, rng)
    position = np.zeros(count, dtype=np.int64)
    for row in np.flatnonzero(parent >= 0):
        position[parent[row]] += 1
        names[row] = branch_name(names[parent[row]], int(position[parent[row]]) - 1, bool(people.chinese[parent[row]]))
    renamed = np.where(rng.random(count) < 0.015, rng.integers(FIRST + 20, LAST - 10, count), NEVER)
    slow = people.traits.poor_start
    wait = np.where(slow, rng.integers(25, 90, count), rng.integers(2, 22, count))
    begun = np.minimum(people.traits.started, people.created + 40)
    live = np.where(people.unused | people.trial_only | (slow & (rng.random(count) < 0.2)), NEVER, begun + wait)
    live = np.where(live < np.maximum(_last_day(terms, count), people.created), live, NEVER)
    account, day, segment = _segments(terms)
    owners = staff.assign(people.traits.tier, parent, people.created, rng)
    ids = [f"A-{number:05d}" for number in range(1, count + 1)]
    renamed = np.where(renamed > people.created, renamed, NEVER)
    return Register(ids, names, renamed, parent, owners, live, account, day, segment)


def _last_day(terms: Terms, accounts: int) -> Ints:
    last = np.zeros(accounts, dtype=np.int64)
    np.maximum.at(last, terms.account, terms.ended_on)
    return last


def _chains(company: Company, rng: np.random.Generator) -> Ints:
    """The account above each branch: a middle or large account that was there first, of the same trade and language."""
    people = company.people
    count = len(people)
    parent = np.full(count, NO_PARENT)
    heads = np.flatnonzero((people.traits.tier >= MIDDLE) & people.initial & (rng.random(count) < 0.2))
    branch = people.traits.tier < 2
    branch[heads] = False
    taken = np.zeros(count, dtype=np.int64)
    kin = people.traits.industry * 100 + 2 * people.country + people.chinese
    wanted = rng.random(count) < 4 * CHAIN_SHARE
    for row in np.flatnonzero(branch & wanted & ~people.trial_only):
        near = heads[
            (kin[heads] == kin[row]) & (people.created[heads] < people.created[row]) & (taken[heads] < BRANCHES)
        ]
        if len(near):
            parent[row] = near[0]
            taken[near[0]] += 1
    return parent


def _segments(terms: Terms) -> tuple[Ints, Ints, Ints]:
    """Account, day and new segment wherever the sum of the running terms' MRR crosses an edge."""
    paid = terms.paid
    over = paid.ended_on < NEVER
    account = np.concatenate([paid.account, paid.account[over]])
    day = np.concatenate([paid.started_on, paid.ended_on[over]])
    change = np.concatenate([paid.mrr, -paid.mrr[over]])
    order = np.lexsort((day, account))
    account, day, change = account[order], day[order], change[order]
    total = np.cumsum(np.rint(100 * change)) / 100
    first = np.searchsorted(account, account)
    mrr = total - np.where(first > 0, total[np.maximum(first - 1, 0)], 0.0)
    last_of_day = np.append((account[1:] != account[:-1]) | (day[1:] != day[:-1]), True)
    kept = last_of_day & (mrr > 0.5)
    account, day, segment = account[kept], day[kept], np.searchsorted(SEGMENT_EDGES, mrr[kept])
    changed = np.append(True, (account[1:] != account[:-1]) | (segment[1:] != segment[:-1]))
    return account[changed], day[changed], segment[changed]


def accounts(company: Company, book: Register, rng: np.random.Generator) -> Columns:
    """The table: a version for the creation, the first productive day and each edit of segment, owner or name."""
    people = company.people
    edits: list[Ints] = [people.created, book.went_live_on, book.renamed_on, book.owners.changed_on]
    later = book.segment_day > people.created[book.segment_account]
    nth = np.arange(len(later)) - np.searchsorted(book.segment_account, book.segment_account)
    for number in range(int(nth.max()) + 1):
        crossing = np.full(len(people), NEVER)
        rows = later & (nth == number)
        crossing[book.segment_account[rows]] = book.segment_day[rows]
        edits.append(crossing)
    row, day = versions.loads(edits)
    live = np.where(book.went_live_on[row] <= day, book.went_live_on[row], NEVER)
    name_codes = np.where(day < book.renamed_on[row], row, row + len(people))
    formerly = [
        *book.names,
        *(f"{name}{'集团' if zh else ' Group'}" for name, zh in zip(book.names, people.chinese, strict=True)),
    ]
    return {
        "account_id": Words(row, book.ids),
        "created_at": people.created[row] * DAY + 8 * 3600 + (row * 7919) % (10 * 3600),
        "name": Words(name_codes, formerly),
        "segment": Words(book.segment_on(row, day), SEGMENTS),
        "industry": Words(people.traits.industry[row], INDUSTRIES),
        "country": Words(people.country[row], COUNTRIES),
        "owner": Words(book.owners.on(row, day), staff.STAFF),
        "parent_id": Words(book.parent[row], book.ids),
        "went_live_on": live,
        "recorded_at": versions.recorded(day, rng),
    }
