"""A connection to a store: SQLite in WAL mode by default, or PostgreSQL.

In both, readers and the one writer do not wait for one another. In PostgreSQL the tables lie in a schema of their own,
so that a database may hold others beside them. An engine knows which kind of store it leads to.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from sqlalchemy import Connection, Engine, create_engine, event, func, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from pipeline.ending import in_one_piece
from pipeline.errors import StoreError, StoreMissing, StoreOutdated, UsageError
from pipeline.store.kind import Kind
from pipeline.store.schema import PUBLISHED_STORE, STORE_VERSION

__all__ = ["clock", "connect", "kind_of", "plainly", "reading", "refuse_other_revision", "retried", "shown", "writing"]

T = TypeVar("T")

BUSY_SECONDS = 30
RETRY_SECONDS: tuple[float, ...] = (1, 2, 4, 8, 15)
"""How long to wait before each further try of what a lost connection has undone: half a minute, as a restart takes."""

IDLE_SECONDS = 60
_CONNECTIONS: Final = 40
"""As many as the console answers requests at once, in threads of anyio's; none is opened before it is used."""

_TO_SERVER: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_ONE_VERSION: Final = "store_version"  # what stores had that were made before there were migrations


def connect(url: str, kind: Kind = PUBLISHED_STORE) -> Engine:
    """An engine for a store of that kind. Nothing is opened or made until it is used; dispose of it when done.

    Raises
    ------
    UsageError
        When the URL is none, or speaks of a database that is neither SQLite nor PostgreSQL.
    """
    try:
        address = make_url(url)
        if address.drivername in {"postgresql", "postgres"}:
            address = address.set(drivername="postgresql+psycopg")
        of_server = {"pool_pre_ping": True, "connect_args": _TO_SERVER}
        is_file = address.drivername.startswith("sqlite")
        engine = create_engine(address, pool_size=_CONNECTIONS, **({} if is_file else of_server))
    except (ArgumentError, NoSuchModuleError, ImportError, TypeError) as error:  # the text may hold the password
        raise UsageError(
            "[store] url is the address of no database that can be used: write sqlite:///churn.db or "
            "postgresql://user@host:5432/database."
        ) from error
    engine.update_execution_options(kind=kind)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", partial(_set_up_sqlite, kind))
        event.listen(engine, "begin", _begin_sqlite)
    elif engine.dialect.name == "postgresql":
        event.listen(engine, "connect", partial(_set_up_postgresql, kind), insert=True)
    else:
        raise UsageError(f"[store] url speaks of {engine.dialect.name}. Use SQLite or PostgreSQL.")
    return engine


def kind_of(engine: Engine | Connection) -> Kind:
    """Which kind of store it leads to."""
    return cast("Kind", engine.get_execution_options()["kind"])


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection that sees the store as it is now, until it is left, whatever is published meanwhile.

    Raises `StoreMissing` or `StoreOutdated` where there is nothing that could be read, `StoreError` without a folder.
    """
    file = Path(engine.url.database or "")
    if engine.dialect.name == "sqlite" and file.parent.is_dir() and not file.is_file():  # it would make an empty one
        raise StoreMissing(kind_of(engine).nowhere.format(where=shown(engine)))
    level = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with plainly(engine), engine.execution_options(**level).connect() as connection, connection.begin():
        refuse_other_revision(connection)
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that writes: all of it on leaving, nothing after an exception.

    A signal waits for its end, unless it takes long.
    SQLite takes the lock of its one writer at once and waits up to 30 seconds for it. Raises `StoreError` where the
    store is gone, full or busy for longer.
    """
    with (
        in_one_piece(),
        plainly(engine),
        engine.connect().execution_options(writes=True) as connection,
        connection.begin(),
    ):
        yield connection


def retried(work: Callable[[], T]) -> T:
    """What `work` gives, tried again where the connection to a server was lost or refused.

    It may have been done already: a connection can be lost after a commit and before its answer.
    """
    for seconds in RETRY_SECONDS:
        try:
            return work()
        except StoreError as error:
            if not _is_lost(error.__cause__):
                raise
        time.sleep(seconds)
    return work()


def _is_lost(error: BaseException | None) -> bool:
    """Whether the server gave no answer, shut down or starts up; one that answers what is wrong is not lost."""
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", "none of a server")
    if state is None and isinstance(error, OperationalError):  # there was no connection, or there is none any more
        return "authentication failed" not in str(error.orig)
    # Lost, shutting down, cut for having been idle in a transaction, or behind one who has not been cut for that yet.
    return str(state).startswith(("08", "57P")) or state in {"25P03", "55P03"}


def refuse_other_revision(connection: Connection) -> None:
    """Raise `StoreMissing` where there are no tables, `StoreOutdated` where they are of another revision."""
    tables, where, kind = inspect(connection), shown(connection.engine), kind_of(connection)
    if tables.has_table(_ONE_VERSION):
        raise StoreOutdated(
            f"The store {where} is older than the steps that bring stores along (it has a table {_ONE_VERSION}). Move "
            "it aside and score again (churn score); nights of the past are made again by churn backfill."
        )
    if not tables.has_table(STORE_VERSION.name):
        raise StoreMissing(kind.empty.format(where=where))
    found = connection.execute(select(STORE_VERSION.c.version_num)).scalar()
    if found != kind.revision:
        raise StoreOutdated(
            f"The {kind.called} {where} has revision {found}, this churn knows revision {kind.revision}. The next "
            "night brings an older one along (churn score); for a newer one use the newer churn."
        )


@contextmanager
def plainly(engine: Engine) -> Iterator[None]:
    """Say database errors with the store's address and without the SQL."""
    called = kind_of(engine).called
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        if "database is locked" in str(reason):
            raise StoreError(
                f"The {called} {shown(engine)} cannot be used: database is locked, for more than {BUSY_SECONDS} "
                "seconds. Is there a process that was stopped in the middle of writing? Let it go on, or end it."
            ) from error
        said, place = " ".join(str(reason).split()), "folder" if engine.dialect.name == "sqlite" else "server"
        secret = (
            " The password comes from the environment, CHURN__STORE__URL or PGPASSWORD." if "password" in said else ""
        )
        raise StoreError(
            f"The {called} {shown(engine)} cannot be used: {said}. Check [store] url, the {place} and the rights there."
            f"{secret}"
        ) from error


def clock(connection: Connection) -> datetime:
    """The store's clock, in UTC: the machines that use one store need not agree about the time."""
    now = connection.execute(select(func.current_timestamp())).scalar_one()
    return now.astimezone(UTC) if now.tzinfo else now.replace(tzinfo=UTC)


def shown(engine: Engine) -> str:
    """The store's address without its password."""
    return engine.url.set(drivername=engine.dialect.name, query={}).render_as_string(hide_password=True)


def _set_up_sqlite(kind: Kind, dbapi_connection: Any, _: object) -> None:
    dbapi_connection.isolation_level = None  # the driver begins no transactions of its own: `_begin_sqlite` does
    cursor = dbapi_connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute(f"PRAGMA synchronous = {kind.synchronous}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _set_up_postgresql(kind: Kind, dbapi_connection: Any, _: object) -> None:
    was = dbapi_connection.autocommit
    dbapi_connection.autocommit = True  # else what is set would go with the first transaction that is rolled back
    with dbapi_connection.cursor() as cursor:
        cursor.execute(f"SET search_path = {kind.schema}")
        cursor.execute("SET TIME ZONE 'UTC'")
        cursor.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
        # A machine that stopped in the middle of a transaction must not hold its locks for hours.
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
        cursor.execute("SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3")
    dbapi_connection.autocommit = was
