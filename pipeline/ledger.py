"""The ledger: every run that began, what it read and wrote, how long each step took, and how it ended."""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, update

from models.errors import ModelRefusal, TrackingFailed
from pipeline.errors import ExpectedError, RefusedError, StoreError, UsageError
from pipeline.run_log import RunLog
from pipeline.store.connection import retried, writing
from pipeline.store.lease import Lease, is_held
from pipeline.store.schema import LEDGER

__all__ = ["Entry", "LastRun", "last_run", "recorded"]

KEPT_DAYS: Final = 400
_LONGEST_MESSAGE: Final = 2_000


@dataclass
class Entry:
    """What a run fills in as it learns it: rows read by table, the model's version; rows written, once published."""

    rows_in: Mapping[str, int] = field(default_factory=dict)
    rows_out: int | None = None
    model_version: str | None = None


@dataclass(frozen=True)
class LastRun:
    """The run that began last. `outcome` is None while it runs, and for good where its process was killed."""

    as_of: date
    started_at: datetime
    outcome: str | None
    message: str | None
    is_running: bool


@contextmanager
def recorded(
    lease: Lease, log: RunLog, command: str, *, as_of: date, started_at: datetime, settings_digest: str
) -> Iterator[Entry]:
    """Write down that a run began, and when it is left how it ended: published, refused, ended or failed."""
    entry = Entry()
    begun = {"run_id": log.run_id, "command": command, "as_of": as_of, "started_at": started_at}
    retried(lambda: _begin(lease, begun | {"host": socket.gethostname(), "settings_digest": settings_digest}))
    how: dict[str, Any] = {"outcome": "failed", "message": None}
    try:
        yield entry
        how["outcome"] = "published"
    except BaseException as error:
        told = _told_to_end(error)
        outcome = "published" if entry.rows_out is not None else "ended" if told else _outcome(error)
        how = {"outcome": outcome, "message": _kept(told or error)[:_LONGEST_MESSAGE]}
        raise
    finally:
        log.finish()
        # Without asking for the lease: who lost it may still tell of itself.
        with suppress(StoreError):
            retried(lambda: _end(lease, log.run_id, how | _told(entry, log)))


def last_run(connection: Connection) -> LastRun | None:
    """The run that began last; None where none ever did."""
    columns = (LEDGER.c.as_of, LEDGER.c.started_at, LEDGER.c.outcome, LEDGER.c.message)
    found = connection.execute(select(*columns).order_by(LEDGER.c.started_at.desc()).limit(1)).first()
    return None if found is None else LastRun(*found, is_running=found.outcome is None and is_held(connection))


def _begin(lease: Lease, begun: Mapping[str, Any]) -> None:
    with lease.writing() as connection:
        old = LEDGER.c.started_at < begun["started_at"] - timedelta(days=KEPT_DAYS)
        connection.execute(delete(LEDGER).where(old | (LEDGER.c.run_id == begun["run_id"])))
        connection.execute(insert(LEDGER).values(**begun))


def _end(lease: Lease, run_id: str, ended: Mapping[str, Any]) -> None:
    with writing(lease.engine) as connection:
        connection.execute(update(LEDGER).where(LEDGER.c.run_id == run_id).values(**ended))


def _told_to_end(error: BaseException) -> KeyboardInterrupt | None:
    """What ended the run, where somebody did; libraries make another error of it."""
    chain: BaseException | None = error
    while chain is not None and not isinstance(chain, KeyboardInterrupt):
        chain = chain.__cause__ or chain.__context__
    return chain


def _kept(error: BaseException) -> str:
    """What it said, without rows of the tables: of what others raise, which may quote one, no more than its kind."""
    if isinstance(error, ExpectedError):
        return error.kept
    ours = isinstance(error, ModelRefusal | TrackingFailed | KeyboardInterrupt)
    return str(error) if ours else f"{type(error).__name__}: its words stand in the log of the run."


def _outcome(error: BaseException) -> str:
    return "refused" if isinstance(error, RefusedError | ModelRefusal | UsageError) else "failed"


def _told(entry: Entry, log: RunLog) -> dict[str, Any]:
    return {
        "ended_at": datetime.now(UTC),
        "rows_in": json.dumps(dict(entry.rows_in)),
        "rows_out": entry.rows_out,
        "model_version": entry.model_version,
        "steps": json.dumps([step._asdict() for step in log.steps]),
    }
