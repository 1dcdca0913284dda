"""What is done about an account from a page: written once, by who may, and told to who did it in their language."""

import re
import threading
from datetime import date, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from console import ADA, MARA, Clock, browser, deeds, key_of, let_in, site, words
from digest_nights import BEFORE, HIGH, INES, LOW, MEDIUM, MONDAY, TOM, account, leaving, publish_night, settings_of
from httpx2 import Response
from pydantic import TypeAdapter
from sample_people import held
from sqlalchemy import Engine
from starlette.testclient import TestClient

from pipeline.console import books
from pipeline.console.site import Site
from pipeline.forgetting import forget
from pipeline.people.actions import actions_of
from pipeline.people.connection import reading, writing
from pipeline.people.schema import new_id
from pipeline.people.users import add
from pipeline.store.nights import book, night

TUESDAY = MONDAY + timedelta(days=1)


@pytest.fixture
def ours(store: Engine, people: Engine) -> Site:
    """Ines calls two a week and has three to call, Tom has one, one is nobody's."""
    mine = [account(f"A-{number}", HIGH, mrr=1000.0 - number) for number in range(3)]
    others = [account("T-1", HIGH, owner=TOM), account("N-1", HIGH, owner=None), account("A-low", LOW)]
    publish_night(store, BEFORE, *mine, *others)
    publish_night(store, MONDAY, *mine, *others)
    made = site(store, people, calls_per_week=2)
    with writing(people) as connection:
        add(connection, TOM, "csm", made.clock())
    return made


def form_of(answer: Response, account_id: str, path: str) -> dict[str, str]:
    """What the form of an account for that path holds before anything is filled in, as a browser would send it."""
    for form in re.findall(rf'action="/actions/{path}">(.*?)</form>', answer.text, re.DOTALL):
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
        hidden = {name: fields[name] for name in ("form_token", "form_id", "account_id", "as_of", "next")}
        if hidden["account_id"] == account_id:
            return hidden
    raise AssertionError(f"no form {path} of {account_id}")


def act(client: TestClient, account_id: str, path: str, page: str = "/", **typed: str) -> Response:
    """Fill in and send the form of an account on a page."""
    return client.post(f"/actions/{path}", data=form_of(client.get(page), account_id, path) | typed)


def titles(answer: Response) -> list[str]:
    """The entries of the list, from above."""
    return re.findall(r'<h2><a href="/accounts/([^"]*)"', answer.text)


def written(of: Site) -> list[dict[str, Any]]:
    return held(of.people)["actions"]


def test_a_call_rests_the_account_and_its_place_goes_to_the_next(ours: Site) -> None:
    """Back on the list a word says until when it rests and who is next; the entry is gone, and no risk has changed."""
    ines = let_in(ours, INES)
    with reading(ours.store) as connection:
        of = night(connection)
        assert of is not None
        before = list(book(connection, of))
    assert ["A-0", "A-1", "N-1"] == titles(ines.get("/"))
    done = act(ines, "A-0", "called", reached="yes", said="support", next_step="Send the offer", next_on="2026-12-01")
    assert 303 == done.status_code
    answer = ines.get(done.headers["location"])
    assert ["A-1", "A-2", "N-1"] == titles(answer)
    page = words(answer)
    assert "Customer A-0 rests until 1 December. The next in line is Customer A-2." in page
    assert page.index("Customer A-0 rests") < page.index("High risk"), "where the entry stood"
    resting = page[page.index("Resting 1") :]
    assert "until 1 December · You called on 23 November and reached them; they named: support; next: Send" in resting
    with reading(ours.people) as connection:
        (action,) = actions_of(connection, "A-0")
    assert ("called", True, "support", "Send the offer", date(2026, 12, 1), INES, MONDAY) == (
        action.kind,
        action.reached,
        action.said,
        action.next_step,
        action.rests_until,
        action.by,
        action.as_of,
    )
    assert ("called", INES) in deeds(ours)
    with reading(ours.store) as connection:
        assert before == list(book(connection, of))


def test_after_an_action_chinese_is_chinese(ours: Site) -> None:
    ines = let_in(ours, INES, **{"accept-language": "zh"})
    done = act(ines, "A-0", "called", reached="no")
    page = words(ines.get(done.headers["location"]))
    assert "Customer A-0 休息到 12 月 7 日。 接下来轮到 Customer A-2。" in page
    assert "到 12 月 7 日为止 · 您 11 月 23 日联系过,没联系上" in page


