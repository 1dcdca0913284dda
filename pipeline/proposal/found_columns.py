"""What a few thousand rows say of one column: how many are filled, and whether with times, numbers or e-mails."""

import re
from dataclasses import dataclass
from typing import Final, Literal

import duckdb

__all__ = ["FoundColumn", "Writing", "describe", "quoted_name", "reduced", "trimmed"]

_NUMBERS: Final = frozenset({"number", "whole"})
_TIMES: Final = frozenset({"date", "instant"})
_TRIED: Final = 300  # values on which the ways of writing are tried: enough to tell them apart
_CURRENCY: Final = r"(?:[$€£¥￥]|USD|EUR|GBP|CHF|CNY|RMB|元)"


@dataclass(frozen=True)
class Writing:
    """A way of writing times or numbers that the engine does not read by itself, and the SQL that does."""

    kind: Literal["time", "number"]
    words: str
    sql: str
    written: str = ""  # what a value must look like before the SQL is tried

    def read(self, expression: str) -> str:
        """The SQL that reads an expression written so; null where it is not."""
        return self.sql.replace("{}", f"{expression}::VARCHAR")


def _day(words: str, pattern: str, written: str = "") -> Writing:
    patterns = ", ".join(f"'{pattern}{clock}'" for clock in ("", " %H:%M", " %H:%M:%S"))
    return Writing("time", words, f"try_strptime({{}}, [{patterns}])", written)


_WRITINGS: Final = (
    _day("day.month.year", "%d.%m.%Y"),
    _day("month/day/year", "%m/%d/%Y"),
    _day("day/month/year", "%d/%m/%Y"),
    _day("year.month.day", "%Y.%m.%d"),
    _day("yearmonthday", "%Y%m%d", r"(19|20)\d{6}"),
    _day("year年month月day日", "%Y年%m月%d日"),
    Writing(
        "number",
        "money such as $1,200.50",
        "try_cast(regexp_replace({}, '[^0-9.-]', '', 'g') AS DOUBLE)",
        rf"{_CURRENCY}?\s*-?(\d{{1,3}}(,\d{{3}})+|\d+)(\.\d+)?\s*{_CURRENCY}?",
    ),
    Writing(
        "number",
        "money such as 1.200,50 €",
        "try_cast(replace(regexp_replace({}, '[^0-9,-]', '', 'g'), ',', '.') AS DOUBLE)",
        rf"{_CURRENCY}?\s*-?(\d{{1,3}}(\.\d{{3}})+|\d+)(,\d+)?\s*{_CURRENCY}?",
    ),
)


@dataclass(frozen=True)
class FoundColumn:
    """A column as its sample has it: the share of filled rows, and among the filled ones the shares of each sort.

    `decimals` are numbers that are not whole, `distinct` is the share of values that differ; `writing` tells how times
    or numbers are written where the engine needs to be told.
    """

    name: str
    filled: float
    times: float
    numbers: float
    decimals: float
    emails: float
    distinct: float
    examples: tuple[str, ...]
    writing: Writing | None = None

    def fits(self, type_: str) -> bool:
        """Whether the sampled values are of a type of the contract; an empty column contradicts nothing."""
        if not self.filled:
            return True
        if type_ in _TIMES:
            return self.times >= 0.9
        return self.numbers >= 0.9 if type_ in _NUMBERS else True

    def writing_of(self, type_: str) -> Writing | None:
        """How its values are written, where the contract's type needs them read so."""
        kinds = {"time": _TIMES, "number": _NUMBERS}
        return self.writing if self.writing is not None and type_ in kinds[self.writing.kind] else None

    def read_as(self, type_: str, table: str = "") -> str:
        """The SQL of its values, readable as a type of the contract."""
        expression = f"{table}{quoted_name(self.name)}"
        writing = self.writing_of(type_)
        return writing.read(expression) if writing is not None else expression


def describe(engine: duckdb.DuckDBPyConnection, sample: str, name: str) -> FoundColumn:
    """Measure one column of a sampled table."""
    sampled, filled, times, numbers, decimals, emails, distinct, values = engine.execute(
        f"SELECT count(*), count(c), count(try_cast(c AS TIMESTAMP)), count(try_cast(c AS DOUBLE)), "
        f"count(*) FILTER (try_cast(c AS DOUBLE) <> round(try_cast(c AS DOUBLE))), "
        f"count(*) FILTER (regexp_full_match(c, '[^@\\s]+@[^@\\s]+\\.[^@\\s]+')), count(DISTINCT c), "
        f"list(c) FILTER (c IS NOT NULL) FROM (SELECT {trimmed(name)} AS c FROM {sample})"
    ).fetchone() or (0, 0, 0, 0, 0, 0, 0, None)
    of_filled = max(filled, 1)
    shares = {"time": times / of_filled, "number": numbers / of_filled}
    writing = None
    if values and shares["time"] < 0.9:
        writing, share = _written(engine, values[:_TRIED], shares["number"] < 0.9)
        if writing is not None:
            shares[writing.kind] = share
    return FoundColumn(
        name,
        filled / max(sampled, 1),
        shares["time"],
        shares["number"],
        decimals / of_filled,
        emails / of_filled,
        distinct / of_filled,
        tuple(dict.fromkeys(values or ()))[:2],
        writing,
    )


def _written(engine: duckdb.DuckDBPyConnection, values: list[str], numbers_too: bool) -> tuple[Writing | None, float]:
    """The way in which most values are written, with their share; None where it is none that we know."""
    ways = [way for way in _WRITINGS if way.kind == "time" or numbers_too]
    counted = ", ".join(f"count({_told_apart(way)})" for way in ways)
    rows = engine.execute(f"SELECT {counted} FROM (SELECT unnest(?::VARCHAR[]) AS c)", [values]).fetchone() or ()
    most, writing = max(zip(rows, ways, strict=True), key=lambda pair: pair[0])
    return (writing, most / len(values)) if most >= 0.9 * len(values) else (None, 0.0)


def _told_apart(writing: Writing) -> str:
    """The SQL that is null for every value which is not written so."""
    if not writing.written:
        return writing.read("c")
    pattern = writing.written.replace("'", "''")
    return f"CASE WHEN regexp_full_match(c, '{pattern}') THEN {writing.read('c')} END"


def quoted_name(name: str) -> str:
    """A name of SQL."""
    return '"' + name.replace('"', '""') + '"'


def trimmed(column: str) -> str:
    """The SQL of a column's values as text, null where they are empty."""
    return f"nullif(trim({quoted_name(column)}::VARCHAR), '')"


def reduced(name: str) -> str:
    """A name without case, spaces and marks, so that `SignupDate` and `signup_date` are equal."""
    return re.sub(r"[\W_]+", "", name.lower())
