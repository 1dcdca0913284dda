"""Everything known about an account at a moment, in one table.

The same expression serves the night (one date) and training (one date after another): there is no second code path in
which the two could differ.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import ibis
import ibis.expr.types as ir

from features import pages, support, tenure, usage
from features.catalogue import Feature, read_catalogue
from features.cohort import roots, states
from features.revenue import running_terms, subscribed, value_by_use
from features.timeline import Moment
from features.versions import History

__all__ = ["SPINE", "Recipe", "build", "catalogue", "spine"]

SPINE = ("account_id", "root_id", "as_of", "state", "since", "last_day", "mrr")
"""Columns that come with every row of `build` beside the features."""


@dataclass(frozen=True)
class Recipe:
    """What `build` is to compute: the catalogue's features, and the groups of pages that some of them speak of."""

    features: tuple[Feature, ...]
    page_groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def catalogue(history: History, page_groups: Mapping[str, tuple[str, ...]]) -> tuple[Feature, ...]:
    """The features that this company's tables allow: all whose columns are there and may teach a model."""
    listed = [*read_catalogue("usage"), *read_catalogue("support")]
    listed += [pattern.for_group(group) for group in page_groups for pattern in read_catalogue("pages")]
    listed += read_catalogue("tenure")
    return tuple(feature for feature in listed if all(history.may_teach(column) for column in feature.needs))


def spine(history: History, moment: Moment) -> ir.Table:
    """The customers at the moment (active or leaving), one row each, with what every family needs of them.

    Columns: those of `SPINE`, `tenure_days`, `observed_days` (days of the account's life that the usage table covers),
    `seats`, `plan`, `billing_period`, `products`, `newest_term_on`, and the mutable columns of accounts as known then.
    """
    there = states(history, moment).filter(ibis._["state"].isin(["active", "leaving"]))
    accounts = history.known("accounts", moment)
    wanted = ["segment", "industry", "country", "went_live_on"]
    about = accounts.select("account_id", "created_at", *[name for name in wanted if name in accounts.columns])
    there = there.left_join(about, "account_id").drop("account_id_right")
    there = there.left_join(roots(accounts), "account_id").drop("account_id_right")
    if "subscriptions" in history.tables:
        paid = subscribed(running_terms(history, moment))
        there = there.left_join(paid, "account_id").drop("account_id_right")
    else:
        there = _without_subscriptions(history, there, moment)
    today = ibis.literal(moment.as_of)
    tenure_days = today.delta(there["since"], unit="day")
    observed = tenure_days
    if "usage" in history.tables:
        begin = history.known("usage", moment)["occurred_at"].min().as_scalar().cast("date")
        observed = ibis.least(tenure_days, today.delta(begin, unit="day").fill_null(0))
    return there.mutate(
        as_of=today,
        root_id=there["root_id"].fill_null(there["account_id"]),
        tenure_days=tenure_days,
        observed_days=observed,
    )


def _without_subscriptions(history: History, there: ir.Table, moment: Moment) -> ir.Table:
    nothing = {name: ibis.null("float64") for name in ("seats", "products", "term_months")}
    nothing |= {name: ibis.null("string") for name in ("plan", "billing_period")}
    there = there.mutate(**nothing, newest_term_on=ibis.null("date"))
    if not history.rules.value_events:
        return there.mutate(mrr=ibis.null("float64"))
    joined = there.left_join(value_by_use(history, moment), "account_id").drop("account_id_right")
    return joined.mutate(mrr=joined["mrr"].fill_null(0.0))


def build(history: History, moment: Moment, recipe: Recipe) -> ir.Table:
    """Features of every customer at the moment: the columns of `SPINE`, then the recipe's features in its order.

    Sorted by `account_id`. Numbers are float64 with null for missing, categories are strings. The spine and each family
    are kept by the engine while the result is in use: computed once each, rather than once per place that reads them.
    """
    accounts = spine(history, moment).cache()
    families = [tenure.compute(history, accounts, moment)]
    if "usage" in history.tables:
        families.append(usage.compute(history, accounts, moment))
    if "tickets" in history.tables:
        families.append(support.compute(history, accounts, moment))
    if "page_visits" in history.tables and recipe.page_groups:
        families.append(pages.compute(history, accounts, moment, recipe.page_groups))
    wide = accounts
    for family in families:
        wide = wide.left_join(family.cache(), "account_id").drop("account_id_right")
    numbers = {f.name: wide[f.name].cast("float64") for f in recipe.features if f.kind == "number" and f.name != "mrr"}
    names = [feature.name for feature in recipe.features if feature.name != "mrr"]
    rows = wide.mutate(**numbers).select(*SPINE, *names)
    return rows.order_by("account_id")
