"""Silences that were no departures: where a customer is lost by inactivity, how many of the lost came back."""

from datetime import date
from typing import Final

from features.contract import Severity
from features.labels import silences
from features.versions import History
from pipeline.violation import Violation

__all__ = ["pauses"]

_FEWEST: Final = 20  # silences: below, a share says nothing
_MOST_RETURNED: Final = 0.5


def pauses(past: History, today: date) -> list[Violation]:
    """A warning where more than half of the silences that count as departures ended with a return, else nothing.

    Those that still last may yet end so: the share is the least that it can be.
    """
    rules = past.rules
    if rules.definition != "inactivity":
        return []
    every = silences(past, today)
    away = every["returned_on"].delta(every["used_on"], unit="day")
    found = every.aggregate(n=every.count(), returned=away.count(), usual=away.quantile(0.5)).execute().iloc[0]
    silent, returned = int(found["n"]), int(found["returned"])
    if silent < _FEWEST or returned <= _MOST_RETURNED * silent:
        return []
    share = f"{returned:,} of {silent:,} silences of {rules.inactive_days} days ({returned / silent:.0%})"
    remedy = (
        "So most of what counts as a departure is a pause. Half of the returns came within "
        f"{found['usual']:.0f} days: raise [churn] inactive_days and horizon_days, or name in activity_events what "
        "customers do more often."
    )
    return [Violation("usage", "occurred_at", f"{share} ended with a return", None, None, (), remedy, Severity.WARN)]
