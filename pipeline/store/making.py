"""Making a store, and bringing an older one along: by Alembic, in one transaction, which dies as a whole."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, Engine, inspect, select, text

from pipeline.errors import StoreMissing, StoreOutdated
from pipeline.store.connection import kind_of, plainly, refuse_other_revision, writing
from pipeline.store.schema import STORE_VERSION

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["bring_along", "knows", "prepare", "step_to"]

_ALEMBIC: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 0x6368_7572_6E  # any number that nobody else uses, here "churn": two makers wait for one another


def prepare(engine: Engine, *, brings_along: bool = False) -> None:
    """Make the tables where there are none; those of an older churn are left for `bring_along`, unless told otherwise.

    Raises `StoreOutdated` for tables that cannot be brought along, `StoreError` where the store cannot be opened.
    """
    with plainly(engine):
        if engine.dialect.name == "sqlite":
            raw = engine.raw_connection()  # outside any transaction, as this needs
            try:
                raw.cursor().execute("PRAGMA journal_mode = WAL")  # stays with the file
            finally:
                raw.close()
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            schema = kind_of(engine).schema
            if not inspect(connection).has_schema(schema):  # asked first: a role that may use it need not make it
                connection.execute(text(f"CREATE SCHEMA {schema}"))
        try:
            refuse_other_revision(connection)
        except StoreMissing:
            step_to(connection)
        except StoreOutdated:
            if not _is_older(connection):
                raise
            if brings_along:
                step_to(connection)


def bring_along(connection: Connection) -> None:
    """Take the steps that an older store has not taken; the caller sees to it that nobody else does."""
    try:
        refuse_other_revision(connection)
    except StoreOutdated:
        step_to(connection)


def _is_older(connection: Connection) -> bool:
    """Whether the store stands on a step that this churn knows."""
    if not inspect(connection).has_table(STORE_VERSION.name):
        return False
    found = connection.execute(select(STORE_VERSION.c.version_num)).scalar()
    return found != kind_of(connection).revision and knows(connection, found)


def knows(connection: Connection, revision: str | None) -> bool:
    """Whether a step of this kind of store leads to that revision."""
    from alembic.script import ScriptDirectory

    return revision in {step.revision for step in ScriptDirectory.from_config(_steps_of(connection)).walk_revisions()}


def step_to(connection: Connection, revision: str | None = None) -> None:
    """Take the steps up to a revision, by default the one that is needed."""
    from alembic import command

    command.upgrade(_steps_of(connection), revision or kind_of(connection).revision)


def _steps_of(connection: Connection) -> "Config":
    """Alembic, set to the steps of that kind of store."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_ALEMBIC).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")  # a folder may have any other character in its name
    config.set_main_option("version_locations", str(kind_of(connection).steps).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
