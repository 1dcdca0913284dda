"""The tables of a warehouse, as `churn init` looks at them: some rows of each, in the local engine."""

from contextlib import closing
from typing import Final

import duckdb
import psycopg
import pyarrow as pa
from psycopg import sql

from pipeline.errors import FailedError
from pipeline.files import Fault
from pipeline.proposal.found_columns import describe
from pipeline.proposal.found_tables import SAMPLED_ROWS, FoundTable, Gathered, engine
from pipeline.warehouse.postgresql import Lost, Table, Warehouse, address, read_only
from pipeline.warehouse.relations import Relation

__all__ = ["gather_warehouse"]

_MOST_ROWS: Final = 50_000
"""Of larger tables so many are looked at, taken from all over the table."""

_COUNTED: Final = 1_000_000
"""Tables that the server thinks larger are not counted: it would take long, and nothing hangs on it."""

_LONGEST: Final = 100
"""Characters of a text that are looked at."""


def gather_warehouse(connection: str) -> Gathered:
    """Every table and view that the role may select from. The caller closes the engine.

    Raises
    ------
    UsageError
        When the address is none, or the server refuses the user, the password or the database.
    FailedError
        When the warehouse does not answer.
    """
    found = Gathered(engine())
    try:
        with read_only(connection) as warehouse:
            for table in warehouse.tables():
                relation = warehouse.relation(table.name)
                if isinstance(relation, Fault):
                    found.unreadable.append(f"{relation.rule}. {relation.remedy}")
                    continue
                if relation.hidden:
                    found.unreadable.append(_hidden(table, relation, warehouse.role))
                try:
                    found.tables.append(_looked_at(found.engine, warehouse, table, relation, len(found.tables)))
                except psycopg.Error as error:
                    fault = warehouse.fault(error, table.name)
                    found.unreadable.append(f"{fault.rule}. {fault.remedy}")
    except Lost as error:
        found.engine.close()
        raise FailedError(f"The warehouse {address(connection)} does not answer: {error} Is it up?") from error
    except BaseException:
        found.engine.close()
        raise
    return found


def _hidden(table: Table, relation: Relation, role: str) -> str:
    columns, granted = (
        ", ".join(relation.hidden),
        ", ".join(sql.Identifier(each).as_string() for each in relation.hidden),
    )
    return (
        f"may not be read by {role}: {columns} of {table.name}. What shall be used needs the right: GRANT SELECT "
        f"({granted}) ON {table.name} TO {sql.Identifier(role).as_string()}."
    )


def _looked_at(
    local: duckdb.DuckDBPyConnection, warehouse: Warehouse, table: Table, relation: Relation, place: int
) -> FoundTable:
    rows = warehouse.count(relation) if table.rows < _COUNTED else table.rows
    # Somewhat less than fits, for what is beyond the limit is the end of the table, and that is its newest rows.
    share = None if rows <= _MOST_ROWS or table.is_view else 80 * _MOST_ROWS / rows
    names = list(relation.columns)
    with closing(warehouse.read(relation, names, sample=share, most=_MOST_ROWS, longest=_LONGEST)) as batches:
        read = pa.Table.from_batches(batches, relation.schema(names))
    local.register("arriving", read)
    whole, sample = f"table_{place}", f"sample_{place}"
    local.execute(f"CREATE TEMP TABLE {whole} AS SELECT * FROM arriving")
    local.execute(f"CREATE TEMP TABLE {sample} AS SELECT * FROM {whole} LIMIT {SAMPLED_ROWS}")
    local.unregister("arriving")
    columns = tuple(describe(local, sample, name) for name in names)
    return FoundTable(table.name, whole, sample, rows, columns, in_warehouse=True)
