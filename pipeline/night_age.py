"""The age of a night, and from when on it is too old to be today's: one measure for all who ask."""

from datetime import UTC, datetime, time, timedelta
from typing import Final

from pipeline.store.nights import Night

__all__ = ["OLDEST", "is_old", "night_age"]

OLDEST: Final = timedelta(hours=26)
"""A day after it could start, and two hours for a run that takes longer or begins later."""


def night_age(of: Night, now: datetime, arrival_hours: int) -> timedelta:
    """How long ago a night could start, or was published, whichever is longer; `now` is in UTC.

    It could start once the rows of the day before it had arrived. A run that publishes the same old night again and
    again makes it no younger. A demo's last night lies where its tables end, whatever the clock says: of that the
    publication alone counts.
    """
    published = now - of.finished_at
    if of.headline.get("demo"):
        return published
    return max(published, now - datetime.combine(of.as_of, time(arrival_hours), UTC))


def is_old(of: Night, now: datetime, arrival_hours: int) -> bool:
    """Whether the next night should have been published by now; after a demo's comes none."""
    return not of.headline.get("demo") and night_age(of, now, arrival_hours) > OLDEST
