"""A warehouse for the tests: a database of a real PostgreSQL with a company's tables, a role that may only select."""

from pathlib import Path
from typing import Any

import duckdb
import psycopg
from psycopg.conninfo import conninfo_to_dict

READER = "reader"
SCHEMA = "crm"

_TYPES = {
    "VARCHAR": "text",
    "DOUBLE": "double precision",
    "BIGINT": "bigint",
    "INTEGER": "integer",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
}


def database(server: str, name: str, schemas: tuple[str, ...] = (SCHEMA,)) -> str:
    """A new and empty database with the schemas of a company: the address for who owns it."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
        if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (READER,)).fetchone() is None:
            connection.execute(f"CREATE ROLE {READER} LOGIN")
    owner = server.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        connection.execute("REVOKE TEMPORARY ON DATABASE " + name + " FROM PUBLIC")
        for schema in schemas:
            connection.execute(f"CREATE SCHEMA {schema}")
            connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {READER}")
            connection.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {READER}")
    return owner


def as_reader(owner: str) -> str:
    """The same database for the role that may only select."""
    known = conninfo_to_dict(owner)
    return f"postgresql://{READER}@{known['host']}:{known['port']}/{known['dbname']}"


def load(owner: str, tables: dict[str, str], scratch: Path) -> None:
    """Put tables (`name`, or `schema.name`) into the warehouse, each a relation of DuckDB, with the types it has there.

    An empty folder `scratch` is needed on the way.
    """
    with duckdb.connect() as engine, psycopg.connect(owner, autocommit=True) as connection:
        engine.execute("SET TimeZone = 'UTC'")
        connection.execute("SET timezone = 'UTC'")
        for name, relation in tables.items():
            place = name if "." in name else f"{SCHEMA}.{name}"
            described = engine.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
            columns = ", ".join(f'"{column}" {_TYPES[kind]}' for column, kind, *_ in described)
            connection.execute(f"CREATE TABLE {place} ({columns})")
            file = scratch / f"{name}.csv"
            engine.execute(f"COPY (SELECT * FROM {relation}) TO '{file}' (HEADER false)")
            copying = f"COPY {place} FROM STDIN (FORMAT csv)"
            with file.open("rb") as content, connection.cursor() as cursor, cursor.copy(copying) as copy:
                while part := content.read(1_000_000):
                    copy.write(part)
            file.unlink()


def written(owner: str) -> dict[str, Any]:
    """What there is in the database, and how much has been written into it since it was made."""
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
        listed = connection.execute(
            "SELECT n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname NOT LIKE 'pg\\_toast%' ORDER BY 1, 2"
        ).fetchall()
        rows = connection.execute(
            "SELECT schemaname, relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables ORDER BY 1, 2"
        ).fetchall()
    return {"listed": listed, "rows": rows}


def settings_of(folder: Path, connection: str, sources: dict[str, str], more: str = "") -> Path:
    """A `churn.toml` that reads these tables of the warehouse."""
    listed = "\n".join(f"{name} = {source}" for name, source in sources.items())
    file = folder / "churn.toml"
    file.write_text(f'[data]\nconnection = "{connection}"\n{listed}\n{more}\n', encoding="utf-8")
    return file
