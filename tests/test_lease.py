"""The lease: one run writes to a store at a time, and one that was taken for dead writes nothing more."""

import signal
import threading
import time

import pytest
from programs import begun
from sample_nights import CATALOGUE, NOW, booked, publish, run, silence, stage
from sqlalchemy import Engine, event, select, text

from pipeline.ending import Ended, endable
from pipeline.errors import StoreError
from pipeline.publication import flip
from pipeline.store import connection as connections
from pipeline.store import lease as leases
from pipeline.store.connection import connect, reading
from pipeline.store.lease import SILENCE_SECONDS, Lease, LeaseHeld, LeaseLost, leased
from pipeline.store.making import prepare
from pipeline.store.nights import night
from pipeline.store.schema import LEASE


@pytest.fixture
def lively(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of life come every tenth of a second, and are looked for as often."""
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.1)
    monkeypatch.setattr(leases, "LOOK_SECONDS", 0.1)


def current(store: Engine) -> str | None:
    with reading(store) as connection:
        header = night(connection)
        return header and header.run_id


@pytest.mark.usefixtures("lively")
def test_while_one_writes_no_other_may(store: Engine) -> None:
    with leased(store):
        with pytest.raises(LeaseHeld, match=r"Another run is writing .* since \d\d:\d\d:\d\d UTC\. Run again when"):
            publish(store, run("r1"), booked(3), CATALOGUE, finished_at=NOW)
        with reading(store) as connection:
            assert night(connection) is None
    publish(store, run("r2"), booked(3), CATALOGUE, finished_at=NOW)
    assert "r2" == current(store)


def test_it_is_free_after_a_failure(store: Engine) -> None:
    with pytest.raises(ZeroDivisionError), leased(store):
        raise ZeroDivisionError
    with leased(store):
        pass


@pytest.mark.parametrize("moment", ["before_cursor_execute", "after_cursor_execute", "commit"])
def test_it_is_given_back_by_who_is_told_to_end_while_giving_it_back(store: Engine, moment: str) -> None:
    told: list[str] = []

    def tell(*_: object) -> None:
        if not told:
            told.append(moment)
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Ended), endable(0), leased(store):
        event.listen(store, moment, tell)
    event.remove(store, moment, tell)
    assert [moment] == told
    with store.connect() as connection:
        assert connection.execute(select(LEASE.c.token)).scalar_one() is None


@pytest.mark.parametrize("seconds", [SILENCE_SECONDS + 2, -SILENCE_SECONDS - 2], ids=["silent", "clock set back"])
def test_who_is_silent_is_taken_over_and_publishes_nothing(store: Engine, seconds: float) -> None:
    """Not even what it had staged before: what the other published stays."""
    with leased(store) as paused:
        stage(paused, run("paused"), booked(3), CATALOGUE)
        silence(store, seconds)
        publish(store, run("other"), booked(3, seed=1), CATALOGUE, finished_at=NOW)
        with pytest.raises(
            LeaseLost, match=r"silent for more than 60 seconds and was taken over\. It has written nothing"
        ):
            flip(paused, run("paused"), finished_at=NOW)
        with leased(store), pytest.raises(LeaseLost, match=r"taken over by .+ at \d\d:\d\d:\d\d UTC"):
            stage(paused, run("again"), booked(3), CATALOGUE)
    assert "other" == current(store)


@pytest.mark.usefixtures("lively")
def test_a_short_silence_is_none(store: Engine) -> None:
    """Who comes waits for a sign of the holder, and says so."""
    told: list[str] = []
    with leased(store) as lease:
        silence(store, SILENCE_SECONDS - 20)
        with pytest.raises(LeaseHeld), leased(store, told.append):
            pass
        with lease.writing():
            pass
    assert 1 == len(told)
    assert "Waiting for a sign of it: at most 60 seconds." in told[0]


def test_who_waits_for_a_dead_one_goes_on_when_its_time_is_over(store: Engine) -> None:
    """It need not be started again."""
    dead = Lease(store)
    prepare(store)
    dead.take()
    silence(store, SILENCE_SECONDS - 2)
    began = time.monotonic()
    with leased(store):
        assert 1 <= time.monotonic() - began < 10
    dead.release()


@pytest.mark.usefixtures("lively")
def test_it_is_renewed_while_it_is_held(store: Engine) -> None:
    """By a thread of its own, so that a long step of the night is no silence."""
    with leased(store):
        silence(store, SILENCE_SECONDS + 2)
        before = time.monotonic()
        while time.monotonic() < before + 10:
            with store.connect() as connection:
                renewed_at, taken_at = connection.execute(select(LEASE.c.renewed_at, LEASE.c.taken_at)).one()
            if renewed_at >= taken_at:
                break
            time.sleep(0.02)
        assert renewed_at >= taken_at
        with pytest.raises(LeaseHeld), leased(store):
            pass


def test_what_another_took_over_is_not_given_back(store: Engine) -> None:
    first, second = Lease(store), Lease(store)
    prepare(store)
    first.take()
    silence(store, SILENCE_SECONDS + 2)
    second.take()
    first.release()
    with second.writing():
        pass
    second.release()


def test_two_first_nights_at_once_make_one_store(store: Engine, store_url: str) -> None:
    """One of them writes, the other is told so, or comes after it."""
    told: list[BaseException] = []

    def night_of(number: int) -> None:
        engine = connect(store_url)
        try:
            publish(engine, run(f"r{number}"), booked(3), CATALOGUE, finished_at=NOW)
        except LeaseHeld as refusal:
            told.append(refusal)
        finally:
            engine.dispose()

    nights = [threading.Thread(target=night_of, args=(number,)) for number in range(4)]
    for each in nights:
        each.start()
    for each in nights:
        each.join()
    assert len(told) <= 3
    assert current(store) in {"r0", "r1", "r2", "r3"}
    with store.connect() as connection:
        assert 1 == connection.execute(text("SELECT count(*) FROM lease")).scalar()
        assert 1 == connection.execute(text("SELECT count(*) FROM runs")).scalar()


def test_a_store_that_is_gone_takes_its_lease_with_it(store: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The night ends with what it was told; that the lease could not be given back is not told on top of it."""

    def gone(_: Engine) -> None:
        raise StoreError("gone")

    def night_that_fails() -> None:
        with leased(store):
            monkeypatch.setattr(leases, "writing", gone)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        night_that_fails()


PAUSED = """
import sys
from sample_nights import CATALOGUE, NOW, booked, run, stage
from pipeline.publication import flip
from pipeline.store.connection import connect
from pipeline.store.lease import LeaseLost, leased
with leased(connect(sys.argv[1])) as lease:
    stage(lease, run("paused"), booked(30), CATALOGUE)
    print("staged", flush=True)
    sys.stdin.readline()
    try:
        flip(lease, run("paused"), finished_at=NOW)
    except LeaseLost as lost:
        print(lost, flush=True)
"""


def test_a_process_that_was_stopped_wakes_too_late(store: Engine, store_url: str) -> None:
    """As when a machine sleeps, or a container is frozen, with its night staged and not yet published."""
    with begun(PAUSED, store_url, says="staged") as process:
        process.send_signal(signal.SIGSTOP)
        silence(store, SILENCE_SECONDS + 2)
        publish(store, run("meanwhile"), booked(3), CATALOGUE, finished_at=NOW)
        process.send_signal(signal.SIGCONT)
        answer, _ = process.communicate("go on\n", timeout=60)
    assert "was silent for more than 60 seconds and was taken over" in answer
    assert 0 == process.returncode
    assert "meanwhile" == current(store)


IN_A_TRANSACTION = """
import sys
from pipeline.store import connection
from pipeline.store.lease import leased
connection.IDLE_SECONDS = 2
with leased(connection.connect(sys.argv[1])) as lease:
    with lease.writing():
        print("writing", flush=True)
        sys.stdin.readline()
"""


def test_one_that_was_stopped_in_a_transaction_does_not_hold_it_for_ever(
    store: Engine, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server cuts it off after a minute, here two seconds. A file cannot, and says what to do."""
    monkeypatch.setattr(connections, "BUSY_SECONDS", 1)
    monkeypatch.setattr(connections, "RETRY_SECONDS", (1, 1, 1, 1))
    with begun(IN_A_TRANSACTION, store_url, says="writing") as process:
        process.send_signal(signal.SIGSTOP)
        if store.dialect.name == "sqlite":
            with pytest.raises(StoreError, match=r"database is locked.*was stopped in the middle of writing"):
                publish(store, run("r1"), booked(3), CATALOGUE, finished_at=NOW)
        else:
            time.sleep(2.5)
            silence(store, SILENCE_SECONDS + 2)
            publish(store, run("r1"), booked(3), CATALOGUE, finished_at=NOW)
            assert "r1" == current(store)
        process.kill()
        process.communicate()


def test_the_one_that_was_cut_off_for_it_tries_again(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a machine's sleep in the middle of a transaction."""
    monkeypatch.setattr(connections, "IDLE_SECONDS", 1)
    monkeypatch.setattr(connections, "RETRY_SECONDS", (0.1,))
    engine, pauses = connect(postgres), [2, 0]

    def work() -> int:
        with connections.writing(engine) as connection:
            connection.execute(text("SELECT 1"))
            time.sleep(pauses.pop(0))
            found: int = connection.execute(text("SELECT 7")).scalar_one()
            return found

    assert 7 == connections.retried(work)
    assert not pauses
    engine.dispose()
