"""The site: what all pages share. Made once when the server starts, changed by nobody."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Literal

from fastapi import Request
from sqlalchemy import Engine

from pipeline.console.books import Books
from pipeline.console.selections import Selections
from pipeline.console.sign_in_limits import SignInLimits
from pipeline.console.teams import Teams
from pipeline.plays import Play, read_plays

__all__ = ["Site", "site_of"]


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Site:
    """The stores, and what the settings say of the console.

    `address` is how browsers reach it. `csm_sees`: all books, or their own and those that nobody owns. A night may
    start `arrival_hours` after midnight. `clock` tells the instant, in UTC; `as_of` is the day of a company that lives
    on a day of its own, such as the demo's.
    """

    store: Engine
    people: Engine
    address: str = "http://127.0.0.1"
    secret: str = ""
    csm_sees: Literal["all", "own"] = "all"
    calls_per_week: int = 10
    rest_days: int = 14
    arrival_hours: int = 6
    account_url: str = ""
    plays: tuple[Play, ...] = field(default_factory=read_plays)
    as_of: date | None = None
    clock: Callable[[], datetime] = _now
    books: Books = field(default_factory=Books)
    selections: Selections = field(default_factory=Selections)
    teams: Teams = field(default_factory=Teams)
    limits: SignInLimits = field(default_factory=SignInLimits)
    token_limits: SignInLimits = field(default_factory=SignInLimits)

    @property
    def today(self) -> date:
        """The day that rests are counted from."""
        return self.as_of or self.clock().date()

    def shows_all(self, role: str) -> bool:
        """Whether all books are to be seen by users of that role."""
        return role != "csm" or self.csm_sees == "all"

    @property
    def is_https(self) -> bool:
        """Whether browsers speak TLS with it, or with what stands before it."""
        return self.address.startswith("https://")


def site_of(request: Request) -> Site:
    """The site that was asked."""
    site = request.app.state.site
    assert isinstance(site, Site)
    return site
