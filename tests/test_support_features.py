"""Features of support: single cases with known answers, tables that begin late, days that were lost, and the words."""

from datetime import date, datetime, time, timedelta
from math import log
from typing import Any

import pytest
from engine_companies import Row, loaded
from oracle_time import Rules
from small_companies import SmallCompany

from features import support
from features.build import catalogue, spine
from features.catalogue import read_catalogue
from features.outages import coverage
from pipeline.amounts import Language
from pipeline.wording import sentence

AS_OF = date(2026, 11, 15)


def at(days: int, hour: int = 12) -> datetime:
    """That hour, so many days before the date."""
    return datetime.combine(AS_OF - timedelta(days=days), time(hour))


def ticket(days: int, **more: Any) -> Row:
    """A ticket opened so many days before the date; it was answered in an hour and solved in two days."""
    row: Row = {"opened_at": at(days), "first_response_at": at(days, 13), "resolved_at": at(days - 2)}
    row |= {"reopened_count": 0, "sentiment": 0.0, "csat": None, "csat_at": None}
    return row | more


FIRST = ticket(400)  # the table has been kept for long


def company(tickets: dict[str, list[Row]], tenure: dict[str, int] | None = None) -> SmallCompany:
    """An account for each name, a customer for 500 days where `tenure` does not say; all tables keep versions."""
    days = dict.fromkeys(tickets, 500) | (tenure or {})
    accounts = [{"account_id": name, "created_at": at(500), "recorded_at": None} for name in days]
    terms = [
        {"subscription_id": name, "account_id": name, "started_on": at(since).date(), "ended_on": None, "mrr": 9.0}
        for name, since in days.items()
    ]
    rows = [
        {"ticket_id": f"{name} {place}", "account_id": name, **row, "recorded_at": None}
        for name, each in tickets.items()
        for place, row in enumerate(each)
    ]
    tables = {"accounts": accounts, "subscriptions": terms, "tickets": rows}
    return SmallCompany(tables, frozenset({"tickets"}), None, AS_OF, [AS_OF])


def computed(engine: Any, drawn: SmallCompany) -> dict[str, Row]:
    with loaded(engine, drawn, Rules()) as history:
        moment, covered = history.rules.moment(AS_OF), coverage(history)
        accounts = spine(history, moment, covered)
        found = support.compute(history, accounts, moment, covered.recorded("tickets", moment))
        return {row["account_id"]: row for row in found.to_pyarrow().to_pylist()}


REPEATS = [
    ("a ticket seven days after another is a repeat", [5, 12], 1),
    ("eight days after it is a new matter", [5, 13], 0),
    ("of two on a day one came after the other", [5, 5], 1),
    ("all of a day repeat what was within the week before", [5, 5, 5, 12], 3),
    ("each of a row of weekly tickets but the first", [7, 14, 21, 28], 3),
    ("what it repeats may lie before the window", [84, 91], 1),
    ("itself it may not", [85, 92], 0),
    ("nothing changes where one word of days ends", [50, 56, 57, 64], 3),
    ("nor with a week between on either side of it", [56, 64], 0),
]


def test_repeated_contacts(engine: Any) -> None:
    """Tickets of the last 84 days with another one of the account on that day before or in the seven days before."""
    found = computed(engine, company({name: [FIRST, *map(ticket, days)] for name, days, _ in REPEATS}))
    assert {name: expected for name, _, expected in REPEATS} == {
        name: row["repeat_tickets_84"] for name, row in found.items()
    }


