"""What the naive second implementations share: an account's rows as known on a date, and plain arithmetic."""

import math
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from engine_companies import Row, at_the_door
from oracle_time import Rules, known
from small_companies import SmallCompany

__all__ = ["Known", "Values", "in_thousandths", "log_ratio", "mean", "per_28", "quantity", "share"]

Values = dict[str, Any]


class Known:
    """The company's rows as known at `as_of`, and the account's ages of them."""

    def __init__(self, company: SmallCompany, rules: Rules, as_of: date) -> None:
        self.company, self.rules, self.as_of = company, rules, as_of
        self._whole = Rules(**{**vars(rules), "recorded_from": company.recorded_from})

    def rows(self, table: str, account_id: str | None = None) -> list[Row]:
        raw = self.company.tables.get(table, [])
        if table in ("tickets", "ticket_messages") and raw:
            raw = at_the_door(table, raw, self.rules)
        found = known(raw, table, self._whole, self.as_of)
        return [row for row in found if account_id is None or row["account_id"] == account_id]

    def ago(self, days: int) -> "Known":
        return Known(self.company, self.rules, self.as_of - timedelta(days=days))

    def age(self, moment: date | datetime) -> int:
        """0 for the day before `as_of`."""
        day = moment.date() if isinstance(moment, datetime) else moment
        return (self.as_of - day).days - 1


def quantity(rows: Iterable[Row], seen: Known, start: int, days: int) -> float:
    """The sum of a window; a missing quantity counts once."""
    within = [row["quantity"] for row in rows if start <= seen.age(row["occurred_at"]) < start + days]
    return math.fsum(1.0 if value is None else value for value in within)


def in_thousandths(value: float) -> float:
    """Half a step goes up."""
    return math.floor(value * 1000 + 0.5) / 1000


def mean(values: Iterable[float | None]) -> float | None:
    there = [in_thousandths(value) for value in values if value is not None]
    return math.fsum(there) / len(there) if there else None


def per_28(amount: float, observed: int) -> float | None:
    """What a window from day 29 back to day 112 makes in 28 days, as far as it was observed; at least 28 days of it."""
    days = min(observed - 28, 84)
    return amount * 28 / days if days >= 28 else None


def share(part: float | None, whole: float | None) -> float | None:
    return None if part is None or whole is None or whole <= 0 else part / whole


def log_ratio(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else math.log((max(now, 0) + 1) / (max(before, 0) + 1))
