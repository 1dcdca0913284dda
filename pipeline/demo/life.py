"""The two years, a week at a time: who leaves, gives notice, lapses, returns, pays more, and who arrives.

The step of a week reads the state of its Monday and nothing later, and writes what it decides into the book of events.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pipeline.demo import dates, events, hazard
from pipeline.demo.dates import FIRST, LAST, NEVER, WEEKS, AnyValues, Flags, Floats, Ints
from pipeline.demo.events import Log
from pipeline.demo.hazard import State
from pipeline.demo.population import FIRST_SHARE, PLANS, TRIAL_DAYS, Population, populate, targets

LAPSE_IN_A_WEEK: Final = 0.0008
RETURNS_LATE: Final = 0.05
"""Share of the departures that come back after the grace: they have churned all the same."""
ENTERED_LATE: Final = 0.03
BURN_IN_WEEKS: Final = 40

LOWEST_MRR, HIGHEST_MRR = 60, 37_500


@dataclass(frozen=True)
class Company:
    """The accounts that there were, in the order of their creation, and what happened to them.

    `events` and `payments` are logs: one array a column, in the order of time within an account. `weekly` holds the
    hidden state of every Monday, an array (weeks + 1, accounts) for each field, and `slump` (weeks + 1, industries).
    `on_the_books` are the customers of the last night as the tables tell it.
    """

    people: Population
    events: Log
    payments: Log
    weekly: dict[str, AnyValues]
    slump: Flags
    on_the_books: Flags


class _Simulation:
    """The running company: what changes from week to week, and the book of what has happened."""

    def __init__(self, accounts: int, seed: int) -> None:
        self.rng = np.random.default_rng([seed, 1])
        people = populate(accounts, self.rng)
        count = len(people)
        self.people, self.traits, self.wanted = people, people.traits, targets(accounts)
        self.state = hazard.contented((count,))
        self.paying = people.initial.copy()
        self.started, self.created = people.traits.started.copy(), people.created.copy()
        self.month, self.anchor = people.traits.anchor_month.copy(), people.traits.anchor_day.copy()
        self.seats, self.price, self.plan = people.seats.copy(), people.price.copy(), people.plan.copy()
        self.back_on = np.full(count, NEVER)
        self.unentered = np.zeros(count, dtype=bool)
        self.notice_on, self.notice_end = np.full(count, NEVER), np.full(count, NEVER)
        self.fail_day = np.full(count, NEVER)
        self.book: list[Log] = []
        self.payments: list[Log] = []
        self.weekly: dict[str, list[AnyValues]] = {}
        self.slumps: list[Flags] = []
        self._open()

    def _note(self, rows: Ints, kind: int, day: Ints | int, **content: Ints | int) -> None:
        self.book.append(events.entries(rows, kind, day, **content))

    def _chance(self, probability: Floats | float) -> Flags:
        return self.rng.random(len(self.paying)) < probability

    def _day(self, first: int = 0, last: int = 6) -> Ints:
        return self.rng.integers(first, last + 1, len(self.paying))

    def _terms(self, rows: Ints) -> dict[str, Ints]:
        """What a term of these accounts says from its start on."""
        return {
            "seats": self.seats[rows],
            "cents": np.rint(100 * self.price[rows] * self.seats[rows]).astype(np.int64),
            "plan": self.plan[rows],
        }

    def _renewal(self, rows: Ints, day: Ints | int) -> Ints:
        """The yearly date after `day` for annual terms; monthly terms have no renewal to mark."""
        earliest = np.maximum(np.asarray(day) + 1, self.started[rows] + hazard.FIRST_RENEWAL_AFTER)
        date = dates.next_yearly(earliest, self.month[rows], self.anchor[rows])
        return np.where(self.traits.annual[rows], date, NEVER)

    def _open(self) -> None:
        """The accounts of the first day with the terms that the bulk load brought, and a worn-in state."""
        rows = np.flatnonzero(self.people.initial)
        tenure = FIRST - self.started[rows]
        grown = (tenure > 500) & (self.rng.random(len(rows)) < 0.5)
        changed = dates.next_yearly(FIRST - 365, self.month[rows], self.anchor[rows])
        grown &= changed < FIRST
        then = np.maximum(np.rint(self.seats[rows] * self.rng.uniform(0.6, 0.95, len(rows))), 1).astype(np.int64)
        before = self._terms(rows) | {"seats": then, "cents": (100 * self.price[rows] * then * 0.97).astype(np.int64)}
        early = {name: column[grown] for name, column in before.items()}
        self._note(rows[grown], events.START, self.started[rows[grown]], **early)
        until = np.where(self.traits.annual[rows[grown]], changed[grown], NEVER)
        over = {"ended_on": changed[grown], "renews_on": until, **early}
        self._note(rows[grown], events.END, changed[grown], reason=events.OTHER, **over)
        first = np.where(grown, changed, self.started[rows])
        self._note(rows, events.START, first, renews_on=self._renewal(rows, FIRST - 1), **self._terms(rows))
        for week in range(-BURN_IN_WEEKS, 0):
            moved = hazard.advance(self.state, self.traits, dates.monday_of(week), self.rng)
            left = self.rng.random(len(self.paying)) < hazard.voluntary(self.state, self.traits, dates.monday_of(week))
            self.state = hazard.reset(moved, left)
        self.state = replace(self.state, rise=np.zeros(len(self.paying)))

    def run(self, progress: Callable[[str], None] | None) -> Company:
        """Two years of weeks, then the accounts that there were."""
        for week in range(WEEKS):
            self._remember()
            self._step(week)
            if progress is not None and week % 26 == 25:
                progress(f"simulated {week + 1} of {WEEKS} weeks")
        self._remember()
        return self._gather()

    def _remember(self) -> None:
        now = {
            "paying": self.paying,
            "started": self.started,
            "notice_end": self.notice_end,
            "fail_day": self.fail_day,
            **{name: column for name, column in vars(self.state).items() if name != "slump"},
        }
        for name, column in now.items():
            self.weekly.setdefault(name, []).append(column.copy())
        self.slumps.append(self.state.slump.copy())

    def _step(self, week: int) -> None:
        monday = dates.monday_of(week)
        there = self.paying & (week > 0)
        free = there & (self.notice_end >= NEVER)
        risk = hazard.voluntary(self.state, self.traits, monday)
        moved = hazard.advance(self.state, self.traits, monday, self.rng)
        self._end_notices(there, monday)
        unpaid = self._end_unpaid(free, monday)
        decided = self._decide(free & ~unpaid, risk, monday)
        lapsed = self._lapse(free & ~unpaid & ~decided, monday)
        stays = free & ~unpaid & ~decided & ~lapsed
        self._change(stays, moved, monday)
        self._bill(stays, monday)
        back = self._return(monday)
        new = self._arrive(week)
        self.state = hazard.reset(moved, back | new)
        self.traits = replace(self.traits, started=self.started, anchor_month=self.month, anchor_day=self.anchor)

    def _leave(self, who: Flags, day: Ints, reason: int, late: bool = True) -> None:
        """Ends the running terms on `day`; a few ends are entered days later than they happened."""
        rows = np.flatnonzero(who)
        delay = np.where(late & (self.rng.random(len(rows)) < ENTERED_LATE), self.rng.integers(3, 21, len(rows)), 0)
        self._note(
            rows,
            events.END,
            day[rows],
            entered=day[rows] + delay,
            ended_on=day[rows],
            notice_on=self.notice_on[rows],
            reason=reason,
            renews_on=self._renewal(rows, day[rows] - 1),
        )
        self.paying = self.paying & ~who
        self.unentered[rows] = day[rows] + delay >= LAST
        self.notice_on = np.where(who, NEVER, self.notice_on)
        self.notice_end = np.where(who, NEVER, self.notice_end)
        self.fail_day = np.where(who, NEVER, self.fail_day)

    def _end_notices(self, there: Flags, monday: int) -> None:
        """Notices come true, or are withdrawn while there is still a week to go."""
        due = there & (self.notice_end < monday + 7)
        withdrawn = there & (self.notice_end < NEVER) & ~due & self._chance(hazard.NOTICE_WITHDRAWN_IN_A_WEEK)
        rows = np.flatnonzero(withdrawn)
        day = (monday + self._day())[rows]
        self._note(rows, events.WITHDRAWN, day, renews_on=self._renewal(rows, day))
        self.notice_on = np.where(withdrawn, NEVER, self.notice_on)
        self.notice_end = np.where(withdrawn, NEVER, self.notice_end)
        self._leave(due, self.notice_end, events.VOLUNTARY, late=False)
        self._may_return(due, monday + 7)

    def _end_unpaid(self, free: Flags, monday: int) -> Flags:
        """Failed payments are made good, or end the account after four weeks of reminders."""
        last = self.fail_day + hazard.DUNNING_DAYS
        ends = free & (last < monday + 7)
        made_good = ~ends & (self.fail_day < monday) & self._chance(hazard.RECOVERS_IN_A_WEEK)
        rows = np.flatnonzero(made_good)
        self.payments.append(
            events.entries(rows, events.END, self.fail_day[rows], ended_on=(monday + self._day())[rows])
        )
        self.fail_day = np.where(made_good, NEVER, self.fail_day)
        self._leave(ends, last, events.INVOLUNTARY, late=False)
        return ends

    def _decide(self, free: Flags, risk: Floats, monday: int) -> Flags:
        """Those who decide this week to leave: at once, or with notice."""
        leaves = free & self._chance(risk)
        renewal = hazard.renewal_after(self.traits, monday)
        announced = self._chance(hazard.NOTICE_SHARE[self.traits.tier])
        with_notice = leaves & np.where(self.traits.annual, self.traits.auto_renews, announced)
        at_once = leaves & ~with_notice
        self._leave(at_once, np.where(self.traits.annual, renewal, monday + self._day()), events.VOLUNTARY)
        self._may_return(at_once, monday + 7)

        rows = np.flatnonzero(with_notice)
        notice = (monday + self._day(0, 4))[rows]
        last = np.where(self.traits.annual, renewal, dates.next_billing(monday + 7, self.anchor))[rows]
        self.notice_on[rows], self.notice_end[rows] = notice, last
        owing = rows[self.fail_day[rows] < NEVER]
        self.payments.append(events.entries(owing, events.END, self.fail_day[owing], ended_on=self.notice_on[owing]))
        self.fail_day[owing] = NEVER
        self._note(rows, events.NOTICE, notice, ended_on=last, notice_on=notice, renews_on=self._renewal(rows, notice))
        return leaves

    def _may_return(self, who: Flags, from_day: int) -> None:
        """Some of those who left come back, after the grace."""
        back = who & self._chance(RETURNS_LATE)
        self.back_on = np.where(back, from_day + self.rng.integers(33, 95, len(who)), self.back_on)

    def _lapse(self, free: Flags, monday: int) -> Flags:
        """Terms that run out by oversight and are taken up again within the grace."""
        lapses = free & ~self.traits.annual & self._chance(LAPSE_IN_A_WEEK)
        day = monday + self._day()
        self._leave(lapses, day, events.OTHER, late=False)
        self.back_on = np.where(lapses, day + self.rng.integers(3, 27, len(lapses)), self.back_on)
        return lapses

    def _return(self, monday: int) -> Flags:
        """Lapsed and departed accounts whose day of return falls in this week."""
        back = ~self.paying & (monday <= self.back_on) & (self.back_on < monday + 7)
        rows = np.flatnonzero(back)
        day = self.back_on[rows]
        self.started[rows] = day
        self._note(rows, events.START, day, renews_on=self._renewal(rows, day), **self._terms(rows))
        self.paying = self.paying | back
        self.back_on = np.where(back, NEVER, self.back_on)
        return back

    def _change(self, stays: Flags, moved: State, monday: int) -> None:
        """Yearly reviews of the price, renewals, and seats added or given back."""
        yearly = hazard.renewal_after(self.traits, monday)
        review = stays & (yearly < monday + 7)
        dearer = review & (moved.rise > 0) & (self.price * self.seats * (1 + moved.rise) < HIGHEST_MRR)
        self.price = np.where(dearer, np.round(self.price * (1 + moved.rise), 2), self.price)
        rows = np.flatnonzero(dearer)
        self._succeed(rows, yearly[rows])
        same = np.flatnonzero(review & ~dearer & self.traits.annual)
        self._note(same, events.ROLLED, yearly[same], renews_on=self._renewal(same, yearly[same]))

        settled = stays & ~review & (self.started < monday - 28)
        step = np.maximum(np.rint(self.seats * self.rng.uniform(0.08, 0.25, len(stays))), 1).astype(np.int64)
        seats = self.seats + moved.seat_move * step
        affordable = (seats >= 1) & (seats * self.price > LOWEST_MRR) & (seats * self.price < HIGHEST_MRR)
        moves = settled & (moved.seat_move != 0) & affordable
        self.seats = np.where(moves, seats, self.seats)
        upgrade = moves & (moved.seat_move > 0) & (self.plan < len(PLANS) - 1) & self._chance(0.2)
        self.plan = np.where(upgrade, self.plan + 1, self.plan)
        self.price = np.where(upgrade, np.round(1.12 * self.price, 2), self.price)
        rows = np.flatnonzero(moves)
        self._succeed(rows, (monday + self._day())[rows])

    def _succeed(self, rows: Ints, day: Ints) -> None:
        """Ends the running term and begins the next on the same day, on the new terms."""
        self._note(rows, events.END, day, ended_on=day, reason=events.OTHER, renews_on=self._renewal(rows, day - 1))
        self._note(rows, events.START, day, renews_on=self._renewal(rows, day), **self._terms(rows))

    def _bill(self, stays: Flags, monday: int) -> None:
        """Monthly payments due this week, of which some fail."""
        due = dates.next_billing(monday, self.anchor)
        asked = stays & ~self.traits.annual & (due < monday + 7) & (due > self.started) & (self.fail_day >= NEVER)
        fails = asked & self._chance(hazard.PAYMENT_FAILS[self.traits.shaky_card.astype(np.int64)])
        self.fail_day = np.where(fails, due, self.fail_day)
        self.payments.append(events.entries(np.flatnonzero(fails), events.START, due[fails]))

    def _arrive(self, week: int) -> Flags:
        """New accounts, as many as the growth of the books asks for, so that the last night has exactly those wanted.

        Who will be back by the last night keeps their place, and so do those whose end is not entered by then: they are
        customers still to whoever reads the tables. This biases no known risk: how many accounts arrive owes something
        to what comes, who they are and how they fare does not, nothing happens to anybody else for it, and an account
        that has arrived is never taken out again.
        """
        monday, tier = dates.monday_of(week), self.traits.tier
        share = FIRST_SHARE + (1 - FIRST_SHARE) * (week + 1) / WEEKS
        new = np.zeros(len(tier), dtype=bool)
        kept = self.paying | self.unentered | (self.back_on < LAST)
        for size, wanted in enumerate(self.wanted):
            missing = round(share * wanted) - int((kept & (tier == size)).sum())
            waiting = np.flatnonzero((tier == size) & (self.started >= NEVER) & ~self.people.trial_only)
            new[waiting[: max(missing, 0)]] = True
        rows = np.flatnonzero(new)
        day = (monday + self._day())[rows]
        self.started[rows] = day
        self.month[rows], self.anchor[rows] = dates.anchor_of(day)
        trial = rows[self.people.has_trial[rows]]
        self.created[rows] = day - np.where(self.people.has_trial[rows], TRIAL_DAYS, self._day(0, 9)[rows])
        self._try(trial, self.started[trial] - TRIAL_DAYS)
        self._note(rows, events.START, day, renews_on=self._renewal(rows, day), **self._terms(rows))
        self.paying = self.paying | new
        return new

    def _try(self, rows: Ints, day: Ints) -> None:
        """Trials of two weeks: free terms on the smallest plan."""
        seats = np.minimum(self.seats[rows], 5)
        self._note(rows, events.START, day, seats=seats, free=1)
        self._note(
            rows, events.END, day + TRIAL_DAYS, ended_on=day + TRIAL_DAYS, reason=events.OTHER, seats=seats, free=1
        )

    def _gather(self) -> Company:
        """The slots that were filled, by creation, with the logs pointing at their new places."""
        trials = np.flatnonzero(self.people.trial_only)
        self._try(trials, self.created[trials])
        used = np.flatnonzero(self.created < LAST)
        order = used[np.argsort(self.created[used], kind="stable")]
        place = np.full(len(self.created), -1)
        place[order] = np.arange(len(order))
        people = replace(self.people, traits=self.traits, created=self.created).take(order)
        weekly = {name: np.stack(columns)[:, order] for name, columns in self.weekly.items()}
        return Company(
            people=people,
            events=self._log(self.book, place),
            payments=self._log(self.payments, place),
            weekly=weekly,
            slump=np.stack(self.slumps),
            on_the_books=(self.paying | self.unentered)[order],
        )

    @staticmethod
    def _log(parts: list[Log], place: Ints) -> Log:
        """All events by account, in the order in which they were written."""
        log = events.joined(parts)
        log["account"] = place[log["account"]]
        return events.chosen(log, np.argsort(log["account"], kind="stable"))


def simulate(accounts: int, seed: int, progress: Callable[[str], None] | None = None) -> Company:
    """Two years of a company that ends with `accounts` active accounts; equal for equal seeds."""
    return _Simulation(accounts, seed).run(progress)
