"""Ending when told to: on the way out where there is one in time, without it where a library does not listen."""

import signal
import time
from pathlib import Path

import pytest
from programs import begun

from pipeline.ending import GRACE_SECONDS, LAST_SECONDS, Ended, endable

PROGRAM = """
import sys, threading, time
import duckdb
from pipeline.ending import Ended, endable

def at_last():
    print("at last", flush=True)
    {at_last}

def work():
    {work}

try:
    with endable({hours}) as ending:
        ending.at_last = at_last
        print("working", flush=True)
        try:
            work()
        finally:
            print("way out", flush=True)
except Ended as told:
    print(told, flush=True)
    sys.exit(told.exit_status)
"""
QUERY = "duckdb.sql('SELECT sum(hash(range)) FROM range(100_000_000_000)').fetchall()"
IN_C = "import hashlib; hashlib.pbkdf2_hmac('sha256', b'a', b'b', 10**9)"


def told_to_end(
    work: str, *, hours: float = 0, at_last: str = "", told: bool = True
) -> tuple[list[str], float, int, str]:
    """The lines, the seconds until it had ended, its status, and what it wrote as errors."""
    program = PROGRAM.format(work=work, hours=hours, at_last=at_last or "pass")
    with begun(program, says="working") as process:
        time.sleep(0.3)
        began = time.monotonic()
        if told:
            process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=30)
        return output.splitlines(), time.monotonic() - began, process.returncode, errors


@pytest.mark.parametrize(
    "work",
    ["time.sleep(60)", "while True: pass", QUERY],
    ids=["asleep", "busy", "in a query"],
)
def test_a_run_gives_everything_back_on_its_way_out(work: str) -> None:
    lines, seconds, status, _ = told_to_end(work)
    assert ["way out", "Ended by SIGTERM."] == [lines[0], lines[1][:17]]
    assert "readers see a whole one" in lines[1]
    assert 1 == status
    assert seconds < 3


def test_a_library_that_does_not_listen_is_ended_with_the_process() -> None:
    """Here a call into C that comes back to the interpreter after many minutes."""
    lines, seconds, status, errors = told_to_end(IN_C)
    assert ["at last"] == lines
    assert errors.startswith("Ended by SIGTERM.")
    assert 1 == status
    assert GRACE_SECONDS <= seconds < 10


def test_what_is_done_at_last_may_not_hold_it_up() -> None:
    _, seconds, status, errors = told_to_end(IN_C, at_last="time.sleep(60)")
    assert errors.startswith("Ended by SIGTERM.")
    assert 1 == status
    assert GRACE_SECONDS + LAST_SECONDS <= seconds < 10


def test_its_time_may_be_over() -> None:
    lines, seconds, status, _ = told_to_end("time.sleep(60)", hours=0.5 / 3600, told=False)
    assert "way out" == lines[0]
    assert lines[1].startswith("Ended after 0.000138889 hours ([run] hours_at_most).")
    assert 1 == status
    assert seconds < 3


def test_everything_is_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGALRM)
    with endable(1):
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert before == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGALRM))
    assert (0.0, 0.0) == signal.getitimer(signal.ITIMER_REAL)
    assert -1 == signal.set_wakeup_fd(-1)
    with pytest.raises(Ended, match="SIGTERM"), endable(0):
        signal.raise_signal(signal.SIGTERM)
    assert before[0] == signal.getsignal(signal.SIGTERM)


ABANDONED = """
import sys
from pathlib import Path
from pipeline.ending import Ended, endable
from pipeline.settings_file import read_settings
from pipeline.sources import open_sources

settings = read_settings(Path(sys.argv[1]))
print("working", flush=True)
closed = open_sources(settings)
closed.close()  # and still held, as by tables
for _ in range(8):
    opened = open_sources(settings)
    engine = opened.engine.con
    try:
        with endable(0.5 / 3600):
            try:
                engine.execute("SELECT sum(hash(range)) FROM range(100_000_000_000)").fetchall()
            finally:
                print(*engine.execute("SELECT 'asked again'").fetchone(), flush=True)
    except Ended:
        {way_out}
    del opened, engine
"""


