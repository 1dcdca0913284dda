"""Sentences: what a manager reads is grammatical, true to the value, and says nothing where nothing can be said."""

import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import events
from features.catalogue import CASES, Family, Feature, Wording, read_catalogue
from pipeline.amounts import LANGUAGES, STYLES, Language, plain_odds
from pipeline.wording import all_sentences, sentence, top_sentences, weight

NIGHT = date(2026, 11, 2)
CATALOGUE: dict[str, dict[str, Any]] = {
    feature.name: feature.as_record()
    for family in ("usage", "people", "habits", "onboarding", "support", "feedback", "tenure", "billing")
    for feature in read_catalogue(family)
} | {
    feature.name: feature.as_record()
    for pattern in read_catalogue("pages")
    for feature in [pattern.for_group("cancellation")]
}
CATALOGUE |= {feature.name: feature.as_record() for feature in events.listed(["shift_published"])}


RENEWS = {"renewal_inferred": 0.0, "renewal_by_hand": 0.0}


def record(en: str, zh: str = "-", *, quotable: bool = True, unit: str = "times", **cases: str) -> dict[str, Any]:
    words = {"raises": {"en": en, "zh": zh}} | {case: {"en": text, "zh": text} for case, text in cases.items()}
    return {"name": "x", "family": "usage", "unit": unit, "quotable": quotable, "words": words}


def said(pattern: str, value: Any, language: Language = "en", **facts: Any) -> str | None:
    return sentence(record(pattern, pattern), {"value": value, "contribution": 0.3}, facts, NIGHT, language)


def reason(feature: str, contribution: float, value: Any = 4.0, **more: Any) -> dict[str, Any]:
    family = CATALOGUE[feature]["family"]
    return {"family": family, "feature": feature, "value": value, "contribution": contribution, **more}


