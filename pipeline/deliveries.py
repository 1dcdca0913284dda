"""What was delivered amiss: rows and events twice, columns not at all or not to us."""

from collections.abc import Iterator

import ibis

from features.contract import CONTRACT, Severity
from pipeline.settings import Settings
from pipeline.sources import Opened
from pipeline.violation import Violation

__all__ = ["delivered_amiss"]

_EXAMPLES = 2


def delivered_amiss(opened: Opened, settings: Settings) -> Iterator[Violation]:
    """The violations, table by table."""
    yield from _notice_unknown(opened, settings)
    yield from _hidden(opened)
    yield from _delivered_twice(opened)
    yield from _events_delivered_again(opened)


def _hidden(opened: Opened) -> Iterator[Violation]:
    """Columns of a warehouse that would be read if the role might: their lack must not look like a choice."""
    for each in opened.copy.hidden if opened.copy is not None else ():
        yield Violation(each.table, each.column, each.rule, None, None, (), each.remedy, Severity.WARN)


def _notice_unknown(opened: Opened, settings: Settings) -> Iterator[Violation]:
    """Where notice is the event, a table without it holds no departure at all, and that must not pass for loyalty."""
    terms = opened.raw.get("subscriptions")
    if settings.churn.event == "notice" and terms is not None and "notice_on" not in terms.columns:
        rule = 'is needed by [churn] event = "notice", and the column is missing'
        remedy = 'Bring the column, map it in [data.columns.subscriptions], or set event = "ended".'
        yield Violation("subscriptions", "notice_on", rule, None, None, (), remedy, Severity.FATAL)


def _delivered_twice(opened: Opened) -> Iterator[Violation]:
    """Rows that are the same in every column; of accounts, a key that stands twice is refused already."""
    for name, copies in opened.repeated.items():
        if copies and name != "accounts":
            rows = int(opened.raw[name].count().execute())
            key, rule = CONTRACT[name].key, "has rows that stand twice, the same in every column"
            yield Violation(name, key, rule, copies, rows, (), "Each counts once.", Severity.WARN)


def _events_delivered_again(opened: Opened) -> Iterator[Violation]:
    """Rows of use under an `event_id` that had come before: `features/versions.py` counts the first alone."""
    usage = opened.tables.get("usage")
    if usage is None or "event_id" not in usage.columns:
        return
    named = usage.filter(usage["event_id"].notnull()).group_by("event_id").agg(n=ibis._.count())
    again = named.filter(named["n"] > 1)
    surplus = int(again.aggregate(n=(again["n"] - 1).sum().fill_null(0)).execute()["n"].iloc[0])
    if surplus:
        examples = tuple(again.order_by("event_id").limit(_EXAMPLES).execute()["event_id"])
        rows = int(usage.count().execute())
        remedy = (
            "Each event counts once, as it first arrived. If they are different events, event_id does not name them: "
            "map another column in [data.columns.usage], or leave it out in a sql source."
        )
        rule = "stands on more than one row"
        yield Violation("usage", "event_id", rule, surplus, rows, examples, remedy, Severity.WARN)
