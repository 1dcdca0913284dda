"""Evidence a second time, one account at a time: weeks of use, visits, tickets, changes of terms, renewals."""

import math
from datetime import date, timedelta
from statistics import fmean
from typing import Any

from engine_companies import Row
from oracle_contract import commitment, months_later, stretches
from oracle_known import Known, in_thousandths
from oracle_pages import Groups, fits
from oracle_support import said
from oracle_time import terms

__all__ = ["changes", "renewals", "tickets", "use_by_week", "visit_days"]

Used = dict[int, tuple[float, int, int]]


def use_by_week(seen: Known, account_id: str, first: date, weeks: int) -> Used:
    """By week from `first` on: quantities in thousandths, days, distinct people."""
    found: Used = {}
    rows = seen.rows("usage", account_id)
    for week in range(weeks):
        days = {first + timedelta(days=7 * week + day) for day in range(7)}
        here = [row for row in rows if row["occurred_at"].date() in days]
        if here:
            amounts = [1.0 if row["quantity"] is None else row["quantity"] for row in here]
            people = {row["user_id"] for row in here} - {None}
            whole = math.fsum(1000 * in_thousandths(amount) for amount in amounts)
            found[week] = (round(whole), len({row["occurred_at"].date() for row in here}), len(people))
    return found


def visit_days(seen: Known, account_id: str, first: date, groups: Groups) -> dict[tuple[date, str], tuple[int, int]]:
    """By day and group: visits, and people; one where nobody is named."""
    found = {}
    rows = [row for row in seen.rows("page_visits", account_id) if row["visited_at"].date() >= first]
    for day in {row["visited_at"].date() for row in rows}:
        for group, patterns in groups.items():
            here = [row for row in rows if row["visited_at"].date() == day and fits(row, patterns)]
            if here:
                found[day, group] = len(here), max(1, len({row["user_id"] for row in here} - {None}))
    return found


def tickets(seen: Known, account_id: str, first: date) -> dict[str, tuple[Any, ...]]:
    """By id: when it was opened and resolved, the mean and the worst of its texts."""
    found = {}
    for row in seen.rows("tickets", account_id):
        if row["opened_at"].date() >= first:
            moods = [1000 * in_thousandths(mood) for _, mood, _ in said(seen, row) if mood is not None]
            mean = math.floor(fmean(moods) + 0.5) if moods else None
            found[row["ticket_id"]] = row["opened_at"], row["resolved_at"], mean, min(moods, default=None)
    return found


def changes(seen: Known, account_id: str, first: date) -> dict[date, tuple[Any, Any]]:
    """By day: what there was until then, and from then on, as (terms, MRR, seats, plans)."""
    pieces = [
        piece for term in terms(seen.company, seen.rules, account_id, seen.as_of) for piece in stretches(seen, term)
    ]
    days = sorted({day for piece in pieces for day in (piece.from_on, piece.until_on) if day < seen.as_of})
    found, before = {}, held([])
    for day in days:
        now = held([piece.row for piece in pieces if piece.from_on <= day < piece.until_on])
        if now != before and day >= first:
            found[day] = before, now
        before = now
    return found


def held(rows: list[Row]) -> tuple[int, float | None, float | None, str | None]:
    amounts = [row["mrr"] for row in rows]
    mrr = math.fsum(map(in_thousandths, amounts)) if rows and None not in amounts else None
    seats = max((row["seats"] for row in rows if row["seats"] is not None), default=None)
    plans = sorted({row["plan"] for row in rows if row["plan"] is not None})
    return len(rows), mrr, seats, ", ".join(plans) or None


def renewals(seen: Known, account_id: str, first: date) -> set[date]:
    """Days on which a term's months ran out while the account was, or stayed, a customer."""
    known_terms = terms(seen.company, seen.rules, account_id, seen.as_of)
    found = set()
    for term in known_terms:
        months = commitment(term.row) or 0
        if months < 3:
            continue
        day, times = months_later(term.started_on, int(months)), 1
        while day < seen.as_of and (term.ended_on is None or day <= term.ended_on):
            if day >= first and any(
                other.started_on <= day and (other.ended_on is None or day < other.ended_on) for other in known_terms
            ):
                found.add(day)
            times += 1
            day = months_later(term.started_on, int(months) * times)
    return found