@pytest.mark.parametrize("way_out", ["opened.close()", "pass"], ids=["closed", "collected"])
def test_an_engine_that_was_left_in_a_query_can_be_asked_and_closed(way_out: str, tmp_path: Path) -> None:
    """DuckDB alone would wait for the end of the query: about every second time, for as long as it takes."""
    config = tmp_path / "churn.toml"
    config.write_text(
        '[data]\naccounts = "a.csv"\nsubscriptions = "s.csv"\n'
    )  # they are not there, which is told later
    with begun(ABANDONED.format(way_out=way_out), str(config), says="working") as process:
        output, errors = process.communicate(timeout=60)
    assert (8, "") == (output.count("asked again"), errors)


INTERRUPTED = """
import signal
import click, duckdb
from pipeline.call import Call, takes_call
from pipeline.ending import ends_queries_of

signal.signal(signal.SIGINT, {heard})
signal.signal(signal.SIGTERM, signal.SIG_DFL)

@click.command()
@takes_call
def work(call: Call) -> None:
    engine = duckdb.connect()
    ends_queries_of(engine)
    print("working", flush=True)
    try:
        {query}
    finally:
        print(*engine.execute("SELECT 'asked again'").fetchone(), flush=True)

work(obj={{"config": None, "as_json": False}})
"""


@pytest.mark.parametrize(
    ("sent", "told"),
    [(signal.SIGINT, "Interrupted."), (signal.SIGTERM, "Ended by SIGTERM.")],
    ids=["Ctrl-C", "SIGTERM"],
)
@pytest.mark.parametrize("again", range(3))
def test_told_to_end_in_a_query_a_command_ends_without_a_traceback(sent: signal.Signals, told: str, again: int) -> None:
    """Also where the engine is asked once more on the way out, which about every second time would not answer."""
    query = "engine.execute('SELECT sum(hash(range)) FROM range(100_000_000_000)').fetchall()"
    with begun(INTERRUPTED.format(query=query, heard="signal.default_int_handler"), says="working") as process:
        time.sleep(0.5)
        process.send_signal(sent)
        answer, errors = process.communicate(timeout=30)
    assert ("asked again\n", f"{told}\n") == (answer, errors)
    assert 1 == process.returncode


def test_who_was_put_into_the_background_does_not_hear_ctrl_c() -> None:
    """A shell without job control has it ignored for what it starts with `&`."""
    with begun(
        INTERRUPTED.format(query="__import__('time').sleep(1)", heard="signal.SIG_IGN"), says="working"
    ) as process:
        process.send_signal(signal.SIGINT)
        answer, errors = process.communicate(timeout=30)
    assert ("asked again\n", "") == (answer, errors)
    assert 0 == process.returncode


IN_A_SERVER = """
import sys, time
from sqlalchemy import text
from pipeline.ending import Ended, endable
from pipeline.store.connection import connect, retried, writing

engine, tries = connect(sys.argv[1]), []

def work():
    tries.append(None)
    with writing(engine) as connection:
        connection.execute(text("SELECT pg_sleep(60)"))

try:
    with endable(0):
        print("working", flush=True)
        retried(work)
except Ended as told:
    print(told, flush=True)
print("tries:", len(tries), flush=True)
asleep = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()"
for _ in range(100):  # a busy server takes a moment to end it, and sixty seconds to end it by itself
    with engine.connect() as connection:
        found = connection.execute(text(asleep)).scalar()
    if found == 0:
        break
    time.sleep(0.1)
print("asleep:", found, flush=True)
"""


def test_a_server_at_work_is_told_and_not_asked_again(postgres: str) -> None:
    """Its query ends as well, and the signal is not taken for a connection that was lost."""
    with begun(IN_A_SERVER, postgres, says="working") as process:
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=40)
    assert "" == errors
    told, tries, asleep = output.splitlines()
    assert told.startswith("Ended by SIGTERM.")
    assert ("tries: 1", "asleep: 0") == (tries, asleep)
