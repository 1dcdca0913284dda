"""How much an account uses the product, against its own past.

All windows end the day before `as_of`. "The last 28 days" are compared with the 84 days before them, the account's
*usual*; an account not observed for 28 days of these has no usual, and says so by a missing value.
"""

from datetime import timedelta
from typing import Final

import ibis
import ibis.expr.types as ir

from features.measures import age_days, exact_sum, in_window, log_ratio, per_28_days, share
from features.timeline import Moment
from features.versions import History

__all__ = ["LOOKBACK_DAYS", "compute"]

LOOKBACK_DAYS: Final = 224
"""How far back use is looked at: four words of 56 days, one bit a day."""

_WORD_DAYS: Final = 56


@ibis.udf.scalar.builtin(name="bit_count", signature=(("int64",), "int8"))
def _bit_count(mask):  # type: ignore[no-untyped-def]
    """The engine's own function; it answers in a byte, so its results are widened before they are added."""


def _days(mask: ir.IntegerValue) -> ir.IntegerValue:
    """Number of days marked in a word."""
    return _bit_count(mask).cast("int64")


def compute(history: History, spine: ir.Table, moment: Moment) -> ir.Table:
    """Features of use for the accounts of the spine, one row each.

    `spine` needs `account_id`, `observed_days` (days of the account's life that the usage table covers) and `seats`.
    """
    accounts = _by_account(_by_user(_recent(history, moment)))
    joined = spine.select("account_id", "observed_days", "seats").left_join(accounts, "account_id")
    joined = joined.drop("account_id_right")
    counts = ["_days_7", "_days_28", "_days_84", "_days_before", "_q_7", "_q_28", "_q_before"]
    joined = joined.mutate(**{name: joined[name].fill_null(0) for name in [*counts, "_users_28", "_users_past"]})
    # Use before the present terms (a trial, an earlier spell) is in the sums below, so those days were observed too.
    observed_days = ibis.greatest(joined["observed_days"], (joined["_oldest"] + 1).fill_null(0))
    usual_window = (observed_days - 28).clip(lower=0, upper=84)
    usual_days = per_28_days(joined["_days_before"], usual_window)
    usual_quantity = per_28_days(joined["_q_before"], usual_window)
    had_past = observed_days >= 112
    span = (joined["_oldest"] - joined["_newest"]).cast("float64")
    gap = (joined["_days_all"] >= 3).ifelse(span / (joined["_days_all"] - 1), ibis.null("float64"))
    users_past = had_past.ifelse(joined["_users_past"].cast("float64"), ibis.null("float64"))
    return joined.select(
        "account_id",
        active_days_7=joined["_days_7"],
        active_days_28=joined["_days_28"],
        active_days_84=joined["_days_84"],
        active_days_usual=usual_days,
        active_days_trend=log_ratio(joined["_days_28"], usual_days),
        days_since_use=joined["_newest"] + 1,
        usual_gap_days=gap,
        silence_ratio=share(joined["_newest"] + 1, gap.fill_null(0)),
        usage_7=joined["_q_7"],
        usage_28=joined["_q_28"],
        usage_usual=usual_quantity,
        usage_trend_28=log_ratio(joined["_q_28"], usual_quantity),
        usage_trend_7=(joined["_q_28"] > 0).ifelse(
            log_ratio(joined["_q_7"] * 4, joined["_q_28"]), ibis.null("float64")
        ),
        active_users_28=joined["_users_28"],
        active_users_past=users_past,
        active_users_trend=log_ratio(joined["_users_28"], users_past),
        seat_share=share(joined["_users_28"], joined["seats"]),
        main_user_share=share(joined["_main_q"], joined["_q_before"]).clip(upper=1.0),  # others may have undone work
        main_user_days_away=joined["_main_age"] + 1,
    )


def _recent(history: History, moment: Moment) -> ir.Table:
    """Usage of the lookback with the age of each row, in the four columns that the sums need."""
    rows = history.known("usage", moment)
    rows = rows.filter(rows["occurred_at"] >= moment.midnight - timedelta(days=LOOKBACK_DAYS))
    quantity = rows["quantity"].fill_null(1.0) if "quantity" in rows.columns else ibis.literal(1.0)
    user = rows["user_id"] if "user_id" in rows.columns else ibis.null("string")
    return rows.select("account_id", user_id=user, quantity=quantity, age=age_days(rows["occurred_at"], moment.as_of))


def _by_user(rows: ir.Table) -> ir.Table:
    """One pass over the rows, per account and user: sums by window, and the days of use as bits, newest first."""
    age = rows["age"]
    words = {f"_w{word}": _day_bits(age, word * _WORD_DAYS) for word in range(LOOKBACK_DAYS // _WORD_DAYS)}
    users = rows.group_by("account_id", "user_id").agg(
        _q_7=exact_sum(rows["quantity"], in_window(age, 0, 7)),
        _q_28=exact_sum(rows["quantity"], in_window(age, 0, 28)),
        _q_before=exact_sum(rows["quantity"], in_window(age, 28, 84)),
        _newest=age.min(),
        _oldest=age.max(),
        **words,
    )
    return users.mutate(**{word: users[word].fill_null(0) for word in words})


def _day_bits(age: ir.IntegerValue, start: int) -> ir.IntegerScalar:
    """Days with use in one word's window, one bit a day: distinct days are counted without sorting a single row."""
    place = in_window(age, start, _WORD_DAYS).ifelse((age - start).cast("int64"), ibis.null("int64"))
    return (ibis.literal(1, "int64") << place).bit_or()


def _by_account(users: ir.Table) -> ir.Table:
    """Per account: the users' sums and bits put together, and the main user, who did most in the 84 days before."""
    is_person = users["user_id"].notnull()
    used_past = (users["_w1"] >> 28) > 0  # ages 84 to 111: the same four weeks, twelve weeks earlier
    did_something = is_person & (users["_q_before"] > 0)
    # The most work, in whole thousandths as it was summed; of equals the one seen last, whoever that is.
    rank = (users["_q_before"] * 1_000).round() * 1_000 + (999 - users["_newest"])
    masks = {f"_w{word}": users[f"_w{word}"].bit_or() for word in range(LOOKBACK_DAYS // _WORD_DAYS)}
    accounts = users.group_by("account_id").agg(
        _q_7=exact_sum(users["_q_7"], ibis.literal(True)),
        _q_28=exact_sum(users["_q_28"], ibis.literal(True)),
        _q_before=exact_sum(users["_q_before"], ibis.literal(True)),
        _newest=users["_newest"].min(),
        _oldest=users["_oldest"].max(),
        _users_28=(is_person & (users["_newest"] < 28)).sum(),
        _users_past=(is_person & used_past).sum(),
        _main_q=users["_q_before"].max(where=did_something),
        _main_age=users["_newest"].argmax(rank, where=did_something),
        **masks,
    )
    last_28, last_7 = 2**28 - 1, 2**7 - 1
    w0, w1 = accounts["_w0"], accounts["_w1"]
    before = _days(w0 >> 28) + _days(w1)
    days_28 = _days(w0 & last_28)
    days_84 = _days(w0) + _days(w1 & last_28)
    every = _days(w0) + _days(w1) + _days(accounts["_w2"]) + _days(accounts["_w3"])
    return accounts.mutate(
        _days_7=_days(w0 & last_7), _days_28=days_28, _days_84=days_84, _days_before=before, _days_all=every
    )
