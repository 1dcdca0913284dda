"""Habits of a warehouse that no single row shows, and that would let the future into the past."""

from collections.abc import Iterator

import ibis

from features.contract import CONTRACT, RECORDED_AT, Knowable, Severity
from features.renewals import SHORTEST_COMMITMENT
from features.revenue import MONTHS_BILLED
from features.versions import History, recorded_at
from pipeline.settings import Settings
from pipeline.sources import Opened, history
from pipeline.violation import Violation

__all__ = ["suspicious_habits"]

_FEWEST = 20  # below this many rows a share says nothing


def suspicious_habits(opened: Opened, settings: Settings) -> Iterator[Violation]:
    """Warnings and refusals about how the tables are kept."""
    if "subscriptions" in opened.tables:
        known = history(opened, settings)
        yield from _recorded_at_is_last_update(opened, settings)
        yield from _ends_on_last_day(opened, settings)
        yield from _ends_entered_at_signing(known)
        yield from _paid_terms_made_free(known)
        yield from _values_of_the_departed(known)
        yield from _renewals_moved_on(known)


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


def _ends_entered_at_signing(known: History) -> Iterator[Violation]:
    """A contract's last day in `ended_on`: where versions are kept, an end ahead announces that the customer leaves."""
    if "subscriptions" not in known.versioned:
        return
    table = known.tables["subscriptions"]
    if "mrr" in table.columns and not known.rules.count_free:
        table = table.filter((table["mrr"] != 0).fill_null(True))
    recorded = recorded_at(table)
    first = table.filter(recorded == recorded.min().over(group_by="subscription_id"))
    ahead = (first["ended_on"] > first[RECORDED_AT].date()).fill_null(False)
    found = first.aggregate(n=first.count(), ahead=ahead.sum().fill_null(0)).execute().iloc[0]
    if found["n"] >= _FEWEST and found["ahead"] > found["n"] / 2:
        yield Violation(
            "subscriptions",
            "ended_on",
            "lies ahead in the first version of most terms",
            int(found["ahead"]),
            int(found["n"]),
            (),
            "An end that a version carries ahead is a notice: such accounts count as leaving from their first day, are "
            "not ranked and teach nothing. Bring the end of a contract as renews_on, and ended_on once the customer is "
            "known to go.",
            Severity.WARN,
        )


def _paid_terms_made_free(known: History) -> Iterator[Violation]:
    """Terms whose price became 0 in a later version; `features/cohort.py` ends them on the day that version arrived."""
    table = known.tables["subscriptions"]
    if known.rules.count_free or not {"subscription_id", "mrr", RECORDED_AT} <= set(table.columns):
        return
    is_free = (table["mrr"] == 0).fill_null(False)
    recorded = recorded_at(table)
    terms = table.group_by("subscription_id").agg(
        paid_at=recorded.max(where=~is_free), free_at=recorded.max(where=is_free)
    )
    freed = terms.filter(terms["free_at"] > terms["paid_at"])
    if known.rules.recorded_from is not None:
        freed = freed.filter(freed["free_at"] > known.rules.recorded_from)
    names = freed.order_by("subscription_id").execute()["subscription_id"]
    if len(names):
        yield Violation(
            "subscriptions",
            "mrr",
            "falls to 0 in a later version of terms that were paid",
            len(names),
            int(terms.count().execute()),
            tuple(names.head(2)),
            "Each counts as a departure on the day on which that version arrived. End the row on the day itself, and "
            "start a new one for the free plan; where free customers are customers, set [churn] count_free = true.",
            Severity.WARN,
        )


def _values_of_the_departed(known: History) -> Iterator[Violation]:
    """Category values that departed accounts alone hold: a segment rewritten on leaving names the answer."""
    if "accounts" in known.versioned:
        return
    accounts, terms = known.tables["accounts"], known.tables["subscriptions"]
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


def _renewals_moved_on(known: History) -> Iterator[Violation]:
    """Renewal dates that are moved on in place at each renewal: a date past the first one says who came through it.

    Where terms that ended before their first renewal carry later dates as well, these were there from the start.
    """
    table = known.tables["subscriptions"]
    if "subscriptions" in known.versioned or "renews_on" not in table.columns:
        return
    types = {"term_months": "float64", "billing_period": "string"}
    rows = table.mutate(**{name: ibis.null(type_) for name, type_ in types.items() if name not in table.columns})
    billed = rows["billing_period"].lower().cases(*MONTHS_BILLED.items(), else_=ibis.null("float64"))
    rows = rows.mutate(_months=rows["term_months"].nullif(0).fill_null(billed).cast("int64"))
    rows = rows.filter((rows["_months"] >= SHORTEST_COMMITMENT) & rows["renews_on"].notnull())
    rows = rows.mutate(_first=(rows["started_on"] + rows["_months"].as_interval("M")).cast("date"))
    newest = table["started_on"].max().as_scalar()  # no clock here: by then at the latest the table was written
    older = rows["ended_on"].isnull() & (rows["_first"] <= newest)
    early = (rows["ended_on"] < rows["_first"]).fill_null(False)
    later = rows["renews_on"] > rows["_first"] + ibis.interval(days=31)
    found = rows.aggregate(
        n=older.sum().fill_null(0),
        moved=(older & later).sum().fill_null(0),
        early=early.sum().fill_null(0),
        stated=(early & later).sum().fill_null(0),
    )
    counts = found.execute().iloc[0]
    from_the_start = counts["stated"] > counts["early"] / 2
    if counts["n"] >= _FEWEST and counts["moved"] > counts["n"] / 2 and not from_the_start:
        yield Violation(
            "subscriptions",
            "renews_on",
            "was moved on at each renewal, in most terms that are older than their first commitment",
            int(counts["moved"]),
            int(counts["n"]),
            (),
            "A date past the first renewal says that the customer stayed, so only the first is believed, and the next "
            "are reckoned from term_months. Keep a version of the row for each date, with its recorded_at, and all of "
            "them are believed.",
            Severity.WARN,
        )
