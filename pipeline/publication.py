"""Publication: a night reaches its readers whole, once, or not at all.

Rows are staged in batches under a run of their own that nothing points to. What was stored is checked, and one short
transaction then makes the pointer of that night name the new run. A process that dies before that has changed nothing
that readers see; what it left behind is removed by the next publication. Each transaction asks for the lease, so a run
that was taken for dead writes nothing more when it wakes.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

import numpy as np
import pandas as pd
from sqlalchemy import Connection, Engine, Table, insert, select, update

from pipeline.bulk import BATCH_ROWS, insert_columns
from pipeline.errors import RefusedError, StoreError
from pipeline.kept_evidence import stage_evidence
from pipeline.packed_evidence import Evidence
from pipeline.packing import sums
from pipeline.retention import clean, freeze
from pipeline.store.connection import reading, retried
from pipeline.store.lease import Lease, LeaseLost
from pipeline.store.schema import CATALOGUES, DETAILS, INPUTS, PUBLISHED, RUNS, SCORES, UNSCORED, WITH_DETAILS

__all__ = [
    "PublicationRefused",
    "Run",
    "check_staged",
    "flip",
    "publish",
    "stage",
    "tidy",
]

TOLERANCE: Final = 1e-9


class PublicationRefused(RefusedError):
    """What was staged is not what should be published; readers keep what they had."""


@dataclass(frozen=True)
class Run:
    """One attempt at a night. `run_id` is new for each; `headline` is what the first line says, as plain JSON.

    `in_sample` marks one whose model has seen how the days after it went on: it is shown, and proves nothing.
    """

    run_id: str
    as_of: date
    model_version: str
    started_at: datetime
    settings_digest: str
    headline: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    in_sample: bool = False


def publish(
    lease: Lease,
    run: Run,
    book: pd.DataFrame,
    catalogue: Mapping[str, Any],
    *,
    finished_at: datetime,
    inputs: Iterable[bytes] = (),
    evidence: Evidence | None = None,
    batch_rows: int = BATCH_ROWS,
) -> None:
    """Publish one night: stage it, check what was stored, flip the pointer. `tidy` is for afterwards.

    Parameters
    ----------
    book
        What `pipeline.book.make_book` returned, with `last_day` and `renews_on`, what `pipeline.scoring.scored` packed
        (`families`, `horizons`, `details`; null for accounts without a score), and `week_before.CHANGES`.
    catalogue
        What readers need of the model, as `pipeline.scoring.shown` gives it.
    finished_at
        When the scores were ready, with its zone.
    inputs
        What the night saw, as `pipeline.inputs.Inputs.files` gives it; kept for a while (`pipeline/retention.py`).
    evidence
        What is shown of the accounts beside their scores.

    Raises
    ------
    LeaseLost
        When another run took over meanwhile.
    PublicationRefused
        When rows are missing, or the numbers of an account do not add up.
    """
    stage(lease, run, book, catalogue, inputs=inputs, evidence=evidence, batch_rows=batch_rows)
    retried(lambda: check_staged(lease.engine, run, expected=len(book)))
    retried(lambda: flip(lease, run, finished_at=finished_at))


def tidy(lease: Lease, *, batch_rows: int = BATCH_ROWS) -> None:
    """Clean up after a publication. The night is out, whatever becomes of this: the next one cleans up as well."""
    with suppress(StoreError, LeaseLost):
        retried(lambda: clean(lease, batch_rows=batch_rows))


def stage(
    lease: Lease,
    run: Run,
    book: pd.DataFrame,
    catalogue: Mapping[str, Any],
    *,
    inputs: Iterable[bytes] = (),
    evidence: Evidence | None = None,
    batch_rows: int = BATCH_ROWS,
) -> None:
    """Write the night's rows where no reader looks, in transactions of `batch_rows`, and one for each part of `inputs`.

    Raises `LeaseLost`.
    """
    text = _json(catalogue, sort_keys=True)
    header = {
        "run_id": run.run_id,
        "as_of": run.as_of,
        "model_version": run.model_version,
        "catalogue": hashlib.sha256(text.encode()).hexdigest(),
        "status": "staged",
        "started_at": run.started_at,
        "accounts": len(book),
        "settings_digest": run.settings_digest,
        "headline": _json(run.headline),
        "warnings": _json(run.warnings),
        "in_sample": run.in_sample,
    }
    _insert(lease, CATALOGUES, {"digest": header["catalogue"], "record": text})
    _insert(lease, RUNS, header)
    by_account = book.sort_values("account_id")  # the order of the key, so that the tables grow at their end
    for first in range(0, len(book), batch_rows):
        _insert_scores(lease, run.run_id, by_account.iloc[first : first + batch_rows])
    for part, content in enumerate(inputs):
        _insert(lease, INPUTS, {"run_id": run.run_id, "part": part, "content": content})
    if not run.in_sample:
        retried(lambda: freeze(lease, run.run_id, run.as_of))
    if evidence is not None:
        stage_evidence(lease, run.run_id, run.as_of, evidence)


def _insert(lease: Lease, table: Table, row: dict[str, Any]) -> None:
    """The row in a transaction; tried again where it was lost, unless it is there by then."""

    def insert_unless_there() -> None:
        with lease.writing() as connection:
            if not _is_there(connection, table, row):
                connection.execute(insert(table), row)

    retried(insert_unless_there)


def _insert_scores(lease: Lease, run_id: str, book: pd.DataFrame) -> None:
    """The accounts' scores and details in one transaction, likewise."""
    scored = book[~book["state"].isin(UNSCORED)]
    scores = {column.name: _values(book[column.name]) for column in SCORES.c if column.name != "run_id"}
    for name in ("horizons", "families"):
        scores[name] = scored[name].reindex(book.index, fill_value=b"").tolist()
    for name in ("last_day", "renews_on"):
        days = pd.to_datetime(book[name])
        scores[name] = days.dt.date.astype(object).where(days.notna(), None).tolist()
    scores["run_id"] = [run_id] * len(book)
    details: dict[str, list[Any]] = {
        "run_id": [run_id] * len(scored),
        "account_id": scored["account_id"].tolist(),
        "packed": scored["details"].tolist(),
    }

    def insert_unless_there() -> None:
        with lease.writing() as connection:
            if not _is_there(connection, SCORES, {"run_id": run_id, "account_id": scores["account_id"][0]}):
                insert_columns(connection, SCORES, scores)
                insert_columns(connection, DETAILS, details)

    retried(insert_unless_there)


