"""Evidence on its way from the engine to the store, in the bytes in which it will lie there.

It waits in a file without a name until its night is published: by then the engine is closed, and its memory free. The
file is gone with the process, whatever that dies of.
"""

import json
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.store.packed_weeks import STEP

__all__ = ["Evidence", "Part", "pack"]

_IN_MEMORY: Final = 32 * 1024**2
_SCHEMA: Final = pa.schema(
    {"account_id": pa.string(), "kind": pa.string(), "block": pa.int32(), "content": pa.binary()}
)


@dataclass(frozen=True)
class Part:
    """The evidence of some neighbouring accounts: (account_id, kind, block) → content, none of it empty.

    `upto` is the last account that the part speaks of, None for all that are left: what it does not hold is empty.
    """

    upto: str | None
    contents: Mapping[tuple[str, str, int], bytes]


class Evidence:
    """The evidence of a night, with what its readers need to know of all of it.

    Attributes
    ----------
    about
        `series` (names, in the order in which they are packed), `first_week` and `last_week`, `since` (the first day
        that each source recorded, None where it has recorded nothing yet), `lost` (the days that each lost) and
        `peers` (`pipeline/peers.py`).
    """

    def __init__(self, about: Mapping[str, Any], parts: Iterable[Part]) -> None:
        self.about = about
        self._file = cast("IO[bytes]", SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_stream(self._file, _SCHEMA, options=options) as stream:
            for part in parts:
                columns = list(zip(*((*key, content) for key, content in part.contents.items()), strict=True))
                arrays = [
                    pa.array(values, kind) for values, kind in zip(columns or [()] * 4, _SCHEMA.types, strict=True)
                ]
                rows = pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA)
                stream.write_batch(rows, custom_metadata={"upto": json.dumps(part.upto)})

    def parts(self) -> Iterator[Part]:
        """The parts in the order of their accounts, as often as they are asked for."""
        self._file.seek(0)
        stream = pa.ipc.open_stream(self._file)
        while True:
            try:
                rows, about = stream.read_next_batch_with_custom_metadata()
            except StopIteration:
                return
            *keys, contents = (column.to_pylist() for column in rows.columns)
            yield Part(json.loads(about["upto"]), dict(zip(zip(*keys, strict=True), contents, strict=True)))


def pack(thousandths: NDArray[np.int64]) -> list[bytes]:
    """Values of shape (accounts, series, weeks of a block), each account in bytes as `packed_weeks.unpacked` reads.

    >>> pack(np.array([[[0, 2_000, 3_000], [0, 0, 0]]]))[0].hex()
    '0c040600'
    """
    is_fine = (thousandths % STEP != 0).any(axis=2, keepdims=True)
    values = np.where(is_fine, thousandths, thousandths // STEP)
    named = (values != 0) << np.arange(1, values.shape[2] + 1)
    head = named.sum(axis=2, keepdims=True) | is_fine
    signed = np.where(values < 0, -2 * values - 1, 2 * values)
    numbers = np.concatenate([head, signed], axis=2)
    there = np.concatenate([np.ones_like(is_fine), values != 0], axis=2)
    return _written(numbers[there].astype(np.uint64), there.sum(axis=(1, 2)))


def _written(numbers: NDArray[np.uint64], counts: NDArray[np.int64]) -> list[bytes]:
    """Numbers in base 128, the low digits first, cut into pieces of so many numbers each."""
    lengths = np.ones(len(numbers), np.int64)
    for place in range(1, 9):
        lengths += numbers >= np.uint64(1 << 7 * place)
    ends = np.cumsum(lengths)
    digits = np.zeros(ends[-1] if len(ends) else 0, np.uint8)
    for place in range(int(lengths.max(initial=0))):
        has = lengths > place
        digit = (numbers[has] >> np.uint64(7 * place)) & np.uint64(127)
        digits[(ends - lengths)[has] + place] = digit + np.uint64(128) * (lengths[has] > place + 1)
    content, cuts = digits.tobytes(), [0, *ends[np.cumsum(counts) - 1].tolist()]
    return [content[start:end] for start, end in pairwise(cuts)]
