"""What people did and wrote: rows for the people store, one at least in every table."""

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Engine, Table, insert

from pipeline.people.connection import connect, prepare, reading, rows_of, writing
from pipeline.people.schema import (
    ACTIONS,
    ANNOUNCEMENTS,
    API_TOKENS,
    AUDIT_LOG,
    FORGOTTEN,
    HOLD_OUT,
    LASTING,
    LINKS,
    MESSAGES,
    METADATA,
    NOTES,
    OUTCOMES,
    PEOPLE_STORE,
    SESSIONS,
    USERS,
    new_id,
)
from pipeline.store.kind import Kind

NIGHT = date(2026, 11, 2)
NOW = datetime(2026, 11, 2, 9, 15, 30, 123456, tzinfo=UTC)
AWKWARD = '"It\'s 50 %",\r\n\tsaid  she\\ 客户说预算没了 👩🏽‍💻 <b>&amp;</b> \u2028 {}'


def user(email: str = "mara@example.com", **more: Any) -> dict[str, Any]:
    return {"user_id": new_id(), "email": email, "role": "csm", "created_at": NOW} | more


def action(by: str, account_id: str = "A-1", **more: Any) -> dict[str, Any]:
    made = {"action_id": new_id(), "account_id": account_id, "at": NOW, "user_id": by, "as_of": NIGHT, "kind": "called"}
    return made | more


def note(by: str, account_id: str = "A-1", **more: Any) -> dict[str, Any]:
    made = {"note_id": new_id(), "account_id": account_id, "at": NOW, "user_id": by, "as_of": NIGHT, "body": AWKWARD}
    return made | more


def sample(account_id: str = "A-1") -> dict[Table, list[dict[str, Any]]]:
    """Rows about one account, and one of everything else."""
    mara = user(name="Mara Ek", password_hash="$argon2id$v=19$", language="zh")
    lin = user("lin@example.com", role="manager", deactivated_at=NOW)
    called = action(mara["user_id"], account_id, reached=True, said="billing", next_step=AWKWARD, next_on=NIGHT)
    no_risk = action(lin["user_id"], account_id, kind="not_a_risk", why="seasonal", rests_until=date(2026, 12, 2))
    message = {"as_of": NIGHT, "recipient": "mara@example.com", "channel": "email"}
    about = {"account_id": account_id, "at": NOW, "user_id": mara["user_id"], "as_of": NIGHT}
    return {
        USERS: [mara, lin],
        ACTIONS: [called, no_risk],
        OUTCOMES: [{**about, "outcome_id": new_id(), "action_id": called["action_id"], "outcome": "stays"}],
        NOTES: [note(mara["user_id"], account_id, action_id=called["action_id"]), note(lin["user_id"], account_id)],
        HOLD_OUT: [{"root_id": account_id, "as_of": NIGHT, "drawn_at": NOW, "until": date(2027, 2, 1)}],
        MESSAGES: [{**message, "state": "sent", "claimed_at": NOW, "claim": new_id(), "ended_at": NOW}],
        ANNOUNCEMENTS: [{**message, "account_id": account_id, "change": "new"}],
        AUDIT_LOG: [{**about, "source": "console", "deed": "account seen", "details": '{"page": "account"}'}],
        SESSIONS: [{"digest": "2" * 64, "user_id": mara["user_id"], "created_at": NOW, "seen_at": NOW}],
        LINKS: [
            {"digest": "3" * 64, "user_id": mara["user_id"], "created_at": NOW, "ends_at": NOW + timedelta(days=3)}
        ],
        API_TOKENS: [
            {"name": "crm", "digest": "4" * 64, "user_id": lin["user_id"], "scope": "write", "created_at": NOW}
        ],
        FORGOTTEN: [{"digest": "0" * 64, "salt": "1" * 32, "at": NOW}],
    }


def put(people: Engine, rows: dict[Table, list[dict[str, Any]]]) -> None:
    """Write them, into a store that is made where there is none."""
    prepare(people)
    with writing(people) as connection:
        for table in METADATA.sorted_tables:
            for row in rows.get(table, ()):
                connection.execute(insert(table).values(**row))


def held(people: Engine) -> dict[str, list[dict[str, Any]]]:
    """All that lasts in the store, but the lines of commands in the audit log."""
    with reading(people) as connection:
        found = {table.name: list(rows_of(connection, table)) for table in LASTING}
    found["audit_log"] = [line for line in found["audit_log"] if line["source"] != "command"]
    return found


def newer_churn(steps: Path) -> Kind:
    """The people store of a churn whose tables have taken one step more, in a new folder; it gives users a language."""
    shutil.copytree(PEOPLE_STORE.steps, steps, ignore=shutil.ignore_patterns("__pycache__"))
    (steps / "r9000_language.py").write_text(
        f"from alembic import op\nrevision = '9000'\ndown_revision = '{PEOPLE_STORE.revision}'\n"
        "def upgrade():\n    op.execute(\"UPDATE users SET language = 'en' WHERE language IS NULL\")\n"
    )
    return replace(PEOPLE_STORE, revision="9000", steps=steps)


def another(database: str, address: str, folder: Path) -> Engine:
    """A people store in that database which is not there yet, in the place of any that was."""
    if database == "postgresql":
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("SET client_min_messages = error")
            connection.execute(f"DROP SCHEMA IF EXISTS {PEOPLE_STORE.schema} CASCADE")
        return connect(address)
    return connect(f"sqlite:///{folder / 'another.db'}")
