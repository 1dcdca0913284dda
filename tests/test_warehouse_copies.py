"""The local copy of a warehouse: what arrives, what a second night reads, what is left of one that was killed."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import warehouse
from command_line import churn
from warehouse import SCHEMA

from pipeline.errors import FailedError
from pipeline.settings import Settings
from pipeline.settings_file import read_settings
from pipeline.sources import Opened, open_sources
from pipeline.warehouse import copies
from pipeline.warehouse.copies import LocalCopy, local_copy
from pipeline.warehouse.kept_copies import kept
from pipeline.warehouse.postgresql import read_only
from pipeline.warehouse.relations import Relation

SOURCES = {name: f'"{SCHEMA}.{name}"' for name in ("accounts", "subscriptions", "usage")}

TABLES = f"""
CREATE TABLE {SCHEMA}.accounts (account_id text, created_at timestamptz);
CREATE TABLE {SCHEMA}.subscriptions (account_id text, started_on date, ended_on date, mrr numeric(12, 2));
CREATE TABLE {SCHEMA}.usage (account_id text, occurred_at timestamptz, event text, note text);
INSERT INTO {SCHEMA}.accounts SELECT 'A-' || i, '2025-01-01 12:00+02' FROM generate_series(1, 20) i;
INSERT INTO {SCHEMA}.subscriptions SELECT 'A-' || i, '2025-01-01', NULL, 99.90 FROM generate_series(1, 20) i;
INSERT INTO {SCHEMA}.usage
    SELECT 'A-' || 1 + i % 20, timestamptz '2026-01-01 00:00+00' + i * interval '1 hour', 'export', 'not needed'
    FROM generate_series(0, 24 * 100 - 1) i;
"""
"""Use in every hour of a hundred days, 1 January to 10 April 2026."""

Run = Callable[[str], None]


@pytest.fixture
def owner(postgres: str) -> str:
    """A small company's warehouse: the address for who owns it."""
    address = warehouse.database(postgres, "small")
    with psycopg.connect(address) as connection:
        connection.execute(TABLES)
    return address


@pytest.fixture
def there(owner: str) -> Run:
    """Does something in the warehouse."""

    def run(sql: str) -> None:
        with psycopg.connect(owner) as connection:
            connection.execute(f"SET search_path = {SCHEMA}; {sql}".encode())

    return run


@pytest.fixture
def config(owner: str, tmp_path: Path) -> Path:
    return warehouse.settings_of(tmp_path, warehouse.as_reader(owner), SOURCES)


@pytest.fixture
def copied() -> Iterator[Callable[[Path | Settings], LocalCopy]]:
    """The copy for some settings, let go of in the end."""
    held: list[LocalCopy] = []

    def run(of: Path | Settings) -> LocalCopy:
        copy = local_copy(read_settings(of) if isinstance(of, Path) else of)
        assert isinstance(copy, LocalCopy), copy
        held.append(copy)
        return copy

    yield run
    for each in held:
        each.close()


Copy = Callable[[Path | Settings], LocalCopy]


@pytest.fixture
def rows(config: Path) -> Iterator[Callable[..., list[Any]]]:
    """The rows of a table as the contract has them, after a copy."""
    opened: list[Opened] = []

    def run(table: str, of: Path = config) -> list[Any]:
        opened.append(open_sources(read_settings(of)))
        assert [] == opened[-1].unreadable
        found = opened[-1].tables[table].to_pyarrow().to_pylist()
        return sorted(found, key=str)

    yield run
    for each in opened:
        each.close()


def read(copy: LocalCopy) -> dict[str, int]:
    return {name: table.read for name, table in copy.made.tables.items()}


def in_all(copy: LocalCopy) -> dict[str, int]:
    return {name: table.rows for name, table in copy.made.tables.items()}


# --- what a second night reads


def test_a_second_night_reads_only_new_rows(config: Path, copied: Copy, there: Run) -> None:
    """Seven days again for late ones, and small tables whole."""
    assert {"accounts": 20, "subscriptions": 20, "usage": 2400} == read(copied(config))
    there(
        "INSERT INTO usage SELECT 'A-1', timestamptz '2026-04-11 00:00+00' + i * interval '1 hour', 'export', '' "
        "FROM generate_series(0, 23) i"
    )
    second = copied(config)
    assert {"accounts": 20, "subscriptions": 20, "usage": 8 * 24 + 24} == read(second)  # from 3 April, 00:00 on
    assert {"accounts": 20, "subscriptions": 20, "usage": 2424} == in_all(second)


