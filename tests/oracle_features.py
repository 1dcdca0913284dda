"""Every feature a second time: plain Python, one account at a time, from what the catalogue says a feature means.

The product computes features set-wise: bit masks for days, one pass for all windows, sums in whole thousandths. Here a
feature is read off the account's own rows with loops and comprehensions. What was known on the date comes from
`oracle_time`, which shares nothing with the product but the contract.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from fnmatch import fnmatchcase
from typing import Any

from engine_companies import Row, at_the_door
from oracle_time import Rules, known, spells, state, terms, use_days
from small_companies import SmallCompany

from features.support import NEGATIVE_BELOW
from features.timeline import months_later

__all__ = ["features"]

Values = dict[str, Any]
Groups = Mapping[str, tuple[str, ...]]

MONTHS = {"monthly": 1, "quarterly": 3, "annual": 12}
"""Billing periods of the companies under test; other words say nothing of a commitment."""


class Known:
    """The company's rows as known at `as_of`, and the account's ages of them."""

    def __init__(self, company: SmallCompany, rules: Rules, as_of: date) -> None:
        self.company, self.rules, self.as_of = company, rules, as_of
        self._whole = Rules(**{**vars(rules), "recorded_from": company.recorded_from})

    def rows(self, table: str, account_id: str | None = None) -> list[Row]:
        raw = self.company.tables.get(table, [])
        if table == "tickets" and raw:
            raw = at_the_door(table, raw, self.rules)
        found = known(raw, table, self._whole, self.as_of, table in self.company.versioned)
        return [row for row in found if account_id in (None, row["account_id"])]

    def ago(self, days: int) -> "Known":
        return Known(self.company, self.rules, self.as_of - timedelta(days=days))

    def age(self, moment: date | datetime) -> int:
        """0 for the day before `as_of`."""
        day = moment.date() if isinstance(moment, datetime) else moment
        return (self.as_of - day).days - 1


def features(
    company: SmallCompany, rules: Rules, as_of: date, groups: Groups, value_events: tuple[str, ...] = ()
) -> dict[str, Values]:
    """Spine and features of every account that was active or leaving at `as_of`, by account."""
    seen = Known(company, rules, as_of)
    found = {}
    for account_id in sorted({row["account_id"] for row in company.tables["accounts"]}):
        standing = state(company, rules, account_id, as_of)
        if standing in ("active", "leaving"):
            values = {"state": standing, **profile(seen, account_id, value_events)}
            values |= contract(seen, account_id, values)
            values |= usage(seen, account_id, values) | support(seen, account_id, values)
            found[account_id] = values | pages(seen, account_id, groups)
    return found


# --- what the account is --------------------------------------------------------------------------------------------


def profile(seen: Known, account_id: str, value_events: tuple[str, ...]) -> Values:
    if seen.rules.definition == "inactivity":
        since = use_days(seen.company, seen.rules, account_id, seen.as_of)[0]
    else:
        known_terms = terms(seen.company, seen.rules, account_id, seen.as_of)
        since = spells(known_terms, seen.rules.grace_days)[-1].started_on
    account = next(iter(seen.rows("accounts", account_id)), {})
    went_live_on = account.get("went_live_on")
    subscribed = subscription(seen, account_id)
    if "subscriptions" not in seen.company.tables and value_events:
        bought = [row for row in seen.rows("usage", account_id) if row["event"] in value_events]
        subscribed["mrr"] = max(quantity(bought, seen, 0, 84), 0) * 30 / 84
    return {
        "root_id": root(seen, account_id),
        "since": since,
        "tenure_days": (seen.as_of - since).days,
        "days_since_go_live": went_live_on and (seen.as_of - went_live_on).days,
        "segment": account.get("segment"),
        **subscribed,
    }


def root(seen: Known, account_id: str) -> str:
    """Up the parents, as far as they are known."""
    parents = {row["account_id"]: row.get("parent_id") for row in seen.rows("accounts")}
    while parents.get(account_id) is not None:
        account_id = parents[account_id]
    return account_id


# --- what it subscribes to ------------------------------------------------------------------------------------------


def running(seen: Known, account_id: str) -> list[Row]:
    """The running terms; those without `mrr` share what was invoiced in 90 days, a third of it a month."""
    rows = [
        dict(row)
        for row in seen.rows("subscriptions", account_id)
        if row["ended_on"] is None and (row["mrr"] != 0 or seen.rules.count_free)
    ]
    invoices = seen.rows("invoices", account_id)
    by_use = [row for row in rows if row["mrr"] is None]
    for row in by_use if invoices else []:
        billed = [i["amount"] for i in invoices if i["voided_at"] is None and 0 <= seen.age(i["issued_on"]) < 90]
        row["mrr"] = math.fsum(billed) / 3 / len(by_use)
    return rows


def subscription(seen: Known, account_id: str) -> Values:
    rows = running(seen, account_id)
    prices = [in_thousandths(row["mrr"]) for row in rows if row["mrr"] is not None]
    seats = [row["seats"] for row in rows if row["seats"] is not None]

    def first(row: Row) -> tuple[Any, ...]:
        """The term that pays most, then the oldest; beyond that anything that does not change between runs."""
        rest = [row.get("plan"), row.get("billing_period"), commitment(row)]
        return -(row["mrr"] or 0), row["started_on"], *[(value is None, value or 0) for value in rest]

    top = min(rows, key=first) if rows else {}
    return {
        "mrr": sum(prices) if prices else None,
        "seats": max(seats) if seats else None,
        "products": len(rows) or None,
        "plan": top.get("plan"),
        "billing_period": top.get("billing_period"),
        "term_months": commitment(top) if top else None,
        "newest_term_on": max((row["started_on"] for row in rows), default=None),
    }


def contract(seen: Known, account_id: str, now: Values) -> Values:
    before = subscription(seen.ago(84), account_id)
    renewals = [day for row in running(seen, account_id) if (day := next_renewal(seen, row)) is not None]
    days_to_renewal = (min(renewals) - seen.as_of).days if renewals else None
    rise = price_rise(now, before)
    newest = now["newest_term_on"] and (seen.as_of - now["newest_term_on"]).days
    return {
        "days_to_renewal": days_to_renewal,
        "renews_in_horizon": None
        if days_to_renewal is None
        else float(days_to_renewal < seen.rules.lead_days + seen.rules.horizon_days),
        "mrr_before": before["mrr"],
        "mrr_change_84": log_ratio(now["mrr"], before["mrr"]),
        "price_rise_84": rise,
        "days_since_price_rise": newest if rise and newest <= 84 else None,
        "seats_before": before["seats"],
        "seats_change_84": None if None in (now["seats"], before["seats"]) else now["seats"] - before["seats"],
        "plan_changed_84": None if None in (now["plan"], before["plan"]) else float(now["plan"] != before["plan"]),
    }


def price_rise(now: Values, before: Values) -> float | None:
    """More money for no more: not more seats (or, where these are not on record, the same plan), not more products."""
    if before["mrr"] is None:
        return None
    if None not in (now["seats"], before["seats"]):
        same = now["seats"] <= before["seats"]
    else:
        same = now["plan"] is not None and now["plan"] == before["plan"]
    same = same and now["products"] is not None and now["products"] <= before["products"]
    dearer = now["mrr"] is not None and now["mrr"] > before["mrr"] > 0
    return now["mrr"] / before["mrr"] - 1 if same and dearer else 0.0


def commitment(term: Row) -> int | None:
    """Months that a term commits to, by its billing where the contract says nothing."""
    return int(term.get("term_months") or 0) or MONTHS.get((term.get("billing_period") or "").lower())


def next_renewal(seen: Known, term: Row) -> date | None:
    """The first of the term's renewals that is not over.

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
        return stated if stated and stated >= seen.as_of else None
    base, fewest = (stated, 0) if stated else (term["started_on"], 1)
    return next(day for k in range(fewest, 10_000) if (day := months_later(base, k * months)) >= seen.as_of)


