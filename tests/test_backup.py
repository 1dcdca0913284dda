"""Backup and restore: what people did and wrote comes back whole, in either database, or not at all."""

import itertools
import json
import signal
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from command_line import churn
from programs import begun
from sample_people import NIGHT, NOW, action, another, held, newer_churn, note, put, sample, user
from sqlalchemy import Engine, insert, select, update

from pipeline.errors import ExpectedError, RefusedError, StoreMissing, UsageError
from pipeline.people import backup, connection, restore
from pipeline.people.backup import back_up, last_backup
from pipeline.people.connection import connect, prepare, reading, writing
from pipeline.people.forgotten import remember
from pipeline.people.restore import restore as bring_back
from pipeline.people.schema import ACTIONS, AUDIT_LOG, FORGOTTEN, LASTING, NOTES, PASSING, PEOPLE_STORE, USERS
from pipeline.store.schema import STORE_VERSION

LATER = NOW + timedelta(days=3)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "people.zip"


@pytest.fixture
def backed_up(people: Engine, file: Path) -> dict[str, list[dict[str, Any]]]:
    """What the store holds, which is in `file` too."""
    put(people, sample())
    back_up(people, file, NOW)
    return held(people)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup that nobody may change."""
    folder = tmp_path_factory.mktemp("backup")
    engine = connect(f"sqlite:///{folder / 'churn.db'}")
    put(engine, sample())
    back_up(engine, folder / "people.zip", NOW)
    engine.dispose()
    return folder / "people.zip"


# ---------------------------------------------------------------------------------------------------------------------
# There and back


@pytest.mark.parametrize("into", ["sqlite", "postgresql"])
def test_what_was_backed_up_comes_back(
    people: Engine, backed_up: dict[str, Any], file: Path, into: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Every column of every table, between SQLite and PostgreSQL in each direction."""
    assert [] == [name for name, rows in backed_up.items() if not rows], "the sample has rows in every table"
    target = another(into, request.getfixturevalue("postgres") if into == "postgresql" else "", tmp_path)
    manifest = bring_back(target, file, LATER)
    assert backed_up == held(target)
    assert {name: len(rows) for name, rows in backed_up.items()} == {n: t.rows for n, t in manifest.tables.items()}
    with reading(target) as connection:
        told = connection.execute(select(AUDIT_LOG).order_by(AUDIT_LOG.c.number.desc())).mappings().first()
    assert told is not None
    assert ("restored", LATER, None) == (told["deed"], told["at"], told["user_id"])
    assert NOW.isoformat() == json.loads(told["details"])["backup_of"]
    target.dispose()


def test_nobody_is_let_in_by_a_backup(people: Engine, backed_up: dict[str, Any], file: Path) -> None:
    """No session, link or token is in it, and those of the store that it replaces go: their users may be others now."""
    with ZipFile(file) as archive:
        assert not {"sessions.jsonl", "links.jsonl", "api_tokens.jsonl"} & set(archive.namelist())
    with reading(people) as connection:
        assert all(connection.execute(select(table)).all() for table in PASSING), "the sample has some"
    bring_back(people, file, LATER, replace=True)
    with reading(people) as connection:
        assert not any(connection.execute(select(table)).all() for table in PASSING)


def test_the_store_goes_on_where_it_was(people: Engine, backed_up: dict[str, Any], file: Path) -> None:
    """Lines of the audit log get numbers that none of those brought back has."""
    bring_back(people, file, LATER, replace=True)
    with writing(people) as connection:
        connection.execute(insert(AUDIT_LOG).values(at=LATER, source="api", deed="book read"))
    with reading(people) as connection:
        assert [1, 2, 3] == connection.execute(select(AUDIT_LOG.c.number).order_by(AUDIT_LOG.c.number)).scalars().all()