def test_later_rests_it_until_its_day(ours: Site) -> None:
    ines = let_in(ours, INES)
    done = act(ines, "A-1", "later", until="2026-11-25")
    assert "Customer A-1 rests until 25 November." in words(ines.get(done.headers["location"]))
    assert [("later", date(2026, 11, 25))] == [(each["kind"], each["rests_until"]) for each in written(ours)]


def test_not_a_risk_asks_why_and_rests_it_a_month(ours: Site) -> None:
    ines = let_in(ours, INES)
    done = act(ines, "A-1", "not-a-risk", why="seasonal")
    page = words(ines.get(done.headers["location"]))
    assert "Customer A-1 rests until 23 December." in page
    assert "On 23 November you saw no risk (seasonal: they are always quiet now)" in page


def test_a_form_that_is_sent_twice_is_written_once(ours: Site) -> None:
    """A double click, a lost connection, "back" and again: the same answer, and one line."""
    ines = let_in(ours, INES)
    form = form_of(ines.get("/"), "A-0", "called") | {"reached": "yes", "next_step": "Send the offer"}
    answers = [ines.post("/actions/called", data=form) for _ in range(3)]
    assert {(303, answers[0].headers["location"])} == {(each.status_code, each.headers["location"]) for each in answers}
    assert 1 == len(written(ours))
    assert 1 == [deed for deed, _ in deeds(ours)].count("called")


def test_a_form_that_was_sent_with_other_answers_is_shown_again(ours: Site) -> None:
    """What is written stays; what was typed is there, under a new id, and may be added."""
    ines = let_in(ours, INES)
    form = form_of(ines.get("/"), "A-0", "called")
    ines.post("/actions/called", data=form | {"reached": "no"})
    again = ines.post("/actions/called", data=form | {"reached": "yes", "next_step": "They called back"})
    assert 422 == again.status_code
    assert "sent before, with other answers" in words(again)
    assert 'value="They called back"' in again.text
    assert 1 == len(written(ours))
    new = form_of(again, "A-0", "called")
    assert new["form_id"] != form["form_id"]
    ines.post("/actions/called", data=new | {"reached": "yes", "next_step": "They called back"})
    assert {None, "They called back"} == {each["next_step"] for each in written(ours)}


