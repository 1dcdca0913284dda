"""What a night saw: the features of every account, and the columns behind them that a warehouse edits in place.

It is kept with the night as Parquet, so that a replay can hold it against what the tables say of that night today.
There are no names, texts, e-mail addresses or ids of users in it.
"""

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

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

__all__ = ["EDITED", "Inputs", "inputs", "parts", "stored_inputs", "without_account"]

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
_PART_ROWS: Final = 50_000
_ROWS_KNOWN: Final = b"rows_known"


@dataclass(frozen=True)
class Inputs:
    """What was known of all accounts at a moment.

    Attributes
    ----------
    frame
        By `account_id`, ascending: `root_id`, `state`, `since`, `last_day`, `mrr`, the features under their names, and
        the columns of `EDITED` as `table.column`, in text; those of several running terms are listed, in order.
    rows_known
        How many rows of each table were known; of a row that has versions, one.
    """

    frame: pd.DataFrame
    rows_known: Mapping[str, int]


def inputs(past: History, moment: Moment, known: pd.DataFrame, recipe: Recipe) -> Inputs:
    """What a night sees, where `known` are the accounts with their features as the night has computed them."""
    kinds = {feature.name: "string" if feature.kind == "category" else "float64" for feature in recipe.features}
    types = _TYPES | {"mrr": "float64"} | kinds
    frame = known[list(types)]
    for edited in _edited(past, moment):
        frame = frame.merge(edited, on="account_id", how="left")
    schema = pa.schema([(name, types.get(name, "string")) for name in frame.columns])
    # Through the types of the file, so that what is compared with a stored night has passed through the same.
    typed = pa.Table.from_pandas(frame, schema, preserve_index=False).to_pandas()
    counted = {name: int(past.known(name, moment).count().execute()) for name in past.tables}
    return Inputs(typed.set_index("account_id").sort_index(), counted)


def _edited(past: History, moment: Moment) -> Iterator[pd.DataFrame]:
    accounts = past.known("accounts", moment)
    there = [name for name in EDITED["accounts"] if name in accounts.columns]
    yield accounts.select("account_id", **{f"accounts.{name}": accounts[name] for name in there}).to_pandas()
    if "subscriptions" not in past.tables:
        return
    running = terms(past, moment)
    running = running.filter(running["ended_on"].isnull())
    listed = {}
    for name in EDITED["subscriptions"]:
        if name in running.columns:
            text = running[name].cast("string").re_replace(r"\.0$", "")
            listed[f"subscriptions.{name}"] = text.group_concat(", ", order_by=text)
    yield running.group_by("account_id").agg(_terms=running.count(), **listed).drop("_terms").to_pandas()


def parts(of: Inputs, rows: int = _PART_ROWS) -> Iterator[bytes]:
    """The same as Parquet files of so many accounts each."""
    for start in range(0, len(of.frame), rows):
        table = pa.Table.from_pandas(of.frame.iloc[start : start + rows].reset_index(), preserve_index=False)
        yield _written(table.replace_schema_metadata({_ROWS_KNOWN: json.dumps(dict(of.rows_known))}))


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
    wanted = select(INPUTS.c.content).where(INPUTS.c.run_id == of.run_id).order_by(INPUTS.c.part)
    return _read(connection.execute(wanted).scalars())


def _read(files: Iterable[bytes]) -> Inputs | None:
    tables = [pq.read_table(io.BytesIO(content)) for content in files]
    if not tables:
        return None
    rows_known: dict[str, Any] = json.loads(tables[0].schema.metadata[_ROWS_KNOWN])
    # A column that is empty in one part has no type of its own there.
    whole = pa.concat_tables(tables, promote_options="permissive")
    return Inputs(whole.to_pandas().set_index("account_id"), rows_known)
