"""The end of the tables: what is silent by habit may be scored, what merely was not loaded may not."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

import ibis
import pandas as pd
import pytest

from features.contract import Severity
from features.outages import Coverage, coverage
from features.timeline import ChurnRules, Moment
from features.versions import History
from pipeline.errors import RefusedError
from pipeline.freshness import blind_days, is_stale, refuse_stale, sources_of, stale_tables, usual_gap

TODAY = date(2026, 11, 2)  # a Monday
TIMES = {"usage": "occurred_at", "page_visits": "visited_at", "tickets": "opened_at", "invoices": "issued_on"}


def every(days: int, until: date, over: int = 200) -> list[date]:
    return [until - timedelta(days=back) for back in range(0, over, days)][::-1]


def working_days(until: date) -> list[date]:
    return [day for day in every(1, until) if day.weekday() < 5]


def table(name: str, days: Iterable[date], **more: object) -> ibis.Table:
    """One row a day, at nine in the morning."""
    rows = [datetime.combine(day, time(9)) for day in days]
    keys = {"ticket_id": [f"T-{number}" for number in range(len(rows))]} if name == "tickets" else {}
    return ibis.memtable(pd.DataFrame({"account_id": "A-1", TIMES[name]: rows, **keys, **more}))


def past(**tables: ibis.Table) -> History:
    return History(tables, ChurnRules())


def stale(history: History, as_of: date = TODAY) -> dict[str, Severity]:
    found = stale_tables(history, Moment(as_of), coverage(history), ("usage",))
    return {each.table: each.severity for each in found}


@pytest.mark.parametrize(
    ("days", "gap"),
    [
        (every(1, TODAY), 1),
        (working_days(TODAY), 3),
        (every(7, TODAY), 7),
        (every(28, TODAY), 28),
        ([TODAY], 56),
        ([date(2024, 1, 1), TODAY], 56),
        ([TODAY - timedelta(days=3), TODAY], 53),
    ],
)
def test_the_usual_gap_is_the_longest_of_the_last_eight_weeks(days: list[date], gap: int) -> None:
    assert gap == usual_gap(days)


def test_a_long_gap_of_last_year_is_forgotten() -> None:
    days = every(1, TODAY - timedelta(days=150), 30) + every(1, TODAY, 100)
    assert 1 == usual_gap(days)


@pytest.mark.parametrize(
    ("days", "as_of", "expected"),
    [
        (every(1, date(2026, 10, 30)), TODAY, False),  # two days are missing
        (every(1, date(2026, 10, 29)), TODAY, True),  # three are
        (working_days(date(2026, 10, 30)), TODAY, False),  # Friday to Monday
        (working_days(date(2026, 4, 2)), date(2026, 4, 7), False),  # Maundy Thursday to the Tuesday after Easter
        (working_days(date(2026, 10, 23)), TODAY, True),  # a whole week is missing
        (every(31, TODAY - timedelta(days=31)), TODAY, False),
        ([TODAY - timedelta(days=100)], TODAY, False),  # hardly ever used at all
        ([TODAY - timedelta(days=113)], TODAY, True),
    ],
)
def test_silence_beyond_the_habit_is_stale(days: list[date], as_of: date, expected: bool) -> None:
    assert expected is is_stale(days, as_of)


def test_few_customers_who_use_it_now_and_then_are_not_refused() -> None:
    """A company with one use in ten days: over two years of nights hardly one may be held back."""
    draws = pd.Series(range(730)).sample(frac=0.1, random_state=7)
    used = sorted(TODAY - timedelta(days=int(back)) for back in draws)
    nights = [TODAY - timedelta(days=back) for back in range(600)]
    refused = [night for night in nights if is_stale([day for day in used if day < night], night)]
    assert len(refused) <= 2


def test_what_decides_refuses_and_the_others_warn() -> None:
    here, gone = every(1, TODAY - timedelta(days=1)), every(1, TODAY - timedelta(days=20))
    others = {name: table(name, gone) for name in ("page_visits", "tickets", "invoices")}
    assert {} == stale(past(usage=table("usage", here), tickets=table("tickets", here)))
    late = past(usage=table("usage", here), **others)
    assert dict.fromkeys(others, Severity.WARN) == stale(late)
    warned = refuse_stale(late, Moment(TODAY), coverage(late), ("usage",))
    assert ["page_visits", "tickets", "invoices"] == [found.table for found in warned]
    silent = past(usage=table("usage", gone), **others)
    with pytest.raises(RefusedError) as refused:
        refuse_stale(silent, Moment(TODAY), coverage(silent), ("usage",))
    assert str(refused.value) == (
        "The tables end too early; nothing was written.\n\n"
        "usage.occurred_at  has its newest row on 2026-10-13, 20 days before 2026-11-02; usually one comes every day\n"
        "    If rows of the days since are missing, load them. If there were none, look from the day after the newest "
        "row: --as-of 2026-10-14."
    )


def test_the_remedy_of_the_message_works() -> None:
    gone = past(usage=table("usage", every(1, TODAY - timedelta(days=20))))
    assert {} == stale(gone, TODAY - timedelta(days=19))


def test_rows_that_have_not_arrived_are_not_there() -> None:
    """A load that is four days behind leaves the night as empty as no load; rows still to happen do not help."""
    days = every(1, TODAY + timedelta(days=30))
    recorded = [datetime.combine(day + timedelta(days=4), time(1, 30)) for day in days]
    assert {"usage": Severity.FATAL} == stale(past(usage=table("usage", days, recorded_at=recorded)))
    recorded = [datetime.combine(day + timedelta(days=1), time(1, 30)) for day in days]
    assert {} == stale(past(usage=table("usage", days, recorded_at=recorded)))


def test_subscriptions_are_judged_by_when_they_were_recorded() -> None:
    """Few begin, but a table that is loaded every night says so in recorded_at."""
    starts = every(1, date(2026, 6, 1), 100)
    terms = {"account_id": "A-1", "subscription_id": [f"S-{n}" for n in range(100)], "started_on": starts}
    terms |= {"ended_on": pd.Series([None] * 100, dtype="object")}
    frame = pd.DataFrame(terms).astype({"started_on": "datetime64[s]", "ended_on": "datetime64[s]"})
    assert {"subscriptions": Severity.WARN} == stale(past(subscriptions=ibis.memtable(frame)))
    recorded = [datetime(2026, 10, 30, 1, tzinfo=UTC).replace(tzinfo=None)] * 100
    assert {} == stale(past(subscriptions=ibis.memtable(frame.assign(recorded_at=recorded))))
    with_use = past(subscriptions=ibis.memtable(frame), usage=table("usage", every(1, TODAY)))
    assert {"subscriptions": Severity.WARN} == stale(with_use)


def test_an_empty_table_is_for_others_to_judge() -> None:
    assert {} == stale(past(usage=table("usage", every(1, TODAY))), date(1999, 1, 1))


@pytest.mark.parametrize(
    ("lost", "out"),
    [
        ([], None),
        ([1], (1, 1)),  # yesterday: nobody can say what happened on it
        ([4], None),  # one of the last four is a quarter, and no more
        ([3], (3, 3)),
        ([6, 7], (7, 6)),  # two of the last seven
        ([7, 8], None),
        ([20, 21, 22, 23, 24, 25, 26, 27], (27, 20)),  # eight of the last 27
        ([40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52], None),  # long ago
    ],
)
def test_a_source_is_out_while_it_hides_a_quarter_of_some_recent_days(
    lost: list[int], out: tuple[int, int] | None
) -> None:
    """Told by days before the night; the digest names nobody for what such a source moves."""
    days = [TODAY - timedelta(days=back) for back in range(1, 200) if back not in lost]
    heard = Coverage({"usage": tuple((day, day + timedelta(days=1), 40) for day in days)})
    told = {} if out is None else {"usage": tuple(TODAY - timedelta(days=back) for back in out)}
    assert told == blind_days(heard, Moment(TODAY))


def test_a_night_keeps_how_each_source_stood() -> None:
    """The last day of each that is there; of one that is late, the share of the customers with rows in it."""
    here, gone = every(1, TODAY - timedelta(days=1)), every(1, TODAY - timedelta(days=20))
    given = past(usage=table("usage", here), tickets=table("tickets", gone))
    fine = {"until": "2026-11-01", "is_late": False, "out": None, "touched": None}
    late = {"until": "2026-10-13", "is_late": True, "out": None}
    found = sources_of(given, Moment(TODAY), coverage(given), ["A-1", "A-2", "A-3", "A-4"])
    assert ["usage", "tickets"] == list(found)
    assert fine == found["usage"]
    assert late == {name: found["tickets"][name] for name in late}
    assert 0.25 == found["tickets"]["touched"]
