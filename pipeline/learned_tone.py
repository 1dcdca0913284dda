"""The tone of tickets as a company's own customers mean it: learned from their ratings, where that is better."""

from dataclasses import dataclass
from typing import Any, Final

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from features.contract import RECORDED_AT, Severity
from features.timeline import Moment
from features.versions import History, recorded_at
from models.sentiment_model import Comparison, SentimentModel, TooFewRatings, compare, learn
from pipeline.judgements import Progress, Scorer, digest, judged
from pipeline.settings import Settings
from pipeline.sources import Opened, copied
from pipeline.violation import Violation

__all__ = ["Found", "NotTried", "learn_tone", "rated_texts", "untimed_ratings", "use_tone"]

_MOST_RATED: Final = 20_000
"""Tickets rated last that are learned from: more teach little more, and take a minute each time."""

_SCHEMA: Final = pa.schema({"digest": pa.string(), "group": pa.string(), "sentiment": pa.float64()})


_MOST_UNTIMED: Final = 0.05


@dataclass(frozen=True)
class NotTried:
    """Why there was no trial, although tickets are rated."""

    why: str

    def __str__(self) -> str:
        return f"Tone of tickets: nothing is learned from ratings: {self.why}."

    def as_record(self) -> dict[str, Any]:
        """The reason as plain data."""
        return {"not_tried": self.why, "is_better": False}


Found = Comparison | TooFewRatings | NotTried
"""What came of the wish to learn from ratings."""


def learn_tone(
    opened: Opened, past: History, moment: Moment, base: str | None, *, learns: bool = True
) -> tuple[SentimentModel | None, Found | None]:
    """A scorer learned from the ratings known at the moment, where it is better than `base`; and what the trial found.

    Neither where there are no words (`base` is None) or no ratings. `learns` is what the settings say of it.
    """
    if base is None or not past.has("tickets.csat"):
        return None, None
    if not learns:
        return None, NotTried("[sentiment] learn = false")
    if "sentiment" in opened.raw["tickets"].columns:
        return None, NotTried("tickets.sentiment is your own judgement of them, and it is used")
    ratings, untimed = _ratings(past)
    if not ratings:
        return None, None
    if ratings == untimed:
        return None, NotTried("they have no time. Give tickets.csat_at, when each was given")
    rated = rated_texts(past, moment)
    found = compare(rated, base)
    better = isinstance(found, Comparison) and found.is_better
    return learn(rated, base) if better else None, found


def untimed_ratings(past: History) -> list[Violation]:
    """A warning where ratings have no time of their own: nobody knows since when they have been there."""
    if not past.has("tickets.csat"):
        return []
    ratings, untimed = _ratings(past)
    if untimed <= _MOST_UNTIMED * ratings:
        return []
    has_column = past.has("tickets.csat_at")
    rule = "is missing although the ticket is rated" if has_column else "is not given although tickets are rated"
    teaches = "only how they change is known, from the versions of tickets, and the tone of words is not learned"
    lost = teaches if not has_column and past.may_teach("tickets.csat") else "such a rating counts for nothing"
    remedy = f"Without the time when it was given, {lost}. Bring it, or map its column in [data.columns.tickets]."
    return [Violation("tickets", "csat_at", rule, untimed, ratings, (), remedy, Severity.WARN)]


def _ratings(past: History) -> tuple[int, int]:
    """How many tickets are rated, and how many of these ratings have no time. Of several versions each counts."""
    tickets = past.tables["tickets"]
    is_rated = tickets["csat"].notnull()
    untimed = is_rated & tickets["csat_at"].isnull() if past.has("tickets.csat_at") else is_rated
    counted = tickets.aggregate(ratings=is_rated.sum(), untimed=untimed.sum()).fill_null(0).execute().iloc[0]
    return int(counted["ratings"]), int(counted["untimed"])


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
    """The customers' texts in the tickets rated last, as `compare` and `learn` need them; a ticket without has none."""
    tickets = past.known("tickets", moment)
    tickets = tickets.filter(tickets["csat"].notnull() & tickets["csat_at"].notnull())
    tickets = tickets.order_by(ibis.desc("csat_at"), "ticket_id").limit(_MOST_RATED).cache()
    words = tickets.select("ticket_id", "text", "sentiment", said_at="opened_at")
    if past.has("ticket_messages.sentiment"):
        messages = past.known("ticket_messages", moment)
        messages = messages.filter(messages["author"] == "customer").semi_join(tickets, "ticket_id")
        words = words.union(messages.select("ticket_id", "text", "sentiment", said_at="sent_at"))
    words = words.group_by("ticket_id", "text", polarity="sentiment").agg(said_at=ibis._["said_at"].min())
    about = tickets.select("ticket_id", "account_id", "opened_at", "csat", "csat_at", group=_group(tickets))
    joined = words.inner_join(about, "ticket_id")
    frame: pd.DataFrame = joined.order_by("csat_at", "ticket_id", "text").to_pandas()
    return frame
