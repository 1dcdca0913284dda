"""What an account has had to ask for help with, and how it was served.

Tickets carry facts that come later (an answer, a resolution, a rating); as of a date only those that had come count. A
ticket still waiting counts with its age, or else the slowest answers would look like no answers at all.
"""

from datetime import timedelta
from typing import Final

import ibis
import ibis.expr.types as ir

from features.measures import age_days, in_window, log_ratio, per_28_days
from features.timeline import Moment
from features.versions import History

__all__ = ["LOOKBACK_DAYS", "NEGATIVE_BELOW", "compute"]

LOOKBACK_DAYS: Final = 364

NEGATIVE_BELOW: Final = -0.3
"""Polarity below which a ticket sounds unhappy."""

_HOURS = 3600.0


def compute(history: History, spine: ir.Table, moment: Moment) -> ir.Table:
    """Features of support for the accounts of the spine, one row each.

    `spine` needs `account_id` and `tenure_days`.
    """
    rows = _tickets(history, moment)
    age = rows["age"]
    recent, quarter = in_window(age, 0, 28), in_window(age, 0, 84)
    year_before = in_window(age, 84, LOOKBACK_DAYS - 84)
    is_open = rows["resolved_at"].isnull()
    unhappy = rows["sentiment"] < NEGATIVE_BELOW
    found = rows.group_by("account_id").agg(
        tickets_28=recent.sum(),
        tickets_84=quarter.sum(),
        _before=in_window(age, 28, 84).sum(),
        _oldest=age.max(),
        open_tickets=is_open.sum(),
        oldest_open_days=(age + 1).max(where=is_open),
        response_hours_84=_mean(rows["response_hours"], quarter),
        resolution_days_84=_mean(rows["resolution_days"], quarter),
        resolution_days_usual=_mean(rows["resolution_days"], year_before),
        reopened_84=rows["reopened_count"].sum(where=quarter),
        sentiment_84=_mean(rows["sentiment"], quarter),
        sentiment_worst_28=rows["sentiment"].min(where=recent),
        negative_tickets_84=(unhappy & quarter).fill_null(False).sum(),
        csat_84=_mean(rows["csat"], quarter),
    )
    joined = spine.select("account_id", "tenure_days").left_join(found, "account_id").drop("account_id_right")
    counts = ["tickets_28", "tickets_84", "_before", "open_tickets", "negative_tickets_84", "reopened_84"]
    joined = joined.mutate(**{name: joined[name].fill_null(0) for name in counts})
    # Tickets from before the present terms (a trial, an earlier spell) are counted, so those days were observed too.
    observed_days = ibis.greatest(joined["tenure_days"], (joined["_oldest"] + 1).fill_null(0))
    usual = per_28_days(joined["_before"], (observed_days - 28).clip(lower=0, upper=84))
    return joined.mutate(
        tickets_usual=usual,
        tickets_trend=log_ratio(joined["tickets_28"], usual),
        oldest_open_days=joined["oldest_open_days"].fill_null(0),
    ).drop("tenure_days", "_before", "_oldest")


def _mean(value: ir.NumericValue, where: ir.BooleanValue) -> ir.FloatingValue:
    """A mean over exact sums, so that it repeats at any number of threads."""
    steps = (value * 1_000).round().cast("int64")
    return steps.sum(where=where).cast("float64") / (steps.count(where=where) * 1_000).nullif(0)


def _tickets(history: History, moment: Moment) -> ir.Table:
    """The tickets of the lookback as known, with what the company does not record as missing."""
    rows = history.known("tickets", moment)
    rows = rows.filter(rows["opened_at"] >= moment.midnight - timedelta(days=LOOKBACK_DAYS))
    now = ibis.literal(moment.midnight)

    def column(name: str, type_: str) -> ir.Value:
        return rows[name] if history.may_teach(f"tickets.{name}") else ibis.null(type_)

    def waited(name: str) -> ir.FloatingValue:
        seconds = rows[name].fill_null(now).delta(rows["opened_at"], unit="second")
        return seconds.clip(lower=0).cast("float64")

    has_response, has_resolution = history.has("tickets.first_response_at"), history.has("tickets.resolved_at")
    return rows.select(
        "account_id",
        age=age_days(rows["opened_at"], moment.as_of),
        resolved_at=column("resolved_at", "timestamp"),
        response_hours=waited("first_response_at") / _HOURS if has_response else ibis.null("float64"),
        resolution_days=waited("resolved_at") / (24 * _HOURS) if has_resolution else ibis.null("float64"),
        reopened_count=column("reopened_count", "int64"),
        sentiment=column("sentiment", "float64"),
        csat=column("csat", "float64"),
    )
