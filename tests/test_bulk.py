"""Rows in bulk: what is read is what was written, in either database, and errors are those of the store."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import Column, Date, Engine, Float, Integer, LargeBinary, MetaData, String, Table, Text, select

from pipeline.bulk import insert_columns
from pipeline.errors import StoreError
from pipeline.store.connection import writing
from pipeline.store.making import prepare

KINDS = Table(
    "kinds",
    MetaData(),
    Column("word", String(64), primary_key=True),
    Column("text", Text),
    Column("whole", Integer),
    Column("number", Float(53)),
    Column("day", Date),
    Column("content", LargeBinary),
)

ROWS: list[dict[str, Any]] = [
    {"word": "plain", "text": "a", "whole": 1, "number": 0.1 + 0.2, "day": date(2026, 2, 28), "content": b"\x00\xff"},
    {"word": "odd", "text": "\t\n\\.\"'企", "whole": -(2**31), "number": -0.0, "day": date(1, 1, 1), "content": b""},
    {"word": "missing", "text": None, "whole": None, "number": None, "day": None, "content": None},
    {"word": "", "text": "", "whole": 0, "number": 1e300, "day": date(9999, 12, 31), "content": b"\\N"},
]


@pytest.fixture
def kinds(store: Engine) -> Engine:
    prepare(store)
    with writing(store) as connection:
        KINDS.create(connection)
    return store


def written(engine: Engine, rows: list[dict[str, Any]]) -> None:
    with writing(engine) as connection:
        insert_columns(connection, KINDS, {name: [row[name] for row in rows] for name in ROWS[0]})


def test_what_is_read_is_what_was_written(kinds: Engine) -> None:
    written(kinds, ROWS)
    with kinds.connect() as connection:
        found = {row["word"]: dict(row) for row in connection.execute(select(KINDS)).mappings()}
    assert {row["word"]: row for row in ROWS} == found


def test_no_rows_are_none(kinds: Engine) -> None:
    written(kinds, [])
    with kinds.connect() as connection:
        assert [] == connection.execute(select(KINDS)).all()


def test_what_the_store_refuses_is_said_by_it_and_nothing_stays(kinds: Engine) -> None:
    written(kinds, ROWS[:1])
    with pytest.raises(StoreError, match=r"(?i)unique"):
        written(kinds, ROWS)
    with kinds.connect() as connection:
        assert 1 == len(connection.execute(select(KINDS)).all())
