"""Evidence: what the page of an account shows beside its risk, made by the engine for all accounts at once.

Weekly values and what happened, by account and block of thirteen weeks (`pipeline/store/packed_weeks.py`). Equal facts
give equal bytes, so that a night writes those that differ from what is stored already (`pipeline/kept_evidence.py`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any, Final

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from ibis.util import gen_name

from features.cohort import terms
from features.evidence import changes, excerpt, renewed, tickets, use_by_week, visit_days, visits_by_week
from features.outages import Coverage
from features.timeline import Moment
from features.versions import History
from pipeline.packed_evidence import Evidence, Part, pack
from pipeline.store.packed_weeks import STEP, WEEKS_A_BLOCK, monday, week_of

__all__ = ["MOST_HAPPENED", "WEEKS", "evidence"]

WEEKS: Final = 53
"""How far back evidence reaches, the running week included: a year, and the same week of the year before."""

MOST_HAPPENED: Final = 12
"""Of a block, how many tickets, and how many days with visits to one group of pages, are kept: the newest."""

_BLOCK: Final = timedelta(weeks=WEEKS_A_BLOCK)
_PART_ACCOUNTS: Final = 2_000  # each is written in one transaction
_READ_AT_ONCE: Final = 20_000  # accounts, for to ask the engine takes a while however little is asked
_ROWS_AT_ONCE: Final = 20_000_000
"""Rows of use that are added up by account and week in one go: what is kept for that grows with them."""

_SMALL: Final = {"active_days": "int8", "active_users": "int32"}
"""What is kept of use is most of what is kept: a row an account and week."""

_Keep = Callable[[ir.Table], ir.Table]


def evidence(
    past: History,
    moment: Moment,
    account_ids: Sequence[str],
    page_groups: Mapping[str, Sequence[str]],
    covered: Coverage,
    peers: Sequence[Mapping[str, Any]] = (),
    *,
    excerpts: bool,
    part_accounts: int = _PART_ACCOUNTS,
) -> Evidence:
    """The evidence of these accounts, which are sorted by their ids, as known at the moment.

    `peers` are the middle values that they are held against; `excerpts` says whether the beginnings of tickets' texts
    may be kept.
    """
    yesterday = moment.as_of - timedelta(days=1)
    last_week = week_of(yesterday)
    # Whole blocks, though the first may begin before the first week: a block must not change because time goes by.
    first_block = (last_week - WEEKS + 1) // WEEKS_A_BLOCK
    first = monday(first_block * WEEKS_A_BLOCK)
    groups = page_groups if "page_visits" in past.tables else {}
    with _keeping(past.tables["accounts"].get_backend()) as keep:
        numbers = pa.table(
            {"account_id": pa.array(account_ids, pa.string()), "number": np.arange(len(account_ids), dtype=np.int32)}
        )
        accounts = keep(ibis.memtable(numbers))
        visited = keep(visit_days(past, moment, first, groups)) if groups else None
        weekly = [
            (keep(_numbered(rows, accounts)), names) for rows, names in _weekly(past, moment, first, visited, groups)
        ]
        told = list(_told(past, moment, first, visited, accounts, keep, excerpts=excerpts))
        series = list(dict.fromkeys(name for _, names in weekly for name in names))
        about = {"series": series, "first_week": last_week - WEEKS + 1, "last_week": last_week}
        happened = keep(_numbered(_together(told), accounts)) if told else None
        blocks = range(first_block, last_week // WEEKS_A_BLOCK + 1)
        parts = (
            part
            for here in _neighbours(range(len(account_ids)), _READ_AT_ONCE)
            for part in _parts(account_ids, here, weekly, series, happened, blocks, part_accounts)
        )
        return Evidence(about | _recorded(covered, moment) | {"peers": list(peers)}, parts)


def _neighbours(accounts: range, at_once: int) -> Iterator[range]:
    """The numbers of the accounts, so many at once."""
    return (accounts[start : start + at_once] for start in range(0, len(accounts), at_once))


@contextmanager
def _keeping(engine: Any) -> Iterator[_Keep]:
    """Tables that the engine keeps until the end of the block."""
    names: list[str] = []

    def keep(rows: ir.Table) -> ir.Table:
        names.append(gen_name("evidence"))
        kept: ir.Table = engine.create_table(names[-1], rows, temp=True)
        return kept

    try:
        yield keep
    finally:
        for name in names:
            engine.drop_table(name)


def _weekly(
    past: History,
    moment: Moment,
    first: date,
    visited: ir.Table | None,
    groups: Mapping[str, Sequence[str]],
) -> Iterator[tuple[ir.Table, list[str]]]:
    """Each source by account and week, those of use in as many pieces as memory asks for, with its series' names."""
    weeks = range(-(-(moment.as_of - first).days // 7))
    if "usage" in past.tables:
        names = ["usage", "active_days", *(["active_users"] if past.has("usage.user_id") else [])]
        at_once = max(1, len(weeks) * _ROWS_AT_ONCE // max(1, int(past.tables["usage"].count().execute())))
        for start in weeks[::at_once]:
            rows = use_by_week(past, moment, first + timedelta(weeks=start), min(at_once, len(weeks) - start))
            small = {name: rows[name].cast(kind) for name, kind in _SMALL.items() if name in names}
            yield rows.mutate(week=(rows["week"] + start).cast("int16"), **small), names
    if visited is not None:
        yield visits_by_week(visited, first, groups), [f"{group}_visits" for group in groups]


def _told(
    past: History,
    moment: Moment,
    first: date,
    visited: ir.Table | None,
    accounts: ir.Table,
    keep: _Keep,
    *,
    excerpts: bool,
) -> Iterator[ir.Table]:
    """What happened, by its sources: `account_id`, `place` (of the block, 0 for the first), `at` and `text`, JSON."""

    def told(kind: str, rows: ir.Table, at: str, values: Mapping[str, ir.Value]) -> ir.Table:
        text = ibis.struct({"kind": ibis.literal(kind), **values}).cast("json").cast("string")
        return rows.select("account_id", place=_place(rows[at], first), at=rows[at].cast("timestamp"), text=text)

    if "tickets" in past.tables:
        rows = keep(tickets(past, moment, first).semi_join(accounts, "account_id"))
        rows = keep(_newest(rows, "opened_at", "ticket_id", [], first))
        times = {name: rows[name].strftime("%Y-%m-%dT%H:%M:%S") for name in ("opened_at", "resolved_at")}
        values = {"ticket_id": rows["ticket_id"], **times, **_of(rows, "mood", "worst")}
        values["excerpt"] = excerpt(rows["text"]) if excerpts else ibis.null("string")
        yield told("ticket", rows, "opened_at", values)
    if visited is not None:
        rows = _newest(visited, "day", "day", ["group"], first)
        yield told("visits", rows, "day", _of(rows, "day", "group", "visits", "people"))
    if "subscriptions" in past.tables:
        known_terms = terms(past, moment)
        rows = keep(changes(past, known_terms, moment, first))
        held = ("terms", "mrr", "seats", "plan")
        yield told(
            "change", rows, "day", _of(rows, "day", *(f"{name}{end}" for name in held for end in ("_before", "")))
        )
        rows = keep(renewed(known_terms, moment, first))
        yield told("renewal", rows, "day", _of(rows, "day"))


def _of(rows: ir.Table, *names: str) -> dict[str, ir.Value]:
    return {name: rows[name] for name in names}


def _place(at: ir.Value, first: date) -> ir.IntegerValue:
    return at.cast("date").delta(ibis.literal(first), unit="day") // _BLOCK.days


def _newest(rows: ir.Table, at: str, then: str, within: list[str], first: date) -> ir.Table:
    """Of each account and block, and of each of `within`, the newest rows."""
    rows = rows.mutate(_place=_place(rows[at], first))
    order = [ibis.desc(rows[at]), ibis.desc(rows[then])]
    rows = rows.mutate(_age=ibis.row_number().over(group_by=["account_id", "_place", *within], order_by=order))
    return rows.filter(rows["_age"] < MOST_HAPPENED).drop("_place", "_age")


def _together(told: list[ir.Table]) -> ir.Table:
    """One row for an account and block: `account_id`, `place` and all that happened, oldest first, as one JSON list."""
    rows = ibis.union(*told)
    order = [rows["at"], rows["text"]]
    return rows.group_by("account_id", "place").agg(text="[" + rows["text"].group_concat(",", order_by=order) + "]")


def _numbered(rows: ir.Table, accounts: ir.Table) -> ir.Table:
    """The rows of these accounts by their number, in the order of which neighbours are quickly found again."""
    return accounts.join(rows, "account_id").drop("account_id").order_by("number")


def _parts(
    account_ids: Sequence[str],
    there: range,
    weekly: list[tuple[ir.Table, list[str]]],
    series: list[str],
    happened: ir.Table | None,
    blocks: range,
    part_accounts: int,
) -> Iterator[Part]:
    """The evidence of the accounts of these numbers, in parts."""
    values = np.zeros((len(there), len(blocks), len(series), WEEKS_A_BLOCK), np.int64)
    for rows, names in weekly:
        columns = {name: column.to_numpy() for name, column in zip(rows.columns, _between(rows, there), strict=True)}
        block, week = np.divmod(columns["week"], WEEKS_A_BLOCK)
        for name in names:
            steps = columns[name] if name == "usage" else columns[name].astype(np.int64) * STEP
            values[columns["number"] - there.start, block, series.index(name), week] = steps
    told: dict[int, dict[tuple[str, str, int], bytes]] = {}
    if happened is not None:
        for number, place, text in zip(*(column.to_pylist() for column in _between(happened, there)), strict=True):
            told.setdefault(number, {})[account_ids[number], "events", blocks[place]] = text.encode()
    for here in _neighbours(there, part_accounts):
        contents: dict[tuple[str, str, int], bytes] = {}
        for place, block_number in enumerate(blocks):
            of_block = values[here.start - there.start : here.stop - there.start, place]
            used = np.flatnonzero(of_block.any(axis=(1, 2)))
            ids = (account_ids[here[number]] for number in used.tolist())
            contents |= {
                (each, "weeks", block_number): packed for each, packed in zip(ids, pack(of_block[used]), strict=True)
            }
        for number in here:
            contents |= told.get(number, {})
        yield Part(None if here.stop == len(account_ids) else account_ids[here.stop - 1], contents)


def _between(rows: ir.Table, here: range) -> list[pa.ChunkedArray]:
    there = rows.filter((rows["number"] >= here.start) & (rows["number"] < here.stop))
    columns: list[pa.ChunkedArray] = there.to_pyarrow().columns
    return columns


def _recorded(covered: Coverage, moment: Moment) -> dict[str, Any]:
    """From when on the weekly sources recorded anything, and the days that they lost since."""
    since: dict[str, str | None] = {}
    lost: dict[str, list[str]] = {}
    for source in ("usage", "page_visits"):
        recorded = covered.recorded(source, moment)
        days = [str(moment.as_of - timedelta(days=age + 1)) for age in (recorded.first, *reversed(recorded.lost))]
        since[source], lost[source] = (days[0] if recorded.first >= 0 else None), days[1:]
    return {"since": since, "lost": lost}