# --- what it did ----------------------------------------------------------------------------------------------------


def usage(seen: Known, account_id: str, values: Values) -> Values:
    everyone = seen.rows("usage")
    rows = [row for row in everyone if row["account_id"] == account_id and seen.age(row["occurred_at"]) < 224]
    ages = sorted({seen.age(row["occurred_at"]) for row in rows})
    covered = max((seen.age(row["occurred_at"]) + 1 for row in everyone), default=0)
    # An account that was there before its term began (on trial, or in an earlier spell) was observed then too.
    observed = max(min(values["tenure_days"], covered), *[age + 1 for age in ages], 0)

    def days(start: int, length: int) -> int:
        return sum(start <= age < start + length for age in ages)

    def users(start: int, length: int) -> int:
        within = [row for row in rows if start <= seen.age(row["occurred_at"]) < start + length]
        return len({row["user_id"] for row in within} - {None})

    q_7, q_28, q_before = quantity(rows, seen, 0, 7), quantity(rows, seen, 0, 28), quantity(rows, seen, 28, 84)
    usual_days, usual = per_28(days(28, 84), observed), per_28(q_before, observed)
    gap = (ages[-1] - ages[0]) / (len(ages) - 1) if len(ages) >= 3 else None
    users_past = users(84, 28) if observed >= 112 else None
    last = ages[0] + 1 if ages else None
    return {
        "active_days_7": days(0, 7),
        "active_days_28": days(0, 28),
        "active_days_84": days(0, 84),
        "active_days_usual": usual_days,
        "active_days_trend": log_ratio(days(0, 28), usual_days),
        "days_since_use": last,
        "usual_gap_days": gap,
        "silence_ratio": share(last, gap),
        "usage_7": q_7,
        "usage_28": q_28,
        "usage_usual": usual,
        "usage_trend_28": log_ratio(q_28, usual),
        "usage_trend_7": log_ratio(q_7 * 4, q_28) if q_28 > 0 else None,
        "active_users_28": users(0, 28),
        "active_users_past": users_past,
        "active_users_trend": log_ratio(users(0, 28), users_past),
        "seat_share": share(users(0, 28), values["seats"]),
        **main_user(seen, rows, q_before),
    }


