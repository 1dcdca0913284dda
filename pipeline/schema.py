"""The tables of the store; `pipeline/store.py` reads them, `pipeline/publication.py` writes them."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import (
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

__all__ = ["CATALOGUES", "INPUTS", "METADATA", "PUBLISHED", "RUNS", "SCORES", "STORE_VERSION", "UNSCORED", "VERSION"]

VERSION: Final = 5
"""Raised whenever a table changes its meaning or shape."""

UNSCORED: Final = ("leaving", "lapsed")
"""The states of accounts that have no risk, and with it no band, rank or reasons."""


class UtcTime(TypeDecorator[datetime]):
    """An instant, kept as UTC; SQLite has no zones, so it is given back with its own."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse an instant without a zone: it could mean anything."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"An instant needs a zone, got {value!r}: use datetime.now(UTC).")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The instant in UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


METADATA: Final = MetaData()

STORE_VERSION = Table("store_version", METADATA, Column("version", Integer, primary_key=True, autoincrement=False))

CATALOGUES = Table(
    "catalogues",
    METADATA,
    # By digest and not by model version: a registry that was set up anew counts from 1 again, and an old night must
    # still be worded by the catalogue that it was scored with.
    Column("digest", String(64), primary_key=True),
    Column("record", Text, nullable=False),
)

RUNS = Table(
    "runs",
    METADATA,
    Column("run_id", String(64), primary_key=True),
    Column("as_of", Date, nullable=False),
    Column("model_version", String(200), nullable=False),
    Column("catalogue", ForeignKey("catalogues.digest"), nullable=False),
    Column("status", String(16), nullable=False),  # staged, published, superseded, abandoned
    Column("started_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    Column("accounts", Integer, nullable=False),
    Column("settings_digest", String(64), nullable=False),
    Column("headline", Text, nullable=False),
    Column("warnings", Text, nullable=False),
)

SCORES = Table(
    "scores",
    METADATA,
    Column("run_id", ForeignKey("runs.run_id"), primary_key=True),
    Column("account_id", Text, primary_key=True),
    Column("root_id", Text, nullable=False),
    Column("name", Text),
    Column("entry_name", Text),
    Column("owner", Text),
    Column("state", String(16), nullable=False),
    Column("last_day", Date),
    Column("band", String(8)),
    Column("rank", Integer),
    Column("risk", Float(53)),
    Column("horizons", Text, nullable=False),
    Column("mrr", Float(53)),
    Column("value_at_risk", Float(53)),
    Column("base_log_odds", Float(53)),
    Column("log_odds", Float(53)),
    Column("change_time", Float(53)),
    Column("change_data", Float(53)),
    Column("change_model", Float(53)),
    Column("largest_family", String(32)),
    Column("involuntary", Float(53)),
    Column("families", Text, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Index("scores_by_rank", "run_id", "owner", "rank"),
)

INPUTS = Table(
    "inputs",
    METADATA,
    Column("run_id", ForeignKey("runs.run_id"), primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
)
"""What a night saw, in Parquet; `pipeline/inputs.py` knows its columns."""

PUBLISHED = Table(
    "published",
    METADATA,
    Column("as_of", Date, primary_key=True),
    Column("run_id", ForeignKey("runs.run_id"), nullable=False, unique=True),
)
"""The pointer: which run readers see for each night. The newest night is the current one."""
