"""What a stranger tries: forms, cookies, addresses and passwords that are not theirs."""

import re
from datetime import timedelta

import pytest
from console import (
    ADA,
    MARA,
    PASSWORD,
    Clock,
    browser,
    deeds,
    key_of,
    let_in,
    link_for,
    nights,
    send,
    signed_in,
    site,
)
from digest_nights import INES, TOM
from sqlalchemy import Engine, select

from pipeline.console.site import Site
from pipeline.people.connection import reading, rows_of, writing
from pipeline.people.schema import AUDIT_LOG, LINKS, SESSIONS, USERS
from pipeline.people.users import deactivate, find


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ours(store: Engine, people: Engine, clock: Clock) -> Site:
    nights(store)
    return site(store, people, clock=clock)


# ---------------------------------------------------------------------------------------------------------------------
# Signing in


def test_who_has_chosen_a_password_signs_in_with_it(ours: Site) -> None:
    """From another browser, with the address in any case; the page asked for follows."""
    signed_in(ours, MARA)
    client = browser(ours)
    done = send(client, "/sign-in", "/sign-in", email=" Mara@Example.COM ", password=PASSWORD, next="/people")
    assert (303, "/people") == (done.status_code, done.headers["location"])
    assert 200 == client.get("/people").status_code


@pytest.mark.parametrize("email", [INES, "nobody@example.com", TOM, ""])
def test_what_is_wrong_of_a_sign_in_is_not_told(ours: Site, email: str) -> None:
    """An unknown address, one of the book, one without a password, a wrong password: one answer."""
    signed_in(ours, INES)
    answer = send(browser(ours), "/sign-in", "/sign-in", email=email, password="wrong password")
    assert 401 == answer.status_code
    assert "That e-mail address and password do not fit together." in answer.text
    assert PASSWORD not in answer.text


def test_ten_failures_make_a_user_wait_and_fifty_an_address(ours: Site, clock: Clock) -> None:
    """With the right password, too; after a quarter of an hour it goes on. A success forgets those of its user."""
    signed_in(ours, INES)
    client = browser(ours)
    for _ in range(10):
        assert 401 == send(client, "/sign-in", "/sign-in", email=INES.upper(), password="wrong").status_code
    answer = send(client, "/sign-in", "/sign-in", email=INES, password=PASSWORD)
    assert (429, "900") == (answer.status_code, answer.headers["retry-after"])
    assert "Wait 15 minutes" in answer.text
    for number in range(40):
        ours.limits.failed("testclient", f"user{number}@example.com", clock())
    assert 429 == send(client, "/sign-in", "/sign-in", email=MARA, password="wrong").status_code
    clock.later(minutes=15, seconds=1)
    assert 303 == send(client, "/sign-in", "/sign-in", email=INES, password=PASSWORD).status_code


def test_a_session_planted_before_a_sign_in_is_worth_nothing(ours: Site) -> None:
    """Fixation: the token that the browser held is another after it, and the old one opens nothing."""
    signed_in(ours, INES)
    victim, attacker = browser(ours), browser(ours)
    attacker.get("/sign-in")
    planted = attacker.cookies["churn"]
    victim.cookies.set("churn", planted)
    send(victim, "/sign-in", "/sign-in", email=INES, password=PASSWORD)
    assert planted not in [cookie.value for cookie in victim.cookies.jar if cookie.domain == "testserver.local"]
    assert 303 == attacker.get("/").status_code


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\n/evil",
    ],
)
def test_a_sign_in_leads_to_no_other_site(ours: Site, wanted: str) -> None:
    signed_in(ours, INES)
    client = browser(ours)
    done = send(client, "/sign-in", "/sign-in", email=INES, password=PASSWORD, next=wanted)
    assert (303, "/") == (done.status_code, done.headers["location"])
    assert "/" == client.get("/sign-in", params={"next": wanted}).headers["location"]
    assert "/" == send(client, "/language", "/", language="zh", next=wanted).headers["location"]


# ---------------------------------------------------------------------------------------------------------------------
# Links


