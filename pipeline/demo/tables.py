"""From arrays to Parquet: each column written in the type that the contract gives it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.contract import CONTRACT, RECORDED_AT
from pipeline.demo.dates import DAY, LAST, NEVER, AnyValues, Ints

ARRIVED_BY = LAST * DAY + 6 * 3600
"""The warehouse as it stands on the last night: versions that reach it later are not in it."""


@dataclass(frozen=True)
class Words:
    """A column of text: an index into a vocabulary for each row, −1 for null."""

    codes: Ints
    vocabulary: tuple[str, ...] | list[str]

    def take(self, rows: Ints) -> "Words":
        """The column at the places `rows`."""
        return Words(self.codes[rows], self.vocabulary)


Columns = dict[str, AnyValues | Words]
"""A table: numbers, days, instants and flags as arrays, text as `Words`."""


def take(columns: Columns, rows: Ints) -> Columns:
    """The table at the places `rows`, in that order."""
    return {name: column.take(rows) for name, column in columns.items()}


def _arrow(column: AnyValues | Words, kind: str) -> pa.Array:
    if isinstance(column, Words):
        codes = pa.array(column.codes.astype(np.int32), mask=column.codes < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(column.vocabulary, pa.string())).cast(pa.string())
    if kind == "date":
        return pa.array(column.astype("datetime64[D]"), pa.date32(), mask=column >= NEVER)
    if kind == "instant":
        instants = (column * 1_000_000).astype("datetime64[us]")
        return pa.array(instants, pa.timestamp("us"), mask=column >= NEVER * DAY)
    if kind == "number":
        values = column.astype(np.float64)
        return pa.array(values, mask=np.isnan(values))
    if kind == "whole":
        return pa.array(column.astype(np.int64))
    return pa.array(column.astype(bool), pa.bool_())


def write(path: Path, table: str, columns: Columns) -> int:
    """Writes a table of the contract to `path`, rows in the order given; those not yet recorded stay out.

    Text is given as `Words`, dates as days and instants as seconds (`NEVER` and `NEVER * DAY` are null). Returns the
    number of rows written.
    """
    arrived = np.flatnonzero(np.asarray(columns[RECORDED_AT]) < ARRIVED_BY)
    contract = CONTRACT[table]
    arrays = {}
    for name, column in take(columns, arrived).items():
        described = contract.column(name)
        arrays[name] = _arrow(column, "instant" if described is None else described.type)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(arrays), path, compression="zstd")
    return len(arrived)
