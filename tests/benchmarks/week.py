"""How long a manager waits for the week's list in a store of a million accounts, and how many rows that reads.

    python tests/benchmarks/week.py --accounts 1000000 --owners 200 --out docs/week.md

A made-up store: three nights (a week ago, the last working day, tonight) of books of equal size, and for each manager
ten actions a week over two years, of which those of the last fortnight still rest. Each time another manager's week is
read, both stores opened anew as a page opens them.
"""

import argparse
import json
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final, NamedTuple

import numpy as np
from sqlalchemy import Connection, Engine, event, insert

from features.catalogue import read_catalogue
from models.bands import Bands
from pipeline.bulk import insert_columns
from pipeline.people.connection import connect as connect_people
from pipeline.people.connection import prepare as prepare_people
from pipeline.people.connection import writing as writing_people
from pipeline.people.schema import ACTIONS, USERS, new_id
from pipeline.store.connection import connect, reading, writing
from pipeline.store.details import HEAD, MILLIONTHS, REASON
from pipeline.store.making import prepare
from pipeline.store.nights import night
from pipeline.store.schema import CATALOGUES, DETAILS, PUBLISHED, RUNS, SCORES
from pipeline.week import week_of

TONIGHT: Final = date(2026, 11, 23)
NIGHTS: Final = (TONIGHT - timedelta(days=7), TONIGHT - timedelta(days=3), TONIGHT)
CALLS: Final = 10
REST_DAYS: Final = 14
WEEKS_OF_ACTIONS: Final = 104
AT_ONCE: Final = 50_000
AT_RISK: Final = 0.09
"""The share of accounts that take a call."""

FEATURES: Final = {feature.name: feature.as_record() for feature in read_catalogue("usage")}
FAMILIES: Final = ("usage", "support", "contract", "billing", "profile")
CATALOGUE: Final = {
    "features": FEATURES,
    "bands": Bands.from_base_rate(0.05).as_record(),
    "families": list(FAMILIES),
    "horizon_days": 60,
    "horizons": [30, 60, 90],
}


class Measured(NamedTuple):
    """Milliseconds of each reading by the clock and of the processor; entries and statements of one, each at most."""

    milliseconds: list[float]
    of_processor: list[float]
    entries: int
    statements: int
    listed: float
    resting: float


