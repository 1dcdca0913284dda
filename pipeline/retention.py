"""Retention: how long nights stay, and how what nobody reads any more is removed.

Reasons and facts stay for `NIGHTS_WITH_REASONS` nights, what a night saw for `NIGHTS_WITH_INPUTS`. Scores with the sums
of their families stay for every night of the last `DAILY_DAYS` days, and before that for the last fair night of each
week. The last score of an account that left stays with its reasons (`freeze`). Days are counted from the newest night,
by no clock.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, insert, literal, select, update

from pipeline.bulk import BATCH_ROWS
from pipeline.kept_evidence import clean_evidence
from pipeline.people.forgotten import PSEUDONYM
from pipeline.store.lease import Lease
from pipeline.store.schema import CATALOGUES, DETAILS, FROZEN, INPUTS, PUBLISHED, RUNS, SCORES, WITH_DETAILS

__all__ = ["DAILY_DAYS", "NIGHTS_WITH_INPUTS", "NIGHTS_WITH_REASONS", "clean", "freeze", "kept_nights"]

NIGHTS_WITH_REASONS: Final = 14
NIGHTS_WITH_INPUTS: Final = 60
"""What a night saw is kept as long as the usual horizon is: a column that is rewritten on leaving shows itself once
those who were at risk that night have left."""

DAILY_DAYS: Final = 120
EXPIRED: Final = "expired"


def freeze(lease: Lease, run_id: str, as_of: date) -> None:
    """Keep the last scores of the accounts that the night before scored and this run, which is staged, did not.

    They are seen once the run is published, and go with it if it never is.
    """
    with lease.writing() as connection:
        before = (
            select(RUNS)
            .join(PUBLISHED, PUBLISHED.c.run_id == RUNS.c.run_id)
            .where(PUBLISHED.c.as_of < as_of, RUNS.c.in_sample.is_(False))
            .order_by(PUBLISHED.c.as_of.desc())
            .limit(1)
        )
        former = connection.execute(before).mappings().first()
        connection.execute(delete(FROZEN).where(FROZEN.c.run_id == run_id))
        if former is None:
            return
        now = SCORES.alias()
        is_scored = select(now.c.account_id).where(
            now.c.run_id == run_id, now.c.account_id == SCORES.c.account_id, now.c.risk.is_not(None)
        )
        of_night = ("as_of", "model_version", "catalogue")
        stated: list[Any] = [literal(run_id), literal(as_of), *(literal(former[name]) for name in of_night)]
        columns = [column for column in SCORES.c if column.name != "run_id"]
        found = (
            select(*stated, *columns, DETAILS.c.packed)
            .select_from(WITH_DETAILS)
            .where(SCORES.c.run_id == former["run_id"], SCORES.c.risk.is_not(None), ~is_scored.exists())
            .where(~SCORES.c.account_id.startswith(PSEUDONYM))  # who was forgotten need not have left
        )
        names = ["run_id", "gone_on", *of_night, *(column.name for column in columns), "packed"]
        connection.execute(insert(FROZEN).from_select(names, found))


def clean(lease: Lease, *, batch_rows: int = BATCH_ROWS) -> None:
    """Remove what is over: nights that are not kept, runs that are not published, and what old nights saw and said.

    Who holds the lease is alone, so what is staged by others is of dead ones. It is done in small transactions.
    """
    clean_evidence(lease)
    with lease.writing() as connection:
        all_nights = select(PUBLISHED.c.as_of, RUNS.c.run_id, RUNS.c.in_sample).join_from(PUBLISHED, RUNS)
        nights = connection.execute(all_nights.order_by(PUBLISHED.c.as_of.desc())).all()
        kept = kept_nights({night.as_of: not night.in_sample for night in nights})
        _expire(connection, [night.run_id for night in nights if night.as_of not in kept])
        unwanted = connection.execute(select(RUNS.c.run_id, RUNS.c.status).where(RUNS.c.status != "published")).all()
        newest = [night.run_id for night in nights if night.as_of in kept]
        too_much = [
            (table, run_id)
            for table, most in ((DETAILS, NIGHTS_WITH_REASONS), (INPUTS, NIGHTS_WITH_INPUTS))
            for run_id in _with_rows(connection, table, newest[most:])
        ]
    for table, run_id in too_much:
        _remove(lease, table, run_id, batch_rows)
    for run in unwanted:
        for table in (INPUTS, DETAILS, SCORES) if run.status == EXPIRED else (INPUTS, DETAILS, SCORES, FROZEN):
            _remove(lease, table, run.run_id, batch_rows)
        with lease.writing() as connection:
            connection.execute(delete(RUNS).where(RUNS.c.run_id == run.run_id))
    with lease.writing() as connection:
        used = select(RUNS.c.catalogue).union(select(FROZEN.c.catalogue))
        connection.execute(delete(CATALOGUES).where(CATALOGUES.c.digest.not_in(used)))


def kept_nights(nights: Mapping[date, bool]) -> set[date]:
    """Which of the nights stay: all of the last `DAILY_DAYS` days, and before that one of each week.

    That is the last fair one, which its value says, else the last.

    >>> first, second = date(2026, 1, 1), date(2026, 1, 2)
    >>> sorted(str(each) for each in kept_nights({first: True, second: True, date(2026, 6, 1): True}))
    ['2026-01-02', '2026-06-01']
    >>> sorted(str(each) for each in kept_nights({first: True, second: False, date(2026, 6, 1): True}))
    ['2026-01-01', '2026-06-01']
    """
    daily = max(nights) - timedelta(days=DAILY_DAYS)
    best_last = sorted(nights, key=lambda as_of: (nights[as_of], as_of))
    of_week = {as_of.isocalendar()[:2]: as_of for as_of in best_last}
    return {as_of for as_of in nights if as_of > daily} | set(of_week.values())


def _expire(connection: Connection, run_ids: list[str]) -> None:
    """Hide them from readers. What they knew of accounts that left stays, unlike what a replaced run knew."""
    if run_ids:
        connection.execute(delete(PUBLISHED).where(PUBLISHED.c.run_id.in_(run_ids)))
        connection.execute(update(RUNS).where(RUNS.c.run_id.in_(run_ids)).values(status=EXPIRED))


def _with_rows(connection: Connection, table: Table, run_ids: list[str]) -> Sequence[str]:
    has_some = select(table.c.run_id).where(table.c.run_id == RUNS.c.run_id).exists()
    return connection.execute(select(RUNS.c.run_id).where(RUNS.c.run_id.in_(run_ids), has_some)).scalars().all()


def _remove(lease: Lease, table: Table, run_id: str, rows: int) -> None:
    """All that the table has of a run, so many rows at once."""
    of_run = table.c.run_id == run_id
    second = next(column for column in table.primary_key if column.name != "run_id")
    removed = rows
    while removed == rows:
        with lease.writing() as connection:
            some = select(second).where(of_run).limit(rows)
            removed = connection.execute(delete(table).where(of_run, second.in_(some))).rowcount