CASES: list[tuple[str, list[Row], dict[str, Any]]] = [
    (
        "what waits counts with its age",
        [ticket(2, first_response_at=None, resolved_at=None), ticket(10)],
        {
            "response_hours_84": (36 + 1) / 2,
            "longest_response_hours_84": 36.0,
            "resolution_days_84": (1.5 + 2) / 2,
            "open_tickets": 1,
            "oldest_open_days": 2,
        },
    ),
    (
        "an answer that comes on the date itself is not known yet",
        [ticket(2, first_response_at=at(0, 0), resolved_at=at(-3))],
        {"response_hours_84": 36.0, "open_tickets": 1},
    ),
    (
        "waiting is held against what was usual in the forty weeks before",
        [ticket(11, resolved_at=None), ticket(85), ticket(364, resolved_at=at(360)), ticket(365, resolved_at=at(300))],
        {
            "oldest_open_days": 11,
            "resolution_days_usual": 3.0,
            "resolution_days_trend": log((10.5 + 1) / (3 + 1)),
            "response_hours_usual": 1.0,
            "response_hours_trend": 0.0,
        },
    ),
    (
        "with nothing open nothing waits",
        [ticket(11), ticket(100)],
        {"open_tickets": 0, "oldest_open_days": 0},
    ),
    (
        "without earlier tickets nothing is usual",
        [ticket(84, resolved_at=None)],
        {"oldest_open_days": 84, "resolution_days_trend": None, "response_hours_trend": None},
    ),
    (
        "a ticket reopened three times is one reopened ticket",
        [ticket(4), ticket(5, reopened_count=3), ticket(6, reopened_count=None), ticket(85, reopened_count=1)],
        {"reopened_84": 1},
    ),
    (
        "unhappy tickets fade by half in 28 days",
        [ticket(days, sentiment=-0.5) for days in (1, 29, 57, 85)] + [ticket(2, sentiment=-0.3)],
        {
            "negative_tickets_decayed": 1.875,
            "negative_tickets_84": 3,
            "days_since_negative_ticket": 1,
            "sentiment_worst_28": -0.5,
        },
    ),
    (
        "the last unhappy one is remembered for a year",
        [ticket(3), ticket(300, sentiment=-1.0)],
        {"days_since_negative_ticket": 300, "negative_tickets_84": 0, "negative_tickets_decayed": 0.001}
        | {"toneless_tickets_364": None},
    ),
    (
        "the tone of six weeks against that of the half-year before",
        [ticket(days, sentiment=-0.4) for days in (1, 42)]
        + [ticket(days, sentiment=0.2) for days in (43, 210)]
        + [ticket(211, sentiment=-1.0)],
        {"sentiment_trend": -0.6},
    ),
    (
        "one ticket is no tone",
        [ticket(1, sentiment=-0.4), ticket(50), ticket(60)],
        {"sentiment_trend": None, "sentiment_84": -0.4 / 3},
    ),
    (
        "nor is one that says nothing",
        [ticket(1), ticket(2, sentiment=None), ticket(50), ticket(60)],
        {"sentiment_trend": None},
    ),
    (
        "tickets whose tone was not judged are no content ones",
        [ticket(1, sentiment=None), ticket(200, sentiment=None)],
        {"negative_tickets_84": None, "negative_tickets_decayed": None, "days_since_negative_ticket": None}
        | {"toneless_tickets_364": 2},
    ),
    (
        "a judged one tells of its own window only",
        [ticket(1, sentiment=None), ticket(84, sentiment=None), ticket(85, sentiment=0.2), ticket(365, sentiment=None)],
        {"negative_tickets_84": None, "negative_tickets_decayed": 0.0, "toneless_tickets_364": 2},
    ),
    (
        "one judged among others that were not is enough",
        [ticket(1, sentiment=None), ticket(84, sentiment=-0.5)],
        {"negative_tickets_84": 1, "days_since_negative_ticket": 84},
    ),
    (
        "without a ticket in twelve weeks none of them is unhappy, whatever the tone of older ones",
        [ticket(85, sentiment=None)],
        {"negative_tickets_84": 0, "negative_tickets_decayed": None},
    ),
    (
        "a rating that is given on the date itself is not known yet",
        [
            ticket(9, csat=5.0, csat_at=at(8)),
            ticket(30, csat=2.0, csat_at=at(4)),
            ticket(3, csat=1.0, csat_at=at(0, 9)),
        ],
        {"csat_84": 3.5, "csat_change": None},
    ),
    (
        "ratings against those of the forty weeks before",
        [ticket(9, csat=2.0, csat_at=at(8)), ticket(90, csat=5.0, csat_at=at(8)), ticket(91, csat=4.0, csat_at=at(80))],
        {"csat_84": 2.0, "csat_usual": 4.5, "csat_change": -2.5},
    ),
    (
        "who asks for nothing has no open ticket and no mood",
        [],
        {"tickets_28": 0, "open_tickets": 0, "sentiment_84": None, "csat_84": None, "response_hours_84": None}
        | {"negative_tickets_84": 0, "negative_tickets_decayed": 0, "days_since_negative_ticket": None}
        | {"toneless_tickets_364": None},
    ),
]