def test_a_backup_is_of_one_moment(people: Engine, file: Path) -> None:
    """While others write: an action is in it with its note, or neither is."""
    mara = user()
    put(people, {USERS: [mara]})
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            called = action(mara["user_id"])
            with writing(people) as connection:
                connection.execute(insert(ACTIONS).values(**called))
                connection.execute(insert(NOTES).values(**note(mara["user_id"], action_id=called["action_id"])))

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        sizes = []
        for _ in range(8):
            back_up(people, file, NOW)
            with ZipFile(file) as archive:
                actions, notes = (archive.read(f"{name}.jsonl").splitlines() for name in ("actions", "notes"))
            assert {json.loads(each)["action_id"] for each in actions} == {json.loads(n)["action_id"] for n in notes}
            sizes.append(len(actions))
    finally:
        done.set()
        for writer in writers:
            writer.join()
    assert sizes[0] < sizes[-1], "nothing was written meanwhile"


def test_who_was_forgotten_since_stays_forgotten(people: Engine, backed_up: dict[str, Any], file: Path) -> None:
    """A backup from before is no way back for what was written about them."""
    with writing(people) as connection:
        pseudonym = remember(connection, "A-1", LATER)
    bring_back(people, file, LATER, replace=True)
    found = held(people)
    assert {pseudonym} == {row["account_id"] for name in ("actions", "notes", "outcomes") for row in found[name]}
    assert {None} == {row["body"] for row in found["notes"]} | {row["next_step"] for row in found["actions"]}
    assert 2 == len(found["forgotten"])


