"""What the headline of a night says beside its numbers: who orders the accounts, and which sources missed days."""

from collections.abc import Mapping
from datetime import date
from typing import Any

__all__ = ["by_rules", "sources_out"]


def by_rules(headline: Mapping[str, Any]) -> str | None:
    """A sentence where rules order the accounts, and why; None for the order of a learned model."""
    rules = headline.get("starter")  # absent from nights that an older churn published
    if rules is None:
        return None
    if rules["departures"] < rules["needed"]:
        return f"Ordered by rules; {rules['departures']} of the {rules['needed']} departures needed have been seen."
    return f"Ordered by rules; no model learned from your {rules['departures']:,} departures has been better yet."


def sources_out(headline: Mapping[str, Any]) -> dict[str, tuple[date, date]]:
    """The sources of which the night missed days, with the first and the last of these."""
    told = headline.get("outages") or {}  # absent from nights that an older churn published
    return {name: (date.fromisoformat(first), date.fromisoformat(last)) for name, (first, last) in told.items()}
