"""Which accounts were forgotten, and how one is.

What was counted of an account stays, under a pseudonym; what could tell who it was goes. The list of the forgotten
holds no ids but digests of them under a salt: a night that finds the id in its tables knows it again, and nobody can
read it off the list. The pseudonym is made from the digest.

The salt is the same in all rows that one store wrote; a backup that was brought back from another can bring one more.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, Connection, func, insert, select, update

from pipeline.people.schema import ACTIONS, ANNOUNCEMENTS, AUDIT_LOG, FORGOTTEN, HOLD_OUT, NOTES, OUTCOMES

__all__ = ["PSEUDONYM", "Forgotten", "erase", "erase_all", "forgotten", "mentions", "remember"]

PSEUDONYM: Final = "forgotten-"
"""What the pseudonyms of forgotten accounts begin with."""

_HELD: Final[tuple[tuple[Column[Any], Mapping[str, None]], ...]] = (
    (NOTES.c.account_id, {"body": None}),
    (OUTCOMES.c.account_id, {}),
    (ACTIONS.c.account_id, {"next_step": None}),
    (ANNOUNCEMENTS.c.account_id, {}),
    (HOLD_OUT.c.root_id, {}),
    (AUDIT_LOG.c.account_id, {"details": None}),
)
"""Where the id of an account stands, and what people wrote beside it."""


@dataclass(frozen=True)
class Forgotten:
    """The forgotten accounts: digests of their ids, by the salt that they were made with."""

    digests: Mapping[str, frozenset[str]]

    def __bool__(self) -> bool:
        return bool(self.digests)

    def pseudonym(self, account_id: str) -> str | None:
        """What stands in the place of a forgotten account's id; None for an account that was not forgotten."""
        for salt, digests in self.digests.items():
            if (digest := _digest(account_id, salt)) in digests:
                return _pseudonym(digest)
        return None


def forgotten(connection: Connection) -> Forgotten:
    """All that were forgotten."""
    found: dict[str, set[str]] = {}
    for salt, digest in connection.execute(select(FORGOTTEN.c.salt, FORGOTTEN.c.digest)):
        found.setdefault(salt, set()).add(digest)
    return Forgotten({salt: frozenset(digests) for salt, digests in found.items()})


def remember(connection: Connection, account_id: str, at: datetime) -> str:
    """Put an account on the list, where it is not yet, and give its pseudonym."""
    known = forgotten(connection)
    if (pseudonym := known.pseudonym(account_id)) is not None:
        return pseudonym
    salt = next(iter(sorted(known.digests)), None) or secrets.token_hex(16)
    digest = _digest(account_id, salt)
    connection.execute(insert(FORGOTTEN).values(digest=digest, salt=salt, at=at))
    return _pseudonym(digest)


def mentions(connection: Connection, account_id: str) -> int:
    """How many rows there are about an account."""
    counts = (select(func.count()).select_from(column.table).where(column == account_id) for column, _ in _HELD)
    return sum(connection.execute(count).scalar_one() for count in counts)


def erase(connection: Connection, account_id: str, pseudonym: str) -> dict[str, int]:
    """Take an account's id and what was written about it out of every table; gives the number of rows by table."""
    found: dict[str, int] = {}
    for column, written in _HELD:
        gone = update(column.table).where(column == account_id).values({column.name: pseudonym, **written})
        found[column.table.name] = connection.execute(gone).rowcount
    return found


def erase_all(connection: Connection) -> None:
    """Do so for all accounts on the list."""
    known = forgotten(connection)
    held = {account_id for column, _ in _HELD for account_id in connection.execute(select(column).distinct()).scalars()}
    for account_id in held if known else ():
        if account_id is not None and (pseudonym := known.pseudonym(account_id)) is not None:
            erase(connection, account_id, pseudonym)


def _digest(account_id: str, salt: str) -> str:
    return hashlib.blake2b(account_id.encode(), key=bytes.fromhex(salt), digest_size=32).hexdigest()


def _pseudonym(digest: str) -> str:
    return f"{PSEUDONYM}{digest[:16]}"
