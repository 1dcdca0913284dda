"""What lies in a folder: tables in CSV, TSV and Parquet files, and what a few thousand rows say of their columns.

Files are read as a night reads them (`pipeline/files.py`): every CSV column as text, the files of one table joined by
column name.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from os.path import commonpath
from pathlib import Path
from typing import Final

import duckdb

from pipeline.ending import ends_queries_of
from pipeline.files import Fault, fault_of, reader, said
from pipeline.proposal.found_columns import FoundColumn, describe, quoted_name, trimmed

__all__ = ["SAMPLED_ROWS", "FoundTable", "Gathered", "engine", "gather"]

_SUFFIXES: Final = (".csv", ".csv.gz", ".tsv", ".parquet")
SAMPLED_ROWS: Final = 4000


@dataclass(frozen=True)
class FoundTable:
    """A file, or files of the same columns; or a table of a warehouse.

    `source` is what stands in `[data]`, `relation` reads the whole by absolute path (of a warehouse what was looked at
    of it), `sample` names its first rows.
    """

    source: str
    relation: str
    sample: str
    rows: int
    columns: tuple[FoundColumn, ...]
    in_warehouse: bool = False

    @property
    def read(self) -> str:
        """What stands after FROM in a query of the settings."""
        return self.source if self.in_warehouse else reading(self.source, [Path(self.source)])

    def column(self, name: str) -> FoundColumn:
        """The column of that name, which must be there."""
        return next(column for column in self.columns if column.name == name)

    @property
    def words(self) -> tuple[str, ...]:
        """What the file is called, word by word; the folder where the file has but a number, or is one of many."""
        if self.in_warehouse:
            parts = self.source.split(".")
        else:
            parts = (self.source.rsplit("*", 1)[0] if "*" in self.source else _stem(self.source)).split("/")
        for part in reversed(parts):
            words = tuple(word for word in re.split(r"[\W\d_]+", _spaced(part)) if word)
            if words:
                return words
        return ()


@dataclass
class Gathered:
    """The tables of a folder, with the engine that reads them; `unreadable` tells of each other file why."""

    engine: duckdb.DuckDBPyConnection
    tables: list[FoundTable] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    _overlaps: dict[tuple[str, str, str, str], float] = field(default_factory=dict)
    _copied: dict[tuple[str, str], str] = field(default_factory=dict)

    def overlap(self, table: FoundTable, column: str, other: FoundTable, key: str) -> float:
        """The share of a column's sampled values that are found in another table's column."""
        asked = table.source, column, other.source, key
        if asked not in self._overlaps:
            keys = self._keys(other, key)
            values = f"SELECT {trimmed(column)} AS v FROM {table.sample}"
            share = self.one(f"SELECT avg((v IN (FROM {keys}))::INT) FROM ({values})")
            self._overlaps[asked] = float(share or 0)  # type: ignore[arg-type]
        return self._overlaps[asked]

    def is_unique(self, table: FoundTable, *columns: str) -> bool:
        """Whether no two rows of the whole table have the same values in these columns."""
        names = ", ".join(quoted_name(column) for column in columns)
        repeats = f"SELECT count(*) = count(DISTINCT ({names})) FROM"
        return all(self.one(f"{repeats} {rows}") for rows in (table.sample, table.relation))

    def _keys(self, table: FoundTable, column: str) -> str:
        """The distinct values of a column, as the name of a table that is read from the files but once."""
        if (table.source, column) not in self._copied:
            name = f"keys_{len(self._copied)}"
            self.engine.execute(
                f"CREATE TEMP TABLE {name} AS "
                f"SELECT DISTINCT {trimmed(column)} AS k FROM {table.relation} WHERE {trimmed(column)} IS NOT NULL"
            )
            self._copied[table.source, column] = name
        return self._copied[table.source, column]

    def one(self, sql: str) -> object:
        """The first value of a query."""
        row = self.engine.execute(sql).fetchone()
        return row[0] if row else None


def engine() -> duckdb.DuckDBPyConnection:
    """An empty engine to look at tables with."""
    made = duckdb.connect(config={"threads": 2})
    ends_queries_of(made)
    made.execute("SET TimeZone = 'UTC'")
    made.execute("SET autoinstall_known_extensions = false")
    return made


def gather(folder: Path) -> Gathered:
    """Every table in a folder and its subfolders, hidden ones apart. The caller closes the engine."""
    found = Gathered(engine())
    columns: dict[Path, tuple[str, ...]] = {}
    for file in _files(folder):
        source = file.relative_to(folder).as_posix()
        fault = fault_of(folder, source, [file])
        if fault is None:
            try:
                rows = found.engine.execute(f"SELECT * FROM {reading(source, [file])} LIMIT 0")
                columns[file] = tuple(described[0] for described in rows.description or ())
            except duckdb.Error as error:
                fault = said(error, source)
        if fault is not None:
            found.unreadable.append(_told(fault, folder))
    for source, files in _joined(folder, columns):
        relation = reading(source, files)
        try:
            sample = f"sample_{len(found.tables)}"
            found.engine.execute(f"CREATE TEMP TABLE {sample} AS SELECT * FROM {relation} LIMIT {SAMPLED_ROWS}")
            found.tables.append(_described(found.engine, source, relation, sample))
        except duckdb.Error as error:
            found.unreadable.append(_told(said(error, source), folder))
    return found


def reading(source: str, files: list[Path]) -> str:
    """The engine's expression that reads files as one table, exactly as a night reads them."""
    return reader(source, files).removeprefix("SELECT * FROM ")