def test_late_rows_are_found_for_some_days_and_by_refresh_for_ever(config: Path, copied: Copy, there: Run) -> None:
    copied(config)
    there("INSERT INTO usage VALUES ('A-1', '2026-04-05 12:30+00', 'export', ''), ('A-1', '2026-02-05', 'export', '')")
    assert 2401 == in_all(copied(config))["usage"]
    again = copied(read_settings(config).model_copy(update={"refresh": True}))
    assert (2402, 2402) == (read(again)["usage"], in_all(again)["usage"])


def test_how_many_days_are_read_again_is_a_setting(owner: str, tmp_path: Path, copied: Copy, there: Run) -> None:
    config = warehouse.settings_of(tmp_path, warehouse.as_reader(owner), SOURCES, "reread_days = 80")
    copied(config)
    there("INSERT INTO usage VALUES ('A-1', '2026-02-05', 'export', '')")
    assert 2401 == in_all(copied(config))["usage"]


def test_what_was_deleted_or_mended_within_the_days_is_so_in_the_copy(
    config: Path, copied: Copy, there: Run, rows: Callable[..., list[Any]]
) -> None:
    copied(config)
    there("DELETE FROM usage WHERE occurred_at = '2026-04-10 23:00+00'")
    there("UPDATE usage SET event = 'login' WHERE occurred_at = '2026-04-10 22:00+00'")
    found = rows("usage")
    assert 2399 == len(found)
    assert ["2026-04-10 22:00:00"] == [str(row["occurred_at"]) for row in found if row["event"] == "login"]


def test_rows_of_the_future_and_without_a_time_keep_nothing_from_being_read(
    config: Path, copied: Copy, there: Run
) -> None:
    """A clock that ran ahead by years would else be the newest row for as long."""
    there(
        "INSERT INTO usage VALUES ('A-1', '2090-01-01', 'export', ''), ('A-1', 'infinity', 'export', ''), "
        "('A-1', NULL, 'export', ''), ('A-1', '-infinity', 'export', '')"
    )
    assert 2404 == in_all(copied(config))["usage"]
    there("INSERT INTO usage VALUES ('A-2', '2026-04-11 00:00+00', 'export', '')")
    second = copied(config)
    assert 2405 == in_all(second)["usage"]
    assert 8 * 24 + 4 == read(second)["usage"]


@pytest.mark.parametrize("kind", ["timestamp", "date", "text"])
def test_a_time_of_any_kind_tells_what_is_new(kind: str, config: Path, copied: Copy, there: Run) -> None:
    """Text cannot be compared with a day for certain, so such a table is read whole."""
    there(f"ALTER TABLE usage ALTER occurred_at TYPE {kind} USING (occurred_at AT TIME ZONE 'UTC')::{kind}")
    copied(config)
    there("INSERT INTO usage VALUES ('A-1', '2026-04-11', 'export', '')")
    second = copied(config)
    assert 2401 == in_all(second)["usage"]
    assert (2401 if kind == "text" else 8 * 24 + 1) == read(second)["usage"]


def test_where_arrival_is_recorded_it_tells_what_is_new(owner: str, config: Path, copied: Copy, there: Run) -> None:
    """A row of last winter that arrived today is read tomorrow."""
    there("ALTER TABLE usage ADD recorded_at timestamptz; UPDATE usage SET recorded_at = occurred_at + interval '1 h'")
    copied(config)
    there("INSERT INTO usage VALUES ('A-1', '2026-01-02', 'export', '', '2026-04-11 03:00+00')")
    second = copied(config)
    assert 2401 == in_all(second)["usage"]
    assert 7 * 24 + 1 + 1 == read(second)["usage"]


def test_arrival_that_is_text_gives_way_to_the_time_of_the_event(config: Path, copied: Copy, there: Run) -> None:
    there("ALTER TABLE usage ADD recorded_at text; UPDATE usage SET recorded_at = occurred_at")
    copied(config)
    assert 8 * 24 == read(copied(config))["usage"]


