"""How each ticket sounds, from all that its customer had written in it by then.

A ticket that began politely and went on in anger is an angry one, from the day of the angry message on and not before.
What the staff wrote counts for nothing: they apologise, which is no good mood of the customer's.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from features.timeline import Moment
from features.versions import History

__all__ = ["STEPS", "tone"]

STEPS: Final = 1_000
"""Moods are added in thousandths, as whole numbers."""


def tone(history: History, tickets: ir.Table, moment: Moment) -> ir.Table:
    """The tickets, which are known ones, with how they sound; null where no words could be judged.

    Further columns: `mood`, the mean of the customer's messages, `worst`, the angriest of them (both in thousandths of
    −1 … 1), and `aspects`, the bits of `features.aspects` for all that they speak of. A text that stands both in the
    ticket and in a message of it counts once.
    """
    own = _judged(tickets, history.may_teach("tickets.sentiment"))
    if "ticket_messages" not in history.tables:
        return tickets.mutate(mood=own["sentiment"], worst=own["sentiment"], aspects=own["aspects"])
    messages = history.known("ticket_messages", moment)
    messages = messages.filter(messages["author"] == "customer").semi_join(tickets, "ticket_id")
    sent = _judged(messages, "sentiment" in messages.columns)
    words = tickets.select("ticket_id", **own).union(messages.select("ticket_id", **sent), distinct=True)
    sentiment = words["sentiment"]
    mood = (sentiment.sum() / sentiment.count() + 0.5).floor().cast("int64")
    said = words.group_by("ticket_id").agg(mood=mood, worst=sentiment.min(), aspects=words["aspects"].bit_or())
    bare = tickets.drop(*({"aspects"} & set(tickets.columns)))
    return bare.left_join(said, "ticket_id").drop("ticket_id_right")


def _judged(rows: ir.Table, has_sentiment: bool) -> dict[str, ir.Value]:
    """Each text with its judgement; what the company has not, or does not record, is missing."""
    sentiment = rows["sentiment"] if has_sentiment else ibis.null("float64")
    return {
        "text": rows["text"] if "text" in rows.columns else ibis.null("string"),
        "sentiment": (sentiment * STEPS).round().cast("int64"),
        "aspects": rows["aspects"].cast("int64") if "aspects" in rows.columns else ibis.null("int64"),
    }
