"""Judgements of texts, each made once: kept in a file that holds digests and no text."""

import functools
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["Progress", "Scorer", "digest", "judged"]

Progress = Callable[[str, int, int], None]

_LOGGER: Final = logging.getLogger("churn")

_AT_ONCE: Final = 1_000
_SECONDS_BETWEEN_SAVES: Final = 60
"""What a first run of a million texts can lose at most when it is ended."""

_LEARNED: Final = "sentiment-csat-*.parquet"
_KEPT_LEARNED: Final = 3
"""Each training may learn a scorer of its own; the files of the three used last stay."""


@dataclass(frozen=True)
class Scorer:
    """What judges texts: `judge` takes a batch of them and gives the columns of `schema` that are no `keys`.

    Rows with equal keys are judged alike by one `version`, and so only once.
    """

    version: str
    keys: tuple[str, ...]
    schema: pa.Schema
    judge: Callable[[pa.RecordBatch], list[Any]]


def digest(rows: ir.Table) -> ir.StringValue:
    """What a text is known by where the text itself must not be kept."""
    return rows["text"].hexdigest("sha256")


def judged(engine: Any, texts: ir.Table, scorer: Scorer, folder: Path, progress: Progress | None = None) -> ir.Table:
    """The judgement of every text, by the scorer's keys: as far as it is kept in the folder, else made and kept now.

    Of what was judged before, the rest is forgotten as soon as something new is judged: its ticket is gone.
    """
    file = folder / f"sentiment-{scorer.version}.parquet"
    kept = _kept(engine, file, scorer.schema)
    texts = texts.distinct()
    unseen = texts.anti_join(kept, scorer.keys).order_by(scorer.keys)
    known = kept.semi_join(texts, scorer.keys).to_pyarrow().cast(scorer.schema)
    count, done, saved = int(unseen.count().execute()), 0, time.monotonic()
    parts = [known]
    for batch in unseen.to_pyarrow_batches(chunk_size=_AT_ONCE) if count else ():
        if progress is not None:
            progress("judge the words of tickets", done, count)
        parts.append(pa.table([*(batch[key] for key in scorer.keys), *scorer.judge(batch)], schema=scorer.schema))
        done += batch.num_rows
        if done == count or time.monotonic() - saved > _SECONDS_BETWEEN_SAVES:
            failure = _keep(pa.concat_tables(parts), file)
            if failure is not None and progress is not None:  # of processes side by side one has a progress to tell
                _tell(folder, failure.strerror or str(failure))
            saved = time.monotonic()
    return ibis.memtable(pa.concat_tables(parts))


def _kept(engine: Any, file: Path, schema: pa.Schema) -> ir.Table:
    """What was judged before; nothing where there is no file, or one that cannot be read, for it is made again."""
    try:
        kept: ir.Table = ibis.memtable(engine.read_parquet(str(file)).to_pyarrow().select(schema.names).cast(schema))
    except (duckdb.Error, ValueError, KeyError):  # Arrow's errors are of these kinds
        return ibis.memtable(schema.empty_table())
    with suppress(OSError):
        os.utime(file)
    return kept


def _keep(judgements: pa.Table, file: Path) -> OSError | None:
    """Put the judgements in place at once, so that nobody reads half a file; of two that write, the last one stays.

    What kept it from being written is no reason to stop: it costs the next night some time, and this one nothing.
    """
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    failure = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(judgements, draft)
        draft.replace(file)
    except OSError as error:
        failure = error
    with suppress(OSError):
        draft.unlink(missing_ok=True)
        for older in sorted(file.parent.glob(_LEARNED), key=lambda path: path.stat().st_mtime)[:-_KEPT_LEARNED]:
            older.unlink()
    return failure


@functools.cache
def _tell(folder: Path, reason: str) -> None:
    """Once for all scorers, and however often they save."""
    _LOGGER.warning(
        f"warning: judgements of ticket texts cannot be kept in {folder}: {reason}. Until they can, each run judges "
        "all texts again. Give the right to write there, free some space, or name another folder in [data] cache."
    )
