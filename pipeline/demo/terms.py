"""The terms of the accounts' subscriptions: one entry a term, with the versions of its row."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from pipeline.demo import versions
from pipeline.demo.dates import DAY, FIRST, LAST, NEVER, Flags, Floats, Ints, next_yearly
from pipeline.demo.events import END, NOTICE, OTHER, REASONS, ROLLED, START, WITHDRAWN, Log, chosen, entries, joined
from pipeline.demo.life import Company
from pipeline.demo.population import PLANS
from pipeline.demo.tables import Columns, Words, take

ADD_ON_SHARE: Final = 0.1
ADD_ON: Final = "Timesheets"
ADD_ON_CENTS_PER_SEAT: Final = 650
ADD_ON_PLAN: Final = len(PLANS)


@dataclass(frozen=True)
class Terms:
    """One entry a term, by account and start. `ended_on` is NEVER while it runs, `mrr` 0 in trials."""

    account: Ints
    started_on: Ints
    ended_on: Ints
    mrr: Floats
    seats: Ints
    plan: Ints

    def take(self, rows: Ints | Flags) -> Self:
        """The terms at `rows`."""
        return type(self)(**{name: column[rows] for name, column in vars(self).items()})

    @property
    def paid(self) -> Self:
        """The terms that are no trials."""
        return self.take(self.mrr > 0)

    def running(self, accounts: int, first: int, last: int) -> Flags:
        """Whether an account has a term, trials included, for each account and day of `[first, last)`."""
        return versions.running(self.started_on, self.ended_on, self.account, accounts, first, last)


def with_add_ons(company: Company, rng: np.random.Generator) -> Log:
    """The events of all terms, those of a second product running beside the first included, by account and product.

    An add-on begins at a day that owes nothing to what comes, follows the notices and renewals of its account and ends
    with it at the latest.
    """
    events, accounts = company.events, len(company.people)
    over = _leaves(events)
    first = _first_day(events, (events["kind"] == START) & (events["free"] == 0), accounts)
    left = _first_day(events, over, accounts)
    noticed = _first_day(events, events["kind"] == NOTICE, accounts)
    until = np.minimum(np.minimum(left, noticed), LAST)

    begins = np.maximum(first, FIRST - 400) + rng.integers(20, 500, accounts)
    gives_up = np.where(rng.random(accounts) < 0.3, begins + rng.integers(60, 400, accounts), NEVER)
    gives_up = np.where(gives_up < until, gives_up, NEVER)
    who = np.flatnonzero((rng.random(accounts) < ADD_ON_SHARE) & (begins < until))
    stop = who[gives_up[who] < NEVER]
    seats = np.maximum(company.people.seats[who] // 2, 1)
    cents, renews = seats * ADD_ON_CENTS_PER_SEAT, _renewal(company, who, begins[who])
    parts = [
        entries(who, START, begins[who], plan=ADD_ON_PLAN, seats=seats, cents=cents, renews_on=renews, product=1),
        _shared(events, over, np.isin(np.arange(accounts), who) & (gives_up >= NEVER), begins, left),
    ]
    day, renews = gives_up[stop], _renewal(company, stop, gives_up[stop] - 1)
    parts.append(entries(stop, END, day, ended_on=day, reason=OTHER, renews_on=renews, product=1))
    for years_back in (2, 1):
        date = _renewal(company, who, np.full(len(who), LAST - 365 * years_back))
        again = (date > begins[who]) & (date < np.minimum(np.minimum(gives_up, left)[who], LAST))
        rolled = _renewal(company, who[again], date[again])
        parts.append(entries(who[again], ROLLED, date[again], renews_on=rolled, product=1))
    add_ons = joined(parts)
    both = joined([events, chosen(add_ons, np.argsort(add_ons["day"], kind="stable"))])
    return chosen(both, np.lexsort((both["product"], both["account"])))


def _first_day(events: Log, which: Flags, accounts: int) -> Ints:
    day = np.full(accounts, NEVER)
    np.minimum.at(day, events["account"][which], events["day"][which])
    return day


def _shared(events: Log, over: Flags, follows: Flags, begins: Ints, left: Ints) -> Log:
    """Notices, withdrawals and the end of the account, as they befall its add-on too."""
    account, day = events["account"], events["day"]
    kind = (events["kind"] == NOTICE) | (events["kind"] == WITHDRAWN) | (over & (day == left[account]))
    rows = np.flatnonzero(follows[account] & kind & (begins[account] <= day) & (day <= left[account]))
    return chosen(events, rows) | {"product": np.ones(len(rows), dtype=np.int64)}


def _leaves(events: Log) -> Flags:
    """Ends of paid terms after which nothing starts on the same day: the account leaves or lapses."""
    end = (events["kind"] == END) & (events["free"] == 0)
    followed = np.zeros(len(end), dtype=bool)
    followed[:-1] = (
        end[:-1]
        & (events["kind"][1:] == START)
        & (events["account"][1:] == events["account"][:-1])
        & (events["day"][1:] == events["day"][:-1])
    )
    leaves: Flags = end & ~followed
    return leaves


def _renewal(company: Company, who: Ints, day: Ints) -> Ints:
    traits = company.people.traits
    date = next_yearly(day + 1, traits.anchor_month[who], traits.anchor_day[who])
    return np.where(traits.annual[who], date, NEVER)


def terms_of(events: Log) -> Terms:
    """The terms, each with its end as it truly was, entered late or not."""
    start = events["kind"] == START
    term = np.cumsum(start) - 1
    ended = np.full(int(start.sum()), NEVER)
    ends = events["kind"] == END
    ended[term[ends]] = events["day"][ends]
    free = events["free"][start] > 0
    terms = Terms(
        account=events["account"][start],
        started_on=events["day"][start],
        ended_on=ended,
        mrr=np.where(free, 0.0, events["cents"][start] / 100),
        seats=events["seats"][start],
        plan=events["plan"][start],
    )
    return terms.take(np.lexsort((terms.started_on, terms.account)))


def subscriptions(company: Company, events: Log, account_ids: list[str], rng: np.random.Generator) -> Columns:
    """The table: each event of a term makes a version of its row, the last of a night standing for that night."""
    start = events["kind"] == START
    term = np.cumsum(start) - 1
    recorded = versions.recorded(events["entered"], rng)
    annual = company.people.traits.annual[events["account"]] & (events["free"] == 0)
    opened = np.flatnonzero(start)[term]
    is_end = events["kind"] == END
    price = np.where(events["free"] > 0, 0.0, np.round(events["cents"] / 100, 2))
    table: Columns = {
        "subscription_id": Words(term, _numbered("S", int(start.sum()))),
        "account_id": Words(events["account"], account_ids),
        "started_on": events["day"][opened],
        "ended_on": events["ended_on"],
        "mrr": price[opened],
        "plan": Words(events["plan"][opened], (*PLANS, ADD_ON)),
        "seats": events["seats"][opened],
        "billing_period": Words(annual.astype(np.int64), ("monthly", "annual")),
        "term_months": np.where(annual, 12, np.where(events["free"] > 0, 0, 1)),
        "renews_on": events["renews_on"],
        "auto_renews": company.people.traits.auto_renews[events["account"]] & (events["free"] == 0),
        "notice_on": events["notice_on"],
        "end_reason": Words(np.where(is_end, events["reason"], -1), REASONS),
        "recorded_at": recorded,
    }
    night = recorded // DAY
    last_of_night = np.ones(len(term), dtype=bool)
    last_of_night[:-1] = (term[1:] != term[:-1]) | (night[1:] != night[:-1])
    return take(table, np.flatnonzero(last_of_night))


def _numbered(letter: str, count: int) -> list[str]:
    return [f"{letter}-{number:06d}" for number in range(1, count + 1)]
