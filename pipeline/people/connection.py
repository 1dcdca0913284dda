"""A connection to the people store, which lies beside the published one.

With SQLite it is a file of its own, for a file has one writer and a sign-in must not wait for a night: `churn.db` has
`churn-people.db` beside it. In PostgreSQL it is the schema `churn_people` of the same database.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table, make_url, select
from sqlalchemy.exc import ArgumentError

from pipeline.people.schema import PEOPLE_STORE
from pipeline.store import connection as store
from pipeline.store import making
from pipeline.store.connection import reading, refuse_other_revision

__all__ = ["beside", "connect", "prepare", "reading", "rows_of", "writing"]

_ROWS_AT_ONCE: Final = 5_000


def beside(url: str) -> str:
    """The address of the people store, by that of the published one."""
    try:
        address = make_url(url)
    except ArgumentError:
        return url  # which is no address of a database; `connect` says so
    if not address.drivername.startswith("sqlite") or not address.database:
        return url
    file = Path(address.database)
    people = address.set(database=str(file.with_stem(f"{file.stem}-people")))
    return people.render_as_string(hide_password=False)


def connect(url: str) -> Engine:
    """An engine for the people store beside that of `[store] url`, of which nothing is opened or made until it is used.

    Dispose of it when done. Raises `UsageError` when the URL is none, or speaks of a database that is neither SQLite
    nor PostgreSQL.
    """
    return store.connect(beside(url), PEOPLE_STORE)


def prepare(engine: Engine) -> None:
    """Make the tables where there are none, and bring those of an older churn along, in one transaction.

    For commands; the console does not migrate. Raises `StoreOutdated` for tables of a newer churn, `StoreError` where
    the store cannot be opened.
    """
    making.prepare(engine, brings_along=True)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that writes: all of it on leaving, nothing after an exception.

    Raises `StoreMissing` or `StoreOutdated` where there is nothing that could be written to, `StoreError` where the
    store is gone, full or busy for too long.
    """
    with store.writing(engine) as connection:
        refuse_other_revision(connection)
        yield connection


def rows_of(connection: Connection, table: Table) -> Iterator[dict[str, Any]]:
    """All rows of a table by its key, a few thousand of them in memory."""
    wanted = select(table).order_by(*table.primary_key)
    with connection.execute(wanted, execution_options={"yield_per": _ROWS_AT_ONCE}) as rows:
        yield from (dict(row._mapping) for row in rows)
