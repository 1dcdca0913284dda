"""Habits of a warehouse that no single row shows, and that would let the future into the past."""

from collections.abc import Iterator

import ibis

from features.contract import CONTRACT, RECORDED_AT, Knowable, Severity
from pipeline.settings import Settings
from pipeline.sources import Opened, history
from pipeline.violation import Violation

__all__ = ["suspicious_habits"]

_FEWEST = 20  # below this many rows a share says nothing


def suspicious_habits(opened: Opened, settings: Settings) -> Iterator[Violation]:
    """Warnings and refusals about how the tables are kept."""
    if "subscriptions" in opened.tables:
        yield from _recorded_at_is_last_update(opened, settings)
        yield from _ends_on_last_day(opened, settings)
        yield from _values_of_the_departed(opened, settings)


def _recorded_at_is_last_update(opened: Opened, settings: Settings) -> Iterator[Violation]:
    """The first version of a row must carry its first insertion.

    Where it carries the last update, a term that ended was "recorded" when it ended: as of any earlier date it would
    not exist, and the survivors alone would remain. Rows of the first bulk load count from their event time anyway.
    """
    table = opened.tables["subscriptions"]
    if RECORDED_AT not in table.columns:
        return
    key = "subscription_id" if "subscription_id" in table.columns else None
    first = table if key is None else table.mutate(recorded_at=table[RECORDED_AT].min().over(group_by=key))
    ended = first.filter(first["ended_on"].notnull())
    if (loaded := settings.rules().recorded_from) is not None:
        ended = ended.filter(ended[RECORDED_AT] > loaded)
    late = (ended[RECORDED_AT].cast("date") >= ended["ended_on"]).fill_null(False)
    found = ended.aggregate(n=ended.count(), late=late.sum().fill_null(0)).execute().iloc[0]
    if found["n"] >= _FEWEST and found["late"] > found["n"] / 2:
        yield Violation(
            "subscriptions",
            RECORDED_AT,
            "is the last update, not the first insertion: most ended terms carry one on or after their end",
            int(found["late"]),
            int(found["n"]),
            (),
            "Keep every version of a row, each with its own recorded_at, or leave the column out of the source.",
            Severity.FATAL,
        )


def _ends_on_last_day(opened: Opened, settings: Settings) -> Iterator[Violation]:
    """Successors that start one day after an end show a company that stores the last day, not the first day without."""
    if settings.data.ended_on == "last_day":
        return
    table = opened.tables["subscriptions"]
    ended = table.filter(table["ended_on"].notnull()).select("account_id", "ended_on")
    starts = table.view().select(_id="account_id", _start="started_on")
    gap = ended.join(starts, [("account_id", "_id")])
    days = gap["_start"].delta(gap["ended_on"], unit="day")
    found = gap.aggregate(same=(days == 0).sum().fill_null(0), next=(days == 1).sum().fill_null(0)).execute().iloc[0]
    if found["next"] >= _FEWEST and found["next"] > 4 * found["same"]:
        yield Violation(
            "subscriptions",
            "ended_on",
            "seems to be the last day of a term: most successors start one day later",
            int(found["next"]),
            int(found["next"] + found["same"]),
            (),
            'If so, set [data] ended_on = "last_day"; else every end is a day early.',
            Severity.WARN,
        )


def _values_of_the_departed(opened: Opened, settings: Settings) -> Iterator[Violation]:
    """Category values that departed accounts alone hold: a segment rewritten on leaving names the answer."""
    accounts = opened.tables["accounts"]
    known = history(opened, settings)
    if "accounts" in known.versioned:
        return
    terms = opened.tables["subscriptions"]
    here = terms.group_by("account_id").agg(is_here=terms["ended_on"].isnull().any())
    joined = accounts.join(here, "account_id")
    for column in CONTRACT["accounts"].columns:
        name = column.name
        if (
            column.knowable is not Knowable.MUTABLE
            or name in {"name", "owner", "parent_id"}
            or name not in joined.columns
        ):
            continue
        values = joined.filter(joined[name].notnull()).group_by(name)
        values = values.agg(n=ibis._.count(), here=ibis._["is_here"].sum())
        gone = values.filter((values["here"] == 0) & (values["n"] >= _FEWEST)).order_by(name).execute()
        if len(gone):
            yield Violation(
                "accounts",
                name,
                "has values that departed accounts alone hold",
                int(gone["n"].sum()),
                int(joined.count().execute()),
                tuple(f"{value}" for value in gone[name].head(3)),
                f"It looks as if leaving rewrites {name}. It stays out of the model unless the table keeps versions; "
                f"do not declare it constant.",
                Severity.WARN,
            )
