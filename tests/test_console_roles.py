"""Who may have which page: every route by every role, as the table beside this file says."""

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from console import ADA, MARA, MORNING, ROLE_OF, browser, key_of, let_in, nights, program, site
from digest_nights import INES
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Mount

from pipeline.console.api.programs import Token
from pipeline.console.app import create_app
from pipeline.console.site import Site
from pipeline.console.visitors import Allowed
from pipeline.people.api_tokens import revoke
from pipeline.people.connection import connect as connect_people
from pipeline.people.connection import writing
from pipeline.people.schema import new_id
from pipeline.store.connection import connect

TABLE: dict[str, dict[str, Any]] = tomllib.loads((Path(__file__).parent / "console_roles.toml").read_text("utf-8"))
API: dict[str, dict[str, Any]] = TABLE.pop("api")
PROGRAMS = ("none", "wrong", "revoked", "read", "write", "manager")
PEOPLE = {"signed_out": None, "csm": INES, "manager": MARA, "admin": ADA}


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Site]:
    url = f"sqlite:///{tmp_path / 'churn.db'}"
    made = site(connect(url), connect_people(url))
    nights(made.store)
    yield made
    made.store.dispose()
    made.people.dispose()


def routes(of: Site) -> dict[str, APIRoute]:
    """Those that name roles of visitors."""
    return {name: each for name, each in every_route(of).items() if named(each, Allowed)}


def every_route(of: Site) -> dict[str, APIRoute]:
    found = walked(create_app(of).routes)
    return {f"{method} {before}{each.path}": each for before, each in found for method in each.methods}


def named(route: APIRoute, kind: type) -> list[Any]:
    """What a route depends on of that kind."""
    return [each.call for each in route.dependant.dependencies if isinstance(each.call, kind)]


def walked(found: Iterable[Any], before: str = "") -> Iterator[tuple[str, APIRoute]]:
    """All routes, those of routers and of the API that were taken in whole among them, each with what stands before."""
    for each in found:
        if isinstance(each, Mount) and isinstance(each.app, FastAPI):
            yield from walked(each.app.routes, each.path)
        elif isinstance(each, Mount):
            assert "/static" == each.path, "only the style sheet and the icon need no roles"
        elif (router := getattr(each, "original_router", None)) is not None:
            yield from walked(router.routes, before)
        else:
            assert isinstance(each, APIRoute), f"{each} has no roles"
            yield before, each


def test_every_route_stands_in_the_table_and_names_its_roles(ours: Site) -> None:
    """A route without an `Allowed` would be open to everybody by mistake."""
    found = routes(ours)
    assert TABLE.keys() == found.keys()
    for name, route in found.items():
        (allowed,) = named(route, Allowed)
        refused = {role for role in ROLE_OF.values() if TABLE[name][role] == 403}
        assert refused == set(ROLE_OF.values()) - allowed.roles, name


def test_every_other_route_is_one_of_the_api_and_names_a_scope(ours: Site) -> None:
    """What names neither roles nor a scope would be open to everybody by mistake."""
    others = {name: route for name, route in every_route(ours).items() if name not in routes(ours)}
    assert API.keys() == others.keys()
    for name, route in others.items():
        (token,) = named(route, Token)
        assert ("read" if name.startswith("GET") else "write") == token.scope, name


@pytest.mark.parametrize("role", PEOPLE)
@pytest.mark.parametrize("name", TABLE)
def test_a_route_answers_each_role_as_the_table_says(ours: Site, name: str, role: str) -> None:
    email = PEOPLE[role]
    client = browser(ours) if email is None else let_in(ours, email)
    method, path = name.split()
    path = path.replace("{token}", "0" * 43).replace("{account_id:path}", "A-old")
    if method == "GET":
        answer = client.get(path)
    else:
        page = client.get("/sign-in" if email is None else "/")
        answer = client.post(path, data={"form_token": key_of(page), **TABLE[name].get("form", {})})
    assert TABLE[name][role] == answer.status_code, answer.text
    if email is None and answer.status_code == 303 and path not in {"/sign-out", "/language"}:
        assert answer.headers["location"].startswith("/sign-in")


@pytest.mark.parametrize("of", PROGRAMS)
def test_the_api_answers_each_token_as_the_table_says(ours: Site, of: str) -> None:
    """A session beside a token is worth nothing."""
    made = {
        "none": lambda: let_in(ours, ADA),
        "wrong": lambda: browser(ours, authorization="Bearer churn_wrong"),
        "revoked": lambda: program(ours, INES, "write", "crm"),
        "read": lambda: program(ours, INES),
        "write": lambda: program(ours, INES, "write"),
        "manager": lambda: program(ours, MARA),
    }
    client = made[of]()
    if of == "revoked":
        with writing(ours.people) as connection:
            revoke(connection, "crm", MORNING)
    for name, row in API.items():
        method, path = name.split()
        path = path.replace("{account_id:path}", "A-new")
        new = {"id": new_id(), "account_id": "A-new", **row.get("body", {})}
        answer = client.get(path) if method == "GET" else client.post(path, json=new)
        assert row[of] == answer.status_code, f"{name}: {answer.text}"
