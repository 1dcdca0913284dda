"""Features of single kinds of events a second time, one account at a time."""

from oracle_known import Values, log_ratio, quantity
from oracle_usage import Used

__all__ = ["events"]


def events(used: Used, kinds: tuple[str, ...]) -> Values:
    found: Values = {}
    for kind in kinds:
        rows = [row for row in used.rows if row["event"] == kind]
        now = used.counted(quantity(rows, used.seen, 0, 28), 28)
        usual = used.per_28(quantity(rows, used.seen, 28, 84))
        found |= {f"did_{kind}_28": now, f"did_{kind}_usual": usual, f"did_{kind}_trend": log_ratio(now, usual)}
    return found
