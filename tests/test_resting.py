"""Who rests and who is back early: nobody is listed and rests, the order is the book's, every return has a why."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.people.actions import Action
from pipeline.resting import Early, Then, candidate, formed, is_live, newest, returned
from pipeline.store.lines import Line

TONIGHT = date(2026, 11, 23)
THEN = date(2026, 11, 16)
BANDS = {"medium": 0.1, "high": 0.17}
LOW, MEDIUM, HIGH = -4.0, -2.0, -1.0


def line(account_id: str = "A-1", log_odds: float | None = MEDIUM, as_of: date = TONIGHT, **more: Any) -> Line:
    risk = None if log_odds is None else 1 / (1 + math.exp(-log_odds))
    band = None if risk is None else "high" if risk >= 0.17 else "medium" if risk >= 0.1 else "low"
    found = Line(
        as_of=as_of,
        model="1 a",
        account_id=account_id,
        root_id=account_id,
        name=None,
        entry_name=None,
        owner="ines@example.com",
        state="watch" if band == "low" else "candidate",
        last_day=None,
        band=band,
        rank=1,
        risk=risk,
        mrr=100.0,
        value_at_risk=None if risk is None else 100 * risk,
        log_odds=log_odds,
        change_model=0.0,
        renews_on=None,
    )
    return replace(found, **more)


def action(account_id: str = "A-1", *, until: date = TONIGHT + timedelta(days=7), **more: Any) -> Action:
    at = datetime(2026, 11, 16, 9, tzinfo=UTC)
    made = Action(
        "0" * 32, account_id, at, THEN, "called", True, None, None, None, None, until, "u", "ines@example.com", None
    )
    return replace(made, **more)


def then(*lines: Line, compared_model: str | None = "1 a") -> Then:
    return Then({(each.as_of, each.account_id): each for each in lines}, BANDS, compared_model)


def why(
    now: Line, before: Line | None, *, of: Action | None = None, compared_model: str | None = "1 a"
) -> Early | None:
    known = then(*([before] if before else []), compared_model=compared_model)
    found = returned(now, of or action(), known, TONIGHT)
    return found and found.why


def days(ahead: int, since: date = TONIGHT) -> date:
    return since + timedelta(days=ahead)


def was(**more: Any) -> Line:
    return line(as_of=THEN, **more)


CASES: dict[str, tuple[Early | None, Line, Line | None]] = {
    "nothing changed": (None, line(), was()),
    "its band rose": (Early.BAND, line(log_odds=HIGH), was()),
    "its band fell": (None, line(log_odds=MEDIUM), was(log_odds=HIGH)),
    "its odds rose by half": (Early.ODDS, line(log_odds=-2.0 + math.log(1.5)), was(log_odds=-2.0)),
    "its odds rose by less": (None, line(log_odds=-2.0 + math.log(1.49)), was(log_odds=-2.0)),
    "it gave notice": (Early.NOTICE, line(log_odds=None, state="leaving"), was()),
    "it was under notice": (None, line(log_odds=None, state="leaving"), was(log_odds=None, state="leaving")),
    "notice, and that night is gone": (Early.NOTICE, line(log_odds=None, state="leaving"), None),
    "its renewal came near": (Early.RENEWAL, line(renews_on=days(30)), was(renews_on=days(30))),
    "its renewal is not near yet": (None, line(renews_on=days(31)), was(renews_on=days(31))),
    "its renewal was near already": (None, line(renews_on=days(20)), was(renews_on=days(20))),
    "a term that is up soon was agreed on": (Early.RENEWAL, line(renews_on=days(20)), was(renews_on=None)),
    "a near renewal, and that night is gone": (None, line(renews_on=days(20)), None),
    "a far renewal came near, and that night is gone": (Early.RENEWAL, line(renews_on=days(25)), None),
    "it had no band yet, and would have had this": (None, line(), was(band=None, state="new")),
    "it had no band yet, and is higher": (Early.BAND, line(log_odds=HIGH), was(band=None, state="new")),
    "it took its notice back": (None, line(), was(log_odds=None, state="leaving")),
    "gravest first": (Early.BAND, line(log_odds=HIGH, renews_on=days(25)), was(renews_on=days(25))),
}


@pytest.mark.parametrize("case", CASES)
def test_who_is_back_early(case: str) -> None:
    """By what changed since the night of the action; what was so already wakes nobody."""
    expected, now, before = CASES[case]
    assert expected == why(now, before)


def test_what_another_model_thinks_wakes_nobody() -> None:
    """Where it is known what the model moved, that is taken off; else the band that is shown counts, and no odds."""
    moved = line(log_odds=HIGH, model="2 b", change_model=HIGH - MEDIUM)
    assert why(moved, was()) is None
    by_itself = replace(moved, change_model=0.1)
    assert Early.BAND is why(by_itself, was())
    unknown = line(log_odds=-1.7, model="2 b", change_model=None)
    assert why(unknown, was(log_odds=-2.1)) is None  # more than half as much again, and in the same band
    assert Early.BAND is why(replace(unknown, log_odds=HIGH, band="high"), was())
    assert why(unknown, was(log_odds=-2.1), compared_model="3 c") is None


def test_a_rest_is_over_on_its_day() -> None:
    assert is_live(action(until=days(1)), TONIGHT)
    assert not is_live(action(until=TONIGHT), TONIGHT)
    assert not is_live(action(rests_until=None), TONIGHT)
    assert not is_live(None, TONIGHT)
    over = candidate([line()], action(until=TONIGHT), then(was()), TONIGHT)
    assert (False, None) == (over.is_resting, over.early)


def test_the_accounts_of_an_entry_take_one_call() -> None:
    """What was done last about any of them holds for all; one that is back brings the entry back."""
    first = action("A-1", at=datetime(2026, 11, 16, 9, tzinfo=UTC))
    last = action("A-2", at=datetime(2026, 11, 16, 10, tzinfo=UTC), until=days(2))
    entry = (line("A-1"), line("A-2"), line("A-3", LOW))
    assert last == newest(entry, {"A-1": first, "A-2": last})
    stands = then(*(replace(each, as_of=THEN) for each in entry))
    assert candidate(entry, last, stands, TONIGHT).is_resting
    raised = (entry[0], entry[1], line("A-3", MEDIUM))
    found = candidate(raised, last, stands, TONIGHT)
    assert found.early is not None
    assert ("A-3", Early.BAND, False) == (found.early.now.account_id, found.early.why, found.is_resting)


lines = st.builds(
    lambda odds, renews, state, model, moved: replace(
        line(log_odds=odds, renews_on=renews and days(renews), model=model, change_model=moved), **state
    ),
    odds=st.floats(-6, 2),
    renews=st.none() | st.integers(-5, 90),
    state=st.sampled_from([{}, {}, {}, {"state": "leaving", "band": None, "log_odds": None}]),
    model=st.sampled_from(["1 a", "2 b"]),
    moved=st.none() | st.floats(-1, 1),
)
pasts = st.none() | lines
untils = st.none() | st.integers(-3, 60)


@given(st.lists(st.tuples(lines, pasts, untils), max_size=30), st.integers(0, 12))
def test_the_laws_of_resting(drawn: list[tuple[Line, Line | None, int | None]], capacity: int) -> None:
    """Nobody is listed and rests; nobody is lost; the order and the capacity are kept; nobody is back without a why."""
    made = []
    for number, (now, before, until) in enumerate(drawn):
        name = f"A-{number}"
        stood = [] if before is None else [replace(before, account_id=name, as_of=THEN)]
        done = None if until is None else action(name, until=days(until))
        made.append(candidate([replace(now, account_id=name)], done, then(*stood), TONIGHT))
    found = formed(made, capacity)
    places = [{each.worst.account_id for each in part} for part in (found.listed, found.resting, found.beyond)]
    assert sum(map(len, places)) == len(set().union(*places)) == len(made)
    for part in (found.listed, found.resting, found.beyond):
        assert list(part) == [each for each in made if each in part]
    assert len(found.listed) <= capacity
    assert len(found.listed) == capacity or not found.beyond
    for each in made:
        assert not (each.is_resting and each.early)
        live = is_live(each.action, TONIGHT)
        assert each.is_resting == (live and each.early is None)
        assert each.early is None or (live and each.early.why in Early)


def test_an_empty_book_has_an_empty_list() -> None:
    found = formed([], 10)
    assert ((), (), ()) == (found.listed, found.resting, found.beyond)
