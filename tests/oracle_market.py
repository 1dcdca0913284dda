"""Features of the market a second time: each account looks at every other one by itself."""

from datetime import timedelta

from oracle_known import Known, Values
from oracle_time import churn_days, terms

__all__ = ["market"]

LEAST_PEERS = 20
HALF_A_YEAR = 182


def market(seen: Known, everyone: dict[str, Values]) -> dict[str, Values]:
    """`everyone` holds the values of all customers of the date; what comes back is added to them."""
    gone = departed(seen)
    everyone = {name: {**values, "account_id": name} for name, values in everyone.items()}
    return {name: {**of(own, everyone, gone), "usage_place": place(name, everyone)} for name, own in everyone.items()}


def of(own: Values, everyone: dict[str, Values], gone: list[Values]) -> Values:
    values: Values = {}
    for kind in ("segment", "industry", "plan"):
        word = own.get(kind)
        there = [o for o in everyone.values() if word and o.get(kind) == word and o["root_id"] != own["root_id"]]
        here = [o for o in there if o["account_id"] not in {one["account_id"] for one in gone}]
        left = [o for o in gone if word and o[kind] == word and o["root_id"] != own["root_id"]]
        enough = len(here) + len(left) >= LEAST_PEERS
        values[f"peer_churn_{kind}"] = len(left) / (len(here) + len(left)) if enough else None
        compared = [o for o in there if o["active_days_usual"] is not None and o["active_days_28"] is not None]
        usual = sum(round(o["active_days_usual"], 3) for o in compared)
        now = sum(o["active_days_28"] for o in compared)
        values[f"peer_trend_{kind}"] = now / usual - 1 if len(compared) >= LEAST_PEERS and usual > 0 else None
    return values


def place(name: str, everyone: dict[str, Values]) -> float | None:
    own = everyone[name]
    if own.get("segment") is None or own.get("plan") is None or own["active_days_28"] is None:
        return None
    alike = [
        other["active_days_28"]
        for other_name, other in everyone.items()
        if other_name != name
        and (other.get("segment"), other.get("plan")) == (own["segment"], own["plan"])
        and other["active_days_28"] is not None
    ]
    if len(alike) < LEAST_PEERS:
        return None
    fewer = sum(days < own["active_days_28"] for days in alike)
    same = sum(days == own["active_days_28"] for days in alike)
    return (fewer + same / 2) / len(alike)


def departed(seen: Known) -> list[Values]:
    """Who left in the half year before the grace began, with what they were when last known."""
    known_until = seen.as_of - timedelta(days=seen.rules.grace_days)
    accounts = {row["account_id"]: row for row in seen.rows("accounts")}
    parents = {name: row.get("parent_id") for name, row in accounts.items()}
    found = []
    for name in sorted({row["account_id"] for row in seen.company.tables["accounts"]}):
        days = churn_days(seen.company, seen.rules, name, seen.as_of)
        if not any(day >= known_until - timedelta(days=HALF_A_YEAR) for day in days):
            continue
        root = name
        while parents.get(root) is not None:
            root = parents[root]
        held = [term.row for term in terms(seen.company, seen.rules, name, seen.as_of)]
        newest = max(held, key=lambda row: (row["started_on"], row["mrr"] or 0), default={})
        about = accounts.get(name, {})
        kinds = {"segment": about.get("segment"), "industry": about.get("industry"), "plan": newest.get("plan")}
        found.append({"account_id": name, "root_id": root, **kinds})
    return found
