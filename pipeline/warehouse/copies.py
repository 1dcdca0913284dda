"""The copy of a warehouse in local Parquet files, which all else reads like a company's files.

A copy has a folder for each table. Of usage and page visits a new copy reads the newest rows, and takes over the files
of the others from the copy before.
"""

import hashlib
import json
import os
import shutil
import uuid
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from time import sleep
from typing import Final

import psycopg
import pyarrow as pa
from psycopg import sql

from features.contract import CONTRACT, RECORDED_AT
from pipeline.errors import FailedError
from pipeline.our_names import Unreadable, missing_columns, read_columns
from pipeline.run_log import RunLog
from pipeline.settings import Settings
from pipeline.warehouse.kept_copies import Copied, Made, alone, hold, kept, place, publish, remove_others
from pipeline.warehouse.parts import Damaged, Parts, keep, newest_until
from pipeline.warehouse.postgresql import Lost, Warehouse, address, read_only
from pipeline.warehouse.relations import Relation

__all__ = ["LocalCopy", "local_copy", "relations"]

RETRY_SECONDS: tuple[float, ...] = (1, 2, 4, 8, 15)
"""How long to wait before each further try of reaching the warehouse."""

_GROWING: Final = frozenset({"usage", "page_visits"})
"""Tables that only grow and are read by their newest rows; all others are small and read whole."""

_TIMES: Final = frozenset({"date", "timestamp", "timestamptz"})


@dataclass(frozen=True)
class LocalCopy:
    """A copy in use: `settings` read it as files. Nobody removes it until it is closed.

    `hidden` are columns that would be read and may not be: the copy is without them.
    """

    made: Made
    settings: Settings
    hidden: tuple[Unreadable, ...]
    _held: int

    def close(self) -> None:
        """Let others remove it once there is a newer one."""
        os.close(self._held)


@dataclass(frozen=True)
class _Asked:
    """What is read for a table: from where, which columns, and the one that tells new rows from old ones."""

    relation: Relation
    columns: list[str]
    by: str | None
    digest: str


class _NotReadable(Exception):
    """Tables that the warehouse does not give, each with the reason."""

    def __init__(self, tables: list[Unreadable]) -> None:
        self.tables = tables


def local_copy(settings: Settings, log: RunLog | None = None) -> LocalCopy | list[Unreadable]:
    """Bring the copy of the warehouse up to date; or why tables cannot be read, all of them at once.

    Raises
    ------
    UsageError
        When the server refuses the user, the password or the database.
    FailedError
        When the warehouse does not answer, or the copy cannot be written.
    """
    root = place(settings)
    log = log or RunLog("copy")
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)  # it holds what the warehouse shows to few
        with alone(root, log):
            made, hidden = _tried(settings, root, log)
            held = hold(made.folder)
            remove_others(root, made.folder)
    except _NotReadable as reason:
        return reason.tables
    except OSError as error:
        raise FailedError(
            f"The copy of the warehouse cannot be written in {root}: {error.strerror or error}. Free some space, give "
            "the right to write there, or name another folder in [data] cache. The copy before it is whole."
        ) from error
    for name, table in made.tables.items():
        log.note(
            f"{name}: {table.read:,} rows read from the warehouse, {table.rows:,} in its copy",
            table=name,
            rows_read=table.read,
            rows=table.rows,
        )
    files = {name: str(Path(settings.data.cache, *made.folder.parts[-2:], name, "*.parquet")) for name in made.tables}
    data = settings.data.model_copy(update={"connection": None, **files})
    return LocalCopy(made, settings.model_copy(update={"data": data}), hidden, held)


def relations(warehouse: Warehouse, settings: Settings) -> tuple[dict[str, Relation], list[Unreadable]]:
    """Where each table of the settings is read from, and which cannot be read, or lack a column."""
    found, unreadable = {}, []
    for name, source in settings.data.sources.items():
        relation = warehouse.relation(source)
        if not isinstance(relation, Relation):
            unreadable.append(Unreadable(name, None, *relation))
            continue
        hidden = {each.column: each for each in _hidden(settings, name, relation)}
        lacking = [
            hidden.get(each.column, each) for each in missing_columns(settings.data, name, list(relation.columns))
        ]
        if RECORDED_AT in hidden and hidden[RECORDED_AT] not in lacking:  # without it, all would pass for known early
            lacking.append(hidden[RECORDED_AT])
        unreadable += lacking
        if not lacking:
            found[name] = relation
    return found, unreadable


