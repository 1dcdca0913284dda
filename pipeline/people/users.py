"""Users: who may sign in, and as what."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal, get_args

from sqlalchemy import ColumnElement, Connection, insert, select, update

from pipeline.addresses import is_mail_address, recipient
from pipeline.errors import UsageError
from pipeline.people.schema import API_TOKENS, LINKS, SESSIONS, USERS, new_id

__all__ = [
    "ROLES",
    "Role",
    "User",
    "add",
    "deactivate",
    "every_user",
    "find",
    "password_of",
    "set_language",
    "set_password",
    "user_of",
]

Role = Literal["csm", "manager", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)


@dataclass(frozen=True)
class User:
    """Somebody who may sign in, or could once. `email` is as `pipeline.addresses.recipient` writes it."""

    user_id: str
    email: str
    name: str | None
    role: Role
    language: str | None
    created_at: datetime
    deactivated_at: datetime | None
    has_password: bool

    @property
    def called(self) -> str:
        """The name, or the address of who has none."""
        return self.name or self.email


def add(connection: Connection, email: str, role: Role, now: datetime, name: str | None = None) -> User:
    """A new user, or one who was deactivated and is let in again; they cannot sign in before they have used a link.

    Raises `UsageError` for who is there already.
    """
    wanted = recipient(email)
    if not is_mail_address(wanted):
        raise UsageError(f"{email!r} is no e-mail address, such as ines@example.com. Users are known by theirs.")
    found = find(connection, wanted)
    if found is not None and found.deactivated_at is None:
        raise UsageError(f"{wanted} is a user already. A new link for them: churn user link {wanted}")
    if found is not None:
        again: dict[str, Any] = {"role": role, "name": name or found.name, "deactivated_at": None}
        _change(connection, found, **again, password_hash=None)
        return replace(found, **again, has_password=False)
    made = User(new_id(), wanted, name or None, role, None, now, None, has_password=False)
    kept = {field: value for field, value in vars(made).items() if field != "has_password"}
    connection.execute(insert(USERS).values(**kept))
    return made


def find(connection: Connection, email: str) -> User | None:
    """The user of an address, in whatever case it is written; what is no address is nobody's, nor asked for."""
    who = recipient(email)
    return _one(connection, USERS.c.email == who) if is_mail_address(who) else None


def user_of(connection: Connection, user_id: str) -> User | None:
    """The user of an id."""
    return _one(connection, USERS.c.user_id == user_id)


def every_user(connection: Connection) -> list[User]:
    """All users by address, those last who may not sign in any more."""
    ordered = select(USERS).order_by(USERS.c.deactivated_at.is_not(None), USERS.c.email)
    return [_user(row) for row in connection.execute(ordered).mappings()]


def password_of(connection: Connection, user: User | None) -> str | None:
    """What is kept of a user's password; None where there is none, or the user may not sign in."""
    if user is None or user.deactivated_at is not None:
        return None
    kept: str | None = connection.execute(
        select(USERS.c.password_hash).where(USERS.c.user_id == user.user_id)
    ).scalar_one()
    return kept


def set_password(connection: Connection, user: User, password_hash: str) -> None:
    """Give a user a password, and end all their sessions. `hashed` made of it what is kept, before this transaction."""
    _change(connection, user, password_hash=password_hash)
    connection.execute(SESSIONS.delete().where(SESSIONS.c.user_id == user.user_id))


def set_language(connection: Connection, user: User, language: str) -> None:
    """Keep which language a user reads."""
    _change(connection, user, language=language)


def deactivate(connection: Connection, user: User, now: datetime) -> None:
    """Let a user in no more, nor programs that act as them, from this moment on. What they did stays theirs."""
    _change(connection, user, deactivated_at=now)
    for table in (SESSIONS, LINKS):
        connection.execute(table.delete().where(table.c.user_id == user.user_id))
    theirs = API_TOKENS.c.user_id == user.user_id
    connection.execute(update(API_TOKENS).where(theirs, API_TOKENS.c.revoked_at.is_(None)).values(revoked_at=now))


def _change(connection: Connection, user: User, **values: Any) -> None:
    connection.execute(update(USERS).where(USERS.c.user_id == user.user_id).values(**values))


def _one(connection: Connection, condition: ColumnElement[bool]) -> User | None:
    row = connection.execute(select(USERS).where(condition)).mappings().first()
    return None if row is None else _user(row)


def _user(row: Mapping[Any, Any]) -> User:
    fields = dict(row)
    has_password = fields.pop("password_hash") is not None
    return User(**fields, has_password=has_password)
