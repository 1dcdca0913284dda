"""What of a warehouse can be read: a table or a query, with its columns and how each is sent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
from psycopg import sql
from sqlglot import TokenType, tokenize
from sqlglot.errors import SqlglotError

from pipeline.files import Fault
from pipeline.warehouse.binary_rows import ARROW_TYPES, Kind

__all__ = ["Relation", "one_statement", "relation_of"]

_KINDS: Final[Mapping[int, Kind]] = {
    16: "boolean",
    20: "int64",
    21: "int16",
    23: "int32",
    700: "float32",
    701: "float64",
    1082: "date",
    1114: "timestamp",
    1184: "timestamptz",
}
"""The types that are sent as they are. All others (numeric, uuid, enums, …) come as text, which loses nothing."""

_SENT_AS_TEXT: Final = frozenset({25, 1043})


@dataclass(frozen=True)
class Relation:
    """Something that can be read: `rows` is what stands after FROM, `columns` are its columns with how each is sent.

    `hidden` are columns that the role may not select.
    """

    rows: str
    columns: Mapping[str, Kind]
    as_text: frozenset[str] = frozenset()
    hidden: tuple[str, ...] = ()

    def selected(self, names: Iterable[str], longest: int | None = None) -> sql.Composed:
        """SELECT of some of the columns, of texts so many characters."""
        return sql.SQL("SELECT {} FROM ").format(
            sql.SQL(", ").join(self._expression(name, longest) for name in names)
        ) + sql.SQL(self.rows)

    def kinds(self, names: Iterable[str]) -> dict[str, Kind]:
        """How some of the columns are sent."""
        return {name: self.columns[name] for name in names}

    def schema(self, names: Iterable[str]) -> pa.Schema:
        """What some of the columns become."""
        return pa.schema([(name, ARROW_TYPES[self.columns[name]]) for name in names])

    def _expression(self, name: str, longest: int | None) -> sql.Composable:
        column: sql.Composable = sql.Identifier(name)
        if name in self.as_text:
            column = sql.SQL("{}::text").format(column)
        if longest is not None and self.columns[name] == "text":
            column = sql.SQL("left({}, {})").format(column, longest)
        return column


def relation_of(rows: str, types: Mapping[str, int], hidden: tuple[str, ...] = ()) -> Relation:
    """What is read after FROM, by the numbers that the server has for the types of its columns."""
    kinds = {name: _KINDS.get(oid, "text") for name, oid in types.items()}
    cast = {name for name, oid in types.items() if oid not in _KINDS and oid not in _SENT_AS_TEXT}
    return Relation(rows, kinds, frozenset(cast), hidden)


def one_statement(query: str) -> str | Fault:
    """A query as a relation: without the semicolons that end it and the comments after them."""
    try:
        tokens = tokenize(query, read="postgres")
    except SqlglotError as error:
        return Fault("cannot be read: its sql", f"It is no SQL: {str(error).splitlines()[0]}")
    while tokens and tokens[-1].token_type is TokenType.SEMICOLON:
        tokens.pop()
    statements = sum(token.token_type is TokenType.SEMICOLON for token in tokens) + 1 if tokens else 0
    if statements != 1:
        return Fault(f"has {statements} statements in its sql", "Write one query there: SELECT ….")
    return f"(\n{query[tokens[0].start : tokens[-1].end + 1]}\n) AS source"
