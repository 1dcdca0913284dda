"""How an account stands: the families of its reasons, what moved it, its renewal, and the figures of a sentence."""

import math
from datetime import date, timedelta
from typing import Any

import pytest
from digest_nights import HEADLINE, HIGH, MONDAY, account, publish_night
from pandas import DataFrame
from sample_nights import BANDS, CATALOGUE, NOW, make_book, publish, run
from sqlalchemy import Engine

from pipeline.compared import compared
from pipeline.standing import change_of, has_number, renewal_of, risk_at
from pipeline.store.connection import reading
from pipeline.store.nights import AccountNight, Night
from pipeline.store.nights import account as stored
from pipeline.store.nights import night as published_night
from pipeline.store.trend import trend
from pipeline.waterfall import waterfall
from pipeline.wording import all_sentences


def night_with(
    store: Engine, *, as_of: date = MONDAY, headline: dict[str, Any] | None = None, **of: Any
) -> tuple[Night, AccountNight]:
    """The night of one account, and that account."""
    publish_night(store, as_of, account("A-1", HIGH, **of), **(headline or {}))
    with reading(store) as connection:
        night = published_night(connection)
        assert night is not None
        found = stored(connection, night, "A-1")
    assert found is not None
    return night, found


def test_families_add_up_and_so_do_their_sentences(store: Engine) -> None:
    """To the log-odds of the store, with nothing lost between a family and what is said of it."""
    _, found = night_with(store, usage=3.0)
    steps = waterfall(found, all_sentences(found.reasons, CATALOGUE["features"], found.facts, MONDAY))
    whole = (found.base_log_odds or 0.0) + math.fsum(step.contribution for step in steps)
    assert whole == pytest.approx(found.log_odds, abs=1e-9)
    assert ["usage", "support"] == [step.family for step in steps], "the largest first"
    for step in steps:
        said = math.fsum(each.contribution for each in step.said)
        assert step.contribution == pytest.approx(said + step.rest, abs=1e-12)


def test_what_moved_it_is_what_the_night_tells(store: Engine) -> None:
    night, found = night_with(store, data=0.5, time=-0.1, model=0.2)
    moved = change_of(found, night)
    assert moved is not None
    assert MONDAY - timedelta(days=7) == moved.since
    assert found.log_odds == pytest.approx(moved.before + moved.time + moved.data + moved.model)
    assert found.risk == pytest.approx(risk_at(moved.now))


@pytest.mark.parametrize(
    ("headline", "of"),
    [({"compared_with": None}, {}), ({}, {"change_data": float("nan")})],
    ids=["no night", "not in it"],
)
def test_where_nothing_is_known_of_the_week_before_nothing_is_told(
    store: Engine, headline: dict[str, Any], of: dict[str, Any]
) -> None:
    night, found = night_with(store, headline=headline, **of)
    assert change_of(found, night) is None


def test_a_number_is_told_of_whom_a_model_knows(store: Engine) -> None:
    """Not by rules, and of nobody who is new."""
    night, found = night_with(store)
    assert has_number(found, night)
    by_rules, found = night_with(
        store, as_of=MONDAY + timedelta(days=1), headline={"starter": {"departures": 4, "needed": 100}}
    )
    assert not has_number(found, by_rules)
    night, young = night_with(store, as_of=MONDAY + timedelta(days=2), since=MONDAY - timedelta(days=3))
    assert not has_number(young, night)


def test_without_a_renewal_ahead_there_is_none(store: Engine) -> None:
    _, found = night_with(store)
    assert renewal_of(found, MONDAY) is None


def test_the_trend_takes_one_night_a_week_and_none_that_came_later(store: Engine) -> None:
    """The night itself and the newest of each week before it; nights without the account leave a gap."""
    for days in (30, 15, 9, 8, 1, 0):
        as_of = MONDAY - timedelta(days=days)
        publish_night(store, as_of, account("A-1" if days != 15 else "A-2", HIGH))
    with reading(store) as connection:
        whole = trend(connection, "A-1", MONDAY)
        then = trend(connection, "A-1", MONDAY - timedelta(days=8))
        short = trend(connection, "A-1", MONDAY, weeks=2)
        nobody = trend(connection, "A-unheard-of", MONDAY)
    assert [30, 8, 0] == [(MONDAY - point.as_of).days for point in whole.points]
    assert [30, 8] == [(MONDAY - point.as_of).days for point in then.points]
    assert [8, 0] == [(MONDAY - point.as_of).days for point in short.points]
    assert ((), ()) == (nobody.points, nobody.new_models)


def test_the_trend_tells_no_number_that_was_not_told_then(store: Engine) -> None:
    """What rules made of an account stays untold, and so does the risk of its first weeks."""
    young = account("A-young", since=MONDAY - timedelta(days=30))
    rules = {"starter": {"departures": 4, "needed": 100}}
    for weeks in (4, 3, 2, 1, 0):
        as_of = MONDAY - timedelta(weeks=weeks)
        version, more = ("1", rules) if weeks > 2 else ("2", {})
        book = make_book(DataFrame([account("A-old"), young]), bands=BANDS, new_days=28, as_of=as_of)
        made = run(f"r{as_of}", as_of=as_of, model_version=version, **HEADLINE | more)
        publish(store, made, book, CATALOGUE, finished_at=NOW)
    with reading(store) as connection:
        old, new = (trend(connection, account_id, MONDAY) for account_id in ("A-old", "A-young"))
    assert [2, 1, 0] == [(MONDAY - point.as_of).days // 7 for point in old.points]
    assert () == old.new_models, "the other model came with the first point"
    assert [MONDAY] == [point.as_of for point in new.points]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Active on {a:n} days[; {usual:n against a} is normal].", ("a", "6", "19", "4")),
        ("{a:n} of {seats:n} seats.", ("a", "6", None, "4")),
        ("It renews on {a:ahead}.", ("a", "29 November", None, None)),
        ("{seats:n} seats in all.", ("seats", "50", None, "80")),
        ("Nothing is told.", ("a", None, None, None)),
        ("They are {a:renews|ends}.", ("a", None, None, None)),
    ],
)
def test_the_figures_of_a_sentence(words: str, expected: tuple[str | None, ...]) -> None:
    """Its own, the usual one that it is held against, and that of peers where it is no date."""
    record = {"name": "a", "words": {"raises": {"en": words}}}
    facts = {"a": 6.0, "usual": 19.2, "seats": 50.0}
    found = compared(record, facts, {"a": 4.0, "seats": 80.0}, MONDAY, "en")
    assert expected == (found.feature, found.own, found.usual, found.peers)