def test_a_query_of_use_is_read_by_its_newest_rows_too(owner: str, tmp_path: Path, copied: Copy, there: Run) -> None:
    sql = f"SELECT account_id, occurred_at, event FROM {SCHEMA}.usage WHERE event <> 'it; is' ; -- all of it;"
    config = warehouse.settings_of(tmp_path, warehouse.as_reader(owner), SOURCES | {"usage": f'{{ sql = "{sql}" }}'})
    copied(config)
    assert 8 * 24 == read(copied(config))["usage"]


def test_a_table_that_is_filled_anew_meanwhile_is_not_taken_for_an_empty_one(
    owner: str, tmp_path: Path, copied: Copy, there: Run
) -> None:
    """As loading jobs do it, while another table is being read."""
    slow = f"SELECT a.*, pg_sleep(0.1) FROM {SCHEMA}.accounts a"
    config = warehouse.settings_of(
        tmp_path, warehouse.as_reader(owner), SOURCES | {"accounts": f'{{ sql = "{slow}" }}'}
    )
    anew = (
        "CREATE TEMP TABLE kept AS SELECT * FROM usage; TRUNCATE usage; INSERT INTO usage SELECT * FROM kept LIMIT 2000"
    )
    loading = threading.Timer(0.7, there, (anew,))
    loading.start()
    assert 2000 == in_all(copied(config))["usage"]
    loading.join()


# --- what was asked


