"""Outages: found among all accounts, judged by what was known, taken out of windows."""

from datetime import date, datetime, timedelta
from typing import Any

import ibis
import pytest
from engine_companies import connect, loaded
from oracle_time import Rules
from small_companies import SmallCompany

from features.outages import Coverage, Recorded, coverage, lost_days
from features.timeline import Moment
from pipeline import freshness
from pipeline.errors import RefusedError
from pipeline.sections import Action

FIRST = date(2025, 1, 6)  # a Monday


def heard(days: int, *, weekend: int = 40, **changed: int) -> dict[date, int]:
    """So many days from the first on with 200 accounts each; `d90=3` changes the day with that number."""
    counts = {n: weekend if (n % 7) > 4 else 200 for n in range(days)}
    counts |= {int(name[1:]): accounts for name, accounts in changed.items()}
    return {FIRST + timedelta(days=n): accounts for n, accounts in counts.items() if accounts}


def numbers(lost: frozenset[date]) -> list[int]:
    return sorted((day - FIRST).days for day in lost)


CASES = [
    ("nothing is lost on common days", heard(120), 120, []),
    ("three days without anybody", heard(120, d90=0, d91=0, d92=0), 120, [90, 91, 92]),
    ("a fall to a quarter", heard(120, d99=50), 120, [99]),
    ("a fall to a half is a bad day", heard(120, d99=100), 120, []),
    ("the last day, when the load is late", heard(119), 120, [119]),
    ("a weekend that is always empty", heard(120, weekend=0), 120, []),
    ("too little history to compare with", heard(25, d24=0), 25, []),
    ("too few accounts to tell", {day: n // 15 for day, n in heard(120, d99=0).items()}, 120, []),
    ("ten weeks in a row", {day: n for day, n in heard(200).items() if not 100 <= (day - FIRST).days < 170}, 200, None),
]


@pytest.mark.parametrize(("promise", "counts", "until", "expected"), CASES, ids=[case[0] for case in CASES])
def test_lost_days(promise: str, counts: dict[date, int], until: int, expected: list[int] | None) -> None:
    """Days with their number from the first; a long outage is lost to its end, whatever the day compares with."""
    found = numbers(lost_days(counts, FIRST + timedelta(days=until)))
    assert (list(range(100, 170)) if expected is None else expected) == found, promise


def test_a_season_is_no_outage_the_second_time() -> None:
    """Christmas of the first year cannot be told from an outage; that of the second is known to be quiet."""
    quiet = {f"d{day}": 4 for start in (352, 352 + 365) for day in range(start, start + 5)}
    found = numbers(lost_days(heard(760, **quiet), FIRST + timedelta(days=760)))
    assert found
    assert all(day < 365 for day in found)


def test_a_large_customer_who_goes_quiet_is_no_outage() -> None:
    """Accounts are counted, not rows."""
    counts = heard(120)
    assert lost_days({day: n - 1 for day, n in counts.items()}, FIRST + timedelta(days=120)) == frozenset()


def test_the_verdict_on_a_day_does_not_depend_on_later_days() -> None:
    """What was lost as of an early date is lost as of every later one: nothing but late rows changes it."""
    counts = heard(160, d90=0, d91=10, d120=0, d140=55)
    whole = lost_days(counts, FIRST + timedelta(days=160))
    for until in range(60, 160, 9):
        day = FIRST + timedelta(days=until)
        then = lost_days({on: n for on, n in counts.items() if on < day}, day)
        assert {on for on in whole if on < day} == then, until


def test_windows_without_lost_days_are_as_counted() -> None:
    """Scaled to the whole window where some days were lost, missing where more than a quarter was."""
    recorded = Recorded(first=300, lost=(2, 3, 40))
    six = ibis.literal(6.0)
    assert 6.0 == recorded.counted(six, 4, 28).execute()
    assert pytest.approx(6.0 * 28 / 26) == recorded.counted(six, 0, 28).execute()
    assert pytest.approx(6.0 * 84 / 81) == recorded.counted(six, 0, 84).execute()
    assert plain(recorded.counted(six, 0, 7)) is None


def plain(value: ibis.Value) -> Any:
    return value.as_table().to_pyarrow().to_pylist()[0].popitem()[1]


SILENCES = [(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0), (4, None), (5, None), (7, 8.0), (59, 60.0)]


@pytest.mark.parametrize(("age", "days"), SILENCES)
def test_silence_over_lost_days(age: int, days: float | None) -> None:
    """How long ago something was, where too much of the time since was lost to say."""
    assert days == plain(Recorded(first=300, lost=(2, 3)).since(ibis.literal(age)))


# --- on the engine --------------------------------------------------------------------------------------------------

ACCOUNTS = [f"A{number:02}" for number in range(30)]


def tracked(recorded: bool, late_on: datetime | None = None) -> SmallCompany:
    """Thirty accounts with daily use for 80 days, of which day 70 is lost, or delivered at `late_on`."""
    usage = []
    for number in range(80):
        day = datetime(2025, 1, 6, 12) + timedelta(days=number)  # noqa: DTZ001 - instants are naive UTC
        arrived = day + timedelta(hours=10)
        if number == 70:
            if late_on is None:
                continue
            arrived = late_on
        for account_id in ACCOUNTS:
            row: dict[str, Any] = {"account_id": account_id, "occurred_at": day, "event": "export"}
            usage.append(row | ({"recorded_at": arrived} if recorded else {}))
    accounts = [{"account_id": name, "created_at": datetime(2025, 1, 1)} for name in ACCOUNTS]  # noqa: DTZ001
    terms = [
        {"subscription_id": name, "account_id": name, "started_on": FIRST, "ended_on": None, "mrr": 1.0}
        for name in ACCOUNTS
    ]
    tables = {"accounts": accounts, "subscriptions": terms, "usage": usage}
    return SmallCompany(tables, frozenset(), None, FIRST + timedelta(days=400), [FIRST])


@pytest.fixture(scope="module")
def engine() -> Any:
    return connect()


def covered(engine: Any, company: SmallCompany) -> Coverage:
    with loaded(engine, company, Rules()) as history:
        return coverage(history)


def test_a_lost_day_is_found_in_the_tables(engine: Any) -> None:
    """Ages count from the day before the date; before the lost day nothing is lost."""
    found = covered(engine, tracked(recorded=False))
    assert Recorded(first=79, lost=(9,)) == found.recorded("usage", Moment(FIRST + timedelta(days=80), 6))
    assert Recorded(first=69) == found.recorded("usage", Moment(FIRST + timedelta(days=70), 6))
    assert Recorded() == found.recorded("tickets", Moment(FIRST, 6))


def test_rows_delivered_later_heal_the_day_from_their_arrival_on(engine: Any) -> None:
    """Delivered at 5 o'clock on day 75 they are known that night; at 6, the cut, only the next."""
    day_75 = datetime(2025, 1, 6) + timedelta(days=75)  # noqa: DTZ001
    for hour, known_on in ((5, 75), (6, 76)):
        found = covered(engine, tracked(recorded=True, late_on=day_75 + timedelta(hours=hour)))
        lost = {n: found.recorded("usage", Moment(FIRST + timedelta(days=n), 6)).lost for n in (74, 75, 76)}
        assert (3,) == lost[74]
        assert {n: () if n >= known_on else (n - 71,) for n in (75, 76)} == {n: lost[n] for n in (75, 76)}


def test_versions_of_a_row_are_no_further_accounts(engine: Any) -> None:
    """Tickets gain versions as they are answered; the newest days, with one version each, are not lost for that."""
    opened = [datetime(2025, 1, 6, 12) + timedelta(days=number) for number in range(80)]  # noqa: DTZ001
    tickets = [
        {"ticket_id": f"{at:%j}-{name}", "account_id": name, "opened_at": at, "recorded_at": at + timedelta(days=later)}
        for at in opened
        for name in ACCOUNTS
        for later in (0, 5, 6, 7, 8)
    ]
    company = tracked(recorded=False)
    company = SmallCompany({**company.tables, "tickets": tickets}, frozenset({"tickets"}), None, company.today, [FIRST])
    found = covered(engine, company)
    assert Recorded(first=79) == found.recorded("tickets", Moment(FIRST + timedelta(days=80), 18))


def test_lost_days_are_told(engine: Any) -> None:
    """With the table, the days and what becomes of them; older ones are not told of a night that they do not touch."""
    moment = Moment(FIRST + timedelta(days=80), 6)
    found = covered(engine, tracked(recorded=False))
    [told] = freshness.lost_days(found, moment, 84)
    assert ("usage.occurred_at", "warn") == (told.place, told.severity)
    assert "1 of the last 84 days, the newest of them 2025-03-17" in told.rule
    assert freshness.lost_days(found, moment, 9) == []


def test_a_night_tells_of_an_outage_or_is_stopped_by_it(engine: Any) -> None:
    """With the share of the customers that it touches. One of long ago stops none: no later night could do better."""
    company, nobody = tracked(recorded=False), [f"nobody-{number}" for number in range(10)]
    with loaded(engine, company, Rules()) as past:

        def of(after: int, action: Action) -> list[str]:
            moment = Moment(FIRST + timedelta(days=after), 6)
            found = freshness.outages(past, moment, coverage(past), [*ACCOUNTS, *nobody], action)
            return [each.rule for each in found]

        (told,) = of(80, "warn")
        assert told.endswith("the newest of them 2025-03-17; 75% of the customers have rows in it")
        assert [told] == of(80, "stop"), "nine days back"
        assert [] == of(80, "off") == of(70, "stop")
        with pytest.raises(RefusedError, match=r"(?s)lost days before 2025-03-20.*2025-03-17; 75% of the customers"):
            of(73, "stop")


def test_rows_of_one_day_may_come_in_several_loads() -> None:
    """Forty accounts that arrive over four nights are forty accounts; the newest day, with one load, is not lost."""
    first = FIRST + timedelta(days=80)
    arrivals = [
        (FIRST + timedelta(days=number), FIRST + timedelta(days=number + lag), 40)
        for number in range(80)
        for lag in (1, 2, 3, 4)
    ]
    assert Recorded(first=79) == Coverage({"usage": tuple(arrivals)}).recorded("usage", Moment(first, 6))


def test_a_stray_early_row_begins_nothing() -> None:
    """One account at the dawn of time, or years before the others, is a clock gone wrong."""
    days = [FIRST + timedelta(days=number) for number in range(80)]
    arrivals = [(day, day + timedelta(days=1), 40) for day in days]
    for stray in (date(1, 1, 1), date(1970, 1, 1), FIRST - timedelta(days=400)):
        counted = Coverage({"usage": ((stray, stray + timedelta(days=1), 1), *arrivals)})
        assert Recorded(first=79) == counted.recorded("usage", Moment(FIRST + timedelta(days=80), 6)), stray
