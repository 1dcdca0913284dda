"""Features of single kinds of events a second time, one account at a time."""

from oracle_known import Values, log_ratio, quantity
from oracle_usage import Used

__all__ = ["events"]


def events(used: Used, kinds: tuple[str, ...]) -> Values:
    found: Values = {}
    for kind in kinds:
        rows = [row for row in used.rows if row["event"] == kind]
        ages = [used.age(row) for row in used.seen.rows("usage") if row["event"] == kind and used.age(row) < 140]
        before = min(111, used.covered - 1 - 6)
        now = used.counted(quantity(rows, used.seen, 0, 28), 28)
        usual = used.per_28(quantity(rows, used.seen, 28, 84))
        if not ages or min(ages) >= 28 or max(ages) < min(28, before):
            now = None
        if not ages or max(ages) < before:
            usual = None
        found[f"did_{kind}_times_28"] = now
        found[f"did_{kind}_times_usual"] = usual
        found[f"did_{kind}_times_trend"] = log_ratio(now, usual)
    return found
