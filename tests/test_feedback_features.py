"""Features of feedback: single cases with known answers, and the words."""

from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from engine_companies import Row, loaded
from oracle_time import Rules
from small_companies import SmallCompany

from features import feedback
from features.build import spine
from features.catalogue import read_catalogue
from features.outages import Coverage
from pipeline.amounts import Language
from pipeline.wording import sentence

AS_OF = date(2026, 11, 15)

Answer = tuple[str, int, float]
"""A kind, how many days before the date, and the score."""


def computed(engine: Any, answers: dict[str, list[Answer]]) -> dict[str, Row]:
    """The features of one account for each name."""
    start = datetime.combine(AS_OF - timedelta(days=900), time(12))
    accounts = [{"account_id": name, "created_at": start} for name in answers]
    terms = [
        {"subscription_id": name, "account_id": name, "started_on": start.date(), "ended_on": None, "mrr": 9.0}
        for name in answers
    ]
    rows = [
        {
            "account_id": name,
            "submitted_at": datetime.combine(AS_OF - timedelta(days=days), time(12)),
            "kind": kind,
            "score": score,
        }
        for name, each in answers.items()
        for kind, days, score in each
    ]
    tables = {"accounts": accounts, "subscriptions": terms, "feedback": rows}
    with loaded(engine, SmallCompany(tables, frozenset(), None, AS_OF, [AS_OF]), Rules()) as history:
        moment = history.rules.moment(AS_OF)
        found = feedback.compute(history, spine(history, moment, Coverage()), moment)
        return {row["account_id"]: row for row in found.to_pyarrow().to_pylist()}


CASES: list[tuple[str, list[Answer], dict[str, Any]]] = [
    (
        "the last score and the one before it, each with its day",
        [("nps", 43, 4.0), ("nps", 217, 8.0), ("nps", 400, 10.0)],
        {
            "nps_last": 4.0,
            "days_since_nps_last": 43,
            "nps_before": 8.0,
            "days_since_nps_before": 217,
            "nps_change": -4.0,
        },
    ),
    (
        "one kind says nothing of the other",
        [("csat", 10, 5.0), ("nps", 20, 3.0)],
        {
            "survey_csat_last": 5.0,
            "days_since_survey_csat_last": 10,
            "survey_csat_before": None,
            "survey_csat_change": None,
            "nps_last": 3.0,
            "nps_before": None,
            "days_since_answer": 10,
            "detractor": 0,
        },
    ),
    (
        "of several on one day the lowest, and the day before them is the one before",
        [("csat", 5, 4.0), ("csat", 5, 2.0), ("csat", 50, 5.0), ("csat", 50, 3.0)],
        {"survey_csat_last": 2.0, "survey_csat_before": 3.0, "survey_csat_change": -1.0},
    ),
    ("six of ten is unhappy", [("nps", 5, 6.0)], {"detractor": 1}),
    ("seven is not", [("nps", 5, 7.0), ("nps", 6, 0.0)], {"detractor": 0}),
    ("two of five is unhappy", [("csat", 5, 2.0)], {"detractor": 1}),
    ("three is not", [("csat", 5, 3.0)], {"detractor": 0}),
    ("one unhappy answer of the last day is enough", [("csat", 5, 5.0), ("nps", 5, 1.0)], {"detractor": 1}),
    ("a year later nobody knows", [("nps", 364, 1.0)], {"detractor": 1, "days_since_answer": 364}),
    ("nor a day after it", [("nps", 365, 1.0)], {"detractor": None, "nps_last": 1.0}),
    (
        "silent for more than twice as long as usual",
        [("nps", 250, 9.0), ("nps", 340, 5.0), ("nps", 450, 9.0)],
        {"days_since_answer": 250, "usual_answer_gap_days": 100.0, "answer_silence_ratio": 2.5},
    ),
    (
        "two answers of one day are one occasion",
        [("nps", 30, 9.0), ("nps", 30, 5.0), ("nps", 90, 9.0), ("nps", 150, 9.0)],
        {"usual_answer_gap_days": 60.0, "answer_silence_ratio": 0.5},
    ),
    (
        "two answers of one kind and one of another are no rhythm",
        [("nps", 30, 9.0), ("csat", 65, 4.0), ("nps", 100, 9.0)],
        {"usual_answer_gap_days": None, "answer_silence_ratio": None, "days_since_answer": 30},
    ),
    (
        "the rhythm is that of the kind answered on most days, the silence that of all kinds",
        [("nps", 20, 9.0), *(("csat", days, 4.0) for days in (40, 50, 60, 70)), ("nps", 300, 9.0), ("nps", 301, 9.0)],
        {"usual_answer_gap_days": 10.0, "answer_silence_ratio": 2.0, "days_since_answer": 20},
    ),
    (
        "of kinds answered on as many days it is the quicker one",
        [(kind, days * gap, 3.0) for kind, gap in (("nps", 10), ("csat", 30)) for days in (1, 2, 3)],
        {"usual_answer_gap_days": 10.0, "answer_silence_ratio": 1.0},
    ),
    ("two years back is the farthest", [("nps", 728, 2.0)], {"nps_last": 2.0, "days_since_answer": 728}),
    ("and beyond is forgotten", [("nps", 729, 2.0)], {"nps_last": None, "days_since_answer": None}),
    ("an answer of the date itself is not known yet", [("nps", 0, 1.0), ("nps", 1, 9.0)], {"nps_last": 9.0}),
    ("who was never heard of has no answers", [], {"days_since_answer": None, "detractor": None, "nps_last": None}),
]


