"""What readers ask of all books at once: what the accounts of each owner, segment, plan or family of reasons come to.

It goes through the whole night, so a reader of many pages remembers the answer (`pipeline/console/teams.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, Float, Integer, cast, func, select, true
from sqlalchemy import case as when

from pipeline.store.lines import CANDIDATE
from pipeline.store.nights import Night
from pipeline.store.schema import SCORES

__all__ = ["BY", "By", "Total", "totals"]

By = Literal["owner", "segment", "plan", "family"]

BY: Final[tuple[By, ...]] = ("owner", "segment", "plan", "family")
"""What accounts are told apart by; the family is that of the largest reason."""

_COLUMNS: Final[Mapping[By, str]] = {"owner": "owner", "segment": "segment", "plan": "plan", "family": "largest_family"}


@dataclass(frozen=True)
class Total:
    """The accounts of one kind: `what` is its name, None for those that have none.

    Attributes
    ----------
    accounts, high
        How many a reader of the table finds, in all and in the high band: without those that were forgotten.
    customers, departures
        How many have a score, and the sum of their risks: how many of them are expected to leave.
    mrr, value_at_risk
        Sums over those with a score; zero where no MRR is known.
    calls
        Entries that take a call. It holds for one owner, whose book it counts, and means nothing otherwise.
    """

    what: str | None
    accounts: int
    high: int
    customers: int
    departures: float
    mrr: float
    value_at_risk: float
    calls: int


def totals(connection: Connection, of: Night, by: By, hidden: str = "") -> list[Total]:
    """The totals of a night, those with most at stake first; accounts whose id begins with `hidden` are not counted."""
    kind = SCORES.c[_COLUMNS[by]]
    is_found = func.substr(SCORES.c.account_id, 1, len(hidden)) != hidden if hidden else true()
    rows = connection.execute(
        select(
            kind,
            _count(is_found),
            _count(is_found & (SCORES.c.band == "high")),
            func.count(SCORES.c.risk),
            _sum(SCORES.c.risk),
            _sum(when((SCORES.c.risk.is_not(None), SCORES.c.mrr))),
            _sum(SCORES.c.value_at_risk),
            # Candidates come first in their book: the last of their ranks tells how many entries they are.
            func.coalesce(func.max(when((SCORES.c.state == CANDIDATE, SCORES.c.rank))), 0),
        )
        .where(SCORES.c.run_id == of.run_id)
        .group_by(kind)
    )
    found = [Total(*row) for row in rows]
    return sorted(found, key=lambda each: (-each.value_at_risk, -each.departures, each.what is None, each.what or ""))


def _count(condition: Any) -> Any:
    return cast(func.coalesce(func.sum(when((condition, 1), else_=0)), 0), Integer)


def _sum(value: Any) -> Any:
    return func.coalesce(func.sum(value), 0.0).cast(Float(53))