@pytest.mark.parametrize(
    ("change", "env"),
    [
        ("ALTER TABLE usage ADD quantity int", {}),
        ("ALTER TABLE usage ALTER account_id TYPE varchar(9)", None),
        ("", {"CHURN__DATA__COLUMNS": '{"usage": {"event": "note"}}'}),
        ("", {"CHURN__DATA__USAGE": f'{{"sql": "SELECT * FROM {SCHEMA}.usage"}}'}),
    ],
)
def test_what_is_asked_otherwise_is_read_anew(
    change: str, env: Mapping[str, str] | None, config: Path, copied: Copy, there: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns, types and queries are part of what the copy is known by; another text type is none."""
    copied(config)
    if change:
        there(change)
    for name, value in (env or {}).items():
        monkeypatch.setenv(name, value)
    assert (8 * 24 if env is None else 2400) == read(copied(config))["usage"]


def test_another_warehouse_is_read_anew_and_another_password_is_not(
    postgres: str, owner: str, tmp_path: Path, copied: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = warehouse.settings_of(tmp_path, warehouse.as_reader(owner), SOURCES)
    copied(config)
    monkeypatch.setenv("CHURN__DATA__CONNECTION", warehouse.as_reader(owner).replace("@", ":other@"))
    assert 8 * 24 == read(copied(config))["usage"]
    other = warehouse.database(postgres, "other")
    with psycopg.connect(other) as connection:
        connection.execute(TABLES)
    monkeypatch.setenv("CHURN__DATA__CONNECTION", warehouse.as_reader(other))
    assert 2400 == read(copied(config))["usage"]


def test_only_columns_that_are_needed_leave_the_warehouse(config: Path, copied: Copy) -> None:
    folder = copied(config).made.folder
    assert 0o700 == folder.parent.stat().st_mode & 0o777, "it is for whoever runs the nights"
    assert ["account_id", "occurred_at", "event"] == pq.read_schema(folder / "usage" / "2026-02.parquet").names
    assert [f"2026-0{month}" for month in range(1, 5)] == sorted(file.stem for file in (folder / "usage").iterdir())


# --- what arrives


MANY_ROWS = """
SELECT setseed(0.7);
CREATE TABLE many AS SELECT
    i AS place,
    CASE WHEN random() > 0.1 THEN random() > 0.5 END AS truth,
    CASE WHEN random() > 0.1 THEN (random() * 60000 - 30000)::int2 END AS small,
    CASE WHEN random() > 0.1 THEN ((random() - 0.5) * 4e9)::int4 END AS middle,
    CASE WHEN random() > 0.1 THEN ((random() - 0.5) * 1.8e19)::int8 END AS large,
    CASE WHEN random() > 0.1 THEN (random() * 1e6)::real END AS coarse,
    CASE WHEN random() > 0.1 THEN (random() - 0.5) * 1e300 END AS fine,
    CASE WHEN random() > 0.1 THEN date '0001-01-01' + (random() * 3652058)::int END AS day,
    CASE WHEN random() > 0.1 THEN timestamp '0001-01-01' + random() * 3652058 * interval '1 day' END AS clock,
    CASE WHEN random() > 0.1 THEN timestamptz '0001-01-02' + random() * 3652050 * interval '1 day' END AS instant,
    CASE WHEN random() > 0.1 THEN repeat('é😀', (random() * 3)::int) END AS short,
    CASE WHEN random() > 0.1 THEN repeat('长 text ', (random() * 99)::int) END AS long,
    CASE WHEN random() > 0.1 THEN gen_random_uuid() END AS id,
    CASE WHEN random() > 0.1 THEN (random() * 1e12)::numeric(30, 9) END AS exact
FROM generate_series(1, 70000) i;
"""


def test_rows_arrive_as_another_reader_has_them(owner: str, there: Run) -> None:
    """Values and nulls of all types, over more than one batch, against the driver's own reading."""
    there(MANY_ROWS)
    with read_only(warehouse.as_reader(owner)) as source:
        relation = source.relation(f"{SCHEMA}.many")
        assert isinstance(relation, Relation)
        names = list(relation.columns)
        batches = list(source.read(relation, names))
    assert len(batches) > 1
    found = pa.Table.from_batches(batches, relation.schema(names))
    with psycopg.connect(owner) as connection:
        connection.execute("SET timezone = 'UTC'")
        cast = {"coarse": "float8", "id": "text", "exact": "text"}
        selected = ", ".join(f"{name}::{cast[name]}" if name in cast else name for name in names)
        rows = connection.execute(f"SELECT {selected} FROM {SCHEMA}.many").fetchall()
    for name, expected in zip(names, zip(*rows, strict=True), strict=True):
        assert list(expected) == found[name].to_pylist(), name


def test_values_arrive_as_the_contract_reads_them(config: Path, there: Run, rows: Callable[..., list[Any]]) -> None:
    there(
        """
        CREATE TYPE size AS ENUM ('small', 'large');
        DROP TABLE accounts, subscriptions;
        CREATE TABLE accounts (account_id uuid, created_at timestamp, name char(9), segment size, industry citext_like,
                               country varchar(2), went_live_on timestamptz);
    """.replace("citext_like", "name")
    )
    there("""
        INSERT INTO accounts VALUES
            ('00000000-0000-0000-0000-00000000000a', '2025-01-01 12:00', 'Ann', 'large', 'retail', '', NULL),
            ('00000000-0000-0000-0000-00000000000b', '2025-01-01 12:00:00.123456', NULL, NULL, NULL, 'GB',
             '2025-03-30 02:30+02');
        CREATE TABLE subscriptions (account_id uuid, started_on text, ended_on date, mrr numeric, seats smallint,
                                    term_months real, auto_renews boolean, renews_on date);
        INSERT INTO subscriptions VALUES
            ('00000000-0000-0000-0000-00000000000a', '2025-01-01', 'infinity', 1234567890.10, 7, 1.5, true,
             '2026-02-28'),
            ('00000000-0000-0000-0000-00000000000a', '2025-01-02', NULL, NULL, NULL, NULL, NULL, NULL),
            ('00000000-0000-0000-0000-00000000000b', '2025-01-03', '2025-12-31', 0, -1, 0, false, '2027-03-15');
        UPDATE usage SET account_id = '00000000-0000-0000-0000-00000000000a'
    """)
    first, second = rows("accounts")
    assert {
        "account_id": "00000000-0000-0000-0000-00000000000a",
        "created_at": pd.Timestamp(2025, 1, 1, 12),
        "name": "Ann",
        "segment": "large",
        "industry": "retail",
        "country": None,
        "went_live_on": None,
    } == first
    assert (None, pd.Timestamp("2025-01-01 12:00:00.123456")) == (second["name"], second["created_at"])
    assert "2025-03-30" == str(second["went_live_on"])
    terms = sorted(rows("subscriptions"), key=lambda term: str(term["started_on"]))
    assert [None, None, "2025-12-31"] == [term["ended_on"] and str(term["ended_on"]) for term in terms]
    assert [1234567890.1, None, 0.0] == [term["mrr"] for term in terms]
    assert [7.0, None, -1.0] == [term["seats"] for term in terms]
    assert [1.5, None, 0.0] == [term["term_months"] for term in terms]
    assert [True, None, False] == [term["auto_renews"] for term in terms]
    assert "2026-02-28" == str(terms[0]["renews_on"])


def test_texts_arrive_whole(
    config: Path, there: Run, owner: str, rows: Callable[..., list[Any]], tmp_path: Path
) -> None:
    texts = ["", "a\tb\nc\r\n\"d\", '\\N'", "退订 😀", "x" * 5_000_000, None]
    there("CREATE TABLE tickets (ticket_id int, account_id text, opened_at timestamptz, text text)")
    with psycopg.connect(owner) as connection:
        for place, text in enumerate(texts):
            connection.execute(f"INSERT INTO {SCHEMA}.tickets VALUES (%s, 'A-1', '2026-01-01', %s)", (place, text))
    config = warehouse.settings_of(tmp_path, warehouse.as_reader(owner), SOURCES | {"tickets": f'"{SCHEMA}.tickets"'})
    found = {row["ticket_id"]: row["text"] for row in rows("tickets", config)}
    assert {str(place): text or None for place, text in enumerate(texts)} == found


def test_another_process_opens_the_same_tables(config: Path, there: Run) -> None:
    """Those of a training, which need no warehouse and see nothing that came into it meanwhile."""
    settings = read_settings(config)
    opened = open_sources(settings)
    there("DROP TABLE usage")
    beside = open_sources(opened.again(settings))
    assert [2400, 2400] == [each.tables["usage"].count().execute() for each in (opened, beside)]
    for each in (beside, opened):
        each.close()


def test_an_empty_table_has_its_columns(config: Path, there: Run, rows: Callable[..., list[Any]]) -> None:
    there("TRUNCATE usage")
    assert [] == rows("usage")
    assert [] == rows("usage")


# --- what cannot be read


def test_all_that_cannot_be_read_is_told_at_once(owner: str, tmp_path: Path, there: Run) -> None:
    there("""
        CREATE TABLE users (id text, account_id text, created_at timestamptz);
        CREATE TABLE invoices (account_id text, issued_on date, amount numeric);
        REVOKE ALL ON invoices FROM reader;
        CREATE TABLE feedback (account_id text, submitted_at timestamptz, kind text, score int);
        REVOKE ALL ON feedback FROM reader;
        GRANT SELECT (account_id, submitted_at, kind) ON feedback TO reader;
    """)
    sources = SOURCES | {
        "usage": f'"{SCHEMA}.usge"',
        "users": f'"{SCHEMA}.users"',
        "tickets": f'{{ sql = "SELECT nothing FROM {SCHEMA}.accounts" }}',
        "ticket_messages": '{ sql = "SELECT 1; SELECT 2" }',
        "page_visits": '"data/visits/*.parquet"',
        "feedback": f'"{SCHEMA}.feedback"',
        "invoices": f'"{SCHEMA}.invoices"',
        "interactions": '"elsewhere.calls"',
    }
    config = warehouse.settings_of(tmp_path, warehouse.as_reader(owner), sources)
    answer = churn("score", "-c", config, "--as-of", "2026-06-01")
    assert 3 == answer.exit_status
    assert "The tables break 8 rules of the contract" in answer.message
    found = {
        each["place"]: f"{each['rule']} | {each['remedy']}"
        for each in churn("check", "-c", config, "--json").record()["violations"]
    }
    assert found.keys() == {
        "usage",
        "users.user_id",
        "tickets",
        "ticket_messages",
        "page_visits",
        "feedback.score",
        "invoices",
        "interactions",
    }
    assert found["usage"].startswith("no table crm.usge in the warehouse; did you mean crm.usage?")
    assert "required column is missing | The table has: id, account_id, created_at." in found["users.user_id"]
    assert 'column "nothing" does not exist' in found["tickets"]
    assert found["ticket_messages"].startswith("has 2 statements in its sql")
    assert found["page_visits"].startswith("is no name of a table: data/visits/*.parquet")
    assert found["feedback.score"].startswith(
        'column score may not be read | Give the right there: GRANT SELECT ("score")'
    )
    assert found["invoices"].startswith("may not be read by reader: crm.invoices | ")
    assert "GRANT SELECT ON" in found["invoices"]
    assert found["interactions"].startswith("no table elsewhere.calls in the warehouse")
    assert kept(read_settings(config)) is None


def test_a_query_that_fails_on_the_way_is_told(owner: str, tmp_path: Path) -> None:
    sql = f"SELECT *, 1 / (23 - extract(hour FROM occurred_at))::int AS quantity FROM {SCHEMA}.usage"
    config = warehouse.settings_of(tmp_path, warehouse.as_reader(owner), SOURCES | {"usage": f'{{ sql = "{sql}" }}'})
    answer = churn("check", "-c", config)
    assert 3 == answer.exit_status
    assert "usage  cannot be read: its sql" in answer.stdout
    assert "The warehouse says: division by zero" in answer.stdout
    assert kept(read_settings(config)) is None


def test_a_source_can_write_nothing(owner: str, tmp_path: Path, there: Run) -> None:
    """Not even where the role might."""
    there(
        "CREATE SEQUENCE calls; GRANT ALL ON SEQUENCE calls TO reader; GRANT ALL ON ALL TABLES IN SCHEMA crm TO reader"
    )
    for sql in (
        f"SELECT nextval('{SCHEMA}.calls') AS account_id",
        f"DELETE FROM {SCHEMA}.usage RETURNING *",
        f"SELECT 1) AS source; DELETE FROM {SCHEMA}.usage; SELECT * FROM (SELECT 1",
    ):
        config = warehouse.settings_of(
            tmp_path, warehouse.as_reader(owner), SOURCES | {"usage": f'{{ sql = "{sql}" }}'}
        )
        assert 3 == churn("check", "-c", config).exit_status
    with psycopg.connect(owner) as connection:
        assert (2400,) == connection.execute(f"SELECT count(*) FROM {SCHEMA}.usage").fetchone()


# --- a server that does not answer


def test_a_warehouse_that_does_not_answer_is_tried_again(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "RETRY_SECONDS", (0.01, 0.02))
    env = {"CHURN__DATA__CONNECTION": "postgresql://reader:very-secret@127.0.0.1:9/small"}
    answer = churn("check", "-c", config, env=env)
    assert 1 == answer.exit_status
    assert answer.message.startswith("The warehouse postgresql://reader@127.0.0.1:9/small does not answer: ")
    assert "Tried 3 times." in answer.message
    assert 2 == answer.stderr.count("Trying again in")
    assert "secret" not in answer.stderr + answer.stdout


def test_a_wrong_password_is_told_without_it(postgres: str, config: Path, owner: str) -> None:
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS locked")
        connection.execute("CREATE ROLE locked LOGIN PASSWORD 'right'")
        (place,) = connection.execute("SHOW hba_file").fetchone() or ("",)
        rules = Path(place).read_text(encoding="utf-8")
        Path(place).write_text(f"host all locked 127.0.0.1/32 scram-sha-256\n{rules}", encoding="utf-8")
        connection.execute("SELECT pg_reload_conf()")
    address = warehouse.as_reader(owner).replace("reader@", "locked:very-secret@")
    answer = churn("check", "-c", config, env={"CHURN__DATA__CONNECTION": address})
    assert 2 == answer.exit_status
    assert "lets nobody in by this name" in answer.message
    assert "password authentication failed" in answer.message
    assert "very-secret" not in answer.stderr + answer.stdout


def test_a_connection_that_breaks_is_tried_again(owner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server ends the session in the middle of a table; the next try finds another one."""
    monkeypatch.setattr(copies, "RETRY_SECONDS", (0.01,))
    sql = f"SELECT *, pg_sleep(0.001) FROM {SCHEMA}.usage"
    config = warehouse.settings_of(tmp_path, warehouse.as_reader(owner), SOURCES | {"usage": f'{{ sql = "{sql}" }}'})
    ended = threading.Thread(target=_end_one, args=(owner,))
    ended.start()
    answer = churn("check", "-c", config)
    ended.join()
    assert "does not answer: terminating connection due to administrator command" in answer.stderr
    assert "usage: 2,400 rows read from the warehouse" in answer.stderr


def _end_one(owner: str) -> None:
    with psycopg.connect(owner, autocommit=True) as connection:
        query = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'churn' "
            "AND query LIKE 'COPY%pg_sleep%' AND now() - query_start > interval '0.3 s'"
        )
        deadline = time.monotonic() + 60
        while connection.execute(query).fetchone() is None and time.monotonic() < deadline:
            time.sleep(0.05)


def doctor(config: Path, **env: str) -> dict[str, tuple[bool, str]]:
    found = churn("doctor", "-c", config, "--json", env=env).record()["findings"]
    return {each["what"]: (each["well"], each["seen"]) for each in found}


def test_the_doctor_tells_whether_it_answers_and_how_old_the_copy_is(config: Path, copied: Copy, there: Run) -> None:
    """And copies nothing itself."""
    found = doctor(config)
    assert found["warehouse"][0]
    assert found["warehouse"][1].endswith(", gives every table")
    assert " as reader, " in found["warehouse"][1]
    assert (True, "none yet; the next check, training or night reads all") == found["copy"]
    assert kept(read_settings(config)) is None
    copied(config)
    assert (True, "made 0.0 hours ago, rows: accounts 20, subscriptions 20, usage 2,400") == doctor(config)["copy"]
    there("REVOKE ALL ON usage FROM reader")
    well, seen = doctor(config)["warehouse"]
    assert not well
    assert "usage: may not be read by reader" in seen
    well, seen = doctor(config, CHURN__DATA__CONNECTION="postgresql://reader:very-secret@127.0.0.1:9/small")[
        "warehouse"
    ]
    assert not well
    assert seen.startswith("postgresql://reader@127.0.0.1:9/small does not answer: ")


# --- killed, full, side by side


@contextmanager
def copying_slowly(config: Path, former: LocalCopy) -> Iterator[subprocess.Popen[bytes]]:
    """Another process in the middle of a copy, which would take it half a minute."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom pipeline.ending import endable\n"
        "from pipeline.settings_file import read_settings\nfrom pipeline.warehouse.copies import local_copy\n"
        "with endable(0):\n    local_copy(read_settings(Path(sys.argv[1])))\n"
    )
    slow = f"SELECT *, pg_sleep(0.01) FROM {SCHEMA}.usage"
    env = {**os.environ, "CHURN__DATA__USAGE": f'{{"sql": "{slow}"}}'}
    with subprocess.Popen([sys.executable, "-c", code, config], env=env, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while len(list(former.made.folder.parent.glob("*/usage"))) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process


def test_a_killed_copy_leaves_the_former_one(config: Path, copied: Copy) -> None:
    """And the next run removes what it left."""
    first = copied(config)
    with copying_slowly(config, first) as process:
        process.send_signal(signal.SIGKILL)
    made = kept(read_settings(config))
    assert made is not None
    assert first.made.folder == made.folder
    second = copied(config)
    assert 8 * 24 == read(second)["usage"]
    assert {first.made.folder, second.made.folder} == folders(second)


def test_a_copy_that_is_told_to_end_does_so_and_leaves_nothing(config: Path, copied: Copy) -> None:
    first = copied(config)
    with copying_slowly(config, first) as process:
        told = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert 1 == process.wait(timeout=10)
        assert time.monotonic() - told < 5, "by its way out, not by being cut off"
    assert {first.made.folder} == folders(first)


def folders(copy: LocalCopy) -> set[Path]:
    return {each for each in copy.made.folder.parent.iterdir() if each.is_dir()}


def test_a_copy_in_use_stays_until_it_is_let_go(config: Path) -> None:
    def copy() -> LocalCopy:
        made = local_copy(read_settings(config))
        assert isinstance(made, LocalCopy)
        return made

    first, second = copy(), copy()
    assert first.made.folder.is_dir()
    first.close()
    third = copy()
    assert [False, True, True] == [each.made.folder.is_dir() for each in (first, second, third)]
    for each in (second, third):
        each.close()


def test_two_runs_at_once_wait_for_one_another(config: Path) -> None:
    found: list[Any] = []

    def run() -> None:
        copy = local_copy(read_settings(config))
        assert isinstance(copy, LocalCopy)
        found.append(in_all(copy))
        copy.close()

    runs = [threading.Thread(target=run) for _ in range(4)]
    for each in runs:
        each.start()
    for each in runs:
        each.join()
    assert [{"accounts": 20, "subscriptions": 20, "usage": 2400}] * 4 == found


@pytest.mark.parametrize("harm", ["cut", "gone", "about"])
def test_a_damaged_copy_is_made_anew(harm: str, config: Path, copied: Copy) -> None:
    folder = copied(config).made.folder
    file = folder / ("copy.json" if harm == "about" else "usage/2026-02.parquet")
    if harm == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-100])
    assert 2400 == in_all(copied(config))["usage"]


