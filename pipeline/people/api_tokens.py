"""Tokens of the API: by which other programs are let in, as whom, and to do what.

A program acts as a user and sees and does what they may, if its token's scope lets it. A token is shown once; the store
holds its digest. A name is given once, also after a token was revoked: the audit log tells programs apart by it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args

from sqlalchemy import Connection, Select, insert, select, update

from pipeline.errors import UsageError
from pipeline.people.schema import API_TOKENS, USERS
from pipeline.people.tokens import digest, new_token
from pipeline.people.users import User, user_of

__all__ = ["SCOPES", "ApiToken", "Scope", "add", "every_token", "holder", "is_use_due", "revoke", "used"]

Scope = Literal["read", "write"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

_MARK: Final = "churn_"  # by which searches for secrets that were left in code find it
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_NOTED: Final = timedelta(minutes=5)  # a use that soon after another is not written down


@dataclass(frozen=True)
class ApiToken:
    """A token without what opens anything: whose it is, and as which user (`email`) it acts."""

    name: str
    user_id: str
    email: str
    scope: Scope
    created_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None

    def as_record(self) -> dict[str, Any]:
        """The same as plain data."""
        times = {each: getattr(self, each) for each in ("created_at", "used_at", "revoked_at")}
        told = {each: time and time.isoformat() for each, time in times.items()}
        return {"name": self.name, "user": self.email, "scope": self.scope, **told}


def add(connection: Connection, name: str, user: User, scope: Scope, secret: str, now: datetime) -> str:
    """The token of a program, which acts as that user. Raises `UsageError` for a name that is none or was given."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for a token. Name it after the program that holds it, in up to 64 small letters, "
            "digits, dots and hyphens, such as crm-sync."
        )
    if _find(connection, name) is not None:
        raise UsageError(
            f"There is or was a token called {name}. Choose another name, such as {name}-2: the audit log tells "
            "programs apart by it."
        )
    token = _MARK + new_token()
    kept = {"name": name, "digest": digest(token, secret, "api"), "user_id": user.user_id, "scope": scope}
    connection.execute(insert(API_TOKENS).values(**kept, created_at=now))
    return token


def every_token(connection: Connection) -> list[ApiToken]:
    """All tokens by name, those last that were revoked."""
    ordered = _tokens().order_by(API_TOKENS.c.revoked_at.is_not(None), API_TOKENS.c.name)
    return [_token(row) for row in connection.execute(ordered).mappings()]


def holder(connection: Connection, token: str, secret: str) -> tuple[ApiToken, User] | None:
    """Whose token it is, and as whom they act; None for one that was revoked, never was, or acts as nobody any more."""
    mine = API_TOKENS.c.digest == digest(token, secret, "api")
    row = connection.execute(_tokens().where(mine, API_TOKENS.c.revoked_at.is_(None))).mappings().first()
    user = None if row is None else user_of(connection, row["user_id"])
    return None if row is None or user is None or user.deactivated_at is not None else (_token(row), user)


def is_use_due(token: ApiToken, now: datetime) -> bool:
    """Whether it is time to write down that a token is used."""
    return token.used_at is None or now - token.used_at >= _NOTED


def used(connection: Connection, token: ApiToken, now: datetime) -> None:
    """Write down when a token was used last."""
    connection.execute(update(API_TOKENS).where(API_TOKENS.c.name == token.name).values(used_at=now))


def revoke(connection: Connection, name: str, now: datetime) -> ApiToken:
    """Let a program in no more, from this moment on. Raises `UsageError` where there is no such token any more."""
    found = _find(connection, name)
    if found is None or found.revoked_at is not None:
        was = "There is no token" if found is None else f"Since {found.revoked_at:%Y-%m-%d} there is no token"
        raise UsageError(f"{was} called {name}. See which there are: churn token list")
    connection.execute(update(API_TOKENS).where(API_TOKENS.c.name == name).values(revoked_at=now))
    return found


def _tokens() -> Select[Any]:
    columns = [API_TOKENS.c[name] for name in ApiToken.__dataclass_fields__ if name != "email"]
    return select(*columns, USERS.c.email).join_from(API_TOKENS, USERS)


def _find(connection: Connection, name: str) -> ApiToken | None:
    row = connection.execute(_tokens().where(API_TOKENS.c.name == name)).mappings().first()
    return None if row is None else _token(row)


def _token(row: Mapping[Any, Any]) -> ApiToken:
    return ApiToken(**row)
