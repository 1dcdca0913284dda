"""One-time links: how somebody comes in who has no password yet, or has lost it."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from pipeline.people.schema import LINKS, USERS
from pipeline.people.tokens import digest, new_token
from pipeline.people.users import User, user_of

__all__ = ["LASTS", "holder", "make", "use"]

LASTS: Final = timedelta(days=3)
"""Over a weekend."""


def make(connection: Connection, user: User, secret: str, now: datetime) -> str:
    """The token of a new link for a user. Those made for them before work no longer; all that are over go."""
    token = new_token()
    connection.execute(delete(LINKS).where((LINKS.c.user_id == user.user_id) | (LINKS.c.ends_at <= now)))
    kept = {"digest": digest(token, secret, "link"), "user_id": user.user_id, "created_at": now, "ends_at": now + LASTS}
    connection.execute(insert(LINKS).values(**kept))
    return token


def holder(connection: Connection, token: str, secret: str, now: datetime) -> User | None:
    """For whom a link was made; None where it is over, was used, or never was. Looking does not use it."""
    user_id = connection.execute(
        select(LINKS.c.user_id)
        .join(USERS, USERS.c.user_id == LINKS.c.user_id)
        .where(LINKS.c.digest == digest(token, secret, "link"), LINKS.c.ends_at > now)
        .where(USERS.c.deactivated_at.is_(None))
    ).scalar()
    return None if user_id is None else user_of(connection, user_id)


def use(connection: Connection, token: str, secret: str, now: datetime) -> User | None:
    """The same, and the link is used up. Of two who use it at once one is let in."""
    user = holder(connection, token, secret, now)
    gone = connection.execute(delete(LINKS).where(LINKS.c.digest == digest(token, secret, "link")))
    return user if gone.rowcount == 1 else None
