"""The week of a manager: the first candidates that do not rest, who is back, and who is off the list and why."""

from contextlib import ExitStack, suppress
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import Any

import pytest
from digest_nights import BEFORE, HIGH, INES, LOW, MEDIUM, MONDAY, TOM, account, leaving, publish_night
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_people import put, user
from sqlalchemy import Engine, delete, update

from pipeline.errors import StoreMissing
from pipeline.people.connection import prepare, writing
from pipeline.people.deeds import Called, Deed, Form, Later, NotARisk, record
from pipeline.people.schema import ACTIONS, AUDIT_LOG, NOTES, USERS, new_id
from pipeline.resting import Early
from pipeline.store.connection import reading
from pipeline.store.connection import writing as writing_published
from pipeline.store.lines import entries, owned_by, owners
from pipeline.store.nights import book, night
from pipeline.store.schema import SCORES
from pipeline.week import Week, WhyOff, week_of

FRIDAY = MONDAY - timedelta(days=3)
SUNDAY = MONDAY - timedelta(days=1)


_SECONDS = count()
"""So that no two do something at the same instant."""


@pytest.fixture
def ines(people: Engine) -> str:
    """Ines's id."""
    row = user(INES, name="Ines")
    put(people, {USERS: [row]})
    return str(row["user_id"])


def act(people: Engine, by: str, account_id: str, deed: Deed, on: date = MONDAY) -> None:
    at = datetime.combine(on, time(9), UTC) + timedelta(seconds=next(_SECONDS))
    form = Form(form_id=new_id(), user_id=by, account_id=account_id, as_of=on, at=at, today=on)
    record(people, form, deed, rest_days=14, families=["usage"])


def seen(store: Engine, people: Engine, person: str | None = INES, *, calls: int = 3, on: date = MONDAY) -> Week:
    with reading(store) as published, ExitStack() as stack:
        of, written = night(published, on), None
        assert of is not None
        with suppress(StoreMissing):
            written = stack.enter_context(reading(people))
        return week_of(published, written, of, person, calls_per_week=calls, today=on)


def listed(found: Week) -> list[str]:
    return [each.account.account_id for each in found.listed]


def candidates(many: int, **more: Any) -> list[dict[str, Any]]:
    """So many candidates, most at stake first."""
    return [account(f"A-{number}", HIGH, mrr=1000.0 - number, **more) for number in range(many)]


def test_before_anybody_wrote_the_list_is_the_beginning_of_the_book(store: Engine, people: Engine) -> None:
    """There is no people store yet, and none is made by looking."""
    publish_night(store, MONDAY, *candidates(5), account("B-low", LOW, mrr=1e6), account("T-1", HIGH, owner=TOM))
    found = seen(store, people)
    assert ["A-0", "A-1", "A-2"] == listed(found)
    assert (2, (), (), ()) == (found.more, found.resting, found.returned, found.off)
    assert (None, None) == (found.new_since, found.off_since)
    assert not any(each.is_new or each.last_action or each.early for each in found.listed)
    assert found.listed[0].account.reasons


def test_an_empty_list_is_an_answer(store: Engine, people: Engine) -> None:
    """Nobody at risk, and somebody who owns nothing."""
    publish_night(store, MONDAY, account("A-1", LOW), account("T-1", HIGH, owner=TOM))
    for person in (INES, "nobody@example.com", None):
        found = seen(store, people, person)
        assert ((), (), 0) == (found.listed, found.resting, found.more)


def test_when_one_rests_its_place_goes_to_the_next(store: Engine, people: Engine, ines: str) -> None:
    publish_night(store, MONDAY, *candidates(5))
    act(people, ines, "A-1", Called(reached=True))
    found = seen(store, people)
    assert ["A-0", "A-2", "A-3"] == listed(found)
    (rests,) = found.resting
    assert rests.action is not None
    assert ("A-1", "called", INES, "Ines", MONDAY, MONDAY + timedelta(days=14)) == (
        rests.worst.account_id,
        rests.action.kind,
        rests.action.by,
        rests.action.by_name,
        rests.action.as_of,
        rests.action.rests_until,
    )
    act(people, ines, "A-1", Later(MONDAY + timedelta(days=1)))  # what was done last holds
    tomorrow = MONDAY + timedelta(days=1)
    publish_night(store, tomorrow, *candidates(5))
    again = seen(store, people, on=tomorrow)
    assert ["A-0", "A-1", "A-2"] == listed(again)
    assert again.listed[1].last_action is not None
    assert "later" == again.listed[1].last_action.kind
    assert not again.resting


