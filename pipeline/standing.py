"""How an account stands: by how much its risk moved and why, and what is to be expected of its next renewal."""

import math
from dataclasses import dataclass
from datetime import date
from typing import Final

from pipeline.headline import by_rules
from pipeline.store.nights import AccountNight, Night

__all__ = ["Change", "Renewal", "change_of", "has_number", "renewal_of", "risk_at"]

NEW: Final = "new"


@dataclass(frozen=True)
class Change:
    """How the log-odds of an account moved since a night, and by what; the parts add up to `whole`."""

    since: date
    time: float
    data: float
    model: float
    now: float

    @property
    def whole(self) -> float:
        """All three together."""
        return math.fsum((self.time, self.data, self.model))

    @property
    def before(self) -> float:
        """The log-odds of the former night."""
        return self.now - self.whole


@dataclass(frozen=True)
class Renewal:
    """The next renewal. `risk` is that of leaving within `days`, the shortest horizon that reaches past it."""

    day: date
    days: int | None
    risk: float | None


def risk_at(log_odds: float) -> float:
    """The risk of these log-odds.

    >>> risk_at(0.0)
    0.5
    """
    return 1 / (1 + math.exp(-log_odds))


def has_number(account: AccountNight, of: Night) -> bool:
    """Whether its risk may be told as a number: not where rules order the book, nor of who is new."""
    return account.risk is not None and account.state != NEW and by_rules(of.headline) is None


def change_of(account: AccountNight, of: Night) -> Change | None:
    """What moved it since the night that this one was compared with; None where that is not known."""
    since = of.headline.get("compared_with")  # absent from nights that an older churn published
    parts = (account.change_time, account.change_data, account.change_model)
    if since is None or account.log_odds is None or None in parts:
        return None
    time, data, model = (part or 0.0 for part in parts)
    return Change(date.fromisoformat(since), time, data, model, account.log_odds)


def renewal_of(account: AccountNight, as_of: date) -> Renewal | None:
    """Its next renewal, with the risk where a horizon reaches so far; None where none lies ahead."""
    if account.renews_on is None:
        return None
    ahead = (account.renews_on - as_of).days
    days = min((days for days in account.horizons if days > ahead), default=None)
    return Renewal(account.renews_on, days, None if days is None else account.horizons[days])