@pytest.mark.parametrize(
    ("expected", "feature", "language", "value", "facts"),
    [
        (
            "Active on 6 of the last 28 days; 19 is normal for them.",
            "active_days_trend",
            "en",
            -1.1,
            {"active_days_28": 6.0, "active_days_usual": 19.3},
        ),
        (
            "近 28 天只有 6 天在用,平时是 19 天。",
            "active_days_trend",
            "zh",
            -1.1,
            {"active_days_28": 6.0, "active_days_usual": 19.3},
        ),
        (
            "14 of 50 paid seats are in use; three months ago it was 31.",
            "seat_share",
            "en",
            0.28,
            {"active_users_28": 14.0, "seats": 50.0, "active_users_past": 31.0},
        ),
        (
            "买了 50 个席位,现在在用 14 个,三个月前是 31 个。",
            "seat_share",
            "zh",
            0.28,
            {"active_users_28": 14.0, "seats": 50.0, "active_users_past": 31.0},
        ),
        (
            "One of 50 paid seats is in use.",
            "seat_share",
            "en",
            0.02,
            {"active_users_28": 1.0, "seats": 50.0, "active_users_past": None},
        ),
        (
            "They pay for 1 seat and use none; three months ago it was 1.",
            "seat_share",
            "en",
            0.0,
            {"active_users_28": 0.0, "seats": 1.0, "active_users_past": 1.0},
        ),
        (
            "They use all they pay for: 1 seat.",
            "seat_share",
            "en",
            1.0,
            {"active_users_28": 1.0, "seats": 1.0, "active_users_past": None},
        ),
        (
            "They use all they pay for: 50 seats; three months ago it was 31.",
            "seat_share",
            "en",
            1.0,
            {"active_users_28": 50.0, "seats": 50.0, "active_users_past": 31.0},
        ),
        (
            "61 people used it in the last 28 days, more than the 50 seats they pay for.",
            "seat_share",
            "en",
            1.22,
            {"active_users_28": 61.0, "seats": 50.0, "active_users_past": 31.0},
        ),
        (
            "Four tickets are still open; the oldest has waited 11 days.",
            "open_tickets",
            "en",
            4.0,
            {"oldest_open_days": 11.0},
        ),
        (
            "Four tickets are still open; the oldest has waited 1 day.",
            "open_tickets",
            "en",
            4.0,
            {"oldest_open_days": 1.2},
        ),
        (
            "Four tickets are still open; the oldest has waited 11 days, usually it is 2.",
            "open_tickets",
            "en",
            4.0,
            {"oldest_open_days": 11.0, "resolution_days_usual": 2.4},
        ),
        ("Four tickets in the last 28 days.", "tickets_28", "en", 4.0, {}),
        ("Four tickets in the last 28 days; usually there is 1.", "tickets_28", "en", 4.0, {"tickets_usual": 1.0}),
        (
            "One ticket in the last 28 days; usually there are none.",
            "tickets_trend",
            "en",
            0.7,
            {"tickets_28": 1.0, "tickets_usual": 0.0},
        ),
        (
            "No tickets in the last 28 days; usually there is less than 1.",
            "tickets_28",
            "en",
            0.0,
            {"tickets_28": 0.0, "tickets_usual": 0.3},
        ),
        (
            "11 tickets in the last 28 days; usually there are 10.",
            "tickets_trend",
            "en",
            0.1,
            {"tickets_28": 11.0, "tickets_usual": 10.0},
        ),
        (
            "近 28 天提了 1 张工单,平时没有。",
            "tickets_trend",
            "zh",
            0.7,
            {"tickets_28": 1.0, "tickets_usual": 0.0},
        ),
        (
            "近 28 天没有提过工单,平时不到 1 张。",
            "tickets_28",
            "zh",
            0.0,
            {"tickets_28": 0.0, "tickets_usual": 0.3},
        ),
        (
            "近 28 天没有提过工单。",
            "tickets_28",
            "zh",
            0.0,
            {"tickets_28": 0.0, "tickets_usual": 0.0},
        ),
        (
            "32 actions in the last 28 days; 45 is normal for them.",
            "usage_decayed",
            "en",
            21.3,
            {"usage_28": 32.0, "usage_usual": 45.0, "active_days_usual": 9.0},
        ),
        (
            "32 actions in the last 28 days.",
            "usage_decayed",
            "en",
            21.3,
            {"usage_28": 32.0, "usage_usual": None, "active_days_usual": None},
        ),
        (
            "79 actions in the last twelve weeks, none of them in the last four.",
            "usage_84",
            "en",
            79.0,
            {"usage_28": 0.0},
        ),
        (
            "Their tickets of the last twelve weeks waited 13 days for a first answer on average; "
            "earlier it was 3 hours.",
            "response_hours_84",
            "en",
            310.0,
            {"response_hours_usual": 3.0},
        ),
        (
            "No ticket of the last year is known to sound unhappy; the tone of 14 could not be judged.",
            "days_since_negative_ticket",
            "en",
            None,
            {"toneless_tickets_364": 14.0},
        ),
        (
            "近一年没有发现语气不满的工单;另有 14 张判断不了语气。",
            "days_since_negative_ticket",
            "zh",
            None,
            {"toneless_tickets_364": 14.0},
        ),
        (
            "No ticket of the last year is known to sound unhappy.",
            "days_since_negative_ticket",
            "en",
            None,
            {"toneless_tickets_364": None},
        ),
        ("The contract renews on 14 January 2027.", "days_to_renewal", "en", 73.0, RENEWS),
        ("合同 2027 年 1 月 14 日续约。", "days_to_renewal", "zh", 73.0, RENEWS),
        (
            "Their price rose by 18 % on 1 October with no more seats.",
            "price_rise_364",
            "en",
            0.18,
            {"days_since_price_rise": 32.0},
        ),
        ("10 月 1 日涨价 18%,席位没有增加。", "price_rise_364", "zh", 0.18, {"days_since_price_rise": 32.0}),
        (
            "Last used 9 days ago; about every day is normal for them.",
            "silence_ratio",
            "en",
            9.0,
            {"days_since_use": 9.0, "usual_gap_days": 1.1},
        ),
        (
            "已有 9 天没用,平时几乎天天在用。",
            "silence_ratio",
            "zh",
            9.0,
            {"days_since_use": 9.0, "usual_gap_days": 1.1},
        ),
        (
            "Nobody used it in the last four weeks; three months ago it was 2.",
            "active_users_trend",
            "en",
            -1.1,
            {"active_users_28": 0.0, "active_users_past": 2.0},
        ),
        (
            "No actions in the last 7 days, of 1,340 in the last 28.",
            "usage_trend_7",
            "en",
            -2.0,
            {"usage_7": 0.0, "usage_28": 1340.0},
        ),
        (
            "Their tickets of the last twelve weeks were answered within an hour or so on average.",
            "response_hours_84",
            "en",
            0.3,
            {},
        ),
        (
            "4 天前有人打开过退订页面。(内部信息,勿对客户提起)",
            "days_since_cancellation",
            "zh",
            4.0,
            {},
        ),
        (
            "Cancellation pages were opened 3 times in the last 28 days, last 1 day ago. (internal, do not quote)",
            "cancellation_visits_28",
            "en",
            3.0,
            {"days_since_cancellation": 1.0},
        ),
    ],
)
def test_reads_as_a_colleague_would_say_it(
    expected: str, feature: str, language: Language, value: float, facts: dict[str, Any]
) -> None:
    """Sentences of the real catalogue, with the features that stand beside the reason."""
    assert expected == sentence(CATALOGUE[feature], reason(feature, 0.4, value), facts, NIGHT, language)


