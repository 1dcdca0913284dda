"""Features of tenure and contract a second time, one account at a time."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from engine_companies import Row
from oracle_known import Known, Values, in_thousandths, log_ratio
from oracle_time import Term, spells, terms

__all__ = ["commitment", "contract"]

MONTHS = {"monthly": 1, "quarterly": 3, "annual": 12}
"""Billing periods of the companies under test; other words say nothing of a commitment."""

LONG_AGO = datetime(1, 1, 1)  # noqa: DTZ001 - instants of the product are naive UTC


def contract(seen: Known, account_id: str, now: Values, before_84: Values) -> Values:
    """`now` and before: what the account subscribes to at the moment, and what it did as known then."""
    if "subscriptions" not in seen.company.tables:
        return {}
    every = terms(seen.company, seen.rules, account_id, seen.as_of)
    here = every if seen.rules.definition == "inactivity" else [t for t in every if t.started_on >= now["since"]]
    running = [term for term in every if term.ended_on is None]
    ahead = renewal_ahead(seen, here)
    since, rise = price_rise(seen, here)
    plans = None in (now["plan"], before_84["plan"], now["mrr"], before_84["mrr"])
    return {
        **ahead,
        "renewals_survived": survived(seen, here),
        "returns": max(len(spells(every, 0)) - 1, 0),
        "mrr_before_84": before_84["mrr"],
        "mrr_change_84": log_ratio(now["mrr"], before_84["mrr"]),
        "price_rise_84": rise if since and since <= 84 else 0.0,
        "price_rise_364": rise,
        "days_since_price_rise": since,
        "seats_before_84": before_84["seats"],
        "seats_change_84": None if None in (now["seats"], before_84["seats"]) else now["seats"] - before_84["seats"],
        "plan_change_84": None if plans else moved(now, before_84),
        "products_under_notice": sum(term.under_notice for term in running),
    }


def moved(now: Values, before: Values) -> int:
    """Up or down, by what is paid."""
    if now["plan"] == before["plan"] or now["mrr"] == before["mrr"]:
        return 0
    return 1 if now["mrr"] > before["mrr"] else -1


# --- renewals -------------------------------------------------------------------------------------------------------


def commitment(term: Row) -> int | None:
    """Months that a term commits to, by its billing where the contract says nothing."""
    return int(term.get("term_months") or 0) or MONTHS.get((term.get("billing_period") or "").lower())


def survived(seen: Known, here: list[Term]) -> int | None:
    """Renewal dates behind, of all terms that commit for three months or more."""
    counts = []
    for term in here:
        months = commitment(term.row)
        if months and months >= 3:
            until = min(term.ended_on or date.max, seen.as_of - timedelta(days=1))
            counts.append(sum(months_later(term.started_on, k * months) <= until for k in range(1, 100)))
    return sum(counts) if counts else None


def renewal_ahead(seen: Known, here: list[Term]) -> Values:
    running = [(term.row, next_renewal(seen, term.row)) for term in here if term.ended_on is None]
    found = [(*renewal, row.get("auto_renews") is False) for row, renewal in running if renewal]
    if not found:
        return dict.fromkeys(("days_to_renewal", "renewal_inferred", "renewal_by_hand", "renews_in_horizon"))
    day, inferred, _ = min(found)
    days = (day - seen.as_of).days
    within = seen.rules.lead_days + seen.rules.horizon_days
    return {
        "days_to_renewal": days,
        "renewal_inferred": float(inferred),
        "renewal_by_hand": float(any(by_hand for renewal, _, by_hand in found if renewal == day)),
        "renews_in_horizon": float(days < within),
    }


def next_renewal(seen: Known, term: Row) -> tuple[date, bool] | None:
    """The first of the term's renewals that is not over, and whether nothing but the billing says so.

    Each lies so many months on, counted from the first one stated or else from the term's start.
    """
    months = commitment(term)
    if months and months < 3:
        return None
    first = months and months_later(term["started_on"], months)
    stated = term["renews_on"]
    if "subscriptions" not in seen.company.versioned and stated is not None:
        rolled_on = not first or stated > first + timedelta(days=31)
        stated = None if rolled_on else stated
    if not months:
        return (stated, False) if stated and stated >= seen.as_of else None
    base, fewest = (stated, 0) if stated else (term["started_on"], 1)
    day = next(day for k in range(fewest, 10_000) if (day := months_later(base, k * months)) >= seen.as_of)
    return day, not term.get("term_months") and day != stated


def months_later(day: date, months: int) -> date:
    """The same day so many months on, or that month's last day where it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


