"""Notices: what a reader of a night must know before believing it. None where all is well."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from pipeline.headline import by_rules, sources_out
from pipeline.night_age import is_old
from pipeline.store.nights import Night

__all__ = ["Notice", "notices"]


@dataclass(frozen=True)
class Notice:
    """One notice: the name of its text in `texts/notices.toml`, and its values; days are left to be written."""

    name: str
    values: dict[str, Any] = field(default_factory=dict)


def notices(night: Night, now: datetime, arrival_hours: int) -> Iterator[Notice]:
    """An old night, sources that were out or ended before the night, rules that order the book."""
    if is_old(night, now, arrival_hours):
        yield Notice("old", {"n": (now.date() - night.as_of).days, "day": night.as_of})
    for source, (first, last) in sources_out(night.headline).items():
        yield Notice("one_day_out" if first == last else "days_out", {"source": source, "first": first, "last": last})
    for source, until in _ended(night).items():
        yield Notice("ends", {"source": source, "day": until})
    if by_rules(night.headline) is not None:
        rules = night.headline["starter"]
        is_few = rules["departures"] < rules["needed"]
        yield Notice(
            "rules_few" if is_few else "rules_better", {"seen": rules["departures"], "needed": rules["needed"]}
        )


def _ended(night: Night) -> dict[str, date]:
    """The sources with no row of the last days, and the last day of each: use at once, others when they are late."""
    told = night.headline.get("sources") or {}  # absent, like the next, from nights that an older churn published
    found = {name: date.fromisoformat(each["until"]) for name, each in told.items() if each["is_late"]}
    until = night.headline.get("usage_until")
    if until is not None and date.fromisoformat(until) < night.as_of - timedelta(days=1):
        found["usage"] = date.fromisoformat(until)
    return found
