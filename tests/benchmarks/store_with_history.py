"""A store as the console has it after four months: a real night, a history of some books, and what managers did.

The night is that of the tables of `make bench`, of accounts that two hundred managers own; the nights before are copies
of it with other risks, of the books that are asked for.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
from made_up_tables import AS_OF, SETTINGS
from sqlalchemy import Connection, Engine, insert, literal, select
from whole_night import CHURN

from pipeline.people import sessions
from pipeline.people.connection import prepare as prepare_people
from pipeline.people.connection import writing as writing_people
from pipeline.people.schema import ACTIONS, new_id
from pipeline.people.users import add
from pipeline.store.connection import reading, writing
from pipeline.store.nights import night
from pipeline.store.schema import PUBLISHED, RUNS, SCORES

__all__ = ["NIGHTS", "OWNERS", "YESTERDAY", "make_company", "make_history", "make_people", "owner", "score"]

OWNERS: Final = 200
NIGHTS: Final = 120
YESTERDAY: Final = AS_OF - timedelta(days=1)
WEEKS_OF_ACTIONS: Final = 104
CALLS: Final = 10


def make_company(folder: Path, tables: Path) -> Path:
    """The settings of a company with those tables, whose accounts have owners."""
    folder.mkdir(parents=True, exist_ok=True)
    owner = f"'csm' || lpad(((hash(account_id) % {OWNERS})::INT)::VARCHAR, 5, '0') || '@example.com'"
    with duckdb.connect() as engine:
        engine.execute(
            f"COPY (SELECT *, 'Customer ' || account_id AS name, {owner} AS owner "
            f"FROM '{tables / 'accounts.parquet'}') TO '{folder / 'accounts.parquet'}' (FORMAT parquet)"
        )
    there = re.sub(
        r'^(?!accounts)(\w+) = "(.*parquet)"', rf'\1 = "{tables.resolve()}/\2"', SETTINGS, flags=re.MULTILINE
    )
    config = folder / "churn.toml"
    config.write_text(f'{there}\n[store]\nurl = "sqlite:///churn.db"\n', encoding="utf-8")
    return config


def score(config: Path, registry: str, as_of: date) -> "subprocess.Popen[str]":
    """A night that has begun."""
    return subprocess.Popen(
        [CHURN, "score", "-c", str(config), "--as-of", str(as_of)],
        env={**os.environ, "CHURN__TRACKING__URI": registry},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def make_history(store: Engine, readers: Sequence[str]) -> None:
    """The nights before: of the readers' accounts, with other risks, a factor for each night."""
    with reading(store) as connection:
        of = night(connection)
        assert of is not None
        run = dict(connection.execute(select(RUNS).where(RUNS.c.run_id == of.run_id)).mappings().one())
    rng = np.random.default_rng(3)
    for back in range(1, NIGHTS):
        as_of = YESTERDAY - timedelta(days=back)
        at = datetime(as_of.year, as_of.month, as_of.day, 3, tzinfo=UTC)
        about = {"run_id": f"night-{as_of}", "as_of": as_of, "started_at": at, "finished_at": at}
        factor = float(rng.uniform(0.8, 1.1))
        other = {"run_id": literal(about["run_id"]), "risk": SCORES.c.risk * factor, "change_model": literal(0.0)}
        copied = select(*(other.get(column.name, column) for column in SCORES.c)).where(
            SCORES.c.run_id == of.run_id, SCORES.c.owner.in_(readers)
        )
        with writing(store) as connection:
            connection.execute(insert(RUNS).values(run | about))
            connection.execute(insert(SCORES).from_select(SCORES.c.keys(), copied))
            connection.execute(insert(PUBLISHED).values(as_of=as_of, run_id=about["run_id"]))


def make_people(people: Engine, store: Engine, readers: Sequence[str]) -> list[str]:
    """Readers who are signed in, by their cookies; and what all managers did in two years, ten calls a week each."""
    prepare_people(people)
    now = datetime.now(UTC)
    tokens = []
    with reading(store) as published, writing_people(people) as connection:
        of = night(published)
        assert of is not None
        _make_actions(published, connection, of.run_id, add(connection, "admin@example.com", "admin", now).user_id)
        for email in readers:
            tokens.append(sessions.start(connection, add(connection, email, "csm", now), "", now))
    return tokens


def _make_actions(published: Connection, people: Connection, run_id: str, by: str) -> None:
    """Of the accounts that stand first in each book, a few at a time."""
    rows = []
    for number in range(OWNERS):
        mine = (SCORES.c.run_id == run_id) & (SCORES.c.owner == owner(number))
        ids = published.execute(select(SCORES.c.account_id).where(mine).order_by(SCORES.c.rank).limit(500)).scalars()
        for call, account_id in zip(range(WEEKS_OF_ACTIONS * CALLS), _around(list(ids)), strict=False):
            day = YESTERDAY - timedelta(days=7 * (call // CALLS) + 3)
            at = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
            until = day + timedelta(days=14)
            rows.append((new_id(), account_id, at, day, until, by, "called", True))
    names = ("action_id", "account_id", "at", "as_of", "rests_until", "user_id", "kind", "reached")
    people.execute(insert(ACTIONS), [dict(zip(names, row, strict=True)) for row in rows])


def _around(ids: Sequence[str]) -> Iterator[str]:
    while ids:
        yield from ids


def owner(number: int) -> str:
    """The address of a manager."""
    return f"csm{number:05}@example.com"