# --- prices ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Priced:
    """A stretch of a term on one price."""

    from_on: date
    until_on: date
    row: Row


def price_rise(seen: Known, here: list[Term]) -> tuple[int | None, float]:
    """Days since the last rise, and its share of what was paid before; none and 0 where there was none in a year."""
    pieces = [piece for term in here for piece in stretches(seen, term)]
    changes = sorted({day for piece in pieces for day in (piece.from_on, piece.until_on) if day < seen.as_of})
    last: tuple[int | None, float] = (None, 0.0)
    before: list[Row] = []
    for day in changes:
        rows = [piece.row for piece in pieces if piece.from_on <= day < piece.until_on]
        if any(row["mrr"] is None for row in rows) or paid(rows) <= 0:
            continue
        if before and paid(rows) > paid(before) and is_no_more(rows, before) and (seen.as_of - day).days <= 364:
            last = (seen.as_of - day).days, paid(rows) / paid(before) - 1
        before = rows
    return last


def stretches(seen: Known, term: Term) -> list[Priced]:
    """The versions of a term that had arrived by then, each until the next, from the day on which a night saw it."""
    end = term.ended_on or date.max
    if not {"recorded_at", "subscription_id"} <= term.row.keys():
        return [Priced(term.started_on, end, term.row)]
    versions = arrived(seen, term)
    begins = [
        max(seen_on(seen, row), term.started_on) if place else term.started_on for place, row in enumerate(versions)
    ]
    ends = [*begins[1:], end]
    found = [Priced(a, min(b, end), row) for a, b, row in zip(begins, ends, versions, strict=True)]
    return [piece for piece in found if piece.from_on < piece.until_on]


def arrived(seen: Known, term: Term) -> list[Row]:
    """The versions of a term that had come by then, oldest first."""
    midnight = datetime.combine(seen.as_of, time.min)
    versions = []
    for row in seen.company.tables["subscriptions"]:
        recorded_at, bulk = row["recorded_at"], seen.company.recorded_from
        in_time = recorded_at is None or recorded_at < midnight + timedelta(hours=seen.rules.arrival_hours)
        in_bulk = bulk is not None and recorded_at is not None and recorded_at <= bulk
        if row["subscription_id"] == term.row["subscription_id"] and (in_time or in_bulk):
            versions.append(row)
    versions = [row for row in versions if row["started_on"] < seen.as_of]
    return sorted(versions, key=lambda row: row["recorded_at"] or LONG_AGO)


def seen_on(seen: Known, row: Row) -> date:
    """The day that a night saw for the first time when the version came: versions of the bulk load, from ever."""
    recorded_at, bulk = row["recorded_at"], seen.company.recorded_from
    if recorded_at is None or (bulk is not None and recorded_at <= bulk):
        return date.min
    return (recorded_at - timedelta(hours=seen.rules.arrival_hours)).date()


def paid(rows: list[Row]) -> float:
    return sum(in_thousandths(row["mrr"]) for row in rows)


def is_no_more(now: list[Row], before: list[Row]) -> bool:
    """Not more products and not more seats; where one of the days has no seats on record, the same plans."""
    seats, had = ([row["seats"] for row in rows if row["seats"] is not None] for rows in (now, before))
    plans, held = (sorted(row["plan"] for row in rows if row["plan"] is not None) for rows in (now, before))
    same = sum(seats) <= sum(had) if seats and had else bool(plans) and plans == held
    return same and len(now) <= len(before)
