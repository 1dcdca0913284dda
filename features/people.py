"""Who uses the product at an account: how many people, on how many seats, and whether the main one is still there.

The *main user* is the person who did most in the 84 days before the last 28; of equals the one seen last.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from features.measures import age_days, in_steps, log_ratio, per_28_days, share
from features.tallies import Tallies
from features.timeline import Moment
from features.versions import History

__all__ = ["AWAY_DAYS", "compute"]

AWAY_DAYS: Final = 14
"""From so many days on somebody is away, and one asks who does the work instead."""

_STEPS: Final = 1_000  # of quantities; and more than any age in the lookback
_MISSING: Final = ibis.null("float64")


def compute(history: History, tallied: Tallies, persons: ir.Table, moment: Moment) -> ir.Table:
    """Features of the people for the accounts of the spine, one row each; `persons` is `by_person` of `tallies`."""
    people = persons.mutate(_rank=_rank(persons))
    found = people.group_by("account_id").agg(
        _users_28=(people["newest"] < 28).sum(),
        _users_past=people["was_here"].sum(),
        _main_rank=people["_rank"].max(),
    )
    mains = _mains(people, found)
    beside = tallied.beside(found, _compared(people, mains))
    if history.has("users.deactivated_at"):
        beside = beside.beside(_left(history, mains, moment))
    return _features(beside, "_left_age" in beside.accounts.columns)


def _rank(people: ir.Table) -> ir.IntegerValue:
    """Who did most in the 84 days before the last 28, in whole thousandths; of equals the one seen last. Else null."""
    work = in_steps(people["q_before"]) * _STEPS + (_STEPS - 1 - people["newest"])
    return (people["q_before"] > 0).ifelse(work, ibis.null("int64"))


def _mains(people: ir.Table, found: ir.Table) -> ir.Table:
    """The main user of each account that has one: `account_id`, `main_user`. Of equals in all the first by name."""
    best = found.select("account_id", "_main_rank")
    mains = people.inner_join(best, ["account_id", people["_rank"] == best["_main_rank"]])
    return mains.group_by("account_id").agg(main_user=mains["user_id"].min())


def _compared(people: ir.Table, mains: ir.Table) -> ir.Table:
    """What the main user used to do, and what the most active of the others did in the last 28 days."""
    known = people.inner_join(mains, "account_id")
    is_main = known["user_id"] == known["main_user"]
    main_q, other_28 = known["q_before"].max(where=is_main), known["q_28"].max(where=~is_main)
    return known.group_by("account_id").agg(_main_q=main_q, _other_28=other_28)


def _left(history: History, mains: ir.Table, moment: Moment) -> ir.Table:
    """How long ago main users were deactivated, as far as that was known."""
    users = history.known("users", moment)
    users = users.filter(users["deactivated_at"] >= users["created_at"])
    gone = mains.inner_join(users, ["account_id", mains["main_user"] == users["user_id"]])
    return gone.group_by("account_id").agg(_left_age=age_days(gone["deactivated_at"], moment.as_of).min())


def _features(tallied: Tallies, lists_users: bool) -> ir.Table:
    accounts, recorded = tallied.accounts, tallied.recorded
    users_28 = tallied.distinct(accounts["_users_28"].fill_null(0), 28)
    has_past = (accounts["observed_days"] >= 112) & ibis.literal(4 * recorded.lost_in(84, 28) <= 28)
    users_past = has_past.ifelse(accounts["_users_past"].fill_null(0).cast("float64"), _MISSING)
    quantity_28 = tallied.counted(accounts["q_28"], 28)
    main_age = _STEPS - 1 - accounts["_main_rank"] % _STEPS
    away = recorded.since(main_age)
    other_28 = recorded.counted(accounts["_other_28"].fill_null(0.0), 0, 28).clip(lower=0.0)
    cover = share(other_28, per_28_days(accounts["_main_q"], accounts["usual_days"])).clip(upper=1.0)
    return accounts.select(
        "account_id",
        active_users_28=users_28,
        active_users_past=users_past,
        active_users_trend=log_ratio(users_28, users_past),
        seat_share=share(users_28, accounts["seats"]),
        usage_per_seat_28=share(quantity_28, accounts["seats"]),
        main_user_share=share(accounts["_main_q"], accounts["q_before"]).clip(upper=1.0),  # others may have undone work
        main_user_days_away=away,
        main_user_cover=(away >= AWAY_DAYS).ifelse(cover, _MISSING),
        **({"days_since_main_user_left": accounts["_left_age"] + 1} if lists_users else {}),
    )
