"""`churn digest`: each letter of a night reaches its manager once, whatever fails in between, in either database."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from command_line import CHURN, churn
from digest_nights import (
    BEFORE,
    HIGH,
    INES,
    LOW,
    MEDIUM,
    MONDAY,
    TOM,
    TUESDAY,
    account,
    config,
    outcomes,
    publish_night,
)
from mail_server import Letterbox, free_port, mail_server
from sqlalchemy import Engine, select

from pipeline.digest import mail, outbox
from pipeline.people.connection import prepare, reading, writing
from pipeline.people.schema import ANNOUNCEMENTS, MESSAGES
from pipeline.store.connection import clock


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer is tried again at once."""
    monkeypatch.setattr(mail, "RETRY_SECONDS", (0.01, 0.01))


@pytest.fixture
def letterbox() -> Letterbox:
    return Letterbox()


@pytest.fixture
def port(letterbox: Letterbox) -> Iterator[int]:
    with mail_server(letterbox) as port:
        yield port


@pytest.fixture
def news(store: Engine) -> Engine:
    """A store in which Ines and Tom each have a customer that is new on the list."""
    publish_night(store, BEFORE, account("A", LOW), account("B", LOW, owner=TOM))
    publish_night(store, MONDAY, account("A", HIGH, data=3.0), account("B", HIGH, data=3.0, owner=TOM))
    return store


def rows(people: Engine) -> list[tuple[Any, ...]]:
    with reading(people) as connection:
        columns = (MESSAGES.c.as_of, MESSAGES.c.recipient, MESSAGES.c.channel, MESSAGES.c.state)
        return [tuple(row) for row in connection.execute(select(*columns).order_by(*columns)).all()]


def test_each_manager_gets_one_letter_also_after_a_rerun(
    news: Engine, people: Engine, store_url: str, tmp_path: Path, letterbox: Letterbox, port: int
) -> None:
    """In either database: the first run sends, the second has nothing left to send."""
    file = config(tmp_path, store_url, port)
    first, second = churn("digest", "-c", file, "--json"), churn("digest", "-c", file, "--json")
    assert (0, {INES: "sent", TOM: "sent"}) == (first.exit_status, outcomes(first)), first.stderr
    assert (0, {INES: "already sent", TOM: "already sent"}) == (second.exit_status, outcomes(second))
    assert [INES, TOM] == letterbox.recipients
    assert [(MONDAY, INES, "mail", "sent"), (MONDAY, TOM, "mail", "sent")] == rows(people)
    with reading(people) as connection:
        named = select(ANNOUNCEMENTS.c.recipient, ANNOUNCEMENTS.c.account_id, ANNOUNCEMENTS.c.change)
        assert {(INES, "A", "new"), (TOM, "B", "new")} == {tuple(row) for row in connection.execute(named).all()}


def test_a_dry_run_shows_all_and_leaves_nothing(
    news: Engine, people: Engine, store_url: str, tmp_path: Path, letterbox: Letterbox, port: int
) -> None:
    """No letter, and not even a store of letters; the next run sends."""
    file = config(tmp_path, store_url, port)
    shown, plain = churn("digest", "-c", file, "--dry-run").stdout, churn("digest", "-c", file, "--dry-run", "--json")
    assert "To ines@example.com by mail\nSubject: Your customers, Mon 23 Nov: 1 new on the list\n\nMonday 23" in shown
    told = plain.record()["messages"][0]
    assert ("would be sent", {"A": "new"}) == (told["outcome"], told["announced"])
    assert "<html" in told["html"]
    assert [] == letterbox.taken
    if people.dialect.name == "sqlite":
        assert not Path(people.url.database or "").exists()
    assert {INES: "sent", TOM: "sent"} == outcomes(churn("digest", "-c", file, "--json"))


def test_nothing_to_say_sends_nothing(store: Engine, store_url: str, tmp_path: Path) -> None:
    """Nor does it look for the mail server."""
    publish_night(store, BEFORE, account("A", LOW))
    publish_night(store, MONDAY, account("A", LOW))
    answer = churn("digest", "-c", config(tmp_path, store_url, free_port()))
    assert (0, "Nothing to say: nothing is sent.") == (answer.exit_status, answer.stdout.splitlines()[1])


def test_what_cannot_be_told_yet_is_said(store: Engine, store_url: str, tmp_path: Path) -> None:
    """A first night, one without another a week older, and one scored before that was there: no news, and why."""
    file = config(tmp_path, store_url, free_port())

    def told() -> list[str]:
        return churn("digest", "-c", file, "--as-of", str(MONDAY)).stdout.splitlines()[1:]

    publish_night(store, MONDAY, account("A", HIGH, data=3.0), compared_with=None)
    first = "There is no earlier night to compare it with: from the next one on, notices can be told."
    assert [first, "Nothing is sent."] == told()
    publish_night(store, MONDAY - timedelta(days=6), account("A", LOW))
    assert "none before this one is; the newest is that of 2026-11-17" in told()[0]
    publish_night(store, BEFORE, account("A", LOW))
    assert "when this night was scored it was not compared with that of 2026-11-16" in told()[0]


