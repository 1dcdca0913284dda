"""What only the user can answer about a folder's tables: no name and no value decides it, and much hangs on it."""

import re
from collections.abc import Iterator
from typing import Final

from features.contract import RECORDED_AT
from pipeline.proposal.durations import durations
from pipeline.proposal.familiar_names import familiar, is_called
from pipeline.proposal.found_columns import FoundColumn
from pipeline.proposal.found_tables import FoundTable
from pipeline.proposal.matching import Matches, TableMatch
from pipeline.proposal.observed import Observed, Silence

__all__ = ["CONFIRMED_BY_USER", "needed", "questions", "row_count", "seen", "why_inactive", "yearly_money"]

_DAYS_WITHOUT_EVIDENCE: Final = 60

_FAR_AHEAD: Final = re.compile(r"9999|2[1-9]\d\d-|209\d-|infinity", re.IGNORECASE)

_TRULY_ENDED: Final = "It must be the day the term truly ended, not the end agreed beforehand (renews_on)."

CONFIRMED_BY_USER: Final = {
    "mrr": "what this term pays a month, without tax and one-off fees",
    "ended_on": "the first day without the term, empty while it runs",
    "notice_on": "the day on which the customer gave notice, empty while none is given",
}
"""Columns of subscriptions that are never taken in silence, and what must be true of them."""


def questions(matches: Matches, observed: Observed) -> Iterator[str]:
    """The open questions, the weightiest first."""
    terms = matches.tables.get("subscriptions")
    if terms is not None:
        yield from _about_terms(terms, matches, observed)
    elif "usage" in matches.tables:
        yield from _about_silence(matches.tables["usage"], observed)
    for found in matches.tables.values():
        yield from _about_rows(found)
        yield from _about_times(found)
    yield from _about_flags(matches)


def why_inactive(silence: Silence | None) -> tuple[int, str]:
    """After how many days without use a customer counts as lost, and what speaks for it."""
    if silence is None:
        return _DAYS_WITHOUT_EVIDENCE, "a guess; too few customers came back after a silence to measure it"
    why = (
        f"of {silence.returned:,} customers who came back after a silence, 8 in 10 never stayed away "
        f"longer than {silence.usual} days"
    )
    short = f"; shortened to a quarter of the {silence.span} days known" if silence.is_shortened else ""
    return silence.inactive_days, f"{why}{short}"


def yearly_money(found: TableMatch) -> FoundColumn | None:
    """A column of a year's money, which looks like MRR and is twelve times as much."""
    return next((c for c in found.found.columns if is_called(c.name, familiar()["traps"]["yearly"], "money")), None)


def needed(found: TableMatch, ours: str) -> str:
    """What a line of the settings needs that could not be filled in."""
    if ours == "mrr" and (yearly := yearly_money(found)) is not None:
        return f"needs {CONFIRMED_BY_USER[ours]}; {yearly.name} is a year's money: select it / 12 in sql"
    column = found.contract.column(ours)
    return f"needs {CONFIRMED_BY_USER.get(ours) or (column and column.meaning) or ours}"


def seen(column: FoundColumn) -> str:
    """A sample value or two, as they stand in the table."""
    plain = ["".join(mark for mark in " ".join(value.split()) if mark.isprintable()) for value in column.examples]
    return ", ".join(value if len(value) <= 28 else f"{value[:27]}…" for value in plain) or "(empty)"


def row_count(table: FoundTable) -> str:
    """The rows of a table in words."""
    return "1 row" if table.rows == 1 else f"{table.rows:,} rows"


def _about_silence(usage: TableMatch, observed: Observed) -> Iterator[str]:
    events = observed.activity_events
    without = "without any event" if events is None else f"with none of {', '.join(events)}"
    days, why = why_inactive(observed.silence)
    yield (
        f"No table of subscriptions was found, so a customer counts as lost after {days} days {without} ({why}). "
        "Is that so? Set inactive_days and activity_events, or give [data] subscriptions."
    )
    if observed.value_events:
        quantity = usage.columns["quantity"]
        yield (
            f"usage: is {quantity.name} ({seen(quantity)}) of {', '.join(observed.value_events)} money? If so, set "
            "[book] value_events, and the list is ordered by the revenue at risk instead of by risk alone."
        )


