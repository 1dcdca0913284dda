"""`churn backup`: the people store in one file, as it was at one moment, while others go on writing."""

from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, func, select

from pipeline.errors import UsageError
from pipeline.people.archive import Manifest, is_archive, write_archive
from pipeline.people.audit import log_command
from pipeline.people.connection import reading, rows_of, writing
from pipeline.people.schema import AUDIT_LOG, LASTING, PEOPLE_STORE
from pipeline.whole_file import FOR_OWNER, told_plainly, whole_file

__all__ = ["back_up", "last_backup"]

_DEED: Final = "backed up"


def back_up(engine: Engine, path: Path, now: datetime) -> Manifest:
    """Write the people store to a file, which takes its name when it is whole; nobody else may read it.

    All rows are those of one moment, without sessions, one-time links and tokens of the API. An older backup of that
    name is replaced, any other file is not.

    Raises
    ------
    UsageError
        When the file cannot be written, or is something else.
    StoreMissing, StoreOutdated, StoreError
        When there is nothing to back up, or the store cannot be read.
    """
    with told_plainly(path):
        if path.is_dir():
            raise UsageError(f"{path} is a folder. Name a file in it, such as {path / 'people.zip'}.")
        if path.exists() and not is_archive(path):
            raise UsageError(f"{path} is there and is no backup. Name another file to write to.")
    with reading(engine) as connection, whole_file(path, FOR_OWNER) as file:
        tables = ((table.name, rows_of(connection, table)) for table in LASTING)
        manifest = write_archive(file, now, PEOPLE_STORE.revision, tables)
    with writing(engine) as connection:
        log_command(connection, _DEED, now, {"rows": sum(each.rows for each in manifest.tables.values())})
    return manifest


def last_backup(connection: Connection) -> datetime | None:
    """When the store was last backed up; None where it never was."""
    return connection.execute(select(func.max(AUDIT_LOG.c.at)).where(AUDIT_LOG.c.deed == _DEED)).scalar()
