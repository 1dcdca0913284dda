"""The API: the facts of the console for other programs, what they write down, and what a stranger tries."""

import json
import math
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pandas as pd
import pytest
from console import ADA, FRIDAY, MARA, MORNING, Clock, browser, let_in, nights, program, site
from digest_nights import (
    BASE,
    BEFORE,
    HEADLINE,
    HIGH,
    INES,
    LOW,
    MONDAY,
    TOM,
    account,
    leaving,
    publish_night,
    scored_at,
)
from sample_nights import BANDS, CATALOGUE, make_book, publish, run
from sqlalchemy import Engine, select
from starlette.testclient import TestClient

from pipeline.console.site import Site
from pipeline.people.connection import connect as connect_people
from pipeline.people.connection import reading, rows_of, writing
from pipeline.people.forgotten import remember
from pipeline.people.schema import ACTIONS, AUDIT_LOG, NOTES, OUTCOMES, new_id
from pipeline.people.users import deactivate, find
from pipeline.store.connection import connect
from pipeline.store.connection import writing as writing_published
from pipeline.store.schema import SCORES, STORE_VERSION

API = "/api/v1"
PROBLEM = "application/problem+json"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ours(store: Engine, people: Engine, clock: Clock) -> Site:
    nights(store)
    return site(store, people, clock=clock)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The same for tests that change nothing, made once, with SQLite."""
    url = f"sqlite:///{tmp_path_factory.mktemp('quiet') / 'churn.db'}"
    made = site(connect(url), connect_people(url), clock=Clock())
    nights(made.store)
    yield made
    made.store.dispose()
    made.people.dispose()


def walk(client: TestClient, path: str, name: str, **asked: Any) -> Iterator[dict[str, Any]]:
    """All of them, page by page."""
    cursor = None
    while True:
        answer = client.get(f"{API}{path}", params=asked | ({"cursor": cursor} if cursor else {}))
        assert 200 == answer.status_code, answer.text
        yield from answer.json()[name]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return


def ids(client: TestClient, **asked: Any) -> list[str]:
    return [each["account_id"] for each in walk(client, "/accounts", "accounts", **asked)]


def called(account_id: str = "A-new", **more: Any) -> dict[str, Any]:
    return {"id": new_id(), "account_id": account_id, "kind": "called", "reached": True} | more


# ---------------------------------------------------------------------------------------------------------------------
# What it tells


def test_tonight_is_the_newest_night(quiet: Site) -> None:
    """Of when, how old, by which model; what it knows of, and what it does not."""
    told = program(quiet).get(f"{API}/tonight").json()
    assert ("2026-11-23", 5, False, "model", 60, 6) == tuple(
        told[name] for name in ("as_of", "age_hours", "is_old", "ordered_by", "horizon_days", "accounts")
    )
    assert {"medium", "high"} == told["band_limits"].keys()
    assert ("Rosterly", "USD") == (told["company"], told["currency"])


def test_an_old_night_says_so(ours: Site, clock: Clock) -> None:
    client = program(ours)
    clock.later(days=2)
    told = client.get(f"{API}/tonight").json()
    assert (53, True) == (told["age_hours"], told["is_old"])


def test_a_walk_finds_every_account_once(ours: Site) -> None:
    """In the order of the key, whatever the length of a page."""
    every = ["A-fine", "A-free", "A-new", "A-old", "A-quiet", "A-tom"]
    client = program(ours)
    for limit in (1, 2, 5, 6, 7):
        assert every == ids(client, limit=limit)


FILTERS: list[tuple[dict[str, Any], list[str]]] = [
    ({"band": "high"}, ["A-new", "A-tom"]),
    ({"band": ["high", "medium"]}, ["A-free", "A-new", "A-old", "A-tom"]),
    ({"state": "watch"}, ["A-fine", "A-quiet"]),
    ({"state": "lapsed"}, []),
    ({"owner": INES.upper()}, ["A-fine", "A-new", "A-old", "A-quiet"]),
    ({"owner": INES, "band": "high"}, ["A-new"]),
    ({"unowned": True}, ["A-free"]),
    ({"unowned": True, "owner": TOM}, ["A-free", "A-tom"]),
    ({"owner": "nobody@example.com"}, []),
]


def test_accounts_are_filtered(ours: Site) -> None:
    """An owner is one person, in capitals or not."""
    client = program(ours)
    assert FILTERS == [(asked, ids(client, **asked, limit=2)) for asked, _ in FILTERS]


def test_an_account_in_a_list_has_what_a_crm_shows(quiet: Site) -> None:
    (told,) = program(quiet).get(f"{API}/accounts", params={"band": "high", "owner": INES}).json()["accounts"]
    assert ("A-new", "北京晨光科技有限公司", "candidate", "high", "Ines@Example.com", 1000.0) == tuple(
        told[name] for name in ("account_id", "name", "state", "band", "owner", "mrr")
    )
    assert math.isclose(1 / (1 + math.exp(-HIGH)), told["risk"])
    assert "Active on 6 of the last 28 days; 19 is normal for them." in told["sentences"]


def test_one_account_adds_up(quiet: Site) -> None:
    """Base and contributions make the log-odds, families too; the parts of the change make the whole."""
    told = program(quiet).get(f"{API}/accounts/A-new").json()
    whole = told["base_log_odds"] + math.fsum(each["contribution"] for each in told["reasons"])
    assert math.isclose(told["log_odds"], whole, abs_tol=1e-9)
    assert math.isclose(told["log_odds"], told["base_log_odds"] + math.fsum(told["families"].values()), abs_tol=1e-9)
    assert math.isclose(told["risk"], 1 / (1 + math.exp(-told["log_odds"])), abs_tol=1e-9)
    change = told["change"]
    assert (str(BEFORE), 3.0) == (change["since"], change["whole"])
    assert math.isclose(change["whole"], change["time"] + change["data"] + change["model"])
    assert math.isclose(1 / (1 + math.exp(-LOW)), change["risk_before"])
    assert ("other", "rest", None) == tuple(told["reasons"][-1][name] for name in ("family", "feature", "words"))
    assert BASE == told["base_log_odds"]


def test_words_are_in_the_language_that_is_asked_for(quiet: Site) -> None:
    told = program(quiet).get(f"{API}/accounts/A-new", params={"language": "zh"}).json()
    assert "近 28 天有 6 天在用,平时是 19 天。" in [each["words"] for each in told["reasons"]]


def test_an_id_may_be_any_text(store: Engine, people: Engine) -> None:
    """In the address of an account, and where a page ends."""
    odd = ["a/b", "..", "ü ñ", "A?b#c", "' OR 1=1 --", "x/actions", "客户", "tab\there"]
    publish_night(store, MONDAY, *(account(each, HIGH) for each in odd))
    client = program(site(store, people))
    assert sorted([*odd, "A-quiet"]) == ids(client, limit=1) == ids(client)
    for account_id in odd:
        quoted = quote(account_id, safe="").replace(".", "%2E")
        assert account_id == client.get(f"{API}/accounts/{quoted}").json()["account_id"]


def test_who_is_leaving_has_no_risk(store: Engine, people: Engine) -> None:
    publish_night(store, MONDAY, leaving("A-gone"))
    told = program(site(store, people)).get(f"{API}/accounts/A-gone").json()
    assert ("leaving", "2026-12-31", None, None) == tuple(told[name] for name in ("state", "last_day", "risk", "band"))


def test_an_order_by_rules_gives_no_risks(store: Engine, people: Engine) -> None:
    """Neither in lists nor of one account; bands, order and reasons stay."""
    publish_night(store, MONDAY, account("A-1", HIGH, data=1.0), starter={"departures": 40, "needed": 100})
    client = program(site(store, people), INES)
    one, listed = client.get(f"{API}/accounts/A-1").json(), client.get(f"{API}/accounts").json()["accounts"][0]
    week = client.get(f"{API}/week").json()["listed"][0]
    assert "rules" == client.get(f"{API}/tonight").json()["ordered_by"]
    for told in (one, listed, week["account"]):
        assert (None, None, {}, "high") == tuple(told[k] for k in ("risk", "value_at_risk", "risk_within", "band"))
    assert (None, None) == (one["change"]["risk_before"], week["value_at_risk"])


# ---------------------------------------------------------------------------------------------------------------------
# The week, and what people do


def test_the_week_is_that_of_the_page(ours: Site) -> None:
    """In the order of the book, with who is new since Friday."""
    told = program(ours, INES).get(f"{API}/week").json()
    assert (INES, "2026-11-23", str(FRIDAY)) == (told["owner"], told["as_of"], told["new_since"])
    assert [("A-old", False), ("A-new", True)] == [(e["account"]["account_id"], e["is_new"]) for e in told["listed"]]
    assert ["A-free"] == [
        each["account"]["account_id"]
        for each in program(ours, name="bi").get(f"{API}/week", params={"unowned": True}).json()["listed"]
    ]


def test_who_was_called_by_a_program_rests(ours: Site) -> None:
    """The action is answered as it stands, is in the week, with the account and in the list of actions."""
    client = program(ours, INES, "write")
    answer = client.post(f"{API}/actions", json=called(said="usage", next_step="Send the offer", note="Said hello"))
    assert 201 == answer.status_code, answer.text
    done = answer.json()
    assert ("called", "usage", "Send the offer", "2026-12-07", INES) == tuple(
        done[name] for name in ("kind", "said", "next_step", "rests_until", "by")
    )
    week = client.get(f"{API}/week").json()
    assert ["A-old"] == [each["account"]["account_id"] for each in week["listed"]]
    assert [(["A-new"], "2026-12-07")] == [(each["account_ids"], each["until"]) for each in week["resting"]]
    one = client.get(f"{API}/accounts/A-new").json()
    assert [done] == one["actions"] == list(walk(client, "/actions", "actions"))
    assert ["Said hello"] == [each["note"] for each in one["notes"]]


NEW: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("/actions", {"kind": "called", "reached": False, "next_on": "2026-12-01"}, {"reached": True}),
    ("/actions", {"kind": "later", "until": "2026-12-24", "note": "After the fair"}, {"until": "2026-12-25"}),
    ("/actions", {"kind": "not_a_risk", "why": "seasonal"}, {"why": "other"}),
    ("/outcomes", {"outcome": "stays"}, {"outcome": "leaves"}),
    ("/notes", {"note": "Their buyer changed.\nAsk for the new one."}, {"note": "Else"}),
]


def test_what_is_sent_again_is_written_once(ours: Site) -> None:
    """A program that got no answer sends it again, and gets the same; with other content it is told."""
    client = program(ours, INES, "write")
    for path, body, otherwise in NEW:
        new = {"id": new_id(), "account_id": "A-new", **body}
        first, again = (client.post(f"{API}{path}", json=new) for _ in range(2))
        assert (201, 201, first.json()) == (first.status_code, again.status_code, again.json()), first.text
        other = client.post(f"{API}{path}", json={**new, **otherwise})
        assert (409, "body.id") == (other.status_code, other.json()["where"]), other.text
    with reading(ours.people) as connection:
        rows = [len(connection.execute(select(table)).all()) for table in (ACTIONS, OUTCOMES, NOTES)]
    assert [3, 1, 2] == rows


def test_two_programs_that_send_one_deed_at_once_are_answered_alike(ours: Site) -> None:
    """A retry that overtakes what it repeats finds it, or is found."""
    client, new = program(ours, INES, "write"), called("A-old", note="Once")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.post(f"{API}/actions", json=new), range(4)))
    assert [201] * 4 == [each.status_code for each in answers]
    assert 1 == len({each.text for each in answers})
    with reading(ours.people) as connection:
        assert [1, 1] == [len(connection.execute(select(table)).all()) for table in (ACTIONS, NOTES)]


def test_the_audit_log_tells_what_a_program_did_and_as_whom(ours: Site) -> None:
    client = program(ours, INES, "write", name="crm-sync")
    client.get(f"{API}/accounts")
    client.get(f"{API}/accounts/A-old")
    client.post(f"{API}/actions", json=called(note="A word"))
    with reading(ours.people) as connection:
        lines = [line for line in rows_of(connection, AUDIT_LOG) if line["source"] == "api"]
        ines = find(connection, INES)
        assert ines is not None
    assert [("accounts read", None), ("account seen", "A-old"), ("called", "A-new")] == [
        (line["deed"], line["account_id"]) for line in lines
    ]
    assert {ines.user_id} == {line["user_id"] for line in lines}
    assert {"crm-sync"} == {json.loads(line["details"])["token"] for line in lines}
    assert "A word" not in str(lines)


def test_a_managers_program_writes_for_who_did_it(ours: Site) -> None:
    """A CRM knows who called. A csm's writes for nobody else, and nobody is made up."""
    client = program(ours, MARA, "write")
    assert INES == client.post(f"{API}/actions", json=called(by=INES.upper())).json()["by"]
    answer = client.post(f"{API}/actions", json=called(by="stranger@example.com"))
    assert (422, "body.by") == (answer.status_code, answer.json()["where"])
    csm = program(ours, INES, "write", name="own")
    assert 403 == csm.post(f"{API}/actions", json=called(by=MARA)).status_code
    assert 403 == csm.post(f"{API}/actions", json=called(by="stranger@example.com")).status_code
    assert 201 == csm.post(f"{API}/actions", json=called(by=INES)).status_code