@pytest.mark.parametrize(
    ("expected", "pattern", "value"),
    [
        ("1,240 actions.", "{x:n} actions.", 1239.5),
        ("Less than 1 action.", "{x:n} actions.", 0.3),
        ("No actions.", "{x:n} actions.", 0.0),
        ("They did 0 actions.", "They did {x:n} actions.", 0.0),
        ("They did 1 action.", "They did {x:n} actions.", 0.8),
        ("They did 21 actions.", "They did {x:n} actions.", 21.0),
        ("Active on none of 5 days.", "Active on {x:n} of 5 days.", 0.0),
        ("Active on 10 of 28 days.", "Active on {x:n} of 28 days.", 10.0),
        ("Ten people there.", "{x:n} people there.", 10.0),
        ("11 people there.", "{x:n} people there.", 11.0),
        ("They pay 1, against 3 twelve weeks ago.", "They pay {x:n}, against 3 twelve weeks ago.", 1.0),
        ("Rated 3.4 of 5.", "Rated {x:d} of 5.", 3.449),
        ("A rise of 18 %.", "A rise of {x:percent}.", 0.1849),
        ("A rise of less than 1 %.", "A rise of {x:percent}.", 0.003),
        ("Did about half of the work.", "Did {x:part} of the work.", 0.52),
        ("Did about a third of the work.", "Did {x:part} of the work.", 0.33),
        ("Did nearly all of the work.", "Did {x:part} of the work.", 1.0),
        ("A customer for 12 days.", "A customer for {x:months}.", 12.0),
        ("Waited less than 1 hour.", "Waited {x:hours}.", 0.3),
        ("Waited 1 hour.", "Waited {x:hours}.", 1.4),
        ("Waited 71 hours.", "Waited {x:hours}.", 71.4),
        ("Waited 3 days.", "Waited {x:hours}.", 71.5),
        ("Waited 690 days.", "Waited {x:hours}.", 16571.2),
        ("It ends.", "It {x:renews|ends}.", 1.0),
        ("It renews.", "It {x:renews|ends}{x:|, unless it is renewed}.", 0.0),
        ("A customer for 3 months.", "A customer for {x:months}.", 100.0),
        ("A customer for 23 months.", "A customer for {x:months}.", 730.0),
        ("A customer for 2 years.", "A customer for {x:months}.", 900.0),
        ("On the plan Größe {S}.", "On the plan {x:text}.", "Größe {S}"),
        ("On 31 December 2025.", "on {x:ago}.", 306.0),
    ],
)
def test_english_amounts(expected: str, pattern: str, value: Any) -> None:
    """Numbers, shares, dates and nouns agree and are rounded as a reader would."""
    assert expected == said(pattern, value)


