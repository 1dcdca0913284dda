"""A table in Parquet files, one a month, so that a night writes the newest anew and leaves the others as they are."""

import os
import shutil
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

__all__ = ["Damaged", "Parts", "keep", "newest_until"]

_ROWS_OF_A_GROUP: Final = 131_072
_BYTES_OF_A_GROUP: Final = 32_000_000
_BYTES_WAITING: Final = 96_000_000
"""How much may wait in memory where the rows of all months come mixed."""

_UNKNOWN: Final = "unknown"
_FIRST: Final = np.datetime64("1990-01-01", "us").astype(np.int64)
_LAST: Final = np.datetime64("2100-01-01", "us").astype(np.int64)
"""Dates beyond are mistakes, or infinity: they share the files of these months, and are as many as they may be."""


class Damaged(Exception):
    """An earlier copy cannot be read, or is not what it was."""


class Parts:
    """What writes the files of one table, as rows come, in bounded memory.

    `by` is the column that tells the month; None for a table of one file. `rows` counts all that lies in the folder.
    """

    def __init__(self, folder: Path, schema: pa.Schema, by: str | None) -> None:
        self.rows = 0
        self._folder, self._schema, self.by = folder, schema, by
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._waiting: dict[str, list[pa.RecordBatch]] = defaultdict(list)
        self.bytes: dict[str, int] = defaultdict(int)
        folder.mkdir(parents=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                for name in list(self._waiting):
                    self._flush(name)
                if not self.rows:
                    self._writer("all" if self.by is None else _UNKNOWN)  # an empty table has its columns all the same
        finally:
            for writer in self._writers.values():
                writer.close()
        for name in self._writers:
            _sync(self._file(name))

    def add(self, batch: pa.RecordBatch) -> None:
        """Write some rows, or let them wait until there are more of their month."""
        self.rows += batch.num_rows
        for name, rows in self._by_month(batch):
            self._waiting[name].append(rows)
            self.bytes[name] += rows.nbytes
            count = sum(each.num_rows for each in self._waiting[name])
            if count >= _ROWS_OF_A_GROUP or self.bytes[name] >= _BYTES_OF_A_GROUP:
                self._flush(name)
        while sum(self.bytes.values()) > _BYTES_WAITING:
            self._flush(max(self.bytes, key=self.bytes.__getitem__))

    def link(self, file: Path) -> None:
        """Take over a file of an earlier copy; it costs no room where the file system has links."""
        self.rows += _rows(file)
        try:
            os.link(file, self._folder / file.name)
        except OSError:
            shutil.copyfile(file, self._folder / file.name)

    def _by_month(self, batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
        if self.by is None:
            yield "all", batch
            return
        micros, is_null = _instants(batch[self.by])
        months = _months(micros)
        for month in np.unique(months[~is_null]):
            here = (months == month) & ~is_null
            yield str(month), batch if here.all() else batch.filter(pa.array(here))
        if is_null.any():
            yield _UNKNOWN, batch.filter(pa.array(is_null))

    def _flush(self, name: str) -> None:
        table = pa.Table.from_batches(self._waiting.pop(name), self._schema)
        del self.bytes[name]
        self._writer(name).write_table(table, row_group_size=max(1, table.num_rows))

    def _writer(self, name: str) -> pq.ParquetWriter:
        if name not in self._writers:
            self._writers[name] = pq.ParquetWriter(self._file(name), self._schema, compression="zstd")
        return self._writers[name]

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.parquet"


def keep(parts: Parts, former: Path, rows: int, before: datetime) -> None:
    """Take over the rows of an earlier copy whose time lies before a day; those without a time stay behind.

    Raises `Damaged` where the earlier copy has other than so many rows, or a file of it cannot be read.
    """
    if sum(_rows(file) for file in former.glob("*.parquet")) != rows:
        raise Damaged(former)
    month = str(_months(np.array([_micros(before)]))[0])
    for file in sorted(former.glob("*.parquet")):
        if file.stem == month:
            for batch in _batches(file):
                micros, is_null = _instants(batch[parts.by])
                parts.add(batch.filter(pa.array((micros < _micros(before)) & ~is_null)))
        elif file.stem < month:  # letters come after all digits, so what has no time is not among them
            parts.link(file)


def newest_until(times: pa.Array, limit: datetime) -> datetime | None:
    """The newest of some times that is not after the limit, in UTC without a zone; None where there is none."""
    micros, is_null = _instants(times)
    past = micros[(micros <= _micros(limit)) & (micros >= _FIRST) & ~is_null]
    return None if past.size == 0 else datetime(1970, 1, 1) + timedelta(microseconds=int(past.max()))  # noqa: DTZ001 - as said


def _rows(file: Path) -> int:
    try:
        return int(pq.read_metadata(file).num_rows)
    except (OSError, pa.ArrowInvalid) as error:
        raise Damaged(file) from error


def _batches(file: Path) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(file) as content:
            yield from content.iter_batches(_ROWS_OF_A_GROUP // 2)
    except (OSError, pa.ArrowInvalid) as error:
        raise Damaged(file) from error


def _instants(times: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Dates or times as microseconds since 1970, and which of them are null."""
    is_null = times.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_date32(times.type):
        days = times.view(pa.int32()).fill_null(0).to_numpy().astype(np.int64)
        return np.clip(days, -100_000_000, 100_000_000) * 86_400_000_000, is_null
    return times.view(pa.int64()).fill_null(0).to_numpy(), is_null


def _micros(at: datetime) -> int:
    """An instant in UTC, with or without saying so."""
    return int(np.datetime64(at.replace(tzinfo=None), "us").astype(np.int64))


def _months(micros: NDArray[np.int64]) -> NDArray[np.datetime64]:
    return np.clip(micros, _FIRST, _LAST).astype("datetime64[us]").astype("datetime64[M]")


def _sync(file: Path) -> None:
    with file.open("rb") as written:
        os.fsync(written.fileno())