def test_a_link_works_once(ours: Site) -> None:
    """Looking at it is no use of it, for chats look at links; the second who sends the form is told that it is over."""
    link, first, second = link_for(ours, INES), browser(ours), browser(ours)
    keys = [key_of(client.get(link)) for client in (first, second)]
    done = [
        client.post(link, data={"form_token": key, "password": PASSWORD, "again": PASSWORD})
        for client, key in zip((first, second), keys, strict=True)
    ]
    assert [303, 404] == [each.status_code for each in done]
    assert "This link works no longer" in done[1].text
    assert 404 == browser(ours).get(link).status_code


def test_a_link_ends_after_three_days_and_when_another_is_made(ours: Site, clock: Clock) -> None:
    older, newer = link_for(ours, INES), link_for(ours, INES)
    assert [404, 200] == [browser(ours).get(each).status_code for each in (older, newer)]
    clock.later(days=3)
    assert 404 == browser(ours).get(newer).status_code


@pytest.mark.parametrize(
    ("password", "again", "told"),
    [
        ("short", "short", "too short: it needs 12 characters"),
        ("a" * 12, "a" * 12, "guessed first"),
        (INES, INES, "guessed first"),
        ("x1y2" * 51, "x1y2" * 51, "too long"),
        (PASSWORD, PASSWORD + "!", "not the same"),
    ],
)
def test_a_password_that_cannot_be_taken_uses_no_link_up(ours: Site, password: str, again: str, told: str) -> None:
    client, link = browser(ours), link_for(ours, INES)
    answer = send(client, link, link, password=password, again=again)
    assert 422 == answer.status_code
    assert told in answer.text
    assert 303 == send(client, link, link, password=PASSWORD, again=PASSWORD).status_code


def test_a_new_password_ends_all_sessions(ours: Site) -> None:
    older = signed_in(ours, INES)
    signed_in(ours, INES)
    assert 303 == older.get("/").status_code


def test_the_store_holds_no_token_and_no_password(ours: Site) -> None:
    """Who reads it gets in nowhere."""
    client, link = signed_in(ours, INES), link_for(ours, MARA)
    with reading(ours.people) as connection:
        rows = str([list(rows_of(connection, table)) for table in (USERS, SESSIONS, LINKS, AUDIT_LOG)])
    assert "$argon2id$" in rows
    for secret in (PASSWORD, client.cookies["churn"], link.removeprefix("/link/")):
        assert secret not in rows


# ---------------------------------------------------------------------------------------------------------------------
# Sessions


def test_a_session_ends_after_half_a_day_without_a_visit(ours: Site, clock: Clock) -> None:
    client = let_in(ours, INES)
    for _ in range(3):
        clock.later(hours=11, minutes=59)
        assert 200 == client.get("/").status_code
    clock.later(hours=12)
    assert 303 == client.get("/").status_code


def test_a_session_ends_after_a_week_whatever_happens(ours: Site, clock: Clock) -> None:
    client = let_in(ours, INES)
    for _ in range(15):
        clock.later(hours=11)
        assert 200 == client.get("/").status_code
    clock.later(hours=3)
    assert 303 == client.get("/").status_code


def test_signing_out_ends_the_session_in_the_store(ours: Site) -> None:
    """A copy of the cookie is worth nothing afterwards."""
    client = let_in(ours, INES)
    copy = client.cookies["churn"]
    done = send(client, "/sign-out", "/")
    assert (303, "/sign-in") == (done.status_code, done.headers["location"])
    thief = browser(ours)
    thief.cookies.set("churn", copy)
    assert 303 == thief.get("/").status_code
    assert "churn" not in client.cookies


def test_who_may_sign_in_no_more_is_out_at_once(ours: Site, clock: Clock) -> None:
    client, link = signed_in(ours, INES), link_for(ours, INES)
    with writing(ours.people) as connection:
        user = find(connection, INES)
        assert user is not None
        deactivate(connection, user, clock())
    assert 303 == client.get("/").status_code
    assert 404 == browser(ours).get(link).status_code
    assert 401 == send(browser(ours), "/sign-in", "/sign-in", email=INES, password=PASSWORD).status_code