def test_what_became_of_it_is_told_by_nights(ours: Site, store: Engine, clock: Clock) -> None:
    """It stands beside what people wrote, which decides nothing."""
    client = program(ours, INES, "write")
    action = client.post(f"{API}/actions", json=called()).json()
    outcome = {"id": new_id(), "account_id": "A-new", "outcome": "stays", "action_id": action["id"]}
    assert 201 == client.post(f"{API}/outcomes", json=outcome).status_code
    publish_night(store, MONDAY + timedelta(days=1), account("A-old"))
    clock.later(days=1)
    (told,) = walk(client, "/actions", "actions")
    assert {"fate": "left", "left_on": "2026-11-24", "stayed": False} == told["became"]
    assert [("stays", action["id"])] == [(e["outcome"], e["action_id"]) for e in walk(client, "/outcomes", "outcomes")]


def test_actions_are_walked_in_the_order_of_time(ours: Site, clock: Clock) -> None:
    """Also those of one instant; `since` a day leaves out what was before."""
    client = program(ours, MARA, "write")
    sent = []
    for number in range(7):
        clock.later(days=number // 3 % 2, seconds=number % 2)
        sent.append(client.post(f"{API}/actions", json=called("A-old", next_step=f"{number}")).json())
    found = list(walk(client, "/actions", "actions", limit=2))
    assert sorted(sent, key=lambda each: (each["at"], each["id"])) == found
    later = list(walk(client, "/actions", "actions", limit=2, since="2026-11-24"))
    assert [each for each in found if each["at"] >= "2026-11-24"] == later
    assert 0 < len(later) < len(found)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (called(reached="yes"), "body.called.reached"),
        (called(reached=1), "body.called.reached"),
        (called(said="whim"), "body.said"),
        (called(next_on="2026-11-23"), "body.next_on"),
        (called(next_on="2027-11-23"), "body.next_on"),
        (called(next_on=20_000), "body.called.next_on"),
        (called(next_on="tomorrow"), "body.called.next_on"),
        (called(note="x" * 4_001), "body.called.note"),
        (called(next_step="x" * 201), "body.called.next_step"),
        (called(account_id="A-\0"), "body.called.account_id"),
        (called(account_id=""), "body.called.account_id"),
        (called(account_id=7), "body.called.account_id"),
        (called(id="1"), "body.called.id"),
        (called(id="G" * 32), "body.called.id"),
        (called(risk=0.1), "body.called.risk"),
        (called(kind="mailed"), "body"),
        ({**called(), "kind": None}, "body"),
        ({"id": new_id(), "account_id": "A-new", "kind": "later"}, "body.later.until"),
        ({"id": new_id(), "account_id": "A-new", "kind": "not_a_risk", "why": "whim"}, "body.not_a_risk.why"),
        ([], "body"),
        ("text", "body"),
        (None, "body"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(quiet: Site, body: Any, where: str) -> None:
    """And changes nothing."""
    answer = program(quiet, INES, "write").post(f"{API}/actions", json=body)
    told = answer.json()
    assert (422, where, PROBLEM) == (answer.status_code, told["where"], answer.headers["content-type"]), answer.text
    assert {"type", "title", "status", "detail", "remedy"} <= told.keys()
    with reading(quiet.people) as connection:
        assert [] == connection.execute(select(ACTIONS)).all()


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 422),
        (b'{"id": "\xff"}', 400),
        (b'"\\ud800"', 422),
        (b'{"id": "\\ud800"}', 422),
        (b"[" * 60_000, 400),
        (b'{"id": ' + b"9" * 5_000 + b"}", 400),
        (b"x" * 70_000, 413),
    ],
    ids=["half", "no text", "half a character", "half of an id", "deep", "long number", "large"],
)
def test_a_body_that_cannot_be_read_is_refused(quiet: Site, content: bytes, status: int) -> None:
    headers = {"content-type": "application/json"}
    answer = program(quiet, INES, "write").post(f"{API}/actions", content=content, headers=headers)
    assert (status, PROBLEM) == (answer.status_code, answer.headers["content-type"]), answer.text
    assert status == answer.json()["status"]


