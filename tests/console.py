"""The console as its tests ask it: a site on a store with two nights, and browsers that are signed in."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from html import unescape
from itertools import count
from typing import Any

from digest_nights import BEFORE, HIGH, INES, LOW, MEDIUM, MONDAY, TOM, account, publish_night
from httpx2 import Response
from sqlalchemy import Engine, select
from starlette.testclient import TestClient

from pipeline.console.app import create_app
from pipeline.console.site import Site
from pipeline.people import api_tokens, links, sessions
from pipeline.people.api_tokens import Scope
from pipeline.people.connection import prepare, reading, rows_of, writing
from pipeline.people.deeds import Deed, Form, record
from pipeline.people.schema import AUDIT_LOG, USERS, new_id
from pipeline.people.users import Role, add, find

FRIDAY = date(2026, 11, 20)
MORNING = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
PASSWORD = "four old green boats"
MARA, ADA = "mara@example.com", "ada@example.com"
ROLE_OF: Mapping[str, Role] = {INES: "csm", MARA: "manager", ADA: "admin"}


_PROGRAMS = count(1)


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = MORNING

    def __call__(self) -> datetime:
        return self.now

    def later(self, **amount: float) -> None:
        self.now += timedelta(**amount)


def nights(store: Engine) -> None:
    """A Friday and the Monday after it: Ines has two to call, one of them new, Tom has one, one is nobody's."""
    old = account("A-old", MEDIUM, data=0.2, name="Café Zürich & <b>Söhne</b>", owner=INES, mrr=12345.6)
    others = [account("A-tom", HIGH, owner=TOM), account("A-free", MEDIUM, owner=None), account("A-fine", LOW)]
    publish_night(store, BEFORE, account("A-new", LOW), old, *others)
    publish_night(store, FRIDAY, account("A-new", LOW), old, *others)
    new = account("A-new", HIGH, data=3.0, owner="Ines@Example.com", name="北京晨光科技有限公司")
    new["facts"] |= {"days_to_renewal": 38.0}
    new["renews_on"] = date(2026, 12, 31)
    publish_night(store, MONDAY, new, old, *others)


def site(store: Engine, people: Engine, **more: Any) -> Site:
    """A site whose users are Ines (csm), Mara (manager) and Ada (admin), none with a password."""
    prepare(people)
    made = Site(store=store, people=people, **{"address": "http://testserver", "clock": Clock(), **more})
    with writing(people) as connection:
        for email, role in ROLE_OF.items():
            add(connection, email, role, MORNING)
    return made


def browser(of: Site, **headers: str) -> TestClient:
    """A browser that nobody has used yet."""
    return TestClient(
        create_app(of), of.address, headers=headers, follow_redirects=False, raise_server_exceptions=False
    )


def link_for(of: Site, email: str) -> str:
    """The path of a new link for a user."""
    with writing(of.people) as connection:
        user = find(connection, email)
        assert user is not None
        return f"/link/{links.make(connection, user, of.secret, of.clock())}"


def send(client: TestClient, path: str, page: str, **fields: str) -> Response:
    """Fill in and send the form of a page, with the key that the page gave."""
    return client.post(path, data={"form_token": key_of(client.get(page)), **fields})


def key_of(answer: Response) -> str:
    """The key of the forms on a page."""
    found = re.search(r'name="form_token" value="([0-9a-f]{64})"', answer.text)
    assert found is not None, answer.text
    return found[1]


def signed_in(of: Site, email: str, **headers: str) -> TestClient:
    """A browser in which a user has chosen a password by a link."""
    client, link = browser(of, **headers), link_for(of, email)
    done = send(client, link, link, password=PASSWORD, again=PASSWORD)
    assert (303, "/") == (done.status_code, done.headers["location"]), done.text
    return client


def let_in(of: Site, email: str, **headers: str) -> TestClient:
    """A browser in which a user is signed in, without the work of a password."""
    client = browser(of, **headers)
    with writing(of.people) as connection:
        user = find(connection, email)
        assert user is not None
        token = sessions.start(connection, user, of.secret, of.clock())
    client.cookies.set("churn", token, domain="testserver.local", path="/")  # as if the console had given it
    return client


def program(of: Site, email: str = MARA, scope: Scope = "read", name: str = "", **headers: str) -> TestClient:
    """A program with a token that acts as a user."""
    with writing(of.people) as connection:
        user = find(connection, email)
        assert user is not None
        token = api_tokens.add(connection, name or f"crm-{next(_PROGRAMS)}", user, scope, of.secret, of.clock())
    return browser(of, authorization=f"Bearer {token}", **headers)


def words(answer: Response) -> str:
    """The text of a page's body as it is read, without its markup."""
    body = answer.text.partition("<main")[2].partition(">")[2]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


def deeds(of: Site) -> list[tuple[str, str | None]]:
    """What the audit log tells, oldest first: the deed, and whose."""
    with reading(of.people) as connection:
        users = {row["user_id"]: row["email"] for row in rows_of(connection, USERS)}
        lines = connection.execute(select(AUDIT_LOG).order_by(AUDIT_LOG.c.number)).mappings()
        return [(line["deed"], users.get(line["user_id"])) for line in lines]


def act(of: Site, account_id: str, deed: Deed) -> None:
    """Let Ines have done that."""
    with writing(of.people) as connection:
        ines = find(connection, INES)
    assert ines is not None
    form = Form(new_id(), ines.user_id, account_id, MONDAY, of.clock(), MONDAY)
    record(of.people, form, deed, rest_days=14, families=("contract",))


def filled(page: Response, action: str, **fields: str) -> dict[str, str]:
    """What a browser sends of the form with that action: its hidden fields, and what was filled in."""
    form = page.text[page.text.index(f'action="{action}"') :].partition("</form>")[0]
    hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form)
    return {name: unescape(value) for name, value in hidden} | fields
