"""What became of accounts after an action: read from the nights, never from what people wrote."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from digest_nights import HIGH, INES, LOW, MEDIUM, account, leaving, publish_night
from sample_people import put, user
from sqlalchemy import Engine

from pipeline.aftermath import Aftermath, Fate, aftermath, not_a_risk_cases
from pipeline.people.actions import actions_since
from pipeline.people.connection import reading as reading_people
from pipeline.people.deeds import Called, Deed, Form, NotARisk, record
from pipeline.people.forgotten import PSEUDONYM
from pipeline.people.schema import USERS, new_id
from pipeline.store.connection import reading
from pipeline.store.nights import night

FIRST = date(2026, 8, 31)
"""Twelve weeks before the last night: the horizon of sixty days is over."""

NIGHTS = [FIRST + timedelta(weeks=week) for week in range(0, 13, 2)]
LAST = NIGHTS[-1]
GONE = FIRST + timedelta(weeks=4)
LATE = FIRST + timedelta(weeks=10)

LIVES: dict[str, Callable[[date], dict[str, Any] | None]] = {
    "stays": lambda day: account("stays", MEDIUM),
    "gone": lambda day: account("gone", HIGH) if day < GONE else None,
    "told": lambda day: (
        account("told", HIGH)
        if day < GONE
        else leaving("told", GONE + timedelta(days=9))
        if day < GONE + timedelta(weeks=4)
        else None
    ),
    "late": lambda day: account("late", MEDIUM) if day < LATE else None,
    "notice": lambda day: account("notice", LOW) if day < LAST else leaving("notice", LAST + timedelta(days=30)),
    "lapsed": lambda day: (
        account("lapsed", LOW) if day < LAST else account("lapsed", state="lapsed", last_day=LAST - timedelta(days=4))
    ),
    "back": lambda day: (
        account("back", LOW, since=day)
        if day > GONE + timedelta(weeks=4)
        else None
        if day >= GONE
        else account("back", HIGH)
    ),
    "lapse": lambda day: (
        account("lapse", MEDIUM) if day != GONE else account("lapse", state="lapsed", last_day=GONE - timedelta(days=2))
    ),
    f"{PSEUDONYM}1": lambda day: account(f"{PSEUDONYM}1", HIGH) if day < GONE else None,
}


@pytest.fixture
def ines(store: Engine, people: Engine) -> str:
    """Ines's id; seven nights, a fortnight apart, lie in the store."""
    for day in NIGHTS:
        publish_night(store, day, *(there for live in LIVES.values() if (there := live(day)) is not None))
    row = user(INES)
    put(people, {USERS: [row]})
    return str(row["user_id"])


def act(people: Engine, by: str, account_id: str, deed: Deed, on: date = FIRST) -> None:
    at = datetime.combine(on, time(9), UTC)
    form = Form(form_id=new_id(), user_id=by, account_id=account_id, as_of=on, at=at, today=on)
    record(people, form, deed, rest_days=14, families=[])


def after(store: Engine, people: Engine, on: date = LAST) -> dict[str, Aftermath]:
    with reading(store) as connection, reading_people(people) as written:
        of = night(connection, on)
        assert of is not None
        found = aftermath(connection, of, actions_since(written, FIRST))
    return {each.action.account_id: each for each in found}


def test_what_became_of_each(store: Engine, people: Engine, ines: str) -> None:
    """By the nights: who stayed sixty days, who left when, who is going, of whom nobody may say."""
    for name in (*LIVES, "never"):
        act(people, ines, name, Called(reached=True))
    found = after(store, people)
    assert {
        "stays": (Fate.CUSTOMER, None, True),
        "gone": (Fate.LEFT, GONE, False),
        "told": (Fate.LEFT, GONE + timedelta(days=9), False),
        "late": (Fate.LEFT, LATE, True),
        "notice": (Fate.NOTICE, LAST + timedelta(days=30), True),
        "lapsed": (Fate.LAPSED, LAST - timedelta(days=4), True),
        "back": (Fate.LEFT, GONE, False),
        "lapse": (Fate.CUSTOMER, None, True),
        f"{PSEUDONYM}1": (Fate.UNKNOWN, None, None),
        "never": (Fate.UNKNOWN, None, None),
    } == {name: (each.fate, each.left_on, each.stayed) for name, each in found.items()}
    stood = found["gone"].then
    assert stood is not None
    assert (FIRST, "high") == (stood.as_of, stood.band)
    assert found["never"].then is None


def test_before_the_horizon_is_over_nobody_knows(store: Engine, people: Engine, ines: str) -> None:
    """Who is gone has left; of the others it is open. Later actions are not looked at."""
    for name in ("stays", "gone"):
        act(people, ines, name, Called(reached=True))
    act(people, ines, "late", Called(reached=True), on=LAST)
    found = after(store, people, GONE)
    assert {"stays": (Fate.CUSTOMER, None), "gone": (Fate.LEFT, False)} == {
        name: (each.fate, each.stayed) for name, each in found.items()
    }


def test_what_was_no_risk_reaches_who_looks_after_the_model(store: Engine, people: Engine, ines: str) -> None:
    """Each with its reason, its risk then and what happened; calls are not among them."""
    act(people, ines, "stays", NotARisk("seasonal"))
    act(people, ines, "gone", NotARisk("data_wrong"))
    act(people, ines, "lapse", NotARisk("seasonal"), on=LAST)
    act(people, ines, "told", Called(reached=True))
    with reading(store) as connection:
        of = night(connection)
        assert of is not None
        cases = not_a_risk_cases(connection, people, of, FIRST)
        later = not_a_risk_cases(connection, people, of, LAST)
    assert {"lapse", "gone", "stays"} == {each.action.account_id for each in cases.cases}
    assert (
        f"Marked as no risk since {FIRST}: 3 (seasonal 2, data wrong 1); 1 of 2 left within 60 days, "
        "of 1 it is not known yet."
    ) == cases.told()
    assert f"Marked as no risk since {LAST}: 1 (seasonal 1); what came of it is open." == later.told()
    (gone,) = [each.as_record() for each in cases.cases if each.action.account_id == "gone"]
    assert ("high", "left", str(GONE), False, "data_wrong", INES) == tuple(
        gone[name] for name in ("band", "fate", "left_on", "stayed", "why", "by")
    )


def test_where_nobody_wrote_there_are_no_cases(store: Engine, people: Engine) -> None:
    publish_night(store, LAST, account("A-1", HIGH))
    with reading(store) as connection:
        of = night(connection)
        assert of is not None
        cases = not_a_risk_cases(connection, people, of, FIRST)
    assert ((), f"Marked as no risk since {FIRST}: none.") == (cases.cases, cases.told())
