"""What an account has had to ask for help with, and how it was served.

Tickets carry facts that come later (an answer, a resolution, a rating); as of a date only those that had come count. A
ticket still waiting counts with its age, or else the slowest answers would look like no answers at all.
"""

from datetime import timedelta
from typing import Final

import ibis
import ibis.expr.types as ir

from features import aspects
from features.measures import age_days, day_bits, exact_sum, in_window, log_ratio, marked_days, per_28_days
from features.outages import Recorded
from features.said import STEPS, tone
from features.sentiment import ASPECTS
from features.timeline import Moment
from features.versions import History

__all__ = ["LOOKBACK_DAYS", "NEGATIVE_BELOW", "compute"]

LOOKBACK_DAYS: Final = 364

NEGATIVE_BELOW: Final = -0.3
"""Polarity below which a ticket sounds unhappy."""

_HALF_LIFE_DAYS: Final = 28
_HOUR, _DAY = 3_600, 86_400
_WORD_DAYS, _AGAIN_DAYS = 56, 7

_COUNTS: Final = {
    "tickets_28": 28,
    "tickets_84": 84,
    "repeat_tickets_84": 84,
    "reopened_84": 84,
    "negative_tickets_84": 84,
    "negative_tickets_decayed": 84,  # days that hold seven eighths of the weight
    **dict.fromkeys(map(aspects.name_of, ASPECTS), aspects.WINDOW_DAYS),
}
"""What is counted, and the days on which that depends."""


def compute(history: History, spine: ir.Table, moment: Moment, recorded: Recorded) -> ir.Table:
    """Features of support for the accounts of the spine, one row each.

    `spine` needs `account_id` and `tenure_days`.
    """
    found = _by_account(_tickets(history, moment))
    joined = spine.select("account_id", "tenure_days").left_join(found, "account_id").drop("account_id_right")
    joined = joined.mutate(**{name: joined[name].fill_null(0) for name in [*_COUNTS, "_before", "open_tickets"]})
    tenure_days = joined["tenure_days"]
    # Tickets from before the present terms (a trial, an earlier spell) are counted, so those days were observed too.
    observed_days = ibis.least(tenure_days, recorded.first + 1)
    joined = joined.mutate(
        **{
            name: recorded.whole(recorded.counted(joined[name], 0, days), days, tenure_days)
            for name, days in _COUNTS.items()
        },
        open_tickets=recorded.whole(joined["open_tickets"], 1, tenure_days),
        _observed_days=ibis.greatest(observed_days, (joined["_oldest"] + 1).fill_null(0)),
    )
    # One step after the other: an expression that were used in many others would be written out in each of them.
    joined = joined.mutate(_usual_days=recorded.usual_days(joined["_observed_days"]))
    joined = joined.mutate(tickets_usual=per_28_days(joined["_before"], joined["_usual_days"]))
    return joined.mutate(
        tickets_trend=log_ratio(joined["tickets_28"], joined["tickets_usual"]),
        oldest_open_days=recorded.whole(joined["oldest_open_days"].fill_null(0), 1, tenure_days),
        response_hours_trend=log_ratio(joined["response_hours_84"], joined["response_hours_usual"]),
        resolution_days_trend=log_ratio(joined["resolution_days_84"], joined["resolution_days_usual"]),
        sentiment_trend=joined["_mood"] - joined["_mood_before"],
        negative_tickets_84=_unless(joined["_is_unjudged_84"], joined["negative_tickets_84"]),
        negative_tickets_decayed=_unless(joined["_is_unjudged"], joined["negative_tickets_decayed"]),
        **{name: _unless(joined["_is_unread"], joined[name]) for name in map(aspects.name_of, ASPECTS)},
        days_since_negative_ticket=recorded.since(joined["_last_negative"]),
        csat_change=joined["csat_84"] - joined["csat_usual"],
    ).drop(
        *("tenure_days", "_before", "_oldest", "_observed_days", "_usual_days"),
        *("_mood", "_mood_before", "_is_unjudged_84", "_is_unjudged", "_is_unread", "_last_negative"),
    )


