"""Evidence to publish, made by hand: weeks and tickets of accounts, packed as a night packs them."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta

import numpy as np

from pipeline.packed_evidence import Evidence, Part, pack
from pipeline.store.packed_weeks import STEP, WEEKS_A_BLOCK, week_of

SERIES = ("usage", "active_days", "pricing_visits")

Weeks = Mapping[int, tuple[float, int, int]]
"""By week: usage, active days, visits to the prices. Weeks that are absent are zero."""


def ticket(opened_on: date, excerpt: str | None = "It is slow") -> dict[str, object]:
    at = datetime.combine(opened_on, time(9, 30)).isoformat()
    told = {"ticket_id": f"T-{opened_on}", "opened_at": at, "resolved_at": None, "mood": -250, "worst": None}
    return {"kind": "ticket", **told, "excerpt": excerpt}


def made(
    as_of: date,
    weeks: Mapping[str, Weeks],
    tickets: Mapping[str, list[date]] | None = None,
    *,
    happened: Mapping[str, list[dict[str, object]]] | None = None,
    peers: Sequence[Mapping[str, object]] = (),
    series: tuple[str, ...] = SERIES,
    since: date | None = date(2020, 1, 1),
    part_accounts: int = 2,
) -> Evidence:
    """The evidence of a night, of the accounts of `weeks`, in parts of so many accounts.

    `happened` are further events of accounts, each with its kind and `day`, or `opened_at`; of one account either these
    or `tickets`.
    """
    last = week_of(as_of - timedelta(days=1))
    ids, first = sorted(weeks), (last - 52) // WEEKS_A_BLOCK
    parts = []
    for start in range(0, len(ids), part_accounts):
        here = ids[start : start + part_accounts]
        contents = {
            key: content for each in here for key, content in _weeks(each, weeks[each], len(series)) if key[2] >= first
        }
        for each in here:
            for opened_on in (tickets or {}).get(each, []):
                block = week_of(opened_on) // WEEKS_A_BLOCK
                contents[each, "events", block] = json.dumps([ticket(opened_on)]).encode()
            for told in (happened or {}).get(each, []):
                block = week_of(date.fromisoformat(str(told.get("day") or told["opened_at"])[:10])) // WEEKS_A_BLOCK
                others = json.loads(contents.get((each, "events", block), b"[]"))
                contents[each, "events", block] = json.dumps([*others, told]).encode()
        parts.append(Part(None if start + part_accounts >= len(ids) else here[-1], contents))
    told = {source: None if since is None else str(since) for source in ("usage", "page_visits")}
    about = {"series": list(series), "first_week": last - 52, "last_week": last, "since": told}
    return Evidence(about | {"lost": {"usage": [], "page_visits": []}, "peers": list(peers)}, parts)


def _weeks(account_id: str, weeks: Weeks, series: int) -> list[tuple[tuple[str, str, int], bytes]]:
    found = []
    for block in sorted({week // WEEKS_A_BLOCK for week in weeks}):
        values = np.zeros((1, series, WEEKS_A_BLOCK), np.int64)
        for week, told in weeks.items():
            if week // WEEKS_A_BLOCK == block:
                values[0, : len(told), week % WEEKS_A_BLOCK] = np.round(np.array(told[:series]) * STEP)
        found.append(((account_id, "weeks", block), pack(values)[0]))
    return found