def test_who_was_deactivated_is_let_in_again_by_a_new_link(ours: Site, clock: Clock) -> None:
    """Where they own customers; their old password is none any more."""
    signed_in(ours, INES)
    mara = let_in(ours, MARA)
    assert 303 == send(mara, "/people/deactivate", "/people", email=INES).status_code
    assert "Everybody who owns customers can sign in" not in mara.get("/people").text
    answer = send(mara, "/people/link", "/people", email=INES)
    assert 200 == answer.status_code
    link = re.search(r"/link/[^\s<\"]+", answer.text)
    assert link is not None
    assert 401 == send(browser(ours), "/sign-in", "/sign-in", email=INES, password=PASSWORD).status_code
    client = browser(ours)
    assert 303 == send(client, link[0], link[0], password=PASSWORD, again=PASSWORD).status_code
    assert 200 == client.get("/").status_code


def test_another_secret_ends_all_sessions(ours: Site, store: Engine, people: Engine) -> None:
    """Who can write to the store but has not the secret can make no session."""
    token = let_in(ours, INES).cookies["churn"]
    other = browser(Site(store, people, address=ours.address, secret="x" * 32, clock=ours.clock))
    other.cookies.set("churn", token)
    assert 303 == other.get("/").status_code


# ---------------------------------------------------------------------------------------------------------------------
# Forms, headers, bodies


@pytest.mark.parametrize("path", ["/people/link", "/people/deactivate", "/actions/later", "/sign-out", "/language"])
@pytest.mark.parametrize("key", ["none", "made up", "another's"])
def test_a_form_that_no_page_of_ours_gave_this_browser_changes_nothing(ours: Site, path: str, key: str) -> None:
    client = signed_in(ours, ADA)
    before = deeds(ours)
    keys = {"made up": "0" * 64, "another's": key_of(signed_in(ours, MARA).get("/people"))}
    fields = {"email": INES, "language": "zh"} | ({"form_token": keys[key]} if key in keys else {})
    answer = client.post(path, data=fields)
    assert 403 == answer.status_code
    assert "This form is out of date" in answer.text
    assert [] == [deed for deed in deeds(ours)[len(before) :] if deed[0] not in {"signed in", "password set"}]
    with reading(ours.people) as connection:
        user = find(connection, INES)
        assert user is not None
        assert user.deactivated_at is None


def test_the_cookie_is_read_by_no_script_and_sent_with_no_foreign_form(ours: Site) -> None:
    cookie = browser(ours).get("/sign-in").headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie


def test_behind_tls_the_cookie_never_leaves_it(store: Engine, people: Engine) -> None:
    ours = Site(store, people, address="https://churn.example.com", secret="s" * 32)
    site(store, people)
    answer = browser(ours).get("/sign-in")
    assert answer.headers["set-cookie"].startswith("__Host-churn=")
    assert "Secure" in answer.headers["set-cookie"].split("; ")
    assert "max-age=" in answer.headers["strict-transport-security"]


