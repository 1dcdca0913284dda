"""Gives the customers' words a sentiment and what they speak of, before features look at them.

A text is judged once and for all: judgements are kept by the digest of the text and the version of the scorer, so that
a night judges what is new. Whoever deletes the folder `[data] cache` loses time and nothing else.
"""

from datetime import timedelta
from typing import Any, Final

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from features.aspects import as_bits
from features.contract import CONTRACT, Severity
from features.own_words import own_words
from features.sentiment import SCORER, judge
from features.timeline import Moment
from features.versions import History
from models.sentiment_model import has_words
from models.transformer import Transformer
from pipeline.judgements import Progress, Scorer, digest, judged
from pipeline.settings import Settings
from pipeline.sources import Opened, copied
from pipeline.violation import Violation

__all__ = ["add_sentiment", "unjudged"]

_A_YEAR: Final = timedelta(days=364)
_MOST_UNJUDGED: Final = 0.05
_MOST_WORDLESS: Final = 0.5  # tickets that were taken by telephone have none, and nothing is wrong
_MOST_DRAWN: Final = 10_000
_UNREAD: Final = "Only English and Chinese are read: what others of the last year speak of is missing."
_TONELESS: Final = (
    "So is their tone, unless you bring a judgement of your own, from -1 to 1, as tickets.sentiment, or name a model "
    "that knows the language in [sentiment] model."
)

_WORDLESS: Final = "What these customers say, and how it sounds, is missing. Is text what the customer wrote?"
_ELSEWHERE: Final = "Where the words lie in another table, give it as [data] ticket_messages."


def add_sentiment(opened: Opened, settings: Settings, progress: Progress | None = None) -> str | None:
    """Judge the customers' words and say what did: the scorer's version with the tables that it read. None: no words.

    `tickets` and `ticket_messages` get `sentiment`, unless the company has its own in tickets, and `aspects`, as bits.
    Each distinct text is judged once, whatever the number of its versions. Texts in a language that the scorer does not
    judge have neither, and what the staff wrote is not looked at.
    """
    if "tickets" not in opened.tables:
        return None
    tickets = opened.tables["tickets"]
    has_own = "sentiment" in tickets.columns
    digested = {}
    if "text" in tickets.columns:
        digested["tickets"] = tickets.mutate(digest=digest(tickets))
    if "ticket_messages" in opened.tables:
        if not digested:  # of the messages each has its text
            digested["tickets"] = tickets.mutate(text=ibis.null("string"), digest=ibis.null("string"))
        messages = opened.tables["ticket_messages"]
        theirs = (messages["author"] == "customer").ifelse(digest(messages), ibis.null("string"))
        digested["ticket_messages"] = messages.mutate(digest=theirs)
    if not digested:
        return None
    texts = ibis.union(*(rows.select("digest", "text") for rows in digested.values()))
    texts = texts.filter(texts["digest"].notnull())
    cache = settings.folder / settings.data.cache
    found = judged(opened.engine, texts, _LEXICON, cache, progress)
    version = SCORER
    if has_own:
        found, version = found.drop("sentiment"), f"own scores, {SCORER}"
    elif settings.sentiment.model:
        model = Transformer.load(settings.sentiment.model, settings.folder, settings.engine.threads)
        moods = judged(opened.engine, texts, _by_transformer(model), cache, progress)
        found = found.drop("sentiment").left_join(moods, "digest").drop("digest_right")
        version = f"{model.version}, {SCORER}"
    for name, rows in digested.items():
        joined = rows.left_join(found, "digest").drop("digest", "digest_right")
        opened.tables[name] = copied(opened.engine, f"_{name}_judged", joined)
    read = [name for name in digested if "text" in opened.raw[name].columns]
    return f"{version} of {' and '.join(read)}"


def unjudged(past: History, moment: Moment) -> list[Violation]:
    """Warnings for each table of which many texts of the last year could not be read: something of them is missing.

    Those in other languages are told apart from those without words. Tickets have none where messages hold them.
    """
    found = []
    for name in ("tickets", "ticket_messages"):
        if not past.has(f"{name}.aspects"):
            continue
        rows = past.known(name, moment)
        rows = rows.filter(rows[CONTRACT[name].event_time] >= moment.midnight - _A_YEAR)
        if "author" in rows.columns:
            rows = rows.filter(rows["author"] == "customer")
        toneless = rows["sentiment"].isnull() if "sentiment" in rows.columns else ibis.literal(False)
        is_mute = rows["text"].notnull() & rows["aspects"].isnull()
        counted = rows.aggregate(
            rows=rows.count(), texts=rows["text"].count(), mute=is_mute.sum(), toneless=(toneless & is_mute).sum()
        )
        every, texts, mute, without_tone = (int(value) for value in counted.fill_null(0).execute().iloc[0])
        unread = round(mute * _share_with_words(rows.filter(is_mute)))
        if unread > _MOST_UNJUDGED * texts:
            remedy = f"{_UNREAD} {_TONELESS}" if without_tone > _MOST_UNJUDGED * texts else _UNREAD
            rule = "is in a language that is not read"
            found.append(Violation(name, "text", rule, unread, texts, (), remedy, Severity.WARN))
        wordless = every - texts + mute - unread
        if wordless > _MOST_WORDLESS * every and not (name == "tickets" and "ticket_messages" in past.tables):
            remedy = f"{_WORDLESS} {_ELSEWHERE}" if name == "tickets" else _WORDLESS
            found.append(Violation(name, "text", "holds no words", wordless, every, (), remedy, Severity.WARN))
    return found


def _share_with_words(mute: ir.Table) -> float:
    """Of texts that nobody could read, the share that holds words: of all, or of so many, drawn by their digests."""
    drawn = mute.order_by(digest(mute)).limit(_MOST_DRAWN).select("text").to_pyarrow()
    return sum(map(has_words, drawn["text"].to_pylist())) / max(1, len(drawn))


def _by_lexicon(batch: pa.RecordBatch) -> list[Any]:
    found = [judge(text) for text in batch["text"].to_pylist()]
    aspects = [None if each.language is None else as_bits(each.aspects) for each in found]
    return [[each.polarity for each in found], aspects]


_LEXICON: Final = Scorer(
    version=SCORER,
    keys=("digest",),
    schema=pa.schema({"digest": pa.string(), "sentiment": pa.float64(), "aspects": pa.int64()}),
    judge=_by_lexicon,
)


def _by_transformer(model: Transformer) -> Scorer:
    """A model that the settings name judges words in any language."""

    def judge_batch(batch: pa.RecordBatch) -> list[Any]:
        said = [own_words(text) for text in batch["text"].to_pylist()]
        polarity = iter(model.polarity([words for words in said if words]).tolist())
        return [[next(polarity) if words else None for words in said]]

    schema = pa.schema({"digest": pa.string(), "sentiment": pa.float64()})
    return Scorer(model.version, ("digest",), schema, judge_batch)
