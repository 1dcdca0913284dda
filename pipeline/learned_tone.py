"""The tone of tickets as a company's own customers mean it: learned from their ratings, where that is better."""

from typing import Final

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from features.contract import RECORDED_AT
from features.timeline import Moment
from features.versions import History, recorded_at
from models.sentiment_model import Comparison, SentimentModel, compare, learn
from pipeline.judgements import Progress, Scorer, digest, judged
from pipeline.settings import Settings
from pipeline.sources import Opened, copied

__all__ = ["learn_tone", "rated_texts", "use_tone"]

_MOST_RATED: Final = 20_000
"""Tickets rated last that are learned from: more teach little more, and take a minute each time."""

_SCHEMA: Final = pa.schema({"digest": pa.string(), "group": pa.string(), "sentiment": pa.float64()})


def learn_tone(
    opened: Opened, past: History, moment: Moment, base: str | None
) -> tuple[SentimentModel | None, Comparison | None]:
    """A scorer learned from the ratings known at the moment, where it is better than `base`; and what the trial found.

    Neither where the company has its own judgements, or no ratings with a time.
    """
    if base is None:
        return None, None
    if not past.has("tickets.csat", "tickets.csat_at", "tickets.sentiment", "tickets.text"):
        return None, None
    if "sentiment" in opened.raw["tickets"].columns:
        return None, None
    rated = rated_texts(past, moment)
    comparison = compare(rated, base)
    if comparison is None or not comparison.is_better:
        return None, comparison
    return learn(rated, base), comparison


def use_tone(opened: Opened, settings: Settings, tone: SentimentModel, progress: Progress | None = None) -> None:
    """Put the learned scorer's judgement in the place of its base's, in tables that were judged already.

    What that could not judge, in another language, stays unjudged: nothing was learned of it.
    """
    tickets = opened.tables["tickets"]
    keyed = {"tickets": tickets.mutate(group=_group(tickets))}
    if "ticket_messages" in opened.tables:
        messages = opened.tables["ticket_messages"].left_join(_first_groups(tickets), "ticket_id")
        keyed["ticket_messages"] = messages.drop("ticket_id_right")
    keyed = {name: rows.mutate(digest=digest(rows)) for name, rows in keyed.items()}
    texts = ibis.union(*(rows.select("digest", "group", "text", "sentiment") for rows in keyed.values()))
    texts = texts.filter(texts["sentiment"].notnull() & texts["group"].notnull())
    found = judged(opened.engine, texts, _scorer(tone), settings.folder / settings.data.cache, progress)
    for name, rows in keyed.items():
        joined = rows.drop("sentiment").left_join(found, ["digest", "group"])
        joined = joined.drop("digest", "group", "digest_right", "group_right")
        opened.tables[name] = copied(opened.engine, f"_{name}_learned", joined)


def _scorer(tone: SentimentModel) -> Scorer:
    def judge(batch: pa.RecordBatch) -> list[pa.Array]:
        base = batch["sentiment"].to_numpy(zero_copy_only=False)
        return [pa.array(tone.polarity(batch["text"].to_pylist(), base, batch["group"].to_pylist()))]

    return Scorer(tone.version, ("digest", "group"), _SCHEMA, judge)


def _group(rows: ir.Table) -> ir.StringValue:
    """Into which group an account was dealt; see `models.sentiment_model.GROUPS`."""
    return rows["account_id"].hexdigest("sha256").substr(0, 1)


def _first_groups(tickets: ir.Table) -> ir.Table:
    """One group for each ticket: that of the account which had it first, so that no later version changes the past."""
    recorded = [recorded_at(tickets)] if RECORDED_AT in tickets.columns else []
    place = ibis.row_number().over(group_by="ticket_id", order_by=[*recorded, tickets["account_id"]])
    first = tickets.select("ticket_id", group=_group(tickets), _place=place)
    return first.filter(first["_place"] == 0).drop("_place")


def rated_texts(past: History, moment: Moment) -> pd.DataFrame:
    """The customers' texts in the tickets rated last, as `compare` and `learn` need them."""
    tickets = past.known("tickets", moment)
    tickets = tickets.filter(tickets["csat"].notnull() & tickets["csat_at"].notnull())
    tickets = tickets.order_by(ibis.desc("csat_at"), "ticket_id").limit(_MOST_RATED).cache()
    words = tickets.select("ticket_id", "text", "sentiment")
    if past.has("ticket_messages.sentiment"):
        messages = past.known("ticket_messages", moment)
        words = words.union(messages.select("ticket_id", "text", "sentiment"), distinct=True)
    words = words.filter(words["sentiment"].notnull()).rename(polarity="sentiment")
    about = tickets.select("ticket_id", "account_id", "opened_at", "csat", "csat_at", group=_group(tickets))
    joined = words.inner_join(about, "ticket_id")
    frame: pd.DataFrame = joined.order_by("csat_at", "ticket_id", "text").to_pandas()
    return frame