def test_no_click_changes_a_risk_or_a_total(store: Engine, people: Engine, ines: str) -> None:
    publish_night(store, MONDAY, *candidates(3))
    with reading(store) as connection:
        of = night(connection)
        assert of is not None
        before = list(book(connection, of))
    act(people, ines, "A-0", NotARisk("known"))
    with reading(store) as connection:
        assert (of, before) == (night(connection), list(book(connection, of)))


def test_who_is_back_early_says_which(store: Engine, people: Engine, ines: str) -> None:
    """Since the night of the action: its band, its odds, its renewal, its notice."""
    near = MONDAY + timedelta(days=30)
    then = [account(f"A-{number}", MEDIUM, mrr=1000.0 - number) for number in range(4)]
    publish_night(store, BEFORE, *then, account("A-5", MEDIUM, renews_on=near), account("A-6", MEDIUM))
    for name in ("A-1", "A-2", "A-3", "A-5", "A-6"):
        act(people, ines, name, NotARisk("seasonal"), BEFORE)
    publish_night(
        store,
        MONDAY,
        account("A-0", MEDIUM, mrr=1000.0),
        account("A-1", HIGH, mrr=999.0),
        account("A-2", MEDIUM + 0.41, mrr=998.0),
        account("A-3", MEDIUM, mrr=997.0),
        account("A-5", MEDIUM, renews_on=near),
        leaving("A-6"),
    )
    found = seen(store, people, calls=10)
    assert {"A-1": Early.BAND, "A-2": Early.ODDS, "A-5": Early.RENEWAL, "A-6": Early.NOTICE} == {
        each.now.account_id: each.why for each in found.returned
    }
    assert ["A-3"] == [each.worst.account_id for each in found.resting]
    assert {"A-0", "A-1", "A-2", "A-5"} == set(listed(found))
    early = {each.account.account_id: each.early and each.early.why for each in found.listed}
    assert {"A-0": None, "A-1": Early.BAND, "A-2": Early.ODDS, "A-5": Early.RENEWAL} == early
    (raised,) = [each for each in found.returned if each.why is Early.BAND]
    assert raised.then is not None
    assert ("medium", "high") == (raised.then.band, raised.now.band)


def test_who_is_off_the_list_since_last_week_and_why(store: Engine, people: Engine, ines: str) -> None:
    """Each of last week's list that is not on tonight's is named once, with one why."""
    names = ("rests", "notice", "lapsed", "gone", "moved", "payment", "young", "model", "recovered", "pushed", "stays")
    at_risk = {name: account(name, HIGH) for name in names}
    publish_night(store, BEFORE, *at_risk.values())
    act(people, ines, "rests", Called(reached=False), BEFORE)
    publish_night(
        store,
        MONDAY,
        account("rests", HIGH),
        leaving("notice"),
        account("lapsed", state="lapsed", last_day=SUNDAY),
        account("moved", HIGH, owner=TOM),
        account("payment", HIGH, largest_family="billing", families={"billing": 2.0}),
        account("young", HIGH, since=MONDAY - timedelta(days=3)),
        account("model", LOW, model=LOW - HIGH),
        account("recovered", LOW, data=LOW - HIGH, model=0.0),
        account("pushed", MEDIUM, mrr=1.0),
        account("stays", HIGH),
        *candidates(10),
    )
    found = seen(store, people, calls=11)
    assert BEFORE == found.off_since
    assert {
        "rests": WhyOff.RESTS,
        "notice": WhyOff.NOTICE,
        "lapsed": WhyOff.LEFT,
        "gone": WhyOff.LEFT,
        "moved": WhyOff.MOVED,
        "payment": WhyOff.PAYMENT,
        "young": WhyOff.NEW,
        "model": WhyOff.MODEL,
        "recovered": WhyOff.RECOVERED,
        "pushed": WhyOff.OTHERS_FIRST,
    } == {each.then.account_id: each.why for each in found.off}
    (rests,) = [each for each in found.off if each.why is WhyOff.RESTS]
    assert rests.action is not None
    assert (INES, False) == (rests.action.by, rests.action.reached)
    assert {each.account.account_id for each in found.listed} == {"stays", *(f"A-{number}" for number in range(10))}