def main_user(seen: Known, rows: list[Row], whole: float) -> Values:
    """Who did most in the 84 days before the last 28; of equals the one seen last."""
    by_user = defaultdict(list)
    for row in rows:
        if row["user_id"] is not None:
            by_user[row["user_id"]].append(row)
    work = [
        (quantity(own, seen, 28, 84), -min(seen.age(row["occurred_at"]) for row in own)) for own in by_user.values()
    ]
    done, newest = max(work, default=(0.0, 0))
    if done <= 0:
        return {"main_user_share": None, "main_user_days_away": None}
    part = share(done, whole)
    return {"main_user_share": part and min(part, 1.0), "main_user_days_away": 1 - newest}


def support(seen: Known, account_id: str, values: Values) -> Values:
    rows = [row for row in seen.rows("tickets", account_id) if seen.age(row["opened_at"]) < 364]
    ages = {id(row): seen.age(row["opened_at"]) for row in rows}

    def opened(start: int, end: int) -> list[Row]:
        return [row for row in rows if start <= ages[id(row)] < end]

    def waited(name: str, unit: float) -> Callable[[Row], float]:
        midnight = datetime.combine(seen.as_of, time.min)

        def of(row: Row) -> float:
            until = (row[name] or midnight).replace(microsecond=0)
            return max((until - row["opened_at"].replace(microsecond=0)).total_seconds(), 0) / unit

        return of

    recent, quarter, earlier = opened(0, 28), opened(0, 84), opened(84, 364)
    is_open = [row for row in rows if row["resolved_at"] is None]
    resolution = waited("resolved_at", 86_400)
    moods = [row["sentiment"] for row in recent if row["sentiment"] is not None]
    observed = max(values["tenure_days"], *[age + 1 for age in ages.values()], 0)
    usual = per_28(len(opened(28, 112)), observed)
    return {
        "tickets_28": len(recent),
        "tickets_84": len(quarter),
        "tickets_usual": usual,
        "tickets_trend": log_ratio(len(recent), usual),
        "open_tickets": len(is_open),
        "oldest_open_days": max((ages[id(row)] + 1 for row in is_open), default=0),
        "response_hours_84": mean(map(waited("first_response_at", 3600), quarter)),
        "resolution_days_84": mean(map(resolution, quarter)),
        "resolution_days_usual": mean(map(resolution, earlier)),
        "reopened_84": sum(row["reopened_count"] or 0 for row in quarter),
        "sentiment_84": mean(row["sentiment"] for row in quarter),
        "sentiment_worst_28": min(moods, default=None),
        "negative_tickets_84": sum((row["sentiment"] or 0) < NEGATIVE_BELOW for row in quarter),
        "csat_84": mean(row["csat"] for row in quarter),
    }


def pages(seen: Known, account_id: str, groups: Groups) -> Values:
    values = {}
    for group, patterns in groups.items():
        fitting = [
            (seen.age(row["visited_at"]), row["user_id"])
            for row in seen.rows("page_visits", account_id)
            if seen.age(row["visited_at"]) < 364 and any(fnmatchcase(row["path"], pattern) for pattern in patterns)
        ]
        values[f"{group}_visits_28"] = sum(age < 28 for age, _ in fitting)
        values[f"{group}_visits_84"] = sum(age < 84 for age, _ in fitting)
        values[f"{group}_visits_before"] = sum(age >= 28 for age, _ in fitting)
        values[f"{group}_visitors_28"] = len({user for age, user in fitting if age < 28} - {None})
        values[f"days_since_{group}"] = min((age + 1 for age, _ in fitting), default=None)
    return values


# --- arithmetic -----------------------------------------------------------------------------------------------------


def quantity(rows: Iterable[Row], seen: Known, start: int, days: int) -> float:
    """The sum of a window; a missing quantity counts once."""
    within = [row["quantity"] for row in rows if start <= seen.age(row["occurred_at"]) < start + days]
    return math.fsum(1.0 if value is None else value for value in within)


def in_thousandths(value: float) -> float:
    """Half a step goes away from zero."""
    return math.copysign(math.floor(abs(value) * 1000 + 0.5), value) / 1000


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
