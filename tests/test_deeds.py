"""What people do about an account is written down once, whole or not at all, and nobody's is lost."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from programs import begun
from sample_people import AWKWARD, held, put, user
from sqlalchemy import Engine, func, select

from pipeline.errors import StoreError
from pipeline.people.actions import Action, actions_of, actions_since, newest_actions, notes_of, outcomes_of
from pipeline.people.connection import reading
from pipeline.people.deeds import (
    FURTHEST_DAYS,
    WHYS,
    Called,
    Deed,
    Form,
    Later,
    NotARisk,
    UnfitForm,
    record,
    record_note,
    record_outcome,
)
from pipeline.people.schema import ACTIONS, AUDIT_LOG, NOTES, USERS, new_id

TODAY = date(2026, 11, 2)
NOW = datetime(2026, 11, 2, 9, 15, tzinfo=UTC)
FAMILIES = ("usage", "support", "billing")


@pytest.fixture
def mara(people: Engine) -> str:
    """The id of a user, in a store that is made."""
    row = user()
    put(people, {USERS: [row]})
    return str(row["user_id"])


def form(by: str, account_id: str = "A-1", **more: Any) -> Form:
    made = Form(form_id=new_id(), user_id=by, account_id=account_id, as_of=TODAY, at=NOW, today=TODAY)
    return replace(made, **more)


def done(people: Engine, of: Form, deed: Deed, note: str = "") -> Action:
    return record(people, of, deed, rest_days=14, families=FAMILIES, note=note)


def days(ahead: int) -> date:
    return TODAY + timedelta(days=ahead)


def test_a_call_is_kept_with_what_was_said(people: Engine, mara: str) -> None:
    """It rests as long as after any call; with a day agreed on, until that day."""
    plain = done(people, form(mara), Called(reached=False))
    assert (False, None, None, None, days(14)) == (
        plain.reached,
        plain.said,
        plain.next_step,
        plain.next_on,
        plain.rests_until,
    )
    deed = Called(reached=True, said="billing", next_step=" Send\r\nthe offer ", next_on=days(30))
    full = done(people, form(mara, at=NOW + timedelta(hours=1)), deed, note=AWKWARD)
    assert ("called", True, "billing", "Send the offer") == (full.kind, full.reached, full.said, full.next_step)
    assert (days(30), days(30)) == (full.next_on, full.rests_until)
    assert ("mara@example.com", TODAY) == (full.by, full.as_of)
    with reading(people) as connection:
        assert [full, plain] == actions_of(connection, "A-1")
        assert {"A-1": full} == newest_actions(connection, ["A-1", "A-2"])
        assert [full, plain] == actions_since(connection, TODAY, kinds=["called"])
        assert [] == actions_since(connection, TODAY, kinds=["later"]) == actions_since(connection, days(1))
        (note,) = notes_of(connection, "A-1")
    assert (full.action_id, "mara@example.com") == (note.action_id, note.by)
    assert note.body is not None
    assert "客户说预算没了 👩🏽‍💻 <b>&amp;</b>" in note.body


def test_later_and_not_a_risk_rest_until_their_day(people: Engine, mara: str) -> None:
    assert days(FURTHEST_DAYS) == done(people, form(mara), Later(days(FURTHEST_DAYS))).rests_until
    for why in WHYS:
        found = done(people, form(mara, account_id=f"A-{why}"), NotARisk(why))
        assert ("not_a_risk", why, days(30)) == (found.kind, found.why, found.rests_until)


def test_each_is_in_the_audit_log_without_what_was_written(people: Engine, mara: str) -> None:
    secret = "their boss is ill"
    done(people, form(mara), Called(reached=True, next_step=secret), note=secret)
    record_note(people, form(mara), secret)
    record_outcome(people, form(mara), "stays")
    with reading(people) as connection:
        lines = connection.execute(select(AUDIT_LOG).order_by(AUDIT_LOG.c.number)).mappings().all()
    assert ["called", "note", "outcome"] == [line["deed"] for line in lines]
    assert {(mara, "console", "A-1", TODAY, NOW)} == {
        (line["user_id"], line["source"], line["account_id"], line["as_of"], line["at"]) for line in lines
    }
    assert not any(secret in line["details"] for line in lines)


MISTAKES: dict[str, tuple[str, str, Callable[[], Deed]]] = {
    "yesterday": ("until", r"2026-11-01 is not ahead: today is 2026-11-02\. Choose one", lambda: Later(days(-1))),
    "today": ("until", "is not ahead", lambda: Later(TODAY)),
    "too far": ("until", r"more than 60 days ahead.*from 2026-11-03 to 2027-01-01", lambda: Later(days(61))),
    "a call too far": ("next_on", "more than 60 days ahead", lambda: Called(reached=True, next_on=days(61))),
    "an unknown family": (
        "said",
        "'mood' is none of the answers.*usage, support",
        lambda: Called(reached=True, said="mood"),
    ),
    "an unknown why": ("why", "'whim' is none of the answers.*seasonal", lambda: NotARisk("whim")),
    "a novel": ("next_step", "201 characters. Shorten it to 200", lambda: Called(reached=True, next_step="x" * 201)),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_cannot_be_is_refused_in_plain_words(people: Engine, mara: str, mistake: str) -> None:
    """What is wrong, the value, what to do; and nothing is written."""
    field, message, deed = MISTAKES[mistake]
    with pytest.raises(UnfitForm, match=message) as refused:
        done(people, form(mara), deed())
    assert field == refused.value.field
    found = held(people)
    assert [] == [*found["actions"], *found["audit_log"]]


def test_a_form_that_is_none_is_refused(people: Engine, mara: str) -> None:
    for odd in ({"form_id": "x' OR 1=1"}, {"form_id": "A" * 32}, {"account_id": ""}):
        with pytest.raises(UnfitForm):
            done(people, form(mara, **odd), Later(days(1)))
    with pytest.raises(UnfitForm, match="is empty"):
        record_note(people, form(mara), " \r\n ")
    with pytest.raises(UnfitForm, match="4,001 characters"):
        record_note(people, form(mara), "x" * 4001)
    with pytest.raises(UnfitForm, match="'maybe' is none of the answers"):
        record_outcome(people, form(mara), "maybe")
    with pytest.raises(StoreError):
        done(people, form("0" * 32), Later(days(1)))  # nobody
    assert [] == held(people)["actions"]


def test_a_form_sent_twice_is_written_once_and_answers_the_same(people: Engine, mara: str) -> None:
    sent = form(mara)
    first = done(people, sent, Called(reached=True, said="usage"), note="They move.")
    again = done(people, replace(sent, at=NOW + timedelta(days=1), today=days(1)), Called(reached=True, said="usage"))
    assert first == again
    for _ in range(2):
        record_note(people, replace(sent, form_id="b" * 32), "Again")
        record_outcome(people, sent, "stays", first.action_id)
    found = held(people)
    counts = [len(found[name]) for name in ("actions", "notes", "outcomes", "audit_log")]
    assert [1, 2, 1, 3] == counts
    with reading(people) as connection:
        (outcome,) = outcomes_of(connection, "A-1")
    assert ("stays", first.action_id) == (outcome.outcome, outcome.action_id)


def test_an_id_that_was_used_for_something_else_is_refused(people: Engine, mara: str) -> None:
    """With other answers, by somebody else or about another account: what stands is neither changed nor shown."""
    lin = user("lin@example.com")
    put(people, {USERS: [lin]})
    sent = form(mara)
    done(people, sent, Called(reached=True))
    for other, deed in (
        (sent, Called(reached=False)),
        (sent, Later(days(3))),
        (replace(sent, user_id=lin["user_id"]), Called(reached=True)),
        (replace(sent, account_id="A-2"), Called(reached=True)),
    ):
        with pytest.raises(UnfitForm, match="sent before, with other answers"):
            done(people, other, deed)
    assert 1 == len(held(people)["actions"])


def test_an_outcome_is_of_an_action_of_the_same_account(people: Engine, mara: str) -> None:
    other = done(people, form(mara, account_id="A-2"), Called(reached=True))
    for action_id in (other.action_id, "0" * 32):
        with pytest.raises(UnfitForm, match="No action"):
            record_outcome(people, form(mara), "stays", action_id)
    assert [] == held(people)["outcomes"]


def test_two_who_write_about_one_account_at_once_are_both_kept(people: Engine, mara: str) -> None:
    """And of one form that is sent eight times at once there is one."""
    together = threading.Barrier(8)
    same = form(mara, account_id="A-same")
    answers: list[Action] = []
    failures: list[BaseException] = []

    def act(number: int) -> None:
        try:
            together.wait()
            done(people, form(mara), Called(reached=True, next_step=f"step {number}"), note=f"note {number}")
            answers.append(done(people, same, Later(days(5)), note="same"))
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=act, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == failures
    assert 1 == len(set(answers))
    with reading(people) as connection:
        steps = {each.next_step for each in actions_of(connection, "A-1")}
        counts = [connection.execute(select(func.count()).select_from(each)).scalar() for each in (NOTES, AUDIT_LOG)]
    assert {f"step {number}" for number in range(8)} == steps
    assert [9, 9] == counts


KILLED = """
import os, signal, sys
from datetime import UTC, date, datetime
from sqlalchemy import event
from pipeline.people.connection import connect
from pipeline.people.deeds import Called, Form, record
url, by, table = sys.argv[1:]
people = connect(url)
def killed(connection, cursor, statement, parameters, context, executemany):
    if statement.startswith(f"INSERT INTO {table}"):
        os.kill(os.getpid(), signal.SIGKILL)
event.listen(people, "after_cursor_execute", killed)
print("ready", flush=True)
sys.stdin.readline()
form = Form("a" * 32, by, "A-1", date(2026, 11, 2), datetime.now(UTC), date(2026, 11, 2))
record(people, form, Called(reached=True), rest_days=14, families=[], note="They move.")
"""


@pytest.mark.parametrize("table", [ACTIONS.name, NOTES.name, AUDIT_LOG.name])
def test_killed_in_mid_write_nothing_is_half_written(people: Engine, store_url: str, mara: str, table: str) -> None:
    """A process that dies after any of its three rows leaves none; the same form sent again is written whole."""
    with begun(KILLED, store_url, mara, table, says="ready") as process:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert -9 == process.wait(timeout=60)
    found = held(people)
    assert [] == [*found["actions"], *found["notes"], *found["audit_log"]]
    done(people, form(mara, form_id="a" * 32), Called(reached=True), note="They move.")
    found = held(people)
    assert [1, 1, 1] == [len(found[name]) for name in ("actions", "notes", "audit_log")]
