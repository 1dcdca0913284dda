"""The page of an account as its tests ask for it."""

import re
from datetime import date, timedelta
from html import unescape
from typing import Any

import sample_evidence
from console import let_in, site
from digest_nights import BEFORE, HEADLINE, INES, LOW, MONDAY, account, publish_night, scored_at
from httpx2 import Response
from pandas import DataFrame
from sample_nights import BANDS, CATALOGUE, make_book, publish, run
from sqlalchemy import Engine

from pipeline.console.navigation import account_path
from pipeline.store.packed_weeks import week_of


def one(store: Engine, of: dict[str, Any], *others: dict[str, Any], as_of: date = MONDAY, **headline: Any) -> None:
    """A night of that account and perhaps others."""
    publish_night(store, as_of, of, *others, **headline)


def with_evidence(store: Engine, of: dict[str, Any], **evidence: Any) -> None:
    """A night of that account with two weeks of use and what else happened to it."""
    frame = DataFrame([of, account("A-quiet", LOW)])
    book = make_book(frame, bands=BANDS, new_days=28, as_of=MONDAY)
    last = week_of(MONDAY - timedelta(days=1))
    weeks = {of["account_id"]: {last: (12.0, 2, 0), last - 1: (345.0, 5, 3)}}
    seen = sample_evidence.made(MONDAY, weeks, **evidence)
    headline = HEADLINE | {"compared_with": str(BEFORE)}
    publish(store, run("r1", as_of=MONDAY, **headline), book, CATALOGUE, finished_at=scored_at(MONDAY), evidence=seen)


def opened(store: Engine, people: Engine, account_id: str, who: str = INES, **headers: str) -> Response:
    return let_in(site(store, people), who, **headers).get(account_path(account_id))


def numbers(text: str, name: str) -> list[list[str]]:
    """The cells of the table within the section or fold that is called so, row by row."""
    table = re.search(rf"{re.escape(name)}.*?<tbody>(.*?)</tbody>", text, re.DOTALL)
    assert table is not None, name
    rows = re.findall(r"<tr.*?>(.*?)</tr>", table[1], re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[unescape(re.sub(r"<[^>]*>", "", cell)).strip() for cell in row] for row in cells]


def value(cell: str) -> float:
    return float(cell.replace("−", "-"))