def test_a_server_that_is_down_is_told_and_the_next_run_sends(
    news: Engine, people: Engine, store_url: str, tmp_path: Path, letterbox: Letterbox
) -> None:
    """Status 1: a retry helps. The whole team waits for the tries of the first letter only."""
    port = free_port()
    file = config(tmp_path, store_url, port)
    failed = churn("digest", "-c", file)
    assert 1 == failed.exit_status
    assert f"not sent      {INES} by mail: The mail server 127.0.0.1:{port} cannot be reached: " in failed.stdout
    assert {"failed"} == {state for *_, state in rows(people)}
    with mail_server(letterbox, port):
        assert 0 == churn("digest", "-c", file).exit_status
    assert [INES, TOM] == letterbox.recipients


def test_who_is_killed_between_claim_and_sending_is_made_up_for(
    news: Engine, people: Engine, store_url: str, tmp_path: Path, letterbox: Letterbox
) -> None:
    """A real process, killed while a silent server lets it wait; the letter comes late, and once."""
    with _SilentServer() as (silent, reached):
        file = config(tmp_path, store_url, silent)
        ran = subprocess.Popen([CHURN, "digest", "-c", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        reached()
        ran.send_signal(signal.SIGKILL)
        ran.wait()
    assert [(MONDAY, INES, "mail", "claimed")] == rows(people)
    with mail_server(letterbox) as port:
        file = config(tmp_path, store_url, port)
        _let_time_pass(people)
        assert 0 == churn("digest", "-c", file).exit_status
        assert 0 == churn("digest", "-c", file).exit_status
    assert [INES, TOM] == letterbox.recipients


def test_who_is_killed_between_sending_and_noting_it_sends_the_same_letter_again(
    news: Engine, people: Engine, store_url: str, tmp_path: Path, letterbox: Letterbox, port: int
) -> None:
    """At least once: nobody can tell this from the case before. Both copies have one Message-ID, so a mailbox can."""
    file = config(tmp_path, store_url, port)
    assert 0 == churn("digest", "-c", file).exit_status
    with writing(people) as connection:  # as if the process had died just before
        connection.execute(MESSAGES.update().where(MESSAGES.c.recipient == INES).values(state="claimed"))
    _let_time_pass(people)
    assert 0 == churn("digest", "-c", file).exit_status
    assert [INES, TOM, INES] == letterbox.recipients
    first, other, again = (message["Message-ID"] for message in letterbox.taken)
    assert first == again != other


def test_a_letter_that_another_run_is_sending_is_left_to_it(
    news: Engine,
    people: Engine,
    store_url: str,
    tmp_path: Path,
    letterbox: Letterbox,
    port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is waited for as long as that run may live; all others are sent meanwhile."""
    prepare(people)
    token = outbox.claim(people, outbox.Envelope(MONDAY, INES, "mail"))
    assert isinstance(token, str)
    monkeypatch.setattr(outbox, "CLAIM_SECONDS", 60)
    monkeypatch.setattr("pipeline.digest.round.LOOK_SECONDS", -60.0)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    done = churn("digest", "-c", config(tmp_path, store_url, port))
    assert (1, [TOM]) == (done.exit_status, letterbox.recipients)
    assert f"not sent      {INES} by mail: another run is sending it" in done.stdout


def test_who_lost_the_claim_does_not_end_the_letter(people: Engine) -> None:
    """A run that woke after another took over: what the other notes stays."""
    prepare(people)
    envelope = outbox.Envelope(MONDAY, INES, "mail")
    old = outbox.claim(people, envelope)
    _let_time_pass(people)
    new = outbox.claim(people, envelope)
    assert isinstance(old, str)
    assert isinstance(new, str)
    outbox.end(people, envelope, new, {})
    outbox.end(people, envelope, old, {}, "too late")
    assert [(MONDAY, INES, "mail", "sent")] == rows(people)
    assert outbox.claim(people, envelope) is outbox.Answer.SENT


def test_a_monday_that_failed_is_made_up_for_on_tuesday(
    news: Engine, store_url: str, tmp_path: Path, letterbox: Letterbox
) -> None:
    """Who got theirs on Monday hears nothing; who did not gets the news of the week a day later."""
    port = free_port()
    with mail_server(letterbox, port):
        letterbox.answers[INES] = "451 Try again later"
        assert 1 == churn("digest", "-c", config(tmp_path, store_url, port)).exit_status
        letterbox.answers.clear()
        for day, odds, moved in ((TUESDAY - timedelta(days=7), LOW, 0.0), (TUESDAY, MEDIUM, 2.0)):
            publish_night(news, day, account("A", odds, data=moved), account("B", odds, data=moved, owner=TOM))
        done = churn("digest", "-c", config(tmp_path, store_url, port, as_of=TUESDAY), "--json")
    assert {INES: "sent"} == outcomes(done)
    assert [TOM, INES] == letterbox.recipients


def _let_time_pass(people: Engine) -> None:
    """The claims are those of a run that has not been heard of for long."""
    with writing(people) as connection:
        long_ago = clock(connection) - timedelta(seconds=outbox.CLAIM_SECONDS + 1)
        connection.execute(MESSAGES.update().values(claimed_at=long_ago))


class _SilentServer:
    """A server that takes a connection and says nothing; `reached` waits for the connection."""

    def __enter__(self) -> tuple[int, Any]:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(60)

        def reached() -> None:
            self.client, _ = self.socket.accept()

        return self.socket.getsockname()[1], reached

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.socket.close()