def test_a_body_of_unknown_length_is_refused(quiet: Site) -> None:
    answer = program(quiet, INES, "write").post(f"{API}/notes", content=iter([b"{}"]))
    assert (411, PROBLEM) == (answer.status_code, answer.headers["content-type"])


# ---------------------------------------------------------------------------------------------------------------------
# Again and again


def test_what_is_the_same_is_not_sent_again(ours: Site, store: Engine) -> None:
    """Until a night is published; a tag of one question is none of another."""
    client, tags = program(ours, INES), {}
    for path in ("/tonight", "/accounts?limit=2&band=high", "/accounts/A-new", "/week", "/actions", "/outcomes"):
        first = client.get(f"{API}{path}")
        tag = tags[path] = first.headers["etag"]
        assert "private, no-cache" == first.headers["cache-control"]
        again = client.get(f"{API}{path}", headers={"if-none-match": f'"other", W/{tag}'})
        assert (304, b"", tag) == (again.status_code, again.content, again.headers["etag"])
        assert 200 == client.get(f"{API}{path}", headers={"if-none-match": '"other"'}).status_code
        assert 200 == client.get(f"{API}/accounts?limit=3", headers={"if-none-match": tag}).status_code
    publish_night(store, MONDAY + timedelta(days=1), account("A-new", HIGH))
    later = {path: client.get(f"{API}{path}", headers={"if-none-match": tag}).status_code for path, tag in tags.items()}
    assert {**dict.fromkeys(tags, 200), "/actions": 304, "/outcomes": 304} == later


