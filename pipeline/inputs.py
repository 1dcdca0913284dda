"""What a night saw: the features of every account, and the columns behind them that a warehouse edits in place.

It is kept with the night as Parquet, so that a replay can hold it against what the tables say of that night today.
There are no names, texts, e-mail addresses or ids of users in it.
"""

import io
import json
import weakref
from collections.abc import Iterable, Iterator, Mapping
from tempfile import SpooledTemporaryFile
from typing import IO, Final, cast

import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Connection, select

from features.build import Recipe
from features.cohort import terms
from features.timeline import Moment
from features.versions import History
from pipeline.store.nights import Night
from pipeline.store.schema import INPUTS

__all__ = ["EDITED", "Inputs", "edited", "inputs", "stored_inputs", "without_account"]

EDITED: Final[Mapping[str, tuple[str, ...]]] = {
    "accounts": ("segment", "industry", "country"),
    "subscriptions": (
        "plan",
        "mrr",
        "seats",
        "renews_on",
        "billing_period",
        "term_months",
        "auto_renews",
    ),
}
"""Columns of which a table without versions shows today's value alone; the owner is left out, for it moves rightly."""

_TYPES: Final = {
    "account_id": "string",
    "root_id": "string",
    "state": "string",
    "since": "date32",
    "last_day": "date32",
}
_IN_MEMORY: Final = 32 * 1024**2
_ROWS_KNOWN: Final = b"rows_known"


class Inputs:
    """What was known of all accounts at a moment, in files of neighbouring accounts.

    They wait in a file without a name, which is gone with the process: by the time they are read the engine is closed,
    and its memory free.

    Attributes
    ----------
    rows_known
        How many rows of each table were known; of a row that has versions, one.
    """

    def __init__(self, files: Iterable[bytes], rows_known: Mapping[str, int]) -> None:
        self.rows_known = rows_known
        self._spool = cast("IO[bytes]", SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115
        weakref.finalize(self, self._spool.close)
        self._lengths = [self._spool.write(content) for content in files]

    def files(self) -> Iterator[bytes]:
        """The files, as they are stored: Parquet."""
        place = 0
        for length in self._lengths:
            self._spool.seek(place)
            yield self._spool.read(length)
            place += length

    def frames(self) -> Iterator[pd.DataFrame]:
        """By `account_id`, ascending, file by file: `root_id`, `state`, `since`, `last_day`, `mrr`, the features under
        their names, and the columns of `EDITED` as `table.column`, in text; those of several running terms are listed,
        in order.
        """
        for content in self.files():
            frame: pd.DataFrame = pq.read_table(io.BytesIO(content)).to_pandas()
            yield frame.set_index("account_id")

    def frame(self) -> pd.DataFrame:
        """The same of all accounts, which takes the memory that this is there to spare."""
        # A column that is empty in one file may have no type of its own there.
        tables = [pq.read_table(io.BytesIO(content)) for content in self.files()]
        frame: pd.DataFrame = pa.concat_tables(tables, promote_options="permissive").to_pandas()
        return frame.set_index("account_id")


def inputs(past: History, moment: Moment, parts: Iterable[pd.DataFrame], recipe: Recipe) -> Inputs:
    """What a night sees, where `parts` are the accounts with their features as the night has computed them."""
    kinds = {feature.name: "string" if feature.kind == "category" else "float64" for feature in recipe.features}
    types = _TYPES | {"mrr": "float64"} | kinds
    counted = {name: int(past.known(name, moment).count().execute()) for name in past.tables}

    def typed(part: pd.DataFrame) -> pa.Table:
        further = [name for name in map(str, part) if "." in name and name.partition(".")[0] in EDITED]
        schema = pa.schema([(name, types.get(name, "string")) for name in (*types, *further)])
        rows = pa.Table.from_pandas(part[schema.names], schema, preserve_index=False)
        return rows.replace_schema_metadata({_ROWS_KNOWN: json.dumps(counted)})

    return Inputs((_written(typed(part)) for part in parts), counted)


def edited(past: History, moment: Moment) -> Iterator[ir.Table]:
    """The columns of `EDITED` that there are, as `table.column`, by `account_id`."""
    accounts = past.known("accounts", moment)
    there = [name for name in EDITED["accounts"] if name in accounts.columns]
    yield accounts.select("account_id", **{f"accounts.{name}": accounts[name] for name in there})
    if "subscriptions" not in past.tables:
        return
    running = terms(past, moment)
    running = running.filter(running["ended_on"].isnull())
    listed = {}
    for name in EDITED["subscriptions"]:
        if name in running.columns:
            text = running[name].cast("string").re_replace(r"\.0$", "")
            listed[f"subscriptions.{name}"] = text.group_concat(", ", order_by=text)
    yield running.group_by("account_id").agg(_terms=running.count(), **listed).drop("_terms")


def _written(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd", write_statistics=False)  # it is read whole
    return file.getvalue()


def without_account(part: bytes, account_id: str, pseudonym: str) -> bytes | None:
    """A part without the row of an account, and with a pseudonym where it is the parent; None where it is neither."""
    ids = pq.read_table(io.BytesIO(part), columns=["account_id", "root_id"])
    if not any(pc.any(pc.equal(column, account_id)).as_py() for column in ids.columns):
        return None
    table = pq.read_table(io.BytesIO(part))
    table = table.filter(pc.not_equal(table["account_id"], account_id))
    roots = table["root_id"]
    renamed = pc.if_else(pc.equal(roots, account_id), pa.scalar(pseudonym, roots.type), roots)
    return _written(table.set_column(table.column_names.index("root_id"), "root_id", renamed))


def stored_inputs(connection: Connection, of: Night) -> Inputs | None:
    """What that night saw; None where it is kept no longer."""
    kept = INPUTS.c.run_id == of.run_id
    first = connection.execute(select(INPUTS.c.content).where(kept).order_by(INPUTS.c.part).limit(1)).scalar()
    if first is None:
        return None
    about = pq.read_schema(io.BytesIO(first)).metadata
    numbers = connection.execute(select(INPUTS.c.part).where(kept).order_by(INPUTS.c.part)).scalars().all()
    files = (
        connection.execute(select(INPUTS.c.content).where(kept, INPUTS.c.part == number)).scalar_one()
        for number in numbers
    )
    return Inputs(files, json.loads(about[_ROWS_KNOWN]))
