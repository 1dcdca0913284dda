"""How an account began: its first use, its first four weeks, how many of its seats were ever used by then.

Only an account whose beginning lies inside the lookback has one to speak of, and only if the usage table was there to
see it; for all others these features are missing. It begins on the first day of its present terms, or on the day it
went live, where that is known and later.
"""

from dataclasses import replace
from typing import Final

import ibis
import ibis.expr.types as ir

from features.measures import share
from features.tallies import LOOKBACK_DAYS, Tallies, days_as_text
from features.timeline import Moment

__all__ = ["compute"]

_FIRST: Final = 28
_MISSING: Final = ibis.null("float64")


def compute(spine: ir.Table, tallied: Tallies, persons: ir.Table, moment: Moment) -> ir.Table:
    """Features of the beginning for the accounts of the spine, one row each.

    `spine` needs `account_id`, `since` and, where the company records it, `went_live_on`; `persons` is `by_person` of
    `tallies`.
    """
    begun = _begun(spine, tallied, moment)
    lives = begun.accounts.filter(begun.accounts["_life"].notnull()).select("account_id", "_life")
    people = persons.inner_join(lives, "account_id")
    seen = (people["oldest"] >= people["_life"] - _FIRST).sum()
    known = begun.beside(people.group_by("account_id").agg(_users=seen))
    accounts = known.accounts
    users = _users(known)
    return accounts.select(
        "account_id",
        days_to_first_use=_days_to_first_use(known),
        active_days_first_28=_active_days(known),
        users_first_28=users,
        seat_share_first_28=share(users, accounts["seats"]),
    )


def _begun(spine: ir.Table, tallied: Tallies, moment: Moment) -> Tallies:
    """The tallies with `_life`, the days since the account began; null where that is not to be seen.

    `_days` is each of these days as text, the first one first: 1 for a day of use.
    """
    start = spine["since"]
    if "went_live_on" in spine.columns:
        start = ibis.greatest(start, spine["went_live_on"].fill_null(start))
    life = ibis.literal(moment.as_of).delta(start, unit="day")
    is_seen = life <= min(LOOKBACK_DAYS, tallied.recorded.first + 1)
    begun = tallied.beside(spine.select("account_id", _life=is_seen.ifelse(life, ibis.null("int64"))))
    accounts = begun.accounts
    days = days_as_text([accounts[f"w{place}"] for place in range(4)]).right(accounts["_life"])
    return replace(begun, accounts=accounts.mutate(_days=days))


def _lost(tallied: Tallies, days: ir.IntegerValue) -> ir.IntegerValue:
    """Lost days among the first so many of each account."""
    recorded, life = tallied.recorded, tallied.accounts["_life"]
    return recorded.lost_before(life) - recorded.lost_before(life - days)


def _days_to_first_use(tallied: Tallies) -> ir.NumericValue:
    """Days that passed without use, from the beginning to the first use or to here."""
    accounts = tallied.accounts
    first = accounts["_days"].find("1")
    passed = (first < 0).ifelse(accounts["_life"], first)
    passed = (accounts["oldest"] >= accounts["_life"]).fill_null(False).ifelse(0, passed)
    return _unless_lost(tallied, passed, passed)


def _active_days(tallied: Tallies) -> ir.NumericValue:
    """Days of use among the first 28, as if none had been lost; missing until they are over."""
    accounts = tallied.accounts
    first = accounts["_days"].left(_FIRST)
    used = first.length() - first.replace("1", "").length()
    if tallied.recorded.lost:
        used = used * _FIRST / (_FIRST - _lost(tallied, ibis.literal(_FIRST))).nullif(0)
    used = _unless_lost(tallied, used, ibis.literal(_FIRST))
    return (accounts["_life"] >= _FIRST).ifelse(used, _MISSING)


def _users(tallied: Tallies) -> ir.NumericValue:
    """People who had used it by the end of the first 28 days; missing until they are over."""
    accounts = tallied.accounts
    users = _unless_lost(tallied, accounts["_users"].fill_null(0), ibis.literal(_FIRST))
    return (accounts["_life"] >= _FIRST).ifelse(users, _MISSING)


def _unless_lost(tallied: Tallies, amount: ir.NumericValue, days: ir.IntegerValue) -> ir.NumericValue:
    """The amount, missing where more than a quarter of the account's first days was lost."""
    if not tallied.recorded.lost:
        return amount
    return (4 * _lost(tallied, days) <= days).ifelse(amount, _MISSING)
