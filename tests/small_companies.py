"""Small companies for Hypothesis: few accounts, few days, so that every coincidence a rule turns on happens often.

A company draws up to three anchor days, some steps apart; every date in it is one of these, or lies a grace, a lead, a
horizon or a day beside one. Clock times are those around which the rules turn: midnight, the usual
load, the cut and a second beside it. Everything shrinks towards one account with one running term, recorded in time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import accumulate
from typing import Any, Literal

from hypothesis import strategies as st
from oracle_time import Rules

from features.contract import CONTRACT

__all__ = ["FIRST_DAY", "SmallCompany", "accounts_of", "companies", "parameters"]

FIRST_DAY = date(2026, 1, 1)
LATER = FIRST_DAY + timedelta(days=365)
"""Long after the last date of any company: by then every snapshot is mature."""
STEPS = (30, 14, 60)
BESIDE = (0, 1, -1, 7, 8, 30, 31)
"""Distances between dates: the graces, leads and silences of `parameters`, and one day more."""
EVENT_TIMES = (time(12), time(0), time(23, 59, 59, 999_999))
LOAD_TIMES = (time(1, 30), time(0), time(5, 59, 59), time(6), time(6, 0, 1), time(12))
TABLES = (
    "subscriptions",
    "usage",
    "accounts",
    "tickets",
    "ticket_messages",
    "page_visits",
    "feedback",
    "users",
    "invoices",
)

Row = dict[str, Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass(frozen=True)
class SmallCompany:
    """Tables of the contract as rows of plain values (instants are naive UTC), and the dates to look at them from.

    Any table with `recorded_at` may hold several rows of one key; `versioned` names those that are trusted for it. All
    rows of a table have the same columns, and no table that is present is empty.
    """

    tables: dict[str, list[Row]]
    versioned: frozenset[str]
    recorded_from: datetime | None
    today: date
    as_ofs: list[date]


def accounts_of(company: SmallCompany) -> list[str]:
    """The accounts by their ids."""
    return sorted({row["account_id"] for row in company.tables["accounts"]})


@dataclass(frozen=True)
class _Days:
    """The dates of one company: `day` any of them, `early` the first half, `after` those from a given one on."""

    pool: tuple[date, ...]

    @property
    def early(self) -> st.SearchStrategy[date]:
        return st.sampled_from(sorted(self.pool)[: (len(self.pool) + 1) // 2])

    @property
    def day(self) -> st.SearchStrategy[date]:
        return st.sampled_from(self.pool)

    def after(self, first: date) -> st.SearchStrategy[date]:
        """`first` itself among them, so never empty; it comes last, as the least usual."""
        return st.sampled_from([*(day for day in self.pool if day > first), first])

    @property
    def event(self) -> st.SearchStrategy[datetime]:
        return st.builds(datetime.combine, self.day, st.sampled_from(EVENT_TIMES))

    @property
    def event_early(self) -> st.SearchStrategy[datetime]:
        return st.builds(datetime.combine, self.early, st.sampled_from(EVENT_TIMES))

    def event_after(self, first: datetime) -> st.SearchStrategy[datetime]:
        return st.builds(datetime.combine, self.after(first.date()), st.sampled_from(EVENT_TIMES)).map(
            lambda moment: max(moment, first)
        )

    def recorded(self, event: date | datetime) -> st.SearchStrategy[datetime | None]:
        """By the next load, never noted, or at any other moment: late, or ahead of the event (a term booked before)."""
        day = event.date() if isinstance(event, datetime) else event
        by_next_load = datetime.combine(day + timedelta(days=1), LOAD_TIMES[0])
        return st.one_of(
            st.just(by_next_load),
            st.builds(datetime.combine, self.day, st.sampled_from(LOAD_TIMES)),
            st.none(),
        )


@st.composite
def companies(draw: Draw, *, timely: bool = False) -> SmallCompany:
    """A company of one to four accounts. `timely`: no table has `recorded_at`, so all is known from its own time on."""
    steps = draw(st.lists(st.sampled_from(STEPS), max_size=2))
    anchors = list(accumulate(steps, initial=draw(st.integers(1, 60))))
    offsets = dict.fromkeys(anchor + beside for beside in BESIDE for anchor in anchors)
    days = _Days(tuple(FIRST_DAY + timedelta(days=max(offset, 0)) for offset in offsets))
    recorded = set() if timely else draw(st.sets(st.sampled_from(TABLES)))
    changing = [name for name in TABLES if name in recorded and CONTRACT[name].changes]
    some = st.sets(st.sampled_from(changing)) if changing else st.just(set[str]())
    several, versioned = draw(some), frozenset(draw(some))
    loads = st.builds(datetime.combine, days.day, st.sampled_from(LOAD_TIMES))

    account_ids = [f"A{number}" for number in range(1, draw(st.integers(1, 4)) + 1)]
    tables = {
        name: draw(rows_of(days, account_ids, name in recorded, name in several)) for name, rows_of in ROWS_OF.items()
    }
    today = draw(st.just(LATER) | days.day)
    as_ofs = draw(st.lists(_snapshots(days, tables, today), min_size=1, max_size=4, unique=True))
    return SmallCompany(
        tables={name: rows for name, rows in tables.items() if rows},
        versioned=versioned & tables.keys(),
        recorded_from=draw(st.none() | loads) if recorded else None,
        today=today,
        as_ofs=sorted(as_ofs),
    )


def _snapshots(days: _Days, tables: dict[str, list[Row]], today: date) -> st.SearchStrategy[date]:
    """Dates to look from, most of them near the end of a term or a use of the product, where the rules turn."""
    marks = [row["ended_on"] for row in tables["subscriptions"] if row["ended_on"] is not None]
    marks += [row["occurred_at"].date() for row in tables["usage"]]
    telling = [mark + timedelta(days=beside) for mark in dict.fromkeys(marks) for beside in (*BESIDE, -7, -30)]
    return st.sampled_from([day for day in [*telling, *days.pool] if day <= today])


@st.composite
def parameters(
    draw: Draw,
    *,
    definition: Literal["subscription", "inactivity"] | None = None,
    recorded_from: datetime | None = None,
) -> Rules:
    """Rules with the lengths that lie between dates of `companies`; without `recorded_from` the company's own holds."""
    chosen = definition or draw(st.sampled_from(["subscription", "inactivity"]))
    inactivity = chosen == "inactivity"
    inactive_days = draw(st.sampled_from([7, 30, 2])) if inactivity else None
    return Rules(
        definition=chosen,
        event="ended" if inactivity else draw(st.sampled_from(["ended", "notice"])),
        horizon_days=draw(st.sampled_from([days for days in (30, 7, 31, 60) if days >= (inactive_days or 0)])),
        grace_days=0 if inactivity else draw(st.sampled_from([0, 1, 7, 30])),
        lead_days=draw(st.sampled_from([0, 1, 7, 30])),
        settle_days=draw(st.sampled_from([0, 7])),
        arrival_hours=draw(st.sampled_from([6, 0])),
        inactive_days=inactive_days,
        activity_events=draw(st.sampled_from([None, ("export",), ("export", "login")])) if inactivity else None,
        count_free=draw(st.booleans()),
        recorded_from=recorded_from,
        ended_on=draw(st.sampled_from(["first_day_without", "last_day"])),
    )