def test_single_features(engine: Any) -> None:
    """Each case is an account of its own beside one whose ticket of 400 days ago begins the table."""
    found = computed(engine, company({"first": [FIRST]} | {name: rows for name, rows, _ in CASES}))
    for name, _, expected in CASES:
        assert expected == pytest.approx({feature: found[name][feature] for feature in expected}, abs=1e-9), name


def test_a_table_that_began_after_the_account(engine: Any) -> None:
    """Kept for 70 days, it tells nothing of the 84 before today but of a customer who is as young; four weeks it does.

    The usual is that of the 42 days that were seen before the last 28.
    """
    tickets = {"old": [ticket(days) for days in (70, 60, 50, 3)], "young": [ticket(2), ticket(65)]}
    found = computed(engine, company(tickets, {"young": 70}))
    old, young = found["old"], found["young"]
    names = ("tickets_28", "tickets_84", "repeat_tickets_84", "negative_tickets_decayed")
    assert [1.0, None, None, None] == [old[name] for name in names]
    assert [1.0, 2.0, 0.0, 0.0] == [young[name] for name in names]
    assert (2.0, 28 / 42) == (old["tickets_usual"], pytest.approx(young["tickets_usual"]))
    assert pytest.approx(log(2 / 3)) == old["tickets_trend"]
    assert (0, 0) == (old["open_tickets"], old["oldest_open_days"])


def test_before_the_first_ticket_nothing_is_known(engine: Any) -> None:
    """A table that begins on the date itself: no ticket is on record, which is not the same as none."""
    found = computed(engine, company({"A1": [ticket(0)]}))["A1"]
    names = ("tickets_28", "tickets_84", "tickets_usual", "open_tickets", "oldest_open_days", "reopened_84")
    assert [None] * 6 == [found[name] for name in names]


NAMES = [f"A{number:02}" for number in range(30)]


def daily(lost: range) -> SmallCompany:
    """Thirty accounts with an unhappy ticket a day for 200 days, but for those `lost` days ago, when nobody has one."""
    days = [day for day in range(1, 201) if day not in lost]
    return company({name: [ticket(day, sentiment=-0.5) for day in days] for name in NAMES})


def test_lost_days_are_not_days_without_tickets(engine: Any) -> None:
    """Five lost days of the last 28 are made up for; with ten the four weeks are unknown, the twelve not."""
    some, many = computed(engine, daily(range(3, 8)))["A07"], computed(engine, daily(range(3, 13)))["A07"]
    assert (28.0, 84.0, 84.0) == tuple(
        pytest.approx(some[name]) for name in ("tickets_28", "tickets_84", "negative_tickets_84")
    )
    assert pytest.approx(log(29 / 29), abs=1e-9) == some["tickets_trend"]
    assert (None, 84.0, None) == (many["tickets_28"], pytest.approx(many["tickets_84"]), many["tickets_trend"])
    assert (28.0, 1) == (many["tickets_usual"], many["days_since_negative_ticket"])


def test_the_usual_is_that_of_the_days_that_were_recorded(engine: Any) -> None:
    """Of a usual that falls into an outage the days that are left count; yesterday lost, nobody knows the last one."""
    before, yesterday = computed(engine, daily(range(40, 60)))["A07"], computed(engine, daily(range(1, 2)))["A07"]
    assert (28.0, 28.0) == (pytest.approx(before["tickets_usual"]), before["tickets_28"])
    assert yesterday["days_since_negative_ticket"] is None