def test_two_people_who_write_at_once_are_both_kept(ours: Site) -> None:
    clients = [let_in(ours, INES), let_in(ours, MARA), let_in(ours, ADA)]
    forms = [form_of(each.get(f"/?owner={INES}"), "A-0", "called") for each in clients]
    together, answers = threading.Barrier(3), []

    def send(client: TestClient, form: dict[str, str]) -> None:
        together.wait()
        answers.append(client.post("/actions/called", data=form | {"reached": "yes"}).status_code)

    threads = [threading.Thread(target=send, args=each) for each in zip(clients, forms, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [303, 303, 303] == answers
    with reading(ours.people) as connection:
        assert {INES, MARA, ADA} == {each.by for each in actions_of(connection, "A-0")}


WRONG = {
    "nobody knows whether": ("called", {}, "Choose one of the two."),
    "an odd answer": ("called", {"reached": "maybe"}, "Choose one of the two."),
    "an unknown family": ("called", {"reached": "yes", "said": "mood"}, "Choose one of the answers in the list."),
    "a novel": ("called", {"reached": "yes", "next_step": "x" * 201}, "Shorten it to 200 characters."),
    "no day": ("called", {"reached": "yes", "next_on": "soon"}, "Choose a day from 24 November to 22 January 2027,"),
    "too far": ("called", {"reached": "yes", "next_on": "2027-01-23"}, "Choose a day from 24 November"),
    "an empty day": ("later", {"until": ""}, "Choose a day from 24 November to 22 January 2027."),
    "today": ("later", {"until": str(MONDAY)}, "Choose a day from 24 November"),
    "a day of the year 99999": ("later", {"until": "99999-01-01"}, "Choose a day from 24 November"),
    "no reason": ("not-a-risk", {}, "Choose one of the reasons."),
    "an odd reason": ("not-a-risk", {"why": "'; DROP TABLE actions; --"}, "Choose one of the reasons."),
}


def test_what_cannot_be_is_told_at_its_field_and_nothing_typed_is_lost(ours: Site) -> None:
    """The form again, open, under the same id, in the reader's language; nothing is written, and a right one can be."""
    ines, chinese = let_in(ours, INES), let_in(ours, INES, **{"accept-language": "zh"})
    for mistake, (path, typed, told) in WRONG.items():
        form = form_of(ines.get("/"), "A-0", path)
        answer = ines.post(f"/actions/{path}", data=form | typed)
        assert 422 == answer.status_code, mistake
        (shown,) = re.findall(r"<details[^>]* open>(.*?)</details>", answer.text, re.DOTALL)
        wrong = re.search(r'id="(wrong-[0-9a-f]{32})" role="alert">([^<]*)<', shown)
        assert wrong is not None, mistake
        assert told in wrong[2], mistake
        assert f'aria-invalid="true" aria-describedby="{wrong[1]}"' in shown, mistake
        for name in typed.keys() - {"reached", "said", "why"}:
            assert f'value="{typed[name]}"' in shown, mistake
        assert (typed.get("reached") == "yes") == ('value="yes" required checked' in shown), mistake
        assert form == form_of(answer, "A-0", path), mistake
        page = words(act(chinese, "A-0", path, **typed))
        assert "尚未保存,您填写的内容都在。" in page, mistake
        assert "Choose" not in page, mistake
    assert [] == written(ours)
    mended = form_of(act(ines, "A-0", "later", until=""), "A-0", "later")
    assert 303 == ines.post("/actions/later", data=mended | {"until": str(TUESDAY)}).status_code


def test_what_is_typed_is_text(ours: Site) -> None:
    """Markup in a next step is shown, not obeyed: on the form, on the list, beside the account."""
    ines, markup = let_in(ours, INES), "<script>alert('x')</script>"
    refused = act(ines, "A-0", "called", next_step=markup)
    assert markup not in refused.text
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in refused.text
    done = act(ines, "A-0", "called", reached="yes", next_step=markup)
    answer = ines.get(done.headers["location"])
    assert markup in words(answer)
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize("path", ["called", "later", "not-a-risk"])
def test_where_csms_see_their_own_they_write_about_their_own(
    store: Engine, people: Engine, ours: Site, path: str
) -> None:
    """Another's account, one that is not there and odd ids are refused alike; about nobody's they may."""
    own = Site(store, people, address=ours.address, csm_sees="own", calls_per_week=2, clock=ours.clock)
    ines, right = let_in(own, INES), {"reached": "yes", "until": str(TUESDAY), "why": "known"}
    form = form_of(ines.get("/"), "A-0", path)
    answers = [
        ines.post(f"/actions/{path}", data=form | right | {"account_id": account_id})
        for account_id in ("T-1", "T-2", "", "x\x00", "forgotten-0", "A-0' OR '1'='1")
    ]
    assert {404} == {each.status_code for each in answers}
    assert 1 == len({words(each) for each in answers})
    assert [] == written(ours)
    assert 303 == act(ines, "N-1", path, **right).status_code
    mara = let_in(own, MARA)
    assert 303 == act(mara, "T-1", path, **right).status_code
    assert 2 == len(written(ours))


def test_where_csms_see_all_they_write_about_all(ours: Site) -> None:
    ines = let_in(ours, INES)
    done = act(ines, "T-1", "called", page=f"/?owner={TOM}", reached="yes")
    assert f"/?owner={TOM.replace('@', '%40')}&done=" in done.headers["location"]
    assert "Customer T-1 rests until 7 December." in words(ines.get(done.headers["location"]))
    assert "reached them" not in words(let_in(ours, TOM).get("/"))[:200]
    assert f"{INES} called on 23 November and reached them" in words(let_in(ours, TOM).get("/"))


def test_a_form_leads_back_to_a_page_of_ours(ours: Site) -> None:
    ines = let_in(ours, INES)
    form = form_of(ines.get("/"), "A-0", "later") | {"until": str(TUESDAY)}
    for wanted in ("https://evil.example/", "//evil.example", "/\\evil.example"):
        done = ines.post("/actions/later", data=form | {"next": wanted})
        assert done.headers["location"].startswith("/?done="), wanted


def test_what_somebody_else_did_is_not_said_to_have_been_done_here(ours: Site) -> None:
    """An address with another's action, an old one or none shows the list and no word."""
    mara, ines = let_in(ours, MARA), let_in(ours, INES)
    done = act(mara, "A-0", "later", page=f"/?owner={INES}", until=str(TUESDAY))
    action = done.headers["location"].partition("done=")[2].partition("#")[0]
    for odd in (action, new_id(), "x" * 5000, "' OR 1=1", "%00"):
        answer = ines.get("/", params={"done": odd})
        assert 200 == answer.status_code
        assert 'id="done"' not in answer.text
    assert 'id="done"' in mara.get("/", params={"done": action}).text


def test_a_place_that_nobody_waits_for_goes_to_nobody(ours: Site) -> None:
    tom = let_in(ours, TOM)
    done = act(tom, "T-1", "called", reached="no")
    page = words(tom.get(done.headers["location"]))
    assert page.startswith("Monday 23 November None of your 1 customers needs a call this week")
    assert "Customer T-1 rests until 7 December." in page
    assert "next in line" not in page


def test_what_nobody_owns_opens_again_where_it_was(ours: Site) -> None:
    ines = let_in(ours, INES)
    done = act(ines, "N-1", "called", reached="yes")
    page = words(ines.get(done.headers["location"]))
    assert "Customer N-1 rests until 7 December." in page


def test_a_manager_works_down_all_books(ours: Site) -> None:
    """The list of all, formed anew after each action: the next of that book comes."""
    mara = let_in(ours, MARA)
    assert {"A-0", "A-1", "T-1", "N-1"} == set(titles(mara.get("/")))
    done = act(mara, "A-0", "called", reached="yes")
    answer = mara.get(done.headers["location"])
    assert {"A-1", "A-2", "T-1", "N-1"} == set(titles(answer))
    page = words(answer)
    assert "Customer A-0 rests until 7 December. The next in line is Customer A-2." in page
    assert "Resting 1" in page


def test_who_is_back_early_says_why(store: Engine, people: Engine) -> None:
    """Its band, its odds, its renewal; who gave notice meanwhile stands below."""
    then = [account(f"A-{number}", MEDIUM, mrr=1000.0 - number) for number in range(4)]
    publish_night(store, BEFORE, *then)
    made = site(store, people)
    clock = Clock()
    object.__setattr__(made, "clock", clock)
    clock.later(days=-7)
    ines = let_in(made, INES)
    for number in range(4):
        assert 303 == act(ines, f"A-{number}", "not-a-risk", why="seasonal").status_code
    assert [] == titles(ines.get("/"))
    assert "Everybody at medium or high risk rests for now" in words(ines.get("/"))
    clock.later(days=7)
    publish_night(
        store,
        MONDAY,
        account("A-0", HIGH),
        account("A-1", MEDIUM + 0.41, mrr=999.0),
        account("A-2", MEDIUM, mrr=998.0, renews_on=MONDAY + timedelta(days=20)),
        leaving("A-3", mrr=500.0),
    )
    ines = let_in(made, INES)
    page = words(ines.get("/"))
    assert 3 == page.count("Back early")
    assert "the risk was medium then and is high now" in page
    assert "the odds rose by half or more, from 1 in 8 to 1 in 6" in page
    assert "the contract renews on 13 December, within 30 days" in page
    assert "On 16 November you saw no risk (seasonal" in page
    notice = page[page.index("Gave notice 1") :]
    assert "last day 31 December · gave notice while resting" in notice
    chinese = words(let_in(made, INES, **{"accept-language": "zh"}).get("/"))
    assert 3 == chinese.count("提前回来 ")
    assert "当时为中风险,现在升为高风险" in chinese
    assert "合同 12 月 13 日续约,只剩不到 30 天" in chinese


def test_a_page_that_was_left_open_is_of_its_night(ours: Site, store: Engine) -> None:
    """The night that was looked at is written down, though another was published meanwhile; a made-up one is none."""
    ines = let_in(ours, INES)
    form = form_of(ines.get("/"), "A-0", "called")
    publish_night(store, TUESDAY, account("A-0", HIGH), account("A-1", HIGH))
    ines.post("/actions/called", data=form | {"reached": "yes"})
    for number, made_up in enumerate(("2030-01-01", "yesterday", "")):
        odd = {"as_of": made_up, "form_id": f"{number}" * 32, "account_id": "A-1"}
        assert 303 == ines.post("/actions/called", data=form | odd | {"reached": "yes"}).status_code
    assert [MONDAY, TUESDAY, TUESDAY, TUESDAY] == sorted(each["as_of"] for each in written(ours))


@pytest.mark.parametrize("path", ["called", "later", "not-a-risk"])
def test_signed_out_or_from_elsewhere_nothing_is_written(ours: Site, path: str) -> None:
    right = {"account_id": "A-0", "form_id": "0" * 32, "reached": "yes", "until": str(TUESDAY), "why": "known"}
    stranger = browser(ours)
    key = key_of(stranger.get("/sign-in"))
    assert 303 == stranger.post(f"/actions/{path}", data=right | {"form_token": key}).status_code
    ines = let_in(ours, INES)
    assert 403 == ines.post(f"/actions/{path}", data=right).status_code
    assert 403 == ines.post(f"/actions/{path}", data=right | {"form_token": key}).status_code
    assert [] == written(ours)


def test_what_another_server_wrote_shows_at_once(store: Engine, people: Engine, ours: Site) -> None:
    """What is remembered of a night's lists is dropped as soon as anybody has done something, wherever it was sent."""
    other = Site(store, people, address=ours.address, calls_per_week=2, clock=ours.clock)
    ines, tom, mara = let_in(ours, INES), let_in(ours, TOM), let_in(ours, MARA)
    assert (["A-0", "A-1", "N-1"], 4) == (titles(ines.get("/")), len(titles(mara.get("/"))))
    act(let_in(other, MARA), "A-0", "called", page=f"/?owner={INES}", reached="yes")
    assert ["A-1", "A-2", "N-1"] == titles(ines.get("/"))
    assert ["T-1", "N-1"] == titles(tom.get("/"))
    assert {"A-1", "A-2", "T-1", "N-1"} == set(titles(mara.get("/")))


def test_who_was_forgotten_is_gone_from_the_page_within_a_minute(
    ours: Site, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From lists, from what rests and from what a name is remembered for; nobody writes about them any more."""
    ines, mara = let_in(ours, INES), let_in(ours, MARA)
    form = form_of(ines.get("/"), "A-0", "called")
    done = act(ines, "A-1", "called", reached="yes")
    for client in (ines, mara):
        assert "Customer A-1" in words(client.get("/"))
    for account_id in ("A-0", "A-1"):
        forget(settings_of(tmp_path, url=store_url), account_id, ours.clock())
    monkeypatch.setattr(books, "monotonic", lambda: monotonic() + 61)
    for client, path in ((ines, "/"), (mara, "/"), (ines, done.headers["location"])):
        page = client.get(path).text
        assert "Customer A-2" in page
        assert not re.search(r"Customer A-[01]\b|forgotten-", page)
    assert 404 == ines.post("/actions/called", data=form | {"reached": "yes"}).status_code


def test_a_company_with_a_day_of_its_own_rests_by_it(store: Engine, people: Engine) -> None:
    """A demo lives on the day of its last night, whatever the calendar says."""
    publish_night(store, MONDAY, account("A-0", HIGH))
    made = site(store, people, as_of=MONDAY)
    made.clock.later(days=100)  # type: ignore[attr-defined]
    ines = let_in(made, INES)
    done = act(ines, "A-0", "called", reached="yes")
    assert "Customer A-0 rests until 7 December." in words(ines.get(done.headers["location"]))


def test_the_first_forms_build_nothing(ours: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads them is there when the server starts; built by several threads at once, it failed for some of them."""
    ines, mara, built = let_in(ours, INES), let_in(ours, MARA), []
    build = TypeAdapter.__init__

    def noted(adapter: TypeAdapter[Any], *args: Any, **more: Any) -> None:
        built.append(args)
        build(adapter, *args, **more)

    monkeypatch.setattr(TypeAdapter, "__init__", noted)
    assert 303 == act(ines, "A-0", "called", reached="yes").status_code
    assert 200 == mara.get("/team").status_code
    assert [] == built
    browser(ours)
    assert [] != built