def _versions(draw: Draw, days: _Days, event: date | datetime, recorded: bool, several: bool) -> list[Row]:
    """What tells the versions of one row apart: nothing, one `recorded_at`, or up to three different ones."""
    if not recorded:
        return [{}]
    count = 3 if several else 1
    moments = draw(st.lists(days.recorded(event), min_size=1, max_size=count, unique=True))
    return [{"recorded_at": moment} for moment in moments]


@st.composite
def _accounts(draw: Draw, days: _Days, account_ids: list[str], recorded: bool, several: bool) -> list[Row]:
    rows = []
    for place, account_id in enumerate(account_ids):
        created_at = draw(days.event)
        above: list[str | None] = [None, *account_ids[:place]]  # parents come first, so there are no circles
        for version in _versions(draw, days, created_at, recorded, several):
            rows.append(
                {
                    "account_id": account_id,
                    "created_at": created_at,
                    "segment": draw(st.sampled_from(["small", "large", None])),
                    "industry": draw(st.sampled_from(["retail", None])),
                    "country": draw(st.sampled_from(["SE", None])),
                    "parent_id": draw(st.sampled_from(above)),
                    "went_live_on": draw(st.none() | days.after(created_at.date())),
                    **version,
                }
            )
    return rows


@st.composite
def _subscriptions(draw: Draw, days: _Days, account_ids: list[str], recorded: bool, several: bool) -> list[Row]:
    rows = []
    further = draw(st.lists(st.sampled_from(account_ids), max_size=2 * len(account_ids)))
    for number, account_id in enumerate([*account_ids, *further], start=1):
        started_on = draw(days.early | days.day)
        for version in _versions(draw, days, started_on, recorded, several):
            ended_on = draw(st.none() | days.after(started_on))
            gave_notice = draw(st.sampled_from([False, False, True]))
            rows.append(
                {
                    "subscription_id": f"S{number}",
                    "account_id": account_id,
                    "started_on": started_on,
                    "ended_on": ended_on,
                    "mrr": draw(st.sampled_from([100.0, 250.0, 40.0, None, 0.0])),
                    "plan": draw(st.sampled_from(["basic", "pro", None])),
                    "seats": draw(st.sampled_from([5.0, 20.0, None])),
                    "term_months": draw(st.sampled_from([None, 12.0, 3.0, 1.0])),
                    "billing_period": draw(st.sampled_from([None, "monthly", "Annual", "quarterly", "now and then"])),
                    "renews_on": draw(st.none() | days.after(started_on)),
                    "auto_renews": draw(st.sampled_from([None, True, False])),
                    "notice_on": draw(days.after(started_on) | days.day) if gave_notice else None,
                    "end_reason": None if ended_on is None else draw(st.sampled_from(["voluntary", "involuntary"])),
                    **version,
                }
            )
    return rows


