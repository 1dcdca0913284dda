"""An account as it leaves the product: the columns that other systems rely on, and how they stand in CSV."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pipeline.amounts import Language
from pipeline.headline import by_rules
from pipeline.store.nights import AccountNight, Night
from pipeline.told_reasons import told_reasons

__all__ = ["COLUMNS", "Row", "as_json", "csv_lines", "exported"]

COLUMNS: Final = (
    "account_id",
    "as_of",
    "risk",
    "band",
    "state",
    "mrr",
    "value_at_risk",
    "rank",
    "owner",
    "model_version",
    "base_log_odds",
    "log_odds",
    "reasons",
    "families",
)

Row = dict[str, Any]


def exported(account: AccountNight, of: Night, features: Mapping[str, Any], language: Language) -> Row:
    """The row of an account; see `pipeline.export.export_night` for what the columns mean.

    `features` are the records of the night's catalogue.
    """
    numbers = by_rules(of.headline) is None
    return {
        "account_id": account.account_id,
        "as_of": of.as_of,
        "risk": account.risk if numbers else None,
        "band": account.band,
        "state": account.state,
        "mrr": account.mrr,
        "value_at_risk": account.value_at_risk if numbers else None,
        "rank": account.rank,
        "owner": account.owner,
        "model_version": of.model_version,
        "base_log_odds": account.base_log_odds,
        "log_odds": account.log_odds,
        "reasons": told_reasons(account, of.as_of, features, language),
        "families": dict(account.families),
    }


def as_json(value: Any) -> str:
    """The value as it stands in a file: in one line, every float in full."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def csv_lines(rows: Iterable[Row]) -> Iterator[bytes]:
    """The names of the columns, then each row, as RFC 4180 has them, in UTF-8.

    A text that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        yield _taken(text)
        nested = {name: as_json(row[name]) for name in ("reasons", "families")}
        plain = {**row, **nested, "as_of": row["as_of"].isoformat()}
        writer.writerow([_cell(plain[name]) for name in COLUMNS])
    yield _taken(text)


def _taken(text: io.StringIO) -> bytes:
    line = text.getvalue()
    text.seek(0)
    text.truncate()
    return line.encode()


_FORMULA: Final = re.compile(r"[=+\-@\t\r\n]")
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value if isinstance(value, str) else repr(value)
