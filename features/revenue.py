"""What an account pays a month, and for what, by the terms running at a moment."""

from datetime import timedelta
from typing import Final

import ibis
import ibis.expr.types as ir

from features.cohort import terms
from features.measures import age_days, exact_sum, in_window
from features.timeline import Moment
from features.versions import History

__all__ = ["MONTHS_BILLED", "running_terms", "subscribed", "value_by_use"]

_BILLED_BY_USE_DAYS: Final = 90
_VALUE_DAYS: Final = 84
MONTHS_BILLED: Final = {
    **dict.fromkeys(("monthly", "month"), 1.0),
    **dict.fromkeys(("quarterly", "quarter"), 3.0),
    **dict.fromkeys(("semiannual", "half-yearly"), 6.0),
    **dict.fromkeys(("annual", "annually", "yearly", "year"), 12.0),
    "biennial": 24.0,
}
"""Months billed at once, by the words that companies have for it."""


def running_terms(history: History, moment: Moment) -> ir.Table:
    """The terms running at the moment, with every optional column of the contract that revenue needs.

    `mrr`, `seats`, `plan`, `billing_period`, `term_months`, `renews_on` are null where the company has no such column.
    A term without `mrr` is billed by use: it counts with the mean amount invoiced a month, over the last three, less
    what the account's other running terms pay, for the invoices contain that too. Several such terms share the rest
    evenly.
    """
    rows = terms(history, moment)
    rows = rows.filter(rows["ended_on"].isnull())
    types = {"mrr": "float64", "seats": "float64", "term_months": "float64", "renews_on": "date"}
    types |= {"plan": "string", "billing_period": "string"}
    missing = {name: ibis.null(type_) for name, type_ in types.items() if name not in rows.columns}
    rows = rows.mutate(**missing).select("account_id", "started_on", "last_day", *types)
    billing = rows["billing_period"].lower().cases(*MONTHS_BILLED.items(), else_=ibis.null("float64"))
    rows = rows.mutate(term_months=rows["term_months"].nullif(0).fill_null(billing))
    if "invoices" not in history.tables:
        return rows
    invoices = history.known("invoices", moment)
    recent = in_window(age_days(invoices["issued_on"], moment.as_of), 0, _BILLED_BY_USE_DAYS)
    if "voided_at" in invoices.columns:
        recent = recent & invoices["voided_at"].isnull()
    billed = invoices.group_by("account_id").agg(_billed=exact_sum(invoices["amount"], recent) / 3)
    rows = rows.left_join(billed, "account_id").drop("account_id_right")
    by_use = rows["mrr"].isnull().sum().over(group_by="account_id")
    fixed = exact_sum(rows["mrr"], rows["mrr"].notnull()).over(group_by="account_id")
    used = (rows["_billed"] - fixed).clip(lower=0)  # missing where nothing was ever invoiced
    return rows.mutate(mrr=rows["mrr"].fill_null(used / by_use)).drop("_billed")


def subscribed(running: ir.Table) -> ir.Table:
    """One row per account over its running terms.

    `mrr` is the sum of all, `seats` the most of any (products are mostly used by the same people), `products` their
    number; `plan`, `billing_period` and `term_months` are those of the term that pays most.
    """
    # Beyond price and age the order means nothing, but it must not hang on the order of the rows.
    rest = [running[name] for name in ("plan", "billing_period", "term_months")]
    order = [ibis.desc(running["mrr"].fill_null(0)), running["started_on"], *rest]
    first = ibis.row_number().over(group_by="account_id", order_by=order)
    rows = running.mutate(_first=first == 0)
    is_first = rows["_first"]
    return rows.group_by("account_id").agg(
        mrr=(rows["mrr"].count() > 0).ifelse(exact_sum(rows["mrr"], rows["mrr"].notnull()), ibis.null("float64")),
        seats=rows["seats"].max(),
        products=rows.count(),
        plan=rows["plan"].max(where=is_first),
        billing_period=rows["billing_period"].max(where=is_first),
        term_months=rows["term_months"].max(where=is_first),
        newest_term_on=rows["started_on"].max(),
    )


def value_by_use(history: History, moment: Moment) -> ir.Table:
    """Revenue where nothing is subscribed: `mrr` = quantity of the value events of the last 84 days, per 30 days."""
    usage = history.known("usage", moment)
    rows = usage.filter(usage["event"].isin(list(history.rules.value_events)))
    rows = rows.filter(rows["occurred_at"] >= moment.midnight - timedelta(days=_VALUE_DAYS))
    quantity = rows["quantity"].fill_null(1.0) if "quantity" in rows.columns else ibis.literal(1.0)
    total = exact_sum(quantity, ibis.literal(True))
    return rows.group_by("account_id").agg(mrr=total.clip(lower=0) * 30 / _VALUE_DAYS)