@pytest.mark.parametrize(
    "path", ["/", "/sign-in", "/people", "/nowhere", "/static/console.css", "/static/none.css", "/link/none"]
)
def test_every_answer_carries_the_headers(ours: Site, path: str) -> None:
    answer = let_in(ours, ADA).get(path)
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert {"default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} <= {
        each.strip() for each in policy.split(";")
    }
    assert ("nosniff", "no-referrer", "DENY") == tuple(
        answer.headers[name] for name in ("x-content-type-options", "referrer-policy", "x-frame-options")
    )
    assert "camera=()" in answer.headers["permissions-policy"]
    kept = "public, max-age=86400" if path == "/static/console.css" else "no-store"
    assert kept == answer.headers["cache-control"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_failure_of_ours_shows_no_traceback(ours: Site, language: str) -> None:
    """The page of status 500 is like the others, headers and all."""
    client = let_in(ours, INES, **{"accept-language": language})
    ours.store.dispose()
    object.__setattr__(ours, "calls_per_week", "no number")
    answer = client.get("/")
    assert 500 == answer.status_code
    assert {"en": "Something went wrong here", "zh": "系统出错了"}[language] in answer.text
    assert "Traceback" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_is_not_there_is_told_in_both_languages(ours: Site, language: str) -> None:
    answer = browser(ours, **{"accept-language": language}).get("/nowhere")
    assert 404 == answer.status_code
    assert {"en": "There is no such page", "zh": "没有这个页面"}[language] in answer.text


def test_a_large_body_is_refused_unread(ours: Site) -> None:
    assert 413 == browser(ours).post("/sign-in", content=b"x" * 70_000).status_code
    assert 411 == browser(ours).post("/sign-in", content=iter([b"x" * 10])).status_code


@pytest.mark.parametrize("value", ["' OR 1=1 --", "%00", "\x00", "😀" * 50, "1; DROP TABLE users"])
def test_sql_in_what_is_sent_is_text(ours: Site, value: str) -> None:
    client = let_in(ours, MARA)
    assert client.get("/", params={"owner": value}).status_code in {200, 400}
    assert 404 == send(client, "/people/link", "/people", email=value).status_code
    assert 401 == send(browser(ours), "/sign-in", "/sign-in", email=value, password=value).status_code
    assert 404 == browser(ours).get("/link/x", params={"token": value}).status_code
    with reading(ours.people) as connection:
        assert 3 == len(connection.execute(select(USERS)).all())


# ---------------------------------------------------------------------------------------------------------------------
# People


def test_an_owner_without_a_sign_in_gets_a_link_from_the_page(ours: Site) -> None:
    """It is shown once; by it they are in, as a customer success manager, on their own list."""
    mara = signed_in(ours, MARA)
    assert TOM in mara.get("/people").text
    answer = send(mara, "/people/link", "/people", email="Tom@example.com")
    link = answer.text.partition('value="http://testserver')[2].partition('"')[0]
    assert link.startswith("/link/")
    tom = browser(ours)
    send(tom, link, link, password=PASSWORD, again=PASSWORD)
    assert "Customer A-tom" in tom.get("/").text
    assert 403 == tom.get("/people").status_code
    assert link not in mara.get("/people").text
    assert ("user added", MARA) in deeds(ours)
    assert ("link made", MARA) in deeds(ours)


@pytest.mark.parametrize("path", ["/people/link", "/people/deactivate"])
def test_a_manager_makes_nobody_an_admin_and_no_admin_goes(ours: Site, path: str) -> None:
    """With a link for an admin a manager would be one."""
    mara = let_in(ours, MARA)
    assert 403 == send(mara, path, "/people", email=ADA).status_code
    assert 404 == send(mara, path, "/people", email="stranger@example.com").status_code


def test_nobody_locks_themselves_out(ours: Site) -> None:
    ada = let_in(ours, ADA)
    assert 403 == send(ada, "/people/deactivate", "/people", email=ADA).status_code


def test_the_language_that_was_chosen_is_kept(ours: Site) -> None:
    """In this browser before a sign-in, with the user after it: on another browser, too."""
    client = signed_in(ours, INES)
    send(client, "/language", "/", language="zh", next="/")
    assert 'lang="zh-CN"' in client.get("/").text
    other = browser(ours, **{"accept-language": "en"})
    assert 'lang="en"' in other.get("/sign-in").text
    send(other, "/sign-in", "/sign-in", email=INES, password=PASSWORD)
    assert 'lang="zh-CN"' in other.get("/").text


@pytest.mark.parametrize("waits", [timedelta(), timedelta(days=8)])
def test_sessions_that_are_over_do_not_pile_up(ours: Site, clock: Clock, waits: timedelta) -> None:
    let_in(ours, MARA)
    clock.now += waits
    let_in(ours, INES)
    with reading(ours.people) as connection:
        assert (1 if waits else 2) == len(connection.execute(select(SESSIONS)).all())