@st.composite
def _usage(draw: Draw, days: _Days, account_ids: list[str], recorded: bool, several: bool) -> list[Row]:
    """Each draw is a habit: the same event every so many days, a few times. Of named events some come twice."""
    rows: list[Row] = []
    is_named = draw(st.booleans())
    further = draw(st.lists(st.sampled_from(account_ids), max_size=len(account_ids)))
    for account_id in [*account_ids, *further]:
        first_at, event = draw(days.event_early), draw(st.sampled_from(["export", "login", "error"]))
        every, times = draw(st.sampled_from([7, 1, 8, 30])), draw(st.integers(1, 6) | st.just(10))
        for occurred_at in (first_at + timedelta(days=every * place) for place in range(times)):
            rows.append(
                {
                    "account_id": account_id,
                    "occurred_at": occurred_at,
                    "event": event,
                    "quantity": draw(st.sampled_from([1.0, 0.0, 3.0, None])),
                    "user_id": draw(st.sampled_from(["U1", "U2", None])),
                    **({"event_id": draw(st.sampled_from([f"E{len(rows)}", None]))} if is_named else {}),
                    **_versions(draw, days, occurred_at, recorded, several)[0],
                }
            )
    again = draw(st.lists(st.sampled_from(rows), max_size=3)) if is_named else []
    return rows + [
        row
        | {"quantity": draw(st.sampled_from([row["quantity"], 9.0]))}
        | _versions(draw, days, row["occurred_at"], recorded, several)[0]
        for row in again
    ]


@st.composite
def _users(draw: Draw, days: _Days, account_ids: list[str], recorded: bool, several: bool) -> list[Row]:
    """People by the names that usage gives them, each of one account; some were deactivated."""
    rows = []
    for user_id in draw(st.lists(st.sampled_from(["U1", "U2", "U3"]), max_size=3, unique=True)):
        created_at = draw(days.event_early)
        rows.append(
            {
                "user_id": user_id,
                "account_id": draw(st.sampled_from(account_ids)),
                "created_at": created_at,
                "deactivated_at": draw(st.none() | days.event_after(created_at) | days.event),
                **_versions(draw, days, created_at, recorded, several)[0],
            }
        )
    return rows


