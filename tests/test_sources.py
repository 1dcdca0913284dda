"""The tables as they are opened: what counts as unreadable, what as a fault of ours, and how an open end is written."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from features.cohort import states
from features.labels import churns
from pipeline import sources
from pipeline.checks import check_contract
from pipeline.settings import Settings
from pipeline.settings_file import read_settings
from pipeline.sources import Opened, freshness, history, open_sources

ROOT = Path(__file__).resolve().parent.parent
ACCOUNTS = "account_id,created_at\nA-1,2024-01-01\nA-2,2024-01-01\n"
TERMS = "subscription_id,account_id,started_on,ended_on,mrr\nS-1,A-1,2024-01-01,{end},10\n"
TERMS += "S-2,A-2,2024-01-01,2024-06-01,10\n"
VERSIONS = "{ sql = \"SELECT *, '2024-01-02' AS recorded_at FROM 'subscriptions.csv'\" }"
TODAY = date(2025, 1, 1)

Open = Callable[..., tuple[Opened, Settings]]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Open two accounts with a term each, of which the first ends as told; `subscriptions` may be another source."""
    engines = []

    def run(end: str = "", subscriptions: str = '"subscriptions.csv"', more: str = "") -> tuple[Opened, Settings]:
        (tmp_path / "accounts.csv").write_text(ACCOUNTS, encoding="utf-8")
        (tmp_path / "subscriptions.csv").write_text(TERMS.format(end=end), encoding="utf-8")
        text = f'[data]\naccounts = "accounts.csv"\nsubscriptions = {subscriptions}\n{more}\n[engine]\nthreads = 1\n'
        (tmp_path / "churn.toml").write_text(text, encoding="utf-8")
        settings = read_settings(tmp_path / "churn.toml")
        engines.append(open_sources(settings))
        return engines[-1], settings

    yield run
    for each in engines:
        each.close()


# --- what cannot be read


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELEC 1", "Parser Error: syntax error"),
        ("SELECT nothing FROM 'subscriptions.csv'", 'Referenced column "nothing" not found'),
        ("FROM 'subscriptions.csv'; FROM 'accounts.csv'", "has 2 statements"),
        ("-- later", "has 0 statements"),
        ("VALUES (1)", "required column is missing"),
        ("SELECT 'ten'::INTEGER AS mrr", "Could not convert string 'ten'"),
    ],
)
def test_what_is_wrong_with_a_query_is_told(sql: str, says: str, opened: Open) -> None:
    found, _ = opened(subscriptions=f'{{ sql = "{sql}" }}')
    assert {"subscriptions"} == {each.table for each in found.unreadable}
    assert says in f"{found.unreadable[0].rule} {found.unreadable[0].remedy}"


@pytest.mark.parametrize(
    "sql",
    [
        "FROM 'subscriptions.csv';",
        "FROM 'subscriptions.csv' -- all of them",
        "FROM 'subscriptions.csv' WHERE account_id <> ';é' ;; -- all of them;",
        "FROM 'subscriptions.csv' /* all; */ ; /* of them */",
        "PIVOT (FROM 'subscriptions.csv' SELECT *, 'mrr' AS name) ON name USING any_value(mrr) "
        "GROUP BY subscription_id, account_id, started_on, ended_on ; -- the end",
    ],
)
def test_a_query_may_end_as_in_a_script(sql: str, opened: Open) -> None:
    found, _ = opened(subscriptions=f'{{ sql = "{sql}" }}')
    assert [] == found.unreadable
    assert 2 == found.tables["subscriptions"].count().execute()


@pytest.mark.parametrize("start", ["infinity", "-infinity", "12000-01-01"])
def test_a_start_out_of_the_calendar_is_no_news(start: str, opened: Open) -> None:
    """Such a date has no place in Python, and the check ended in a traceback over it."""
    sql = "SELECT * REPLACE (if(account_id = 'A-1', '{}', started_on::VARCHAR) AS started_on) FROM 'subscriptions.csv'"
    sql = sql.format(start)
    found, _ = opened(subscriptions=f'{{ sql = "{sql}" }}')
    assert datetime(2024, 1, 1, tzinfo=UTC) == freshness(found)["subscriptions"]


@pytest.mark.parametrize("where", ["_typed", "_statement"])
def test_a_fault_of_ours_is_not_told_as_an_unreadable_table(
    where: str, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would send whoever reads it to look for a mistake in the file."""

    def wrong(*_: object) -> None:
        raise AttributeError("a slip in our own lines")

    monkeypatch.setattr(sources, where, wrong)
    with pytest.raises(AttributeError, match="a slip in our own lines"):
        opened(subscriptions="{ sql = \"FROM 'subscriptions.csv'\" }")


def test_a_table_of_which_the_engine_runs_out_of_memory_is_not_unreadable(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A retry may help, as with nothing else that can be wrong here."""

    def full(*_: object) -> None:
        raise duckdb.OutOfMemoryException("Out of Memory Error: failed to pin block")

    monkeypatch.setattr(sources, "_typed", full)
    with pytest.raises(duckdb.OutOfMemoryException):
        opened()


# --- ends that are none


@pytest.mark.parametrize("end", ["", "9999-12-31", "infinity", "2099-12-31 00:00:00", "2074-01-02"])
@pytest.mark.parametrize("kept", ["first_day_without", "last_day"])
def test_an_end_fifty_years_ahead_is_none(end: str, kept: str, opened: Open) -> None:
    """Warehouses write a running term's end so; where it stands in a version it is no notice either."""
    for subscriptions in ('"subscriptions.csv"', VERSIONS):
        found, settings = opened(end, subscriptions, f'ended_on = "{kept}"')
        assert [] == found.unreadable + check_contract(found, settings)
        past = history(found, settings, versioned=["subscriptions"] if subscriptions == VERSIONS else [])
        by_account = states(past, past.rules.moment(TODAY)).order_by("account_id").execute()
        assert ["active", "gone"] == by_account["state"].tolist()
        assert ["A-2"] == churns(past, TODAY).execute()["account_id"].tolist()


@pytest.mark.parametrize("end", ["2074-01-01", "2026-01-01"])
def test_an_end_within_fifty_years_is_one(end: str, opened: Open) -> None:
    """An announced one, where versions are kept."""
    found, settings = opened(end, VERSIONS)
    past = history(found, settings, versioned=["subscriptions"])
    by_account = states(past, past.rules.moment(TODAY)).order_by("account_id").execute()
    assert ["leaving", "gone"] == by_account["state"].tolist()


# --- what the engine says by itself


def test_the_engine_writes_nothing_where_answers_are_written(opened: Open) -> None:
    """DuckDB draws bars on standard output wherever no script is being run, as in a process of training."""
    _, read = opened()
    program = f"""if True:
        from pathlib import Path
        from pipeline.settings_file import read_settings
        from pipeline.sources import open_sources
        engine = open_sources(read_settings(Path({str(read.folder / "churn.toml")!r}))).engine
        print(engine.raw_sql("SELECT current_setting('enable_progress_bar')").fetchone())
    """
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "(False,)\n" == done.stdout
