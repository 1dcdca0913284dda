"""PostgreSQL as a warehouse: looked at and read within one transaction that can write nothing.

Each table is read as of the moment at which its reading begins. As of one moment for all, a table that is emptied and
filled anew meanwhile, or put in another's place, would be found empty.
"""

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from pipeline.errors import FailedError, UsageError
from pipeline.files import Fault
from pipeline.sections import Source, SqlSource, nearest
from pipeline.warehouse.binary_rows import record_batches
from pipeline.warehouse.relations import Relation, one_statement, relation_of

__all__ = ["Lost", "Table", "Warehouse", "address", "read_only"]

_CONNECTION: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "application_name": "churn",
    "client_encoding": "UTF8",
}

_REFUSED: Final = ("authentication failed", "no password supplied", "does not exist", "pg_hba.conf", "not permitted")
"""What servers say at the door where a retry will not help; they give no code there."""

_BUSY: Final = frozenset({"40001", "55P03"})  # a replica that has to go on; a table that is locked for too long


class Lost(Exception):
    """The server gave no answer, or broke off: the same may succeed later."""


@dataclass(frozen=True)
class Table:
    """A table or view that the role may select from: its name as it stands in the settings, about how many rows.

    `is_view` says that no sample can be taken of it.
    """

    name: str
    rows: int
    is_view: bool


def address(connection: str) -> str:
    """A connection as it may be shown and stored: without its password and its options.

    >>> address("postgresql://reader:secret@db.example.com/shop?sslmode=require")
    'postgresql://reader@db.example.com:5432/shop'
    """
    try:
        known = conninfo_to_dict(connection)
        int(known.get("port") or 5432)
    except (psycopg.Error, ValueError):  # their text may hold the password
        raise UsageError(
            "[data] connection is the address of no server: write postgresql://user@host:5432/database, with % and two "
            "hexadecimal digits for marks such as @ and / in a password."
        ) from None
    user = f"{known['user']}@" if known.get("user") else ""
    host = known.get("host") or "localhost"
    return f"postgresql://{user}{host}:{known.get('port') or 5432}/{known.get('dbname') or known.get('user') or ''}"


@contextmanager
def read_only(connection: str) -> Iterator["Warehouse"]:
    """The warehouse, in a transaction that can write nothing.

    Raises
    ------
    UsageError
        When the address is none, or the server refuses the user, the password or the database.
    Lost
        When the server cannot be reached, or the connection breaks.
    """
    shown = address(connection)
    try:
        with psycopg.connect(connection, autocommit=False, prepare_threshold=None, **_CONNECTION) as opened:  # type: ignore[arg-type]
            opened.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            opened.read_only = True
            opened.execute("SET LOCAL timezone = 'UTC'")
            opened.execute("SET LOCAL datestyle = 'ISO, YMD'")
            yield Warehouse(opened)
    except psycopg.Error as error:
        if error.sqlstate is None and any(words in str(error) for words in _REFUSED):
            raise UsageError(
                f"The warehouse {shown} lets nobody in by this name: {_first_line(error)} Check [data] connection; the "
                "password comes from the environment, CHURN__DATA__CONNECTION or PGPASSWORD."
            ) from error
        if _is_lost(error):
            raise Lost(_first_line(error)) from error
        raise FailedError(f"The warehouse {shown} cannot be read: {_first_line(error)}") from error


