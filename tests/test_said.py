"""How a ticket sounds: by all that its customer wrote until then, and by nothing that the staff wrote."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from engine_companies import Row, loaded
from oracle_time import Rules
from single_cases import AS_OF, on
from small_companies import SmallCompany

from features.aspects import as_bits
from features.said import tone
from features.sentiment import judge

PLAIN = "How do I print the plan of next week?"
ANGRY = "Third time I write. Still nobody answers, this is ridiculous!"
PLEASED = "It works perfectly now, thank you so much!"
SORRY = "We are terribly sorry, this is awful of us and we apologise for the outage."
GERMAN = "Der Dienstplan ist schon wieder weg und niemand antwortet uns."

Said = tuple[str, str, datetime]


def day(days: int) -> datetime:
    return on(AS_OF - timedelta(days=days), 12)


def of_ticket(engine: Any, text: str | None, messages: list[Said] | None, **more: Any) -> Row:
    """What `tone` finds of one ticket opened ten days ago, with these (author, text, time) in it."""
    ticket = {"ticket_id": "T1", "account_id": "A1", "opened_at": day(10), "text": text} | more
    tables: dict[str, list[Row]] = {"accounts": [{"account_id": "A1", "created_at": day(99)}], "tickets": [ticket]}
    if messages is not None:
        tables["ticket_messages"] = [
            {"message_id": f"M{place}", "ticket_id": "T1", "author": author, "text": said, "sent_at": at}
            for place, (author, said, at) in enumerate(messages)
        ]
    with loaded(engine, SmallCompany(tables, frozenset(), None, AS_OF, [AS_OF]), Rules()) as history:
        moment = history.rules.moment(AS_OF)
        (row,) = tone(history, history.known("tickets", moment), moment).to_pyarrow().to_pylist()
        return {name: row[name] for name in ("mood", "worst", "aspects")}


def steps(text: str) -> int:
    polarity = judge(text).polarity
    assert polarity is not None
    return round(polarity * 1000)


def judged(*texts: str) -> Row:
    """The same, from the texts that count."""
    found = [steps(text) for text in texts]
    aspects = as_bits(aspect for text in texts for aspect in judge(text).aspects)
    return {"mood": pytest.approx(sum(found) / len(found), abs=0.51), "worst": min(found), "aspects": aspects}


NOTHING = {"mood": None, "worst": None, "aspects": None}


@pytest.mark.parametrize(
    ("what", "text", "messages", "counted"),
    [
        ("a table of tickets alone", ANGRY, None, [ANGRY]),
        ("a ticket that only the staff answered", ANGRY, [("staff", SORRY, day(9))], [ANGRY]),
        ("what began politely", PLAIN, [("customer", ANGRY, day(3))], [PLAIN, ANGRY]),
        ("the same text in both", ANGRY, [("customer", ANGRY, day(10))], [ANGRY]),
        ("and once more", None, [("customer", ANGRY, day(3)), ("customer", ANGRY, day(2))], [ANGRY]),
        ("an apology of the staff", PLAIN, [("staff", SORRY, day(9)), ("customer", PLEASED, day(8))], [PLAIN, PLEASED]),
        (
            "what is yet to be said",
            PLAIN,
            [("customer", ANGRY, day(0)), ("customer", PLEASED, day(1))],
            [PLAIN, PLEASED],
        ),
        ("a message that cannot be judged", PLEASED, [("customer", GERMAN, day(3))], [PLEASED]),
    ],
)
def test_a_ticket_sounds_like_its_customer(
    engine: Any, what: str, text: str | None, messages: list[Said] | None, counted: list[str]
) -> None:
    assert judged(*counted) == of_ticket(engine, text, messages), what


def test_where_nobody_can_judge_nothing_is_known(engine: Any) -> None:
    assert NOTHING == of_ticket(engine, GERMAN, [("customer", GERMAN, day(4)), ("staff", SORRY, day(3))])
    assert NOTHING == of_ticket(engine, None, None)


def test_the_companys_own_judgement_stands(engine: Any) -> None:
    assert {"mood": 250, "worst": 250, "aspects": 2} == of_ticket(engine, ANGRY, None, sentiment=0.25, aspects=2)