@pytest.mark.parametrize(
    ("expected", "pattern", "value"),
    [
        ("平均不到 1 小时。", "平均 {x:n} 小时。", 0.3),
        ("平均等了 31 小时才有人回复。", "平均等了{x:hours}才有人回复。", 31.0),
        ("平均等了 6 天才有人回复。", "平均等了{x:hours}才有人回复。", 150.0),
        ("要到 11 月 12 日才到期。", "要到 11 月 12 日才{x:续约|到期}。", 1.0),
        ("约占一半操作量", "约占{x:part}操作量", 0.52),
        ("使用 Pro 套餐。", "使用 {x:text} 套餐。", "Pro"),
        ("使用专业版套餐。", "使用 {x:text} 套餐。", "专业版"),
        ("成为客户 3 个月。", "成为客户{x:months}。", 100.0),
        ("涨价 18%,席位没变。", "涨价 {x:percent},席位没变。", 0.18),
        ("11 月 12 日续约", "{x:ahead}续约", 10.0),
    ],
)
def test_chinese_amounts(expected: str, pattern: str, value: Any) -> None:
    """One space between Han and digits or Latin, none between Han and Han."""
    assert expected == said(pattern, value, "zh")


@pytest.mark.parametrize(
    ("expected", "value", "contribution"),
    [
        ("Missing.", None, 0.1),
        ("Missing.", float("nan"), 0.1),
        ("None.", 0.0, 0.1),
        ("Once.", 1.0, -0.1),
        ("Once.", 1.3, -0.1),
        ("Raises 2.", 2.0, 0.1),
        ("Lowers 2.", 2.0, -0.1),
    ],
)
def test_case_follows_value_then_sign(expected: str, value: float | None, contribution: float) -> None:
    """Missing, none and one are said as such; all else by whether it raises or lowers the risk."""
    feature = record("Raises {x:n}.", lowers="Lowers {x:n}.", missing="Missing.", zero="None.", one="Once.")
    assert expected == sentence(feature, {"value": value, "contribution": contribution}, {}, NIGHT)


def test_cases_without_words_fall_back_to_the_sign() -> None:
    """Nought and one are plain numbers where the catalogue has no words of their own for them."""
    assert said("Seen {x:n} times.", 0.0) == "Seen 0 times."
    assert said("Seen {x:n} times.", 1.0) == "Seen 1 time."


def test_says_nothing_where_nothing_can_be_said() -> None:
    """A contribution against expectation, a value without words, a companion that is not known: no sentence."""
    feature = record("{x:n} of {y:n} seats.")
    known = {"value": 4.0, "contribution": 0.2}
    assert sentence(feature, known, {"y": 9.0}, NIGHT) == "Four of 9 seats."
    assert sentence(feature, known | {"contradicts": True}, {"y": 9.0}, NIGHT) is None
    assert sentence(feature, known, {"y": None}, NIGHT) is None
    assert sentence(feature, known, {}, NIGHT) is None
    assert sentence(feature, known | {"value": None}, {"y": 9.0}, NIGHT) is None
    assert sentence(feature, known | {"contribution": -0.2}, {"y": 9.0}, NIGHT) is None


@pytest.mark.parametrize(
    ("expected", "pattern", "facts"),
    [
        ("Four here; 9 is normal.", "{x:n} here[; {y:n} is normal].", {"y": 9.0}),
        ("Four here.", "{x:n} here[; {y:n} is normal].", {}),
        ("Four here.", "{x:n} here[; {y:n} is normal].", {"y": float("nan")}),
        ("Four here, 2 there.", "{x:n} here[, {z:n} there][; {y:n} is normal].", {"z": 2.0}),
        ("Four [old] here.", "{x:n} [old] here.", {}),
    ],
)
def test_what_is_normal_is_left_out_where_nobody_knows(expected: str, pattern: str, facts: dict[str, float]) -> None:
    """A clause in brackets is said where all that it names is known; brackets that name nothing are text."""
    assert expected == said(pattern, 4.0, **facts)
    assert expected.replace("Four", "4") == said(pattern, 4.0, "zh", **facts)


