"""The oracle itself: cases worked by hand, then laws it must keep on every small company."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle_time import Label, Rules, churn_days, known, label, state, use_days
from small_companies import FIRST_DAY, LATER, SmallCompany, accounts_of, companies, parameters


def day(number: int) -> date:
    """Day 0 is the first of January; the cases count from there."""
    return FIRST_DAY + timedelta(days=number)


def at(number: int, hours: float = 0) -> datetime:
    return datetime.combine(day(number), datetime.min.time()) + timedelta(hours=hours)


def term(started: int, ended: int | None = None, notice: int | None = None, **further: Any) -> dict[str, Any]:
    row = {
        "account_id": "A1",
        "started_on": day(started),
        "ended_on": None if ended is None else day(ended),
        "notice_on": None if notice is None else day(notice),
        "mrr": 100.0,
    }
    return row | further


def version(recorded: datetime | None, started: int, ended: int | None = None, **further: Any) -> dict[str, Any]:
    return term(started, ended, **further) | {"subscription_id": "S1", "recorded_at": recorded}


def company(
    *,
    subscriptions: list[dict[str, Any]] | None = None,
    used_on: list[int] | None = None,
    versioned: bool = False,
    recorded_from: datetime | None = None,
) -> SmallCompany:
    usage = [{"account_id": "A1", "occurred_at": at(number, 12), "event": "export"} for number in used_on or []]
    return SmallCompany(
        tables={"subscriptions": subscriptions or [], "usage": usage},
        versioned=frozenset({"subscriptions"} if versioned else ()),
        recorded_from=recorded_from,
        today=LATER,
        as_ofs=[],
    )


# --- what was known -------------------------------------------------------------------------------------------------

TICKET = {
    "ticket_id": "T1",
    "account_id": "A1",
    "opened_at": at(9, 23.9),
    "first_response_at": at(10),
    "resolved_at": at(30),
    "csat": 2.0,
    "csat_at": at(31),
}


def test_a_row_is_known_from_the_midnight_after_its_event() -> None:
    at_midnight = {**TICKET, "opened_at": at(10)}
    assert not known([TICKET], "tickets", Rules(), day(9))
    assert known([TICKET], "tickets", Rules(), day(10))
    assert not known([at_midnight], "tickets", Rules(), day(10))
    assert known([at_midnight], "tickets", Rules(), day(11))


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        (10, {"first_response_at": None, "resolved_at": None, "csat": None, "csat_at": None}),  # answered at midnight
        (11, {"first_response_at": at(10), "resolved_at": None, "csat": None, "csat_at": None}),
        (31, {"first_response_at": at(10), "resolved_at": at(30), "csat": None, "csat_at": None}),
        (32, {"first_response_at": at(10), "resolved_at": at(30), "csat": 2.0, "csat_at": at(31)}),
    ],
)
def test_facts_and_what_came_with_them_are_null_until_the_midnight_after(as_of: int, expected: dict[str, Any]) -> None:
    (row,) = known([TICKET], "tickets", Rules(), day(as_of))
    assert expected == {column: row[column] for column in expected}


def test_csat_without_its_time_stays_as_it_stands() -> None:
    undated = {column: value for column, value in TICKET.items() if column != "csat_at"}
    (row,) = known([undated], "tickets", Rules(), day(10))
    assert row["csat"] == 2.0


def test_the_reason_of_an_end_is_unknown_until_the_end_is() -> None:
    ended = term(0, 50, end_reason="voluntary", renews_on=day(80))
    (before,) = known([ended], "subscriptions", Rules(), day(50))
    (after,) = known([ended], "subscriptions", Rules(), day(51))
    assert (None, None, day(80)) == (before["ended_on"], before["end_reason"], before["renews_on"])
    assert (day(50), "voluntary") == (after["ended_on"], after["end_reason"])


def test_a_last_day_is_known_a_day_after_it_is_over() -> None:
    rules = Rules(ended_on="last_day")
    (before,) = known([term(0, 49)], "subscriptions", rules, day(50))
    (after,) = known([term(0, 49)], "subscriptions", rules, day(51))
    assert (None, day(50)) == (before["ended_on"], after["ended_on"])


@pytest.mark.parametrize(
    ("recorded_at", "rules", "expected"),
    [
        (None, Rules(), True),
        (at(20, 5.99), Rules(), True),
        (at(20, 6), Rules(), False),  # at the cut is too late
        (at(20, 6), Rules(arrival_hours=7), True),
        (at(20), Rules(arrival_hours=0), False),
        (at(99), Rules(recorded_from=at(99)), True),  # the bulk load, to the second
        (at(99, 0.01), Rules(recorded_from=at(99)), False),
    ],
)
def test_a_row_must_have_arrived_before_the_cut(recorded_at: datetime | None, rules: Rules, expected: bool) -> None:
    assert expected == bool(known([version(recorded_at, 0)], "subscriptions", rules, day(20)))


VERSIONS = [version(at(60), 0, mrr=3.0), version(None, 0, mrr=1.0), version(at(40), 0, mrr=2.0)]


@pytest.mark.parametrize(
    ("as_of", "rules", "expected"),
    [
        (39, Rules(), 1.0),
        (40, Rules(), 2.0),  # the load at midnight brings it
        (59, Rules(), 2.0),
        (60, Rules(), 3.0),
        (5, Rules(recorded_from=at(50)), 2.0),  # bulk-loaded versions count from their event on, the latest wins
        (5, Rules(recorded_from=at(60)), 3.0),
        (60, Rules(recorded_from=at(50)), 3.0),
    ],
)
def test_the_last_version_before_the_cut_counts(as_of: int, rules: Rules, expected: float) -> None:
    assert [expected] == [row["mrr"] for row in known(VERSIONS, "subscriptions", rules, day(as_of))]


def test_a_version_that_moves_the_event_ahead_takes_the_row_away() -> None:
    """The version is chosen first, and then its time is tested: the start has been put off, and everybody knows."""
    put_off = [version(at(0), 5), version(at(10), 30)]
    assert [row["started_on"] for row in known(put_off, "subscriptions", Rules(), day(9))] == [day(5)]
    assert [] == known(put_off, "subscriptions", Rules(), day(10))
    assert [row["started_on"] for row in known(put_off, "subscriptions", Rules(), day(31))] == [day(30)]


def test_an_event_delivered_again_counts_once_as_it_first_arrived() -> None:
    """Events without a name are each their own; what arrives after the cut is not there yet."""
    event = {"account_id": "A1", "occurred_at": at(5), "event": "export", "event_id": "E1"}
    rows = [
        {**event, "quantity": 3.0, "recorded_at": at(20)},
        {**event, "quantity": 1.0, "recorded_at": at(10)},
        {**event, "quantity": 7.0, "recorded_at": at(10), "event_id": None},
        {**event, "quantity": 7.0, "recorded_at": at(10), "event_id": None},
    ]
    assert [1.0, 7.0, 7.0] == [row["quantity"] for row in known(rows, "usage", Rules(), day(30))]
    assert [3.0] == [row["quantity"] for row in known(rows[:1] * 2, "usage", Rules(), day(30))]
    assert [] == known(rows[:1], "usage", Rules(), day(20 - 1))


# --- states by subscriptions ----------------------------------------------------------------------------------------

LAST_DAY, COUNT_FREE = Rules(grace_days=7, ended_on="last_day"), Rules(grace_days=7, count_free=True)
GRACE_7 = Rules(grace_days=7)

STATES: list[tuple[str, list[dict[str, Any]], Rules, dict[int, str | None]]] = [
    # name, terms, rules, {as_of: state}
    ("begins", [term(10, 50)], GRACE_7, {10: None, 11: "active"}),
    ("ends", [term(10, 50)], GRACE_7, {50: "active", 51: "lapsed", 57: "lapsed", 58: "gone"}),
    ("no grace", [term(10, 50)], Rules(grace_days=0), {50: "active", 51: "gone"}),
    ("last day stored", [term(10, 49)], LAST_DAY, {50: "active", 51: "lapsed", 57: "lapsed", 58: "gone"}),
    ("one day, last day stored", [term(10, 10)], LAST_DAY, {10: None, 11: "active", 12: "lapsed", 19: "gone"}),
    ("covers no day", [term(10, 10)], GRACE_7, {11: None, 30: None}),
    ("back in grace", [term(10, 50), term(57)], GRACE_7, {57: "lapsed", 58: "active"}),
    ("back too late", [term(10, 50), term(58)], GRACE_7, {57: "lapsed", 58: "gone", 59: "active"}),
    ("two products", [term(10, 50), term(20, 90)], GRACE_7, {50: "active", 51: "active", 90: "active", 91: "lapsed"}),
    ("trial", [term(10, mrr=0.0)], GRACE_7, {11: None}),
    ("trial that counts", [term(10, mrr=0.0)], COUNT_FREE, {11: "active"}),
    ("billed by use", [term(10, mrr=None)], GRACE_7, {11: "active"}),
    ("paid, then free", [term(10, 50), term(50, mrr=0.0)], GRACE_7, {51: "lapsed", 58: "gone"}),
    ("under notice", [term(10, 90, notice=40)], GRACE_7, {40: "active", 41: "leaving", 90: "leaving", 91: "lapsed"}),
    ("one of two", [term(10, notice=40), term(20)], GRACE_7, {41: "active"}),
    ("one of two, then gone", [term(10, notice=40), term(20, 60)], GRACE_7, {60: "active", 61: "leaving"}),
    ("end ahead, no versions", [term(10, 90)], GRACE_7, {89: "active", 90: "active"}),
]


@pytest.mark.parametrize(
    ("subscriptions", "rules", "expected"), [case[1:] for case in STATES], ids=[case[0] for case in STATES]
)
def test_states(subscriptions: list[dict[str, Any]], rules: Rules, expected: dict[int, str | None]) -> None:
    small = company(subscriptions=subscriptions)
    assert expected == {as_of: state(small, rules, "A1", day(as_of)) for as_of in expected}


ENDS_AHEAD = [version(at(10), 10), version(at(40, 1), 10, 90)]
WITHDRAWN = [*ENDS_AHEAD, version(at(60, 1), 10)]
ENTERED_LATE = [version(at(10), 10), version(at(70, 1), 10, 50)]
NOTICE_TAKEN_BACK = [version(at(10), 10, notice=30), version(at(60, 1), 10)]
LOADED = [version(at(70), 10, 90)]
FREED = [version(at(10), 10), version(at(40, 1), 10, mrr=0.0), version(at(60, 1), 10, mrr=0.0, plan="free")]
PAID_AGAIN = [*FREED, version(at(80, 1), 10)]
NEVER_PAID = [version(at(10), 10, mrr=0.0), version(at(40, 1), 10, mrr=0.0)]
FREED_AND_ENDED = [version(at(10), 10), version(at(40, 1), 10, 30, mrr=0.0)]

VERSION_STATES: list[tuple[str, list[dict[str, Any]], datetime | None, dict[int, str | None]]] = [
    # name, versions, recorded_from, {as_of: state}
    ("a future end is a notice", ENDS_AHEAD, None, {39: "active", 40: "leaving", 90: "leaving", 91: "lapsed"}),
    ("a notice withdrawn", WITHDRAWN, None, {59: "leaving", 60: "active", 91: "active"}),
    ("an end entered late", ENTERED_LATE, None, {51: "active", 69: "active", 70: "gone"}),
    ("notice_on withdrawn", NOTICE_TAKEN_BACK, None, {30: "active", 31: "leaving", 59: "leaving", 60: "active"}),
    ("a bulk-loaded end proves no notice before its load", LOADED, at(70), {11: "active", 69: "active", 70: "leaving"}),
    ("without recorded_from the load is all there is", LOADED, None, {69: None, 70: "leaving"}),
    ("freed", FREED, None, {39: "active", 40: "leaving", 41: "lapsed", 47: "lapsed", 48: "gone", 61: "gone"}),
    ("freed, then paid again", PAID_AGAIN, None, {39: "active", 48: "gone", 79: "gone", 80: "active"}),
    ("never paid", NEVER_PAID, None, {39: None, 41: None}),
    ("freed with an end long past", FREED_AND_ENDED, None, {39: "active", 40: "gone"}),
    ("freed by the bulk load, on no known day", FREED, at(40, 1), {39: None, 41: None}),
]


@pytest.mark.parametrize(
    ("versions", "recorded_from", "expected"), [case[1:] for case in VERSION_STATES], ids=[c[0] for c in VERSION_STATES]
)
def test_states_by_versions(
    versions: list[dict[str, Any]], recorded_from: datetime | None, expected: dict[int, str | None]
) -> None:
    small = company(subscriptions=versions, versioned=True, recorded_from=recorded_from)
    assert expected == {as_of: state(small, GRACE_7, "A1", day(as_of)) for as_of in expected}


def test_a_future_end_is_no_notice_where_rows_are_overwritten() -> None:
    """One row per key: its end was written at any time since, so `recorded_at` says nothing of it."""
    small = company(subscriptions=[version(at(10), 10, 90)])
    assert state(small, GRACE_7, "A1", day(40)) == "active"


def test_a_paid_term_turned_free_is_a_departure_on_the_day_it_was_told() -> None:
    """Where free terms count it is none; billed by use is paid, too."""
    freed = company(subscriptions=FREED, versioned=True)
    assert [day(40)] == churn_days(freed, GRACE_7, "A1", day(200))
    assert [] == churn_days(freed, COUNT_FREE, "A1", day(200))
    by_use = company(subscriptions=[{**FREED[0], "mrr": None}, *FREED[1:]], versioned=True)
    assert [day(40)] == churn_days(by_use, GRACE_7, "A1", day(200))
    assert Label(True, day(40)) == label(freed, GRACE_7, "A1", day(30), day(200))


def test_two_answers_to_when_the_bulk_load_was_are_refused() -> None:
    with pytest.raises(ValueError, match="recorded_from"):
        state(company(recorded_from=at(5)), Rules(recorded_from=at(6)), "A1", day(9))


# --- churns and labels by subscriptions -----------------------------------------------------------------------------

NOTICE = Rules(grace_days=7, event="notice")

CHURNS: list[tuple[str, list[dict[str, Any]], Rules, int, list[int]]] = [
    # name, terms, rules, today, churn days
    ("not known within the grace", [term(10, 50)], GRACE_7, 57, []),
    ("known when the grace has passed", [term(10, 50)], GRACE_7, 58, [50]),
    ("a return in grace is none", [term(10, 50), term(57)], GRACE_7, 200, []),
    ("two spells, two churns", [term(58, 99), term(10, 50)], GRACE_7, 200, [50, 99]),
    ("the latest end, not the last start's", [term(10, 90), term(20, 50), term(95, 99)], GRACE_7, 200, [99]),
    ("notice day", [term(10, 90, notice=40)], NOTICE, 200, [40]),
    ("notice day while the term runs", [term(10, 190, notice=40)], NOTICE, 48, [40]),
    ("notice not known within the grace", [term(10, 190, notice=40)], NOTICE, 47, []),
    ("notice with a successor running", [term(10, 90, notice=40), term(90)], NOTICE, 200, []),
    ("notice, and the successor ends", [term(10, 90, notice=40), term(90, 120)], NOTICE, 200, [120]),
    ("the last product given up", [term(10, 90, notice=40), term(10, 95, notice=60)], NOTICE, 200, [60]),
    ("ended before its notice", [term(10, 50, notice=60)], NOTICE, 200, [50]),
    ("no notice, by notice", [term(10, 50)], NOTICE, 200, [50]),
]


@pytest.mark.parametrize(
    ("subscriptions", "rules", "today", "expected"), [case[1:] for case in CHURNS], ids=[case[0] for case in CHURNS]
)
def test_churn_days(subscriptions: list[dict[str, Any]], rules: Rules, today: int, expected: list[int]) -> None:
    small = company(subscriptions=subscriptions)
    assert [day(number) for number in expected] == churn_days(small, rules, "A1", day(today))


YES, NO = True, False
LEAD = Rules(horizon_days=30, grace_days=7, lead_days=5)
SETTLE = Rules(horizon_days=30, grace_days=7, settle_days=3)
PLAIN = Rules(horizon_days=30, grace_days=7)
BY_NOTICE = replace(PLAIN, event="notice")


def churned(number: int) -> Label:
    return Label(True, day(number))


def left_out(why: Any) -> Label:
    return Label(None, left_out=why)


STAYED = Label(False)

LABELS: list[tuple[str, list[dict[str, Any]], Rules, int, int, Label]] = [
    # name, terms, rules, as_of, today, label
    ("first day of the window", [term(10, 100)], PLAIN, 100, 300, churned(100)),
    ("the day before: not known then", [term(10, 100)], PLAIN, 101, 300, left_out("not_active")),
    ("last day of the window", [term(10, 129)], PLAIN, 100, 300, churned(129)),
    ("first day after the window", [term(10, 130)], PLAIN, 100, 300, STAYED),
    ("runs on", [term(10)], PLAIN, 100, 300, STAYED),
    ("returned within the grace", [term(10, 110), term(117)], PLAIN, 100, 300, STAYED),
    ("returned after the grace", [term(10, 110), term(118)], PLAIN, 100, 300, churned(110)),
    ("the first of two", [term(10, 105), term(113, 120)], PLAIN, 100, 300, churned(105)),
    ("mature on the day", [term(10, 110)], PLAIN, 100, 137, churned(110)),
    ("a day too young, though known to be gone", [term(10, 110)], PLAIN, 100, 136, left_out("immature")),
    ("settling", [term(10, 110)], SETTLE, 100, 139, left_out("immature")),
    ("settled", [term(10, 110)], SETTLE, 100, 140, churned(110)),
    ("the lead's last day", [term(10, 104)], LEAD, 100, 300, left_out("churns_in_lead")),
    ("the window's first day after the lead", [term(10, 105)], LEAD, 100, 300, churned(105)),
    ("the window's last day after the lead", [term(10, 134)], LEAD, 100, 300, churned(134)),
    ("first day after that window", [term(10, 135)], LEAD, 100, 300, STAYED),
    ("the lead delays maturity", [term(10, 110)], LEAD, 100, 141, left_out("immature")),
    ("mature with lead", [term(10, 110)], LEAD, 100, 142, churned(110)),
    ("gone in the lead, back and gone", [term(10, 101), term(109, 120)], LEAD, 100, 300, left_out("churns_in_lead")),
    ("lapsed", [term(10, 99)], PLAIN, 100, 300, left_out("not_active")),
    ("not active before leaving or young", [term(10, 50, notice=40)], PLAIN, 60, 61, left_out("not_active")),
    ("leaving before young", [term(10, 110, notice=98)], PLAIN, 100, 101, left_out("leaving")),
    ("notice on the as_of is not known", [term(10, 110, notice=100)], PLAIN, 100, 300, churned(110)),
    ("by notice: on the as_of", [term(10, 190, notice=100)], BY_NOTICE, 100, 300, churned(100)),
    ("by notice: day after the window", [term(10, 190, notice=130)], BY_NOTICE, 100, 300, STAYED),
    ("by notice: successor", [term(10, 120, notice=105), term(120)], BY_NOTICE, 100, 300, STAYED),
]


@pytest.mark.parametrize(
    ("subscriptions", "rules", "as_of", "today", "expected"), [c[1:] for c in LABELS], ids=[c[0] for c in LABELS]
)
def test_labels(subscriptions: list[dict[str, Any]], rules: Rules, as_of: int, today: int, expected: Label) -> None:
    assert expected == label(company(subscriptions=subscriptions), rules, "A1", day(as_of), day(today))


LATE_LABELS = [
    ("it had left, and nobody knew", [version(at(10), 10), version(at(120), 10, 90)], "already_gone"),
    ("entered late, left inside the window", [version(at(10), 10), version(at(150), 10, 110)], None),
    ("entered late, left in the lead", [version(at(10), 10), version(at(150), 10, 104)], "churns_in_lead"),
    ("the term itself came late", [version(at(120), 10, 110)], "not_active"),
]


@pytest.mark.parametrize(("versions", "why"), [case[1:] for case in LATE_LABELS], ids=[case[0] for case in LATE_LABELS])
def test_labels_are_judged_on_what_is_known_today(versions: list[dict[str, Any]], why: str | None) -> None:
    small = company(subscriptions=versions, versioned=True)
    expected = left_out(why) if why else churned(110)
    assert expected == label(small, LEAD, "A1", day(100), day(300))


# --- inactivity -----------------------------------------------------------------------------------------------------

SILENT_10 = Rules(definition="inactivity", inactive_days=10, horizon_days=10)
LONGER = replace(SILENT_10, horizon_days=20)
WITH_LEAD = replace(SILENT_10, lead_days=3)


def test_states_by_use() -> None:
    small = company(used_on=[5, 9])
    expected = {5: None, 6: "active", 10: "active", 19: "active", 20: "gone"}
    assert expected == {as_of: state(small, SILENT_10, "A1", day(as_of)) for as_of in expected}


def test_only_the_named_events_are_use() -> None:
    small = company(used_on=[5])
    small.tables["usage"].append({"account_id": "A1", "occurred_at": at(7), "event": "error"})
    assert [day(5), day(7)] == use_days(small, SILENT_10, "A1", day(30))
    assert [day(5)] == use_days(small, replace(SILENT_10, activity_events=("export",)), "A1", day(30))


@pytest.mark.parametrize(
    ("used_on", "today", "expected"),
    [
        ([5, 15], 25, []),  # used again on the tenth day: no silence; the last one is not over
        ([5, 16], 26, [15]),
        ([5, 16], 27, [15, 26]),
        ([], 50, []),
    ],
)
def test_churn_days_by_use(used_on: list[int], today: int, expected: list[int]) -> None:
    small = company(used_on=used_on)
    assert [day(number) for number in expected] == churn_days(small, SILENT_10, "A1", day(today))


USE_LABELS: list[tuple[str, list[int], Rules, int, int, Label]] = [
    # name, days of use, rules, as_of, today, label
    ("does nothing", [95], SILENT_10, 100, 110, churned(105)),
    ("too young", [95], SILENT_10, 100, 109, left_out("immature")),
    ("no grace to wait for", [95], replace(SILENT_10, grace_days=30), 100, 110, churned(105)),
    ("back in the window, after its churn day", [91, 105], SILENT_10, 100, 200, STAYED),
    ("used on the as_of", [99, 100], SILENT_10, 100, 200, STAYED),
    ("used on the window's last day", [99, 109], SILENT_10, 100, 200, STAYED),
    ("used on the first day after it", [99, 110], SILENT_10, 100, 200, churned(109)),
    ("silent for exactly the days allowed", [90], SILENT_10, 100, 200, churned(100)),
    ("silent before", [89], SILENT_10, 100, 200, left_out("not_active")),
    ("longer horizon: used, then silent", [99, 109], LONGER, 100, 200, churned(119)),
    ("longer horizon: silence not over in time", [99, 110], LONGER, 100, 200, STAYED),
    ("longer horizon: silent and back", [91, 115], LONGER, 100, 200, STAYED),
    ("silence over in the lead", [92], WITH_LEAD, 100, 200, left_out("churns_in_lead")),
    ("silence over in the lead, back as the window opens", [92, 103], WITH_LEAD, 100, 200, left_out("churns_in_lead")),
    ("silence over as the window opens", [93], WITH_LEAD, 100, 200, churned(103)),
    ("used in the lead", [92, 102], WITH_LEAD, 100, 200, churned(112)),
]


@pytest.mark.parametrize(
    ("used_on", "rules", "as_of", "today", "expected"), [c[1:] for c in USE_LABELS], ids=[c[0] for c in USE_LABELS]
)
def test_labels_by_use(used_on: list[int], rules: Rules, as_of: int, today: int, expected: Label) -> None:
    assert expected == label(company(used_on=used_on), rules, "A1", day(as_of), day(today))


@pytest.mark.parametrize(
    ("inactive_days", "message"), [(None, "needs inactive_days"), (61, "shorter than inactive_days")]
)
def test_inactivity_that_cannot_be_judged_is_refused(inactive_days: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Rules(definition="inactivity", horizon_days=60, inactive_days=inactive_days)


# --- laws -----------------------------------------------------------------------------------------------------------

# A company is many small draws: on a busy machine Hypothesis would call that too slow.
LAWS = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@LAWS
@given(companies(), parameters())
def test_a_label_is_an_answer_or_a_reason_for_none(small: SmallCompany, rules: Rules) -> None:
    """Never both, never neither; a churn day only with yes, inside the window, and one of the churns known today.

    By subscriptions the reverse holds too: an account with a known churn in the window is not labelled as staying.
    """
    for account_id in accounts_of(small):
        churns = churn_days(small, rules, account_id, small.today)
        for as_of in small.as_ofs:
            answer = label(small, rules, account_id, as_of, small.today)
            opens = as_of + timedelta(days=rules.lead_days)
            inside = [churn for churn in churns if opens <= churn < opens + timedelta(days=rules.horizon_days)]
            assert (answer.value is None) == (answer.left_out is not None)
            assert (answer.value is True) == (answer.churn_on is not None)
            assert answer.churn_on is None or answer.churn_on in inside
            if rules.definition == "subscription" and answer.value is not None:
                assert answer.value == bool(inside)


@LAWS
@given(companies(timely=True), parameters())
def test_where_nothing_comes_late_nobody_turns_out_to_have_left_before(small: SmallCompany, rules: Rules) -> None:
    answers = [label(small, rules, who, as_of, small.today) for who in accounts_of(small) for as_of in small.as_ofs]
    assert "already_gone" not in [answer.left_out for answer in answers]


@LAWS
@given(companies(timely=True), parameters(), st.integers(0, 90))
def test_a_mature_label_is_final_where_nothing_comes_late(small: SmallCompany, rules: Rules, later: int) -> None:
    """By ends and by use. By notice it is not: a successor signed in the notice period takes the churn back."""
    rules = replace(rules, event="ended")
    waits = rules.lead_days + rules.horizon_days + rules.return_days + rules.settle_days
    for account_id in accounts_of(small):
        for as_of in small.as_ofs:
            mature_on = as_of + timedelta(days=waits)
            first = label(small, rules, account_id, as_of, mature_on)
            assert first.left_out != "immature"
            assert first == label(small, rules, account_id, as_of, mature_on + timedelta(days=later))


@LAWS
@given(companies(timely=True), parameters())
def test_churns_are_the_mornings_on_which_an_account_is_first_gone(small: SmallCompany, rules: Rules) -> None:
    """Walked day by day: found gone on a morning for the first time, it left grace and a day before."""
    rules = replace(rules, event="ended")
    mornings = [FIRST_DAY + timedelta(days=number) for number in range((small.today - FIRST_DAY).days + 1)]
    known_after = timedelta(days=rules.return_days + 1)
    for account_id in accounts_of(small):
        states = [None, *(state(small, rules, account_id, morning) for morning in mornings)]
        found = [
            morning - known_after
            for morning, before, now in zip(mornings, states, states[1:], strict=False)
            if now == "gone" and before != "gone"
        ]
        assert found == churn_days(small, rules, account_id, small.today)


@LAWS
@given(companies(), parameters(definition="inactivity"))
def test_inactivity_at_its_shortest_is_doing_nothing_in_the_next_days(small: SmallCompany, rules: Rules) -> None:
    """Lead 0 and a horizon of `inactive_days`: churned exactly when no use falls into the window."""
    rules = replace(rules, lead_days=0, horizon_days=rules.silence_days)
    for account_id in accounts_of(small):
        used = use_days(small, rules, account_id, LATER)
        for as_of in small.as_ofs:
            if state(small, rules, account_id, as_of) == "active":
                closes = as_of + timedelta(days=rules.silence_days)
                did_nothing = not any(as_of <= when < closes for when in used)
                assert did_nothing == label(small, rules, account_id, as_of, LATER).value


@LAWS
@given(companies(), parameters(), st.data())
def test_what_arrives_after_the_cut_changes_nothing(small: SmallCompany, rules: Rules, data: st.DataObject) -> None:
    """A later version of any term, and any event from `as_of` on, may say what it likes."""
    as_of = data.draw(st.sampled_from(small.as_ofs))
    cut = datetime.combine(as_of, datetime.min.time()) + timedelta(hours=rules.arrival_hours)
    after = max(cut, (small.recorded_from or cut) + timedelta(seconds=1))
    told_later = [
        {**row, "ended_on": row["started_on"] + timedelta(days=1), "mrr": 1.0, "recorded_at": after}
        for row in small.tables["subscriptions"]
        if "subscriptions" in small.versioned
    ]
    used_later = [{**row, "occurred_at": max(row["occurred_at"], cut)} for row in small.tables["usage"]]
    fuller = replace(
        small,
        tables={
            **small.tables,
            "subscriptions": [*told_later, *small.tables["subscriptions"]],
            "usage": [*used_later, *small.tables["usage"]],
        },
    )
    for account_id in accounts_of(small):
        assert state(small, rules, account_id, as_of) == state(fuller, rules, account_id, as_of)


@LAWS
@given(companies(), parameters())
def test_an_account_is_judged_by_its_own_rows_in_any_order(small: SmallCompany, rules: Rules) -> None:
    for account_id in accounts_of(small):
        alone = {
            name: [row for row in reversed(rows) if row.get("account_id") == account_id]
            for name, rows in small.tables.items()
        }
        for as_of in small.as_ofs:
            expected = label(small, rules, account_id, as_of, small.today)
            assert expected == label(replace(small, tables=alone), rules, account_id, as_of, small.today)
