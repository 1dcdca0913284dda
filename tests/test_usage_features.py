"""Features of use, people, habits and first weeks: known answers, days that were lost, odd rows, and the words."""

import random
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Any

import ibis
import pytest
from engine_companies import Row, loaded
from oracle_habits import habits as habits_again
from oracle_known import Known
from oracle_onboarding import onboarding as onboarding_again
from oracle_people import people as people_again
from oracle_time import Rules
from oracle_usage import Used
from oracle_usage import usage as usage_again
from small_companies import SmallCompany

from features import habits, onboarding, people, usage
from features.build import spine
from features.catalogue import read_catalogue
from features.measures import light_steps, light_sum
from features.outages import Coverage, Recorded, coverage
from features.tallies import by_kind, by_person, tally
from features.versions import History
from pipeline.amounts import Language
from pipeline.wording import sentence

AS_OF = date(2026, 11, 2)
LONG_AGO = 400
"""Since when there are customers and rows of use, where a case says nothing else."""


def at(days: int) -> datetime:
    """Noon, so many days before the date; 1 is the day before it."""
    return datetime.combine(AS_OF - timedelta(days=days), time(12))


def used(
    days: Iterable[int], event: str = "export", user: str | None = "Ann", quantity: float | None = 1.0
) -> list[Row]:
    """The same event so many days before the date."""
    return [{"occurred_at": at(day), "event": event, "quantity": quantity, "user_id": user} for day in days]


def company(use: dict[str, list[Row]], begins: int = LONG_AGO, **of_account: Any) -> SmallCompany:
    """An account for each name, with ten seats; another one's use begins the table so many days before the date."""
    names = [*use, "Another"]
    since, live = of_account.get("tenure", {}), of_account.get("live", {})
    accounts = [
        {
            "account_id": name,
            "created_at": at(LONG_AGO),
            "went_live_on": at(live[name]).date() if name in live else None,
        }
        for name in names
    ]
    terms = [
        {"subscription_id": name, "account_id": name, "started_on": at(since.get(name, LONG_AGO)).date()}
        | {"ended_on": None, "mrr": 9.0, "seats": 10.0}
        for name in names
    ]
    rows = [{"account_id": name, **row} for name, each in use.items() for row in each]
    rows += [{"account_id": "Another", **row} for row in used([begins])]
    tables = {
        "accounts": accounts,
        "subscriptions": terms,
        "usage": rows,
        "users": of_account.get("users") or [nobody()],
    }
    return SmallCompany(tables, frozenset(), None, AS_OF, [AS_OF])


def nobody() -> Row:
    return user("nobody", "Another", None)


def user(user_id: str, account_id: str, left: int | None) -> Row:
    """A person who was deactivated so many days before the date."""
    gone = None if left is None else at(left)
    return {"user_id": user_id, "account_id": account_id, "created_at": at(LONG_AGO), "deactivated_at": gone}


def computed(history: History, covered: Coverage | None = None) -> dict[str, Row]:
    """The spine and all features of use, by account."""
    moment, covered = history.rules.moment(AS_OF), covered or coverage(history)
    accounts = spine(history, moment, covered)
    tallied = tally(history, accounts, moment, covered.recorded("usage", moment))
    persons, kinds = by_person(history, moment), by_kind(history, moment)
    families = [usage.compute(tallied), people.compute(history, tallied, persons, moment)]
    families += [habits.compute(tallied, kinds), onboarding.compute(accounts, tallied, persons, moment)]
    wide = accounts
    for family in families:
        wide = wide.left_join(family, "account_id").drop("account_id_right")
    return {row["account_id"]: row for row in wide.to_pyarrow().to_pylist()}


def of(engine: Any, drawn: SmallCompany) -> dict[str, Row]:
    with loaded(engine, drawn, Rules()) as history:
        return computed(history)


