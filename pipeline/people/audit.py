"""Lines of the audit log."""

import getpass
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from pipeline.people.schema import AUDIT_LOG

__all__ = ["log_command"]


def log_command(
    connection: Connection, deed: str, at: datetime, details: Mapping[str, Any], account_id: str | None = None
) -> None:
    """Write down what a command did, and under which name its user is known to the machine."""
    told = json.dumps({"by": _login(), **details}, ensure_ascii=False)
    connection.execute(
        insert(AUDIT_LOG).values(at=at, source="command", deed=deed, account_id=account_id, details=told)
    )


def _login() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container a user need not have a name
        return None