def test_without_room_for_the_copy_the_former_one_stays(config: Path, copied: Copy, there: Run) -> None:
    first = copied(config)
    there(
        "CREATE TABLE noise AS SELECT 'A-1' AS account_id, timestamptz '2026-04-09' AS occurred_at, "
        "md5(random()::text) || md5(random()::text) AS event, '' AS note FROM generate_series(1, 20000); "
        "INSERT INTO usage SELECT * FROM noise"
    )
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(FailedError, match=r"cannot be written .* The copy before it is whole"):
            local_copy(read_settings(config))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, former)
    made = kept(read_settings(config))
    assert made is not None
    assert first.made.folder == made.folder
    assert {first.made.folder} == folders(first)
    assert 20_000 + 2400 == in_all(copied(config))["usage"]


def test_a_cache_that_cannot_be_made_is_told(config: Path) -> None:
    (config.parent / ".churn-cache").write_text("", encoding="utf-8")
    answer = churn("check", "-c", config)
    assert 1 == answer.exit_status
    assert "another folder in [data] cache" in answer.message


# --- the settings


def test_a_password_in_the_file_is_refused(tmp_path: Path) -> None:
    for secret in ("postgresql://reader:very-secret@host/db", "postgresql://reader@host/db?password=very-secret"):
        config = warehouse.settings_of(tmp_path, secret, SOURCES)
        answer = churn("check", "-c", config)
        assert 2 == answer.exit_status
        assert "[data] connection holds a password" in answer.message
        assert "CHURN__DATA__CONNECTION" in answer.message
        assert "very-secret" not in answer.message


