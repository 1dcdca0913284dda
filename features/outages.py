"""Days on which a source recorded nobody: unknown, not zero.

A broken tracker makes every account look dead on the same day. Such a day is found by looking at all accounts together
and is then taken out of every window that holds it. It is judged by what was known at the moment: rows that were lost
and delivered later heal the day from their arrival on, and not before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby
from statistics import median
from typing import Final

import ibis
import ibis.expr.types as ir

from features.contract import CONTRACT, RECORDED_AT
from features.timeline import ChurnRules, Moment
from features.versions import History

__all__ = ["COUNTED", "JUDGED", "Coverage", "Recorded", "coverage", "lost_days"]

JUDGED: Final = ("usage", "page_visits", "tickets")
"""Tables in which a day without any row says something: there used to be some every such day."""

COUNTED: Final = (*JUDGED, "invoices")
"""And those of which it is enough to know where they begin and end."""

_ALIKE: Final = 8  # a day is compared with so many earlier days of the same weekday,
_ALIKE_LEAST: Final = 4  # at least so many,
_ALIKE_WEEKS: Final = 26  # none of them older than this
_LEAST_ACCOUNTS: Final = 20
_FALL: Final = 0.3
_SEASON_DAYS: Final = 3
_LARGEST_LOSS: Final = 0.25
_REGULAR: Final = 0.05
_OLDEST_DAYS: Final = 2_000


@dataclass(frozen=True)
class Recorded:
    """What one source recorded up to a moment, by age: 0 is the day before `as_of`.

    Attributes
    ----------
    first
        Age of the source's first day; −1 where it has no row yet.
    lost
        Ages of the days that were lost, ascending.
    """

    first: int = -1
    lost: tuple[int, ...] = ()

    def lost_in(self, start: int, days: int) -> int:
        """Lost days in the window of `days` days that starts `start` days back.

        >>> Recorded(first=400, lost=(3, 4, 30)).lost_in(0, 28)
        2
        """
        return sum(start <= age < start + days for age in self.lost)

    def covers(self, start: int, days: int) -> bool:
        """Whether a window lies after the source began, with no more than a quarter of its days lost.

        >>> Recorded(first=27).covers(0, 28), Recorded(first=26).covers(0, 28)
        (True, False)
        """
        return self.first >= start + days - 1 and self.lost_in(start, days) <= _LARGEST_LOSS * days

    def counted(self, amount: ir.NumericValue, start: int, days: int) -> ir.FloatingValue:
        """What a window would hold had all of its days been recorded like the others; missing where a quarter was lost.

        A lost day is neither a day of use nor one without. Counting it as none would be a fall that nobody caused.
        """
        lost = self.lost_in(start, days)
        if lost > _LARGEST_LOSS * days:
            return ibis.null("float64")
        whole = amount.cast("float64")
        return whole * days / (days - lost) if lost else whole

    def since(self, age: ir.IntegerValue) -> ir.IntegerValue:
        """Days since something that happened at `age`; missing where more than a quarter of them was lost.

        With yesterday lost, nobody can say that an account was last active the day before.
        """
        days = age + 1
        if not self.lost:
            return days
        return (self.lost_before(age) <= _LARGEST_LOSS * days).ifelse(days, ibis.null("int64"))

    def lost_before(self, age: ir.IntegerValue) -> ir.IntegerValue:
        """Lost days since one of that age, which is itself not among them."""
        lost = ibis.literal(0)
        for youngest, length in self.runs:
            lost = lost + (age - youngest).clip(lower=0, upper=length)
        return lost

    def whole(self, amount: ir.NumericValue, days: int, tenure_days: ir.IntegerValue) -> ir.NumericValue:
        """What was counted over the last so many days; missing where the table begins among them, after the account."""
        if self.first + 1 >= days:
            return amount
        return (tenure_days <= self.first + 1).ifelse(amount, ibis.null("float64"))

    def usual_days(self, observed_days: ir.IntegerValue) -> ir.IntegerValue:
        """How many of the 84 days before the last 28 say what is usual: those observed, less those that were lost.

        Null where more than a quarter was lost.
        """
        window = (observed_days - 28).clip(lower=0, upper=84)
        if not self.lost_in(28, 84):
            return window
        lost = self.lost_before(window + 28) - self.lost_in(0, 28)
        return (lost <= _LARGEST_LOSS * window).ifelse(window - lost, ibis.null("int64"))

    @property
    def runs(self) -> tuple[tuple[int, int], ...]:
        """The lost ages as runs of neighbours: (youngest age, days).

        >>> Recorded(first=400, lost=(3, 4, 30)).runs
        ((3, 2), (30, 1))
        """
        grouped = groupby(enumerate(self.lost), key=lambda placed: placed[1] - placed[0])
        runs = [[age for _, age in group] for _, group in grouped]
        return tuple((run[0], len(run)) for run in runs)


@dataclass(frozen=True)
class Coverage:
    """How many accounts each source heard of on each day, and from which date on that was known.

    `arrivals` maps a table to (day, known_from, accounts). It is read once for all dates of a run: a moment only takes
    what was known to it.
    """

    arrivals: Mapping[str, tuple[tuple[date, date, int], ...]] = field(default_factory=dict)

    def days(self, source: str, moment: Moment) -> list[date]:
        """The days with a row that was known at the moment, ascending."""
        known = {day for day, known_from, _ in self.arrivals.get(source, ()) if known_from <= moment.as_of}
        return sorted(known)

    def recorded(self, source: str, moment: Moment) -> Recorded:
        """What the source had recorded by the moment; nothing for a table that the company does not have."""
        heard: dict[date, int] = {}
        for day, known_from, accounts in self.arrivals.get(source, ()):
            if known_from <= moment.as_of and (moment.as_of - day).days <= _OLDEST_DAYS:
                # What came in several loads is told by the largest: an account may be in each of them.
                heard[day] = max(heard.get(day, 0), accounts)
        if not heard:
            return Recorded()
        # A stray row from before the tracker was there, with a clock gone wrong, begins nothing.
        regular = max(1.0, _REGULAR * median(heard.values()))
        first = min(day for day, accounts in heard.items() if accounts >= regular)
        heard = {day: accounts for day, accounts in heard.items() if day >= first}
        lost = lost_days(heard, moment.as_of) if source in JUDGED else ()
        ages = sorted((moment.as_of - day).days - 1 for day in lost)
        return Recorded((moment.as_of - first).days - 1, tuple(ages))


def coverage(history: History) -> Coverage:
    """Count the accounts of every day, in one pass over each table."""
    return Coverage({name: _arrivals(history, name) for name in COUNTED if name in history.tables})


def _arrivals(history: History, name: str) -> tuple[tuple[date, date, int], ...]:
    table = history.tables[name]
    day = table[CONTRACT[name].event_time].cast("date")
    found = {"day": day, **_late(table, history.rules)}
    rows, key = table.select("account_id", **found), CONTRACT[name].key
    if key in table.columns:  # later versions of a row bring nobody new, and older days would have more of them
        rows = table.select("account_id", _key=key, **found)
        rows = rows.group_by("_key", "account_id").agg(**{column: rows[column].min() for column in found})
    # An estimate to a few in a hundred, alike on every run, is enough to tell a fall to a third and costs one pass.
    days = rows.group_by(list(found)).agg(accounts=rows["account_id"].approx_nunique())
    known_from = (days["day"] + ibis.interval(days=1)).cast("date")
    if "late" in found:
        known_from = ibis.greatest(known_from, days["late"])
    days = days.select("day", "accounts", known_from=known_from)
    # A clock gone wrong may name days that no calendar has.
    days = days.filter((days["day"] >= ibis.date(date.min)) & (days["known_from"] <= ibis.date(date.max)))
    counted = days.order_by("day", "known_from").to_pyarrow().to_pylist()
    return tuple((row["day"], row["known_from"], row["accounts"]) for row in counted)


def _late(table: ir.Table, rules: ChurnRules) -> dict[str, ir.DateValue]:
    """`late`: the first date whose cut, midnight and the hours of arrival, lies after the row was recorded.

    The first of all days where it counts from its event on: nobody noted its recording, or it came with the first bulk
    load. No column at all where nothing is recorded.
    """
    if RECORDED_AT not in table.columns:
        return {}
    recorded = table[RECORDED_AT]
    late = ((recorded - ibis.interval(hours=rules.arrival_hours)).date() + ibis.interval(days=1)).cast("date")
    if rules.recorded_from is not None:
        late = (recorded <= rules.recorded_from).ifelse(ibis.null("date"), late)
    return {"late": late.fill_null(ibis.date(date.min))}


def lost_days(heard: Mapping[date, int], as_of: date) -> frozenset[date]:
    """The days before `as_of` on which a source lost most accounts, given how many it heard of on each day.

    A day is compared with the last eight recorded days of the same weekday, so weekends are no outage. Lost is a day
    that heard of less than three tenths of the accounts usual on it, and of less than half of the quietest among these,
    unless the same days of last year had fallen too: then it is the season. Below twenty usual accounts chance alone
    makes a day empty, and nothing is judged. Accounts are counted and not rows: one large customer that goes quiet is
    news, not an outage.

    >>> heard = {date(2026, 1, 1) + timedelta(days=n): 40 for n in range(60) if n != 50}
    >>> [str(day) for day in lost_days(heard, date(2026, 3, 2))]
    ['2026-02-20']
    """
    first = min(heard)
    lost: set[date] = set()
    low: set[date] = set()
    for number in range((as_of - first).days):
        day = first + timedelta(days=number)
        alike = [
            heard.get(earlier, 0)
            for weeks in range(1, _ALIKE_WEEKS + 1)
            if (earlier := day - timedelta(weeks=weeks)) >= first and earlier not in lost
        ][:_ALIKE]
        if len(alike) < _ALIKE_LEAST or (usual := median(alike)) < _LEAST_ACCOUNTS:
            continue
        accounts = heard.get(day, 0)
        if accounts < usual / 2:
            low.add(day)
        if accounts < _FALL * usual and accounts < min(alike) / 2 and not _seasonal(day, low):
            lost.add(day)
    return frozenset(lost)


def _seasonal(day: date, low: set[date]) -> bool:
    """Whether the days around the same weekday a year before were low, too."""
    year_before = day - timedelta(weeks=52)
    around = range(-_SEASON_DAYS, _SEASON_DAYS + 1)
    return any(year_before + timedelta(days=days) in low for days in around)
