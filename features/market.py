"""How customers alike fare: who of them left, whether they use it less, and where an account stands among them.

Peers share a segment, an industry or a plan, as known at the moment. An account and all that belongs to its root are
left out of its own peers, or else its own decline would explain itself. Only churn that was known counts: an ended
account still within its grace is no churn yet, neither its own nor a peer's.
"""

from datetime import timedelta
from typing import Final

import ibis
import ibis.expr.types as ir

from features.cohort import roots, terms
from features.labels import churns
from features.measures import in_steps
from features.timeline import Moment
from features.versions import History

__all__ = ["LEAST_PEERS", "LOOKBACK_DAYS", "compute"]

LOOKBACK_DAYS: Final = 182
LEAST_PEERS: Final = 20
"""Below this many peers a share says nothing, and is missing."""

_COLUMNS: Final = {"segment": "accounts.segment", "industry": "accounts.industry", "plan": "subscriptions.plan"}
_SUMS: Final = ("here", "gone", "compared", "now", "usual")


def compute(history: History, spine: ir.Table, moment: Moment, use: ir.Table | None) -> ir.Table:
    """Features of the market for the accounts of the spine, one row each.

    `spine` needs `account_id`, `root_id` and those of `segment`, `industry`, `plan` that may teach. `use` has
    `account_id`, `active_days_28` and `active_days_usual`; None where the company has no usage table.
    """
    kinds = [kind for kind, column in _COLUMNS.items() if history.may_teach(column)]
    here = spine.select("account_id", "root_id", *kinds)
    if use is not None:
        here = here.left_join(use.select("account_id", "active_days_28", "active_days_usual"), "account_id")
        here = here.drop("account_id_right")
    else:
        here = here.mutate(active_days_28=ibis.null("float64"), active_days_usual=ibis.null("float64"))
    result = here.cache()
    if kinds:
        everyone = _everyone(result, _gone(history, moment, kinds).cache(), kinds).cache()
        for kind in kinds:
            result = _beside(result, everyone, kind)
    if {"segment", "plan"} <= set(kinds):
        result = result.mutate(usage_place=_place(result, ["segment", "plan"]))
    return result.drop("root_id", "active_days_28", "active_days_usual", *kinds)


def _everyone(here: ir.Table, gone: ir.Table, kinds: list[str]) -> ir.Table:
    """Customers here and gone, one row each: what they are, and in whole numbers what is added up over peers."""
    # Under notice, or back after the grace: who left in the half year counts among those gone alone.
    left = gone.select(_left="account_id").distinct()
    here = here.left_join(left, [("account_id", "_left")])
    compared = here["active_days_usual"].notnull() & here["active_days_28"].notnull()
    one, none = ibis.literal(1, "int64"), ibis.literal(0, "int64")
    present = {
        "here": here["_left"].isnull().cast("int64"),
        "gone": none,
        "compared": compared.cast("int64"),
        "now": compared.ifelse(in_steps(here["active_days_28"]), none),
        "usual": compared.ifelse(in_steps(here["active_days_usual"]), none),
    }
    departed = dict.fromkeys(_SUMS, none) | {"gone": one}
    return here.select(*kinds, "root_id", **present).union(gone.select(*kinds, "root_id", **departed))


def _beside(result: ir.Table, everyone: ir.Table, kind: str) -> ir.Table:
    """The features of one kind of peers beside each account: everyone of its kind less what belongs to its root."""
    known = everyone.filter(everyone[kind].notnull())
    sums = {name: known[name].sum() for name in _SUMS}
    alike = known.group_by(_kind=known[kind]).agg(**sums)
    own = known.group_by(_own_kind=known[kind], _own_root=known["root_id"]).agg(
        **{f"own_{name}": value for name, value in sums.items()}
    )
    joined = result.left_join(alike, [(kind, "_kind")])
    joined = joined.left_join(own, [(kind, "_own_kind"), ("root_id", "_own_root")])
    others = {name: joined[name] - joined[f"own_{name}"].fill_null(0) for name in _SUMS}
    peers = others["here"] + others["gone"]
    compared = (others["compared"] >= LEAST_PEERS) & (others["usual"] > 0)
    missing = ibis.null("float64")
    return joined.select(
        *result.columns,
        **{
            f"peer_churn_{kind}": (peers >= LEAST_PEERS).ifelse(others["gone"] / peers.nullif(0), missing),
            f"peer_trend_{kind}": compared.ifelse(others["now"] / others["usual"].nullif(0) - 1, missing),
        },
    )


def _gone(history: History, moment: Moment, kinds: list[str]) -> ir.Table:
    """Accounts whose churn in the half year before the grace was known, with what they were: one row each."""
    known_until = moment.as_of - timedelta(days=history.rules.grace)
    left = churns(history, moment.as_of)
    left = left.filter(left["churn_on"] >= ibis.literal(known_until - timedelta(days=LOOKBACK_DAYS)))
    left = left.group_by("account_id").agg(churn_on=left["churn_on"].max())
    accounts = history.known("accounts", moment).cache()
    about = accounts.select("account_id", *[kind for kind in kinds if kind != "plan"])
    left = left.left_join(about, "account_id").drop("account_id_right")
    left = left.left_join(roots(accounts), "account_id").drop("account_id_right")
    left = left.mutate(root_id=left["root_id"].fill_null(left["account_id"]))
    if "plan" in kinds:
        left = left.left_join(_last_plans(history, moment), "account_id").drop("account_id_right")
    return left.select("account_id", "root_id", *kinds)


def _last_plans(history: History, moment: Moment) -> ir.Table:
    """The plan of each account's newest term; of several, that of the term that pays most."""
    known = terms(history, moment)
    mrr = known["mrr"].fill_null(0.0) if "mrr" in known.columns else ibis.literal(0.0)
    order = [ibis.desc(known["started_on"]), ibis.desc(mrr), known["plan"]]
    place = ibis.row_number().over(group_by="account_id", order_by=order)
    known = known.select("account_id", "plan", _place=place)
    return known.filter(known["_place"] == 0).select("account_id", "plan")


def _place(result: ir.Table, alike: list[str]) -> ir.FloatingValue:
    """Share of the customers alike, siblings among them, that use it on fewer days; those on as many counted half."""
    used = result["active_days_28"]
    fewer = ibis.rank().over(group_by=alike, order_by=[used])
    same = used.count().over(group_by=[*alike, used])
    others = used.count().over(group_by=alike) - 1
    known = used.notnull() & result["segment"].notnull() & result["plan"].notnull() & (others >= LEAST_PEERS)
    share = (fewer.cast("float64") + (same - 1) / 2) / others.nullif(0)
    return known.ifelse(share, ibis.null("float64"))
