"""The past dates that a training learns from."""

from datetime import date, timedelta
from typing import Final

import pandas as pd

from features.contract import CONTRACT
from features.timeline import snapshots
from features.versions import History
from pipeline.errors import RefusedError
from pipeline.settings import Settings

__all__ = ["TooShort", "left_aside", "snapshot_dates"]

_WARM_UP_DAYS: Final = 56
_MOST_SNAPSHOTS: Final = 39


class TooShort(RefusedError):
    """History is too short for the labels of any snapshot to be known."""


def snapshot_dates(past: History, settings: Settings, today: date) -> tuple[list[date], int]:
    """Dates from the first with eight weeks of history behind it to the last whose labels are known, at most 39.

    With them how many older ones were left aside: each costs as much as a newer one and says less about today.

    Before the first bulk load the tables hold what was true at the load, not what was true then; so where versions are
    kept, snapshots begin after it.

    Raises
    ------
    TooShort
        When there is none.
    RefusedError
        When nothing says when history begins.
    """
    begins = {name: begin for name in ("usage", "subscriptions") if (begin := _begin(past, name)) is not None}
    if not begins:
        raise RefusedError("No row of usage or subscriptions says when history begins: the tables are empty.")
    name, first = next(iter(begins.items()))
    begin, because = first + timedelta(days=_WARM_UP_DAYS), f"{name} begins on {first}, eight weeks before"
    loaded = past.rules.recorded_from
    if past.versioned and loaded is not None and loaded.date() >= begin:
        begin = loaded.date() + timedelta(days=1)
        because = f"versions are kept since the load of {loaded.date()}, [data] recorded_from"
    last = today - timedelta(days=past.rules.label_days)
    dates = list(snapshots(begin, last, settings.churn.snapshot_every_days))
    if not dates:
        raise TooShort(
            f"No snapshot is old enough to learn from. The first could be {begin} ({because}), and its labels need "
            f"{past.rules.label_days} days (lead, horizon, grace), but today is {today}. Bring older rows, wait until "
            f"{begin + timedelta(days=past.rules.label_days)}, or shorten [churn] horizon_days."
        )
    return dates[-_MOST_SNAPSHOTS:], max(0, len(dates) - _MOST_SNAPSHOTS)


def left_aside(snapshots: int) -> str:
    """What a person is told of the snapshots that were not read."""
    ones = "1 older one is" if snapshots == 1 else f"{snapshots} older ones are"
    return f"The newest {_MOST_SNAPSHOTS} snapshots are learned from; {ones} left aside."


def _begin(past: History, name: str) -> date | None:
    """The day of a table's first event; None without the table, or without a row in it."""
    if name not in past.tables:
        return None
    first = past.tables[name][CONTRACT[name].event_time].min().cast("timestamp").execute()
    return None if pd.isna(first) else first.date()