def _by_account(rows: ir.Table) -> ir.Table:
    """One pass over the tickets, per account."""
    age, mood, worst, csat = rows["age"], rows["mood"], rows["worst"], rows["csat"]
    recent, quarter, earlier = in_window(age, 0, 28), in_window(age, 0, 84), in_window(age, 84, LOOKBACK_DAYS - 84)
    is_open = rows["resolved_at"].isnull()
    is_negative = rows["is_negative"]
    accounts = rows.group_by("account_id").agg(
        tickets_28=recent.sum(),
        tickets_84=quarter.sum(),
        reopened_84=(rows["was_reopened"] & quarter).sum(),
        negative_tickets_84=(is_negative & quarter).sum(),
        negative_tickets_decayed=exact_sum(ibis.literal(0.5) ** (age / _HALF_LIFE_DAYS), is_negative),
        open_tickets=is_open.sum(),
        oldest_open_days=(age + 1).max(where=is_open),
        response_hours_84=_mean(rows["response"], _HOUR, quarter),
        response_hours_usual=_mean(rows["response"], _HOUR, earlier),
        longest_response_hours_84=rows["response"].max(where=quarter) / _HOUR,
        resolution_days_84=_mean(rows["resolution"], _DAY, quarter),
        resolution_days_usual=_mean(rows["resolution"], _DAY, earlier),
        **aspects.counted(rows["aspects"], quarter),
        toneless_tickets_364=mood.isnull().sum().nullif(0),
        sentiment_84=_mean(mood, STEPS, quarter),
        sentiment_worst_28=worst.min(where=recent) / STEPS,
        csat_84=_mean(csat, STEPS, quarter),
        csat_usual=_mean(csat, STEPS, earlier),
        _before=in_window(age, 28, 84).sum(),
        _oldest=age.max(),
        _mood=_mean(mood, STEPS, in_window(age, 0, 42), least=2),
        _mood_before=_mean(mood, STEPS, in_window(age, 42, 168), least=2),
        # Tickets, but none whose tone was judged (other languages): nobody knows whether one of them sounds unhappy.
        _is_unjudged_84=quarter.any() & (mood.count(where=quarter) == 0),
        _is_unjudged=mood.count() == 0,
        _is_unread=quarter.any() & (rows["aspects"].count(where=quarter) == 0),
        _last_negative=age.min(where=is_negative),
        # Each word also marks the days before its own, to look back on.
        _w0=day_bits(age, 0, _WORD_DAYS + _AGAIN_DAYS),
        _w1=day_bits(age, _WORD_DAYS, 84 - _WORD_DAYS + _AGAIN_DAYS),
    )
    alone = _days_alone(accounts["_w0"], _WORD_DAYS) + _days_alone(accounts["_w1"], 84 - _WORD_DAYS)
    return accounts.mutate(repeat_tickets_84=accounts["tickets_84"] - alone).drop("_w0", "_w1")


def _unless(is_unknown: ir.BooleanValue, amount: ir.NumericValue) -> ir.NumericValue:
    """The amount; missing where it is unknown. An account without a ticket says neither, and keeps its amount."""
    return is_unknown.ifelse(ibis.null("float64"), amount)


def _days_alone(word: ir.IntegerValue, days: int) -> ir.IntegerValue:
    """Days of the first so many in a word with a ticket and none in the seven days before.

    All tickets but the first of each such day came after another one.
    """
    followed = word >> 1
    for days_back in (1, 2, 3):  # one, two, four, then all seven days back
        followed = followed | (followed >> days_back)
    counted = word & (2**days - 1)
    return (marked_days(counted) - marked_days(counted & followed)).fill_null(0)


def _mean(whole: ir.IntegerValue, unit: int, where: ir.BooleanValue, least: int = 1) -> ir.FloatingValue:
    """A mean in units of so many, over whole numbers, whose sums repeat exactly; missing below `least` values."""
    values = whole.count(where=where)
    return whole.sum(where=where).cast("float64") / (values >= least).ifelse(values * unit, ibis.null("int64"))


def _tickets(history: History, moment: Moment) -> ir.Table:
    """The tickets of the lookback as known: times in seconds, sentiment and ratings in thousandths.

    What the company does not record is missing.
    """
    rows = history.known("tickets", moment)
    rows = tone(history, rows.filter(rows["opened_at"] >= moment.midnight - timedelta(days=LOOKBACK_DAYS)), moment)
    now = ibis.literal(moment.midnight)

    def column(name: str, type_: str) -> ir.Value:
        return rows[name] if history.may_teach(f"tickets.{name}") else ibis.null(type_)

    def waited(name: str) -> ir.IntegerValue:
        """Seconds from the opening; until now where it has not happened. Before the opening counts as at once."""
        if not history.has(f"tickets.{name}"):
            return ibis.null("int64")
        return rows[name].fill_null(now).delta(rows["opened_at"], unit="second").clip(lower=0)

    def steps(value: ir.NumericValue) -> ir.IntegerValue:
        return (value * STEPS).round().cast("int64")

    return rows.select(
        "account_id",
        age=age_days(rows["opened_at"], moment.as_of),
        resolved_at=column("resolved_at", "timestamp"),
        response=waited("first_response_at"),
        resolution=waited("resolved_at"),
        was_reopened=(column("reopened_count", "int64") > 0).fill_null(False),
        is_negative=(rows["worst"] < NEGATIVE_BELOW * STEPS).fill_null(False),
        mood=rows["mood"],
        worst=rows["worst"],
        aspects=rows["aspects"],
        csat=steps(column("csat", "float64")),
    )