def test_last_weeks_list_is_as_it_was_that_morning(store: Engine, people: Engine, ines: str) -> None:
    """What was done before that night counts for it, what was done on the day does not."""
    publish_night(store, BEFORE - timedelta(days=7), *candidates(4))
    publish_night(store, BEFORE, *candidates(4))
    publish_night(store, MONDAY, account("A-0", LOW), account("A-1", LOW), account("A-2", LOW))
    act(people, ines, "A-0", Later(MONDAY), BEFORE - timedelta(days=7))
    act(people, ines, "A-1", Called(reached=True), BEFORE)
    assert ["A-1", "A-2"] == [each.then.account_id for each in seen(store, people, calls=2).off]


def test_what_is_new_is_new_since_the_last_working_day(store: Engine, people: Engine) -> None:
    """On a Monday since Friday, though Sunday's night had it already."""
    publish_night(store, FRIDAY, account("A-0", HIGH))
    publish_night(store, SUNDAY, *candidates(2))
    publish_night(store, MONDAY, *candidates(3))
    monday, sunday = seen(store, people), seen(store, people, on=SUNDAY)
    assert (FRIDAY, FRIDAY) == (monday.new_since, sunday.new_since)
    assert {"A-0": False, "A-1": True, "A-2": True} == {each.account.account_id: each.is_new for each in monday.listed}


def test_the_accounts_of_one_parent_are_one_entry_and_rest_together(store: Engine, people: Engine, ines: str) -> None:
    family = [account(name, odds, root_id="A-0") for name, odds in (("A-0", LOW), ("A-1", HIGH), ("A-2", MEDIUM))]
    publish_night(store, MONDAY, *family, account("B-1", HIGH, mrr=10.0))
    found = seen(store, people, calls=1)
    (entry,) = found.listed
    assert "A-1" == entry.account.account_id
    assert ["A-1", "A-2", "A-0"] == [each.account_id for each in entry.lines]
    assert 3000.0 == entry.mrr
    act(people, ines, "A-0", Called(reached=True))  # whichever of them was spoken of
    found = seen(store, people, calls=1)
    assert ["B-1"] == listed(found)
    assert ["A-1"] == [each.worst.account_id for each in found.resting]


def test_one_person_under_two_spellings_has_one_list(store: Engine, people: Engine) -> None:
    """In the order of the book, as long as for anybody else; what nobody owns is a book of its own."""
    spelled = ["Ines@Example.com", INES, " ines@example.com"]
    rows = [account(f"A-{number}", HIGH, mrr=1000.0 - number, owner=spelled[number % 3]) for number in range(6)]
    publish_night(store, MONDAY, *rows, account("N-1", HIGH, owner=None), account("T-1", HIGH, owner=TOM))
    found = seen(store, people, "INES@example.com", calls=4)
    assert (["A-0", "A-1", "A-2", "A-3"], 2) == (listed(found), found.more)
    assert ["N-1"] == listed(seen(store, people, None))
    with reading(store) as connection:
        of = night(connection)
        assert of is not None
        assert sorted([*spelled, TOM]) == owners(connection, of)
        assert sorted(spelled) == owned_by(connection, of, INES)


def test_a_book_longer_than_a_look_is_looked_through_until_the_list_is_full(
    store: Engine, people: Engine, ines: str
) -> None:
    """Two hundred entries at once: who rests in front of the list does not shorten it."""
    publish_night(store, MONDAY, *candidates(450))
    rests = [f"A-{number}" for number in range(230)]
    row = {"at": datetime.combine(MONDAY, time(9), UTC), "as_of": MONDAY, "user_id": ines, "kind": "called"}
    until = {"rests_until": MONDAY + timedelta(days=14)}
    put(people, {ACTIONS: [{"action_id": new_id(), "account_id": name, **row, **until} for name in rests]})
    found = seen(store, people, calls=10)
    assert [f"A-{number}" for number in range(230, 240)] == listed(found)
    assert rests == [each.worst.account_id for each in found.resting]


