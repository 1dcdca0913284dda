"""The product's rules of time a second time: plain Python, one account at a time, written from the design page.

The product computes who was a customer, who left and what was known of it set-wise, over whole tables. This module
computes the same by looking at one account on one date with loops a reader can follow with a finger. It shares nothing
with the product but the contract, which is data. Where the two differ, one of them has read the rules wrongly.

All rules follow from one question: what could somebody sitting at the desk on that morning have known?
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from features.contract import CONTRACT, RECORDED_AT, Knowable, Table

if TYPE_CHECKING:
    from small_companies import SmallCompany

__all__ = ["Label", "Rules", "Spell", "Term", "churn_days", "known", "label", "spells", "state", "terms", "use_days"]

Row = Mapping[str, Any]
State = Literal["active", "leaving", "lapsed", "gone"]
LeftOut = Literal["not_active", "leaving", "already_gone", "churns_in_lead", "immature"]

START_OF_TIME = datetime(1, 1, 1)  # noqa: DTZ001 - instants of the product are naive UTC


@dataclass(frozen=True)
class Rules:
    """The settings that bear on time; names as in `churn.toml`, lengths in days.

    Raises ValueError for inactivity without `inactive_days`, or with a horizon shorter than that: an account that used
    the product the day before could not fall silent for long enough before the window closes.
    """

    definition: Literal["subscription", "inactivity"] = "subscription"
    event: Literal["ended", "notice"] = "ended"
    horizon_days: int = 60
    grace_days: int = 30
    lead_days: int = 0
    settle_days: int = 0
    arrival_hours: int = 6
    inactive_days: int | None = None
    activity_events: tuple[str, ...] | None = None
    count_free: bool = False
    recorded_from: datetime | None = None
    ended_on: Literal["first_day_without", "last_day"] = "first_day_without"

    def __post_init__(self) -> None:
        if self.definition == "inactivity":
            if self.inactive_days is None:
                raise ValueError("inactivity needs inactive_days; got None")
            if self.horizon_days < self.inactive_days:
                raise ValueError(f"horizon_days {self.horizon_days} is shorter than inactive_days {self.inactive_days}")

    @property
    def return_days(self) -> int:
        """Days in which a return undoes a departure: the grace; none with inactivity, where use simply resumes."""
        return 0 if self.definition == "inactivity" else self.grace_days

    @property
    def silence_days(self) -> int:
        """`inactive_days`, for code that is reached with inactivity only."""
        if self.inactive_days is None:
            raise ValueError("inactive_days is None: these rules speak of subscriptions")
        return self.inactive_days


@dataclass(frozen=True)
class Term:
    """One stretch of subscription as known on a date: `[started_on, ended_on)`, running where `ended_on` is None.

    `last_day` is the end of a running term that a version announced; `row` is the version that counts, without the
    facts still ahead and with what was last paid for.
    """

    started_on: date
    ended_on: date | None = None
    notice_on: date | None = None
    under_notice: bool = False
    last_day: date | None = None
    row: Row = field(default_factory=dict)


@dataclass(frozen=True)
class Spell:
    """Terms that follow each other so closely that the customer never left in between."""

    terms: tuple[Term, ...]

    @property
    def started_on(self) -> date:
        return self.terms[0].started_on

    @property
    def ended_on(self) -> date | None:
        """The latest end of its terms; None while one of them runs."""
        ends = [term.ended_on for term in self.terms]
        return None if None in ends else max(end for end in ends if end is not None)


@dataclass(frozen=True)
class Label:
    """The answer for one account and snapshot: `value` is None exactly when `left_out` says why."""

    value: bool | None
    churn_on: date | None = None
    left_out: LeftOut | None = None


# --- what was known -------------------------------------------------------------------------------------------------


def known(rows: Iterable[Row], table_name: str, rules: Rules, as_of: date) -> list[dict[str, Any]]:
    """The rows of a table as they stood on the morning of `as_of`.

    A row is left out when its event lies on or after `as_of`, or when it reached the warehouse at or after the cut
    (`as_of` + `arrival_hours`): the night ran before it came. Rows without `recorded_at` are taken to have come in
    time, and so are those of the first bulk load (up to `recorded_from`): their recording says when the warehouse
    began, not when the company knew. Of several versions of a key the last one recorded among these counts; a missing
    `recorded_at` is older than any. A version that moves its event to `as_of` or later takes the row away.

    An event that was delivered again under its `event_id` counts once, as it first arrived; of deliveries that arrived
    together the one whose values, column by column in alphabetical order, come first.

    A fact that had not yet happened is None, and so is whatever came with it: the reason of an end, the score of a
    survey. A `csat` in a table without `csat_at` has no time to go by and stays as it stands.

    `ended_on` is returned as the first day without the term, whatever the company stores: where it stores the last day,
    that day must be over before anybody can tell that the term did not go on.
    """
    table = CONTRACT[table_name]
    newest = [versions[-1] for versions in _arrived(rows, table, rules, as_of)]
    happened = [row for row in newest if _instant(row[table.event_time]) < _midnight(as_of)]
    if table.name == "usage":
        happened = _first_deliveries(happened)
    return [_facts_as_of(row, table, as_of) for row in happened]


def _arrived(rows: Iterable[Row], table: Table, rules: Rules, as_of: date) -> list[list[dict[str, Any]]]:
    """What had reached the warehouse: the versions of each row, oldest first, their facts as written."""
    by_key: dict[object, list[dict[str, Any]]] = {}
    for place, row in enumerate(rows):
        if _has_arrived(row, rules, as_of):
            keeps_versions = RECORDED_AT in row and table.key in row
            name = row[table.key] if keeps_versions and table.key else place
            by_key.setdefault(name, []).append(_with_first_day_without(row, table, rules))
    return [sorted(versions, key=_recorded) for versions in by_key.values()]


def _first_deliveries(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def arrival(row: Row) -> tuple[Any, ...]:
        return _recorded(row), [(row[name] is None, row[name]) for name in sorted(row)]

    first = {row.get("event_id"): row for row in sorted(rows, key=arrival, reverse=True)}
    return [row for row in rows if row.get("event_id") is None or row is first[row["event_id"]]]


def _with_first_day_without(row: Row, table: Table, rules: Rules) -> dict[str, Any]:
    ended_on = row.get("ended_on")
    if table.name == "subscriptions" and rules.ended_on == "last_day" and ended_on is not None:
        return {**row, "ended_on": ended_on + timedelta(days=1)}
    return dict(row)


def _facts_as_of(row: Row, table: Table, as_of: date) -> dict[str, Any]:
    def happened(column: str) -> bool:
        return row[column] is not None and _instant(row[column]) < _midnight(as_of)

    seen = dict(row)
    for column in table.columns:
        time_column = column.known_from or column.name
        if column.knowable is Knowable.FACT and column.name in row and time_column in row and not happened(time_column):
            seen[column.name] = None
    return seen


def _has_arrived(row: Row, rules: Rules, as_of: date) -> bool:
    recorded_at = row.get(RECORDED_AT)
    if recorded_at is None or _came_before_cut(row, rules, as_of):
        return True
    return rules.recorded_from is not None and recorded_at <= rules.recorded_from


def _came_before_cut(row: Row, rules: Rules, as_of: date) -> bool:
    """Whether the row was truly in the warehouse when the night of `as_of` read it, the bulk load not excused."""
    recorded_at = row.get(RECORDED_AT)
    return recorded_at is not None and recorded_at < _midnight(as_of) + timedelta(hours=rules.arrival_hours)


def _recorded(row: Row) -> datetime:
    recorded_at: datetime | None = row.get(RECORDED_AT)
    return START_OF_TIME if recorded_at is None else recorded_at


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min)


def _instant(value: date | datetime) -> datetime:
    """A date is its midnight. (Every datetime is a date too, so it is asked for first.)"""
    return value if isinstance(value, datetime) else _midnight(value)


# --- terms and spells -----------------------------------------------------------------------------------------------


def terms(company: SmallCompany, rules: Rules, account_id: str, as_of: date) -> list[Term]:
    """The account's terms as known at `as_of`, by start.

    Left out: terms that cover no day, and free ones (`mrr` = 0) unless `count_free`; a null `mrr` is billed by use and
    counts. A paid term that a version turned into a free one ended on the day on which that version arrived: until
    then everybody saw a paying customer. A term is under notice when `notice_on` has passed, or when the version that
    counts was truly recorded before the cut and already carried an end yet to come: then somebody had entered the end
    ahead of time. A version bulk-loaded after the cut cannot prove that, since nobody knows when its end was entered.
    """
    rules = _rules_of(company, rules)
    table, versioned = CONTRACT["subscriptions"], "subscriptions" in company.versioned
    found = []
    for versions in _arrived(company.tables.get("subscriptions", []), table, rules, as_of):
        row = versions[-1] if rules.count_free else _as_last_paid(versions, rules)
        if row is None or row["account_id"] != account_id or row["started_on"] >= as_of:
            continue
        if row["ended_on"] is not None and row["ended_on"] <= row["started_on"]:
            continue
        seen = _facts_as_of(row, table, as_of)
        end_ahead = row["ended_on"] is not None and row["ended_on"] >= as_of
        announced = versioned and end_ahead and _came_before_cut(row, rules, as_of)
        notice_on = seen.get("notice_on")
        found.append(
            Term(
                row["started_on"],
                seen["ended_on"],
                notice_on,
                under_notice=notice_on is not None or announced,
                last_day=row["ended_on"] if announced else None,
                row=seen,
            )
        )
    return sorted(found, key=lambda term: term.started_on)


def _as_last_paid(versions: list[dict[str, Any]], rules: Rules) -> dict[str, Any] | None:
    """The newest version of a term; where it is free, with what was paid for before it, and the end of that.

    None for a term that was never paid. None too where the free version came with the bulk load: nobody can say then
    since when it has been free.
    """
    newest = versions[-1]
    if newest.get("mrr") != 0:
        return newest
    paid = [place for place, row in enumerate(versions) if row.get("mrr") != 0]
    if not paid:
        return None
    freed_at = versions[paid[-1] + 1][RECORDED_AT]
    if rules.recorded_from is not None and freed_at <= rules.recorded_from:
        return None
    ends = [day for day in (newest["ended_on"], freed_at.date()) if day is not None]
    paid_for = {name: value for name, value in versions[paid[-1]].items() if name in ("mrr", "plan", "seats")}
    return {**newest, **paid_for, "ended_on": min(ends)}


def spells(terms_by_start: Iterable[Term], grace_days: int) -> list[Spell]:
    """Join terms, given by start, into spells: one that starts at most `grace_days` after the latest end continues."""
    joined: list[Spell] = []
    for term in terms_by_start:
        if joined and _continues(joined[-1], term, grace_days):
            joined[-1] = Spell((*joined[-1].terms, term))
        else:
            joined.append(Spell((term,)))
    return joined


def _continues(spell: Spell, term: Term, grace_days: int) -> bool:
    return spell.ended_on is None or term.started_on <= spell.ended_on + timedelta(days=grace_days)


def _churn_day(spell: Spell, event: Literal["ended", "notice"]) -> date | None:
    """The day the customer left: the spell's end or, by notice, the day on which its last term was given up.

    By notice every term must have been given up, by notice or by its end, whichever came first; one that simply runs,
    such as a successor signed during the notice period, keeps the customer.
    """
    if event == "ended":
        return spell.ended_on
    given_up = []
    for term in spell.terms:
        days = [day for day in (term.notice_on, term.ended_on) if day is not None]
        if not days:
            return None
        given_up.append(min(days))
    return max(given_up)


# --- use ------------------------------------------------------------------------------------------------------------


def use_days(company: SmallCompany, rules: Rules, account_id: str, as_of: date) -> list[date]:
    """The days, ascending, on which the account is known at `as_of` to have used the product.

    Use is an event among `activity_events` (any, when None); how much of it is of no importance.
    """
    rules = _rules_of(company, rules)
    rows = known(company.tables.get("usage", []), "usage", rules, as_of)
    return sorted(
        {
            row["occurred_at"].date()
            for row in rows
            if row["account_id"] == account_id
            and (rules.activity_events is None or row["event"] in rules.activity_events)
        }
    )


# --- states, churns, labels -----------------------------------------------------------------------------------------


def state(company: SmallCompany, rules: Rules, account_id: str, as_of: date) -> State | None:
    """What the account was on the morning of `as_of`, by what was known then; None for one not yet a customer.

    - *active*: a known term started before `as_of` and had not ended before it: a customer the day before. An end on
      `as_of` itself is not known yet. With inactivity: last used within the `inactive_days` before `as_of`.
    - *leaving*: active, and every running term is under notice.
    - *lapsed*: the last spell has ended and a return today or later could still continue it (`grace_days`).
    - *gone*: such a return is no longer possible, so the churn is known.
    """
    if rules.definition == "inactivity":
        used = use_days(company, rules, account_id, as_of)
        if not used:
            return None
        return "active" if used[-1] >= as_of - timedelta(days=rules.silence_days) else "gone"
    seen = terms(company, rules, account_id, as_of)
    running = [term for term in seen if term.ended_on is None]
    if running:
        return "leaving" if all(term.under_notice for term in running) else "active"
    if not seen:
        return None
    left_on = spells(seen, rules.grace_days)[-1].ended_on
    assert left_on is not None  # no term runs
    return "lapsed" if left_on + timedelta(days=rules.grace_days) >= as_of else "gone"


def churn_days(company: SmallCompany, rules: Rules, account_id: str, today: date) -> list[date]:
    """The days, ascending, on which the account is known today to have left.

    A departure on d is known only once d + `grace_days` is over: until then a return would make it a pause. With
    inactivity each silence longer than `inactive_days` is a departure, on the last use + `inactive_days`.
    """
    if rules.definition == "inactivity":
        silence = timedelta(days=rules.silence_days)
        used = use_days(company, rules, account_id, today)
        return [last + silence for last, following in pairwise([*used, today]) if following > last + silence]
    grace = timedelta(days=rules.grace_days)
    seen = spells(terms(company, rules, account_id, today), rules.grace_days)
    days = {_churn_day(spell, rules.event) for spell in seen}
    return sorted(day for day in days if day is not None and day + grace < today)


def label(company: SmallCompany, rules: Rules, account_id: str, as_of: date, today: date) -> Label:
    """Whether the account churned in `[as_of + lead, as_of + lead + horizon)`, judged on what is known today.

    The first of these that holds leaves the snapshot out:

    - *not_active*, *leaving*: its state by what was known at `as_of`; no score was due.
    - *immature*: today is before the window's end + grace + settle, so a departure inside it, or a return from one,
      may not be known yet. Accounts known to be gone wait too, else the young snapshots would hold churners alone.
    - *already_gone*: what is known today says it had left before `as_of`; then, nobody knew.
    - *churns_in_lead*: it left before the window opens.
    """
    standing = state(company, rules, account_id, as_of)
    if standing not in ("active", "leaving"):
        return Label(None, left_out="not_active")
    if standing == "leaving":
        return Label(None, left_out="leaving")
    opens = as_of + timedelta(days=rules.lead_days)
    closes = opens + timedelta(days=rules.horizon_days)
    if today < closes + timedelta(days=rules.return_days + rules.settle_days):
        return Label(None, left_out="immature")
    if rules.definition == "inactivity":
        return _label_by_use(use_days(company, rules, account_id, today), rules.silence_days, as_of, opens, closes)
    return _label_by_terms(terms(company, rules, account_id, today), rules, as_of, opens, closes)


def _label_by_terms(seen_today: list[Term], rules: Rules, as_of: date, opens: date, closes: date) -> Label:
    begun = [(spell.started_on, _churn_day(spell, rules.event)) for spell in spells(seen_today, rules.grace_days)]
    current = [left_on for started_on, left_on in begun if started_on < as_of and (left_on is None or left_on >= as_of)]
    if not current:
        return Label(None, left_out="already_gone")
    if any(left_on is not None and left_on < opens for left_on in current):
        return Label(None, left_out="churns_in_lead")
    inside = [left_on for _, left_on in begun if left_on is not None and opens <= left_on < closes]
    return Label(True, min(inside)) if inside else Label(False)


def _label_by_use(used: list[date], silence_days: int, as_of: date, opens: date, closes: date) -> Label:
    """Judged once, at the window's end: an account that fell silent and resumed before it closes has not churned."""
    silence = timedelta(days=silence_days)
    if not any(as_of - silence <= day < as_of for day in used):
        return Label(None, left_out="already_gone")
    if max(day for day in used if day < opens) + silence < opens:
        return Label(None, left_out="churns_in_lead")
    left_on = max(day for day in used if day < closes) + silence
    return Label(True, left_on) if opens <= left_on < closes else Label(False)


def _rules_of(company: SmallCompany, rules: Rules) -> Rules:
    """The rules with the company's bulk load in them; two answers to when that was are a mistake in the test."""
    if rules.recorded_from not in (None, company.recorded_from):
        raise ValueError(f"recorded_from: the rules say {rules.recorded_from}, the company {company.recorded_from}")
    return replace(rules, recorded_from=company.recorded_from)
