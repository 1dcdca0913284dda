"""The page of an account in every state, who may see it, and what strangers wrote into it."""

import re
from datetime import date, timedelta
from html import unescape
from pathlib import Path

import pytest
from account_page import one, opened, with_evidence
from console import MARA, act, browser, deeds, filled, key_of, let_in, nights, site, words
from digest_nights import BEFORE, HIGH, INES, MONDAY, account, leaving, publish_night
from httpx2 import Response
from sqlalchemy import Engine

from pipeline.console.navigation import account_path
from pipeline.people import actions
from pipeline.people.connection import reading
from pipeline.people.deeds import Called
from pipeline.people.forgotten import PSEUDONYM
from pipeline.people.schema import new_id

HOSTILE = '<script>alert("1")</script>'


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """What differs between the databases is asked of both in `test_console_account_forms.py`."""
    return f"sqlite:///{tmp_path / 'churn.db'}"


def test_under_rules_there_are_reasons_and_no_numbers(store: Engine, people: Engine) -> None:
    one(store, account("A-1", HIGH, data=1.0), starter={"departures": 40, "needed": 100})
    answer = opened(store, people, "A-1")
    page = words(answer)
    assert "Rules put the customers in order here" in page
    assert "Active on 6 of the last 28 days; 19 is normal for them. main reason" in page
    assert not [
        each for each in ("1 in", "in 100", "Expected loss", "Log-odds", "<svg", "What changed") if each in page
    ]


def test_who_is_new_has_reasons_and_no_numbers(store: Engine, people: Engine) -> None:
    one(store, account("A-1", HIGH, since=MONDAY - timedelta(days=10)))
    page = words(opened(store, people, "A-1"))
    assert page.startswith("New customer")
    assert "there is too little to go by for a risk" in page
    assert "Active on 6 of the last 28 days" in page
    assert not [each for each in ("1 in", "in 100", "Expected loss", "Log-odds") if each in page]


def test_payment_takes_no_call(store: Engine, people: Engine) -> None:
    of = account("A-1", HIGH)
    of["families"] = {"usage": 0.2, "billing": 1.8}
    one(store, of)
    page = words(opened(store, people, "A-1"))
    assert page.startswith("Payment High risk")
    assert "The matter is payment: a reminder, no call." in page
    assert "no call" in page[page.index("Suggested:") :][:80]


def test_who_gave_notice_has_a_last_day_and_the_last_score(store: Engine, people: Engine) -> None:
    one(store, account("A-1", HIGH), as_of=BEFORE)
    one(store, leaving("A-1"))
    page = words(opened(store, people, "A-1"))
    assert page.startswith("Gave notice looked after by")
    assert "They have given notice; their last day is 31 December. No risk is given any more." in page
    assert (
        "the last score that was given, on 16 November. It does not change any more. 1 in 4 leave within 60 days."
        in page
    )
    assert "Active on 6 of the last 28 days" in page
    assert "Suggested" not in page


def test_who_never_had_a_score_is_shown_all_the_same(store: Engine, people: Engine) -> None:
    one(store, leaving("A-1", None))
    page = words(opened(store, people, "A-1"))
    assert "They have given notice. No risk is given any more. No score was ever given for this account." in page
    assert "How it adds up" not in page


def test_who_lapsed_may_come_back(store: Engine, people: Engine) -> None:
    one(store, account("A-1", HIGH), as_of=BEFORE)
    one(store, account("A-1", state="lapsed", last_day=date(2026, 11, 20)))
    page = words(opened(store, people, "A-1"))
    assert "Their term ended on 20 November. They count as lost only when they do not come back." in page


def test_who_has_left_keeps_the_last_score(store: Engine, people: Engine) -> None:
    """Frozen, with its reasons, its course up to then and what people wrote."""
    one(store, account("A-1", HIGH), as_of=BEFORE)
    publish_night(store, MONDAY, account("A-2"))
    page = words(opened(store, people, "A-1"))
    assert page.startswith("Has left looked after by")
    assert "They are no customer any more; the night of 23 November no longer had them." in page
    assert (
        "the last score that was given, on 16 November. It does not change any more. 1 in 4 leave within 60 days."
        in page
    )
    assert "Active on 6 of the last 28 days; 19 is normal for them." in page
    assert "Write a note" in page


def test_a_last_score_by_rules_has_no_number_later_either(store: Engine, people: Engine) -> None:
    """Also when a learned model orders the book by then."""
    one(store, account("A-1", HIGH), as_of=BEFORE, starter={"departures": 40, "needed": 100})
    publish_night(store, MONDAY, account("A-2"))
    page = words(opened(store, people, "A-1"))
    assert "the last score that was given, on 16 November. It does not change any more. Why" in page
    assert not [each for each in ("1 in", "in 100", "Log-odds") if each in page]


def test_who_was_forgotten_has_no_page(store: Engine, people: Engine) -> None:
    pseudonym = f"{PSEUDONYM}{'0' * 16}"
    one(store, account(pseudonym, HIGH))
    assert 404 == opened(store, people, pseudonym).status_code