def test_what_was_written_since_changes_the_tag(ours: Site) -> None:
    """An account and a week are of the night and of what people did."""
    client = program(ours, INES, "write")
    tags = {path: client.get(f"{API}{path}").headers["etag"] for path in ("/accounts/A-new", "/week", "/actions")}
    client.post(f"{API}/actions", json=called())
    for path, tag in tags.items():
        assert 200 == client.get(f"{API}{path}", headers={"if-none-match": tag}).status_code, path


def test_who_was_forgotten_is_in_no_answer(ours: Site, store: Engine, people: Engine) -> None:
    """Though the night keeps its run, no tag says that all is as it was."""
    client = program(ours, MARA, "write")
    client.post(f"{API}/actions", json=called())
    tag = client.get(f"{API}/accounts").headers["etag"]
    with writing(people) as connection:
        pseudonym = remember(connection, "A-new", MORNING)
        connection.execute(ACTIONS.update().values(account_id=pseudonym))
    with writing_published(store) as connection:
        mine = SCORES.c.account_id == "A-new"
        connection.execute(SCORES.update().where(mine).values(account_id=pseudonym, root_id=pseudonym, name=None))
    answer = client.get(f"{API}/accounts", headers={"if-none-match": tag})
    assert 200 == answer.status_code
    assert pseudonym not in answer.text
    assert 404 == client.get(f"{API}/accounts/{pseudonym}").status_code
    assert 404 == client.post(f"{API}/actions", json=called(pseudonym)).status_code
    assert [] == client.get(f"{API}/actions").json()["actions"]


