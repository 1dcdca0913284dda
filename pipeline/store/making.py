"""Making the store, and bringing an older one along: by Alembic, in one transaction, which dies as a whole."""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, inspect, select, text

from pipeline.errors import StoreMissing, StoreOutdated
from pipeline.store.connection import SCHEMA, plainly, refuse_other_revision, writing
from pipeline.store.schema import LEASE, REVISION, STORE_VERSION

__all__ = ["bring_along", "prepare"]

_STEPS: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 0x6368_7572_6E  # any number that nobody else uses, here "churn": two makers wait for one another


def prepare(engine: Engine) -> None:
    """Make the tables where there are none; those of an older churn are left for `bring_along`.

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
            if not inspect(connection).has_schema(SCHEMA):  # asked first: a role that may use it need not make it
                connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
        try:
            refuse_other_revision(connection)
        except StoreMissing:
            _upgrade(connection)
            connection.execute(LEASE.insert())
        except StoreOutdated:
            if not _is_older(connection):
                raise


def bring_along(connection: Connection) -> None:
    """Take the steps that an older store has not taken; `connection` is that of who holds the lease."""
    try:
        refuse_other_revision(connection)
    except StoreOutdated:
        _upgrade(connection)


def _is_older(connection: Connection) -> bool:
    """Whether the store stands on a step that this churn knows."""
    if not inspect(connection).has_table(STORE_VERSION.name):
        return False
    found = connection.execute(select(STORE_VERSION.c.version_num)).scalar()
    from alembic.script import ScriptDirectory

    known = {step.revision for step in ScriptDirectory(str(_STEPS)).walk_revisions()}
    return found in known and found != REVISION


def _upgrade(connection: Connection, to: str = REVISION) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_STEPS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
