"""Lines of the audit log."""

import getpass
import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Connection, insert

from pipeline.people.schema import AUDIT_LOG

__all__ = ["log_command", "log_deed"]


def log_command(
    connection: Connection, deed: str, at: datetime, details: Mapping[str, Any], account_id: str | None = None
) -> None:
    """Write down what a command did, and under which name its user is known to the machine."""
    _log(connection, "command", deed, at, {"by": _login(), **details}, account_id=account_id)


def log_deed(
    connection: Connection,
    user_id: str | None,
    deed: str,
    at: datetime,
    *,
    source: Literal["console", "api"] = "console",
    account_id: str | None = None,
    as_of: date | None = None,
    **details: Any,
) -> None:
    """Write down what somebody saw or did; `user_id` is None for who is not signed in.

    `details` are without what people wrote.
    """
    _log(connection, source, deed, at, details, user_id=user_id, account_id=account_id, as_of=as_of)


def _log(
    connection: Connection, source: str, deed: str, at: datetime, details: Mapping[str, Any], **of_whom: Any
) -> None:
    told = json.dumps(details, ensure_ascii=False, default=str) if details else None
    connection.execute(insert(AUDIT_LOG).values(at=at, source=source, deed=deed, details=told, **of_whom))


def _login() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container a user need not have a name
        return None
