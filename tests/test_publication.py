"""Publication: readers see one whole night, always, whatever dies while the next one is written."""

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from programs import ROOT, begun
from sample_nights import BANDS, CATALOGUE, NIGHT, NOW, booked, make_book, publish, reason, run, scored, silence, stage
from sqlalchemy import Engine, func, select, text, update

from pipeline.errors import StoreError, StoreMissing, StoreOutdated
from pipeline.publication import PublicationRefused, check_staged, flip
from pipeline.retention import clean
from pipeline.store.connection import connect, reading, writing
from pipeline.store.lease import SILENCE_SECONDS, Lease, leased
from pipeline.store.making import prepare
from pipeline.store.nights import account, book, catalogue, most_at_stake, night
from pipeline.store.schema import (
    CATALOGUES,
    INPUTS,
    METADATA,
    PUBLISHED_STORE,
    REVISION,
    RUNS,
    SCORES,
    STORE_VERSION,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "churn.db"


@pytest.fixture
def in_file(path: Path) -> Iterator[Engine]:
    """A store that is a file, for what only files can be."""
    engine = connect(f"sqlite:///{path}")
    yield engine
    engine.dispose()


@pytest.fixture
def lease(store: Engine) -> Iterator[Lease]:
    with leased(store) as held:
        yield held


def put(store: Engine, run_id: str, accounts: int = 30, *, seed: int = 0, as_of: date = NIGHT) -> None:
    publish(store, run(run_id, as_of=as_of, marker=seed), booked(accounts, seed=seed), CATALOGUE, finished_at=NOW)


def count(store: Engine, table: str) -> int:
    with store.connect() as connection:
        return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


# ---------------------------------------------------------------------------------------------------------------------
# What comes back is what was published


def test_a_night_reads_back_as_it_was_published(store: Engine) -> None:
    """Header, catalogue and every column of every account, floats to the last bit."""
    made = booked(30)
    publish(store, run("r1", accounts=30), made, CATALOGUE, finished_at=NOW)
    with reading(store) as connection:
        header = night(connection)
        assert header is not None
        assert ("r1", NIGHT, "1", 30, {"accounts": 30}) == (
            header.run_id,
            header.as_of,
            header.model_version,
            header.accounts,
            header.headline,
        )
        assert header.started_at == header.finished_at == NOW
        assert catalogue(connection, header) == CATALOGUE
        found = list(book(connection, header))
        one = account(connection, header, "A-00004")
    assert made["account_id"].tolist() == [each.account_id for each in found]
    for name in ("risk", "log_odds", "mrr", "value_at_risk", "rank", "band", "state", "owner", "families", "facts"):
        assert made[name].tolist() == [getattr(each, name) for each in found], name
    assert made["reasons"].tolist() == [list(each.reasons) for each in found]
    assert one == next(each for each in found if each.account_id == "A-00004")


def test_book_reads_in_its_order(store: Engine) -> None:
    """By owner and rank, those without an owner last, and within a book those that have no rank."""
    frame = scored(60)
    frame.loc[::10, "owner"] = None
    frame.loc[5, ["state", "last_day"]] = ["leaving", date(2026, 12, 1)]
    made = make_book(frame, bands=BANDS, new_days=28, as_of=NIGHT)
    publish(store, run("r1"), made, CATALOGUE, finished_at=NOW)
    with reading(store) as connection:
        header = night(connection)
        assert header is not None
        whole = list(book(connection, header))
    assert made["account_id"].tolist() == [each.account_id for each in whole]
    leaving = [each for each in whole if each.owner == "csm2@example.com"][-1]
    assert ("leaving", date(2026, 12, 1), None, None, ()) == (
        leaving.state,
        leaving.last_day,
        leaving.risk,
        leaving.rank,
        leaving.reasons,
    )


def test_text_is_ordered_as_python_orders_it(store: Engine) -> None:
    """By its characters' numbers, whatever language a database was set up for: a rank must not depend on that."""
    ids = ["a-1", "B-1", "é", "A-10", "A-2", "中", "_", "Z"]
    frame = scored(len(ids)).assign(account_id=ids, root_id=ids, owner=list(reversed(ids)), risk=0.5, log_odds=0.0)
    frame["families"] = [{"usage": 3.0} for _ in ids]
    frame["reasons"] = [[reason("other", "rest", None, 3.0)] for _ in ids]
    made = make_book(frame, bands=BANDS, new_days=28, as_of=NIGHT)
    publish(store, run("r1"), made, CATALOGUE, finished_at=NOW)
    with reading(store) as connection:
        header = night(connection)
        assert header is not None
        found = [each.owner for each in book(connection, header)]
        at_stake = [each.worst.account_id for each in most_at_stake(connection, header, 10)]
    assert sorted(ids) == found
    assert len(ids) == len(at_stake)


def test_most_at_stake_are_entries_of_all_books(store: Engine) -> None:
    """Accounts of one root and owner are one entry, by their sum; another owner's children are another."""
    frame = scored(60)
    frame.loc[::10, "owner"] = None
    frame.loc[:14, "root_id"] = "A-00000"
    made = make_book(frame, bands=BANDS, new_days=28, as_of=NIGHT)
    publish(store, run("r1"), made, CATALOGUE, finished_at=NOW)
    with reading(store) as connection:
        header = night(connection)
        assert header is not None
        most = most_at_stake(connection, header, 8)
    ranked = made.assign(owner=made["owner"].fillna(""))
    entries = ranked.groupby(["owner", "root_id"], sort=False).agg(
        worst=("account_id", "first"),
        accounts=("account_id", "size"),
        mrr=("mrr", "sum"),
        value_at_risk=("value_at_risk", "sum"),
        state=("state", "first"),
    )
    expected = entries[entries["state"] == "candidate"].nlargest(8, "value_at_risk")
    found = [(each.worst.account_id, each.accounts, each.mrr, each.value_at_risk) for each in most]
    assert [
        (row.worst, row.accounts, pytest.approx(row.mrr), pytest.approx(row.value_at_risk))
        for row in expected.itertuples()
    ] == found
    assert {1} < {each.accounts for each in most}, "groups are among them"


def test_entries_without_money_are_ordered_by_their_greatest_risk(store: Engine) -> None:
    """A company that names no value events has nothing at stake that could be summed."""
    made = make_book(scored(40).assign(mrr=np.nan), bands=BANDS, new_days=28, as_of=NIGHT)
    publish(store, run("r1"), made, CATALOGUE, finished_at=NOW)
    with reading(store) as connection:
        header = night(connection)
        assert header is not None
        most = most_at_stake(connection, header, 5)
    assert made.nlargest(5, "risk")["account_id"].tolist() == [each.worst.account_id for each in most]
    assert {(1, None, None)} == {(each.accounts, each.mrr, each.value_at_risk) for each in most}


def test_rerun_changes_nothing_but_run_and_times(store: Engine) -> None:
    """The same night by the same model twice: the same values in every column, and no second row."""

    def everything() -> tuple[list[object], object]:
        with reading(store) as connection:
            header = night(connection)
            assert header is not None
            return list(book(connection, header)), (header.headline, header.catalogue, header.accounts)

    put(store, "r1")
    first = everything()
    put(store, "r2")
    assert first == everything()
    assert (30, 1, 1, 1) == tuple(count(store, each) for each in ("scores", "runs", "published", "catalogues"))


def test_several_nights_are_kept_and_the_newest_is_current(store: Engine) -> None:
    """A past night that is filled in later does not become the current one."""
    put(store, "monday")
    put(store, "sunday", seed=1, as_of=NIGHT - timedelta(days=1))
    with reading(store) as connection:
        current, past = night(connection), night(connection, NIGHT - timedelta(days=1))
        assert current is not None
        assert past is not None
        assert (current.run_id, past.run_id) == ("monday", "sunday")
        assert night(connection, date(2020, 1, 1)) is None
        assert account(connection, current, "A-99999") is None


def test_an_old_night_keeps_its_catalogue_when_version_numbers_start_again(store: Engine) -> None:
    """A registry set up anew calls another model version 1; last week's sentences stay as they were."""
    put(store, "old", as_of=NIGHT - timedelta(days=7))
    other = {**CATALOGUE, "horizon_days": 90}
    publish(store, run("new"), booked(5), other, finished_at=NOW)
    with reading(store) as connection:
        newest, oldest = night(connection), night(connection, NIGHT - timedelta(days=7))
        assert newest is not None
        assert oldest is not None
        assert newest.model_version == oldest.model_version == "1"
        assert [90, 60] == [catalogue(connection, each)["horizon_days"] for each in (newest, oldest)]
    with writing(store) as connection:
        connection.execute(update(RUNS).where(RUNS.c.run_id == "new").values(catalogue=oldest.catalogue))
    with leased(store) as lease:
        clean(lease)
    with store.connect() as connection:
        assert connection.execute(select(func.count()).select_from(CATALOGUES)).scalar() == 1, "unused ones go"


def saw(store: Engine) -> dict[str, list[bytes]]:
    with store.connect() as connection:
        found = connection.execute(select(INPUTS).order_by(INPUTS.c.run_id, INPUTS.c.part)).all()
    return {run_id: [row.content for row in found if row.run_id == run_id] for run_id in {row.run_id for row in found}}


def test_what_a_night_saw_comes_and_goes_with_it(store: Engine) -> None:
    """A rerun replaces it, a run that never published leaves nothing of it."""
    publish(store, run("r1"), booked(3), CATALOGUE, finished_at=NOW, inputs=[b"one", b"two"])
    assert {"r1": [b"one", b"two"]} == saw(store)
    dead = run("dead", as_of=NIGHT + timedelta(days=1))
    with leased(store) as lease:
        stage(lease, dead, booked(3), CATALOGUE, inputs=[b"unseen"])
    publish(store, run("r2"), booked(3), CATALOGUE, finished_at=NOW, inputs=iter([b"three"]))
    assert {"r2": [b"three"]} == saw(store)


# ---------------------------------------------------------------------------------------------------------------------
# What is refused


@pytest.mark.parametrize(
    ("law", "column", "by"),
    [
        ("Σ families", "families", 3e-9),
        ("Σ reasons", "reasons", 3e-9),
        ("risk", "risk", 3e-9),
        ("risk", "risk", np.nan),
    ],
)
def test_numbers_that_do_not_add_up_are_refused(store: Engine, law: str, column: str, by: float) -> None:
    """One account of thirty that is off by more than 1e-9 stops the night; readers keep the last one."""
    put(store, "good")
    bad = booked(30, seed=1)
    if column == "risk":
        bad.loc[7, "risk"] += by
    elif column == "families":
        bad.loc[7, "families"]["usage"] += by  # type: ignore[index]
    else:
        bad.loc[7, "reasons"][-1]["contribution"] += by  # type: ignore[index]
    name = bad.loc[7, "account_id"]
    with pytest.raises(PublicationRefused, match=f"{law}.* account '{name}' and 0 more"):
        publish(store, run("bad"), bad, CATALOGUE, finished_at=NOW)
    assert ("good", 30) == seen(store)
    put(store, "next", seed=2)
    assert ("next", 30) == seen(store)
    assert count(store, "scores") == 30, "what the refused run left is gone"


def test_missing_rows_are_refused(store: Engine, lease: Lease) -> None:
    """A night that lost rows on the way to the store is not published."""
    stage(lease, run("short"), booked(30), CATALOGUE)
    with writing(store) as connection:
        connection.execute(SCORES.delete().where(SCORES.c.account_id == "A-00003"))
    with pytest.raises(PublicationRefused, match=r"29 rows .* were staged, 30 were expected"):
        check_staged(store, run("short"), expected=30)


# ---------------------------------------------------------------------------------------------------------------------
# Killed

SCRIPT = """
import sys, time
from sample_nights import CATALOGUE, NOW, booked, make_book, run, stage
from pipeline.publication import check_staged
from pipeline.store.connection import connect
from pipeline.store.lease import leased
mine, made = run("killed"), booked(20_000, seed=1)
with leased(connect(sys.argv[1])) as lease:
    print("staging", flush=True)
    stage(lease, mine, made, CATALOGUE, batch_rows=100)
    check_staged(lease.engine, mine, expected=20_000)
    print("staged", flush=True)
    time.sleep(60)
"""


def seen(store: Engine) -> tuple[str, int]:
    """The current run, and how many accounts a reader finds in it."""
    with reading(store) as connection:
        header = night(connection)
        assert header is not None
        found = len(list(book(connection, header)))
        assert found == header.accounts
        return header.run_id, found


@pytest.mark.parametrize("moment", ["in the middle of staging", "between staging and flip"])
def test_killed_before_the_flip(store: Engine, store_url: str, moment: str) -> None:
    """SIGKILL: the reader sees the former night, a rerun succeeds, and nothing is doubled or left over.

    The dead one holds its lease for another minute of silence; here that minute is made to be over.
    """
    put(store, "before")
    with begun(SCRIPT, store_url, says="staging") as process:
        if moment == "in the middle of staging":
            while count(store, "scores") < 2_000:
                assert process.poll() is None
                time.sleep(0.01)
        else:
            assert process.stdout.readline() == "staged\n"
        process.send_signal(signal.SIGKILL)
    left_over = count(store, "scores") - 30
    assert (left_over == 20_000) == (moment == "between staging and flip")
    assert left_over >= 1_900
    assert ("before", 30) == seen(store)

    silence(store, SILENCE_SECONDS + 1)
    put(store, "rerun", 40, seed=1)
    assert ("rerun", 40) == seen(store)
    assert (40, 1, 1) == tuple(count(store, each) for each in ("scores", "runs", "published"))


def test_killed_while_cleaning(store: Engine) -> None:
    """The flip has happened: readers see the new night, and the next publication ends the cleaning."""
    put(store, "old")
    with leased(store) as lease:
        stage(lease, run("new"), booked(40, seed=1), CATALOGUE)
        flip(lease, run("new"), finished_at=NOW)
    assert ("new", 40) == seen(store)
    assert count(store, "scores") == 70
    with leased(store) as lease:
        clean(lease, batch_rows=7)
    assert ("new", 40) == seen(store)
    assert (40, 1) == (count(store, "scores"), count(store, "runs"))


def test_reader_sees_no_mixture_while_nights_are_published(store: Engine) -> None:
    """Every reading, all through twenty publications, is one whole night; none waits for a writer or fails."""
    put(store, "run0", 200, seed=0)
    expected = {
        f"run{seed}": booked(200 + seed, seed=seed).set_index("account_id")["risk"].to_dict() for seed in range(21)
    }
    done = threading.Event()
    readings: list[str] = []
    slowest = 0.0

    def read() -> None:
        nonlocal slowest
        while not done.is_set():
            with reading(store) as connection:
                header = night(connection)
                assert header is not None
                time.sleep(0.005)  # long enough for a flip and a cleaning to fall between the two questions
                began = time.monotonic()
                found = {each.account_id: each.risk for each in book(connection, header)}
                slowest = max(slowest, time.monotonic() - began)
            assert found == expected[header.run_id]
            readings.append(header.run_id)

    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            read()
        except BaseException as failure:
            failures.append(failure)

    readers = [threading.Thread(target=guarded) for _ in range(2)]
    for reader in readers:
        reader.start()
    for seed in range(1, 21):
        publish(store, run(f"run{seed}"), booked(200 + seed, seed=seed), CATALOGUE, finished_at=NOW, batch_rows=20)
    while "run20" not in readings and not failures:
        time.sleep(0.01)
    done.set()
    for reader in readers:
        reader.join()
    assert failures == []
    assert len(set(readings)) > 2, "the readers saw some of the nights come and go"
    assert slowest < 5


# ---------------------------------------------------------------------------------------------------------------------
# The store itself


def test_reading_a_store_that_is_not_there_makes_none(in_file: Engine, path: Path) -> None:
    """The message says what to do, and no empty file is left that would look like a store."""
    with pytest.raises(StoreMissing, match=r"no store at .*churn\.db yet.*churn score"), reading(in_file):
        pass
    assert not path.exists()


def test_a_database_of_something_else_is_no_store(in_file: Engine, path: Path) -> None:
    sqlite3.connect(path).close()
    path.touch()
    with pytest.raises(StoreMissing, match="holds no nights"), reading(in_file):
        pass


def test_a_file_that_is_no_database(in_file: Engine, path: Path) -> None:
    path.write_text("account_id,risk\n" * 100)
    with pytest.raises(StoreError, match="cannot be used: file is not a database"), reading(in_file):
        pass


def test_a_file_that_is_no_database_is_not_overwritten(in_file: Engine, path: Path) -> None:
    path.write_text("account_id,risk\n" * 100)
    with pytest.raises(StoreError, match="cannot be used: file is not a database"):
        prepare(in_file)
    assert path.read_text() == "account_id,risk\n" * 100


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """One failure, in one wording, whoever meets it first."""
    engine = connect(f"sqlite:///{tmp_path / 'nowhere' / 'churn.db'}")
    told = []
    for meets_it in (prepare, lambda engine: reading(engine).__enter__()):
        with pytest.raises(StoreError, match="cannot be used: unable to open database file") as refused:
            meets_it(engine)
        told.append(str(refused.value))
    assert 1 == len(set(told))
    assert [] == list(tmp_path.iterdir())
    engine.dispose()


@pytest.mark.parametrize("revision", ["0000", "9999"])
def test_a_store_of_another_revision_is_refused(store: Engine, revision: str) -> None:
    """Neither read nor written: both could misread what another revision meant."""
    put(store, "r1")
    with writing(store) as connection:
        connection.execute(update(STORE_VERSION).values(version_num=revision))
    with pytest.raises(StoreOutdated, match=f"has revision {revision}, .*newer churn"), reading(store):
        pass
    with pytest.raises(StoreOutdated, match=f"has revision {revision}"):
        prepare(store)


def test_a_store_from_before_there_were_revisions_is_left_alone(store: Engine) -> None:
    with writing(store) as connection:
        if store.dialect.name == "postgresql":
            connection.execute(text(f"CREATE SCHEMA {PUBLISHED_STORE.schema}"))
        connection.execute(text("CREATE TABLE store_version (version INTEGER)"))
    for opens in (lambda: reading(store).__enter__(), lambda: prepare(store)):
        with pytest.raises(StoreOutdated, match="Move it aside and score again"):
            opens()


def test_the_steps_lead_to_the_tables(store: Engine) -> None:
    """What the migrations make is what the code reads and writes, and its newest revision is theirs."""
    prepare(store)
    with reading(store) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": STORE_VERSION.name})
        differences = compare_metadata(context, METADATA)
    assert [] == [each for each in differences if each != ("remove_table", STORE_VERSION)]
    steps = ScriptDirectory(str(ROOT / "pipeline" / "store" / "migrations"))
    assert [REVISION] == steps.get_heads()


def test_an_older_store_is_brought_along_by_the_next_night(store: Engine, store_url: str) -> None:
    """In the hands of who holds the lease; its nights of before the last step have to be scored again."""
    older = connect(store_url, replace(PUBLISHED_STORE, revision="0001"))
    prepare(older)
    with writing(older) as connection:
        old = "INSERT INTO runs VALUES ('old', '2026-11-01', '1', 'c', 'published', :at, :at, 0, '', '{}', '[]')"
        connection.execute(text("INSERT INTO catalogues VALUES ('c', '{}')"))
        connection.execute(text(old), {"at": NOW.replace(tzinfo=None)})
        connection.execute(text("INSERT INTO published VALUES ('2026-11-01', 'old')"))
    older.dispose()
    with pytest.raises(StoreOutdated, match="has revision 0001"), reading(store):
        pass
    put(store, "new")
    assert ("new", 30) == seen(store)
    assert (1, 1) == (count(store, "runs"), count(store, "catalogues"))


def test_readers_need_no_data_frames() -> None:
    """The console opens the store and words its reasons without pandas, Arrow, the features or the models."""
    code = "import sys, pipeline.store.nights, pipeline.wording; print(*{n.partition('.')[0] for n in sys.modules})"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "sqlalchemy" in ran.stdout.split()
    assert set(ran.stdout.split()) & {"pandas", "pyarrow", "numpy", "features", "models", "mlflow"} == set()


def test_times_need_a_zone(store: Engine) -> None:
    """A time without a zone could mean anything."""
    with pytest.raises(Exception, match="An instant needs a zone"):
        publish(store, run("r1"), booked(3), CATALOGUE, finished_at=datetime(2026, 11, 2))  # noqa: DTZ001
