"""The company's tables, opened read only and brought to the contract's columns and types.

Files are read by DuckDB where they lie. Text is cast here, once; a value that cannot be cast becomes null and is
counted by the check at the door, which sees both sides.
"""

import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import ibis
import ibis.expr.types as ir
import pandas as pd
from ibis.common.exceptions import IbisError
from sqlglot.errors import SqlglotError

from features.contract import CONTRACT, RECORDED_AT, WRITTEN_ID, Column
from features.versions import History
from pipeline.casts import cast, first_day_without, storable, usable
from pipeline.ending import ends_queries_of
from pipeline.errors import UsageError
from pipeline.files import Fault, fault_of, find, quoted, reader, said
from pipeline.our_names import Unreadable, missing_columns, read_columns
from pipeline.run_log import RunLog
from pipeline.sections import Source, SqlSource
from pipeline.settings import Settings
from pipeline.warehouse.copies import LocalCopy, local_copy

__all__ = ["Opened", "copied", "digests", "freshness", "history", "open_sources"]

_SPILL: Final = ".spill-"
_SPILL_HOURS: Final = 48
"""A folder of spilled rows in which nothing has come or gone for so long was left by a process that was killed."""

_PACKED: Final = "packed"  # the catalogue of tables that are copied into the engine
_STREAMED: Final = frozenset({"usage", "page_visits"})
"""Tables that stay in their files; all others are small and are copied into the engine once."""

_READING: Final = (duckdb.Error, IbisError, SqlglotError, OSError)
"""What is raised where a table cannot be read; anything else is a fault of ours, not to be told as one of theirs."""


@dataclass
class Opened:
    """A connection with the tables in it: as they came (`raw`, in our column names) and as the contract has them.

    `copy` is what the tables of a warehouse are read from.
    """

    engine: Any
    raw: dict[str, ir.Table] = field(default_factory=dict)
    tables: dict[str, ir.Table] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)
    repeated: dict[str, int] = field(default_factory=dict)
    copy: LocalCopy | None = None

    def again(self, settings: Settings) -> Settings:
        """The settings by which another process opens the same tables, whatever comes into the warehouse meanwhile."""
        return settings if self.copy is None else settings.model_copy(update={"data": self.copy.settings.data})

    def close(self) -> None:
        """Let go of the engine and its memory.

        Ibis drops a table that it keeps once nobody holds it; after the engine is gone that would end in a traceback.
        """
        for kept in list(self.engine._cache_name_to_entry.values()):
            kept.finalizer.detach()
        self.engine.disconnect()
        if self.copy is not None:
            self.copy.close()


def open_sources(settings: Settings, log: RunLog | None = None) -> Opened:
    """Open every table of the settings. What cannot be opened is listed, so that all of it is told at once.

    The tables of a warehouse are copied first, as far as they are new. The log tells of both.

    Raises
    ------
    UsageError, FailedError
        When the warehouse cannot be reached, or its copy not be written.
    """
    opened = Opened(_engine(settings))
    if settings.data.connection is not None:
        copy = local_copy(settings, log)
        if isinstance(copy, list):
            opened.unreadable += copy
            return opened
        opened.copy, settings = copy, copy.settings
    if log is not None:
        log.step("read and check the tables")
    for name, source in settings.data.sources.items():
        table = _read(opened, settings, name, source)
        if table is None:
            continue
        raw = _in_our_names(opened, settings, name, table)
        if raw is None:
            continue
        with _unless_unreadable(opened, name, source):
            opened.tables[name] = _typed(opened, settings, name, raw)
            opened.raw[name] = raw
    return opened


def _engine(settings: Settings) -> Any:
    try:
        engine = ibis.duckdb.connect(
            memory_limit=settings.engine.memory_limit,
            **({"threads": settings.engine.threads} if settings.engine.threads else {}),
        )
    except duckdb.Error as error:
        raise UsageError(f"[engine] memory_limit = {settings.engine.memory_limit!r}: {error}") from error
    ends_queries_of(engine.con)
    engine.raw_sql("SET TimeZone = 'UTC'")
    # Engines that share a folder would write over one another's files. DuckDB removes its own at the end.
    _remove_spills(settings.folder)
    spill = settings.folder / f"{_SPILL}{uuid.uuid4().hex}"  # the engine makes it when it must, and no folder above it
    engine.raw_sql(f"SET temp_directory = {quoted(str(spill))}")
    engine.raw_sql("SET autoinstall_known_extensions = false")
    engine.raw_sql("SET enable_progress_bar = false")  # in a process of training it takes itself to be on a terminal
    engine.raw_sql("SET preserve_insertion_order = false")
    engine.raw_sql(f"ATTACH ':memory:' AS {_PACKED} (COMPRESS)")
    engine.raw_sql(f"SET file_search_path = {quoted(str(settings.folder))}")
    return engine