@pytest.mark.parametrize(
    "connection",
    [
        "mysql://reader:very-secret@host/db",
        "postgresql://reader:very-secret@[host:1/db",
        "postgresql://r:very-secret@h:x/d",
    ],
)
def test_an_address_that_is_none_is_told_without_its_password(connection: str, tmp_path: Path) -> None:
    config = warehouse.settings_of(tmp_path, "postgresql://reader@host/db", SOURCES)
    answer = churn("check", "-c", config, env={"CHURN__DATA__CONNECTION": connection})
    assert 2 == answer.exit_status
    assert "very-secret" not in answer.message + answer.stderr
    assert "postgresql://" in answer.message


def test_passwords_are_not_part_of_what_is_kept(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHURN__DATA__CONNECTION", "postgresql://reader:very-secret@host/db?sslpassword=very-secret")
    kept_of_it = str(read_settings(config).without_secrets())
    assert "postgresql://reader:***@host/db" in kept_of_it
    assert "very-secret" not in kept_of_it


def test_a_column_that_may_not_be_read_is_no_missing_one(owner: str, tmp_path: Path, there: Run) -> None:
    """`check` warns of what the figures are without; without the time of recording nothing is read."""
    there("""
        CREATE TABLE tickets (ticket_id text, account_id text, opened_at timestamptz, text text);
        REVOKE ALL ON tickets FROM reader;
        GRANT SELECT (ticket_id, account_id, opened_at) ON tickets TO reader;
        INSERT INTO tickets VALUES ('T-1', 'A-1', '2026-03-01', 'Hello');
    """)
    tickets = SOURCES | {"tickets": f'"{SCHEMA}.tickets"'}
    config = warehouse.settings_of(tmp_path, warehouse.as_reader(owner), tickets)

    def found() -> dict[str, tuple[str, str, str]]:
        told = churn("check", "-c", config, "--as-of", "2026-04-11", "--json").record()["violations"]
        return {each["place"]: (each["severity"], each["rule"], each["remedy"]) for each in told}

    severity, rule, remedy = found()["tickets.text"]
    assert ("warn", "column text may not be read") == (severity, rule)
    assert remedy.startswith('Give the right there: GRANT SELECT ("text") ON crm.tickets TO the role')
    assert remedy.endswith("select the other columns in a sql source of tickets.")
    there("ALTER TABLE tickets ADD COLUMN recorded_at timestamptz")
    assert ("fatal", "column recorded_at may not be read") == found()["tickets.recorded_at"][:2]
    there("GRANT SELECT (text, recorded_at) ON tickets TO reader")
    assert not {"tickets.text", "tickets.recorded_at"} & found().keys()