def test_a_walk_stays_in_its_night(ours: Site, store: Engine) -> None:
    """Another that is published meanwhile is for the next walk; one in the place of its own ends it."""
    client = program(ours)
    first = client.get(f"{API}/accounts", params={"limit": 2}).json()
    publish_night(store, MONDAY + timedelta(days=1), account("A-new", LOW), account("A-zzz", LOW))
    on = client.get(f"{API}/accounts", params={"limit": 200, "cursor": first["next_cursor"]}).json()
    assert ("2026-11-23", ["A-new", "A-old", "A-quiet", "A-tom"]) == (
        on["as_of"],
        [each["account_id"] for each in on["accounts"]],
    )

    made = make_book(pd.DataFrame([account("A-1", LOW)]), bands=BANDS, new_days=28, as_of=MONDAY)
    publish(store, run("again", as_of=MONDAY, **HEADLINE), made, CATALOGUE, finished_at=scored_at(MONDAY))
    gone = client.get(f"{API}/accounts", params={"cursor": first["next_cursor"]})
    assert (410, "Start again without a cursor.") == (gone.status_code, gone.json()["remedy"])


@pytest.mark.parametrize("path", ["/accounts", "/actions", "/outcomes"])
@pytest.mark.parametrize(
    "cursor", ["x", "WzFd", "e30", "bnVsbA", "W10", "ä", "' OR 1=1", "A" * 4_000, "WyJhIiwiXHUwMDAwIiwiYiJd"]
)
def test_a_cursor_that_no_answer_gave_is_refused(quiet: Site, path: str, cursor: str) -> None:
    answer = program(quiet).get(f"{API}{path}", params={"cursor": cursor})
    assert (422, "query.cursor") == (answer.status_code, answer.json()["where"])


