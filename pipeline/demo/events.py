"""The book of events: what was decided about each term, with all that its row says from then on.

A row of the subscriptions table changes when something happens to the term, so its versions are its events. `life.py`
writes them as it goes through the weeks; `terms.py` reads terms and versions out of them.
"""

from typing import Final

import numpy as np

from pipeline.demo.dates import NEVER, Ints

START, NOTICE, WITHDRAWN, ROLLED, END = range(5)
"""Kinds of events."""

REASONS: Final = ("voluntary", "involuntary", "other")
VOLUNTARY, INVOLUNTARY, OTHER, NO_REASON = 0, 1, 2, -1

Log = dict[str, Ints]
"""One array a column: account, kind, day, the day it was entered, and what the term's row says from then on."""

_SILENT: Final = {
    "ended_on": NEVER,
    "notice_on": NEVER,
    "reason": NO_REASON,
    "renews_on": NEVER,
    "seats": 0,
    "cents": 0,  # of MRR
    "plan": 0,
    "free": 0,  # 1 for a trial
    "product": 0,  # 1 for an add-on beside the plan
}


def entries(account: Ints, kind: int, day: Ints | int, **content: Ints | int) -> Log:
    """One event for each account; what is not said is null, or nothing."""
    columns: dict[str, Ints | int] = {
        "account": account,
        "kind": kind,
        "day": day,
        "entered": day,
        **_SILENT,
        **content,
    }
    return {name: np.broadcast_to(np.asarray(value, dtype=np.int64), account.shape) for name, value in columns.items()}


def joined(parts: list[Log]) -> Log:
    """The events of all parts, one part after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def chosen(log: Log, rows: Ints) -> Log:
    """The events at `rows`, in that order."""
    return {name: column[rows] for name, column in log.items()}