def test_a_backup_of_an_older_churn_is_brought_along(
    people: Engine, backed_up: dict[str, Any], file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its rows take the steps that the tables have taken since, as if they had been there."""
    newer = newer_churn(tmp_path / "steps")
    for module in (backup, connection, restore):
        monkeypatch.setattr(module, "PEOPLE_STORE", newer)
    target = connect(f"sqlite:///{tmp_path / 'newer.db'}")
    bring_back(target, file, LATER)
    expected = {"zh" if row["language"] == "zh" else "en" for row in backed_up["users"]}
    found = held(target)
    assert expected == {row["language"] for row in found["users"]}
    assert {name: rows for name, rows in backed_up.items() if name != "users"} == {
        name: rows for name, rows in found.items() if name != "users"
    }
    target.dispose()


# ---------------------------------------------------------------------------------------------------------------------
# Refusals, each of which changes nothing


def test_rows_are_not_written_over_unless_told_to(people: Engine, backed_up: dict[str, Any], file: Path) -> None:
    put(people, {USERS: [user("kai@example.com")]})
    grown = held(people)
    with pytest.raises(UsageError, match=r"holds rows.*churn restore --replace"):
        bring_back(people, file, LATER)
    assert grown == held(people)
    bring_back(people, file, LATER, replace=True)
    assert backed_up == held(people)


def altered(file: Path, changes: dict[str, Callable[[bytes], bytes | None]]) -> Path:
    """The same zip with other members; None leaves one out."""
    other = file.with_name("altered.zip")
    with ZipFile(file) as old, ZipFile(other, "w") as new:
        for name in old.namelist():
            content = changes.get(name, lambda same: same)(old.read(name))
            if content is not None:
                new.writestr(name, content)
    return other


def manifest_with(**more: Any) -> Callable[[bytes], bytes]:
    return lambda text: json.dumps(json.loads(text) | more).encode()


DAMAGES: dict[str, tuple[dict[str, Callable[[bytes], bytes | None]], type[ExpectedError], str]] = {
    "a row less": ({"notes.jsonl": lambda text: text[: text.index(b"\n") + 1]}, RefusedError, "notes is not what"),
    "another word": (
        {"actions.jsonl": lambda text: text.replace(b"called", b"missed")},
        RefusedError,
        "actions is not what",
    ),
    "a table less": ({"notes.jsonl": lambda _: None}, RefusedError, "is damaged: .*notes.jsonl"),
    "no manifest": ({"manifest.json": lambda _: None}, UsageError, "is no backup"),
    "half a manifest": ({"manifest.json": lambda text: text[:40]}, RefusedError, "is damaged"),
    "another format": ({"manifest.json": manifest_with(format="9")}, RefusedError, "its format is '9'"),
    "no tables": ({"manifest.json": manifest_with(tables={})}, RefusedError, "has other tables"),
    "a newer churn's": ({"manifest.json": manifest_with(revision="9999")}, UsageError, "by the newer churn"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_backup_is_refused(people: Engine, backed_up: dict[str, Any], file: Path, damage: str) -> None:
    changes, error, told = DAMAGES[damage]
    with pytest.raises(error, match=told):
        bring_back(people, altered(file, changes), LATER, replace=True)
    assert backed_up == held(people)


def test_no_changed_byte_goes_unseen(small: Path, tmp_path: Path) -> None:
    """Each one, turned over: refused, or it meant nothing (a date in the zip) and the rows are what they were."""
    content, broken, rows = small.read_bytes(), tmp_path / "broken.zip", set()
    refused = 0
    for place in range(len(content)):
        broken.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        try:
            with restore.opened(broken) as archive:
                read = tuple(tuple(map(str, archive.rows(table.name))) for table in LASTING)
                rows.add((archive.manifest.revision, read))
        except (RefusedError, UsageError):
            refused += 1
    assert 1 == len(rows)
    assert refused > 0.8 * len(content)


def test_no_missing_end_goes_unseen(small: Path, tmp_path: Path) -> None:
    """As a disk leaves it that was full, or a copy that was broken off."""
    content, half = small.read_bytes(), tmp_path / "half.zip"
    for length in range(0, len(content), 7):
        half.write_bytes(content[:length])
        with pytest.raises((RefusedError, UsageError)), restore.opened(half):
            pass


KILLED = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from pipeline.people import restore
from pipeline.people.connection import connect

insert = restore._insert
def insert_slowly(connection, table, rows):
    insert(connection, table, rows)
    if table.name == sys.argv[3]:
        print("half of it is there", flush=True)
        time.sleep(60)
restore._insert = insert_slowly
restore.restore(connect(sys.argv[1]), Path(sys.argv[2]), datetime.now(UTC), replace=True)
"""


@pytest.mark.parametrize("table", ["users", "notes", "forgotten"])
def test_a_killed_restore_changed_nothing(
    people: Engine, store_url: str, backed_up: dict[str, Any], file: Path, table: str
) -> None:
    """And a second one succeeds."""
    put(people, {USERS: [user("kai@example.com")]})
    grown = held(people)
    with begun(KILLED, store_url, str(file), table, says="half of it is there") as process:
        assert grown == held(people), "readers see what there was, and wait for nobody"
        process.send_signal(signal.SIGKILL)
    assert grown == held(people)
    bring_back(people, file, LATER, replace=True)
    assert backed_up == held(people)


# ---------------------------------------------------------------------------------------------------------------------
# The file


def test_nobody_else_may_read_it(backed_up: dict[str, Any], file: Path) -> None:
    """It holds hashes of passwords."""
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)


def test_an_older_backup_is_replaced_and_no_other_file(
    people: Engine, backed_up: dict[str, Any], file: Path, tmp_path: Path
) -> None:
    back_up(people, file, LATER)
    with ZipFile(file) as archive:
        assert LATER.isoformat() == json.loads(archive.read("manifest.json"))["made_at"]
    theirs = tmp_path / "churn.toml"
    theirs.write_text("[company]\n")
    for place, told in (
        (theirs, "is no backup"),
        (tmp_path, "is a folder"),
        (tmp_path / "no" / "b.zip", "No such file"),
    ):
        with pytest.raises(UsageError, match=told):
            back_up(people, place, LATER)
    assert "[company]\n" == theirs.read_text()


