"""How long an account has been a customer, what it pays, when it renews, and what changed.

Changes compare the terms as they are known now with the terms as they were known 84 days ago, so that a change is seen
whether the company ends a row and starts the next or writes a new version of it.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from features.measures import log_ratio
from features.revenue import running_terms, subscribed
from features.timeline import Moment
from features.versions import History

__all__ = ["CHANGE_DAYS", "SHORTEST_COMMITMENT", "compute"]

CHANGE_DAYS: Final = 84


SHORTEST_COMMITMENT: Final = 3
"""Months from which a term has a renewal worth the name; who can leave every month renews nothing."""


def compute(history: History, spine: ir.Table, moment: Moment) -> ir.Table:
    """Features of tenure and contract for the accounts of the spine, one row each.

    `spine` needs `account_id`, `tenure_days`, `mrr`, `seats`, `plan`, `products` and `newest_term_on`.
    """
    names = ["account_id", "tenure_days", "mrr", "seats", "plan", "products", "newest_term_on"]
    joined = spine.select(*names, *(["went_live_on"] if "went_live_on" in spine.columns else []))
    if "subscriptions" in history.tables:
        joined = _with_contract(history, joined, moment)
    if "went_live_on" in joined.columns:
        live = ibis.literal(moment.as_of).delta(joined["went_live_on"], unit="day")
        joined = joined.mutate(days_since_go_live=live)
    return joined.drop(*names[1:], *(["went_live_on"] if "went_live_on" in joined.columns else []))


def _with_contract(history: History, joined: ir.Table, moment: Moment) -> ir.Table:
    horizon = history.rules.lead_days + history.rules.horizon_days
    renewals = _next_renewals(history, moment)
    before = subscribed(running_terms(history, moment.ago(CHANGE_DAYS))).select(
        "account_id", _mrr="mrr", _seats="seats", _plan="plan", _products="products"
    )
    joined = joined.left_join(renewals, "account_id").drop("account_id_right")
    joined = joined.left_join(before, "account_id").drop("account_id_right")
    mrr, mrr_before, seats, seats_before = joined["mrr"], joined["_mrr"], joined["seats"], joined["_seats"]
    # Dearer without more seats or products; where seats are not recorded, dearer on the same plan.
    same_scope = (seats <= seats_before).fill_null(joined["plan"] == joined["_plan"]).fill_null(False)
    same_scope = same_scope & (joined["products"] <= joined["_products"])
    rise = ((mrr > mrr_before) & (mrr_before > 0) & same_scope).ifelse(mrr / mrr_before - 1, 0.0)
    rise = mrr_before.isnull().ifelse(ibis.null("float64"), rise)
    age_of_newest = ibis.literal(moment.as_of).delta(joined["newest_term_on"], unit="day")
    rose_lately = (rise > 0) & (age_of_newest <= CHANGE_DAYS)
    return (
        joined.mutate(
            renews_in_horizon=(joined["days_to_renewal"] < horizon).cast("int64"),
            mrr_change_84=log_ratio(mrr, mrr_before),
            price_rise_84=rise,
            days_since_price_rise=rose_lately.ifelse(age_of_newest, ibis.null("int64")),
            seats_change_84=seats - seats_before,
            plan_changed_84=(joined["plan"] != joined["_plan"]).cast("int64"),
        )
        .rename(mrr_before="_mrr", seats_before="_seats")
        .drop("_plan", "_products")
    )


def _next_renewals(history: History, moment: Moment) -> ir.Table:
    """Days until the first renewal among an account's running terms: `account_id`, `days_to_renewal`.

    From `renews_on`, else from the start and the months committed to, else from the billing period. A `renews_on` that
    is rolled on in place is believed only as its term's first renewal: a later one shows that the term was renewed,
    which on the day in question nobody could know, and marks the survivors. Terms that can end every month have none.
    """
    rows = running_terms(history, moment)
    rows = rows.mutate(_months=rows["term_months"].cast("int64"))
    first = (rows["started_on"] + rows["_months"].as_interval("M")).cast("date")
    stated = rows["renews_on"]
    if "subscriptions" not in history.versioned:
        is_first = (stated <= first + ibis.interval(days=31)).fill_null(False)
        stated = is_first.ifelse(stated, ibis.null("date"))
    rows = rows.mutate(_base=stated.fill_null(rows["started_on"]), _fewest=stated.isnull().cast("int64"))
    today, base, months = ibis.literal(moment.as_of), rows["_base"], rows["_months"]
    passed = (today.year() - base.year()) * 12 + today.month() - base.month()
    rows = rows.mutate(_passed=ibis.greatest(passed // months, rows["_fewest"]).fill_null(0))
    # Each renewal is counted from the start: counted from the one before, 31 January would stay at the 28th for good.
    candidate, following = (
        (base + ((rows["_passed"] + more) * months).cast("int64").as_interval("M")).cast("date") for more in (0, 1)
    )
    candidate = candidate.fill_null(base)
    renewal = (candidate < today).ifelse(following, candidate)
    days = renewal.delta(today, unit="day")
    is_committed = (rows["_months"] >= SHORTEST_COMMITMENT).fill_null(True)
    rows = rows.mutate(_days=((days >= 0) & is_committed).ifelse(days, ibis.null("int64")))
    return rows.group_by("account_id").agg(days_to_renewal=rows["_days"].min())
