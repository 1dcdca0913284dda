"""The ledger: every run that began is in it, with what it came to."""

import json
import signal
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import duckdb
import pytest
from sample_nights import NIGHT, NOW, silence
from sqlalchemy import Engine, select

from models.errors import NoChampion, TrackingFailed
from pipeline.ending import endable, ends_queries_of
from pipeline.errors import FailedError, RefusedError
from pipeline.ledger import KEPT_DAYS, LastRun, last_run, recorded
from pipeline.run_log import RunLog
from pipeline.store.connection import reading
from pipeline.store.lease import SILENCE_SECONDS, Lease, leased
from pipeline.store.schema import LEDGER


@pytest.fixture
def lease(store: Engine) -> Iterator[Lease]:
    with leased(store) as held:
        yield held


def a_run(lease: Lease, run_id: str, error: Exception | None = None, *, days_later: int = 0) -> None:
    log, begun = RunLog(run_id), NOW + timedelta(days=days_later)
    with recorded(lease, log, "score", as_of=NIGHT, started_at=begun, settings_digest="d") as entry:
        log.step("read")
        log.step("publish")
        entry.rows_in, entry.model_version = {"accounts": 7}, "3"
        if error is not None:
            raise error
        entry.rows_out = 7


def rows(store: Engine) -> list[Any]:
    with reading(store) as connection:
        return list(connection.execute(select(LEDGER).order_by(LEDGER.c.started_at)).mappings())


def test_a_night_that_was_published(store: Engine, lease: Lease) -> None:
    a_run(lease, "r1")
    (found,) = rows(store)
    assert ("r1", "score", NIGHT, "published", None) == tuple(
        found[name] for name in ("run_id", "command", "as_of", "outcome", "message")
    )
    assert ({"accounts": 7}, 7, "3") == (json.loads(found["rows_in"]), found["rows_out"], found["model_version"])
    steps = json.loads(found["steps"])
    assert ["read", "publish"] == [step["name"] for step in steps]
    assert all(step["seconds"] >= 0 and 0.01 < step["peak_gb"] < 100 for step in steps)
    assert found["ended_at"] >= found["started_at"]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (RefusedError("a rule is broken"), "refused"),
        (NoChampion("train first"), "refused"),
        (FailedError("unreachable"), "failed"),
        (TrackingFailed("no answer"), "failed"),
    ],
)
def test_a_night_that_was_not(store: Engine, lease: Lease, error: Exception, outcome: str) -> None:
    with pytest.raises(type(error)):
        a_run(lease, "r1", error)
    (found,) = rows(store)
    assert (outcome, str(error), None) == (found["outcome"], found["message"], found["rows_out"])


def test_what_others_raise_is_kept_without_its_words(store: Engine, lease: Lease) -> None:
    """An engine quotes the value that it could not convert."""
    with pytest.raises(ValueError, match="O'Brien"):
        a_run(lease, "r1", ValueError("could not convert 'O'Brien'"))
    (found,) = rows(store)
    assert ("failed", "ValueError: its words stand in the log of the run.") == (found["outcome"], found["message"])


def test_a_night_that_was_told_to_end(store: Engine, lease: Lease) -> None:
    def told() -> None:
        with (
            endable(0),
            recorded(lease, RunLog("r1"), "score", as_of=NIGHT, started_at=NOW, settings_digest="d"),
        ):
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(FailedError, match="Ended by SIGTERM"):
        told()
    (found,) = rows(store)
    assert "ended" == found["outcome"]


def test_one_that_was_told_to_end_in_a_query(store: Engine, lease: Lease) -> None:
    """DuckDB makes an error of its own of it."""
    engine = duckdb.connect()
    ends_queries_of(engine)  # as that of a night

    def told() -> None:
        with (
            endable(0.5 / 3600),
            recorded(lease, RunLog("r1"), "score", as_of=NIGHT, started_at=NOW, settings_digest="d"),
        ):
            engine.execute("SELECT sum(hash(range)) FROM range(100_000_000_000)").fetchall()

    with pytest.raises(FailedError, match="Ended after"):
        told()
    (found,) = rows(store)
    assert "ended" == found["outcome"]
    assert found["message"].startswith("Ended after 0.000138889 hours")


def test_one_that_fails_after_its_night_was_published_was_published(store: Engine, lease: Lease) -> None:
    """As when the file of --out cannot be written: readers have the night."""

    def fails() -> None:
        with recorded(lease, RunLog("r1"), "score", as_of=NIGHT, started_at=NOW, settings_digest="d") as entry:
            entry.rows_out = 7
            raise FailedError("no room for the file")

    with pytest.raises(FailedError):
        fails()
    (found,) = rows(store)
    assert ("published", "no room for the file", 7) == (found["outcome"], found["message"], found["rows_out"])


def test_one_that_was_killed_has_no_outcome(store: Engine, lease: Lease) -> None:
    """Nobody was left to write it. It is taken for running until its lease has been silent for a minute."""
    run = recorded(lease, RunLog("r1"), "score", as_of=NIGHT, started_at=NOW, settings_digest="d")
    run.__enter__()
    with reading(store) as connection:
        assert LastRun(NIGHT, NOW, None, None, is_running=True) == last_run(connection)
    silence(store, SILENCE_SECONDS + 2)
    with reading(store) as connection:
        assert LastRun(NIGHT, NOW, None, None, is_running=False) == last_run(connection)


def test_the_last_run_is_the_one_that_began_last(store: Engine, lease: Lease) -> None:
    with reading(store) as connection:
        assert last_run(connection) is None
    a_run(lease, "later", days_later=1)
    a_run(lease, "earlier")
    with reading(store) as connection:
        found = last_run(connection)
    assert found is not None
    assert NOW + timedelta(days=1) == found.started_at


def test_it_is_kept_for_a_year_and_a_bit(store: Engine, lease: Lease) -> None:
    a_run(lease, "old")
    a_run(lease, "young", days_later=KEPT_DAYS - 1)
    assert 2 == len(rows(store))
    a_run(lease, "now", days_later=KEPT_DAYS + 1)
    assert ["young", "now"] == [each["run_id"] for each in rows(store)]
