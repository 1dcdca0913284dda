"""What an account answers when it is asked: recommendation (NPS), satisfaction (CSAT), and that it falls silent.

Few answer, and rarely; so what counts is the last answer, the one before it, and how long ago they were. Of several
answers of one day the lowest counts: the unhappy one among colleagues is the news.
"""

from datetime import timedelta
from typing import Final

import ibis
import ibis.expr.types as ir

from features.measures import age_days
from features.timeline import Moment
from features.versions import History

__all__ = ["KINDS", "LEAST_ANSWERS", "LOOKBACK_DAYS", "UNHAPPY", "compute"]

LOOKBACK_DAYS: Final = 728
_YEAR: Final = 364

KINDS: Final = {"nps": "nps", "csat": "survey_csat"}
"""The kinds of feedback, and what their features are called; `csat` alone is the rating of a ticket."""

UNHAPPY: Final = {"nps": 6, "csat": 2}
"""The highest score of an unhappy answer: NPS calls those up to 6 detractors, and 3 of 5 is neither."""


LEAST_ANSWERS: Final = 3
"""Days with an answer of one kind from which there is a rhythm in them: two are one gap, which is no habit."""


def compute(history: History, spine: ir.Table, moment: Moment) -> ir.Table:
    """Features of feedback for the accounts of the spine, one row each.

    `spine` needs `account_id`. A table of answers is too sparse for its lost days to be told from quiet ones.
    """
    days = _by_day(history, moment)
    age = days["age"]
    # The newest day's answers, unhappy ones first.
    newest = age * 2 + (~days["is_unhappy"]).cast("int64")
    columns: dict[str, ir.Value] = {
        "days_since_answer": (age + 1).min(),
        "_is_happy": newest.min() % 2,
    }
    for kind, name in KINDS.items():
        for place, last in enumerate((f"{name}_last", f"{name}_before")):
            is_it = (days["kind"] == kind) & (days["place"] == place)
            columns[last] = days["score"].max(where=is_it)
            columns[f"days_since_{last}"] = (age + 1).max(where=is_it)
    found = days.group_by("account_id").agg(**columns)
    joined = spine.select("account_id")
    for table in (found, _rhythms(days)):
        joined = joined.left_join(table, "account_id").drop("account_id_right")
    is_recent = joined["days_since_answer"] <= _YEAR
    return joined.mutate(
        answer_silence_ratio=joined["days_since_answer"] / joined["usual_answer_gap_days"],
        detractor=is_recent.ifelse(1 - joined["_is_happy"], ibis.null("int64")),
        **{f"{name}_change": joined[f"{name}_last"] - joined[f"{name}_before"] for name in KINDS.values()},
    ).drop("_is_happy")


def _rhythms(days: ir.Table) -> ir.Table:
    """How often an account answers the kind that it answered on most days; of equals the one it answers more often."""
    kinds = days.group_by("account_id", "kind").agg(answers=days.count(), span=days["age"].max() - days["age"].min())
    kinds = kinds.filter(kinds["answers"] >= LEAST_ANSWERS)
    gap = kinds["span"].cast("float64") / (kinds["answers"] - 1)
    order = kinds["answers"] * LOOKBACK_DAYS - kinds["span"]
    return kinds.group_by("account_id").agg(usual_answer_gap_days=gap.argmax(order))


def _by_day(history: History, moment: Moment) -> ir.Table:
    """One row for each account, kind and day with an answer; `place` numbers the days of a kind, the newest 0."""
    rows = history.known("feedback", moment)
    rows = rows.filter(rows["submitted_at"] >= moment.midnight - timedelta(days=LOOKBACK_DAYS))
    rows = rows.select("account_id", "kind", "score", age=age_days(rows["submitted_at"], moment.as_of))
    days = rows.group_by("account_id", "kind", "age").agg(score=rows["score"].min())
    worst = ibis.cases(*((days["kind"] == kind, score) for kind, score in UNHAPPY.items()))
    return days.mutate(
        is_unhappy=days["score"] <= worst,
        place=ibis.row_number().over(group_by=["account_id", "kind"], order_by="age"),
    )