# ---------------------------------------------------------------------------------------------------------------------
# Who may


@pytest.mark.parametrize("csm_sees", ["all", "own"])
def test_a_csms_program_sees_what_the_csm_sees(store: Engine, people: Engine, csm_sees: str) -> None:
    """Their own customers and those that nobody owns, where that is so; another's are as if they were not there."""
    nights(store)
    ours = site(store, people, csm_sees=csm_sees)
    mara, ines = program(ours, MARA, "write", name="all"), program(ours, INES, "write")
    mara.post(f"{API}/actions", json=called("A-tom"))
    mara.post(f"{API}/actions", json=called("A-old"))
    is_all = csm_sees == "all"
    assert ("A-tom" in ids(ines)) is is_all
    assert {"A-free", "A-new", "A-old"} <= set(ids(ines))
    other = ines.get(f"{API}/accounts/A-tom")
    assert (200 if is_all else 404) == other.status_code
    if not is_all:
        assert other.json() == ines.get(f"{API}/accounts/A-none").json()
    expected = {"A-old", "A-tom"} if is_all else {"A-old"}
    assert expected == {each["account_id"] for each in walk(ines, "/actions", "actions", limit=1)}
    assert (200 if is_all else 403) == ines.get(f"{API}/week", params={"owner": TOM}).status_code
    assert (200 if is_all else 403) == ines.get(f"{API}/accounts", params={"owner": TOM}).status_code
    assert (201 if is_all else 404) == ines.post(f"{API}/actions", json=called("A-tom")).status_code
    cursor = mara.get(f"{API}/accounts", params={"limit": 5}).json()["next_cursor"]
    rest = ines.get(f"{API}/accounts", params={"cursor": cursor}).json()["accounts"]
    assert (["A-tom"] if is_all else []) == [each["account_id"] for each in rest]


def test_a_token_opens_no_page_and_a_session_no_api(quiet: Site) -> None:
    assert 303 == program(quiet, ADA).get("/").status_code
    signed_in = let_in(quiet, ADA)
    assert 401 == signed_in.get(f"{API}/tonight").status_code
    assert 401 == signed_in.post(f"{API}/actions", json=called()).status_code


def test_who_may_sign_in_no_more_is_out_of_the_api_at_once(ours: Site, clock: Clock) -> None:
    client = program(ours, INES)
    assert 200 == client.get(f"{API}/week").status_code
    with writing(ours.people) as connection:
        ines = find(connection, INES)
        assert ines is not None
        deactivate(connection, ines, clock())
    assert 401 == client.get(f"{API}/week").status_code


def test_fifty_wrong_tokens_make_an_address_wait_and_sign_ins_go_on(ours: Site, clock: Clock) -> None:
    """The right one waits, too, and nobody looks it up; after a quarter of an hour it goes on."""
    right = program(ours)
    for number in range(50):
        answer = browser_with(ours, f"churn_{number}").get(f"{API}/tonight")
        assert (401, "Bearer") == (answer.status_code, answer.headers["www-authenticate"].split()[0])
    waits = right.get(f"{API}/tonight")
    assert (429, "900", PROBLEM) == (waits.status_code, waits.headers["retry-after"], waits.headers["content-type"])
    assert ours.limits.wait("testclient", INES, clock()) is None
    clock.later(minutes=15, seconds=1)
    assert 200 == right.get(f"{API}/tonight").status_code


def test_a_program_that_nobody_told_makes_no_other_wait(ours: Site) -> None:
    """One wrong token, sent again and again, waits by itself after ten times."""
    right = program(ours)
    stale = browser_with(ours, "churn_stale")
    statuses = [stale.get(f"{API}/tonight").status_code for _ in range(100)]
    assert [401] * 10 + [429] * 90 == statuses
    assert 200 == right.get(f"{API}/tonight").status_code


def browser_with(of: Site, token: str) -> TestClient:
    return browser(of, authorization=f"Bearer {token}")


