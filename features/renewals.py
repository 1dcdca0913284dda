"""When the contract is up for renewal, and how many renewals the customer has come through."""

from datetime import date
from typing import Final

import ibis
import ibis.expr.types as ir

from features.revenue import MONTHS_BILLED
from features.timeline import Moment
from features.versions import History

__all__ = ["SHORTEST_COMMITMENT", "past_renewals", "renewals"]

SHORTEST_COMMITMENT: Final = 3
"""Months from which a term has a renewal worth the name; who can leave every month renews nothing."""

_LONGEST: Final = 1_200
"""Months beyond which a term has no end that matters, and the calendar would."""


def renewals(history: History, terms: ir.Table, moment: Moment) -> ir.Table:
    """Renewals ahead and behind, one row per account that has terms.

    From `renews_on`, else from the start and the months committed to, else from the billing period, which says how
    often they pay and only suggests how long they stay: then `renewal_inferred` is 1.

    A `renews_on` that is rolled on in place is believed only as its term's first renewal: a later one shows that the
    term was renewed, which on the day in question nobody could know, and marks the survivors. Terms that can end every
    month have none.

    Parameters
    ----------
    terms
        The terms known at the moment, with `in_spell`: whether a term belongs to the account's present spell.

    Returns
    -------
    Table
        `account_id`; `days_to_renewal` of the first running term to renew, 0 on the day itself; `renewal_inferred`, 0
        or 1; `renewal_by_hand`, 1 where that term is known not to renew by itself, else 0; `renewals_survived`, the
        commitments of the present spell that ran out before the moment.
    """
    rows = _commitments(terms)
    rows = _ahead(_behind(rows, moment), moment, believed="subscriptions" in history.versioned)
    days, inferred = rows["_days"], rows["_inferred"]
    found = rows.group_by("account_id").agg(
        days_to_renewal=days.min(),
        _stated=days.min(where=~inferred),
        _by_hand=days.min(where=~rows["auto_renews"]),
        renewals_survived=rows["_survived"].sum(where=rows["in_spell"]),
    )
    only_inferred = (found["_stated"] > found["days_to_renewal"]).fill_null(True).cast("int64")
    by_hand = (found["_by_hand"] == found["days_to_renewal"]).fill_null(False).cast("int64")
    known = found["days_to_renewal"].notnull()
    return found.mutate(
        renewal_inferred=known.ifelse(only_inferred, ibis.null("int64")),
        renewal_by_hand=known.ifelse(by_hand, ibis.null("int64")),
    ).drop("_stated", "_by_hand")


def past_renewals(terms: ir.Table, moment: Moment, first: date) -> ir.Table:
    """The days from `first` to the moment on which the months of a term known at the moment ran out.

    One row for a term and day: `account_id`, `day`. Whether the account stayed is not asked here.
    """
    rows = _commitments(terms.mutate(in_spell=True))
    rows = rows.filter(_committed(rows).fill_null(False))
    last = ibis.literal(moment.as_of) - ibis.interval(days=1)
    rows = rows.mutate(_until=ibis.least(rows["ended_on"], last).cast("date"))
    fitting, _ = _fitting(rows["started_on"], rows["months"], rows["_until"])
    most = -(-(moment.as_of - first).days // (28 * SHORTEST_COMMITMENT)) + 1  # that may lie between the two dates
    times = ibis.range(ibis.greatest(fitting - most, 1), fitting + 1).unnest()
    rows = rows.select("account_id", "started_on", "months", "_until", _times=times)
    rows = rows.mutate(day=_later(rows["started_on"], rows["months"] * rows["_times"]))
    rows = rows.filter((rows["day"] <= rows["_until"]) & (rows["day"] >= ibis.literal(first)))
    return rows.select("account_id", "day")


def _commitments(terms: ir.Table) -> ir.Table:
    """The terms in the columns that renewals hang on, with `months`, and `by_billing` where billing alone says them."""
    types = {"term_months": "float64", "billing_period": "string", "renews_on": "date", "auto_renews": "boolean"}
    rows = terms.mutate(**{name: ibis.null(type_) for name, type_ in types.items() if name not in terms.columns})
    billed = rows["billing_period"].lower().cases(*MONTHS_BILLED.items(), else_=ibis.null("float64"))
    stated = rows["term_months"].nullif(0)
    return rows.select(
        "account_id",
        "started_on",
        "ended_on",
        "in_spell",
        "renews_on",
        "auto_renews",
        by_billing=stated.isnull(),
        months=stated.fill_null(billed).clip(upper=_LONGEST).cast("int64").nullif(0),
    )


def _behind(rows: ir.Table, moment: Moment) -> ir.Table:
    """With `_survived`: how often the months committed to fit into the term as far as it went, null below three."""
    last = ibis.literal(moment.as_of) - ibis.interval(days=1)
    until = ibis.least(rows["ended_on"], last).cast("date")  # that of a running term is null, and least passes over it
    fitting, due = _fitting(rows["started_on"], rows["months"], until)
    survived = fitting - (due > until).cast("int64")
    return rows.mutate(_survived=_committed(rows).fill_null(False).ifelse(survived, ibis.null("int64")))


def _ahead(rows: ir.Table, moment: Moment, *, believed: bool) -> ir.Table:
    """With `_days` to a running term's next renewal, and `_inferred` where billing alone suggests it."""
    months, today = rows["months"], ibis.literal(moment.as_of)
    stated = rows["renews_on"]
    if not believed:
        first = _later(rows["started_on"], months)
        stated = (stated <= first + ibis.interval(days=31)).fill_null(False).ifelse(stated, ibis.null("date"))
    rows = rows.mutate(_stated=stated, _base=stated.fill_null(rows["started_on"]))
    base, stated = rows["_base"], rows["_stated"]
    fitting, _ = _fitting(base, months, today)
    rows = rows.mutate(_passed=ibis.greatest(fitting, stated.isnull().cast("int64")).fill_null(0))
    # Each renewal is counted from the start: counted from the one before, 31 January would stay at the 28th for good.
    candidate, following = (_later(base, (rows["_passed"] + more) * months) for more in (0, 1))
    candidate = candidate.fill_null(base)
    renewal = (candidate < today).ifelse(following, candidate)
    days = renewal.delta(today, unit="day")
    counts = rows["ended_on"].isnull() & (days >= 0) & _committed(rows).fill_null(True)
    return rows.mutate(
        _days=counts.ifelse(days, ibis.null("int64")),
        _inferred=rows["by_billing"] & ~(renewal == stated).fill_null(False),
    )


def _committed(rows: ir.Table) -> ir.BooleanValue:
    return rows["months"] >= SHORTEST_COMMITMENT


def _fitting(base: ir.DateValue, months: ir.IntegerValue, until: ir.DateValue) -> tuple[ir.IntegerValue, ir.DateValue]:
    """How often so many months fit between two dates by the calendar alone, and the date they lead to.

    The date may lie past `until`, in the same month: whoever asks decides what that means.
    """
    fitting = ((until.year() - base.year()) * 12 + until.month() - base.month()) // months
    return fitting, _later(base, fitting * months)


def _later(day: ir.DateValue, months: ir.IntegerValue) -> ir.DateValue:
    return (day + months.cast("int64").as_interval("M")).cast("date")
