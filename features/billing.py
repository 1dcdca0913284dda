"""Whether an account pays: what is unpaid, how late it usually is, which payments failed.

An account that leaves this way often never decided to: a card ran out. Its cure is a reminder and not a call, so
nothing of the contract is in this family.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from features.measures import age_days, exact_sum, in_window, share
from features.outages import Recorded
from features.timeline import Moment
from features.versions import History

__all__ = ["LOOKBACK_DAYS", "compute"]

LOOKBACK_DAYS: Final = 364

_COUNTS: Final = {
    "invoices_unpaid": 84,
    "oldest_unpaid_days": 84,
    "invoices_overdue": 84,
    "amount_overdue": 84,
    "oldest_overdue_days": 84,
    "payment_failures_84": 84,
    "payment_failures_364": LOOKBACK_DAYS,
}
"""What is 0 where there is nothing, if the table has been there for so many days or as long as the account."""


def compute(history: History, spine: ir.Table, moment: Moment, recorded: Recorded) -> ir.Table:
    """Features of billing for the accounts of the spine, one row each.

    `spine` needs `account_id` and `tenure_days`. What happened before the table of invoices began is unknown.

    Voided invoices and those of nothing or less (credits) ask for no payment. What an invoice lacks in columns makes
    features missing: without `due_on` nothing is late, without `paid_on` nothing is unpaid.
    """
    rows = _invoices(history, moment)
    age, due_age, failed_age = rows["age"], rows["due_age"], rows["failed_age"]
    lately = age < LOOKBACK_DAYS
    unpaid = rows["is_unpaid"] & lately
    overdue = unpaid & (due_age >= 0)
    fell_due = in_window(due_age, 0, LOOKBACK_DAYS)
    late = fell_due & (rows["days_late"] > 0)
    found = rows.group_by("account_id").agg(
        invoices_unpaid=unpaid.sum(),
        oldest_unpaid_days=(age + 1).max(where=unpaid),
        invoices_overdue=overdue.sum(),
        amount_overdue=exact_sum(rows["amount"], overdue),
        oldest_overdue_days=(due_age + 1).max(where=overdue),
        invoices_due_364=fell_due.sum(),
        invoices_late_364=late.sum(),
        _days_late=rows["days_late"].sum(where=fell_due),
        payment_failures_84=in_window(failed_age, 0, 84).sum(),
        payment_failures_364=in_window(failed_age, 0, LOOKBACK_DAYS).sum(),
        _newest_failure=failed_age.min(),
    )
    joined = spine.select("account_id", "tenure_days").left_join(found, "account_id").drop("account_id_right")
    joined = joined.mutate(**{name: joined[name].fill_null(0) for name in ("invoices_due_364", "invoices_late_364")})
    newest = joined["_newest_failure"]
    return joined.mutate(
        **{
            name: recorded.whole(joined[name].fill_null(0), days, joined["tenure_days"])
            for name, days in _COUNTS.items()
        },
        days_late_364=share(joined["_days_late"], joined["invoices_due_364"]),
        late_share_364=share(joined["invoices_late_364"], joined["invoices_due_364"]),
        days_since_payment_failure=(newest < LOOKBACK_DAYS).ifelse(newest + 1, ibis.null("int64")),
    ).drop("tenure_days", "_days_late", "_newest_failure")


def _invoices(history: History, moment: Moment) -> ir.Table:
    """The invoices that ask for payment, as known, with ages in days: 0 is the day before the moment.

    `days_late` is how long after its due date an invoice was paid, or has been waiting; 0 where it was paid in time.
    """
    rows = history.known("invoices", moment)
    asks = rows["amount"] > 0
    if "voided_at" in rows.columns:
        asks = asks & rows["voided_at"].isnull()
    rows = rows.filter(asks)
    today = ibis.literal(moment.as_of)
    nothing = ibis.null("int64")
    has_due, has_paid = "due_on" in rows.columns, "paid_on" in rows.columns
    settled = rows["paid_on"].fill_null(today) if has_paid else today
    return rows.select(
        "account_id",
        "amount",
        age=age_days(rows["issued_on"], moment.as_of),
        due_age=age_days(rows["due_on"], moment.as_of) if has_due else nothing,
        is_unpaid=rows["paid_on"].isnull() if has_paid else ibis.literal(False),
        days_late=settled.delta(rows["due_on"], unit="day").clip(lower=0) if has_due else nothing,
        failed_age=age_days(rows["failed_at"], moment.as_of) if "failed_at" in rows.columns else nothing,
    )
