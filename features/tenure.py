"""How long an account has been a customer, what it pays, when it renews, and what changed.

Changes compare the terms as they are known now with the terms as they were known 28 and 84 days ago, so that a change
is seen whether the company ends a row and starts the next or writes a new version of it.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import ibis
import ibis.expr.types as ir

from features.catalogue import Feature, read_catalogue
from features.cohort import spells, terms
from features.measures import log_ratio
from features.price_rises import price_rises
from features.renewals import renewals
from features.revenue import running_terms, subscribed
from features.timeline import Moment
from features.versions import History

__all__ = ["CHANGE_DAYS", "FURTHER", "compute", "further"]

CHANGE_DAYS: Final = 84

FURTHER: Final = "accounts_"
"""What the features of further columns of accounts are called before the column's own name."""


def further(categories: Iterable[str]) -> list[Feature]:
    """The features of further columns of accounts, given as `accounts.tier`."""
    [pattern] = read_catalogue("categories")
    return [pattern.for_group(column.removeprefix("accounts.")) for column in categories]


def compute(history: History, spine: ir.Table, moment: Moment, categories: tuple[str, ...] = ()) -> ir.Table:
    """Features of tenure and contract for the accounts of the spine, one row each.

    `spine` needs `account_id`, `since`, `mrr`, `seats`, `plan` and `products`. `categories` are further columns of
    accounts.
    """
    joined = _profile(history, spine, moment, categories)
    if "subscriptions" not in history.tables:
        return joined
    known = terms(history, moment)
    known = known.inner_join(spine.select("account_id", "since"), "account_id")
    in_spell = known["started_on"] >= known["since"]
    if history.rules.definition == "inactivity":
        in_spell = ibis.literal(True)
    known = known.mutate(in_spell=in_spell).cache()
    parts = [
        _changes(history, spine, moment),
        renewals(history, known, moment),
        price_rises(history, known, moment),
        _comings(history, known),
    ]
    for part in parts:
        joined = joined.left_join(part.cache(), "account_id").drop("account_id_right")
    rise, since = joined["price_rise_364"].fill_null(0.0), joined["days_since_price_rise"]
    ahead, horizon = joined["days_to_renewal"], history.rules.lead_days + history.rules.horizon_days
    return joined.mutate(
        renews_in_horizon=(ahead < horizon).cast("int64"),
        price_rise_84=(since <= CHANGE_DAYS).fill_null(False).ifelse(rise, 0.0),
        price_rise_364=rise,
        returns=joined["returns"].fill_null(0),
        products_under_notice=joined["products_under_notice"].fill_null(0),
    )


def _profile(history: History, spine: ir.Table, moment: Moment, categories: tuple[str, ...]) -> ir.Table:
    joined = spine.select("account_id")
    if "went_live_on" in spine.columns:
        live = ibis.literal(moment.as_of).delta(spine["went_live_on"], unit="day")
        joined = spine.select("account_id", days_since_go_live=live)
    if categories:
        accounts = history.known("accounts", moment)
        chosen = accounts.select("account_id", **{f"{FURTHER}{column}": accounts[column] for column in categories})
        joined = joined.left_join(chosen, "account_id").drop("account_id_right")
    return joined


def _changes(history: History, spine: ir.Table, moment: Moment) -> ir.Table:
    """What the account pays, and for what, against 84 days ago as it was known then."""
    joined = spine.select("account_id", "mrr", "seats", "plan")
    then = subscribed(running_terms(history, moment.ago(CHANGE_DAYS))).cache()
    names = {f"{name}_before": name for name in ("mrr", "seats", "plan")}
    joined = joined.left_join(then.select("account_id", **names), "account_id").drop("account_id_right")
    mrr, mrr_before, seats_before = joined["mrr"], joined["mrr_before"], joined["seats_before"]
    direction = (mrr - mrr_before).sign().cast("int64")
    return joined.select(
        "account_id",
        mrr_before_84=mrr_before,
        seats_before_84=seats_before,
        mrr_change_84=log_ratio(mrr, mrr_before),
        seats_change_84=joined["seats"] - seats_before,
        plan_change_84=(joined["plan"] != joined["plan_before"]).cast("int64") * direction,
    )


def _comings(history: History, known: ir.Table) -> ir.Table:
    """Returns after an end, and running terms under notice: `account_id`, `returns`, `products_under_notice`."""
    without_grace = replace(history.rules, definition="subscription", grace_days=0, event="ended")
    runs = spells(known, without_grace).group_by("account_id").agg(returns=ibis._.count() - 1)
    given_up = known["ended_on"].isnull() & known["under_notice"]
    notice = known.group_by("account_id").agg(products_under_notice=given_up.sum())
    return runs.left_join(notice, "account_id").drop("account_id_right")
