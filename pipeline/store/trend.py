"""What readers ask of many nights about one account: how its risk went, week by week, and when another model came.

Each week is told by one night, found by its key: a year of an account is some fifty rows in any store.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import Connection, select

from pipeline.headline import by_rules
from pipeline.store.schema import PUBLISHED, RUNS, SCORES

__all__ = ["Point", "Trend", "trend"]

WEEKS: Final = 53
"""How far back it reaches: a year, and the same week of the year before."""


_NEW: Final = "new"


@dataclass(frozen=True)
class Point:
    """An account in one night; `in_sample` where the model had seen what became of it."""

    as_of: date
    state: str
    risk: float | None
    band: str | None
    in_sample: bool


@dataclass(frozen=True)
class Trend:
    """The weeks in which the account had a risk that may be told, oldest first, and the first nights of other models.

    What rules made of it is none, nor is that of its first weeks, when it was new.
    """

    points: tuple[Point, ...]
    new_models: tuple[date, ...]


def trend(connection: Connection, account_id: str, until: date, weeks: int = WEEKS) -> Trend:
    """How the risk of an account went until a night: that night, and the newest of each week counted back from it."""
    first = until - timedelta(weeks=weeks)
    known = (
        select(PUBLISHED.c.as_of, RUNS.c.run_id, RUNS.c.model_version, RUNS.c.catalogue, RUNS.c.in_sample)
        .join_from(PUBLISHED, RUNS)
        .where(PUBLISHED.c.as_of > first, PUBLISHED.c.as_of <= until)
        .order_by(PUBLISHED.c.as_of)
    )
    nights = connection.execute(known).all()
    of_week = {(until - night.as_of).days // 7: night for night in nights}
    ruled = _by_rules(connection, of_week.values())
    by_run = {night.run_id: night for night in of_week.values() if _model(night) not in ruled}
    rows = connection.execute(
        select(SCORES.c.run_id, SCORES.c.state, SCORES.c.risk, SCORES.c.band).where(
            SCORES.c.run_id.in_(by_run),
            SCORES.c.account_id == account_id,
            SCORES.c.risk.is_not(None),
            SCORES.c.state != _NEW,
        )
    )
    points = [
        Point(by_run[row.run_id].as_of, row.state, row.risk, row.band, by_run[row.run_id].in_sample) for row in rows
    ]
    points.sort(key=lambda point: point.as_of)
    return Trend(tuple(points), tuple(_new_models(nights, points)))


def _by_rules(connection: Connection, nights: Iterable[Any]) -> set[tuple[str, str]]:
    """The models among these nights that are rules, which the headline of one night of each tells."""
    one_of = {night.run_id: _model(night) for night in {_model(night): night for night in nights}.values()}
    headlines = connection.execute(select(RUNS.c.run_id, RUNS.c.headline).where(RUNS.c.run_id.in_(one_of)))
    return {one_of[run_id] for run_id, headline in headlines if by_rules(json.loads(headline)) is not None}


def _new_models(nights: Sequence[Any], points: Sequence[Point]) -> list[date]:
    """The nights from the first point on whose model is not that of the night before."""
    since = points[0].as_of if points else date.max
    return [now.as_of for before, now in pairwise(nights) if _model(now) != _model(before) and now.as_of > since]


def _model(night: Any) -> tuple[str, str]:
    """A registry that was set up anew counts its versions from 1 again; its catalogue is another."""
    return night.model_version, night.catalogue
