"""What is compared is not the same: two figures of a sentence differ as they are shown, in the order that it claims."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.build import listed
from features.catalogue import read_catalogue
from pipeline.amounts import LANGUAGES, Language
from pipeline.wording import sentence

NIGHT = date(2026, 11, 2)
FEATURES = [
    *listed(["pricing"], categories=["accounts.tier"], kinds=["shift_published"]),
    *(each for family in ("usage", "people", "habits") for each in read_catalogue(family, "EUR")),
]
RECORDS = [feature.as_record() for feature in FEATURES]
BEFORE = {  # what a figure is held against, and the figures that may be
    "active_days_usual": {"active_days_28"},
    "active_days_before_84": {"active_days_84"},
    "usual_gap_days": {"days_since_use"},
    "usage_usual": {"usage_28"},
    "active_users_past": {"active_users_28"},
    "event_kinds_before": {"event_kinds_28"},
    "did_shift_published_times_usual": {"did_shift_published_times_28"},
    "tickets_usual": {"tickets_28"},
    "resolution_days_usual": {"oldest_open_days", "resolution_days_84"},
    "response_hours_usual": {"response_hours_84", "longest_response_hours_84"},
    "csat_usual": {"csat_84"},
    "nps_before": {"nps_last"},
    "survey_csat_before": {"survey_csat_last"},
    "mrr_before_84": {"mrr"},
    "seats_before_84": {"seats"},
}
OTHER = 777.0
"""What all other features of the account are: a number that stands in no sentence otherwise."""


def compared(pattern: str) -> Iterator[tuple[str, str]]:
    """The pairs of a pattern: what is held against what was before."""
    named = set(re.findall(r"{(\w+)", pattern))
    yield from ((figure, before) for before, figures in BEFORE.items() if before in named for figure in figures & named)


CASES = [
    (record, case, language, figure, before)
    for record in RECORDS
    for case, wording in record["words"].items()
    for language in LANGUAGES
    for figure, before in compared(wording[language])
]


def numbers(text: str) -> list[float]:
    """The amounts of a sentence, in their order; those below one that are not told exactly are a half."""
    text = re.sub(r"(\d+ 年 )?\d+ 月 \d+ 日|\d+ (January|October|November|December)( \d{4})?", "", text)
    text = re.sub(r"[Ll]ess than 1\b|不到 1(?!\d)", "0.5", text).replace("−", "-")
    for digit, word in enumerate(("No|None|Nobody|none", *"One Two Three Four Five Six Seven Eight Nine Ten".split())):
        text = re.sub(rf"\b({word})\b", str(digit), text)
    text = re.sub(r"没有提过|平时没有|一个也没人用", " 0 ", text)
    text = re.sub(r"几乎天天(在用|都有)|about every day", " 1 ", text)
    return [float(found.replace(",", "")) for found in re.findall(r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?", text)]


def own(pattern: str) -> list[float]:
    """The numbers that belong to the words."""
    return numbers(re.sub(r"{[^}]*}", "", pattern))


def claimed(record: dict[str, Any], case: str) -> int:
    """1 where a sentence on a change claims a rise, −1 a fall, 0 where it may be either."""
    is_change = re.search(r"_(trend|change)(_84)?$|silence_ratio$", record["name"])
    if not is_change or case not in {"raises", "lowers"}:
        return 0
    return int(record["direction"]) * (1 if case == "raises" else -1)


def test_there_are_comparisons() -> None:
    """The pairs above are those of the catalogue, each of them."""
    assert len(CASES) > 150
    assert set(BEFORE) == {before for *_, before in CASES}


def test_whatever_was_before_is_held_against_something() -> None:
    """A new baseline has to be listed above; these few stand beside figures of another kind."""
    found = {
        (record["name"], name)
        for record in RECORDS
        for wording in record["words"].values()
        for name in re.findall(r"{(\w+(?:_usual|_past|_before|_before_84|_gap_days))\b", wording["en"])
        if name != record["name"] and not re.search(rf"{{{name}:\w+ (against|over|under) \w+}}", wording["en"])
        if not name.startswith("days_since_")
    }
    assert found == {
        ("active_days_7", "active_days_usual"),  # of 28
        ("event_kinds_lost", "event_kinds_before"),  # so many of so many
        ("answer_silence_ratio", "usual_answer_gap_days"),  # a date
        *((name, "active_days_usual") for name in ("usage_28", "usage_trend_28", "usage_decayed", "usage_per_seat_28")),
    }


@pytest.mark.parametrize("place", range(4))
@given(
    at=st.integers(0, len(CASES) - 1),
    level=st.sampled_from([0.0, 0.2, 1.0, 2.0, 2.04, 2.4, 3.0, 11.0, 59.0, 71.4, 80.0, 1234.5]),
    further=st.sampled_from([-2.0, -0.6, -0.3, -0.03, 0.0, 0.03, 0.3, 0.6, 2.0, 40.0]),
)
def test_figures_that_are_compared_differ_as_claimed(place: int, at: int, level: float, further: float) -> None:
    """For all that is said: the clause is left out, or one more decimal tells the figures apart."""
    record, case, language, figure, before = CASES[(at + place * len(CASES) // 4) % len(CASES)]
    text = said(record, case, language, {figure: level, before: max(0.0, level + further)})
    if text is None:
        return
    found = numbers(text)
    for number in [*own(record["words"][case][language]), OTHER]:
        if number in found:
            found.remove(number)
    if len(found) == 2:
        now, then = found if text_order(record["words"][case][language], figure, before) else reversed(found)
        assert now != then, text
        assert claimed(record, case) * (now - then) >= 0, text
        assert (now - then) * -further >= 0 or "hours" in text or "小时" in text, text


def text_order(pattern: str, figure: str, before: str) -> bool:
    pattern = re.sub(r"{\w+:when [^}]*}", "", pattern)
    return pattern.index(f"{{{figure}:") < pattern.index(f"{{{before}:")


def said(record: dict[str, Any], case: str, language: Language, values: dict[str, float]) -> str | None:
    """The sentence of just this case."""
    facts = {name: OTHER for name in re.findall(r"{(\w+)", str(record["words"])) if name not in values}
    only = {**record, "words": {"raises": record["words"][case], "lowers": record["words"][case]}}
    value = values.get(record["name"], OTHER)
    reason = {"value": value, "contribution": -0.3 if case == "lowers" else 0.3}
    return sentence(only, reason, {**facts, **values}, NIGHT, language)


@pytest.mark.parametrize(
    ("name", "values", "english", "chinese"),
    [
        (
            "tickets_28",
            {"tickets_28": 3.0, "tickets_usual": 2.7},
            "Three tickets in the last 28 days; usually there are 2.7.",
            "近 28 天提了 3 张工单,平时是 2.7 张。",
        ),
        (
            "tickets_28",
            {"tickets_28": 3.0, "tickets_usual": 3.02},
            "Three tickets in the last 28 days.",
            "近 28 天提了 3 张工单。",
        ),
        (
            "response_hours_84",
            {"response_hours_84": 81.6, "response_hours_usual": 79.2},
            "Their tickets of the last twelve weeks waited 3.4 days for a first answer on average; "
            "earlier it was 3.3 days.",
            "近 12 周的工单平均等了 3.4 天才有人回复,以前是 3.3 天。",
        ),
        (
            "active_days_trend",
            {"active_days_28": 20.0, "active_days_usual": 18.0},
            "Active on 20 of the last 28 days.",
            "近 28 天有 20 天在用。",
        ),
        (
            "active_days_trend",
            {"active_days_28": 6.0, "active_days_usual": 19.0},
            "Active on 6 of the last 28 days; 19 is normal for them.",
            "近 28 天只有 6 天在用,平时是 19 天。",
        ),
        (
            "csat_84",
            {"csat_84": 4.12, "csat_usual": 4.08},
            "They rated the help of the last twelve weeks 4.12 out of 5 on average; before that it was 4.08.",
            "近 12 周他们给客服的评分平均 4.12 分(满分 5 分),以前是 4.08 分。",
        ),
        (
            "tickets_trend",
            {"tickets_28": 1.0, "tickets_usual": 0.6},
            "One ticket in the last 28 days; usually there are 0.6.",
            "近 28 天提了 1 张工单,平时是 0.6 张。",
        ),
        ("seats_change_84", {"seats": 48.0, "seats_before_84": 48.0}, None, None),
    ],
)
def test_what_is_compared_reads_true(
    name: str, values: dict[str, float], english: str | None, chinese: str | None
) -> None:
    """With a decimal where it takes one, without the comparison where none helps or it says the reverse."""
    record = next(each for each in RECORDS if each["name"] == name)
    assert [english, chinese] == [said(record, "raises", language, values) for language in LANGUAGES]
