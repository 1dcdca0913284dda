"""`churn console` and `churn user`: who is let in first, from where, and what is refused."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from command_line import CHURN, churn
from console import PASSWORD, key_of, nights
from digest_nights import INES, settings_of
from sqlalchemy import select

from pipeline.people.connection import connect as connect_people
from pipeline.people.connection import reading
from pipeline.people.schema import PEOPLE_STORE, USERS
from pipeline.people.users import find
from pipeline.store.connection import connect, writing
from pipeline.store.schema import STORE_VERSION

SECRET = {"CHURN__CONSOLE__SECRET": "s" * 32}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The settings of a demo with two nights."""
    settings = settings_of(tmp_path, "[run]\ndemo = true\n")
    engine = connect(settings.located(settings.store.url))
    nights(engine)
    engine.dispose()
    return tmp_path / "churn.toml"


@contextmanager
def running(*arguments: str | Path) -> Iterator[tuple["subprocess.Popen[str]", Any]]:
    """The console in a process of its own, and what it said of itself."""
    command = [CHURN, "console", "--port", "0", "--json", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def test_the_first_start_lets_three_people_of_a_demo_in(config: Path) -> None:
    """Each by a link that works; who has chosen a password needs none at the next start. Ctrl-C ends it."""
    with running("-c", config) as (process, told):
        assert {"admin": "admin@localhost", "manager": "manager@example.com", "csm": INES} == {
            role: each["email"] for role, each in told["links"].items()
        }
        with httpx2.Client() as client:
            link = told["links"]["csm"]["link"]
            assert link.startswith(told["address"])
            fields = {"form_token": key_of(client.get(link)), "password": PASSWORD, "again": PASSWORD}
            assert 303 == client.post(link, data=fields).status_code
            assert "need a call this week" in client.get(told["address"]).text
        process.send_signal(signal.SIGINT)
        assert (0, "") == (process.wait(20), process.stderr.read() if process.stderr else "")
    with running("-c", config) as (_, told):
        assert {"admin", "manager"} == told["links"].keys()


def test_it_migrates_nothing_and_names_the_version_it_needs(config: Path) -> None:
    churn("user", "add", "tom@example.com", "--role", "csm", "-c", config)
    engine = connect_people(f"sqlite:///{config.parent / 'churn.db'}")
    with writing(engine) as connection:
        connection.execute(STORE_VERSION.update().values(version_num="0001"))
    engine.dispose()
    answer = churn("console", "--port", "0", "-c", config)
    assert 2 == answer.exit_status
    assert f"has revision 0001, this churn knows revision {PEOPLE_STORE.revision}" in answer.message


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", ["--host", "0.0.0.0"]),
        ('[console]\nhost = "::"\n', []),
        ('[console]\npublic_url = "https://x.example"\n', []),
    ],
)
def test_a_public_address_needs_a_secret(tmp_path: Path, text: str, arguments: list[str]) -> None:
    settings_of(tmp_path, text)
    answer = churn("console", "-c", tmp_path / "churn.toml", *arguments)
    assert 2 == answer.exit_status
    assert "CHURN__CONSOLE__SECRET" in answer.message


def test_a_taken_port_is_told(config: Path) -> None:
    with running("-c", config) as (_, told):
        answer = churn("console", "--port", told["address"].rpartition(":")[2], "-c", config)
    assert (1, True) == (answer.exit_status, "Address already in use" in answer.message)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('public_url = "churn.example.com"', "is no address of a host"),
        ('public_url = "https://churn.example.com/console"', "is no address of a host"),
        ('csm_sees = "some"', "csm_sees"),
        ('secret = "abc"', "CHURN__CONSOLE__SECRET"),
        ("port = 70000", "port"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(tmp_path: Path, line: str, told: str) -> None:
    (tmp_path / "churn.toml").write_text(f'[data]\naccounts = "a.csv"\nsubscriptions = "s.csv"\n[console]\n{line}\n')
    answer = churn("user", "link", "ines@example.com", "-c", tmp_path / "churn.toml")
    assert 2 == answer.exit_status
    assert told in answer.message


def test_a_short_secret_is_refused(config: Path) -> None:
    answer = churn("user", "link", INES, "-c", config, env={"CHURN__CONSOLE__SECRET": "too-short-to-be-used"})
    assert 2 == answer.exit_status
    assert "fewer than 32 characters" in answer.message
    assert "too-short-to-be-used" not in answer.message


def test_a_user_is_added_by_a_link(config: Path) -> None:
    """In whatever case the address is written; a second time it is refused, and a new link is how to go on."""
    added = churn(
        "user", "add", "Kim@Example.com", "--role", "manager", "--name", "Kim", "-c", config, "--json"
    ).record()
    assert ("kim@example.com", "manager") == (added["email"], added["role"])
    assert added["link"].startswith("http://127.0.0.1:8710/link/")
    again = churn("user", "add", "KIM@example.com", "--role", "csm", "-c", config)
    assert (2, True) == (again.exit_status, "churn user link kim@example.com" in again.message)
    assert added["link"] != churn("user", "link", "kim@example.com", "-c", config, "--json").record()["link"]
    engine = connect_people(f"sqlite:///{config.parent / 'churn.db'}")
    with reading(engine) as connection:
        kim = find(connection, " kim@EXAMPLE.com")
        assert kim is not None
        assert ("Kim", "manager", False) == (kim.called, kim.role, kim.has_password)
        assert 1 == len(connection.execute(select(USERS)).all())
    engine.dispose()


@pytest.mark.parametrize("email", ["Ines", "a@example.com, b@example.com", ""])
def test_who_has_no_address_is_no_user(config: Path, email: str) -> None:
    answer = churn("user", "add", email, "--role", "csm", "-c", config)
    assert (2, True) == (answer.exit_status, "is no e-mail address" in answer.message)


def test_links_lead_to_the_public_address(config: Path) -> None:
    env = {"CHURN__CONSOLE__PUBLIC_URL": "https://churn.example.com/", **SECRET}
    link = churn("user", "add", INES, "--role", "csm", "-c", config, "--json", env=env).record()["link"]
    assert link.startswith("https://churn.example.com/link/")
