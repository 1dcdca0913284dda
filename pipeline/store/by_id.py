"""The accounts of a night by id, a page at a time: for whoever walks through all of them."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from pipeline.store.nights import Night
from pipeline.store.schema import SCORES

__all__ = ["Wanted", "ids_after"]


@dataclass(frozen=True)
class Wanted:
    """Which accounts: of these states, bands and owners (None among them is who has none); None stands for all."""

    states: Collection[str] | None = None
    bands: Collection[str] | None = None
    owners: Collection[str | None] | None = None


def ids_after(connection: Connection, of: Night, last: str, most: int, wanted: Wanted) -> list[str]:
    """The next ids after `last` in that night, in the order of the key, at most so many.

    It goes on through the key where the page before ended, so the last page of a walk costs what the first does. Of
    owners it looks through the book of each, with other filters it reads past those who are not wanted.
    """
    asked: list[Any] = [SCORES.c.run_id == of.run_id]
    if wanted.states is not None:
        asked.append(SCORES.c.state.in_(wanted.states))
    if wanted.bands is not None:
        asked.append(SCORES.c.band.in_(wanted.bands))
    if wanted.owners is None:
        return _next(connection, SCORES.c.account_id, asked, last, most)
    # As a key SQLite would prefer it to the index on owners, and read the whole night for the book of one.
    key = SCORES.c.account_id.concat("")
    books = (_next(connection, key, [*asked, _is_owner(connection, owner)], last, most) for owner in wanted.owners)
    return sorted(chain.from_iterable(books))[:most]  # by code points, as both databases order keys


def _next(connection: Connection, key: ColumnElement[str], asked: list[Any], last: str, most: int) -> list[str]:
    found = select(SCORES.c.account_id).where(*asked, key > last).order_by(key).limit(most)
    return list(connection.execute(found).scalars())


def _is_owner(connection: Connection, owner: str | None) -> Any:
    mine = SCORES.c.owner.is_(None) if owner is None else SCORES.c.owner == owner
    return func.unlikely(mine) if connection.dialect.name == "sqlite" else mine