HOSTILE = ["' OR 1=1 --", "\0", "😀" * 50, "1; DROP TABLE users", "%00", "x" * 5_000, "\x1b[2J"]


def test_sql_and_worse_in_every_parameter_is_text(ours: Site) -> None:
    """Of no status but those that are described, and all rows stay."""
    client = program(ours, MARA, "write")
    asked = {
        "/accounts": ("state", "band", "owner", "unowned", "limit", "cursor", "language"),
        "/week": ("owner", "unowned", "language"),
        "/actions": ("since", "limit", "cursor"),
        "/outcomes": ("since", "limit", "cursor"),
        "/accounts/A-new": ("language",),
    }
    sent = {"/actions": called(), "/outcomes": {"outcome": "stays"}, "/notes": {"note": "x"}}
    for value in HOSTILE:
        for path, names in asked.items():
            for name in names:
                answer = client.get(f"{API}{path}", params={name: value})
                is_text = name == "owner" and value not in {"\0", "x" * 5_000}
                assert answer.status_code == (200 if is_text else 422), (path, name, value)
        for path in ("/accounts", "/week", "/actions", "/outcomes"):
            assert 422 == client.get(f"{API}{path}", params={value: value}).status_code
        assert client.get(f"{API}/accounts/{quote(value, safe='')}").status_code in {404, 422}
        for path, body in sent.items():
            for name in ("id", "account_id", *body):
                new = {"id": new_id(), "account_id": "A-new", **body, name: value}
                assert client.post(f"{API}{path}", json=new).status_code in {201, 404, 422}
    assert 6 == len(ids(client))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("GET", "/", 404), ("POST", "/tonight", 405), ("DELETE", "/actions", 405)],
)
def test_what_is_not_there_is_a_problem_and_no_page(quiet: Site, method: str, path: str, status: int) -> None:
    answer = program(quiet).request(method, f"{API}{path}")
    assert (status, PROBLEM) == (answer.status_code, answer.headers["content-type"])
    assert f"{API}/docs#" in answer.json()["type"]


def test_before_the_first_night_it_says_what_to_run(store: Engine, people: Engine) -> None:
    """Without a word of where the store lies."""
    answer = program(site(store, people)).get(f"{API}/tonight")
    assert (503, PROBLEM) == (answer.status_code, answer.headers["content-type"])
    assert (store.url.database or "") not in answer.text


def test_a_store_of_another_version_is_a_problem(ours: Site) -> None:
    client = program(ours)
    with writing_published(ours.store) as connection:
        connection.execute(STORE_VERSION.update().values(version_num="0000"))
    answer = client.get(f"{API}/accounts")
    assert (503, "churn doctor" in answer.text) == (answer.status_code, True)


def test_a_failure_of_ours_tells_nothing_of_itself(ours: Site) -> None:
    client = program(ours)
    object.__setattr__(ours, "calls_per_week", "no number")
    answer = client.get(f"{API}/week", params={"unowned": True})
    assert (500, PROBLEM) == (answer.status_code, answer.headers["content-type"])
    assert "Traceback" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


# ---------------------------------------------------------------------------------------------------------------------
# Its description


def test_the_page_tells_of_every_route_and_shape_and_needs_nothing_else(quiet: Site) -> None:
    """No script, no other host; links lead to places on the page."""
    client = browser(quiet)
    described, page = client.get(f"{API}/openapi.json").json(), client.get(f"{API}/docs")
    assert 200 == page.status_code
    for path, operations in described["paths"].items():
        for method in operations:
            assert f"<code>{method.upper()} {path}</code>" in page.text
    for name in described["components"]["schemas"]:
        assert f'id="{name}"' in page.text
    assert "<script" not in page.text
    assert "style=" not in page.text
    anchors = set(re.findall(r'href="#([^"]+)"', page.text))
    assert anchors <= set(re.findall(r'id="([^"]+)"', page.text))
    assert not re.findall(r'(?:src|href)="https?://', page.text)


def test_every_field_that_needs_it_has_an_example(quiet: Site) -> None:
    described = browser(quiet).get(f"{API}/openapi.json").json()
    text = json.dumps(described)
    assert "examples" in text
    assert {"token"} == described["components"]["securitySchemes"].keys()
    assert [{"url": API}] == described["servers"]
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert [{"token": []}] == operation["security"], path
            assert operation["summary"]
            assert operation["description"]