def near(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value


# --- amounts, days and silences -------------------------------------------------------------------------------------

AMOUNTS: list[tuple[str, list[Row], int, Row]] = [
    ("a silence inside and the one at the window's border", used([1, 30, 101]), 400, {"longest_silence_84": 54}),
    ("use on every day", used(range(1, 101)), 400, {"longest_silence_84": 0, "days_since_use": 1}),
    ("no use at all", [], 400, {"longest_silence_84": 84, "days_since_use": None}),
    ("a customer for twenty days was silent for no more", [], 20, {"longest_silence_84": 20, "active_days_84": 0}),
    ("use counts for half after two weeks", used([15], quantity=8.0), 400, {"usage_decayed": 4.0, "usage_28": 8.0}),
    ("use of today is not known, nor decayed", used([0, 1], quantity=8.0), 400, {"usage_decayed": 8.0}),
    ("beyond 84 days nothing is left", used([85], quantity=8.0), 400, {"usage_decayed": 0.0, "usage_84": 0.0}),
    ("the border of 84 days", used([84], quantity=8.0), 400, {"usage_84": 8.0, "active_days_84": 1}),
    ("twelve weeks against twelve", used([1, 85, 168, 169]), 400, {"active_days_84": 1, "active_days_before_84": 2}),
    ("which half a year of being seen allows", used([1]), 167, {"active_days_before_84": None}),
    ("and no less", used([1]), 168, {"active_days_before_84": 0.0}),
    ("work undone is no work", used([2], quantity=-3.0), 400, {"usage_7": -3.0, "usage_trend_7": None}),
    ("nothing is a quantity", used([2], quantity=0.0), 400, {"usage_7": 0.0, "active_days_7": 1}),
    ("none given counts once", used([2], quantity=None), 400, {"usage_7": 1.0}),
    ("use before the sign-up was use", used([50]), 20, {"longest_silence_84": 49, "active_days_84": 1}),
    ("for each seat and person", used([1, 2]) + used([2], user="Bo"), 400, {"usage_per_seat_28": 0.3}),
    ("people who did it", used([1, 2]) + used([2], user="Bo"), 400, {"active_users_28": 2, "seat_share": 0.2}),
    ("nobody's work is for no person", used([1, 2], user=None), 400, {"active_users_28": 0, "usage_28": 2.0}),
]


def test_amounts_days_and_silences(engine: Any) -> None:
    """Each promise is an account of its own."""
    drawn = company({promise: rows for promise, rows, _, _ in AMOUNTS}, tenure={case[0]: case[2] for case in AMOUNTS})
    found = of(engine, drawn)
    for promise, _, _, expected in AMOUNTS:
        assert expected == {name: near(found[promise][name]) for name in expected}, promise


def test_what_lies_before_the_table_is_missing_for_those_who_were_there(engine: Any) -> None:
    """A table that began thirty days ago knows nothing of twelve weeks, but all of a customer of twenty days."""
    drawn = company({"old": used([2]), "young": used([2])}, begins=30, tenure={"young": 20})
    found = of(engine, drawn)
    names = ["active_days_28", "active_days_84", "usage_84", "usage_decayed", "active_days_usual", "days_to_first_use"]
    assert [1.0, None, None, None, None, None] == [found["old"][name] for name in names]
    assert [1.0, 1.0, 1.0] == [found["young"][name] for name in names[:3]]
    assert (None, 18) == (found["young"]["active_days_usual"], found["young"]["days_to_first_use"])


# --- the main user --------------------------------------------------------------------------------------------------

WORKED = used(range(40, 100), user="Ann")  # 60 in the 84 days before the last 28: 20 in 28 days
MAIN: list[tuple[str, list[Row], Row]] = [
    ("nobody took over", WORKED, {"main_user_cover": 0.0, "main_user_days_away": 40}),
    ("somebody does half", WORKED + used(range(1, 11), user="Bo"), {"main_user_cover": 0.5, "main_user_share": 1.0}),
    ("more than all is all", WORKED + used([3] * 30, user="Bo"), {"main_user_cover": 1.0}),
    ("two small ones are no big one", WORKED + used([3], user="Bo") + used([3], user="Cy"), {"main_user_cover": 0.05}),
    ("work undone covers nothing", WORKED + used([3], user="Bo", quantity=-5.0), {"main_user_cover": 0.0}),
    ("seen two weeks ago", WORKED + used([14]), {"main_user_cover": 0.0, "main_user_days_away": 14}),
    ("seen since", WORKED + used([13]), {"main_user_cover": None, "main_user_days_away": 13}),
    ("of equals the one seen last", used([40], user="Ann") + used([39], user="Bo"), {"main_user_days_away": 39}),
    ("nobody's work makes no main user", used([40], user=None), {"main_user_share": None, "main_user_cover": None}),
]


def test_main_user(engine: Any) -> None:
    """Who did most in the 84 days before the last 28, and what became of them."""
    found = of(engine, company({promise: rows for promise, rows, _ in MAIN}))
    for promise, _, expected in MAIN:
        assert expected == {name: near(found[promise][name]) for name in expected}, promise


def test_main_user_was_deactivated(engine: Any) -> None:
    """On record for that account, not before being created, and not in the future."""
    names = ["gone", "going", "there", "of another", "never there", "unlisted"]
    users = [
        user("Ann gone", "gone", 12),
        user("Ann going", "going", 0),
        user("Ann there", "there", None),
        user("Ann of another", "gone", 12),
        user("Ann never there", "never there", LONG_AGO + 1),
    ]
    drawn = company({name: used(range(40, 50), user=f"Ann {name}") for name in names}, users=users)
    found = of(engine, drawn)
    expected = dict.fromkeys(names) | {"gone": 12}
    assert expected == {name: found[name]["days_since_main_user_left"] for name in names}


def test_main_user_of_equals_in_all_is_the_same_in_every_run(engine: Any) -> None:
    """The first by name, in whatever order the rows lie."""
    rows = used([40], user="Ann") + used([40], user="Bo") + used([5], user="Di")
    users = [user("Ann", "forth", 9), user("Bo", "back", 9)]
    found = of(engine, company({"forth": rows, "back": rows[::-1]}, users=users))
    assert (9, None) == tuple(found[name]["days_since_main_user_left"] for name in ("forth", "back"))


# --- kinds of events and habits -------------------------------------------------------------------------------------


def weekly(first: int, weeks: int, event: str = "timesheet_exported") -> list[Row]:
    """Once a week, so many times back from a day."""
    return used([first + 7 * week for week in range(weeks)], event)


HABITS: list[tuple[str, list[Row], Row]] = [
    (
        "broken",
        weekly(21, 8),
        {"broken_habits": 1, "broken_habit": "timesheet exported", "days_since_broken_habit": 21},
    ),
    ("kept", weekly(14, 9), {"broken_habits": 0, "broken_habit": None, "days_since_broken_habit": None}),
    ("two weeks silent", weekly(15, 8), {"broken_habits": 1, "days_since_broken_habit": 15}),
    ("too short to be one", weekly(21, 7), {"broken_habits": 0}),
    ("a week left out", weekly(21, 5) + weekly(63, 5), {"broken_habits": 0}),
    ("twelve weeks silent", weekly(84, 8), {"broken_habits": 1}),
    ("longer ago it is no news", weekly(85, 8), {"broken_habits": 0}),
    ("the longer habit speaks", weekly(16, 8, "a") + weekly(21, 9, "b"), {"broken_habits": 2, "broken_habit": "b"}),
    ("then the one broken last", weekly(16, 8, "b") + weekly(21, 8, "a"), {"broken_habit": "b"}),
    ("then the first by name", weekly(21, 8, "b") + weekly(21, 8, "a"), {"broken_habit": "a"}),
    ("any script", weekly(21, 8, "导出_工时🙂"), {"broken_habit": "导出 工时🙂"}),
    ("kinds", used([5], "a") + used([40], "a") + used([60], "b"), {"event_kinds_28": 1, "event_kinds_before": 2}),
    ("and lost", used([5], "a") + used([40], "a") + used([29, 112], "b") + used([113], "c"), {"event_kinds_lost": 1}),
]


def test_kinds_and_habits(engine: Any) -> None:
    """What was done every week for eight weeks and not once since."""
    found = of(engine, company({promise: rows for promise, rows, _ in HABITS}))
    for promise, _, expected in HABITS:
        assert expected == {name: near(found[promise][name]) for name in expected}, promise


# --- the first weeks ------------------------------------------------------------------------------------------------

FIRST_WEEKS: list[tuple[str, list[Row], int, int | None, Row]] = [
    ("used on the first day", used([100, 73, 72]), 100, None, {"days_to_first_use": 0, "active_days_first_28": 2}),
    ("used later", used([90]), 100, None, {"days_to_first_use": 10, "active_days_first_28": 1}),
    ("not used yet", [], 100, None, {"days_to_first_use": 100, "active_days_first_28": 0, "users_first_28": 0}),
    ("used on trial", used([150]), 100, None, {"days_to_first_use": 0, "active_days_first_28": 0, "users_first_28": 1}),
    ("not over yet", used([20]), 27, None, {"days_to_first_use": 7, "active_days_first_28": None}),
    ("just over", used([28, 1]), 28, None, {"active_days_first_28": 2, "users_first_28": 1}),
    ("people by then", used([80, 73], user="Bo") + used([72]), 100, None, {"users_first_28": 1}),
    ("of the seats", used([80], user="Bo") + used([73]), 100, None, {"seat_share_first_28": 0.2}),
    ("the last to be told", used([200]), 224, None, {"days_to_first_use": 24}),
    ("long past", used([200]), 225, None, {"days_to_first_use": None, "users_first_28": None}),
    ("live later than signed", used([50]), 300, 60, {"days_to_first_use": 10, "active_days_first_28": 1}),
    ("live before the present terms", used([50]), 60, 90, {"days_to_first_use": 10}),
]


def test_first_weeks(engine: Any) -> None:
    """Counted from the first day of the terms, or from going live where that came later."""
    tenure = {case[0]: case[2] for case in FIRST_WEEKS}
    live = {case[0]: case[3] for case in FIRST_WEEKS if case[3] is not None}
    found = of(engine, company({case[0]: case[1] for case in FIRST_WEEKS}, tenure=tenure, live=live))
    for promise, _, _, _, expected in FIRST_WEEKS:
        assert expected == {name: near(found[promise][name]) for name in expected}, promise


# --- lost days ------------------------------------------------------------------------------------------------------

LOST = [(), (2,), (0, 1), (20, 21, 22), (5, 33, 34, 60, 90), (*range(30, 52),), (*range(3, 12), 100, 101, 150)]


@pytest.mark.parametrize("lost", LOST, ids=str)
def test_lost_days(engine: Any, lost: tuple[int, ...]) -> None:
    """Thirty accounts of every age, and days of which nothing was recorded: each feature as the oracle has it."""
    drawn = tracked(lost, random.Random(7))
    recorded = Recorded(first=LONG_AGO - 1, lost=lost)
    with loaded(engine, drawn, Rules()) as history:
        found = computed(history, Told(recorded))
    seen = Known(drawn, Rules(), AS_OF)
    for account_id, row in found.items():
        again = Used(seen, account_id, row, lost)
        expected = usage_again(again) | people_again(again, account_id, row)
        expected |= habits_again(again) | onboarding_again(again, row)
        for name, value in expected.items():
            assert value == near(row[name]), f"{name} of {account_id}, a customer for {row['tenure_days']} days"


class Told(Coverage):
    """Which days were lost is said here rather than found."""

    def __init__(self, recorded: Recorded) -> None:
        super().__init__()
        object.__setattr__(self, "_told", recorded)

    def recorded(self, source: str, moment: Any) -> Recorded:
        told: Recorded = self._told  # type: ignore[attr-defined]
        return told


def tracked(lost: tuple[int, ...], drawn: random.Random) -> SmallCompany:
    """Accounts with habits, main users who leave and seasons without use, on the days that were not lost."""
    use: dict[str, list[Row]] = {}
    tenure, live = {}, {}
    for place in range(30):
        name = f"A{place:02}"
        tenure[name] = drawn.choice([9, 27, 30, 58, 84, 120, 170, 224, 260, 390])
        if drawn.random() < 0.3:
            live[name] = drawn.randint(1, tenure[name])
        stops = drawn.choice([1, 1, 16, 30, 60])
        rows = [] if drawn.random() < 0.1 else weekly(drawn.choice([2, 15, 21, 40]), drawn.choice([4, 8, 12]), "a")
        for person in ("Ann", "Bo", None):
            rate = drawn.choice([0.02, 0.2, 0.6])
            days = [day for day in range(stops, tenure[name] + drawn.choice([0, 40])) if drawn.random() < rate]
            rows += used(days, drawn.choice("abc"), person, drawn.choice([1.0, 2.5, 0.0, None]))
        use[name] = [row for row in rows if (AS_OF - row["occurred_at"].date()).days - 1 not in lost]
    users = [user("Ann", "A01", 9), user("Bo", "A02", 3)]
    return company(use, tenure=tenure, live=live, users=users)


def test_an_outage_is_found_and_taken_out(engine: Any) -> None:
    """Twenty-five accounts that work every day, two days lost: days are as before, and nobody was silent."""
    names = [f"A{place:02}" for place in range(25)]
    days = [day for day in range(1, 200) if day not in (6, 7)]
    with loaded(engine, company({name: used(days) for name in names}), Rules()) as history:
        found = computed(history)["A00"]
    names = ["active_days_28", "active_days_84", "usage_28", "longest_silence_84", "usual_gap_days", "days_since_use"]
    assert [28.0, 84.0, 28.0, 0, 1.0, 1] == [near(found[name]) for name in names]
    assert found["usage_decayed"] == pytest.approx(sum(0.5 ** (age / 14) for age in range(84)), rel=1e-3)
    assert found["active_days_7"] is None, "two of seven days are more than a quarter"


# --- the words ------------------------------------------------------------------------------------------------------

WORDS: list[tuple[str, Any, float, Row, str, str]] = [
    (
        "broken_habits", 1.0, 0.4, {"broken_habit": "timesheet exported", "days_since_broken_habit": 21.0},
        "They did “timesheet exported” every week until 12 October, and not once since.",
        "以前每周都有“timesheet exported”操作,10 月 12 日之后一次也没有。",
    ),
    (
        "main_user_cover", 0.0, 0.4, {"main_user_share": 0.5, "main_user_days_away": 24.0},
        "Their main user, who did about half of the work, was last seen 24 days ago; nobody has taken over.",
        "主力用户(约占一半操作量)已有 24 天没登录,也没有人接手。",
    ),
    (
        "main_user_cover", 1.0, -0.4, {"main_user_days_away": 24.0},
        "Their main user was last seen 24 days ago; a colleague has taken over.",
        "主力用户已有 24 天没登录,已有同事接手。",
    ),
    (
        "days_since_main_user_left", 12.0, 0.4, {"main_user_share": 0.5},
        "Their main user, who did about half of the work, was deactivated on 21 October.",
        "主力用户(约占一半操作量)的账号 10 月 21 日停用了。",
    ),
    (
        "seat_share_first_28", 0.15, 0.4, {"users_first_28": 3.0, "seats": 20.0},
        "Four weeks after they began, 3 people had ever used it; they pay for 20 seats.",
        "买了 20 个席位,开通四周后只有 3 人用过。",
    ),
    (
        "longest_silence_84", 19.0, 0.4, {},
        "In the last twelve weeks there were up to 19 days in a row without any use.",
        "近 12 周里最长有 19 天没有人用过。",
    ),
    (
        "event_kinds_lost", 3.0, 0.4, {"event_kinds_before": 9.0},
        "Of the 9 kinds of activity in the three months before, 3 did not occur once in the last four weeks.",
        "此前三个月的 9 类操作里,有 3 类近四周一次也没有。",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "contribution", "facts", "english", "chinese"), WORDS)
def test_words(name: str, value: Any, contribution: float, facts: Row, english: str, chinese: str) -> None:
    """What a manager reads."""
    families = ("usage", "people", "habits", "onboarding")
    record = next(each.as_record() for family in families for each in read_catalogue(family) if each.name == name)
    reason = {"value": value, "contribution": contribution}
    languages: tuple[Language, ...] = ("en", "zh")
    assert [english, chinese] == [sentence(record, reason, facts, AS_OF, language) for language in languages]


def test_use_is_added_up_in_doubles(engine: Any) -> None:
    """Ibis would make whole numbers of 64 bits of what is rounded, and engines add these in 128: slower, and larger."""
    rows = engine.create_table("rounded", {"quantity": [0.0005, 1.5, -2.0004]}, temp=True)
    steps = rows.select(steps=light_steps(rows["quantity"]))
    assert "INT" not in ibis.to_sql(steps.aggregate(total=light_sum(steps["steps"])), dialect="duckdb").upper()
    assert [1.0, 1500.0, -2000.0] == steps.to_pandas()["steps"].tolist()
