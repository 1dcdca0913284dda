"""What kinds of things people do with the product, which of these they stopped, and which habits they broke.

A *habit* is an event done in each of eight weeks in a row. It is broken when it was not done once in the two weeks or
more since; after twelve weeks that is news no longer. Weeks are counted back from the date.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from features.measures import in_window, marked_days
from features.outages import Recorded
from features.tallies import KINDS_DAYS, Tallies

__all__ = ["BROKEN_DAYS", "HABIT_WEEKS", "compute"]

HABIT_WEEKS: Final = 8
BROKEN_DAYS: Final = (14, 84)
"""A habit is broken when its event was last done this many days ago, from and below."""


def compute(tallied: Tallies, kinds: ir.Table) -> ir.Table:
    """Features of all kinds of events, of the spine's accounts, one row each. `kinds` is `by_kind` of `tallies`."""
    in_past = ((kinds["weeks"] >> 4) & (2**12 - 1)) > 0
    is_recent = kinds["newest"] < 28
    counted = kinds.group_by("account_id").agg(
        _kinds_28=is_recent.sum(), _kinds_before=in_past.sum(), _kinds_lost=(in_past & ~is_recent).sum()
    )
    beside = tallied.beside(counted, _broken(kinds, tallied.recorded))
    accounts = beside.accounts
    missing = ibis.null("int64")
    can_compare = accounts["usual_days"] >= 28
    lost = beside.distinct(accounts["_kinds_lost"].fill_null(0), 28)
    return accounts.select(
        "account_id",
        event_kinds_28=beside.distinct(accounts["_kinds_28"].fill_null(0), 28),
        event_kinds_before=can_compare.ifelse(accounts["_kinds_before"].fill_null(0), missing),
        event_kinds_lost=can_compare.ifelse(lost, missing),
        broken_habits=(accounts["observed_days"] >= HABIT_WEEKS * 7 + BROKEN_DAYS[0]).ifelse(
            accounts["_broken"].fill_null(0), missing
        ),
        broken_habit="_event",
        days_since_broken_habit=tallied.recorded.since(accounts["_newest"]),
    )


def _broken(kinds: ir.Table, recorded: Recorded) -> ir.Table:
    """Accounts with broken habits: how many, and of these the oldest, then the last broken, then the first by name."""
    # A week in which days were lost is no gap in a habit.
    lost_weeks = sum(1 << week for week in {age // 7 for age in recorded.lost if age < KINDS_DAYS})
    weeks = kinds["weeks"] | lost_weeks
    run = weeks >> (kinds["newest"] // 7).cast("int64")
    kept = (run & (2**HABIT_WEEKS - 1)) == 2**HABIT_WEEKS - 1
    silent_days = recorded.since(kinds["newest"]) - 1
    first, last = BROKEN_DAYS
    broken = kinds.filter(kept & in_window(silent_days, first, last - first))
    broken = broken.mutate(_weeks=marked_days(broken["weeks"]))
    order = [ibis.desc(broken["_weeks"]), broken["newest"], broken["event"]]
    place = ibis.row_number().over(group_by="account_id", order_by=order)
    everything = ibis.window(group_by="account_id")
    broken = broken.mutate(_place=place, _broken=broken.count().over(everything))
    return broken.filter(broken["_place"] == 0).select(
        "account_id", "_broken", _newest="newest", _event=broken["event"].replace("_", " ")
    )