class Warehouse:
    """A transaction in which tables are looked at and read."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    @property
    def now(self) -> datetime:
        """When the transaction began, in UTC, by the server's clock."""
        began: datetime = self._one("SELECT transaction_timestamp()")
        return began.astimezone(UTC)

    @property
    def role(self) -> str:
        """By which name this connection is known there."""
        return self._connection.info.user

    @property
    def about(self) -> str:
        """The server's version and the role."""
        version, role = self._one("SELECT ARRAY[current_setting('server_version'), current_user::text]")
        return f"PostgreSQL {version.split()[0]} as {role}"

    def tables(self) -> list[Table]:
        """Every table and view that the role may select from, those of the system apart, by name."""
        found = self._connection.execute(
            "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.reltuples::bigint, "
            "c.relkind IN ('v', 'f') "
            "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition "
            "AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_t%' "
            "AND has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT') ORDER BY 1"
        )
        return [Table(*row) for row in found]

    def relation(self, source: Source) -> Relation | Fault:
        """A table by its name, or a query; why it cannot be read where it cannot."""
        try:
            with self._connection.transaction():
                return self._query(source.sql) if isinstance(source, SqlSource) else self._table(source)
        except psycopg.Error as error:
            return self._fault(error, source)

    def read(
        self,
        relation: Relation,
        names: list[str],
        since: tuple[str, datetime] | None = None,
        *,
        sample: float | None = None,
        most: int | None = None,
        longest: int | None = None,
    ) -> Generator[pa.RecordBatch, None, None]:
        """Some columns of all rows, or of those whose time is unknown or not before `since` (column, midnight).

        `sample` takes so many per cent from all over a table, `most` so many rows, `longest` so much of each text.
        Raises `psycopg.Error`; `fault` says it in our words.
        """
        query: sql.Composable = relation.selected(names, longest)
        if sample is not None:
            query += sql.SQL(f" TABLESAMPLE SYSTEM ({sample:f}) REPEATABLE (1)")
        if since is not None:
            column, day = sql.Identifier(since[0]), sql.Literal(f"{since[1]:%Y-%m-%d}")
            query += sql.SQL(" WHERE {} >= {} OR {} IS NULL").format(column, day, column)
        if most is not None:
            query += sql.SQL(f" LIMIT {most}")
        copy = sql.SQL("COPY (") + query + sql.SQL(") TO STDOUT (FORMAT binary)")
        with self._connection.transaction(), self._connection.cursor() as cursor, cursor.copy(copy) as rows:
            yield from record_batches(rows, relation.kinds(names))

    def count(self, relation: Relation) -> int:
        """How many rows there are, counted."""
        rows: int = self._one(f"SELECT count(*) FROM {relation.rows}")
        return rows

    def fault(self, error: psycopg.Error | pa.ArrowInvalid, source: Source) -> Fault:
        """Why a source could not be read to its end.

        Raises `Lost` where the server is gone rather than the source wrong.
        """
        if isinstance(error, pa.ArrowInvalid):
            return Fault(f"holds text that is not UTF-8: {_place(source)}", "Convert it there, or in a sql source.")
        return self._fault(error, source)

    def _table(self, name: str) -> Relation | Fault:
        found = self._connection.execute("SELECT to_regclass(%s)::oid, to_regclass(%s)::text", (name, name)).fetchone()
        if found is None or found[0] is None:
            if re.search(r"[/*]|\.(parquet|csv|tsv)$", name):
                return _no_name(name)
            known = [table.name for table in self.tables()]
            there = nearest(name, known) or "; this role may select from none"
            return Fault(f"no table {name} in the warehouse{there}", "Correct the name: schema.table.")
        columns = self._connection.execute(
            "SELECT attname, atttypid, has_column_privilege(attrelid, attnum, 'SELECT') FROM pg_attribute "
            "WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            (found[0],),
        ).fetchall()
        readable = {name: oid for name, oid, may in columns if may}
        hidden = tuple(name for name, _, may in columns if not may)
        if not readable:
            return self._forbidden(name)
        return relation_of(found[1], readable, hidden)

    def _query(self, query: str) -> Relation | Fault:
        rows = one_statement(query)
        if isinstance(rows, Fault):
            return rows
        described = self._connection.execute(f"SELECT * FROM {rows} LIMIT 0".encode()).description or []
        return relation_of(rows, {column.name: column.type_code for column in described})

    def _fault(self, error: psycopg.Error, source: Source) -> Fault:
        if _is_lost(error):
            raise Lost(_first_line(error)) from error
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            return self._forbidden(_place(source), _first_line(error))
        if isinstance(error, psycopg.errors.InvalidName | psycopg.errors.SyntaxError) and isinstance(source, str):
            return _no_name(source)
        return Fault(f"cannot be read: {_place(source)}", f"The warehouse says: {_first_line(error)}")

    def _forbidden(self, what: str, why: str = "permission denied.") -> Fault:
        return Fault(
            f"may not be read by {self.role}: {what}",
            f"The warehouse says: {why} Give the right there: GRANT USAGE ON SCHEMA … TO {self.role}; GRANT SELECT ON "
            f"… TO {self.role}.",
        )

    def _one(self, query: str) -> Any:
        row = self._connection.execute(query.encode()).fetchone()
        return row[0] if row else None


def _is_lost(error: psycopg.Error) -> bool:
    """Whether there is no answer, rather than one that says what is wrong."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate.startswith(("08", "53", "57P")) or error.sqlstate in _BUSY


def _no_name(source: str) -> Fault:
    remedy = "With [data] connection a source is a table there, such as crm.accounts, or { sql = … }."
    return Fault(f"is no name of a table: {source}", remedy)


def _place(source: Source) -> str:
    return "its sql" if isinstance(source, SqlSource) else source


def _first_line(error: Exception) -> str:
    told = str(error).strip().splitlines()
    return f"{told[0].rstrip('.')}." if told else f"{type(error).__name__}."
