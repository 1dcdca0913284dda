"""How much an account uses the product, against its own past.

All windows end the day before `as_of`. "The last 28 days" are compared with the 84 days before them, the account's
*usual*; an account not observed for 28 days of these has no usual, and says so by a missing value.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from features.measures import log_ratio, marked_days, per_28_days, share
from features.tallies import HALF_LIFE_DAYS, Tallies, day_mask, days_as_text

__all__ = ["compute"]

_MISSING: Final = ibis.null("float64")


def compute(tallied: Tallies) -> ir.Table:
    """Features of use for the accounts of the spine, one row each."""
    accounts, recorded = tallied.accounts, tallied.recorded
    w0, w1, w2 = accounts["w0"], accounts["w1"], accounts["w2"]
    last_28 = marked_days(w0 & (2**28 - 1))
    last_84 = marked_days(w0) + marked_days(w1 & (2**28 - 1))
    days_28, days_84 = tallied.counted(last_28, 28), tallied.counted(last_84, 84)
    usual_days = per_28_days(marked_days(w0 >> 28) + marked_days(w1), accounts["usual_days"])
    # What was lost of the 84 days before is as likely to have been a day of use as the others.
    before_84 = recorded.counted(marked_days(w1 >> 28) + marked_days(w2), 84, 84)
    had_both = (accounts["observed_days"] >= 168).ifelse(before_84, _MISSING)
    q_7, q_28 = tallied.counted(accounts["q_7"], 7), tallied.counted(accounts["q_28"], 28)
    usual = per_28_days(accounts["q_before"], accounts["usual_days"])
    since, gap = recorded.since(accounts["newest"]), _gap(tallied)
    return accounts.select(
        "account_id",
        active_days_7=tallied.counted(marked_days(w0 & (2**7 - 1)), 7),
        active_days_28=days_28,
        active_days_84=days_84,
        active_days_usual=usual_days,
        active_days_trend=log_ratio(days_28, usual_days),
        active_days_before_84=had_both,
        active_days_trend_84=log_ratio(days_84, had_both),
        days_since_use=since,
        usual_gap_days=gap,
        silence_ratio=share(since, gap.fill_null(0)),
        longest_silence_84=_longest_silence(tallied),
        usage_7=q_7,
        usage_28=q_28,
        usage_84=tallied.counted(accounts["q_84"], 84),
        usage_decayed=_decayed(tallied),
        usage_usual=usual,
        usage_trend_28=log_ratio(q_28, usual),
        usage_trend_7=(q_28 > 0).ifelse(log_ratio(q_7 * 4, q_28), _MISSING),
    )


def _gap(tallied: Tallies) -> ir.FloatingValue:
    """Days from one day of use to the next, on average; lost days are no part of a gap."""
    accounts, recorded = tallied.accounts, tallied.recorded
    days = sum((marked_days(accounts[word]) for word in ("w1", "w2", "w3")), marked_days(accounts["w0"]))
    span = accounts["oldest"] - accounts["newest"]
    if recorded.lost:
        span = span - (recorded.lost_before(accounts["oldest"]) - recorded.lost_before(accounts["newest"]))
    return (days >= 3).ifelse(span.cast("float64") / (days - 1), _MISSING)


def _longest_silence(tallied: Tallies) -> ir.IntegerValue:
    """The most days in a row without use, of the last 84 or as many as were seen. A lost day ends a silence."""
    accounts, recorded = tallied.accounts, tallied.recorded
    marked = [accounts[word] | day_mask(recorded.lost, place) for place, word in enumerate(("w0", "w1"))]
    seen_days = accounts["observed_days"].clip(upper=84)
    silences = days_as_text(marked).right(seen_days).split("1").map(lambda silence: silence.length())
    is_known = (seen_days > 0) & ibis.literal(4 * recorded.lost_in(0, 84) <= 84)
    return is_known.ifelse(silences.maxs(), ibis.null("int64"))


def _decayed(tallied: Tallies) -> ir.NumericValue:
    """A decayed sum as it would be had no day been lost; a lost day weighs what use on it would have weighed."""
    days = 84
    whole = sum(0.5 ** (age / HALF_LIFE_DAYS) for age in range(days))
    lost = sum(0.5 ** (age / HALF_LIFE_DAYS) for age in tallied.recorded.lost if age < days)
    if 4 * lost > whole:
        return _MISSING
    amount = tallied.accounts["q_decayed"]
    return tallied.whole(amount * (whole / (whole - lost)) if lost else amount, days)