def _hidden(settings: Settings, table: str, relation: Relation) -> list[Unreadable]:
    """The columns that are there, would be read, and may not be: they are not missing."""
    found = []
    for ours, theirs in read_columns(settings.data, table).items():
        if theirs in relation.hidden:
            column = sql.Identifier(theirs).as_string()
            remedy = (
                f"Give the right there: GRANT SELECT ({column}) ON {relation.rows} TO the role of [data] connection."
            )
            if ours not in {*CONTRACT[table].required, RECORDED_AT}:
                remedy += f" To do without and hear no more of it, select the other columns in a sql source of {table}."
            found.append(Unreadable(table, ours, f"column {theirs} may not be read", remedy))
    return found


def _tried(settings: Settings, root: Path, log: RunLog) -> tuple[Made, tuple[Unreadable, ...]]:
    """Make the copy, and try again where the warehouse does not answer or breaks off."""
    shown = address(settings.data.connection or "")
    for seconds in (*RETRY_SECONDS, None):
        try:
            return _make(settings, root, log)
        except Lost as error:
            if seconds is None:
                raise FailedError(
                    f"The warehouse {shown} does not answer: {error} Tried {len(RETRY_SECONDS) + 1} times. Is it up, "
                    "and may this machine reach it? Run again when it answers."
                ) from error
            log.note(f"warning: the warehouse {shown} does not answer: {error} Trying again in {seconds:g} s.")
            sleep(seconds)
    raise AssertionError("the last try returns or raises")


def _make(settings: Settings, root: Path, log: RunLog) -> tuple[Made, tuple[Unreadable, ...]]:
    """Read what is new, and take over the rest; with it the columns that may not be read."""
    former = None if settings.refresh else kept(settings)
    folder = root / uuid.uuid4().hex
    sources = settings.data.sources
    with read_only(settings.data.connection or "") as warehouse:
        log.step("look at the warehouse")
        found, unreadable = relations(warehouse, settings)
        if unreadable:
            raise _NotReadable(unreadable)
        made = Made(folder, warehouse.now, tables := {})
        try:
            for name, relation in found.items():
                log.step(f"copy {name} from the warehouse")
                asked = _asked(settings, name, relation)
                try:
                    tables[name] = _copy(warehouse, asked, folder / name, former, settings)
                except (psycopg.Error, pa.ArrowInvalid) as error:
                    unreadable.append(Unreadable(name, None, *warehouse.fault(error, sources[name])))
            if unreadable:
                raise _NotReadable(unreadable)
            publish(made, root)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return made, tuple(each for name, relation in found.items() for each in _hidden(settings, name, relation))


def _asked(settings: Settings, name: str, relation: Relation) -> _Asked:
    theirs = {ours: column for ours, column in read_columns(settings.data, name).items() if column in relation.columns}
    columns = {column: relation.columns[column] for column in theirs.values()}
    times = [theirs[ours] for ours in (RECORDED_AT, CONTRACT[name].event_time) if ours in theirs]
    by = next((each for each in times if name in _GROWING and columns[each] in _TIMES), None)
    asked = [address(settings.data.connection or ""), relation.rows, by, list(columns.items())]
    digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()
    return _Asked(relation, list(columns), by, digest)


def _copy(warehouse: Warehouse, asked: _Asked, folder: Path, former: Made | None, settings: Settings) -> Copied:
    """One table: of one that grows the rows before the cut from the copy before, all others from the warehouse."""
    before = former.tables.get(folder.name) if former is not None else None
    if former is not None and before is not None and before.asked == asked.digest and before.newest is not None:
        newest = datetime.fromisoformat(before.newest)
        try:
            with Parts(folder, asked.relation.schema(asked.columns), asked.by) as parts:
                cut = datetime.combine(newest.date(), time.min) - timedelta(days=settings.data.reread_days)
                keep(parts, former.folder / folder.name, before.rows, cut)
                return _read(warehouse, asked, parts, newest=newest, since=cut)
        except Damaged:
            shutil.rmtree(folder)
    with Parts(folder, asked.relation.schema(asked.columns), asked.by) as parts:
        return _read(warehouse, asked, parts)


def _read(
    warehouse: Warehouse, asked: _Asked, parts: Parts, *, newest: datetime | None = None, since: datetime | None = None
) -> Copied:
    """What the warehouse gives. A time after now is a mistake, and must not keep all that comes from being read."""
    read, limit = 0, warehouse.now
    asked_since = None if since is None or asked.by is None else (asked.by, since)
    with closing(warehouse.read(asked.relation, asked.columns, asked_since)) as batches:
        for batch in batches:
            parts.add(batch)
            read += batch.num_rows
            if asked.by is not None:
                newest = max(filter(None, [newest, newest_until(batch[asked.by], limit)]), default=None)
    return Copied(asked.digest, parts.rows, read, newest.isoformat() if newest else None)