def test_entries_come_in_the_order_of_the_book(store: Engine) -> None:
    publish_night(store, MONDAY, *candidates(30), account("A-0-child", LOW, root_id="A-0"))
    with reading(store) as connection:
        of = night(connection)
        assert of is not None
        expected = [each.account_id for each in book(connection, of) if each.rank and each.rank <= 30]
        for at_once in (1, 7, 30, 31, 100):
            found = [
                line.account_id for entry in entries(connection, of, INES, ranks_at_once=at_once) for line in entry
            ]
            assert expected == found


def test_a_place_that_was_forgotten_ends_no_list(store: Engine, people: Engine) -> None:
    """Who is forgotten has no rank any more, and the places after it stay."""
    publish_night(store, MONDAY, *candidates(4))
    with writing_published(store) as connection:
        connection.execute(update(SCORES).where(SCORES.c.account_id.in_(["A-0", "A-1"])).values(rank=None))
    with reading(store) as connection:
        of = night(connection)
        assert of is not None
        for at_once in (1, 2, 100):
            found = entries(connection, of, INES, ranks_at_once=at_once)
            assert ["A-2", "A-3"] == [entry[0].account_id for entry in found]
    assert ["A-2", "A-3"] == listed(seen(store, people))


def test_a_place_whose_candidate_was_forgotten_ends_no_list(store: Engine, people: Engine) -> None:
    """Another account of the customer has the place still, and takes no call."""
    publish_night(store, MONDAY, *candidates(3), account("B-0", LOW))
    with writing_published(store) as connection:
        first = SCORES.c.account_id == "A-0"
        connection.execute(update(SCORES).where(SCORES.c.account_id == "B-0").values(rank=1, state="watch"))
        connection.execute(update(SCORES).where(first).values(rank=None))
    assert ["A-1", "A-2"] == listed(seen(store, people))


deeds = st.tuples(st.integers(0, 11), st.sampled_from(["called", "later", "not a risk"]), st.integers(1, 60))


@pytest.fixture
def twelve(store: Engine, people: Engine, ines: str) -> str:
    """A night a week ago and tonight's: of twelve accounts every third is higher now, and one renews soon."""

    def odds(number: int, *, now: bool) -> float:
        return (LOW, MEDIUM, HIGH)[min(2, (number + now * (number % 3 == 0)) % 3)]

    for day in (BEFORE, MONDAY):
        rows = [account(f"A-{number}", odds(number, now=day == MONDAY), mrr=1000.0 - number) for number in range(12)]
        rows[7]["renews_on"] = MONDAY + timedelta(days=29)
        publish_night(store, day, *rows)
    return ines


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(done=st.lists(deeds, max_size=12), capacity=st.integers(1, 6))
def test_whatever_was_done_the_list_keeps_its_laws(
    store: Engine, people: Engine, twelve: str, done: list[tuple[int, str, int]], capacity: int
) -> None:
    """In both databases: nobody is listed and rests, the capacity and the order are kept, a return has its reason."""
    prepare(people)
    with writing(people) as connection:
        for table in (NOTES, ACTIONS, AUDIT_LOG):
            connection.execute(delete(table))
    for number, kind, ahead in done:
        deed = {
            "called": Called(reached=True),
            "later": Later(BEFORE + timedelta(days=ahead)),
            "not a risk": NotARisk("other"),
        }[kind]
        act(people, twelve, f"A-{number}", deed, BEFORE)
    found = seen(store, people, calls=capacity)
    with reading(store) as connection:
        of = night(connection)
        assert of is not None
        order = [each.account_id for each in book(connection, of) if each.state == "candidate"]
    on_list, rest = listed(found), [each.worst.account_id for each in found.resting]
    assert not set(on_list) & set(rest)
    assert on_list == [name for name in order if name in on_list]
    assert rest == [name for name in order if name in rest]
    assert len(on_list) == min(capacity, len(order) - len(rest))
    assert len(order) == len(on_list) + len(rest) + found.more
    live = {f"A-{number}" for number, _, _ in done}
    assert set(rest) <= live
    assert {each.now.account_id for each in found.returned} <= live
    assert not {each.now.account_id for each in found.returned} & set(rest)
    assert {each.then.account_id for each in found.off}.isdisjoint(on_list)
