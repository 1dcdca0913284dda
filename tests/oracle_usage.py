"""Features of use a second time, one account at a time."""

import math
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from engine_companies import Row
from oracle_known import Known, Values, in_thousandths, log_ratio, quantity, share

__all__ = ["Used", "usage"]

LOOKBACK = range(224)


class Used:
    """The use of one account in the last 224 days, and which of these days were seen at all."""

    def __init__(self, seen: Known, account_id: str, values: Values, lost: Iterable[int] = ()) -> None:
        everyone = seen.rows("usage")
        self.seen, self.tenure_days, self.lost = seen, values["tenure_days"], frozenset(lost)
        self.rows = [row for row in everyone if row["account_id"] == account_id and self.age(row) in LOOKBACK]
        self.ages = sorted({self.age(row) for row in self.rows})
        self.covered = max((self.age(row) + 1 for row in everyone), default=0)
        # An account that was there before its term began (on trial, or in an earlier spell) was observed then too.
        self.observed = max(min(self.tenure_days, self.covered), *[age + 1 for age in self.ages], 0)

    def age(self, row: Row) -> int:
        return self.seen.age(row["occurred_at"])

    def days(self, window: range) -> int:
        return sum(age in window for age in self.ages)

    def too_many_lost(self, window: range) -> bool:
        return 4 * len(self.lost & {*window}) > len(window)

    def distinct(self, found: Any, days: int) -> Any:
        """What is known of a window, or nothing: lost, or before the table began for an account older than that."""
        unseen = self.tenure_days > self.covered and days > self.covered
        return None if unseen or self.too_many_lost(range(days)) else found

    def counted(self, amount: float, days: int) -> float | None:
        kept = days - len(self.lost & {*range(days)})
        return self.distinct(amount * days / kept if kept else None, days)  # type: ignore[no-any-return]

    def since(self, age: int | None) -> int | None:
        return None if age is None or self.too_many_lost_since(age) else age + 1

    def too_many_lost_since(self, age: int) -> bool:
        return 4 * len(self.lost & {*range(age)}) > age + 1

    @property
    def usual_days(self) -> int | None:
        """Of the 84 days before the last 28 those seen and not lost."""
        window = range(28, min(self.observed, 112))
        return None if self.too_many_lost(window) else len({*window} - self.lost)

    def per_28(self, amount: float) -> float | None:
        return amount * 28 / self.usual_days if self.usual_days is not None and self.usual_days >= 28 else None


def usage(used: Used) -> Values:
    seen, rows, ages = used.seen, used.rows, used.ages
    days_28, days_84 = (used.counted(used.days(range(days)), days) for days in (28, 84))
    q_7, q_28, q_84 = (used.counted(quantity(rows, seen, 0, days), days) for days in (7, 28, 84))
    usual_days, usual = used.per_28(used.days(range(28, 112))), used.per_28(quantity(rows, seen, 28, 84))
    before, kept_before = used.days(range(84, 168)), 84 - len(used.lost & {*range(84, 168)})
    days_before = None if used.observed < 168 or kept_before < 63 else before * 84 / kept_before
    since = used.since(ages[0] if ages else None)
    gap = None
    if len(ages) >= 3:
        gap = len({*range(ages[0], ages[-1])} - used.lost) / (len(ages) - 1)
    return {
        "active_days_7": used.counted(used.days(range(7)), 7),
        "active_days_28": days_28,
        "active_days_84": days_84,
        "active_days_usual": usual_days,
        "active_days_trend": log_ratio(days_28, usual_days),
        "active_days_before_84": days_before,
        "active_days_trend_84": log_ratio(days_84, days_before),
        "days_since_use": since,
        "usual_gap_days": gap,
        "silence_ratio": share(since, gap),
        "longest_silence_84": longest_silence(used),
        "usage_7": q_7,
        "usage_28": q_28,
        "usage_84": q_84,
        "usage_decayed": decayed(used),
        "usage_usual": usual,
        "usage_trend_28": log_ratio(q_28, usual),
        "usage_trend_7": log_ratio(q_7 * 4, q_28) if q_7 is not None and q_28 is not None and q_28 > 0 else None,
    }


def longest_silence(used: Used) -> int | None:
    window = range(min(used.observed, 84))
    if not window or used.too_many_lost(range(84)):
        return None
    runs = groupby(window, key=lambda age: age not in used.ages and age not in used.lost)
    return max((len(list(run)) for silent, run in runs if silent), default=0)


def decayed(used: Used) -> float | None:
    """Half after two weeks; a lost day weighs what use on it would have weighed."""
    weights = [0.5 ** (age / 14) for age in range(84)]
    kept = math.fsum(weight for age, weight in enumerate(weights) if age not in used.lost)
    if kept < 0.75 * math.fsum(weights) or (used.tenure_days > used.covered and used.covered < 84):
        return None
    recent = [row for row in used.rows if used.age(row) < 84]
    amounts = [(1.0 if row["quantity"] is None else row["quantity"], weights[used.age(row)]) for row in recent]
    return math.fsum(in_thousandths(amount * weight) for amount, weight in amounts) * math.fsum(weights) / kept