def _remove_spills(folder: Path) -> None:
    for left in folder.glob(f"{_SPILL}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _SPILL_HOURS * 3600:
                shutil.rmtree(left)


def _read(opened: Opened, settings: Settings, name: str, source: Source) -> ir.Table | None:
    """The relation as it is, or None with the reason listed."""
    in_files = not isinstance(source, SqlSource) and source.endswith(".parquet")
    with _unless_unreadable(opened, name, source):
        if isinstance(source, SqlSource):
            sql = _statement(opened.engine, source.sql)
        else:
            files = find(settings.folder, source)
            fault = fault_of(settings.folder, source, files)
            sql = reader(source, files) if fault is None else fault
        if isinstance(sql, Fault):
            opened.unreadable.append(Unreadable(name, None, *sql))
            return None
        table = opened.engine.sql(sql)
        # Text is parsed once and a query is asked once; Parquet may as well be read again where it lies.
        return table if in_files else copied(opened.engine, f"_raw_{name}", table)
    return None


def _statement(engine: Any, sql: str) -> str | Fault:
    """The one query of an sql source, in a form that Ibis reads whatever it begins and ends with."""
    # The engine makes two of a PIVOT, of which one is empty and neither is what was written.
    statements = [each for each in engine.con.extract_statements(sql) if each.query]
    if len(statements) != 1:
        return Fault(f"has {len(statements)} statements in its sql", "Write one query there: SELECT …, or FROM ….")
    return f"SELECT * FROM ({_without_end(sql)}\n)"


def _without_end(sql: str) -> str:
    """A query without the semicolons that end it and the comments after them."""
    text, end = sql.encode(), None
    for place, _ in reversed(duckdb.tokenize(sql)):  # places count bytes; comments and blanks are no tokens
        if text[place : place + 1] != b";":
            break
        end = place
    return text[:end].decode()


@contextmanager
def _unless_unreadable(opened: Opened, name: str, source: Source) -> Iterator[None]:
    """List the table as unreadable where the engine cannot read it."""
    try:
        yield
    except duckdb.OutOfMemoryException:  # a retry may help, unlike with all else that can be wrong here
        raise
    except _READING as error:
        where = "its sql" if isinstance(source, SqlSource) else source
        opened.unreadable.append(Unreadable(name, None, *said(error, where)))


def _in_our_names(opened: Opened, settings: Settings, name: str, table: ir.Table) -> ir.Table | None:
    """The columns of the contract under the contract's names; the others are not read."""
    missing = list(missing_columns(settings.data, name, table.columns))
    opened.unreadable += missing
    if missing:
        return None
    theirs = read_columns(settings.data, name)
    return table.select(**{ours: table[column] for ours, column in theirs.items() if column in table.columns})


def _typed(opened: Opened, settings: Settings, name: str, raw: ir.Table) -> ir.Table:
    contract = CONTRACT[name]
    columns = {}
    for column_name in raw.columns:
        if column_name == "currency":
            continue
        if column_name == RECORDED_AT:
            columns[column_name] = cast(raw[column_name], "instant")
        else:
            column = contract.column(column_name) or Column(column_name, "text")
            value = usable(cast(raw[column_name], column.type), column, contract)
            is_id = column_name.endswith("_id")  # which have to stay alike in all tables
            columns[column_name] = value if name in _STREAMED or is_id else storable(value)
    if name == "usage" and raw["account_id"].type().is_string():
        columns[WRITTEN_ID] = raw["account_id"]
    typed = raw.select(**columns)
    if name == "subscriptions":
        typed = typed.mutate(ended_on=first_day_without(typed, settings.data.ended_on))
    decides_who_is_there = "usage" if settings.churn.definition == "inactivity" else "subscriptions"
    if name == decides_who_is_there and "accounts" in opened.tables:
        typed = typed.semi_join(opened.tables["accounts"], "account_id")
    if name in _STREAMED:
        return opened.engine.create_view(f"_{name}", typed)
    # A row delivered twice counts once, where a key says that it is the same row.
    distinct = typed.distinct() if contract.key in typed.columns else typed
    copy = copied(opened.engine, f"_{name}", distinct)
    if distinct is not typed:
        opened.repeated[name] = typed.count().execute() - copy.count().execute()
    return copy


def copied(engine: Any, name: str, table: ir.Table) -> ir.Table:
    """The table as the engine keeps it packed, in a sixth of the room that its rows would take."""
    copy: ir.Table = engine.create_table(name, table, database=f"{_PACKED}.main")
    engine.raw_sql(f"CHECKPOINT {_PACKED}")  # which is when it packs
    return copy


def history(opened: Opened, settings: Settings, versioned: Iterable[str] | None = None) -> History:
    """The tables with what is known about how they are kept.

    `versioned` is given where a model is at hand, which remembers it from its training; else it is read off the tables.
    """
    return History(
        tables=opened.tables,
        rules=settings.rules(),
        versioned=_versioned(opened) if versioned is None else frozenset(versioned) & opened.tables.keys(),
        constant=frozenset(settings.data.constant),
        subscription_history=settings.data.subscription_history,
    )


def _versioned(opened: Opened) -> frozenset[str]:
    """Tables in which keys stand several times, each with its own time of recording; a stray one proves nothing."""
    found = set()
    for name, table in opened.tables.items():
        contract = CONTRACT[name]
        if contract.changes and contract.key in table.columns and RECORDED_AT in table.columns:
            versions, keys = table.aggregate(n=table.count(), k=table[contract.key].nunique()).execute().iloc[0]
            if versions - keys > max(1, keys // 100):
                found.add(name)
    return frozenset(found)


def digests(opened: Opened) -> dict[str, dict[str, Any]]:
    """Rows and an order-free digest of every table, to say later on what a model was trained."""
    result = {}
    for name, table in opened.tables.items():
        sql = ibis.to_sql(table.drop(*({WRITTEN_ID} & set(table.columns))), dialect="duckdb")
        rows, digest = opened.engine.raw_sql(f"SELECT count(*), bit_xor(hash(d)) FROM ({sql}) d").fetchone()
        result[name] = {"rows": rows, "digest": f"{digest or 0:016x}"}
    return result


def freshness(opened: Opened) -> dict[str, datetime | None]:
    """The newest event of every table, in UTC; None where it is empty. Infinity and year 294247 are no news."""
    newest = {}
    for name, table in opened.tables.items():
        at = table[CONTRACT[name].event_time]
        value = at.max(where=at.year().between(MINYEAR, MAXYEAR)).cast("timestamp").execute()
        newest[name] = None if value is None or pd.isna(value) else value.to_pydatetime().replace(tzinfo=UTC)
    return newest
