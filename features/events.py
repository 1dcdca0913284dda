"""How much an account does of the things that the product is mostly used for, each against the account's own past.

The sum of all use hides what matters when something busy drowns it: a clinic that signs in as ever and publishes no
shift any more. Which kinds of events are looked at is settled when a model is trained, and stays with it.
"""

import re
from collections.abc import Iterable
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


def largest(history: History, moment: Moment) -> tuple[str, ...]:
    """The kinds of events with the most rows in the year before the moment, the largest first; of equals by name.

    None where there are fewer than two kinds, for one says what the sum says, and none where rules give events a value:
    then a quantity is money and the sum of all is what counts.
    """
    if "usage" not in history.tables or history.rules.value_events:
        return ()
    rows = history.known("usage", moment)
    rows = rows.filter(rows["event"].notnull() & (rows["occurred_at"] >= moment.midnight - timedelta(days=_YEAR)))
    kinds = rows.group_by("event").agg(rows=rows.count())
    ordered = kinds.order_by(ibis.desc("rows"), "event")["event"].to_pyarrow().to_pylist()
    # Of two that would be called the same one is too many, and columns that differ in case alone are the same to SQL.
    named = {_slug(event).casefold(): event for event in reversed(ordered) if _slug(event)}
    chosen = [event for event in ordered if event in named.values()]
    return tuple(chosen[:MOST]) if len(chosen) > 1 else ()


def listed(events: Iterable[str]) -> list[Feature]:
    """The features of each kind of events."""
    return [pattern.for_group(_slug(event)) for event in events for pattern in read_catalogue("events")]


def compute(tallied: Tallies, events: Iterable[str]) -> ir.Table:
    """Features of the kinds of events for the accounts of the spine, one row each."""
    slugs = {event: _slug(event) for event in events}
    rows = tallied.events
    found = (
        rows.filter(rows["event"].isin(list(slugs)))
        .group_by("account_id")
        .agg(
            **{f"_{slug}_28": rows["q_28"].max(where=rows["event"] == event) for event, slug in slugs.items()},
            **{f"_{slug}_before": rows["q_before"].max(where=rows["event"] == event) for event, slug in slugs.items()},
        )
    )
    beside = tallied.beside(found)
    accounts = beside.accounts
    columns: dict[str, ir.Value] = {}
    for slug in slugs.values():
        now = beside.counted(accounts[f"_{slug}_28"].fill_null(0.0), 28)
        usual = per_28_days(accounts[f"_{slug}_before"].fill_null(0.0), accounts["usual_days"])
        columns |= {f"did_{slug}_28": now, f"did_{slug}_usual": usual, f"did_{slug}_trend": log_ratio(now, usual)}
    return accounts.select("account_id", **columns)


def _slug(event: str) -> str:
    """The event as part of a feature's name: letters and digits of any script, joined by underscores.

    >>> _slug("Shift published (web)")
    'Shift_published_web'
    """
    return re.sub(r"\W+", "_", event).strip("_")
