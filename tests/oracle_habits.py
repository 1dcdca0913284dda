"""Features of the kinds of events a second time, one account at a time."""

from oracle_known import Values
from oracle_usage import Used

__all__ = ["habits"]


def habits(used: Used) -> Values:
    ages: dict[str, set[int]] = {}
    for row in used.rows:
        if used.age(row) >= 140:
            continue
        ages.setdefault(row["event"], set()).add(used.age(row))
    recent = {event for event, days in ages.items() if days & {*range(28)}}
    before = {event for event, days in ages.items() if days & {*range(28, 112)}}
    can_compare = used.usual_days is not None and used.usual_days >= 28
    broken = sorted((-len(weeks(days)), min(days), event) for event, days in ages.items() if is_broken(used, days))
    return {
        "event_kinds_28": used.distinct(len(recent), 28),
        "event_kinds_before": len(before) if can_compare else None,
        "event_kinds_lost": used.distinct(len(before - recent), 28) if can_compare else None,
        "broken_habits": len(broken) if used.observed >= 70 else None,
        "broken_habit": broken[0][2].replace("_", " ") if broken else None,
        "days_since_broken_habit": broken[0][1] + 1 if broken else None,
    }


def weeks(ages: set[int]) -> set[int]:
    return {age // 7 for age in ages}


def is_broken(used: Used, ages: set[int]) -> bool:
    """Done in each of eight weeks in a row, the last of them two to twelve weeks ago."""
    last = min(ages)
    if not 14 <= last < 84 or used.since(last) is None:
        return False
    return {*range(last // 7, last // 7 + 8)} <= weeks(ages) | weeks({*used.lost})
