"""Snapshots of the past with what then lay ahead: the rows that a model learns from."""

from datetime import date

import ibis
import ibis.expr.types as ir

from features.build import Recipe, build
from features.labels import labels
from features.outages import Coverage
from features.versions import History

__all__ = ["labelled_snapshot"]


def labelled_snapshot(
    history: History,
    as_of: date,
    today: date,
    recipe: Recipe,
    spells: ir.Table | None = None,
    covered: Coverage | None = None,
) -> ir.Table:
    """Every customer at `as_of`: features as known then, label as known today, and why it has none if it has none.

    Columns: `account_id`, `root_id`, `as_of`, `mrr`, `label` (null where left out), `churn_on`, `end_reason`,
    `later_churn_on`, `left_out`, then the recipe's features. Rows that are left out are kept, so that whoever trains
    can count them. `spells`, `covered` are what `spells_today` and `coverage` gave, for a caller that walks over many
    dates.
    """
    known_then = build(history, history.rules.moment(as_of), recipe, covered)
    known_now = labels(history, as_of, today, spells, covered)
    joined = known_then.join(known_now, "account_id")
    names = [feature.name for feature in recipe.features if feature.name != "mrr"]
    known = ("account_id", "root_id", "as_of", "mrr", "label", "churn_on", "end_reason", "later_churn_on", "left_out")
    return joined.select(*known, *names).order_by(ibis.asc("account_id"))
