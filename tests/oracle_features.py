"""Every feature a second time: plain Python, one account at a time, from what the catalogue says a feature means.

The product computes features set-wise: bit masks for days, one pass for all windows, sums in whole thousandths. Here a
feature is read off the account's own rows with loops and comprehensions. What was known on the date comes from
`oracle_time`, which shares nothing with the product but the contract.
"""

import math
from datetime import date
from typing import Any

from engine_companies import Row
from oracle_billing import billing
from oracle_contract import commitment, contract
from oracle_events import events
from oracle_feedback import feedback
from oracle_habits import habits
from oracle_known import Known, Values, in_thousandths, quantity
from oracle_market import market
from oracle_onboarding import onboarding
from oracle_pages import Groups, pages
from oracle_people import people
from oracle_support import support
from oracle_time import Rules, spells, state, terms, use_days
from oracle_usage import Used, usage
from small_companies import SmallCompany

__all__ = ["features"]


def features(
    company: SmallCompany,
    rules: Rules,
    as_of: date,
    groups: Groups,
    value_events: tuple[str, ...] = (),
    kinds: tuple[str, ...] = (),
) -> dict[str, Values]:
    """Spine and features of every account that was active or leaving at `as_of`, by account."""
    seen = Known(company, rules, as_of)
    found = {}
    for account_id in sorted({row["account_id"] for row in company.tables["accounts"]}):
        standing = state(company, rules, account_id, as_of)
        if standing in ("active", "leaving"):
            values = {"state": standing, **profile(seen, account_id, value_events)}
            before = subscription(seen.ago(84), account_id)
            values |= contract(seen, account_id, values, before) | billing(seen, account_id, values)
            used = Used(seen, account_id, values)
            values |= usage(used) | people(used, account_id, values) | habits(used) | onboarding(used, values)
            values |= events(used, kinds)
            values |= support(seen, account_id, values)
            values |= feedback(seen, account_id)
            found[account_id] = values | pages(seen, account_id, groups)
    for account_id, values in market(seen, found).items():
        found[account_id] |= values
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
        "went_live_on": went_live_on,
        "days_since_go_live": went_live_on and (seen.as_of - went_live_on).days,
        "segment": account.get("segment"),
        "industry": account.get("industry"),
        "country": account.get("country"),
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
    """The running terms; those without `mrr` share what was invoiced a month, over 90 days, beyond all fixed prices."""
    known_terms = terms(seen.company, seen.rules, account_id, seen.as_of)
    rows = [dict(term.row) for term in known_terms if term.ended_on is None]
    invoices = seen.rows("invoices", account_id)
    by_use = [row for row in rows if row["mrr"] is None]
    fixed = in_thousandths(math.fsum(row["mrr"] for row in rows if row["mrr"] is not None))
    for row in by_use if invoices else []:
        billed = [i["amount"] for i in invoices if i["voided_at"] is None and 0 <= seen.age(i["issued_on"]) < 90]
        row["mrr"] = max(in_thousandths(math.fsum(billed)) / 3 - fixed, 0.0) / len(by_use)
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