@st.composite
def _tickets(draw: Draw, days: _Days, account_ids: list[str], recorded: bool, several: bool) -> list[Row]:
    rows = []
    has_csat_at = draw(st.booleans())
    for number, account_id in enumerate(draw(st.lists(st.sampled_from(account_ids), max_size=6)), start=1):
        opened_at = draw(days.event)
        for version in _versions(draw, days, opened_at, recorded, several):
            row: Row = {
                "ticket_id": f"T{number}",
                "account_id": account_id,
                "opened_at": opened_at,
                "text": draw(st.sampled_from(_TEXTS)),
                "first_response_at": draw(st.none() | days.event_after(opened_at)),
                "resolved_at": draw(st.none() | days.event_after(opened_at)),
                "reopened_count": draw(st.sampled_from([0, 1, None])),
                "csat": draw(st.sampled_from([None, 1.0, 3.5, 5.0])),
                "priority": draw(st.sampled_from(["normal", "urgent", None])),
            }
            if has_csat_at:
                row["csat_at"] = draw(st.none() | days.event_after(opened_at))
            rows.append({**row, **version})
    return rows


_TEXTS = (
    "How do I export?",
    "This is broken again.",
    "Third time I ask: we cannot log in, and nobody answers.",
    "太贵了，我们想退订。",
    "Thank you, it works perfectly!",
    "Der Plan ist weg.",
    None,
)


@st.composite
def _ticket_messages(draw: Draw, days: _Days, account_ids: list[str], recorded: bool, several: bool) -> list[Row]:
    """Of some of the tickets that may be there, and now and then of one that is not."""
    rows = []
    for number, ticket in enumerate(draw(st.lists(st.integers(1, 4), max_size=5)), start=1):
        sent_at = draw(days.event)
        rows.append(
            {
                "message_id": f"M{number}",
                "ticket_id": f"T{ticket}",
                "sent_at": sent_at,
                "author": draw(st.sampled_from(["customer", "customer", "staff"])),
                "text": draw(st.sampled_from(_TEXTS)),
                **_versions(draw, days, sent_at, recorded, several)[0],
            }
        )
    return rows


@st.composite
def _page_visits(draw: Draw, days: _Days, account_ids: list[str], recorded: bool, several: bool) -> list[Row]:
    rows = []
    for account_id in draw(st.lists(st.sampled_from(account_ids), max_size=4)):
        visited_at = draw(days.event)
        rows.append(
            {
                "account_id": account_id,
                "visited_at": visited_at,
                "path": draw(st.sampled_from(["/pricing", "/account/cancel", "/docs"])),
                "user_id": draw(st.sampled_from(["U1", None])),
                **_versions(draw, days, visited_at, recorded, several)[0],
            }
        )
    return rows


@st.composite
def _feedback(draw: Draw, days: _Days, account_ids: list[str], recorded: bool, several: bool) -> list[Row]:
    """Scores around those at which an answer is an unhappy one."""
    rows = []
    for account_id in draw(st.lists(st.sampled_from(account_ids), max_size=6)):
        submitted_at, kind = draw(days.event), draw(st.sampled_from(["nps", "csat"]))
        rows.append(
            {
                "account_id": account_id,
                "submitted_at": submitted_at,
                "kind": kind,
                "score": draw(st.sampled_from([6.0, 7.0, 10.0] if kind == "nps" else [2.0, 3.0, 5.0])),
                **_versions(draw, days, submitted_at, recorded, several)[0],
            }
        )
    return rows


@st.composite
def _invoices(draw: Draw, days: _Days, account_ids: list[str], recorded: bool, several: bool) -> list[Row]:
    """Bills and credits, due or not; paid in time, late or never; some failed or were voided."""
    rows = []
    for number, account_id in enumerate(draw(st.lists(st.sampled_from(account_ids), max_size=4)), start=1):
        issued_on = draw(days.day)
        for version in _versions(draw, days, issued_on, recorded, several):
            rows.append(
                {
                    "invoice_id": f"I{number}",
                    "account_id": account_id,
                    "issued_on": issued_on,
                    "amount": draw(st.sampled_from([300.0, 100.0, 33.1, -20.0])),
                    "due_on": draw(st.none() | days.after(issued_on)),
                    "paid_on": draw(st.none() | days.after(issued_on)),
                    "failed_at": draw(st.none() | days.event),
                    "voided_at": draw(st.none() | st.none() | days.event),
                    **version,
                }
            )
    return rows


ROWS_OF: dict[str, Callable[..., st.SearchStrategy[list[Row]]]] = {
    "accounts": _accounts,
    "subscriptions": _subscriptions,
    "usage": _usage,
    "users": _users,
    "tickets": _tickets,
    "ticket_messages": _ticket_messages,
    "page_visits": _page_visits,
    "feedback": _feedback,
    "invoices": _invoices,
}