@given(
    feature=st.sampled_from(sorted(name for name, each in CATALOGUE.items() if each["learned"])),
    value=st.sampled_from([None, 0.0, 0.3, 1.0, 1.3, 2.0, 2.5, 11.0, 27.6, 1234.5]),
    companions=st.sampled_from([0.0, 0.2, 1.0, 7.0, 1000.0]),
    contribution=st.sampled_from([0.3, -0.3]),
    language=st.sampled_from(LANGUAGES),
)
def test_every_sentence_of_the_catalogue_is_well_formed(
    feature: str, value: float | None, companions: float, contribution: float, language: Language
) -> None:
    """No hole, no stray brace or space, no plural after one, whatever the values are."""
    facts: dict[str, Any] = {
        name: companions if each["kind"] == "number" else "Pro" for name, each in CATALOGUE.items()
    }
    own = value if CATALOGUE[feature]["kind"] == "number" or value is None else "Pro"
    text = sentence(CATALOGUE[feature], reason(feature, contribution, own), facts, NIGHT, language)
    if text is None:
        assert own is None
        return
    assert not re.search(r"[][{}|\ue000]|  |^ | $|None\b(?! of)|nan", text)
    assert text.removesuffix(" (internal, do not quote)").removesuffix("(内部信息,勿对客户提起)")[-1] in ".。"
    if language == "en":
        assert text[0].isupper() or text[0].isdigit()
        assert not re.search(r"\b(1|[Oo]ne) (days|tickets|hours|times|seats|actions|people|visits)\b", text)
    else:
        assert not re.search(r"[\u4e00-\u9fff] [\u4e00-\u9fff]|[\u4e00-\u9fff]\d|\d[\u4e00-\u9fff]", text)


def test_catalogue_uses_no_style_that_is_not_known() -> None:
    """A misspelt style would only be noticed on the night that needs it."""
    patterns = [text for each in CATALOGUE.values() for case in each["words"].values() for text in case.values()]
    used = {style for pattern in patterns for style in re.findall(r"\{\w+:?(\w*)\}", pattern)}
    assert used - set(STYLES) == set()


def test_list_says_the_heaviest_first_and_each_fact_once() -> None:
    """Active days over 28 days, over 7 and against the usual weigh together; the fullest sentence speaks for them."""
    reasons = [
        reason("tickets_28", 0.5, 4.0),
        reason("active_days_28", 0.4, 6.0),
        reason("active_days_trend", 0.3, -1.1),
        reason("active_days_7", 0.1, 1.0),
        reason("csat_84", 0.2, 2.0),
        reason("open_tickets", -0.9, 3.0),
    ]
    facts = {"active_days_28": 6.0, "active_days_usual": 19.0, "oldest_open_days": 3.0}
    found = top_sentences(reasons, CATALOGUE, facts, NIGHT)
    assert [
        ("Active on 6 of the last 28 days; 19 is normal for them.", 0.8),
        ("Four tickets in the last 28 days.", 0.5),
    ] == [(each.text, pytest.approx(each.contribution)) for each in found]
    assert [each.feature for each in top_sentences(reasons, CATALOGUE, facts, NIGHT, most=3)][2] == "csat_84"


def test_of_one_subject_the_sentence_with_most_facts_speaks() -> None:
    """Their days of use and what is usual, rather than the latter alone that weighs more."""
    reasons = [reason("active_days_usual", 0.4, 19.0), reason("active_days_trend", 0.1, -1.1)]
    [found] = top_sentences(reasons, CATALOGUE, {"active_days_28": 6.0, "active_days_usual": 19.0}, NIGHT)
    assert ("active_days_trend", pytest.approx(0.5)) == (found.feature, found.contribution)


def test_all_sentences_begin_as_the_list_does_and_end_with_what_speaks_for_staying() -> None:
    """The same groups in the same order with the same weights; each fact once, whichever way its features point."""
    reasons = [
        reason("seats", 0.4, 50.0),
        reason("tickets_28", 0.3, 4.0),
        reason("silence_ratio", 0.19, 9.0),
        reason("tickets_84", 0.1, 6.0),
        reason("days_since_use", -0.1, 9.0),
        reason("active_days_7", -0.2, 5.0),
        reason("csat_84", -0.5, 4.5),
        reason("active_days_28", -0.2, 20.0),
    ]
    facts = {"days_since_use": 9.0, "usual_gap_days": 2.0}
    found = all_sentences(reasons, CATALOGUE, facts, NIGHT)
    assert [
        ("tickets_28", 0.4),
        ("seats", 0.4),
        ("silence_ratio", 0.19),
        ("csat_84", -0.5),
        ("active_days_7", -0.4),
    ] == [(each.feature, pytest.approx(each.contribution)) for each in found]
    assert found[:2] == top_sentences(reasons, CATALOGUE, facts, NIGHT)