def _is_there(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    key = [column == row[column.name] for column in table.primary_key]
    return connection.execute(select(*table.primary_key).where(*key)).first() is not None


def check_staged(engine: Engine, run: Run, *, expected: int) -> None:
    """Refuse what was stored where rows are missing or an account's numbers do not add up to 1e-9.

    The law: log_odds = base_log_odds + Σ families = base_log_odds + Σ reasons, and risk = 1 / (1 + exp(−log_odds)).
    """
    numbers = (SCORES.c.risk, SCORES.c.base_log_odds, SCORES.c.log_odds)
    wanted = (
        select(SCORES.c.account_id, SCORES.c.state, *numbers, SCORES.c.families, DETAILS.c.packed)
        .select_from(WITH_DETAILS)
        .where(SCORES.c.run_id == run.run_id)
        .order_by(SCORES.c.account_id)
    )
    found = 0
    with reading(engine) as connection, connection.execution_options(yield_per=BATCH_ROWS).execute(wanted) as staged:
        for rows in staged.partitions():
            scored = [row for row in rows if row.state not in UNSCORED]
            told = [row for row in scored if row.packed is not None]
            found += len(rows) - len(scored) + len(told)
            _check_sums(told)
    if found != expected:
        raise PublicationRefused(
            f"{found:,} rows of the night of {run.as_of} were staged, {expected:,} were expected; readers keep what "
            "they had. This is a fault of the product or of the store: run again, and tell it if it comes again."
        )


def _check_sums(rows: list[Any]) -> None:
    if not rows:
        return
    stated = np.array([(row.risk, row.base_log_odds, row.log_odds) for row in rows], dtype=np.float64)
    risk, base, log_odds = stated.T
    by_family = base + np.frombuffer(b"".join(row.families for row in rows), "<f8").reshape(len(rows), -1).sum(axis=1)
    by_reason = base + sums([row.packed for row in rows])
    with np.errstate(over="ignore"):
        sigmoid = 1.0 / (1.0 + np.exp(-log_odds))
    for law, left, right in (
        ("base_log_odds + Σ families = log_odds", by_family, log_odds),
        ("base_log_odds + Σ reasons = log_odds", by_reason, log_odds),
        ("1 / (1 + exp(-log_odds)) = risk", sigmoid, risk),
    ):
        broken = ~(np.abs(left - right) <= TOLERANCE)  # so written, a NaN is broken too
        if broken.any():
            at = int(np.argmax(broken))
            raise PublicationRefused(
                f"{law} does not hold for account {rows[at].account_id!r} and {int(broken.sum()) - 1} more of "
                f"{len(rows)} in its batch: {left[at]} against {right[at]}. Readers keep what they had. The model is "
                "damaged, or this is a fault of the product: train again (churn train)."
            )


def flip(lease: Lease, run: Run, *, finished_at: datetime) -> None:
    """Make readers see this run: one short transaction, in which the run it replaces becomes superseded.

    Raises `LeaseLost`.
    """
    with lease.writing() as connection:
        mine = RUNS.c.run_id == run.run_id
        connection.execute(update(RUNS).where(mine).values(status="published", finished_at=finished_at))
        pointer = PUBLISHED.c.as_of == run.as_of
        former = connection.execute(select(PUBLISHED.c.run_id).where(pointer)).scalar()
        if former == run.run_id:
            return  # done, and the answer was lost
        if former is None:
            connection.execute(insert(PUBLISHED).values(as_of=run.as_of, run_id=run.run_id))
        else:
            connection.execute(update(PUBLISHED).where(pointer).values(run_id=run.run_id))
            connection.execute(update(RUNS).where(RUNS.c.run_id == former).values(status="superseded"))


def _values(column: pd.Series) -> list[Any]:
    """Python values, None where missing."""
    values = column.astype(object)
    return values.where(column.notna(), None).tolist()


def _json(value: Any, *, sort_keys: bool = False) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=sort_keys)
