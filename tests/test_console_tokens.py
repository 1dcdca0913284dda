"""Tokens of the API: made and revoked on the command line, kept as digests, worth nothing once they are over."""

from datetime import timedelta
from pathlib import Path

import pytest
from command_line import churn
from console import MORNING
from digest_nights import INES, settings_of
from sqlalchemy import Engine

from pipeline.errors import UsageError
from pipeline.people.api_tokens import Scope, add, every_token, holder, is_use_due, revoke, used
from pipeline.people.connection import connect, prepare, reading, rows_of, writing
from pipeline.people.schema import API_TOKENS, AUDIT_LOG
from pipeline.people.users import User, deactivate
from pipeline.people.users import add as add_user

SECRET = "s" * 32


@pytest.fixture
def ines(people: Engine) -> User:
    prepare(people)
    with writing(people) as connection:
        return add_user(connection, INES, "csm", MORNING)


def made(people: Engine, user: User, name: str = "crm", scope: Scope = "read") -> str:
    with writing(people) as connection:
        return add(connection, name, user, scope, SECRET, MORNING)


def test_a_token_tells_whose_it_is(people: Engine, ines: User) -> None:
    token = made(people, ines, scope="write")
    with reading(people) as connection:
        found = holder(connection, token, SECRET)
    assert found is not None
    assert ("crm", "write", INES, ines) == (found[0].name, found[0].scope, found[0].email, found[1])


def test_the_store_holds_no_token(people: Engine, ines: User) -> None:
    """Who reads it is let in nowhere, and who writes to it without the secret neither."""
    token = made(people, ines)
    assert token.startswith("churn_")
    with reading(people) as connection:
        assert token.removeprefix("churn_") not in str([*rows_of(connection, API_TOKENS)])
        assert holder(connection, token, "another secret") is None
        assert holder(connection, token.removeprefix("churn_"), SECRET) is None


def test_a_revoked_token_opens_nothing_and_its_name_stays_taken(people: Engine, ines: User) -> None:
    token, other = made(people, ines), made(people, ines, "bi")
    with writing(people) as connection:
        revoke(connection, "crm", MORNING)
    with reading(people) as connection:
        assert holder(connection, token, SECRET) is None
        assert holder(connection, other, SECRET) is not None
        assert ["bi", "crm"] == [each.name for each in every_token(connection)]
    with pytest.raises(UsageError, match="crm-2"):
        made(people, ines)
    with pytest.raises(UsageError, match="Since 2026-11-23"), writing(people) as connection:
        revoke(connection, "crm", MORNING)


def test_who_may_sign_in_no_more_takes_their_tokens_along(people: Engine, ines: User) -> None:
    token = made(people, ines)
    with writing(people) as connection:
        deactivate(connection, ines, MORNING)
    with reading(people) as connection:
        assert holder(connection, token, SECRET) is None
        assert [MORNING] == [each.revoked_at for each in every_token(connection)]


def test_a_use_is_noted_every_few_minutes(people: Engine, ines: User) -> None:
    """A program that asks every second writes no row every second."""
    made(people, ines)
    seen = []
    for minutes in (0, 1, 4, 5, 9):
        with writing(people) as connection:
            if is_use_due(every_token(connection)[0], MORNING + timedelta(minutes=minutes)):
                used(connection, every_token(connection)[0], MORNING + timedelta(minutes=minutes))
            seen.append(every_token(connection)[0].used_at)
    first, later = MORNING, MORNING + timedelta(minutes=5)
    assert [first, first, first, later, later] == seen


@pytest.mark.parametrize("name", ["", "CRM", "a b", "-a", "a-", "ü", "a" * 65, "a\n", "x'; DROP TABLE users"])
def test_a_name_that_is_none_is_refused(people: Engine, ines: User, name: str) -> None:
    with pytest.raises(UsageError, match="is no name for a token"):
        made(people, ines, name)


# ---------------------------------------------------------------------------------------------------------------------
# The command line


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings with a user, Ines."""
    settings_of(tmp_path)
    churn("user", "add", INES, "--role", "csm", "-c", tmp_path / "churn.toml")
    return tmp_path / "churn.toml"


def test_tokens_are_made_listed_and_revoked(config: Path) -> None:
    """The token is shown once; all that was done stands in the audit log."""
    added = churn("token", "add", "crm", "--as", INES.upper(), "--scope", "write", "-c", config, "--json").record()
    assert {"name": "crm", "user": INES, "scope": "write", "token": added["token"]} == added
    listed = churn("token", "list", "-c", config)
    assert listed.stdout.startswith(f"crm: write as {INES}, made ")
    assert added["token"] not in listed.stdout
    assert listed.stdout.strip().endswith("never used")
    assert "crm is let in no more.\n" == churn("token", "revoke", "crm", "-c", config).stdout
    (told,) = churn("token", "list", "-c", config, "--json").record()["tokens"]
    assert ("crm", INES, "write", None) == (told["name"], told["user"], told["scope"], told["used_at"])
    assert told["revoked_at"] is not None
    engine = connect(f"sqlite:///{config.parent / 'churn.db'}")
    with reading(engine) as connection:
        lines = [line["deed"] for line in rows_of(connection, AUDIT_LOG)]
        assert added["token"] not in str([*rows_of(connection, AUDIT_LOG)])
    engine.dispose()
    assert ["token added", "token revoked"] == lines[-2:]


def test_a_token_reads_unless_told_otherwise(config: Path) -> None:
    assert "read" == churn("token", "add", "bi", "--as", INES, "-c", config, "--json").record()["scope"]


def test_before_there_is_a_token_the_list_says_how_to_make_one(tmp_path: Path) -> None:
    """And makes no store by looking."""
    settings_of(tmp_path)
    assert "churn token add" in churn("token", "list", "-c", tmp_path / "churn.toml").stdout
    assert ["churn.toml"] == [each.name for each in tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("add", "crm", "--as", "nobody@example.com"), "churn user add nobody@example.com"),
        (("add", "CRM", "--as", INES), "is no name for a token"),
        (("add", "crm"), "--as"),
        (("revoke", "crm"), "churn token list"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(config: Path, arguments: tuple[str, ...], told: str) -> None:
    answer = churn("token", *arguments, "-c", config)
    assert (2, True) == (answer.exit_status, told in answer.message)


def test_a_public_console_needs_its_secret_for_tokens_too(config: Path) -> None:
    answer = churn("token", "add", "crm", "--as", INES, "-c", config, env={"CHURN__CONSOLE__HOST": "0.0.0.0"})
    assert (2, True) == (answer.exit_status, "CHURN__CONSOLE__SECRET" in answer.message)
