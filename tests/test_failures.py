"""What can go wrong around a night: the message, the exit status, and what readers see afterwards.

`docs/operations/failures.md` is the table of these.
"""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from command_line import CHURN, ONE_THREAD, Answer, churn, churn_process
from postgres_server import running_server
from sqlalchemy import Engine, select

from pipeline.settings_file import read_settings
from pipeline.store import connection as connection_to_store
from pipeline.store.connection import connect, reading, writing
from pipeline.store.lease import leased
from pipeline.store.nights import night
from pipeline.store.schema import LEASE

TOMORROW = datetime.now(UTC) + timedelta(days=1)


@pytest.fixture(scope="module")
def company(trained_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company whose night has not been published yet."""
    folder = tmp_path_factory.mktemp("failures") / "company"
    shutil.copytree(trained_demo.parent, folder, ignore=shutil.ignore_patterns("churn.db*"))
    return folder / trained_demo.name


def score(company: Path, **env: str) -> Answer:
    return churn("score", "-c", company, env=env)


def current(store: Engine) -> str:
    with reading(store) as connection:
        header = night(connection)
        assert header is not None
        return header.run_id


def publish_first(company: Path, store: Engine, url: str) -> str:
    first = score(company, CHURN__STORE__URL=url)
    assert 0 == first.exit_status, first.stderr
    return current(store)


def test_mlflow_is_unreachable(company: Path, store: Engine, store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first night needs it; later ones have the store's copy of the champion, and say so."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    gone = {"CHURN__STORE__URL": store_url, "CHURN__TRACKING__URI": "http://127.0.0.1:9"}
    never = score(company, **gone)
    assert 1 == never.exit_status
    assert never.message.startswith("MLflow at http://127.0.0.1:9 failed: ")
    before = publish_first(company, store, store_url)
    done = score(company, **gone)
    assert 0 == done.exit_status
    assert "The champion was read from the store's copy of version 1, for MLflow could not give it" in done.stderr
    assert before != current(store)


def test_no_model_is_champion(company: Path, store_url: str) -> None:
    answer = score(company, CHURN__STORE__URL=store_url, CHURN__TRACKING__MODEL="another")
    assert 2 == answer.exit_status
    assert "Run: churn train." in answer.message


def test_a_booster_is_corrupt(company: Path, store: Engine, store_url: str, tmp_path: Path) -> None:
    """Without a copy it is refused; with one, that is used."""
    harmed = tmp_path / "harmed"
    shutil.copytree(company.parent, harmed)
    for file in harmed.rglob("model.lgb"):
        file.write_bytes(file.read_bytes()[:1_000])
    config = harmed / company.name
    refused = score(config, CHURN__STORE__URL=store_url)
    assert 3 == refused.exit_status
    assert "Restore the file, or train again: churn train." in refused.message
    publish_first(company, store, store_url)
    done = score(config, CHURN__STORE__URL=store_url)
    assert 0 == done.exit_status
    assert "read from the store's copy" in done.stderr


def test_a_night_is_odd_beside_the_last_one(company: Path, store: Engine, store_url: str, tmp_path: Path) -> None:
    """What `[checks]` has stop a night stops it; readers keep the one they have."""
    day_before = read_settings(company).today() - timedelta(days=1)
    first = churn("score", "-c", company, "--as-of", day_before, env={"CHURN__STORE__URL": store_url})
    assert 0 == first.exit_status, first.stderr
    before, half = current(store), tmp_path / "half.parquet"
    terms = company.parent / "data" / "subscriptions.parquet"
    duckdb.sql(f"COPY (FROM '{terms}' WHERE hash(account_id) % 2 = 0) TO '{half}'")
    env = {"CHURN__STORE__URL": store_url, "CHURN__DATA__SUBSCRIPTIONS": str(half)}
    stopped = score(company, **env)
    assert (3, "") == (stopped.exit_status, stopped.stdout)
    assert f"is not published. Readers keep the night of {day_before}." in stopped.message
    assert "fewer than the" in stopped.message
    assert before == current(store)
    assert 0 == score(company, **env, CHURN__CHECKS__ACCOUNTS="warn").exit_status


def test_a_night_is_run_twice(company: Path, store: Engine, store_url: str) -> None:
    """The same values, and no second night."""
    first = churn("score", "-c", company, "--json", env={"CHURN__STORE__URL": store_url})
    second = churn("score", "-c", company, "--json", env={"CHURN__STORE__URL": store_url})
    assert (0, 0) == (first.exit_status, second.exit_status)
    assert first.record()["list"] == second.record()["list"]
    assert first.record()["run_id"] != second.record()["run_id"] == current(store)


def test_two_nights_are_started_at_once(company: Path, store: Engine, store_url: str) -> None:
    """One is published; the other says that there is one, or waits for it and comes to the same."""
    environment = {**os.environ, **ONE_THREAD, "CHURN__STORE__URL": store_url}
    nights = [
        subprocess.Popen(
            [CHURN, "score", "-c", company],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    told = [each.communicate(timeout=300)[1] for each in nights]
    assert 0 in {each.returncode for each in nights}
    for each, text in zip(nights, told, strict=True):
        assert 0 == each.returncode or "Another run is writing to this store" in text
    assert current(store)


def test_a_night_finds_one_that_lives(company: Path, store: Engine, store_url: str) -> None:
    before = publish_first(company, store, store_url)
    with leased(store):
        answer = churn_process("score", "-c", company, env={"CHURN__STORE__URL": store_url})
    assert 1 == answer.exit_status
    assert "Another run is writing to this store: " in answer.message
    assert "Run again when it is done." in answer.message
    assert before == current(store)


def test_sigterm_ends_a_night_and_gives_the_lease_back(company: Path, store: Engine, store_url: str) -> None:
    before = publish_first(company, store, store_url)
    with subprocess.Popen(
        [CHURN, "score", "-c", company],
        env={**os.environ, **ONE_THREAD, "CHURN__STORE__URL": store_url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        process.stderr.readline()  # the first step is done
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=60)
    assert 1 == process.returncode
    assert time.monotonic() - began < 10
    assert "Ended by SIGTERM." in told
    assert before == current(store)
    with store.connect() as connection:
        assert connection.execute(select(LEASE.c.token)).scalar_one() is None
    assert 0 == score(company, CHURN__STORE__URL=store_url).exit_status


def test_a_night_takes_longer_than_it_may(company: Path, store: Engine, store_url: str) -> None:
    before = publish_first(company, store, store_url)
    env = {"CHURN__STORE__URL": store_url, "CHURN__RUN__HOURS_AT_MOST": "0.0002"}
    answer = churn_process("score", "-c", company, env=env)  # which is ended with its process where it has to be
    assert 1 == answer.exit_status
    assert answer.message.startswith("Ended after 0.0002 hours ([run] hours_at_most).")
    assert before == current(store)


def test_the_engine_may_have_too_little_memory(company: Path, store: Engine, store_url: str) -> None:
    before = publish_first(company, store, store_url)
    answer = score(company, CHURN__STORE__URL=store_url, CHURN__ENGINE__MEMORY_LIMIT="6MB")
    assert 1 == answer.exit_status, answer.stderr
    assert "Raise [engine] memory_limit, or free memory and disk, and run again." in answer.message
    assert before == current(store)


def test_a_clock_that_was_set_back_holds_nobody_up(company: Path, store: Engine, store_url: str) -> None:
    """What the dead run left behind says that it was heard of tomorrow."""
    publish_first(company, store, store_url)
    with writing(store) as connection:
        taken = {"token": "x", "holder": "another", "taken_at": TOMORROW, "renewed_at": TOMORROW}
        connection.execute(LEASE.update().values(**taken))
    assert 0 == score(company, CHURN__STORE__URL=store_url).exit_status


@contextmanager
def full_disk() -> Iterator[Path]:
    """A folder on a disk of half a megabyte."""
    folder = Path("/tmp") / f"churn-full-{os.getpid()}"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", folder], capture_output=True, check=False
    )
    try:
        if mounted.returncode != 0:
            pytest.skip("a disk of our own cannot be mounted here, which takes root")
        yield folder
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


def test_the_disk_of_the_store_is_full(company: Path) -> None:
    """The night fails, and succeeds when there is room."""
    with full_disk() as folder:
        url = f"sqlite:///{folder / 'churn.db'}"
        ballast = folder / "ballast"
        ballast.write_bytes(b"x" * 400_000)
        answer = score(company, CHURN__STORE__URL=url)
        assert 1 == answer.exit_status, answer.stderr
        assert "database or disk is full" in answer.message
        assert answer.message.startswith(f"The store {url} cannot be used: ")
        subprocess.run(["mount", "-o", "remount,size=50m", folder], check=True)
        ballast.unlink()
        again = score(company, CHURN__STORE__URL=url)
        assert 0 == again.exit_status, again.stderr


def test_a_store_that_is_gone_is_tried_again_and_told(company: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_to_store, "RETRY_SECONDS", (0.1, 0.2))
    with running_server() as url:
        before = score(company, CHURN__STORE__URL=url)
        assert 0 == before.exit_status, before.stderr
        env = {"CHURN__STORE__URL": url}
    answer = churn("score", "-c", company, env=env)
    assert 1 == answer.exit_status
    assert answer.message.startswith("The store postgresql://churn@127.0.0.1:")
    assert "Check [store] url, the server and the rights there." in answer.message


def test_the_store_is_away_for_a_moment_while_the_night_works(company: Path) -> None:
    """All connections are cut again and again, as by a server that restarts: each transaction is tried again."""
    with running_server() as url:
        engine = connect(url)
        cut, cuts = threading.Event(), []

        def cut_connections() -> None:
            while not cut.wait(0.3):
                with engine.begin() as connection:
                    ours = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                    cuts.extend(connection.exec_driver_sql(f"SELECT pg_terminate_backend(pid) {ours}").all())

        first = score(company, CHURN__STORE__URL=url)
        assert 0 == first.exit_status, first.stderr
        cutting = threading.Thread(target=cut_connections)
        cutting.start()
        try:
            done = churn_process("score", "-c", company, env={"CHURN__STORE__URL": url})
        finally:
            cut.set()
            cutting.join()
            engine.dispose()
        assert 0 == done.exit_status, done.stderr
        assert len(cuts) > 1
