"""`churn init URL`: settings proposed from a warehouse."""

import re
import tomllib
from pathlib import Path

import psycopg
import pytest
import warehouse
from command_line import Answer, churn

from pipeline.demo.company import write_company
from pipeline.settings_file import read_settings


@pytest.fixture(scope="module")
def demo(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A demo company's tables in a warehouse: the address for who owns it."""
    folder = tmp_path_factory.mktemp("demo")
    write_company(folder, accounts=250, seed=11)
    address = warehouse.database(postgres, "shift_planning")
    data = folder / "data"
    tables = {file.stem: f"'{file}'" for file in sorted(data.glob("*.parquet"))}
    warehouse.load(address, tables | {"usage": f"'{data}/usage/*.parquet'"}, folder)
    return address


@pytest.fixture
def odd(postgres: str) -> str:
    """A company that keeps days and money as text, and use by subscription: the address for who owns it."""
    address = warehouse.database(postgres, "odd")
    with psycopg.connect(address) as connection:
        connection.execute("""
            SET search_path = crm;
            CREATE TABLE customers (customer_id uuid, signed_up text, email text);
            CREATE TABLE contracts (subscription_id int, customer_id uuid, start_date text, end_date text, fee text);
            CREATE TABLE events (subscription_id int, event_time timestamptz, event_name text);
            INSERT INTO customers SELECT ('00000000-0000-0000-0000-' || lpad(i::text, 12, '0'))::uuid,
                to_char(date '2025-01-01' + i, 'DD.MM.YYYY'), 'a' || i || '@example.com' FROM generate_series(1, 60) i;
            INSERT INTO contracts SELECT i, ('00000000-0000-0000-0000-' || lpad(i::text, 12, '0'))::uuid,
                to_char(date '2025-01-01' + i, 'DD.MM.YYYY'), CASE WHEN i < 9 THEN '28.02.2026' ELSE '' END,
                '$1,' || 200 + i || '.50' FROM generate_series(1, 60) i;
            INSERT INTO events SELECT 1 + i % 60, timestamptz '2026-01-01' + i * interval '1 hour', 'export'
                FROM generate_series(1, 24 * 90) i;
        """)
    return address


def init(owner: str, folder: Path, *options: str) -> Answer:
    return churn("init", warehouse.as_reader(owner), "--out", folder / "churn.toml", *options)


def test_the_demo_company_is_recognised_in_a_warehouse(demo: str, tmp_path: Path) -> None:
    """Every table of it, and the check that follows reads the warehouse."""
    before = warehouse.written(demo)
    answer = init(demo, tmp_path)
    assert 0 == answer.exit_status, answer.stderr + answer.stdout
    settings = read_settings(tmp_path / "churn.toml")
    assert warehouse.as_reader(demo) == settings.data.connection
    assert "Shift Planning" == settings.company.name
    expected = {name: f"crm.{name}" for name in settings.data.sources}
    assert expected == settings.data.sources
    assert {"accounts", "subscriptions", "usage", "users", "tickets", "page_visits"} < expected.keys()
    assert "accounts ← crm.accounts (" in answer.stdout
    assert "departures are known" in answer.stdout
    assert before == warehouse.written(demo)


def test_queries_are_proposed_in_the_dialect_of_the_warehouse(odd: str, tmp_path: Path) -> None:
    """Days and money written as text are read there, and use finds its account through the contracts."""
    answer = init(odd, tmp_path)
    assert 0 == answer.exit_status, answer.stderr + answer.stdout
    text = (tmp_path / "churn.toml").read_text(encoding="utf-8")
    assert "to_timestamp(" in text
    assert "try_" not in text
    assert "FROM crm.events AS own" in text
    found = churn("check", "-c", tmp_path / "churn.toml", "--as-of", "2026-04-01", "--json").record()
    assert not found["fatal"]
    assert {"accounts": 60, "subscriptions": 60, "usage": 24 * 90} == found["rows"]
    assert found["newest"]["accounts"].startswith("2025-03-02")


def test_a_password_gets_into_no_file(odd: str, tmp_path: Path) -> None:
    address = warehouse.as_reader(odd).replace("reader@", "reader:very-secret@")
    answer = churn("init", address, "--out", tmp_path / "churn.toml")
    assert 0 == answer.exit_status, answer.stderr
    assert "very-secret" not in answer.stdout + answer.stderr
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"very-secret" not in file.read_bytes()
    data = tomllib.loads((tmp_path / "churn.toml").read_text(encoding="utf-8"))["data"]
    assert warehouse.as_reader(odd) == data["connection"]


def test_columns_that_may_not_be_read_are_named(odd: str, tmp_path: Path) -> None:
    """With the right that is lacking; the table is proposed without them."""
    with psycopg.connect(odd) as connection:
        connection.execute("REVOKE ALL ON crm.customers FROM reader")
        connection.execute("GRANT SELECT (customer_id, signed_up) ON crm.customers TO reader")
    answer = init(odd, tmp_path)
    assert 0 == answer.exit_status, answer.stderr
    assert "Cannot be read:\n  may not be read by reader: email of crm.customers." in answer.stdout
    assert 'GRANT SELECT ("email") ON crm.customers TO "reader".' in answer.stdout


def test_large_tables_are_looked_at_in_part(odd: str, tmp_path: Path) -> None:
    """Their newest rows among them, so that the day to look from is known."""
    with psycopg.connect(odd) as connection:
        connection.execute(
            "TRUNCATE crm.events; INSERT INTO crm.events "
            "SELECT 1 + i % 60, timestamptz '2026-01-01' + i * interval '1 minute', 'login' "
            "FROM generate_series(1, 120000) i; ANALYZE crm.events"
        )
    answer = init(odd, tmp_path, "--dry-run")
    assert 0 == answer.exit_status, answer.stderr
    assert "crm.events (120,000 rows)" in answer.stdout
    assert re.search(r"as_of = 2026-03-2[56]", answer.stdout)
    assert not (tmp_path / "churn.toml").exists()


def test_without_tables_or_an_answer_nothing_is_proposed(postgres: str, tmp_path: Path) -> None:
    empty = warehouse.database(postgres, "empty")
    answer = init(empty, tmp_path)
    assert 2 == answer.exit_status
    assert "No tables to read in postgresql://reader@" in answer.message
    assert "GRANT SELECT" in answer.message
    gone = churn("init", "postgresql://reader:very-secret@127.0.0.1:9/shop", "--out", tmp_path / "churn.toml")
    assert 1 == gone.exit_status
    assert gone.message.startswith("The warehouse postgresql://reader@127.0.0.1:9/shop does not answer: ")
    other = churn("init", "mysql://reader:very-secret@host/shop")
    assert 2 == other.exit_status
    assert "very-secret" not in gone.message + other.message