def make_nights(store: Engine, accounts: int, owners: int) -> None:
    """Three nights of these accounts, published."""
    prepare(store)
    with writing(store) as connection:
        connection.execute(insert(CATALOGUES).values(digest="c", record=json.dumps(CATALOGUE)))
    for number, as_of in enumerate(NIGHTS):
        at = datetime(as_of.year, as_of.month, as_of.day, 3, tzinfo=UTC)
        about = {"model_version": "1", "catalogue": "c", "status": "published", "started_at": at, "finished_at": at}
        head = {"compared_with": str(NIGHTS[0])} if as_of == TONIGHT else {}
        more = {"settings_digest": "0", "headline": json.dumps(head), "warnings": "[]", "accounts": accounts}
        with writing(store) as connection:
            connection.execute(insert(RUNS).values(run_id=str(as_of), as_of=as_of, **about, **more))
        for first in range(0, accounts, AT_ONCE):
            with writing(store) as connection:
                make_part(connection, number, range(first, min(first + AT_ONCE, accounts)), accounts // owners)
        with writing(store) as connection:
            connection.execute(insert(PUBLISHED).values(as_of=as_of, run_id=str(as_of)))


def make_part(connection: Connection, number: int, here: range, book: int) -> None:
    """Accounts in the order of their ids. The first ranks are at risk; from night to night each moves by five ranks."""
    as_of, numbers = NIGHTS[number], np.array(here)
    owner, within = numbers // book, numbers % book
    rank = (within * 7_919 + 5 * number) % book + 1
    share = rank / book
    at_risk = share <= AT_RISK
    log_odds = np.where(at_risk, -0.5 - 19 * share, -2.5 - 3 * share)
    risk = 1 / (1 + np.exp(-log_odds))
    mrr = 1000.0 * (2 - share)
    names = [f"A-{each:07}" for each in here]
    run_id = [str(as_of)] * len(here)
    bands = Bands.from_base_rate(0.05).of(risk)
    nothing: list[Any] = [None] * len(here)
    zero = [0.0] * len(here)
    scores: dict[str, Sequence[Any]] = {
        "run_id": run_id,
        "account_id": names,
        "root_id": names,
        "name": [f"Customer {each}" for each in here],
        "entry_name": [f"Customer {each}" for each in here],
        "owner": [f"csm{each:05}@example.com" for each in owner.tolist()],
        "state": np.where(at_risk, "candidate", "watch").tolist(),
        "last_day": nothing,
        "band": [str(band) for band in bands],
        "rank": rank.tolist(),
        "risk": risk.tolist(),
        "mrr": mrr.tolist(),
        "value_at_risk": (risk * mrr).tolist(),
        "base_log_odds": [-3.0] * len(here),
        "log_odds": log_odds.tolist(),
        "change_time": zero,
        "change_data": zero,
        "change_model": zero,
        "largest_family": [FAMILIES[each % 3] for each in here],
        "involuntary": nothing,
        "horizons": [np.zeros(3).tobytes()] * len(here),
        "families": [np.zeros(len(FAMILIES)).tobytes()] * len(here),
        "renews_on": [as_of + timedelta(days=int(each % 365)) for each in here],
        "segment": [f"segment {each % 11}" for each in here],
        "plan": [f"plan {each % 7}" for each in here],
    }
    insert_columns(connection, SCORES, scores)
    if as_of == TONIGHT:
        packed = HEAD.pack(2, 0, 0, 0.0) + b"".join(REASON.pack(place, MILLIONTHS // 2) for place in (3, 7))
        details = {"run_id": run_id, "account_id": names, "packed": [packed] * len(here)}
        insert_columns(connection, DETAILS, details)


def make_actions(people: Engine, accounts: int, owners: int) -> None:
    """Ten calls a week for each manager over two years, about whoever stood first in their book."""
    prepare_people(people)
    book = accounts // owners
    by_rank = {(within * 7_919 + 10) % book + 1: within for within in range(book)}
    rows = []
    for weeks in range(WEEKS_OF_ACTIONS):
        day = TONIGHT - timedelta(days=7 * weeks + 3)
        at = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
        as_of = NIGHTS[1] if weeks == 0 else day
        until = day + timedelta(days=REST_DAYS)
        for owner in range(owners):
            for call in range(CALLS):
                within = by_rank[(weeks * 7 + call) % max(1, int(book * AT_RISK)) + 1]
                rows.append((new_id(), f"A-{owner * book + within:07}", at, as_of, until))
    with writing_people(people) as connection:
        who = {"user_id": "u", "email": "csm00000@example.com", "role": "csm", "created_at": at}
        connection.execute(insert(USERS).values(**who))
        names = ("action_id", "account_id", "at", "as_of", "rests_until")
        values = [
            dict(zip(names, row, strict=True)) | {"user_id": "u", "kind": "called", "reached": True} for row in rows
        ]
        connection.execute(insert(ACTIONS), values)


@contextmanager
def counted(*engines: Engine) -> Iterator[list[str]]:
    """The statements that these engines run meanwhile."""
    told: list[str] = []

    def note(_: Any, cursor: Any, statement: str, *more: Any) -> None:
        told.append(statement)

    for engine in engines:
        event.listen(engine, "after_cursor_execute", note)
    yield told
    for engine in engines:
        event.remove(engine, "after_cursor_execute", note)


def measured(store: Engine, people: Engine, owners: int, readings: int) -> Measured:
    """The weeks of managers drawn at random, one after another; the first ten do not count."""
    rng = np.random.default_rng(7)
    with reading(store) as connection:
        of = night(connection)
    assert of is not None
    took, worked, entries, statements, listed, resting = [], [], 0, 0, [], []
    for owner in rng.integers(0, owners, readings + 10).tolist():
        with counted(store, people) as told:
            began, at_work = time.perf_counter(), time.process_time()
            with reading(store) as published, reading(people) as written:
                person = f"csm{owner:05}@example.com"
                found = week_of(published, written, of, person, calls_per_week=CALLS, today=TONIGHT)
            took.append(1000 * (time.perf_counter() - began))
            worked.append(1000 * (time.process_time() - at_work))
        statements = max(statements, len(told))
        entries = max(entries, len(found.listed) + len(found.resting) + found.more + len(found.off))
        listed.append(len(found.listed))
        resting.append(len(found.resting))
    return Measured(took[10:], worked[10:], entries, statements, float(np.mean(listed)), float(np.mean(resting)))


def page(found: Measured, accounts: int, owners: int, readings: int, database: str) -> str:
    """The page, in Markdown."""
    by_clock, of_processor = found.milliseconds, found.of_processor
    return "\n".join(
        [
            "# How long the week's list takes",
            "",
            f"Made by `make week`, in {database}: three nights of {accounts:,} accounts, {owners:,} managers with",
            f"{accounts // owners:,} each, {owners * CALLS * WEEKS_OF_ACTIONS:,} actions over two years.",
            f"{readings:,} readings, each of another manager drawn at random, one at a time, both stores opened anew.",
            "",
            "| milliseconds | of the processor | by the clock |",
            "|---|---:|---:|",
            f"| median | {median(of_processor):.1f} | {median(by_clock):.1f} |",
            f"| 95th percentile | {quantiles(of_processor, n=20)[-1]:.1f} | {quantiles(by_clock, n=20)[-1]:.1f} |",
            f"| longest | {max(of_processor):.1f} | {max(by_clock):.1f} |",
            "",
            f"On the list stood {found.listed:.1f} entries, {found.resting:.1f} rested (means). One reading looked",
            f"through {found.entries:,} entries and took {found.statements} statements at most. By the clock other",
            "work on the same cores counts, too.",
            "",
        ]
    )


def main() -> None:
    """Measure, and write the page."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--accounts", type=int, default=1_000_000)
    arguments.add_argument("--owners", type=int, default=200)
    arguments.add_argument("--readings", type=int, default=500)
    arguments.add_argument("--url", help="A store that is made anew. [default: an SQLite file that goes afterwards]")
    arguments.add_argument("--out", type=Path, required=True)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as place:
        url = asked.url or f"sqlite:///{place}/churn.db"
        store, people = connect(url), connect_people(url)
        make_nights(store, asked.accounts, asked.owners)
        make_actions(people, asked.accounts, asked.owners)
        found = measured(store, people, asked.owners, asked.readings)
        database = f"SQLite {sqlite3.sqlite_version}" if store.dialect.name == "sqlite" else "PostgreSQL"
        asked.out.write_text(page(found, asked.accounts, asked.owners, asked.readings, database), encoding="utf-8")
        store.dispose()
        people.dispose()


if __name__ == "__main__":
    main()