@pytest.mark.parametrize(
    ("feature", "facts", "expected"),
    [
        (
            "active_days_trend",
            {"active_days_28": 6.0, "active_days_usual": 0.7},
            "Active on 6 of the last 28 days; before that on 1 day in four weeks.",
        ),
        (
            "active_days_28",
            {"active_days_usual": 1.0},
            "Active on 4 of the last 28 days; 1 is normal for them.",
        ),
        (
            "usage_trend_28",
            {"usage_28": 25.0, "usage_usual": 3.0, "active_days_usual": 0.3},
            "25 actions in the last 28 days; before that they used it on less than 1 day in four weeks.",
        ),
        ("usage_usual", {"active_days_usual": 0.3}, "Before the last four weeks they did 4 actions in four weeks."),
    ],
)
def test_nothing_is_usual_that_happened_on_fewer_than_three_days(
    feature: str, facts: dict[str, Any], expected: str
) -> None:
    """Three days of use in the twelve weeks before the last four are one in four weeks; below it there is no usual."""
    found = sentence(CATALOGUE[feature], reason(feature, 0.3), facts, NIGHT)
    assert expected == found
    chinese = sentence(CATALOGUE[feature], reason(feature, 0.3), facts, NIGHT, "zh") or ""
    assert ("normal" in expected) == ("平时" in chinese)


@pytest.mark.parametrize(
    ("feature", "value", "english", "chinese"),
    [
        (
            "usage_trend_28",
            -0.9,
            "Orders of 1,240 GBP in the last 28 days; 3,100 is normal for them.",
            "近 28 天订单额 1,240 GBP,平时是 3,100 GBP。",
        ),
        (
            "usage_28",
            -41.0,
            "Orders of −41 GBP in the last 28 days; 3,100 is normal for them.",
            "近 28 天订单额 −41 GBP,平时是 3,100 GBP。",
        ),
        (
            "usage_28",
            1.0,
            "Orders of 1 GBP in the last 28 days; 3,100 is normal for them.",
            "近 28 天订单额 1 GBP,平时是 3,100 GBP。",
        ),
        ("usage_28", 0.0, "No orders on balance in the last 28 days.", "近 28 天净订单额为零。"),
        ("usage_usual", 3100.0, "In four usual weeks they order for 3,100 GBP.", "平时四周的订单额是 3,100 GBP。"),
        (
            "active_days_28",
            6.0,
            "Business with them on 6 of the last 28 days; 4 is normal for them.",
            "近 28 天有 6 天有往来,平时是 4 天。",
        ),
        ("active_days_28", 0.0, "No business with them in the last 28 days.", "近 28 天没有任何往来。"),
        (
            "silence_ratio",
            3.0,
            "The last business with them was 21 days ago; about every 7 days is normal for them.",
            "已有 21 天没有往来,平时大约每 7 天一次。",
        ),
    ],
)
def test_a_quantity_that_is_money_is_said_as_money(feature: str, value: float, english: str, chinese: str) -> None:
    """A wholesaler's orders are no actions, and a single pound is no single order."""
    records = {each.name: each.as_record() for each in read_catalogue("usage", "GBP")}
    facts = {"usage_28": 1240.0, "usage_usual": 3100.0, "active_days_usual": 4.0}
    facts |= {"days_since_use": 21.0, "usual_gap_days": 7.0}
    found = {"value": value, "contribution": 0.3}
    assert english == sentence(records[feature], found, facts, NIGHT)
    assert chinese == sentence(records[feature], found, facts, NIGHT, "zh")
    said_of_money = [*records.values(), *(each.as_record() for each in read_catalogue("people", "GBP"))]
    assert not any("action" in text or "操作 " in text for each in said_of_money for text in _texts(each))
    of_use = re.compile(r"\b[Uu]sed?\b|使用|在用|[Aa]ctive")
    own = [each for each in records.values() if each["learned"]]
    assert not [text for each in own for text in _texts(each) if of_use.search(re.sub(r"{.*?}", "", text))]