def _about_terms(terms: TableMatch, matches: Matches, observed: Observed) -> Iterator[str]:
    where = f"subscriptions ({terms.found.source})"
    end = terms.columns.get("ended_on")
    if end is None:
        yield f"{where}: no column says when a term ended. Which one does? Without it no departure can be seen."
    elif observed.successors.show_last_day:
        yield (
            f"ended_on ← {end.name} ({seen(end)}; filled in {end.filled:.0%} of the rows) is read as the last day of "
            f'the term (ended_on = "last_day"): {observed.successors.told()}. Is that so? {_ends(end)}'
        )
    else:
        yield (
            f"ended_on ← {end.name} ({seen(end)}; filled in {end.filled:.0%} of the rows): is it the first day without "
            f'the term? If it is the last day with it, set [data] ended_on = "last_day". {_ends(end)}'
        )
    mrr = terms.columns.get("mrr")
    yearly = yearly_money(terms)
    if mrr is not None:
        other = f" {yearly.name} ({seen(yearly)}) was not taken: it is named like a year's money." if yearly else ""
        yield (
            f"mrr ← {mrr.name} ({seen(mrr)}): is it what the term pays a month, also where it is billed by the year, "
            f"without tax and one-off fees?{_billed_by_the_year(terms)}{other}"
        )
    elif yearly is not None:
        yield (
            f"{where}: {yearly.name} ({seen(yearly)}) is named like a year's money, which is no mrr. "
            f"Is {yearly.name} / 12 right?"
        )
    else:
        yield (
            f"{where}: no column is named like money a month. Which one is mrr? Without it every term counts as "
            "billed by use."
        )
    trial = next((name for name in terms.unused if is_called(name, familiar()["traps"]["trials"], "")), None)
    if trial is not None:
        yield (
            f"{where}: are the terms marked {trial} those with mrr 0? Such terms do not count, unless "
            "[churn] count_free = true."
        )
    notice = terms.columns.get("notice_on")
    if notice is not None:
        yield f"notice_on ← {notice.name} ({seen(notice)}): is it the day on which the customer gave notice?"
    accounts = matches.tables.get("accounts")
    if accounts is not None and accounts.found is terms.found:
        yield (
            f"{terms.found.source} seems to hold accounts and their subscriptions in one. Does it keep every past "
            "term, or is the row overwritten? If so, set [data] subscription_history = false."
        )


def _billed_by_the_year(terms: TableMatch) -> str:
    """The doubt that an amount is of a bill rather than of a month, where some are billed by the year."""
    billing = terms.columns.get("billing_period")
    yearly = ("year", "annual", "年")
    if billing is None or not any(word in value.lower() for value in billing.examples for word in yearly):
        return ""
    return f" {billing.name} is {seen(billing)}: if the amount is of one bill, divide the yearly ones by 12 in sql."


def _ends(end: FoundColumn) -> str:
    far = next((value for value in end.examples if _FAR_AHEAD.match(value)), None)
    if far is not None:
        return f"Ends fifty years ahead, such as {far}, are read as none. {_TRULY_ENDED}"
    if end.filled >= 0.995:
        return "No sampled term is still running: is it perhaps the end agreed beforehand (renews_on)?"
    return _TRULY_ENDED


def _about_rows(found: TableMatch) -> Iterator[str]:
    """Doubts about what was read: foreign accounts, ways round, values that are not of the type."""
    name = found.contract.name
    if found.join is not None:
        yield (
            f"{name} ({found.found.source}) has {found.join.key} rather than account_id. The proposed sql finds the "
            f"account through {found.join.other.source}, for {found.join.overlap:.0%} of sampled rows. Is that right?"
        )
    for ours, value in found.constants.items():
        yield f"{name}: every row of {found.found.source} is read as {ours} '{value}', after its name. Is that so?"
    if found.known < 0.5:
        yield (
            f"{name} ({found.found.source}): only {found.known:.0%} of the sampled rows speak of an account in the "
            "accounts table. Are the ids of another form (spaces, leading zeros), or is it another company's table?"
        )
    asked = CONFIRMED_BY_USER if name == "subscriptions" else {}
    for ours in found.columns:
        if ours in found.guessed and ours not in asked:
            theirs = found.columns[ours]
            yield f"{name}.{ours} ← {theirs.name} ({seen(theirs)}): its values say so, not its name. Is that so?"
    for ours, writing in found.rewritten.items():
        theirs = found.columns[ours]
        yield f"{name}.{ours} ← {theirs.name} ({seen(theirs)}) is read as {writing.words} in sql. Is it that?"
    for ours, theirs in found.columns.items():
        column = found.contract.column(ours)
        if column is not None and not theirs.fits(column.type):
            kind = "a date such as 2026-11-02" if column.type in {"date", "instant"} else "a number such as 1200.50"
            yield f"{name}.{ours} ← {theirs.name} ({seen(theirs)}): most values are not {kind}. Convert them in sql."


def _about_times(found: TableMatch) -> Iterator[str]:
    """What would be known of a row if it said when: durations are no times, and a rating was given some day."""
    name = found.contract.name
    for each in durations(found):
        start = found.columns[found.contract.event_time].name
        ready = "" if found.needs_sql else "; the line for it stands in the settings as a comment"
        yield (
            f"{name} ({found.found.source}): does {each.theirs.name} ({seen(each.theirs)}) count the {each.unit} from "
            f"{start} on? Then it makes {each.ours}, by {each.sql} in sql{ready}. Without it {each.ours} stays out."
        )
    rating = found.columns.get("csat")
    if rating is not None and not {"csat_at", RECORDED_AT} & found.columns.keys():
        yield (
            f"{name}: csat ← {rating.name} ({seen(rating)}) has no csat_at, the time at which the customer answered. "
            "Is there such a column? Without it nobody can say since when the answer was known, so it teaches no model."
        )


def _about_flags(matches: Matches) -> Iterator[str]:
    """What says that somebody left without being the end of a term."""
    for found in matches.tables.values():
        for name in found.unused:
            if is_called(name, familiar()["traps"]["departed_flags"], ""):
                yield f"{found.found.source}: {name} says that a customer left, not when. Does ended_on agree with it?"
    for table in matches.departures:
        yield (
            f"{table.source} ({', '.join(column.name for column in table.columns[:4])}) lists departures; not used. "
            "Do terms in subscriptions end on these days? If not, end them there in sql, or departures go unseen."
        )
