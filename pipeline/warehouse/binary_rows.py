"""PostgreSQL's binary COPY, taken apart column by column.

A row comes as one message: the number of its fields, then for each its length and its bytes, all numbers with the
highest byte first. Rows are taken apart many at once, by the places where each field begins, and not one by one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["ARROW_TYPES", "Kind", "record_batches"]

Kind = Literal["boolean", "int16", "int32", "int64", "float32", "float64", "date", "timestamp", "timestamptz", "text"]

ARROW_TYPES: Final[Mapping[Kind, pa.DataType]] = {
    "boolean": pa.bool_(),
    "int16": pa.int64(),
    "int32": pa.int64(),
    "int64": pa.int64(),
    "float32": pa.float64(),
    "float64": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "text": pa.string(),
}
"""What each kind of column becomes."""

_SENT_AS: Final = {
    "int16": ">i2",
    "int32": ">i4",
    "int64": ">i8",
    "float32": ">f4",
    "float64": ">f8",
    "date": ">i4",
    "timestamp": ">i8",
    "timestamptz": ">i8",
}
_HEADER: Final = b"PGCOPY\n\xff\r\n\0"
_FLAGS_BYTES: Final = 4 + 4  # behind it, with the length of an extension, which no server sends
_END: Final = b"\xff\xff"

_ROWS_AT_ONCE: Final = 65_536
_BYTES_AT_ONCE: Final = 4_000_000
_LONG_TEXT: Final = 64  # bytes on average, from which on slices are cheaper than an index of every byte

_DAYS_TO_2000: Final = 10_957  # PostgreSQL counts from 2000, all others from 1970
_MICROS_TO_2000: Final = _DAYS_TO_2000 * 86_400_000_000


def record_batches(
    messages: Iterable[bytes | bytearray | memoryview], columns: Mapping[str, Kind]
) -> Iterator[pa.RecordBatch]:
    """The rows of a COPY as batches of a few megabytes.

    Raises `pyarrow.ArrowInvalid` for text that is not UTF-8, which a server of encoding SQL_ASCII may hold.
    """
    stream = iter(messages)
    first = bytes(next(stream, b"")).removeprefix(_HEADER)
    waiting: list[bytes | bytearray | memoryview] = []
    size = 0
    for row in chain([first[_FLAGS_BYTES:]], stream):
        if len(row) <= len(_END):  # the end, or nothing behind the header
            continue
        waiting.append(row)
        size += len(row)
        if len(waiting) == _ROWS_AT_ONCE or size >= _BYTES_AT_ONCE:
            yield _batch(waiting, columns)
            waiting, size = [], 0
    if waiting:
        yield _batch(waiting, columns)


def _batch(rows: Sequence[bytes | bytearray | memoryview], columns: Mapping[str, Kind]) -> pa.RecordBatch:
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    # Eight bytes are looked at also where the last field is null, and so has none.
    data = np.frombuffer(b"".join([*rows, bytes(8)]), np.uint8)
    place = np.cumsum(lengths) - lengths + 2
    arrays = []
    for kind in columns.values():
        length = _numbers(data, place, ">i4").astype(np.int64)
        place = place + 4
        is_null = length < 0
        length[is_null] = 0
        arrays.append(_array(kind, data, place, length, is_null))
        place = place + length
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def _array(
    kind: Kind, data: NDArray[np.uint8], place: NDArray[np.int64], length: NDArray[np.int64], is_null: NDArray[np.bool_]
) -> pa.Array:
    if kind == "text":
        return _text(data, place, length, is_null)
    if kind == "boolean":
        return pa.array(data[place] != 0, mask=is_null)
    values = _numbers(data, place, _SENT_AS[kind])
    if kind == "date":
        return pa.array(_since_1970(values.astype(np.int32), _DAYS_TO_2000), mask=is_null).view(pa.date32())
    if kind in {"timestamp", "timestamptz"}:
        micros = _since_1970(values.astype(np.int64), _MICROS_TO_2000)
        return pa.array(micros, mask=is_null).view(ARROW_TYPES[kind])
    native = np.float64 if kind.startswith("float") else np.int64
    return pa.array(values.astype(native), mask=is_null)


def _numbers(data: NDArray[np.uint8], place: NDArray[np.int64], sent_as: str) -> NDArray[Any]:
    width = np.dtype(sent_as).itemsize
    numbers: NDArray[Any] = data[place[:, np.newaxis] + np.arange(width)].view(sent_as)[:, 0]
    return numbers


def _since_1970(values: NDArray[Any], shift: int) -> NDArray[Any]:
    """The same days or instants, counted from 1970. What lies beyond the calendar is infinity, as the engine has it."""
    most = np.iinfo(values.dtype).max
    is_beyond, is_before = values > most - shift, values == np.iinfo(values.dtype).min
    return np.select([is_beyond, is_before], [most, -most], np.where(is_beyond, 0, values) + shift).astype(values.dtype)


def _text(
    data: NDArray[np.uint8], place: NDArray[np.int64], length: NDArray[np.int64], is_null: NDArray[np.bool_]
) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(length)])
    total = int(offsets[-1])
    if total > _LONG_TEXT * len(length):
        whole = data.data
        parts = zip(place.tolist(), length.tolist(), strict=True)
        content = b"".join(whole[begin : begin + size] for begin, size in parts)
    else:
        content = data[np.repeat(place - offsets[:-1], length) + np.arange(total)].tobytes()
    valid = pa.array(~is_null).buffers()[1]
    buffers = [valid, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(content)]
    texts = pa.StringArray.from_buffers(len(length), *buffers[1:], buffers[0])
    texts.validate(full=True)
    return texts
