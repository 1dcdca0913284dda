"""The demo company, written as the files that a warehouse would hold."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from pipeline.demo import accounts as register
from pipeline.demo import terms as contracts
from pipeline.demo.dates import LAST_NIGHT
from pipeline.demo.invoices import invoices
from pipeline.demo.life import simulate
from pipeline.demo.tables import write
from pipeline.demo.tickets import tickets
from pipeline.demo.truth import true_risk, write_truth
from pipeline.demo.usage import usage_months
from pipeline.demo.users import people_of, users
from pipeline.demo.visits import feedback, interactions, page_visits

__all__ = ["LAST_NIGHT", "DemoSummary", "true_risk", "write_company"]

FEWEST_ACCOUNTS: Final = 20


@dataclass(frozen=True)
class DemoSummary:
    """What was written: accounts active on the last night as the tables tell it, and the rows of each table."""

    folder: Path
    active: int
    rows: dict[str, int]


def write_company(
    folder: Path, accounts: int = 2000, seed: int = 7, progress: Callable[[str], None] | None = None
) -> DemoSummary:
    """Writes a company that sells shift planning, two years to the last night, with a known hidden hazard.

    Parameters
    ----------
    folder : receives `data/<table>.parquet`, `data/usage/<month>.parquet` and, for tests, `hidden/risk.parquet`.
    accounts : active paying accounts on the last night, exactly as many.
    seed : equal seeds give equal values in every column.
    progress : is told each step as it is done.

    Raises
    ------
    ValueError : fewer accounts than make a company of three segments.
    """
    if accounts < FEWEST_ACCOUNTS:
        raise ValueError(f"write_company: accounts is {accounts}; the demo company needs at least {FEWEST_ACCOUNTS}")
    tell = progress if progress is not None else _silent
    company = simulate(accounts, seed, progress)

    def stream(number: int) -> np.random.Generator:
        return np.random.default_rng([seed, number])

    events = contracts.with_add_ons(company, stream(20))
    terms = contracts.terms_of(events)
    book = register.register(company, terms, stream(21))
    people = people_of(company, terms, stream(22))
    user_table, user_ids = users(company, people, book.ids, stream(23))
    words = (book.ids, user_ids)
    ticket_table, message_table = tickets(company, terms, book.ids, stream(24))
    tables = {
        "accounts": register.accounts(company, book, stream(25)),
        "subscriptions": contracts.subscriptions(company, events, book.ids, stream(26)),
        "users": user_table,
        "tickets": ticket_table,
        "ticket_messages": message_table,
        "page_visits": page_visits(company, terms, people, words, stream(27)),
        "feedback": feedback(company, terms, book.ids, stream(28)),
        "invoices": invoices(company, terms, book.ids, stream(29)),
        "interactions": interactions(company, terms, book, stream(30)),
    }
    rows = {}
    for name, columns in tables.items():
        rows[name] = write(folder / "data" / f"{name}.parquet", name, columns)
        tell(f"wrote {name}: {rows[name]:,} rows")
    rows["usage"] = 0
    for month, columns in usage_months(company, terms, people, words, seed):
        rows["usage"] += write(folder / "data" / "usage" / f"{month}.parquet", "usage", columns)
    tell(f"wrote usage: {rows['usage']:,} rows")
    write_truth(folder, company, book.ids)
    return DemoSummary(folder, int(company.on_the_books.sum()), rows)


def _silent(_: str) -> None:
    """Tells nobody."""