def _suffix(file: str) -> str:
    return next(suffix for suffix in _SUFFIXES if file.lower().endswith(suffix))


def _stem(file: str) -> str:
    return file[: -len(_suffix(file))]


def _spaced(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _files(folder: Path) -> list[Path]:
    hidden = (".", "_")
    return sorted(
        file
        for file in folder.rglob("*")
        if file.name.lower().endswith(_SUFFIXES)
        and not any(part.startswith(hidden) for part in file.relative_to(folder).parts)
        and file.is_file()
    )


def _joined(folder: Path, columns: dict[Path, tuple[str, ...]]) -> Iterator[tuple[str, list[Path]]]:
    """Files that are parts of one table under a glob that finds these and no others; all the rest one by one."""
    numbered, alike = defaultdict(list), defaultdict(list)
    for file in columns:
        numbered[file.parent, _suffix(file.name), _unnumbered(file)].append(file)
    for files in numbered.values():  # a column may have come or gone from one month to the next
        shared = set.intersection(*(set(columns[file]) for file in files))
        pattern = _pattern(folder, files) if 2 * len(shared) >= max(len(columns[file]) for file in files) else None
        if pattern is not None:
            yield pattern, files
            continue
        for file in files:
            alike[_suffix(file.name), columns[file]].append(file)
    for files in alike.values():
        pattern = _pattern(folder, files)
        if pattern is not None:
            yield pattern, files
        else:
            yield from ((file.relative_to(folder).as_posix(), [file]) for file in files)


def _unnumbered(file: Path) -> str:
    return re.sub(r"[\d\W_]+", "", _stem(file.name))


def _pattern(folder: Path, files: list[Path]) -> str | None:
    """A glob for files of the same columns: their own folder, or names that differ by numbers alone."""
    if len(files) == 1:
        return None
    common = Path(commonpath([file.parent for file in files]))
    inside = "" if common == folder else f"{common.relative_to(folder).as_posix()}/"
    suffix = files[0].name[len(_stem(files[0].name)) :]
    stems = [_stem(file.name) for file in files]
    tried = []
    if inside:
        tried.append(f"{inside}*{suffix}" if all(file.parent == common for file in files) else f"{inside}**/*{suffix}")
    if len({_unnumbered(file) for file in files}) == 1:
        tried.append(f"{inside}{_beginning(stems)}*{suffix}")
    return next((pattern for pattern in tried if sorted(folder.glob(pattern)) == sorted(files)), None)


def _beginning(stems: list[str]) -> str:
    """What all begin with, up to the first numeral: `usage_` of `usage_2026_01` and `usage_2026_02`."""
    return next(iter(re.findall(r"^\D+", min(stems))), "")


def _described(engine: duckdb.DuckDBPyConnection, source: str, relation: str, sample: str) -> FoundTable:
    rows = engine.execute(f"SELECT count(*) FROM {relation}").fetchone() or (0,)
    names = [described[0] for described in engine.execute(f"FROM {sample} LIMIT 0").description or ()]
    return FoundTable(source, relation, sample, rows[0], tuple(describe(engine, sample, name) for name in names))


def _told(fault: Fault, folder: Path) -> str:
    return f"{fault.rule}. {fault.remedy}".replace(f"{folder}/", "")