def test_a_backup_that_fails_leaves_the_older_one(
    people: Engine, backed_up: dict[str, Any], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens after half of it: there is the file of yesterday, and no other."""
    before = file.read_bytes()

    def torn(*_: object) -> Iterator[dict[str, Any]]:
        yield {"user_id": "1"}
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(backup, "rows_of", torn)
    with pytest.raises(ExpectedError, match="disk I/O error"):
        back_up(people, file, LATER)
    assert before == file.read_bytes()
    assert [] == list(file.parent.glob(".*partial"))


def test_without_a_people_store_there_is_nothing_to_back_up(people: Engine, file: Path) -> None:
    with pytest.raises(StoreMissing, match="no people store"):
        back_up(people, file, NOW)
    assert not file.exists()


def test_the_last_backup_is_on_record(people: Engine, file: Path) -> None:
    prepare(people)
    for expected, moment in itertools.pairwise((None, NOW, LATER)):
        with reading(people) as connection:
            assert expected == last_backup(connection)
        assert moment is not None
        back_up(people, file, moment)
    with reading(people) as connection:
        assert LATER == last_backup(connection)


# ---------------------------------------------------------------------------------------------------------------------
# The commands


@pytest.fixture
def company(tmp_path: Path, store_url: str) -> Path:
    config = tmp_path / "churn.toml"
    tables = 'accounts = "accounts.csv"\nsubscriptions = "subscriptions.csv"'
    config.write_text(f'[data]\n{tables}\n[store]\nurl = "{store_url}"\n')
    return config


def test_the_commands(people: Engine, company: Path, file: Path) -> None:
    """They need no table of the company, and say what they carried."""
    none = churn("backup", file, "-c", company)
    assert (2, "no people store") == (none.exit_status, none.message[none.message.index("no people") :][:15])
    put(people, sample())
    told = churn("backup", file, "-c", company)
    assert 0 == told.exit_status, told.stderr
    assert "Backed up 12 rows (forgotten 1, hold out 1, messages 1, users 2, actions 2, " in told.stdout
    refused = churn("restore", file, "-c", company)
    assert (2, True) == (refused.exit_status, "holds rows" in refused.message)
    back = churn("restore", file, "--replace", "-c", company, "--json")
    assert (0, 2) == (back.exit_status, back.record()["rows"]["notes"]), back.stderr
    damaged = altered(file, DAMAGES["a row less"][0])
    assert 3 == churn("restore", damaged, "--replace", "-c", company).exit_status
    assert 2 == churn("restore", file.with_name("none.zip"), "-c", company).exit_status


def test_a_restored_night_is_still_the_one_they_looked_at(
    people: Engine, backed_up: dict[str, Any], file: Path
) -> None:
    bring_back(people, file, LATER, replace=True)
    assert {NIGHT} == {row["as_of"] for row in held(people)["actions"]}
    assert {"0" * 64} == {row["digest"] for row in held(people)[FORGOTTEN.name]}


def people_finding(company: Path) -> tuple[bool, str]:
    (found,) = [
        each for each in churn("doctor", "-c", company, "--json").record()["findings"] if each["what"] == "people"
    ]
    return found["well"], found["seen"]


def test_the_doctor_tells_of_it(people: Engine, company: Path, file: Path) -> None:
    """Whether it can be read, by which revision, and how long ago it was backed up."""
    assert (True, "nobody has written anything down yet") == people_finding(company)
    put(people, sample())
    assert (True, f"revision {PEOPLE_STORE.revision}, never backed up (churn backup FILE)") == people_finding(company)
    assert 0 == churn("backup", file, "-c", company).exit_status
    assert (True, f"revision {PEOPLE_STORE.revision}, backed up 0.0 hours ago") == people_finding(company)
    with connection.store.writing(people) as to:
        to.execute(update(STORE_VERSION).values(version_num="9999"))
    well, told = people_finding(company)
    assert (False, True) == (well, "use the newer churn" in told)
