"""When the price last rose, and by how much: more money for no more.

What an account paid is followed day by day through its present spell. A price changes where one row ends and the next
begins, or where a new version of a row arrives; both are seen.
"""

from dataclasses import replace
from typing import Final

import ibis
import ibis.expr.types as ir

from features.contract import CONTRACT, RECORDED_AT
from features.measures import in_steps
from features.timeline import Moment
from features.versions import History, recorded_at, visible

__all__ = ["LOOKBACK_DAYS", "pieces", "price_rises"]

LOOKBACK_DAYS: Final = 364

_SUBSCRIPTIONS: Final = CONTRACT["subscriptions"]
_PLANS: Final = 2**31 - 1
_PAID: Final = {"mrr": "float64", "seats": "float64", "plan": "string"}
_SUMS: Final = ("mrr", "unpriced", "seats", "seated", "plans", "products")


def price_rises(history: History, terms: ir.Table, moment: Moment) -> ir.Table:
    """The last price rise of the last 364 days: `account_id`, `price_rise_364`, `days_since_price_rise`.

    A rise is a day on which the account's MRR is above what it was before (above nothing), with no more products and no
    more seats; where no running term has seats on record, with the same plans. Days on which a term billed by use runs
    are left out: their MRR rises with the use. The rise is a share of the MRR before it. Accounts without a rise have
    no row.

    `terms` are the terms known at the moment, with `in_spell`: whether a term belongs to the account's present spell.
    """
    days = _sums_by_day(pieces(history, terms.filter(terms["in_spell"]), moment))
    days = days.filter((days["mrr"] > 0) & (days["unpriced"] == 0))
    before = ibis.window(group_by="account_id", order_by="day")
    days = days.mutate(**{f"_{name}": days[name].lag().over(before) for name in _SUMS})
    on_record = (days["seated"] > 0) & (days["_seated"] > 0)
    same_plans = (days["plans"] > 0) & (days["plans"] == days["_plans"])
    no_more = on_record.ifelse(days["seats"] <= days["_seats"], same_plans) & (days["products"] <= days["_products"])
    age = ibis.literal(moment.as_of).delta(days["day"], unit="day")
    rises = days.filter((days["mrr"] > days["_mrr"]) & no_more & (age <= LOOKBACK_DAYS))
    rises = rises.mutate(age=age, rise=rises["mrr"] / rises["_mrr"] - 1)
    return rises.group_by("account_id").agg(
        price_rise_364=rises["rise"].argmin(rises["age"]), days_since_price_rise=rises["age"].min()
    )


def pieces(history: History, terms: ir.Table, moment: Moment) -> ir.Table:
    """Stretches of terms with one price: `account_id`, `from_on`, `until_on` (null while it holds) and what was paid.

    A version counts from the day of its recording, as the night saw it; a term's first, and those of the first bulk
    load, from the term's start.
    """
    rows = history.tables["subscriptions"]
    rows = rows.mutate(**{name: ibis.null(type_) for name, type_ in _PAID.items() if name not in rows.columns})
    key = _SUBSCRIPTIONS.key
    if key is None or not {key, RECORDED_AT} <= set(rows.columns):
        whole = terms.mutate(**{name: ibis.null(type_) for name, type_ in _PAID.items() if name not in terms.columns})
        return whole.select("account_id", *_PAID, from_on="started_on", until_on="ended_on")
    versions = visible(rows, replace(_SUBSCRIPTIONS, key=None), moment, history.rules)
    order = ibis.window(group_by=key, order_by=recorded_at(versions))
    starts = ibis.row_number().over(order) == 0
    if history.rules.recorded_from is not None:
        starts = starts | (versions[RECORDED_AT] <= history.rules.recorded_from).fill_null(False)
    seen_on = (versions[RECORDED_AT] - ibis.interval(hours=history.rules.arrival_hours)).date()
    versions = versions.select(key, *_PAID, recorded=recorded_at(versions), seen_on=starts.ifelse(None, seen_on))
    held = terms.select(key, "account_id", "started_on", "ended_on").join(versions, key)
    held = held.mutate(from_on=ibis.greatest(held["seen_on"], held["started_on"]))
    following = held["from_on"].lead().over(ibis.window(group_by=key, order_by="recorded"))
    held = held.mutate(until_on=ibis.least(following, held["ended_on"]))
    held = held.filter((held["until_on"] > held["from_on"]).fill_null(True))
    return held.select("account_id", *_PAID, "from_on", "until_on")


def _sums_by_day(pieces: ir.Table) -> ir.Table:
    """What was running from each day on which something changed, in whole steps: `account_id`, `day` and `_SUMS`."""
    paid = pieces.select(
        "account_id",
        "from_on",
        "until_on",
        mrr=in_steps(pieces["mrr"].fill_null(0.0)),
        unpriced=pieces["mrr"].isnull().cast("int64"),
        seats=in_steps(pieces["seats"].fill_null(0.0)),
        seated=pieces["seats"].notnull().cast("int64"),
        # Equal sums of fingerprints are equal plans, whatever their order.
        plans=pieces["plan"].notnull().ifelse((pieces["plan"].hash() % _PLANS).abs().cast("int64"), 0),
        products=ibis.literal(1, "int64"),
    )
    begins = paid.select("account_id", *_SUMS, day="from_on")
    ends = paid.filter(paid["until_on"].notnull())
    ends = ends.select("account_id", **{name: -ends[name] for name in _SUMS}, day="until_on")
    changes = begins.union(ends).group_by("account_id", "day").agg(**{name: ibis._[name].sum() for name in _SUMS})
    so_far = ibis.cumulative_window(group_by="account_id", order_by="day")
    return changes.select("account_id", "day", **{name: changes[name].sum().over(so_far) for name in _SUMS})
