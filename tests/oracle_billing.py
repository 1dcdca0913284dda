"""Features of billing a second time, one account at a time."""

from engine_companies import Row
from oracle_known import Known, Values, in_thousandths

__all__ = ["billing"]

YEAR = 364


def billing(seen: Known, account_id: str, values: Values) -> Values:
    covered = max((seen.age(row["issued_on"]) + 1 for row in seen.rows("invoices")), default=0)
    rows = [row for row in seen.rows("invoices", account_id) if row["amount"] > 0 and row["voided_at"] is None]
    unpaid = [row for row in rows if row["paid_on"] is None and seen.age(row["issued_on"]) < YEAR]
    overdue = [row for row in unpaid if row["due_on"] is not None and row["due_on"] < seen.as_of]
    due = [row for row in rows if row["due_on"] is not None and 0 <= seen.age(row["due_on"]) < YEAR]

    def days_late(row: Row) -> int:
        return max(((row["paid_on"] or seen.as_of) - row["due_on"]).days, 0)

    late = [row for row in due if days_late(row) > 0]
    failures = [seen.age(row["failed_at"]) for row in rows if row["failed_at"] is not None]
    lately = [age for age in failures if age < YEAR]

    def seen_for(days: int, amount: float) -> float | None:
        """Missing where the table begins inside the window, and later than the account."""
        return None if covered < min(days, values["tenure_days"]) else amount

    return {
        "invoices_unpaid": seen_for(84, len(unpaid)),
        "oldest_unpaid_days": seen_for(84, max((seen.age(row["issued_on"]) + 1 for row in unpaid), default=0)),
        "invoices_overdue": seen_for(84, len(overdue)),
        "amount_overdue": seen_for(84, sum(in_thousandths(row["amount"]) for row in overdue)),
        "oldest_overdue_days": seen_for(84, max((days_late(row) for row in overdue), default=0)),
        "invoices_due_364": len(due),
        "invoices_late_364": len(late),
        "late_share_364": len(late) / len(due) if due else None,
        "days_late_364": sum(map(days_late, due)) / len(due) if due else None,
        "payment_failures_84": seen_for(84, sum(age < 84 for age in failures)),
        "payment_failures_364": seen_for(364, len(lately)),
        "days_since_payment_failure": min(lately) + 1 if lately else None,
    }