def test_reopening_teaches_only_where_its_past_is_known(engine: Any) -> None:
    """The count is edited in place: in a table without versions today's is no news of then."""
    drawn = company({"A1": [ticket(3)]})
    for versioned, taught in ((frozenset({"tickets"}), True), (frozenset[str](), False)):
        bare = SmallCompany(drawn.tables, versioned, None, AS_OF, [AS_OF])
        with loaded(engine, bare, Rules()) as history:
            names = {feature.name for feature in catalogue(history, {})}
        assert taught == ("reopened_84" in names)


CATALOGUE = {feature.name: feature.as_record() for feature in read_catalogue("support")}

SENTENCES: list[tuple[Language, str, float, dict[str, float], str]] = [
    (
        "en",
        "open_tickets",
        4.0,
        {"oldest_open_days": 11.0},
        "Four tickets are still open; the oldest has waited 11 days.",
    ),
    (
        "zh",
        "open_tickets",
        4.0,
        {"oldest_open_days": 11.0},
        "还有 4 张工单没有解决,最早一张已等了 11 天。",
    ),
    (
        "en",
        "reopened_84",
        2.0,
        {"tickets_84": 4.0},
        "Two of their 4 tickets of the last twelve weeks had to be reopened.",
    ),
    ("zh", "reopened_84", 2.0, {"tickets_84": 4.0}, "近 12 周提了 4 张工单,其中 2 张被重新打开。"),
    (
        "en",
        "repeat_tickets_84",
        3.0,
        {"tickets_84": 4.0},
        "Three of their 4 tickets of the last twelve weeks came within a week of the one before.",
    ),
    (
        "en",
        "sentiment_84",
        -0.5,
        {"tickets_84": 4.0, "negative_tickets_84": 3.0},
        "Their tickets of the last twelve weeks sound less content than most customers' do; 3 of 4 sound unhappy.",
    ),
    (
        "zh",
        "sentiment_84",
        -0.5,
        {"tickets_84": 4.0, "negative_tickets_84": 3.0},
        "近 12 周的工单语气不如多数客户平和,4 张里有 3 张明显不满。",
    ),
    (
        "en",
        "csat_change",
        -2.0,
        {"csat_84": 2.4, "csat_usual": 4.4},
        "They rated the help of the last twelve weeks 2.4 out of 5 on average; before that it was 4.4.",
    ),
    (
        "en",
        "response_hours_trend",
        1.1,
        {"response_hours_84": 26.0, "response_hours_usual": 3.4},
        "Their tickets of the last twelve weeks waited 26 hours for a first answer on average; earlier it was 3 hours.",
    ),
]


@pytest.mark.parametrize(("language", "feature", "value", "facts", "expected"), SENTENCES)
def test_reads_as_a_colleague_would_say_it(
    language: Language, feature: str, value: float, facts: dict[str, float], expected: str
) -> None:
    """Facts with counts, days and dates, against the account's own usual."""
    reason = {"value": value, "contribution": 0.4}
    assert expected == sentence(CATALOGUE[feature], reason, facts, AS_OF, language)


@pytest.mark.parametrize(
    ("feature", "english", "chinese"),
    [
        (
            "sentiment_84",
            "No ticket of the last twelve weeks whose tone could be judged.",
            "近 12 周没有可以判断语气的工单。",
        ),
        (
            "sentiment_worst_28",
            "No ticket of the last 28 days whose tone could be judged.",
            "近 28 天没有可以判断语气的工单。",
        ),
        (
            "negative_tickets_decayed",
            "Too little is on record to tell whether their tickets sound unhappy.",
            "记录不足,看不出工单语气是否不满。",
        ),
        (
            "days_since_negative_ticket",
            "No ticket of the last year is known to sound unhappy.",
            "近一年没有发现语气不满的工单。",
        ),
    ],
)
def test_a_tone_that_nobody_judged_is_not_called_content(feature: str, english: str, chinese: str) -> None:
    """Tickets in other languages have a text, so "no text" and "none sounds unhappy" would both be untrue of them."""
    reason = {"value": None, "contribution": 0.4}
    assert english == sentence(CATALOGUE[feature], reason, {}, AS_OF)
    assert chinese == sentence(CATALOGUE[feature], reason, {}, AS_OF, "zh")