def test_single_features(engine: Any) -> None:
    """Each case is an account of its own."""
    found = computed(engine, {name: answers for name, answers, _ in CASES})
    for name, _, expected in CASES:
        assert expected == pytest.approx({feature: found[name][feature] for feature in expected}, abs=1e-9), name


CATALOGUE = {feature.name: feature.as_record() for feature in read_catalogue("feedback")}
TWICE = {"nps_last": 4.0, "days_since_nps_last": 43.0, "nps_before": 8.0, "days_since_nps_before": 217.0}
SILENT = {"usual_answer_gap_days": 91.0, "days_since_answer": 250.0}

SENTENCES: list[tuple[Language, str, float, dict[str, float], str]] = [
    (
        "en",
        "nps_change",
        -4.0,
        TWICE,
        "Asked whether they would recommend us, they gave 4 out of 10 on 3 October; on 12 April it was 8.",
    ),
    ("zh", "nps_change", -4.0, TWICE, "10 月 3 日给的推荐分是 4 分(满分 10 分),4 月 12 日那次是 8 分。"),
    (
        "en",
        "nps_last",
        0.0,
        {"days_since_nps_last": 43.0},
        "Asked whether they would recommend us, they gave 0 out of 10 on 3 October.",
    ),
    (
        "en",
        "survey_csat_last",
        2.0,
        {"days_since_survey_csat_last": 43.0},
        "They rated their satisfaction 2 out of 5 on 3 October.",
    ),
    ("en", "detractor", 1.0, SILENT, "Their latest answer to a survey, of 10 March, was an unhappy one."),
    ("zh", "detractor", 0.0, SILENT, "最近一次问卷(3 月 10 日)没有打低分。"),
    (
        "en",
        "answer_silence_ratio",
        2.7,
        SILENT,
        "They used to answer a survey about every 91 days; the last answer came on 10 March.",
    ),
    (
        "zh",
        "answer_silence_ratio",
        2.7,
        SILENT,
        "以前大约每 91 天回答一次问卷,最近一次是 3 月 10 日,之后再没有回音。",
    ),
]


@pytest.mark.parametrize(("language", "feature", "value", "facts", "expected"), SENTENCES)
def test_reads_as_a_colleague_would_say_it(
    language: Language, feature: str, value: float, facts: dict[str, float], expected: str
) -> None:
    """Score, scale and day, and what it was before."""
    reason = {"value": value, "contribution": 0.4}
    assert expected == sentence(CATALOGUE[feature], reason, facts, AS_OF, language)
