"""The forms on the page of an account, in both databases: what is kept, once, and what is given back."""

import re

import pytest
from console import ADA, act, deeds, filled, let_in, nights, site, words
from digest_nights import BEFORE, INES, MONDAY
from sqlalchemy import Engine

from pipeline.people import actions
from pipeline.people.connection import reading
from pipeline.people.deeds import Called

CHINESE = {"accept-language": "zh-CN"}


def test_a_note_sent_twice_is_one(store: Engine, people: Engine) -> None:
    """The second answer is the first one's, as after a lost connection; lines of it stay lines."""
    nights(store)
    ours = site(store, people)
    ines = let_in(ours, INES)
    page = ines.get("/accounts/A-new")
    for _ in range(2):
        done = ines.post("/notes", data=filled(page, "/notes", note="They move offices.\r\nCall in December. "))
        assert (303, "/accounts/A-new#notes") == (done.status_code, done.headers["location"])
    again = ines.get("/accounts/A-new")
    assert 1 == again.text.count("They move offices.\nCall in December.")
    assert f"Notes {INES} · 23 November, 08:30 UTC They move offices. Call in December." in words(again)
    assert [("account seen", INES), ("note", INES), ("account seen", INES)] == deeds(ours)


def test_two_who_write_at_once_are_both_kept(store: Engine, people: Engine) -> None:
    nights(store)
    ours = site(store, people)
    both = [let_in(ours, who) for who in (INES, ADA)]
    pages = [each.get("/accounts/A-new") for each in both]
    for each, page, note in zip(both, pages, ("From Ines", "From Ada"), strict=True):
        each.post("/notes", data=filled(page, "/notes", note=note))
    shown = words(both[0].get("/accounts/A-new"))
    assert "From Ines" in shown
    assert "From Ada" in shown


@pytest.mark.parametrize(
    ("note", "told", "chinese"),
    [
        (" \r\n", "The note is empty.", "备注是空的"),
        ("long " * 801, "The note is too long", "备注太长"),
    ],
)
def test_a_note_that_cannot_be_kept_is_not_lost(
    store: Engine, people: Engine, note: str, told: str, chinese: str
) -> None:
    """The page says why, at the field and in the reader's language, and holds what was typed."""
    nights(store)
    ours = site(store, people)
    for headers, expected in (({}, told), (CHINESE, chinese)):
        ines = let_in(ours, INES, **headers)
        answer = ines.post("/notes", data=filled(ines.get("/accounts/A-new"), "/notes", note=note))
        assert 422 == answer.status_code
        assert expected in words(answer)
        assert note.strip() in answer.text
        assert 'aria-describedby="note-hint note-wrong"' in answer.text
    with reading(ours.people) as connection:
        assert [] == actions.notes_of(connection, "A-new")


def test_a_form_that_was_used_is_made_new(store: Engine, people: Engine) -> None:
    """Another text under the same id is refused, kept in the field, and goes through with the new form."""
    nights(store)
    ours = site(store, people)
    ines = let_in(ours, INES)
    page = ines.get("/accounts/A-new")
    ines.post("/notes", data=filled(page, "/notes", note="First"))
    refused = ines.post("/notes", data=filled(page, "/notes", note="Second"))
    assert 422 == refused.status_code
    assert "This form was sent before" in words(refused)
    assert 303 == ines.post("/notes", data=filled(refused, "/notes", note="Second")).status_code
    with reading(ours.people) as connection:
        assert {"First", "Second"} == {note.body for note in actions.notes_of(connection, "A-new")}


def test_an_outcome_belongs_to_an_action(store: Engine, people: Engine) -> None:
    nights(store)
    ours = site(store, people)
    act(ours, "A-new", Called(True))
    ines = let_in(ours, INES)
    page = ines.get("/accounts/A-new")
    chosen = re.search(r'<option value="([0-9a-f]{32})"', page.text)
    assert chosen is not None
    done = ines.post("/outcomes", data=filled(page, "/outcomes", outcome="stays", action_id=chosen[1]))
    assert (303, "/accounts/A-new#deeds") == (done.status_code, done.headers["location"])
    assert f"What was done 23 November Outcome stays {INES} 23 November Call" in words(ines.get("/accounts/A-new"))
    for wrong in ({"outcome": "perhaps"}, {"outcome": ""}, {"outcome": "stays", "action_id": "0" * 32}):
        answer = ines.post("/outcomes", data=filled(ines.get("/accounts/A-new"), "/outcomes", **wrong))
        assert 422 == answer.status_code
        assert "Choose one of the answers." in words(answer)
    with reading(ours.people) as connection:
        assert [("stays", chosen[1])] == [
            (each.outcome, each.action_id) for each in actions.outcomes_of(connection, "A-new")
        ]


def test_a_note_is_about_the_night_that_was_looked_at(store: Engine, people: Engine) -> None:
    """Also when another was published meanwhile; a day that is no night is not believed."""
    nights(store)
    ours = site(store, people)
    ines = let_in(ours, INES)
    for asked, kept in ((str(BEFORE), BEFORE), ("2020-01-01", MONDAY), ("yesterday", MONDAY)):
        ines.post("/notes", data=filled(ines.get("/accounts/A-new"), "/notes", note=asked) | {"as_of": asked})
        with reading(ours.people) as connection:
            assert kept == next(note.as_of for note in actions.notes_of(connection, "A-new") if note.body == asked)
