"""How much an account does of the things that the product is mostly used for, each against the account's own past.

The sum of all use hides what matters when something busy drowns it: a clinic that signs in as ever and publishes no
shift any more. Which kinds of events are looked at is settled when a model is trained, and stays with it.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Final

import ibis
import ibis.expr.types as ir

from features.catalogue import Feature, read_catalogue
from features.measures import log_ratio, per_28_days
from features.tallies import Tallies
from features.timeline import Moment
from features.versions import History

__all__ = ["MOST", "compute", "largest", "listed"]

MOST: Final = 3
"""So many kinds of events are looked at by themselves; the others count in the sums."""

_YEAR: Final = 364
_LOOKED_AT: Final = 100  # kinds: a company may log addresses as events, and nobody needs the smallest by name
_USUAL_DAYS: Final = 111  # the age of the last of the 84 days before the last 28
_BEGINNING_DAYS: Final = 6


def largest(history: History, moment: Moment) -> tuple[str, ...]:
    """The kinds of events with the most rows in the year before the moment, the largest first; of equals by name.

    None where there are fewer than two kinds, for one says what the sum says, and none where rules give events a value:
    then a quantity is money and the sum of all is what counts. It is a choice of what to look at, made when a model is
    trained; the dates of its backtest are looked at with the same choice, which they could not have made themselves.
    """
    if "usage" not in history.tables or history.rules.value_events:
        return ()
    rows = history.known("usage", moment)
    rows = rows.filter(rows["event"].notnull() & (rows["occurred_at"] >= moment.midnight - timedelta(days=_YEAR)))
    kinds = rows.group_by("event").agg(rows=rows.count())
    ordered = kinds.order_by(ibis.desc("rows"), "event").limit(_LOOKED_AT)["event"].to_pyarrow().to_pylist()
    # Of two that would be called the same one is too many, and columns that differ in case alone are the same to SQL.
    named: dict[str, str] = {}
    for event in ordered:
        if slug := _slug(event):
            named.setdefault(slug.casefold(), event)
    return tuple(named.values())[:MOST] if len(named) > 1 else ()


def listed(events: Iterable[str]) -> list[Feature]:
    """The features of each kind of events."""
    found = []
    for event in events:
        spoken = re.sub(r"[{}\s_]+", " ", event).strip()
        found += [pattern.called(_slug(event), spoken, spoken) for pattern in read_catalogue("events")]
    return found


def compute(tallied: Tallies, kinds: ir.Table, events: Iterable[str]) -> ir.Table:
    """Features of some kinds of events for the accounts of the spine, one row each; `kinds` is `of_kinds` of `tallies`.

    What nobody at all did is not known to have been done by none: a tracker renames an event, or loses it, while all
    others go on. So a window counts only where some account did it in the window, and some account before it.
    """
    slugs = {event: _slug(event) for event in events}
    sums: dict[str, ir.Value] = {}
    bounds: dict[str, ir.Value] = {}
    for event, slug in slugs.items():
        is_it = kinds["event"] == event
        sums |= {f"_{slug}_{name}": kinds[f"q_{name}"].max(where=is_it) for name in ("28", "before")}
        bounds |= {
            f"_{slug}_first": kinds["oldest"].max(where=is_it),
            f"_{slug}_last": kinds["newest"].min(where=is_it),
        }
    beside = tallied.beside(kinds.group_by("account_id").agg(**sums))
    beside = replace(beside, accounts=beside.accounts.cross_join(kinds.agg(**bounds)))
    accounts, missing = beside.accounts, ibis.null("float64")
    before = min(_USUAL_DAYS, tallied.recorded.first - _BEGINNING_DAYS)
    columns: dict[str, ir.Value] = {}
    for slug in slugs.values():
        first, last = accounts[f"_{slug}_first"], accounts[f"_{slug}_last"]
        now = beside.counted(accounts[f"_{slug}_28"].fill_null(0.0), 28)
        now = ((last < 28) & (first >= min(28, before))).ifelse(now, missing)
        usual = per_28_days(accounts[f"_{slug}_before"].fill_null(0.0), accounts["usual_days"])
        columns[f"did_{slug}_times_28"] = now
        columns[f"did_{slug}_times_usual"] = (first >= before).ifelse(usual, missing)
    found = accounts.select("account_id", **columns)
    return found.mutate(
        **{
            f"did_{slug}_times_trend": log_ratio(found[f"did_{slug}_times_28"], found[f"did_{slug}_times_usual"])
            for slug in slugs.values()
        }
    )


def _slug(event: str) -> str:
    """The event as part of a feature's name: letters and digits of any script, joined by underscores.

    >>> _slug("Shift published (web)")
    'Shift_published_web'
    """
    return re.sub(r"\W+", "_", event).strip("_")
