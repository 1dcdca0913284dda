"""What the rows show that no name tells: how long customers fall silent, what is money, how ends are written."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from pipeline.proposal.familiar_names import familiar
from pipeline.proposal.found_columns import quoted_name
from pipeline.proposal.found_tables import Gathered
from pipeline.proposal.matching import Matches, TableMatch

__all__ = ["Observed", "Silence", "Successors", "observe"]

_MOST_EVENTS: Final = 12
_FEWEST_RETURNS: Final = 8
_FEWEST_SUCCESSORS: Final = 3


@dataclass(frozen=True)
class Silence:
    """The longest time without use from which each customer came back: what most stay below, in days."""

    returned: int
    usual: int
    span: int

    @property
    def inactive_days(self) -> int:
        """Whole weeks that most silences stay below, and few enough that the past holds several such times."""
        most = max(2, self.span // 4 // 7)
        return 7 * min(max(2, -(-self.usual // 7)), most)

    @property
    def is_shortened(self) -> bool:
        """Whether the past is too short for what most customers' silences would ask for."""
        return self.inactive_days < self.usual


@dataclass(frozen=True)
class Successors:
    """Terms that start just after another of the same account: on the day it ends, or one day later."""

    same_day: int
    next_day: int

    @property
    def show_last_day(self) -> bool:
        """Whether ends are written as the last day of the term rather than the first without it."""
        return self.next_day >= _FEWEST_SUCCESSORS and self.next_day > 4 * self.same_day

    def told(self) -> str:
        """What was counted."""
        return f"{self.next_day:,} terms start one day after the end of another, {self.same_day:,} on the day itself"


@dataclass(frozen=True)
class Observed:
    """What the tables show of themselves.

    `activity_events` are the events that count as use where there are no subscriptions, None for every event;
    `value_events` those whose quantity looks like money; `newest` is the last day on which customers were at work.
    """

    newest: date | None = None
    activity_events: tuple[str, ...] | None = None
    value_events: tuple[str, ...] = ()
    silence: Silence | None = None
    successors: Successors = Successors(0, 0)


@dataclass(frozen=True)
class _Event:
    name: str
    is_positive: bool
    is_money: bool


def observe(gathered: Gathered, matches: Matches) -> Observed:
    """Read the rows of the tables that decide who counts as lost."""
    newest = _newest(gathered, matches)
    usage = matches.tables.get("usage")
    if matches.definition == "subscription" or usage is None:
        terms = matches.tables.get("subscriptions")
        return Observed(newest, successors=_successors(gathered, terms) if terms else Successors(0, 0))
    events = _events(gathered, usage)
    given = tuple(event.name for event in events if event.is_positive)
    activity = given if 0 < len(given) < len(events) and len(given) <= _MOST_EVENTS else None
    money = tuple(event.name for event in events if event.is_money)[:_MOST_EVENTS]
    return Observed(newest, activity, money, _silence(gathered, usage, activity))


def _newest(gathered: Gathered, matches: Matches) -> date | None:
    """The last day in the table that shows customers at work: from later days on it would look like an outage."""
    for name in ("usage", "subscriptions"):
        found = matches.tables.get(name)
        if found is not None and found.contract.event_time in found.columns:
            newest = gathered.one(f"SELECT max({_day(found, found.contract.event_time)}) FROM {found.found.relation}")
            return newest if isinstance(newest, date) else None
    return None


def _day(found: TableMatch, ours: str) -> str:
    return f"try_cast({found.value(ours)} AS TIMESTAMP)::DATE"


def _event(usage: TableMatch) -> str:
    if "event" in usage.columns:
        return f"nullif(trim({usage.value('event')}::VARCHAR), '')"
    return "'" + usage.constants["event"].replace("'", "''") + "'"


def _events(gathered: Gathered, usage: TableMatch) -> list[_Event]:
    """Events in at least one row of a hundred, most frequent first.

    A quantity is taken for money where the event is called so, or where it has cents and spreads over a factor of ten.
    """
    quantity = f"try_cast({usage.value('quantity')} AS DOUBLE)" if "quantity" in usage.columns else "NULL::DOUBLE"
    rows = gathered.engine.execute(
        "SELECT e, avg(coalesce(q > 0, true)::INT) > 0.5, count(q) > 0, "
        "coalesce(avg((q <> round(q))::INT) >= 0.1 "
        "AND quantile_cont(abs(q), 0.95) >= 10 * quantile_cont(abs(q), 0.05), false) "
        f"FROM (SELECT {_event(usage)} AS e, {quantity} AS q FROM {usage.found.relation}) "
        "WHERE e IS NOT NULL GROUP BY e QUALIFY count(*) >= 0.01 * sum(count(*)) OVER () ORDER BY count(*) DESC, e"
    ).fetchall()
    words = familiar()["money"]["events"]
    return [
        _Event(name, positive, measured and (spread or any(word in name.lower() for word in words)))
        for name, positive, measured, spread in rows
    ]


def _silence(gathered: Gathered, usage: TableMatch, activity: tuple[str, ...] | None) -> Silence | None:
    """None where too few customers came back to tell a silence from a departure."""
    rows, account = usage.found.relation, None
    if usage.join is not None:
        account = quoted_name(usage.join.key)  # the longest silence of a subscription or user, for want of the account
    elif "account_id" in usage.columns:
        account = usage.value("account_id")
    if account is None or "occurred_at" not in usage.columns:
        return None
    named = ", ".join("'" + event.replace("'", "''") + "'" for event in activity or ())
    counted = f"WHERE {_event(usage)} IN ({named})" if named else ""
    found = gathered.engine.execute(
        f"WITH days AS (SELECT DISTINCT {account} AS a, {_day(usage, 'occurred_at')} AS d FROM {rows} {counted}), "
        "gaps AS (SELECT a, d - lag(d) OVER (PARTITION BY a ORDER BY d) AS g FROM days), "
        "longest AS (SELECT max(g) AS m FROM gaps GROUP BY a HAVING m IS NOT NULL) "
        "SELECT count(*), quantile_disc(m, 0.8), (SELECT max(d) - min(d) FROM days) FROM longest"
    ).fetchone()
    if found is None or found[0] < _FEWEST_RETURNS:
        return None
    return Silence(*found)


def _successors(gathered: Gathered, terms: TableMatch) -> Successors:
    if not {"account_id", "started_on", "ended_on"} <= terms.columns.keys():
        return Successors(0, 0)
    found = gathered.engine.execute(
        f"WITH terms AS (SELECT {terms.value('account_id')} AS a, {_day(terms, 'started_on')} AS s, "
        f"{_day(terms, 'ended_on')} AS e FROM {terms.found.relation}), starts AS (SELECT DISTINCT a, s FROM terms) "
        "SELECT count(*) FILTER (s = e), count(*) FILTER (s = e + 1) FROM starts JOIN "
        "(SELECT DISTINCT a, e FROM terms WHERE e IS NOT NULL) USING (a) WHERE s IN (e, e + 1)"
    ).fetchone()
    return Successors(*found) if found else Successors(0, 0)
