"""The runs: what was published lately, how long it took, and what became of the runs that published nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, or_, select

from pipeline.store.lease import is_held
from pipeline.store.schema import CHAMPIONS, LEDGER, PUBLISHED, RUNS

__all__ = ["FailedRun", "PublishedRun", "champion_since", "failed_runs", "published_runs"]

_MOST_FAILED: Final = 100


@dataclass(frozen=True)
class PublishedRun:
    """A published night, newest run. `seconds` are those of the whole run, where the ledger has it, else to its end."""

    as_of: date
    finished_at: datetime
    model_version: str
    accounts: int
    seconds: float
    in_sample: bool
    headline: Mapping[str, Any]


@dataclass(frozen=True)
class FailedRun:
    """A run that published nothing: refused, failed, ended by somebody, killed, or still running."""

    as_of: date
    started_at: datetime
    outcome: str
    message: str
    seconds: float | None


def published_runs(connection: Connection, most: int) -> list[PublishedRun]:
    """The newest published nights, newest first."""
    columns = (RUNS.c.as_of, RUNS.c.finished_at, RUNS.c.model_version, RUNS.c.accounts, RUNS.c.in_sample)
    wanted = (
        select(*columns, RUNS.c.headline, RUNS.c.started_at, LEDGER.c.started_at, LEDGER.c.ended_at)
        .select_from(PUBLISHED)
        .join(RUNS, RUNS.c.run_id == PUBLISHED.c.run_id)
        .outerjoin(LEDGER, LEDGER.c.run_id == PUBLISHED.c.run_id)
        .order_by(PUBLISHED.c.as_of.desc())
        .limit(most)
    )
    found = []
    for as_of, finished_at, version, accounts, in_sample, headline, started_at, begun, ended in connection.execute(
        wanted
    ):
        took = finished_at - started_at if begun is None or ended is None else ended - begun
        seconds = max(0.0, took.total_seconds())
        found.append(PublishedRun(as_of, finished_at, version, accounts, seconds, in_sample, json.loads(headline)))
    return found


def failed_runs(connection: Connection, since: date | None) -> list[FailedRun]:
    """The runs that published nothing for a night from `since` on (None: for any), those that began last first.

    A run without an end is running while somebody holds the lease and no other began after it; else it was killed.
    """
    published = LEDGER.c.outcome == "published"
    wanted = select(LEDGER).where(or_(LEDGER.c.outcome.is_(None), ~published))
    if since is not None:
        wanted = wanted.where(LEDGER.c.as_of >= since)
    rows = connection.execute(wanted.order_by(LEDGER.c.started_at.desc()).limit(_MOST_FAILED)).mappings().all()
    if not rows:
        return []
    newest = connection.execute(select(LEDGER.c.run_id).order_by(LEDGER.c.started_at.desc()).limit(1)).scalar()
    running = newest if is_held(connection) else None
    return [
        FailedRun(
            as_of=row["as_of"],
            started_at=row["started_at"],
            outcome=row["outcome"] or ("running" if row["run_id"] == running else "killed"),
            message=row["message"] or "",
            seconds=None if row["ended_at"] is None else (row["ended_at"] - row["started_at"]).total_seconds(),
        )
        for row in rows
    ]


def champion_since(connection: Connection) -> tuple[int, datetime] | None:
    """The version that became champion last, and when; None where none ever did."""
    columns = (CHAMPIONS.c.version, CHAMPIONS.c.since)
    row = connection.execute(select(*columns).order_by(CHAMPIONS.c.number.desc()).limit(1)).first()
    return None if row is None else (row.version, row.since)