def test_before_the_first_night_there_is_no_account(store: Engine, people: Engine) -> None:
    assert 503 == opened(store, people, "A-1").status_code


# ---------------------------------------------------------------------------------------------------------------------
# Who may see it, and what is shown of what others wrote


@pytest.mark.parametrize("path", ["/accounts/A-tom", "/accounts/A-unheard-of", "/accounts/", "/accounts/%00"])
def test_guessing_tells_nothing(store: Engine, people: Engine, path: str) -> None:
    """Another's account and none at all: the same page, and neither is written down as seen."""
    nights(store)
    ours = site(store, people, csm_sees="own")
    ines = let_in(ours, INES)
    ours_404 = ines.get("/accounts/nobody")
    answer = ines.get(path)
    assert (404, 404) == (ours_404.status_code, answer.status_code)
    assert without_address(ours_404) == without_address(answer)
    sent = {"account_id": "A-tom", "form_id": new_id(), "note": "x", "form_token": key_of(ours_404)}
    assert 404 == ines.post("/notes", data=sent).status_code
    assert 404 == ines.post("/outcomes", data=sent | {"outcome": "stays"}).status_code
    assert [] == deeds(ours)
    assert 200 == let_in(ours, MARA).get("/accounts/A-tom").status_code
    assert 200 == ines.get("/accounts/A-free").status_code, "what nobody owns is everybody's"


def test_who_saw_it_is_written_down(store: Engine, people: Engine) -> None:
    nights(store)
    ours = site(store, people)
    let_in(ours, INES).get("/accounts/A-tom")
    assert [("account seen", INES)] == deeds(ours)


def test_signed_out_it_leads_to_the_sign_in_and_back(store: Engine, people: Engine) -> None:
    nights(store)
    answer = browser(site(store, people)).get("/accounts/A-new")
    assert (303, "/sign-in?next=/accounts/A-new") == (answer.status_code, answer.headers["location"])


@pytest.mark.parametrize("account_id", ["A/1", "../people", "北京 ü", "100 %?#&=;", '"<b>', "x" * 300, "/", "a//b"])
def test_an_id_may_be_any_text(store: Engine, people: Engine, account_id: str) -> None:
    """The address leads to it, the switch of language comes back to it, a note is kept about it."""
    one(store, account(account_id, HIGH, name=None))
    ours = site(store, people)
    ines = let_in(ours, INES)
    answer = ines.get(account_path(account_id))
    assert 200 == answer.status_code
    assert account_id in words(answer)
    back = re.search(r'name="next" value="([^"]*)"', answer.text)
    assert back is not None
    here = ines.post("/language", data={"form_token": key_of(answer), "language": "zh", "next": unescape(back[1])})
    assert account_id in words(ines.get(here.headers["location"]))
    done = ines.post("/notes", data=filled(answer, "/notes", note="Kept."))
    assert (303, f"{account_path(account_id)}#notes") == (done.status_code, done.headers["location"])
    with reading(ours.people) as connection:
        assert ["Kept."] == [note.body for note in actions.notes_of(connection, account_id)]


def test_what_others_wrote_is_text(store: Engine, people: Engine) -> None:
    """Names, tickets, plans, groups of pages, notes, steps: markup is shown and not obeyed, in pages and pictures."""
    ticket = {"kind": "ticket", "ticket_id": HOSTILE, "opened_at": "2026-11-09T09:30:00", "resolved_at": None}
    change = {"kind": "change", "day": "2026-10-01", "terms_before": 1, "terms": 1, "mrr_before": 1.0, "mrr": 1.0}
    happened = [
        ticket | {"mood": None, "worst": None, "excerpt": HOSTILE},
        {"kind": "visits", "day": "2026-11-20", "group": HOSTILE, "visits": 1, "people": 1},
        change | {"seats_before": None, "seats": None, "plan_before": "Team", "plan": HOSTILE},
    ]
    of = account("A-1", HIGH, name=HOSTILE, owner=HOSTILE)
    with_evidence(store, of, happened={"A-1": happened}, peers=[{"segment": None, "accounts": 30, "middle": {}}])
    ours = site(store, people)
    act(ours, "A-1", Called(False, None, HOSTILE))
    ines = let_in(ours, INES)
    page = ines.get("/accounts/A-1")
    ines.post("/notes", data=filled(page, "/notes", note=HOSTILE))
    answer = ines.get("/accounts/A-1")
    assert "<script" not in answer.text
    assert 8 <= words(answer).count(HOSTILE)


def test_the_crm_is_one_click_away(store: Engine, people: Engine) -> None:
    one(store, account("A/1", HIGH))
    ines = let_in(site(store, people, account_url="https://crm.example.com/{account_id}"), INES)
    assert 'href="https://crm.example.com/A%2F1"' in ines.get(account_path("A/1")).text


def without_address(answer: Response) -> str:
    """A page without what names the address that was asked for."""
    return re.sub(r'name="next" value="[^"]*"', "", answer.text)
