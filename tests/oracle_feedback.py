"""Features of feedback a second time, one account at a time."""

from itertools import pairwise

from oracle_known import Known, Values

__all__ = ["feedback"]


def feedback(seen: Known, account_id: str) -> Values:
    rows = [row for row in seen.rows("feedback", account_id) if seen.age(row["submitted_at"]) < 728]
    answered = sorted({seen.age(row["submitted_at"]) + 1 for row in rows})
    gap = rhythm([{seen.age(row["submitted_at"]) for row in rows if row["kind"] == kind} for kind in ("nps", "csat")])
    since = answered[0] if answered else None
    latest = [row for row in rows if seen.age(row["submitted_at"]) + 1 == since]
    return {
        "days_since_answer": since,
        "usual_answer_gap_days": gap,
        "answer_silence_ratio": since / gap if since and gap else None,
        "detractor": int(any(row["score"] <= {"nps": 6, "csat": 2}[row["kind"]] for row in latest))
        if since and since <= 364
        else None,
        **scores(seen, rows, "nps", "nps"),
        **scores(seen, rows, "csat", "survey_csat"),
    }


def rhythm(kinds: list[set[int]]) -> float | None:
    """The mean gap of the kind with most days of answers, the smaller of equals; none where all have under three."""
    gaps = [
        (-len(days), sum(older - newer for newer, older in pairwise(sorted(days))) / (len(days) - 1))
        for days in kinds
        if len(days) >= 3
    ]
    return min(gaps)[1] if gaps else None


def scores(seen: Known, rows: list[Values], kind: str, name: str) -> Values:
    """The lowest score of each of the two newest days."""
    of_kind = [(seen.age(row["submitted_at"]) + 1, row["score"]) for row in rows if row["kind"] == kind]
    newest = [
        (days, min(score for day, score in of_kind if day == days)) for days in sorted({day for day, _ in of_kind})
    ]
    (since, last), (since_before, before) = [*newest, (None, None), (None, None)][:2]
    return {
        f"{name}_last": last,
        f"days_since_{name}_last": since,
        f"{name}_before": before,
        f"days_since_{name}_before": since_before,
        f"{name}_change": None if before is None else last - before,
    }
