"""Publication: a night reaches its readers whole, once, or not at all.

Rows are staged in batches under a run of their own that nothing points to. What was stored is checked, and one short
transaction then makes the pointer of that night name the new run. A process that dies before that has changed nothing
that readers see; what it left behind is removed by the next publication. Each transaction asks for the lease, so a run
that was taken for dead writes nothing more when it wakes.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from typing import Any, Final

import numpy as np
import pandas as pd
from sqlalchemy import Connection, Engine, Table, delete, insert, select, update

from pipeline.errors import RefusedError, StoreError
from pipeline.store.connection import reading, retried
from pipeline.store.lease import Lease, LeaseLost
from pipeline.store.schema import CATALOGUES, INPUTS, PUBLISHED, RUNS, SCORES, UNSCORED

__all__ = [
    "NIGHTS_WITH_INPUTS",
    "PublicationRefused",
    "Run",
    "check_staged",
    "clean",
    "flip",
    "publish",
    "stage",
]

BATCH_ROWS: Final = 10_000
TOLERANCE: Final = 1e-9
NIGHTS_WITH_INPUTS: Final = 60
"""What a night saw is kept as long as the usual horizon is: a column that is rewritten on leaving shows itself once
those who were at risk that night have left."""


class PublicationRefused(RefusedError):
    """What was staged is not what should be published; readers keep what they had."""


@dataclass(frozen=True)
class Run:
    """One attempt at a night. `run_id` is new for each; `headline` is what the first line says, as plain JSON."""

    run_id: str
    as_of: date
    model_version: str
    started_at: datetime
    settings_digest: str
    headline: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def publish(
    lease: Lease,
    run: Run,
    book: pd.DataFrame,
    catalogue: Mapping[str, Any],
    *,
    finished_at: datetime,
    inputs: Iterable[bytes] = (),
    batch_rows: int = BATCH_ROWS,
) -> None:
    """Publish one night: stage it, check what was stored, flip the pointer, clean up.

    Parameters
    ----------
    book
        What `pipeline.book.make_book` returned, with `last_day`, `reasons` (list of {family, feature, value,
        contribution, contradicts}, closed by the rest), `facts` (feature to value), `horizons` (days to risk) and what
        changed (`week_before.with_changes`).
    catalogue
        What readers need of the model: `features` (name to record), `bands`, `horizon_days`.
    finished_at
        When the scores were ready, with its zone.
    inputs
        What the night saw, as `pipeline.inputs.parts` gives it; kept for the newest `NIGHTS_WITH_INPUTS` nights.

    Raises
    ------
    LeaseLost
        When another run took over meanwhile.
    PublicationRefused
        When rows are missing, or the numbers of an account do not add up.
    """
    stage(lease, run, book, catalogue, inputs=inputs, batch_rows=batch_rows)
    retried(lambda: check_staged(lease.engine, run, expected=len(book)))
    retried(lambda: flip(lease, run, finished_at=finished_at))
    with suppress(StoreError, LeaseLost):  # the night is out; the next one cleans up as well
        retried(lambda: clean(lease, batch_rows=batch_rows))


def stage(
    lease: Lease,
    run: Run,
    book: pd.DataFrame,
    catalogue: Mapping[str, Any],
    *,
    inputs: Iterable[bytes] = (),
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
    }
    _insert(lease, CATALOGUES, [{"digest": header["catalogue"], "record": text}])
    _insert(lease, RUNS, [header])
    rows = _rows(run.run_id, book)
    while batch := list(islice(rows, batch_rows)):
        _insert(lease, SCORES, batch)
    for part, content in enumerate(inputs):
        _insert(lease, INPUTS, [{"run_id": run.run_id, "part": part, "content": content}])


def _insert(lease: Lease, table: Table, rows: list[dict[str, Any]]) -> None:
    """The rows in one transaction, all or none; tried again where it was lost, unless they are there by then."""

    def insert_unless_there() -> None:
        with lease.writing() as connection:
            first = [column == rows[0][column.name] for column in table.primary_key]
            if connection.execute(select(*table.primary_key).where(*first)).first() is None:
                connection.execute(insert(table), rows)

    retried(insert_unless_there)


def check_staged(engine: Engine, run: Run, *, expected: int) -> None:
    """Refuse what was stored where rows are missing or an account's numbers do not add up to 1e-9.

    The law: log_odds = base_log_odds + Σ families = base_log_odds + Σ reasons, and risk = 1 / (1 + exp(−log_odds)).
    """
    with reading(engine) as connection:
        columns = (
            SCORES.c.account_id,
            SCORES.c.state,
            SCORES.c.risk,
            SCORES.c.base_log_odds,
            SCORES.c.log_odds,
            SCORES.c.families,
            SCORES.c.reasons,
        )
        wanted = select(*columns).where(SCORES.c.run_id == run.run_id).order_by(SCORES.c.account_id)
        found = 0
        with connection.execute(wanted, execution_options={"yield_per": BATCH_ROWS}) as staged:
            for rows in staged.partitions():
                found += len(rows)
                _check_sums([row for row in rows if row.state not in UNSCORED])
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
    by_family = base + np.array([sum(json.loads(row.families).values()) for row in rows])
    by_reason = base + np.array([sum(reason[3] for reason in json.loads(row.reasons)) for row in rows])
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


def clean(lease: Lease, *, batch_rows: int = BATCH_ROWS) -> None:
    """Remove every run that is not published (replaced ones, and what dead ones left), and what old nights saw.

    Who holds the lease is alone, so what is staged by others is of dead ones. It is done in small transactions.
    """
    with lease.writing() as connection:
        unwanted = connection.execute(select(RUNS.c.run_id).where(RUNS.c.status != "published")).scalars().all()
        newest = select(PUBLISHED.c.run_id).order_by(PUBLISHED.c.as_of.desc()).limit(NIGHTS_WITH_INPUTS)
        of_others = select(INPUTS.c.run_id, INPUTS.c.part).where(INPUTS.c.run_id.not_in(newest))
        parts = connection.execute(of_others).all()
    for run_id, part in parts:
        with lease.writing() as connection:
            connection.execute(delete(INPUTS).where(INPUTS.c.run_id == run_id, INPUTS.c.part == part))
    for run_id in unwanted:
        removed = batch_rows
        while removed == batch_rows:
            with lease.writing() as connection:
                removed = _remove_some(connection, run_id, batch_rows)
                if removed < batch_rows:
                    connection.execute(delete(RUNS).where(RUNS.c.run_id == run_id))
    with lease.writing() as connection:
        used = select(RUNS.c.catalogue)
        connection.execute(delete(CATALOGUES).where(CATALOGUES.c.digest.not_in(used)))


def _remove_some(connection: Connection, run_id: str, rows: int) -> int:
    of_run = SCORES.c.run_id == run_id
    some = select(SCORES.c.account_id).where(of_run).limit(rows)
    return connection.execute(delete(SCORES).where(of_run, SCORES.c.account_id.in_(some))).rowcount


def _rows(run_id: str, book: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows as the table takes them: plain Python values, JSON without spaces, every number in full."""
    plain = ("account_id", "root_id", "name", "entry_name", "owner", "state", "last_day", "band", "largest_family")
    changed = ("change_time", "change_data", "change_model")
    numbers = ("rank", "risk", "mrr", "value_at_risk", "base_log_odds", "log_odds", "involuntary", *changed)
    columns: dict[str, list[Any]] = {name: _values(book[name]) for name in (*plain, *numbers)}
    columns["last_day"] = [None if day is None else pd.Timestamp(day).date() for day in columns["last_day"]]
    nested = zip(book["families"], book["reasons"], book["facts"], book["horizons"], columns["state"], strict=True)
    for row, (families, reasons, facts, horizons, state) in zip(
        zip(*columns.values(), strict=True), nested, strict=True
    ):
        scored = state not in UNSCORED
        yield {
            "run_id": run_id,
            **dict(zip(columns, row, strict=True)),
            "horizons": _json(horizons) if scored else "{}",
            "families": _json(families) if scored else "{}",
            "reasons": _json(_compact(reasons)) if scored else "[]",
            "facts": _json(_besides(facts, reasons)) if scored else "{}",
        }


def _values(column: pd.Series) -> list[Any]:
    """Python values, None where missing."""
    values = column.astype(object)
    return values.where(column.notna(), None).tolist()


def _compact(reasons: list[Mapping[str, Any]]) -> list[list[Any]]:
    return [
        [each["family"], each["feature"], each["value"], each["contribution"], int(each["contradicts"])]
        for each in reasons
    ]


def _besides(facts: Mapping[str, Any], reasons: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The facts that no reason holds as its value."""
    held = {each["feature"] for each in reasons}
    return {name: value for name, value in facts.items() if name not in held}


def _json(value: Any, *, sort_keys: bool = False) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=sort_keys)