def _texts(record: dict[str, Any]) -> list[str]:
    return [text for case in record["words"].values() for text in case.values()]


@pytest.mark.parametrize(
    ("expected", "did"),
    [(["tickets_28", "csat_84"], 0.2), (["tickets_28", "seats"], 0.19)],
)
def test_what_an_account_is_waits_for_what_it_did(expected: list[str], did: float) -> None:
    """A profile reason is said only where nothing that the account did weighs half as much."""
    reasons = [reason("seats", 0.4, 50.0), reason("tickets_28", 0.3, 4.0), reason("csat_84", did, 2.0)]
    assert expected == [each.feature for each in top_sentences(reasons, CATALOGUE, {}, NIGHT)]


def test_list_leaves_out_what_cannot_be_said() -> None:
    """Contradicting reasons, the rest and features that the catalogue no longer has are no sentences."""
    rest = {"family": "other", "feature": "rest", "value": None, "contribution": 3.0, "contradicts": False}
    reasons = [reason("tickets_28", 0.5, 4.0, contradicts=True), rest, reason("csat_84", 0.1, 2.0)]
    assert ["csat_84"] == [each.feature for each in top_sentences(reasons, CATALOGUE, {}, NIGHT)]


@pytest.mark.parametrize(
    ("expected", "risk"),
    [
        ("fewer than 1 in 100", 0.0),
        ("1 in 100", 0.01),
        ("1 in 20", 0.051),
        ("1 in 10", 0.1),
        ("1 in 3", 0.34),
        ("2 in 5", 0.41),
        ("1 in 2", 0.5),
        ("3 in 4", 0.74),
        ("9 in 10", 0.92),
        ("more than 9 in 10", 1.0),
    ],
)
def test_plain_odds(expected: str, risk: float) -> None:
    """A probability as people say it."""
    assert expected == plain_odds(risk)


@given(st.floats(0.01, 0.95))
def test_plain_odds_are_near_the_risk(risk: float) -> None:
    """What is said lies within a sixth of the risk that is meant, and never six points off."""
    few, many = map(int, re.fullmatch(r"(\d+) in (\d+)", plain_odds(risk)).groups())  # type: ignore[union-attr]
    assert few / many == pytest.approx(risk, rel=1 / 6, abs=0)
    assert few / many == pytest.approx(risk, rel=0, abs=0.06)


def test_plain_odds_refuses_what_is_no_probability() -> None:
    with pytest.raises(ValueError, match=r"between 0 and 1, got 1\.2"):
        plain_odds(1.2)


def test_weight_stands_beside_the_sentence() -> None:
    """The list's first is the main reason, and what weighs more; a quarter of it adds; less is slight."""
    assert [weight(each, 0.8) for each in (0.8, 0.9, 0.2, 0.19, -0.1)] == [
        "main reason",
        "main reason",
        "adds",
        "slight",
        "speaks for staying",
    ]


@pytest.mark.parametrize("main", [0.004, 0.8])
@pytest.mark.parametrize("contribution", [0.004, 0.049])
def test_what_hardly_raises_the_risk_is_slight(contribution: float, main: float) -> None:
    """A twentieth of log-odds moves 20 % by less than a point: no reason to call."""
    assert ["slight", "影响较小"] == [weight(contribution, main, language) for language in LANGUAGES]
    assert weight(0.05, 0.05) == "main reason"


@pytest.mark.parametrize("contribution", [-0.004, -0.03, -0.05, -2.0])
def test_what_lowers_the_risk_speaks_for_staying_however_little(contribution: float) -> None:
    """Beside a sentence, "slight" would be read as a slight reason to leave."""
    assert ["speaks for staying", "有利"] == [weight(contribution, 0.8, language) for language in LANGUAGES]


