"""Single kinds of events: known answers, which kinds are the largest, days that were lost, and the words."""

from dataclasses import replace
from datetime import timedelta
from math import log
from typing import Any

import pytest
from engine_companies import Row, loaded
from oracle_time import Rules
from single_cases import AS_OF, ago, asked, on, term
from small_companies import LATER, SmallCompany

from features.events import MOST, largest, listed
from pipeline.amounts import Language
from pipeline.wording import all_sentences, sentence

KINDS = ("Shift published (web)", "report.viewed", "导出 工时")
"""As a company may call them: with spaces, dots and brackets, in any script."""

SHIFT, REPORT, HOURS = "did_Shift_published_web", "did_report_viewed", "did_导出_工时"


def did(event: str | None, *days: int, quantity: float | None = 1.0) -> list[Row]:
    """The event once on each of so many days before the date."""
    return [{"occurred_at": on(ago(day)), "event": event, "quantity": quantity, "user_id": "Ann"} for day in days]


CASES: list[tuple[str, list[Row], int, Row]] = [
    (
        "each kind by itself",
        did(KINDS[0], 1, 28, 29) + did(KINDS[1], 5) + did(KINDS[2], 3, 4),
        900,
        {f"{SHIFT}_times_28": 2.0, f"{REPORT}_times_28": 1.0, f"{HOURS}_times_28": 2.0},
    ),
    (
        "signs in as ever and publishes nothing",
        did(KINDS[1], *range(1, 113)) + did(KINDS[0], *range(29, 113)),
        900,
        {
            f"{SHIFT}_times_28": 0.0,
            f"{SHIFT}_times_usual": 28.0,
            f"{SHIFT}_times_trend": -log(29),
            f"{REPORT}_times_trend": 0.0,
        },
    ),
    (
        "the borders of what is usual",
        did(KINDS[0], 28, 29, 112, 113),
        900,
        {f"{SHIFT}_times_28": 1.0, f"{SHIFT}_times_usual": 2 / 3, f"{SHIFT}_times_trend": log(2 / (1 + 2 / 3))},
    ),
    (
        "one that was never done",
        did(KINDS[1], 4),
        900,
        {f"{SHIFT}_times_28": 0.0, f"{SHIFT}_times_usual": 0.0, f"{SHIFT}_times_trend": 0.0},
    ),
    ("no use at all", [], 900, {f"{SHIFT}_times_28": 0.0, f"{SHIFT}_times_usual": 0.0}),
    ("quantities add up", did(KINDS[0], 2, 3, quantity=2.5), 900, {f"{SHIFT}_times_28": 5.0}),
    ("none given counts once", did(KINDS[0], 2, quantity=None), 900, {f"{SHIFT}_times_28": 1.0}),
    ("work undone is no work", did(KINDS[0], 2, quantity=-3.0), 900, {f"{SHIFT}_times_28": -3.0}),
    (
        "another kind and none at all are not among them",
        did("login", 2) + did(None, 3),
        900,
        {f"{SHIFT}_times_28": 0.0},
    ),
    ("one of another case is another kind", did(KINDS[0].lower(), 2), 900, {f"{SHIFT}_times_28": 0.0}),
    (
        "half a usual is scaled",
        did(KINDS[0], *range(1, 71)),
        70,
        {f"{SHIFT}_times_28": 28.0, f"{SHIFT}_times_usual": 28.0},
    ),
    (
        "too young for a usual",
        did(KINDS[0], *range(1, 56)),
        55,
        {f"{SHIFT}_times_28": 28.0, f"{SHIFT}_times_usual": None, f"{SHIFT}_times_trend": None},
    ),
]


