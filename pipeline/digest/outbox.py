"""The outbox: what was sent to whom, in the people store, so that a letter is sent once.

A letter is claimed before it is sent and marked as sent after it. Who dies between leaves a claim, which nobody can
tell from a letter that went out in the last moment; after ten minutes another run takes it over and sends the letter
(again): a notice that nobody heard of is worse than one that came twice, and both carry one Message-ID.
"""

import secrets
from collections.abc import Mapping
from datetime import date, timedelta
from enum import Enum
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Engine, Table, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.digest.news import REST_DAYS, Change
from pipeline.people.connection import writing
from pipeline.people.schema import ANNOUNCEMENTS, MESSAGES
from pipeline.store.connection import clock, retried

__all__ = ["CLAIM_SECONDS", "Answer", "Envelope", "announced", "claim", "end", "owed"]

CLAIM_SECONDS: float = 600
"""After so long a claim that came to no end is taken for that of a dead run."""

_LONGEST_ERROR: Final = 500


class Envelope(NamedTuple):
    """Which letter: of a night, to a manager, by a channel."""

    as_of: date
    recipient: str
    channel: str


class Answer(Enum):
    """Why a letter cannot be claimed."""

    SENT = "sent"
    HELD = "held"


def announced(connection: Connection, as_of: date) -> dict[str, dict[str, set[Change]]]:
    """What letters of the fortnight before that night named, by channel and account; one not sent has named nobody."""
    known = (ANNOUNCEMENTS.c.as_of > as_of - timedelta(days=REST_DAYS)) & (ANNOUNCEMENTS.c.as_of < as_of)
    joined = ANNOUNCEMENTS.join(MESSAGES)
    rows = select(ANNOUNCEMENTS.c.channel, ANNOUNCEMENTS.c.account_id, ANNOUNCEMENTS.c.change).select_from(joined)
    found: dict[str, dict[str, set[Change]]] = {}
    for channel, account_id, change in connection.execute(rows.where(known, MESSAGES.c.state == "sent")).all():
        found.setdefault(channel, {}).setdefault(account_id, set()).add(Change(change))
    return found


def owed(connection: Connection, first: date, as_of: date) -> set[tuple[str, str]]:
    """Whose letter of the week's first night could not be sent, nor one since, by which channel."""
    who = (MESSAGES.c.recipient, MESSAGES.c.channel)
    failed = select(*who).where(MESSAGES.c.as_of == first, MESSAGES.c.state != "sent")
    since = select(*who).where(MESSAGES.c.as_of > first, MESSAGES.c.as_of < as_of, MESSAGES.c.state == "sent")
    return {(row[0], row[1]) for row in connection.execute(failed.except_(since)).all()}


def claim(engine: Engine, envelope: Envelope) -> str | Answer:
    """The right to send it, as a token; or that it was sent, or is another's for now."""
    token = secrets.token_hex(16)
    return retried(lambda: _claim(engine, envelope, token))


def _claim(engine: Engine, envelope: Envelope, token: str) -> str | Answer:
    with writing(engine) as connection:
        now = clock(connection)
        mine: dict[str, Any] = {"state": "claimed", "claim": token, "claimed_at": now, "ended_at": None, "error": None}
        made = _unless_there(connection, MESSAGES).values(**envelope._asdict(), **mine).on_conflict_do_nothing()
        if connection.execute(made).rowcount == 1:
            return token
        left = (MESSAGES.c.state == "claimed") & (MESSAGES.c.claimed_at < now - timedelta(seconds=CLAIM_SECONDS))
        free = (MESSAGES.c.state == "failed") | left | (MESSAGES.c.claim == token)  # ours: a commit's answer was lost
        taken = update(MESSAGES).where(_is(envelope), MESSAGES.c.state != "sent", free).values(**mine)
        if connection.execute(taken).rowcount == 1:
            return token
        state = connection.execute(select(MESSAGES.c.state).where(_is(envelope))).scalar_one()
        return Answer.SENT if state == "sent" else Answer.HELD


def end(engine: Engine, envelope: Envelope, token: str, names: Mapping[str, Change], error: str | None = None) -> None:
    """Mark it as sent, with what it named, or as failed; where another took it over meanwhile, that one does."""
    retried(lambda: _end(engine, envelope, token, names, error))


def _end(engine: Engine, envelope: Envelope, token: str, names: Mapping[str, Change], error: str | None) -> None:
    with writing(engine) as connection:
        state = "sent" if error is None else "failed"
        how = {"state": state, "ended_at": clock(connection), "error": error and error[:_LONGEST_ERROR]}
        ours = update(MESSAGES).where(_is(envelope), MESSAGES.c.claim == token)
        if connection.execute(ours.values(**how)).rowcount == 0 or error is not None or not names:
            return
        same = [column == value for column, value in zip(_NAMED, envelope, strict=True)]
        connection.execute(delete(ANNOUNCEMENTS).where(*same))
        rows = [{**envelope._asdict(), "account_id": name, "change": change.value} for name, change in names.items()]
        connection.execute(insert(ANNOUNCEMENTS), rows)


_KEY: Final = (MESSAGES.c.as_of, MESSAGES.c.recipient, MESSAGES.c.channel)
_NAMED: Final = (ANNOUNCEMENTS.c.as_of, ANNOUNCEMENTS.c.recipient, ANNOUNCEMENTS.c.channel)


def _is(envelope: Envelope) -> ColumnElement[bool]:
    return (
        (MESSAGES.c.as_of == envelope.as_of)
        & (MESSAGES.c.recipient == envelope.recipient)
        & (MESSAGES.c.channel == envelope.channel)
    )


def _unless_there(connection: Connection, table: Table) -> "postgresql.Insert | sqlite.Insert":
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    made: postgresql.Insert | sqlite.Insert = dialect.insert(table)
    return made