def test_where_nothing_weighs_the_list_says_so() -> None:
    """A model without skill still gives contributions; two sentences made of them would be read as reasons."""
    flat = [reason("tickets_28", 0.004), reason("csat_84", -0.049)]
    for language, expected in (
        ("en", "No single reason stands out."),
        ("zh", "没有特别突出的单一原因。"),
    ):
        [found] = top_sentences(flat, CATALOGUE, {}, NIGHT, language)
        assert expected == found.text
    assert ["tickets_28", "csat_84"] == [each.feature for each in all_sentences(flat, CATALOGUE, {}, NIGHT)]
    assert top_sentences([], CATALOGUE, {}, NIGHT) == []
    unworded = [*flat, reason("open_tickets", 0.4, contradicts=True)]
    assert ["tickets_28"] == [each.feature for each in top_sentences(unworded, CATALOGUE, {}, NIGHT)]


@pytest.mark.parametrize(
    ("expected", "contributions"),
    [
        (
            ["tickets_28", "csat_84"],
            {"active_days_trend": 0.4, "silence_ratio": 0.3, "tickets_28": 0.25, "csat_84": 0.2},
        ),
        (["active_days_trend", "tickets_28"], {"active_days_trend": 0.4, "silence_ratio": 0.3, "tickets_28": 0.1}),
        (["seats", "active_days_trend"], {"active_days_trend": 0.4, "seats": 0.3}),
        (["active_days_trend"], {"active_days_trend": 0.4, "silence_ratio": 0.3}),
    ],
)
def test_that_too_little_is_known_waits(expected: list[str], contributions: dict[str, float]) -> None:
    """What is missing is said after any fact that weighs half as much, and once among the two of a list."""
    unknown = {"active_days_trend", "silence_ratio"}
    reasons = [reason(name, size, None if name in unknown else 4.0) for name, size in contributions.items()]
    found = top_sentences(reasons, CATALOGUE, {}, NIGHT)
    assert expected == [each.feature for each in found]
    every = all_sentences(reasons, CATALOGUE, {}, NIGHT)
    assert found == every[: len(found)]
    assert set(contributions) == {each.feature for each in every}


def test_after_the_first_two_size_alone_orders() -> None:
    """What an account is gives way in the list, not on the account's page, where the weights stand beside."""
    reasons = [reason("seats", 0.25), reason("tickets_28", 0.2), reason("csat_84", 0.19), reason("open_tickets", 0.18)]
    facts = {"oldest_open_days": 3.0}
    found = [each.feature for each in all_sentences(reasons, CATALOGUE, facts, NIGHT)]
    assert ["tickets_28", "csat_84", "seats", "open_tickets"] == found


def test_needs_nothing_but_the_standard_library() -> None:
    """The console words its reasons without pandas, the model or the features."""
    root = Path(__file__).resolve().parent.parent
    code = (
        "import sys, pipeline.wording\n"
        "ours = {'pipeline'}\n"
        "names = {name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names - ours\n"
        "print(*sorted(name for name in names if not name.startswith('_')))\n"
    )
    ran = subprocess.run([sys.executable, "-S", "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


def test_that_a_contract_lacks_something_is_no_act() -> None:
    """ "They can leave every month" says what the account is; it waits while something it did weighs half as much."""
    catalogue = {
        name: Feature(name, family, "days", name, {case: Wording(f"{name} {case}", name) for case in CASES}).as_record()
        for name, family in {"renewal": Family.CONTRACT, "silence": Family.USAGE}.items()
    }
    reasons = [
        {"family": "contract", "feature": "renewal", "value": None, "contribution": 0.9, "contradicts": False},
        {"family": "usage", "feature": "silence", "value": 9.0, "contribution": 0.5, "contradicts": False},
    ]
    found = top_sentences(reasons, catalogue, {}, date(2026, 11, 2), most=1)
    assert [sentence.text for sentence in found] == ["Silence raises"]
    held = [reasons[0] | {"value": 20.0}, reasons[1]]
    assert [sentence.text for sentence in top_sentences(held, catalogue, {}, date(2026, 11, 2), most=1)] == [
        "Renewal raises"
    ]
