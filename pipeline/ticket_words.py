"""Gives every ticket the sentiment of its words, before features look at it.

A text is judged once and for all: judgements are kept in the cache, by the digest of the text and the version of the
scorer, so that a night judges what is new. The cache holds no text, and whoever deletes it loses time and nothing else.
"""

import os
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from features.contract import Severity
from features.sentiment import SCORER, score
from features.timeline import Moment
from features.versions import History
from pipeline.settings import Settings
from pipeline.sources import Opened, copied
from pipeline.violation import Violation

__all__ = ["SCORER", "add_sentiment", "unjudged"]

_A_YEAR: Final = timedelta(days=364)
_MOST_UNJUDGED: Final = 0.05
_COLUMNS: Final = pa.schema({"digest": pa.string(), "sentiment": pa.float64()})


def add_sentiment(opened: Opened, settings: Settings) -> str | None:
    """Add `tickets.sentiment` where the company has none of its own, and say which scorer made it (None: not ours).

    Each distinct text is judged once, whatever the number of versions of its ticket. Texts in a language that the
    scorer does not judge have none.
    """
    tickets = opened.tables.get("tickets")
    if tickets is None or "text" not in tickets.columns or "sentiment" in tickets.columns:
        return None
    digested = tickets.mutate(digest=tickets["text"].hexdigest("sha256"))
    file = settings.folder / settings.data.cache / f"sentiment-{SCORER}.parquet"
    kept = _kept(opened.engine, file)
    unseen = digested.filter(digested["text"].notnull()).select("digest", "text").distinct()
    texts = unseen.anti_join(kept, "digest").order_by("digest").to_pyarrow()
    judged = pa.table([texts["digest"], score(texts["text"].to_pylist())], schema=_COLUMNS)
    # Of what was judged before, the rest is forgotten: the ticket is gone.
    there = kept.semi_join(digested, "digest").to_pyarrow().cast(_COLUMNS)
    whole = pa.concat_tables([there, judged])
    if judged.num_rows:
        _keep(whole, file)
    joined = digested.left_join(ibis.memtable(whole), "digest").drop("digest", "digest_right")
    opened.tables["tickets"] = copied(opened.engine, "_tickets_judged", joined)
    return SCORER


def unjudged(past: History, moment: Moment) -> list[Violation]:
    """A warning where many texts of the last year could not be judged, else nothing: their mood is missing."""
    tickets = past.known("tickets", moment)
    recent = tickets.filter((tickets["opened_at"] >= moment.midnight - _A_YEAR) & tickets["text"].notnull())
    mute = recent["sentiment"].isnull().sum()
    found = recent.aggregate(texts=recent.count(), mute=mute.fill_null(0)).execute().iloc[0]
    texts, failing = int(found["texts"]), int(found["mute"])
    if failing <= _MOST_UNJUDGED * texts:
        return []
    rule = "is in a language that is not judged, or holds no words"
    remedy = (
        "Only English and Chinese are judged; the mood of other tickets of the last year is missing. Where you have "
        "a judgement of your own, from -1 to 1, bring it as tickets.sentiment."
    )
    return [Violation("tickets", "text", rule, failing, texts, (), remedy, Severity.WARN)]


def _kept(engine: Any, file: Path) -> ir.Table:
    """What was judged before; nothing where there is no file, or one that cannot be read, for it is made again."""
    try:
        kept: ir.Table = ibis.memtable(
            engine.read_parquet(str(file)).to_pyarrow().select(_COLUMNS.names).cast(_COLUMNS)
        )
    except (duckdb.Error, ValueError, KeyError):  # Arrow's errors are of these kinds
        kept = ibis.memtable(_COLUMNS.empty_table())
    return kept


def _keep(judged: pa.Table, file: Path) -> None:
    """Put the judgements in place at once, so that nobody reads half a file; of two that write, the last one stays."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    with suppress(OSError):  # a cache that cannot be written costs the next night some time, and this one nothing
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(judged, draft)
        draft.replace(file)
    with suppress(OSError):
        draft.unlink(missing_ok=True)
