"""Sessions: who is signed in. They end after half a day without a visit, and after a week whatever happens."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from pipeline.people.schema import SESSIONS, USERS
from pipeline.people.tokens import digest, new_token
from pipeline.people.users import User, user_of

__all__ = ["IDLE", "LONGEST", "end", "signed_in", "start", "visited"]

IDLE: Final = timedelta(hours=12)
LONGEST: Final = timedelta(days=7)

_NOTED: Final = timedelta(minutes=5)  # a visit that soon after another is not written down: most visits only read


def start(connection: Connection, user: User, secret: str, now: datetime) -> str:
    """Sign a user in: a new token, which no browser held before. Sessions that are over go."""
    token = new_token()
    over = (SESSIONS.c.seen_at <= now - IDLE) | (SESSIONS.c.created_at <= now - LONGEST)
    connection.execute(delete(SESSIONS).where(over))
    kept = {"digest": digest(token, secret, "session"), "user_id": user.user_id, "created_at": now, "seen_at": now}
    connection.execute(insert(SESSIONS).values(**kept))
    return token


def signed_in(connection: Connection, token: str, secret: str, now: datetime) -> tuple[User, bool] | None:
    """Who holds a token, and whether it is time to write their visit down; None for who has to sign in."""
    row = connection.execute(
        select(SESSIONS.c.user_id, SESSIONS.c.created_at, SESSIONS.c.seen_at)
        .join(USERS, USERS.c.user_id == SESSIONS.c.user_id)
        .where(SESSIONS.c.digest == digest(token, secret, "session"), USERS.c.deactivated_at.is_(None))
    ).first()
    if row is None or now - row.seen_at >= IDLE or now - row.created_at >= LONGEST:
        return None
    user = user_of(connection, row.user_id)
    return None if user is None else (user, now - row.seen_at >= _NOTED)


def visited(connection: Connection, token: str, secret: str, now: datetime) -> None:
    """Let the half day begin anew."""
    ours = SESSIONS.c.digest == digest(token, secret, "session")
    connection.execute(update(SESSIONS).where(ours).values(seen_at=now))


def end(connection: Connection, token: str, secret: str) -> None:
    """Sign out."""
    connection.execute(delete(SESSIONS).where(SESSIONS.c.digest == digest(token, secret, "session")))
