"""`churn forget`: what could tell who an account was goes from both stores; what was counted stays, under a pseudonym.

In the published store go the account's names, reasons and facts, and what nights saw of it; its risks, bands and sums
stay in their nights, so that what was counted still adds up. In the people store goes what was written about it. The
list of the forgotten keeps a digest of the id, by which a night that finds the account in its tables leaves it out. The
copy of a warehouse is thrown away, for the next run to make anew.

The list is written first: whoever was interrupted runs it again, and ends it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy import ColumnElement, Engine, Table, delete, func, select, true, update

from pipeline.errors import StoreMissing, UsageError
from pipeline.inputs import without_account
from pipeline.people.audit import log_command
from pipeline.people.connection import connect as connect_people
from pipeline.people.connection import prepare, writing
from pipeline.people.forgotten import Forgotten, erase, forgotten, mentions, remember
from pipeline.settings import Settings
from pipeline.store.connection import connect, reading, retried
from pipeline.store.lease import Lease, leased
from pipeline.store.schema import DETAILS, FROZEN, INPUTS, LEDGER, METADATA, RUNS, SCORES
from pipeline.warehouse.kept_copies import discard

__all__ = ["Forgot", "Held", "forget", "held"]

_BY_RUN: Final = (SCORES, DETAILS)
"""Large tables whose keys begin with the run: they are gone through run by run, in short transactions."""

_OTHERS: Final = [table for table in METADATA.sorted_tables if "account_id" in table.c and table not in _BY_RUN]
_COUNTED: Final = (SCORES, FROZEN)
"""Tables in which a row stays, under the pseudonym; in all others it goes."""

_TELLING: Final = ("name", "entry_name", "rank", "packed")  # without a rank it stands on no list
_SAID: Final = (LEDGER.c.message, RUNS.c.warnings)


@dataclass(frozen=True)
class Held:
    """What the stores hold of an account: its name, scores of it and of its children, and rows that people wrote."""

    name: str | None
    scores: int
    rows: int
    was_forgotten: bool


@dataclass(frozen=True)
class Forgot:
    """How many rows were emptied or removed: scores, their details, parts of inputs, and by table what people wrote."""

    scores: int
    details: int
    inputs: int
    people: Mapping[str, int]


def held(settings: Settings, account_id: str) -> Held:
    """What there is to forget.

    Raises `UsageError` where neither store has heard of the account, `StoreError` where one cannot be read.
    """
    name: str | None = None
    scores = rows = 0
    known = Forgotten({})
    with _stores(settings) as (published, people):
        with suppress(StoreMissing), reading(published) as connection:
            for table in _COUNTED:
                mine = (table.c.account_id == account_id) | (table.c.root_id == account_id)
                called = func.max(table.c.name).filter(table.c.account_id == account_id)
                found, count = connection.execute(select(called, func.count()).where(mine)).one()
                name, scores = name or found, scores + count
        with suppress(StoreMissing), reading(people) as connection:
            rows, known = mentions(connection, account_id), forgotten(connection)
    was_forgotten = known.pseudonym(account_id) is not None
    if not (scores or rows or was_forgotten):
        raise UsageError(
            f"No night and nobody who wrote something down knows {account_id!r}. Is the id right? Those of a night are "
            "listed by: churn export --out FILE"
        )
    return Held(name, scores, rows, was_forgotten)


def forget(settings: Settings, account_id: str, now: datetime, note: Callable[[str], None] = lambda _: None) -> Forgot:
    """Forget an account, and write down in the audit log that and how much was forgotten, without its id.

    It holds the lease, for it writes where nights write; `note` is told what it waits for. Run again, it finds nothing.

    Raises
    ------
    LeaseHeld
        While a night is being written.
    StoreError, StoreOutdated
        When a store cannot be written to.
    """
    scores = details = inputs = 0
    with _stores(settings) as (published, people):
        prepare(people)
        with writing(people) as connection:
            pseudonym = remember(connection, account_id, now)
        if _is_there(published):
            with leased(published, note, command="forget") as lease:
                inputs = _erase_inputs(lease, account_id, pseudonym)
                scores, details = _erase_rows(lease, account_id, pseudonym)
        with writing(people) as connection:
            rows = erase(connection, account_id, pseudonym)
            found = Forgot(scores, details, inputs, {name: count for name, count in rows.items() if count})
            log_command(connection, "forgotten", now, asdict(found), pseudonym)
        for engine in (published, people):
            _empty_log(engine)
    discard(settings)
    return found


@contextmanager
def _stores(settings: Settings) -> Iterator[tuple[Engine, Engine]]:
    """Both stores."""
    url = settings.located(settings.store.url)
    engines = connect(url), connect_people(url)
    try:
        yield engines
    finally:
        for engine in engines:
            engine.dispose()


def _empty_log(engine: Engine) -> None:
    """What SQLite wrote stays in a file beside until it has been copied; a reader that is at work can put that off."""
    if engine.dialect.name == "sqlite" and _is_there(engine):
        raw = engine.raw_connection()
        try:
            raw.cursor().execute("VACUUM")  # pages keep what was in them before they were split or emptied
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            raw.close()


def _is_there(engine: Engine) -> bool:
    try:
        with reading(engine):
            return True
    except StoreMissing:
        return False


def _erase_rows(lease: Lease, account_id: str, pseudonym: str) -> tuple[int, int]:
    """In how many rows the account got its pseudonym, and how many others of it went."""
    with reading(lease.engine) as connection:
        runs = connection.execute(select(RUNS.c.run_id)).scalars().all()
    places = [(table, table.c.run_id == run_id) for run_id in runs for table in _BY_RUN]
    places += [(table, true()) for table in _OTHERS]
    scores = details = 0
    for table, there in places:
        emptied, removed = retried(partial(_erase_in, lease, table, there, account_id, pseudonym))
        scores, details = scores + emptied, details + removed
    with lease.writing() as connection:
        for said in _SAID:  # as the messages of errors quote it
            quoted = update(said.table).where(said.contains(repr(account_id), autoescape=True))
            connection.execute(quoted.values({said.name: func.replace(said, repr(account_id), pseudonym)}))
    return scores, details


def _erase_in(
    lease: Lease, table: Table, there: ColumnElement[bool], account_id: str, pseudonym: str
) -> tuple[int, int]:
    mine = there & (table.c.account_id == account_id)
    with lease.writing() as connection:
        if table not in _COUNTED:
            return 0, connection.execute(delete(table).where(mine)).rowcount
        empty = {name: None for name in _TELLING if name in table.c}
        emptied = connection.execute(update(table).where(mine).values(account_id=pseudonym, **empty)).rowcount
        children = update(table).where(there, table.c.root_id == account_id)
        connection.execute(children.values(root_id=pseudonym, entry_name=None))
        return emptied, 0


def _erase_inputs(lease: Lease, account_id: str, pseudonym: str) -> int:
    """From how many nights' inputs it went. Part by part: they are large, and who holds the lease is alone."""
    with reading(lease.engine) as connection:
        parts = connection.execute(select(INPUTS.c.run_id, INPUTS.c.part)).all()
    found = 0
    for run_id, part in parts:
        this = (INPUTS.c.run_id == run_id) & (INPUTS.c.part == part)
        with reading(lease.engine) as connection:
            content = connection.execute(select(INPUTS.c.content).where(this)).scalar_one()
        emptied = without_account(content, account_id, pseudonym)
        if emptied is not None:
            found += 1
            with lease.writing() as connection:
                connection.execute(update(INPUTS).where(this).values(content=emptied))
    return found
