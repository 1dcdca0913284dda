"""The clock: which moment a run looks from, and the rules by which it says that a customer has left.

Nothing here reads the real time. Whoever runs the product passes a date in, and everything behaves exactly as if today
were that date.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal

__all__ = ["ChurnRules", "Moment", "snapshots"]


@dataclass(frozen=True)
class Moment:
    """What "now" means to a run that looks from `as_of`: midnight UTC at that date's start.

    A row is known when its event lies before midnight, and when the version at hand reached the warehouse before
    `cut`. The cut comes some hours after midnight because the load at 01:30 brings yesterday: with a cut at midnight
    the last day would always look empty, with none a row delivered weeks late would be used on days when nobody had
    it.
    """

    as_of: date
    arrival_hours: int = 6

    @property
    def midnight(self) -> datetime:
        """The start of `as_of`: events at or after it had not happened yet."""
        return datetime.combine(self.as_of, time.min)

    @property
    def cut(self) -> datetime:
        """Versions recorded at or after this instant had not arrived yet."""
        return self.midnight + timedelta(hours=self.arrival_hours)

    def ago(self, days: int) -> "Moment":
        """The moment so many days earlier, for what was known then."""
        return Moment(self.as_of - timedelta(days=days), self.arrival_hours)


@dataclass(frozen=True)
class ChurnRules:
    """When an account counts as lost, and how long that takes to be known.

    Attributes
    ----------
    definition
        "subscription": an account leaves when its last term ends. "inactivity": when it stops using the product.
    event
        "ended" predicts the end of accounts that have not given notice, "notice" predicts the notice itself.
    horizon_days, lead_days
        The label asks: does it leave within `[as_of + lead_days, as_of + lead_days + horizon_days)`?
    grace_days
        A return this many days after the end still makes it a lapse. So nobody knows of a churn on its day: it is
        known only when the grace has passed too.
    settle_days
        More patience, for companies that enter ends late.
    inactive_days
        With inactivity: silence of this many days is churn.
    activity_events
        With inactivity: the events that count as use; None means all.
    value_events
        With inactivity: events whose quantity is money, from which an account's monthly revenue is read.
    recorded_from
        Versions recorded up to here came with the first bulk load. When they became known cannot be told from their
        time of recording, so they count from their event time.
    """

    definition: Literal["subscription", "inactivity"] = "subscription"
    event: Literal["ended", "notice"] = "ended"
    horizon_days: int = 60
    lead_days: int = 0
    grace_days: int = 30
    settle_days: int = 0
    arrival_hours: int = 6
    inactive_days: int = 60
    activity_events: tuple[str, ...] | None = None
    value_events: tuple[str, ...] = ()
    count_free: bool = False
    recorded_from: datetime | None = None

    def __post_init__(self) -> None:
        if self.definition == "inactivity" and self.horizon_days < self.inactive_days:
            raise ValueError(
                f"[churn] horizon_days = {self.horizon_days} is shorter than inactive_days = {self.inactive_days}: "
                "an account active today cannot have been silent that long by then. "
                f"Set horizon_days to {self.inactive_days} or more."
            )

    @property
    def grace(self) -> int:
        """Days after an end within which a return makes it a lapse; silence already contains its own waiting."""
        return 0 if self.definition == "inactivity" else self.grace_days

    @property
    def label_days(self) -> int:
        """Days from a snapshot to the first date on which all its labels are known."""
        return self.lead_days + self.horizon_days + self.grace + self.settle_days

    def moment(self, as_of: date) -> Moment:
        """The moment at `as_of` by these rules."""
        return Moment(as_of, self.arrival_hours)

    def is_mature(self, as_of: date, today: date) -> bool:
        """Whether the labels of a snapshot are known today.

        Until then they are unknown, not negative, and also unknown for accounts that are already gone: counting those
        alone would make the newest snapshots look like a wave of departures.

        >>> rules = ChurnRules(horizon_days=60, grace_days=30)
        >>> rules.is_mature(date(2026, 1, 1), today=date(2026, 3, 31))
        False
        >>> rules.is_mature(date(2026, 1, 1), today=date(2026, 4, 1))
        True
        """
        return today >= as_of + timedelta(days=self.label_days)


def snapshots(first: date, last: date, every_days: int) -> Iterator[date]:
    """Snapshot dates from `last` backwards to `first`, oldest first.

    They hang on the newest end, so that the newest labels are always used whatever the spacing.

    >>> [str(day) for day in snapshots(date(2026, 1, 1), date(2026, 3, 1), 28)]
    ['2026-01-04', '2026-02-01', '2026-03-01']
    """
    steps = max((last - first).days, -1) // every_days
    for step in range(steps, -1, -1):
        yield last - timedelta(days=step * every_days)
