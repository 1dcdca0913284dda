"""`churn restore`: a backup brought back into either database, whole or not at all."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from sqlalchemy import Connection, Date, DateTime, Engine, MetaData, Table, delete, func, insert, inspect, select, text

from pipeline.errors import RefusedError, UsageError
from pipeline.people.archive import Archive, Manifest, opened
from pipeline.people.audit import log_command
from pipeline.people.connection import prepare, reading, rows_of, writing
from pipeline.people.forgotten import erase_all
from pipeline.people.schema import FORGOTTEN, LASTING, METADATA, PASSING, PEOPLE_STORE
from pipeline.store.columns import UtcTime
from pipeline.store.connection import connect, shown
from pipeline.store.connection import writing as making
from pipeline.store.making import knows, step_to

__all__ = ["restore"]

_BATCH_ROWS: Final = 5_000

_Row = dict[str, Any]

_Source = Callable[[Table], Iterator[_Row]]
"""Gives the rows of a table, as that table takes them."""


def restore(engine: Engine, path: Path, now: datetime, *, replace: bool = False) -> Manifest:
    """Bring a backup back, in one transaction, and say in the audit log that it was done.

    One of an older revision takes the steps since in a file of its own before. Who was forgotten since the backup was
    made stays forgotten.

    Raises
    ------
    UsageError
        When there is no such backup, it is of a newer churn, or the store holds rows and `replace` is not given.
    RefusedError
        When the backup is damaged.
    StoreError
        When the store cannot be written to.
    """
    with opened(path) as archive:
        manifest = archive.manifest
        if manifest.revision == PEOPLE_STORE.revision:
            _refuse_other_tables(archive, LASTING)
            prepare(engine)
            _fill(engine, _of_archive(archive), manifest, now, replace=replace)
        else:
            with _brought_along(archive) as source:
                prepare(engine)
                _fill(engine, source, manifest, now, replace=replace)
    return manifest


def _fill(engine: Engine, source: _Source, manifest: Manifest, now: datetime, *, replace: bool) -> None:
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":  # SQLite has locked everything by now; readers need not wait
            connection.execute(text(f"LOCK TABLE {', '.join(METADATA.tables)} IN EXCLUSIVE MODE"))
        if not replace and any(connection.execute(select(table).limit(1)).first() for table in LASTING):
            raise UsageError(
                f"The people store {shown(engine)} holds rows. Back it up (churn backup), then put the backup in their "
                "place: churn restore --replace."
            )
        forgotten = list(rows_of(connection, FORGOTTEN))
        for table in reversed(METADATA.sorted_tables):  # what lets them in too: it is of users that go
            connection.execute(delete(table))
        for table in LASTING:
            _insert(connection, table, source(table))
            _number_on(connection, table)
        here = set(connection.execute(select(FORGOTTEN.c.digest)).scalars())
        _insert(connection, FORGOTTEN, [row for row in forgotten if row["digest"] not in here])
        erase_all(connection)
        rows = sum(contents.rows for contents in manifest.tables.values())
        log_command(connection, "restored", now, {"backup_of": manifest.made_at.isoformat(), "rows": rows})


def _insert(connection: Connection, table: Table, rows: Iterable[_Row]) -> None:
    left = iter(rows)
    while batch := list(islice(left, _BATCH_ROWS)):
        connection.execute(insert(table), batch)


def _number_on(connection: Connection, table: Table) -> None:
    """Let PostgreSQL go on counting after the numbers that were brought back; SQLite does so by itself."""
    column = table.autoincrement_column
    if column is None or connection.dialect.name != "postgresql":
        return
    last = connection.execute(select(func.max(column))).scalar()
    if last is not None:
        sequence = func.pg_get_serial_sequence(table.name, column.name)
        connection.execute(select(func.setval(sequence, last)))


def _of_archive(archive: Archive) -> _Source:
    def rows(table: Table) -> Iterator[_Row]:
        for row in archive.rows(table.name):
            if row.keys() != set(table.columns.keys()):
                raise _of_another_make(archive)
            yield {name: _typed(table.columns[name].type, value) for name, value in row.items()}

    return rows


def _typed(type_: object, value: Any) -> Any:
    """A value of JSON as the column takes it."""
    if value is None:
        return None
    if isinstance(type_, UtcTime):
        return datetime.fromisoformat(value)
    if isinstance(type_, DateTime):  # the same, in tables of which nothing but their form is known
        return datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)
    return date.fromisoformat(value) if isinstance(type_, Date) else value


@contextmanager
def _brought_along(archive: Archive) -> Iterator[_Source]:
    """The rows of an older backup after the steps since, taken by a store of its revision that it is filled into."""
    with TemporaryDirectory() as folder:
        scratch = connect(f"sqlite:///{folder}/people.db", PEOPLE_STORE)
        try:
            with making(scratch) as connection:
                if not knows(connection, archive.manifest.revision):
                    raise UsageError(
                        f"The backup {archive.path} has revision {archive.manifest.revision}, this churn knows "
                        f"{PEOPLE_STORE.revision} and older. Restore it by the newer churn that made it."
                    )
                step_to(connection, archive.manifest.revision)
                older = _lasting(connection)
                _refuse_other_tables(archive, older)
                source = _of_archive(archive)
                for table in older:
                    _insert(connection, table, source(table))
                step_to(connection)
            with reading(scratch) as connection:
                yield partial(rows_of, connection)
        finally:
            scratch.dispose()


def _lasting(connection: Connection) -> list[Table]:
    """The tables as they are there which a backup holds: neither Alembic's own nor what lets somebody in."""
    passing, found = {"revision", *(table.name for table in PASSING)}, MetaData()
    found.reflect(connection, only=[name for name in inspect(connection).get_table_names() if name not in passing])
    return found.sorted_tables


def _refuse_other_tables(archive: Archive, expected: Sequence[Table]) -> None:
    if archive.manifest.tables.keys() != {table.name for table in expected}:
        raise _of_another_make(archive)


def _of_another_make(archive: Archive) -> RefusedError:
    return RefusedError(
        f"The backup {archive.path} says that it has revision {archive.manifest.revision}, and has other tables or "
        "columns. Nothing was changed. Take another backup."
    )
