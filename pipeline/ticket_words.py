"""Gives every ticket the sentiment of its words, before features look at it."""

import ibis

from features.sentiment import SCORER, score
from pipeline.sources import Opened, copied

__all__ = ["SCORER", "add_sentiment"]


def add_sentiment(opened: Opened) -> str | None:
    """Add `tickets.sentiment` where the company has none of its own, and say which scorer made it (None: not ours).

    Each distinct text is judged once, whatever the number of versions of its ticket.
    """
    tickets = opened.tables.get("tickets")
    if tickets is None or "text" not in tickets.columns or "sentiment" in tickets.columns:
        return None
    texts = tickets.filter(tickets["text"].notnull()).select("text").distinct().execute()["text"].tolist()
    judged = {"text": texts, "sentiment": score(texts)}
    schema = {"text": "string", "sentiment": "float64"}
    words = opened.engine.create_table("_sentiment", ibis.memtable(judged, schema=schema), temp=True)
    joined = tickets.left_join(words, "text").drop("text_right")
    opened.tables["tickets"] = copied(opened.engine, "_tickets_judged", joined)
    return SCORER
