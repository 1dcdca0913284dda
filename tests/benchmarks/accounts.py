"""How long a reader waits for a page of the table of all accounts in a store of a million.

    python tests/benchmarks/accounts.py --out docs/accounts.md

The store is that of `tests/benchmarks/week.py`: three nights of a million accounts, 200 managers. Each question is put
to a console that has never heard it, and once more to one that remembers its answer; a page has 50 rows with their
lines. What is measured is the answer without its HTML, in milliseconds.
"""

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from sqlalchemy import Engine
from week import make_nights

from pipeline.console.account_query import AccountQuery
from pipeline.console.reads.accounts import accounts_page, asked_of, whose
from pipeline.console.selections import Selections
from pipeline.store.connection import connect, reading
from pipeline.store.lines import owners
from pipeline.store.nights import night

ACCOUNTS: Final = 1_000_000
OWNERS: Final = 200
MANAGER: Final = "csm00007@example.com"

QUESTIONS: Final[Mapping[str, AccountQuery]] = {
    "all, most at stake first": AccountQuery(),
    "band high": AccountQuery(band="high"),
    "renewal within 30 days": AccountQuery(renews="30"),
    "one segment of eleven": AccountQuery(segment="segment 3"),
    "segment, plan and reason": AccountQuery(segment="segment 3", plan="plan 2", family="usage"),
    "a segment that there is not": AccountQuery(segment="none"),
    "gave notice": AccountQuery(state="leaving"),
    "all, by risk": AccountQuery(sort="risk"),
    "all, by MRR": AccountQuery(sort="mrr"),
    "all, by renewal": AccountQuery(sort="renews"),
    "all, by name": AccountQuery(sort="name"),
    "part of an id": AccountQuery(q="77777"),
    "part of a name, not in English": AccountQuery(q="Zürich"),
    "one manager's": AccountQuery(owner=MANAGER),
    "one manager's, band high": AccountQuery(owner=MANAGER, band="high"),
    "one manager's, by MRR": AccountQuery(owner=MANAGER, sort="mrr"),
    "one manager's, part of an id": AccountQuery(owner=MANAGER, q="77"),
    "without a manager": AccountQuery(owner="-"),
}


class Took(NamedTuple):
    """Milliseconds, the medians of a first and of a second answer: of the processor and by the clock."""

    first: float
    first_by_clock: float
    again: float
    again_by_clock: float
    found: str


def measured(store: Engine, query: AccountQuery, times: int) -> Took:
    """A question put so many times to a console that does not know it, and then to one that does."""
    firsts: list[tuple[float, float]] = []
    agains: list[tuple[float, float]] = []
    for _ in range(times):
        selections = Selections()
        for took in (firsts, agains):
            at_work, began = time.process_time(), time.perf_counter()
            with reading(store) as connection:
                of = night(connection)
                assert of is not None
                theirs = whose(owners(connection, of), query.owner, "", is_csm=False, sees_all=True)
                assert theirs is not None
                found = selections.of(connection, of, *asked_of(of, query, theirs.owners))
                shown = accounts_page(connection, of, found, 1, "en")
            took.append((1000 * (time.process_time() - at_work), 1000 * (time.perf_counter() - began)))
    count = f"more than {shown.count:,}" if shown.is_more else f"{shown.count:,}"
    medians = [median(times) for answers in (firsts, agains) for times in zip(*answers, strict=True)]
    return Took(*medians, count)


def page(found: Mapping[str, Took], times: int, database: str) -> str:
    """The page, in Markdown."""
    rows = [
        f"| {asked} | {took.found} | {' | '.join(f'{milliseconds:,.0f}' for milliseconds in took[:4])} |"
        for asked, took in found.items()
    ]
    return "\n".join(
        [
            "# How long the table of accounts takes",
            "",
            f"Made by `make accounts`, in {database}: three nights of {ACCOUNTS:,} accounts, {OWNERS} managers. Each",
            f"question {times} times, one at a time, to a console that does not know its answer, and once more to one",
            "that remembers it, without the HTML: medians in milliseconds, of the processor and by the clock. By the",
            "clock other work on the same cores counts, too.",
            "",
            "| asked | accounts | first | by the clock | again | by the clock |",
            "|---|---:|---:|---:|---:|---:|",
            *rows,
            "",
        ]
    )


def main() -> None:
    """Measure, and write the page."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--times", type=int, default=7)
    arguments.add_argument("--url", help="A store that was made before. [default: made anew in SQLite, and removed]")
    arguments.add_argument("--out", type=Path, required=True)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as place:
        store = connect(asked.url or f"sqlite:///{place}/churn.db")
        if not asked.url:
            make_nights(store, ACCOUNTS, OWNERS)
        found = {name: measured(store, query, asked.times) for name, query in QUESTIONS.items()}
        database = f"SQLite {sqlite3.sqlite_version}" if store.dialect.name == "sqlite" else "PostgreSQL"
        asked.out.write_text(page(found, asked.times, database), encoding="utf-8")
        store.dispose()


if __name__ == "__main__":
    main()