def near(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value


def use_of(
    rows: dict[str, list[Row]], tenure: dict[str, int], begins: int = 900, everywhere: tuple[str, ...] = KINDS
) -> dict[str, list[Row]]:
    """An account for each name; another one's use begins the table, and shows that these kinds are recorded."""
    terms = [term(ago(tenure.get(name, 900)), account_id=name) for name in [*rows, "Another"]]
    other = did("login", begins) + [row for kind in everywhere for row in did(kind, 1, min(begins, 130))]
    use = [row | {"account_id": name} for name, each in {**rows, "Another": other}.items() for row in each]
    return {"subscriptions": terms, "usage": use}


def test_single_kinds(engine: Any) -> None:
    """Each promise is an account of its own."""
    tables = use_of({case[0]: case[1] for case in CASES}, {case[0]: case[2] for case in CASES})
    found = asked(engine, tables, kinds=KINDS)
    for promise, _, _, expected in CASES:
        assert {name: near(value) for name, value in expected.items()} == {
            name: found[promise][name] for name in expected
        }, promise


def test_what_lies_before_the_table_is_missing_for_those_who_were_there(engine: Any) -> None:
    """A table that began twenty days ago knows nothing of four weeks, but all of a customer of ten days."""
    tables = use_of({"old": did(KINDS[0], 2), "young": did(KINDS[0], 2)}, {"young": 10}, begins=20)
    found = asked(engine, tables, kinds=KINDS)
    assert {"old": None, "young": 1.0} == {name: found[name][f"{SHIFT}_times_28"] for name in ("old", "young")}


@pytest.mark.parametrize(
    ("lost", "expected"),
    [((5, 6, 7), (28.0, 28.0, 0.0)), (tuple(range(3, 12)), (None, 28.0, None)), ((40, 41), (28.0, 28.0, 0.0))],
    ids=str,
)
def test_lost_days_are_not_days_without_it(
    engine: Any, lost: tuple[int, ...], expected: tuple[float | None, ...]
) -> None:
    """Twenty-four accounts publish shifts every day; of some days nothing arrived, which none of them had done."""
    days = [day for day in range(1, 200) if day not in lost]
    tables = use_of({f"A{number:02}": did(KINDS[0], *days) for number in range(24)}, {}, begins=199)
    found = asked(engine, tables, kinds=KINDS)["A07"]
    assert tuple(map(near, expected)) == tuple(found[f"{SHIFT}_times_{name}"] for name in ("28", "usual", "trend"))


def test_kinds_that_differ_in_case_alone_do_not_stand_in_each_others_way(engine: Any) -> None:
    """An engine that takes `did_Login_28` for `did_login_28` must never see both."""
    kinds = largest_of(engine, did("login", 1, 2, 3) + did("Login", 4, 5) + did("export", 6))
    assert kinds == ("login", "export")
    tables = use_of({"A1": did("login", 1, 2, 3) + did("Login", 4)}, {}, everywhere=kinds)
    found = asked(engine, tables, kinds=kinds)["A1"]
    assert (3.0, 0.0) == (found["did_login_times_28"], found["did_export_times_28"])


# --- which are the largest ------------------------------------------------------------------------------------------

LARGEST: list[tuple[str, list[Row], tuple[str, ...]]] = [
    ("by rows, whatever the quantities", did("a", 1, 2) + did("b", 1, quantity=99.0), ("a", "b")),
    ("three at most", did("a", 1) + did("b", 1, 2) + did("c", 1, 2, 3) + did("d", *range(1, 5)), ("d", "c", "b")),
    ("of equals by name", [row for name in "dbca" for row in did(name, 1)], ("a", "b", "c")),
    ("a kind that none names is none", did("a", 1) + did("b", 1, 2) + did(None, 1, 2, 3), ("b", "a")),
    ("one kind says what the sum says", did("a", 1, 2, 3), ()),
    ("one kind and one that none names", did("a", 1) + did(None, 1), ()),
    ("nothing at all in the year before", did("a", 365) + did("b", 400), ()),
    ("the first day of the year", did("a", 364) + did("b", 365, 366) + did("c", 364), ("a", "c")),
    ("what is not known yet", did("a", 1) + did("b", 1) + did("c", 0, -1), ("a", "b")),
    (
        "of two that would be called alike the larger",
        did("a.b", 1) + did("a b", 1, 2) + did("c", 1, 2, 3),
        ("c", "a b"),
    ),
    ("two that would be called alike are one kind", did("a.b", 1) + did("a b", 1, 2), ()),
    ("what has no letter has no name", did("🙂", 1, 2, 3) + did("a", 1) + did("b", 1), ("a", "b")),
    ("any script", did("导出", 1, 2) + did("公開", 1), ("导出", "公開")),
]


def largest_of(engine: Any, rows: list[Row], value_events: tuple[str, ...] = ()) -> tuple[str, ...]:
    tables = use_of({"A1": []}, {}, everywhere=())
    accounts = [{"account_id": name, "created_at": on(ago(900))} for name in ("A1", "Another")]
    use = [row | {"account_id": "A1"} for row in rows]
    company = SmallCompany({**tables, "accounts": accounts, "usage": use}, frozenset(), None, LATER, [AS_OF])
    with loaded(engine, company, Rules()) as bare:
        history = replace(bare, rules=replace(bare.rules, value_events=value_events))
        return largest(history, history.rules.moment(AS_OF))


@pytest.mark.parametrize(("promise", "rows", "expected"), LARGEST, ids=[case[0] for case in LARGEST])
def test_the_largest_kinds(engine: Any, promise: str, rows: list[Row], expected: tuple[str, ...]) -> None:
    """Those with the most rows in the year before, whatever the order in which they lie."""
    assert expected == largest_of(engine, rows) == largest_of(engine, rows[::-1]), promise
    assert len(expected) <= MOST


def test_where_events_have_a_value_the_sum_counts(engine: Any) -> None:
    """Then a quantity is money: kinds of it would be kinds of orders."""
    rows = did("paid", 1, 2) + did("login", 1)
    assert (("paid", "login"), ()) == (largest_of(engine, rows), largest_of(engine, rows, ("paid",)))


def test_without_usage_there_are_none(engine: Any) -> None:
    tables = {"accounts": [{"account_id": "A1", "created_at": on(ago(900))}], "subscriptions": [term(ago(900))]}
    with loaded(engine, SmallCompany(tables, frozenset(), None, LATER, [AS_OF]), Rules()) as history:
        assert largest(history, history.rules.moment(AS_OF)) == ()


def test_what_arrived_since_is_not_counted(engine: Any) -> None:
    """A training of then, had it been run then, would have looked at the same kinds."""
    rows = [row | {"recorded_at": row["occurred_at"]} for row in did("a", 2) + did("b", 3, 4)]
    rows += [row | {"recorded_at": on(AS_OF + timedelta(days=9))} for row in did("late", 5, 6, 7)]
    assert ("b", "a") == largest_of(engine, rows)


# --- the words ------------------------------------------------------------------------------------------------------

RECORDS = {f.name: f.as_record() for f in listed(["shift_published", "USER GROUP ADDED", "C++ {build}", "billing"])}
FACTS = {"did_shift_published_times_28": 4.0, "did_shift_published_times_usual": 26.4}
FEWER = {"did_shift_published_times_28": 0.0, "did_shift_published_times_usual": 0.3}

WORDS: list[tuple[Language, str, float | None, Row, str]] = [
    (
        "en", "shift_published", -1.7, FACTS,
        "They did “shift published” 4 times in the last 28 days; before that it was 26 in four weeks.",
    ),
    ("zh", "shift_published", -1.7, FACTS, "近 28 天“shift published”操作 4 次,此前每四周 26 次。"),
    ("en", "shift_published", 0.0, FACTS, "They do “shift published” no more and no less than before."),
    ("zh", "shift_published", 0.0, FACTS, "“shift published”操作和以前一样,没有增减。"),
    (
        "en", "shift_published", -0.5, FEWER,
        "They did “shift published” 0 times in the last 28 days; before that it was less than 1 in four weeks.",
    ),
    ("zh", "shift_published", -0.5, FEWER, "近 28 天“shift published”操作 0 次,此前每四周不到 1 次。"),
    ("zh", "shift_published", None, {}, "记录不够,“shift published”操作的次数还没法和以前比。"),
    ("en", "USER_GROUP_ADDED", 0.0, {}, "They do “USER GROUP ADDED” no more and no less than before."),
    ("en", "C_build", 0.0, {}, "They do “C++ build” no more and no less than before."),
    ("zh", "billing", 0.0, {}, "“billing”操作和以前一样,没有增减。"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "name", "value", "facts", "expected"), WORDS)
def test_words(language: Language, name: str, value: float | None, facts: Row, expected: str) -> None:
    """What a manager reads: the event as people write it, never translated."""
    reason = {"value": value, "contribution": 0.4}
    assert expected == sentence(RECORDS[f"did_{name}_times_trend"], reason, facts, AS_OF, language)


def test_numbered_kinds_are_two_subjects() -> None:
    """The sentence of one must not take the weight of the other."""
    catalogue = {feature.name: feature.as_record() for feature in listed(["step_1", "step_2"])}
    reasons = [
        {"family": "usage", "feature": f"did_step_{n}_times_trend", "value": -1.0, "contribution": weight}
        for n, weight in ((1, 0.3), (2, 0.2))
    ]
    facts = {f"did_step_{n}_times_{what}": 4.0 for n in (1, 2) for what in ("28", "usual")}
    assert [0.3, 0.2] == [said.contribution for said in all_sentences(reasons, catalogue, facts, AS_OF)]


# --- what nobody did ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (range(1, 200), (28.0, 28.0, 0.0)),
        (range(29, 200), (None, 28.0, None)),
        (range(1, 29), (None, None, None)),
        (range(1, 113), (28.0, 28.0, 0.0)),
        (range(1, 112), (28.0, None, None)),
    ],
    ids=["always", "renamed away", "new", "as long as is looked back", "a day less"],
)
def test_what_nobody_did_may_go_by_another_name(engine: Any, days: range, expected: tuple[float | None, ...]) -> None:
    """A tracker renames an event, or loses one kind of them: its silence tells nothing of any account."""
    tables = use_of({"A1": did(KINDS[0], *days), "A2": did(KINDS[1], *range(1, 300))}, {}, everywhere=())
    found = asked(engine, tables, kinds=KINDS)["A1"]
    assert tuple(map(near, expected)) == tuple(found[f"{SHIFT}_times_{name}"] for name in ("28", "usual", "trend"))
