"""Everything known about an account at a moment, in one table.

The same expression serves the night (one date) and training (one date after another): there is no second code path in
which the two could differ.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import ibis
import ibis.expr.types as ir

from features import (
    aspects,
    billing,
    events,
    feedback,
    habits,
    market,
    onboarding,
    pages,
    people,
    support,
    tenure,
    usage,
)
from features.catalogue import Feature, read_catalogue
from features.cohort import roots, states, terms
from features.outages import Coverage, Recorded, coverage
from features.revenue import running_terms, subscribed, value_by_use
from features.tallies import by_kind, by_person, of_kinds, tally
from features.timeline import Moment
from features.versions import History

__all__ = ["DEFINITIONS", "SPINE", "Recipe", "build", "catalogue", "listed", "spine"]

DEFINITIONS = 3
"""Raised whenever a feature comes to mean something else under its name: a model trained before must not be fed it."""

SPINE = ("account_id", "root_id", "as_of", "state", "since", "last_day", "mrr")
"""Columns that come with every row of `build` beside the features."""

_OF_USE = ("usage", "people", "habits", "onboarding")


@dataclass(frozen=True)
class Recipe:
    """What `build` is to compute: the catalogue's features, the groups of pages and the events that some speak of."""

    features: tuple[Feature, ...]
    page_groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    events: tuple[str, ...] = ()

    @property
    def categories(self) -> tuple[str, ...]:
        """The further columns of accounts among the features, without the name of their table."""
        names = (feature.name.partition(tenure.FURTHER) for feature in self.features)
        return tuple(column for before, _, column in names if column and not before)


def listed(
    page_groups: Iterable[str],
    currency: str | None = None,
    categories: Iterable[str] = (),
    kinds: Iterable[str] = (),
) -> tuple[Feature, ...]:
    """Every feature there is, for a company with these groups of pages.

    `categories` are further columns of accounts, as `accounts.tier`, `kinds` the events looked at by themselves. Where
    `currency` is given, what is used is money.
    """
    found = [feature for name in _OF_USE for feature in read_catalogue(name, currency)]
    found += [*events.listed(kinds), *read_catalogue("support"), *aspects.listed(), *pages.listed(page_groups)]
    found += [*read_catalogue("tenure"), *tenure.further(categories)]
    found += [*read_catalogue("feedback"), *read_catalogue("billing"), *read_catalogue("market")]
    return tuple(found)


def catalogue(
    history: History,
    page_groups: Mapping[str, tuple[str, ...]],
    currency: str | None = None,
    categories: Iterable[str] = (),
    kinds: Iterable[str] = (),
) -> tuple[Feature, ...]:
    """The features that this company's tables allow: all whose columns are there and may teach a model.

    Their words name `currency` where the rules say that events of use have a value. See `listed`.
    """
    every = listed(page_groups, currency if history.rules.value_events else None, categories, kinds)
    return tuple(feature for feature in every if all(history.may_teach(column) for column in feature.needs))


def spine(history: History, moment: Moment, covered: Coverage) -> ir.Table:
    """The customers at the moment (active or leaving), one row each, with what every family needs of them.

    Columns: those of `SPINE`, `tenure_days`, `observed_days` (days of the account's life that the usage table covers),
    `seats`, `plan`, `billing_period`, `products`, `newest_term_on`, and the mutable columns of accounts as known then.
    """
    there = states(history, moment).filter(ibis._["state"].isin(["active", "leaving"]))
    accounts = history.known("accounts", moment).cache()
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
        observed = ibis.least(tenure_days, covered.recorded("usage", moment).first + 1)
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


def build(history: History, moment: Moment, recipe: Recipe, covered: Coverage | None = None) -> ir.Table:
    """Features of every customer at the moment: the columns of `SPINE`, then the recipe's features in its order.

    Sorted by `account_id`. Numbers are float64 with null for missing, categories are strings. The spine and each family
    are kept by the engine while the result is in use: computed once each, rather than once per place that reads them.

    `covered` is `coverage(history)`, where the caller looks at several dates and has it already.
    """
    covered = coverage(history) if covered is None else covered
    engine = history.tables["accounts"].get_backend()
    before = set(engine._cache_name_to_entry)
    # Held until all families are there, because the spine and several of them ask for the same.
    shared = [terms(history, moment)] if "subscriptions" in history.tables else []
    shared.append(history.known("accounts", moment).cache())
    shared.append(roots(shared[-1]))
    only_shared = engine._cache_name_to_entry.keys() - before
    accounts = _kept(engine, lambda: spine(history, moment, covered))
    families: list[ir.Table] = []
    use = None
    if "usage" in history.tables:  # first, while there is most room: its tallies are by far the largest
        *families, use = _of_use(history, accounts, moment, recipe, covered.recorded("usage", moment))
        families.append(use)
    families.append(_kept(engine, lambda: market.compute(history, accounts, moment, use)))
    families.append(_kept(engine, lambda: tenure.compute(history, accounts, moment, recipe.categories)))
    if "tickets" in history.tables:
        families.append(support.compute(history, accounts, moment, covered.recorded("tickets", moment)).cache())
    if "feedback" in history.tables:
        families.append(feedback.compute(history, accounts, moment).cache())
    if "invoices" in history.tables:
        families.append(billing.compute(history, accounts, moment, covered.recorded("invoices", moment)).cache())
    if "page_visits" in history.tables and recipe.page_groups:
        recorded = covered.recorded("page_visits", moment)
        families.append(pages.compute(history, accounts, moment, recorded, recipe.page_groups).cache())
    _release(engine, only_shared)
    wide = accounts
    for family in families:
        wide = wide.left_join(family, "account_id").drop("account_id_right")
    numbers = {f.name: wide[f.name].cast("float64") for f in recipe.features if f.kind == "number" and f.name != "mrr"}
    names = [feature.name for feature in recipe.features if feature.name != "mrr"]
    rows = wide.mutate(**numbers).select(*SPINE, *names)
    return rows.order_by("account_id")


def _of_use(
    history: History, accounts: ir.Table, moment: Moment, recipe: Recipe, recorded: Recorded
) -> Iterator[ir.Table]:
    """The families that are read off the tallies, `usage` last; the large ones are let go one after the other."""
    tallied = tally(history, accounts, moment, recorded)
    with by_person(history, moment) as persons:
        yield people.compute(history, tallied, persons, moment).cache()
        yield onboarding.compute(accounts, tallied, persons, moment).cache()
    with by_kind(history, moment) as kinds:
        yield habits.compute(tallied, kinds).cache()
    if recipe.events:
        with of_kinds(history, moment, recipe.events) as kinds:
            yield events.compute(tallied, kinds, recipe.events).cache()
    yield usage.compute(tallied).cache()
    _release(tallied.accounts.get_backend(), [tallied.accounts.op().name])


def _kept(engine: Any, computed: Callable[[], ir.Table]) -> ir.Table:
    """A table that the engine keeps, without what it kept on the way there."""
    before = set(engine._cache_name_to_entry)
    table = computed().cache()
    _release(engine, engine._cache_name_to_entry.keys() - before - {table.op().name})
    return table


def _release(engine: Any, names: Iterable[str]) -> None:
    """Let go of kept tables: Ibis holds them as long as it holds anything that was made from them."""
    for name in names:
        engine._finalize_cached_table(name)
