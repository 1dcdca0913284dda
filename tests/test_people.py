"""The people store: a place of its own beside the published nights, in which nothing that was written is lost."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sample_people import NIGHT, NOW, action, note, user
from sqlalchemy import Engine, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from pipeline.errors import StoreError, StoreMissing, StoreOutdated
from pipeline.people.connection import beside, prepare, reading, writing
from pipeline.people.schema import ACTIONS, ANNOUNCEMENTS, AUDIT_LOG, MESSAGES, METADATA, NOTES, USERS, new_id
from pipeline.store.connection import writing as writing_anything
from pipeline.store.lease import leased
from pipeline.store.schema import STORE_VERSION


@pytest.fixture
def mara(people: Engine) -> str:
    """The id of a user, in a store that is made."""
    prepare(people)
    row = user()
    with writing(people) as connection:
        connection.execute(insert(USERS).values(**row))
    return str(row["user_id"])


@pytest.mark.parametrize(
    ("published", "people"),
    [
        ("sqlite:///churn.db", "sqlite:///churn-people.db"),
        ("sqlite:////var/lib/churn/churn.db", "sqlite:////var/lib/churn/churn-people.db"),
        ("sqlite:///company.of.ours.sqlite3", "sqlite:///company.of.ours-people.sqlite3"),
        ("sqlite:///store", "sqlite:///store-people"),
        ("postgresql://churn:secret@db:5432/churn", "postgresql://churn:secret@db:5432/churn"),
    ],
)
def test_it_lies_beside_the_published_store(published: str, people: str) -> None:
    """A file has one writer, so it is another file; PostgreSQL has another schema in the same database."""
    assert people == beside(published)


def test_the_steps_lead_to_the_tables(people: Engine) -> None:
    """What the migrations make is what the code reads and writes."""
    prepare(people)
    with reading(people) as connection:
        context = MigrationContext.configure(connection, opts={"version_table": STORE_VERSION.name})
        differences = compare_metadata(context, METADATA)
    assert [] == [each for each in differences if each != ("remove_table", STORE_VERSION)]


def test_a_store_that_is_made_is_left_as_it_is(people: Engine, mara: str) -> None:
    prepare(people)
    with reading(people) as connection:
        assert [mara] == connection.execute(select(USERS.c.user_id)).scalars().all()


@pytest.mark.parametrize("opens", [reading, writing])
def test_before_anything_was_written_there_is_none(
    people: Engine, opens: Callable[[Engine], AbstractContextManager[Any]]
) -> None:
    """It is made by who first writes there, and by nobody who merely looks."""
    with pytest.raises(StoreMissing, match="no people store"), opens(people):
        pass


@pytest.mark.parametrize("revision", ["0000", "9999"])
def test_a_store_of_another_revision_is_neither_read_nor_written(people: Engine, mara: str, revision: str) -> None:
    with writing_anything(people) as connection:
        connection.execute(update(STORE_VERSION).values(version_num=revision))
    for opens in (reading, writing):
        with pytest.raises(StoreOutdated, match=f"people store .* has revision {revision}"), opens(people):
            pass
    with pytest.raises(StoreOutdated, match=f"has revision {revision}"):
        prepare(people)


def test_a_night_that_is_being_written_keeps_nobody_waiting(store: Engine, people: Engine) -> None:
    """A sign-in during a transaction of the night is written at once: neither store locks the other."""
    prepare(people)
    with leased(store) as lease, lease.writing(), writing(people) as connection:
        connection.execute(insert(USERS).values(**user()))
    with reading(people) as connection:
        assert 1 == connection.execute(select(func.count()).select_from(USERS)).scalar_one()


def test_two_who_write_to_one_account_at_once_are_both_kept(people: Engine, mara: str) -> None:
    """Actions are only added: none overwrites another."""
    together = threading.Barrier(8)
    failures: list[BaseException] = []

    def act(number: int) -> None:
        try:
            together.wait()
            with writing(people) as connection:
                connection.execute(insert(ACTIONS).values(**action(mara, next_step=f"step {number}")))
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=act, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == failures
    with reading(people) as connection:
        steps = connection.execute(select(ACTIONS.c.next_step).where(ACTIONS.c.account_id == "A-1")).scalars()
        assert {f"step {number}" for number in range(8)} == set(steps)


def test_what_is_written_again_is_not_doubled(people: Engine, mara: str) -> None:
    """A form sent twice carries the id that was drawn for it."""
    row = action(mara)
    with writing(people) as connection:
        connection.execute(insert(ACTIONS).values(**row))
    with pytest.raises(StoreError), writing(people) as connection:
        connection.execute(insert(ACTIONS).values(**row))


def test_a_transaction_is_kept_whole_or_not_at_all(people: Engine, mara: str) -> None:
    row = action(mara)
    rows = [(insert(ACTIONS), row), (insert(NOTES), note(mara, action_id="none"))]  # the second is of no action
    with pytest.raises(StoreError), writing(people) as connection:
        all(connection.execute(statement, values) for statement, values in rows)
    with reading(people) as connection:
        assert 0 == connection.execute(select(func.count()).select_from(ACTIONS)).scalar_one()


def test_times_come_back_in_utc(people: Engine, mara: str) -> None:
    with reading(people) as connection:
        assert NOW == connection.execute(select(USERS.c.created_at)).scalar_one()


MISTAKES: dict[str, Callable[[str], Any]] = {
    "an unknown kind": lambda by: insert(ACTIONS).values(**action(by, kind="mailed")),
    "an unknown reason": lambda by: insert(ACTIONS).values(**action(by, kind="not_a_risk", why="whim")),
    "nobody did it": lambda by: insert(ACTIONS).values(**action("0" * 32)),
    "on no night": lambda by: insert(ACTIONS).values(**action(by, as_of=None)),
    "an unknown role": lambda by: insert(USERS).values(**user("lin@example.com", role="root")),
    "an address twice": lambda by: insert(USERS).values(**user()),
    "an address in capitals": lambda by: insert(USERS).values(**user("Mara@example.com")),
    "an announcement in no message": lambda by: insert(ANNOUNCEMENTS).values(
        as_of=NIGHT, recipient="mara@example.com", channel="email", account_id="A-1", change="new"
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_tables_refuse_what_cannot_be(people: Engine, mara: str, mistake: str) -> None:
    """What cannot be rebuilt is guarded by the database itself."""
    with pytest.raises(StoreError) as refused, writing(people) as connection:
        connection.execute(MISTAKES[mistake](mara))
    assert isinstance(refused.value.__cause__, IntegrityError)


def test_one_message_for_each_night_recipient_and_channel(people: Engine, mara: str) -> None:
    """A digest that is run again finds the message claimed."""
    message = {"as_of": NIGHT, "recipient": "mara@example.com", "claim": new_id(), "claimed_at": NOW}
    with writing(people) as connection:
        connection.execute(insert(MESSAGES).values(**message, channel="email", state="claimed"))
        connection.execute(insert(MESSAGES).values(**message, channel="chat", state="claimed"))
    with pytest.raises(StoreError), writing(people) as connection:
        connection.execute(insert(MESSAGES).values(**message, channel="email", state="claimed"))


def test_the_audit_log_numbers_its_lines(people: Engine, mara: str) -> None:
    with writing(people) as connection:
        for deed in ("signed in", "account seen", "signed out"):
            connection.execute(insert(AUDIT_LOG).values(at=NOW, user_id=mara, source="console", deed=deed))
    with reading(people) as connection:
        lines = connection.execute(select(AUDIT_LOG.c.number, AUDIT_LOG.c.deed).order_by(AUDIT_LOG.c.number)).all()
    assert [(1, "signed in"), (2, "account seen"), (3, "signed out")] == [tuple(line) for line in lines]


def test_a_file_waits_for_the_disk(tmp_path: Path) -> None:
    """A night that a power cut costs is scored again; what somebody wrote down is not written again."""
    from pipeline.people.connection import connect

    engine = connect(f"sqlite:///{tmp_path / 'churn.db'}")
    prepare(engine)
    with reading(engine) as connection:
        full = 2
        assert full == connection.execute(text("PRAGMA synchronous")).scalar_one()
    engine.dispose()
    assert ["churn-people.db"] == [file.name for file in tmp_path.iterdir()]
