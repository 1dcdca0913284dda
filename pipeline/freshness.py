"""Where the tables end and what they lost: silences that no customer caused."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, Final

import ibis
import ibis.expr.types as ir

from features.contract import CONTRACT, RECORDED_AT, Severity
from features.outages import COUNTED, JUDGED, Coverage
from features.timeline import Moment
from features.versions import History
from pipeline.errors import RefusedError
from pipeline.sections import WATCHED, Action
from pipeline.violation import Violation

__all__ = [
    "blind_days",
    "is_stale",
    "lost_days",
    "outages",
    "refuse_stale",
    "sources_of",
    "stale_tables",
    "usual_gap",
]

_WINDOW_DAYS: Final = 56
_LEAST_DAYS: Final = 3
_LATELY_DAYS: Final = 7
_MOST_NAMED: Final = 5
_RECENT_DAYS: Final = 28


def stale_tables(past: History, moment: Moment, covered: Coverage, fatal: Sequence[str]) -> list[Violation]:
    """The tables whose newest row known at the moment is older than their habit explains.

    `covered` is `features.outages.coverage(past)`. Those named in `fatal` decide whether a run may go on. The
    others are warnings: a company may sell and lose nothing for a while. A table is judged as a whole, never by
    account.
    """
    found = []
    for name in WATCHED:
        days = _days(past, covered, name, moment)
        if days and is_stale(days, moment.as_of):
            found.append(_violation(name, days, moment.as_of, Severity.FATAL if name in fatal else Severity.WARN))
    return found


def lost_days(covered: Coverage, moment: Moment, days: int) -> list[Violation]:
    """The tables that lost a day, for all accounts at once, among the last so many: a warning each."""
    found = []
    for name in JUDGED:
        ages = [age for age in covered.recorded(name, moment).lost if age < days]
        if ages:
            lost = [moment.as_of - timedelta(days=age + 1) for age in reversed(ages)]
            told = ", ".join(str(day) for day in lost[-_MOST_NAMED:])
            rule = f"heard of almost nobody on {len(lost)} of the last {days} days, the newest of them {told}"
            remedy = "These days count as unknown. If their rows exist, load them; they count from their arrival on."
            found.append(Violation(name, CONTRACT[name].event_time, rule, None, None, (), remedy, Severity.WARN))
    return found


def blind_days(covered: Coverage, moment: Moment) -> dict[str, tuple[date, date]]:
    """The sources that a night could not do without knowing: the first and the last day that each lost lately.

    These lost more than a quarter of the days of some window that ends with the night, as long as 28 days at most, so
    that features of it are unknown or moved (`features.outages.Recorded`).
    """
    found = {}
    for name in JUDGED:
        recorded = covered.recorded(name, moment)
        if any(not recorded.covers(0, days) for days in range(1, min(_RECENT_DAYS, recorded.first + 1) + 1)):
            ages = [age for age in recorded.lost if age < _RECENT_DAYS]
            found[name] = (moment.as_of - timedelta(days=ages[-1] + 1), moment.as_of - timedelta(days=ages[0] + 1))
    return found


def sources_of(past: History, moment: Moment, covered: Coverage, customers: Sequence[str]) -> dict[str, dict[str, Any]]:
    """How each source stood, as plain data for who reads the night later.

    `until` is the last day with a row, None without any; `is_late` that a table is stale, `out` the first and the last
    of the days that were lost lately (`blind_days`). Of what is late or out, `touched` is the share of the customers
    that have rows in it.
    """
    found, out = {}, blind_days(covered, moment)
    for name in WATCHED:
        if name in past.tables:
            days = _days(past, covered, name, moment)
            is_late = bool(days) and is_stale(days, moment.as_of)
            found[name] = {
                "until": str(days[-1]) if days else None,
                "is_late": is_late,
                "out": [str(day) for day in out[name]] if name in out else None,
                "touched": _touched(past, moment, name, customers) if is_late or name in out else None,
            }
    return found


def refuse_stale(past: History, moment: Moment, covered: Coverage, fatal: Sequence[str]) -> list[Violation]:
    """The tables that are stale and may be. See `stale_tables`.

    Raises
    ------
    RefusedError
        When it is one that decides.
    """
    found = stale_tables(past, moment, covered, fatal)
    for violation in found:
        if violation.severity is Severity.FATAL:
            raise RefusedError(f"The tables end too early; nothing was written.\n\n{violation.told()}")
    return found


def outages(
    past: History, moment: Moment, covered: Coverage, customers: Sequence[str], action: Action
) -> list[Violation]:
    """The sources that lost days within the last 84, with the share of the customers whose figures that touches.

    Raises
    ------
    RefusedError
        When `action` is to stop, and one lost a day in the last week: later nights could do no better.
    """
    if action == "off":
        return []
    found = []
    for each in lost_days(covered, moment, 84):
        share = _touched(past, moment, each.table, customers)
        found.append(replace(each, rule=f"{each.rule}; {share:.0%} of the customers have rows in it"))
    if action == "stop" and lost_days(covered, moment, _LATELY_DAYS):
        told = "\n\n".join(each.told() for each in found)
        raise RefusedError(
            f"A source lost days before {moment.as_of}; nothing was written ([checks] outage = 'stop').\n\n{told}"
        )
    return found


def _touched(past: History, moment: Moment, name: str, customers: Sequence[str]) -> float:
    """The share of the customers that have a row in a table within the window of most features."""
    rows = past.known(name, moment)
    since = ibis.literal(moment.as_of - timedelta(days=84)).cast("timestamp")
    lately = rows.filter(rows[CONTRACT[name].event_time].cast("timestamp") >= since)
    seen = set(lately.select("account_id").distinct().to_pyarrow()["account_id"].to_pylist())
    return sum(customer in seen for customer in customers) / max(1, len(customers))


def usual_gap(days: Sequence[date]) -> int:
    """The longest way in days from one day with rows to the next, in the 56 days before the newest.

    `days` ascend and are not empty. Where they begin inside the window, its start counts as one of them, so that a
    table with hardly any rows is given time. Every day is 1, working days are 3, every first of a month is 31.

    >>> usual_gap([date(2026, 9, 4), date(2026, 10, 2), date(2026, 10, 30)])
    28
    >>> usual_gap([date(2026, 10, 30)])
    56
    """
    start = days[-1] - timedelta(days=_WINDOW_DAYS)
    inside = [start, *(day for day in days if day > start)]
    return max((later - earlier).days for earlier, later in pairwise(inside))


def is_stale(days: Sequence[date], as_of: date) -> bool:
    """Whether the newest day with rows lies further back than twice the usual gap, and more than three days.

    A public holiday beside a weekend doubles a gap without anything being wrong.

    >>> is_stale([date(2026, 9, 1) + timedelta(days=age) for age in range(60)], date(2026, 11, 2))
    False
    >>> is_stale([date(2026, 9, 1) + timedelta(days=age) for age in range(60)], date(2026, 11, 3))
    True
    """
    return (as_of - days[-1]).days > max(_LEAST_DAYS, 2 * usual_gap(days))


def _days(past: History, covered: Coverage, name: str, moment: Moment) -> list[date]:
    return covered.days(name, moment) if name in COUNTED else _days_with_rows(past, name, moment)


def _days_with_rows(past: History, name: str, moment: Moment) -> list[date]:
    """Days with a row known at the moment, ascending."""
    if name not in past.tables:
        return []
    rows = past.known(name, moment)
    days = rows.select(day=_time(rows, name).date()).distinct().filter(ibis._["day"].notnull())
    return [row["day"] for row in days.order_by("day").to_pyarrow().to_pylist()]


def _time(rows: ir.Table, name: str) -> ir.TimestampValue:
    """When a row brought news: of a subscription, which is edited as well, when its version was recorded."""
    happened = rows[CONTRACT[name].event_time].cast("timestamp")
    if name == "subscriptions" and RECORDED_AT in rows.columns:
        return ibis.greatest(happened, rows[RECORDED_AT].fill_null(happened))
    return happened


def _violation(name: str, days: Sequence[date], as_of: date, severity: Severity) -> Violation:
    newest, gap = days[-1], usual_gap(days)
    often = "every day" if gap == 1 else f"every {gap} days"
    rule = f"has its newest row on {newest}, {(as_of - newest).days} days before {as_of}; usually one comes {often}"
    remedy = "If rows of the days since are missing, load them: what happened then is not in the figures."
    if severity is Severity.FATAL:
        remedy = (
            "If rows of the days since are missing, load them. If there were none, look from the day after the newest "
            f"row: --as-of {newest + timedelta(1)}."
        )
    return Violation(name, CONTRACT[name].event_time, rule, None, None, (), remedy, severity)
