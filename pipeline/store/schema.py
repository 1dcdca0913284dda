"""The tables of the published nights; `nights.py` reads them, `pipeline/publication.py` writes them.

A change here needs a step in `migrations/versions`: a test holds the steps against these tables.
"""

from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
)

from pipeline.store.columns import KEY, UtcTime
from pipeline.store.kind import Kind

__all__ = [
    "CATALOGUES",
    "CHAMPIONS",
    "DETAILS",
    "EVIDENCE",
    "EVIDENCE_NIGHTS",
    "FROZEN",
    "INPUTS",
    "LEASE",
    "LEDGER",
    "METADATA",
    "MODELS",
    "PUBLISHED",
    "PUBLISHED_STORE",
    "REVISION",
    "RUNS",
    "SCORES",
    "STORE_VERSION",
    "UNSCORED",
    "WITH_DETAILS",
]

REVISION: Final = "0005"
"""The newest step of `migrations/versions`: what readers and writers need."""

PUBLISHED_STORE: Final = Kind(
    called="store",
    schema="churn_published",
    revision=REVISION,
    steps=Path(__file__).parent / "migrations" / "versions",
    synchronous="NORMAL",  # a night that a power cut costs is scored again
    nowhere="There is no store at {where} yet. Score a night first: churn score.",
    empty="{where} holds no nights. Check [store] url, or score one: churn score.",
)
"""The store of the published nights, which can be rebuilt."""

UNSCORED: Final = ("leaving", "lapsed")
"""The states of accounts that have no risk, and with it no band, rank or reasons."""


METADATA: Final = MetaData()

STORE_VERSION = Table("revision", MetaData(), Column("version_num", String(32), primary_key=True))
"""Alembic's own, which makes it by itself."""

LEASE = Table(
    "lease",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False, default=1),
    Column("token", String(32)),
    Column("holder", Text),
    Column("taken_at", UtcTime),
    Column("renewed_at", UtcTime),
)
"""Who may write, in one row; nobody where `token` is null. Its shape may never change: it is taken before any step."""

MODELS = Table(
    "models",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
"""Every model that was champion; `pipeline/kept_models.py` knows how it is packed."""

CHAMPIONS = Table(
    "champions",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("digest", ForeignKey("models.digest"), nullable=False),
    Column("since", UtcTime, nullable=False),
)
"""Who was champion from when on, under the registry's name of the model."""

CATALOGUES = Table(
    "catalogues",
    METADATA,
    # By digest and not by model version: a registry that was set up anew counts from 1 again, and an old night must
    # still be worded by the catalogue that it was scored with.
    Column("digest", String(64), primary_key=True),
    Column("record", Text, nullable=False),
)

LEDGER = Table(
    "ledger",
    METADATA,
    Column("run_id", String(64), primary_key=True),
    Column("command", String(32), nullable=False),
    Column("as_of", Date, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("outcome", String(16)),  # published, refused, ended, failed
    Column("message", Text),
    Column("host", Text, nullable=False),
    Column("model_version", String(200)),
    Column("settings_digest", String(64), nullable=False),
    Column("rows_in", Text),
    Column("rows_out", Integer),
    Column("steps", Text),
    Index("ledger_by_start", "started_at"),
)
"""Every run that began, whatever became of it; `pipeline/ledger.py` writes it."""

RUNS = Table(
    "runs",
    METADATA,
    Column("run_id", String(64), primary_key=True),
    Column("as_of", Date, nullable=False),
    Column("model_version", String(200), nullable=False),
    Column("catalogue", ForeignKey("catalogues.digest"), nullable=False),
    Column("status", String(16), nullable=False),  # staged, published, superseded, expired
    Column("started_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    Column("accounts", Integer, nullable=False),
    Column("settings_digest", String(64), nullable=False),
    Column("headline", Text, nullable=False),
    Column("warnings", Text, nullable=False),
    Column("in_sample", Boolean, nullable=False, server_default=false()),
)


def _of_an_account() -> tuple[Column[Any], ...]:
    """What a night says of an account, whatever becomes of the night."""
    return (
        Column("root_id", KEY, nullable=False),
        Column("name", Text),
        Column("entry_name", Text),
        Column("owner", KEY),
        Column("state", String(16), nullable=False),
        Column("last_day", Date),
        Column("band", String(8)),
        Column("rank", Integer),
        Column("risk", Float(53)),
        Column("mrr", Float(53)),
        Column("value_at_risk", Float(53)),
        Column("base_log_odds", Float(53)),
        Column("log_odds", Float(53)),
        Column("change_time", Float(53)),
        Column("change_data", Float(53)),
        Column("change_model", Float(53)),
        Column("largest_family", String(32)),
        Column("involuntary", Float(53)),
        Column("horizons", LargeBinary, nullable=False),
        Column("families", LargeBinary, nullable=False),
        Column("renews_on", Date),
        Column("segment", Text),
        Column("plan", Text),
    )


SCORES = Table(
    "scores",
    METADATA,
    Column("run_id", ForeignKey("runs.run_id"), primary_key=True),
    Column("account_id", KEY, primary_key=True),
    *_of_an_account(),
    Index("scores_by_rank", "run_id", "owner", "rank"),
    sqlite_with_rowid=False,
)
"""Risks, by account. `horizons` and `families` are doubles one after another, in the order that the catalogue names."""

DETAILS = Table(
    "details",
    METADATA,
    Column("run_id", ForeignKey("runs.run_id"), primary_key=True),
    Column("account_id", KEY, primary_key=True),
    Column("packed", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""Reasons, in a table of their own because they go earlier; `details.py` knows how they are packed."""

WITH_DETAILS = SCORES.outerjoin(
    DETAILS, (DETAILS.c.run_id == SCORES.c.run_id) & (DETAILS.c.account_id == SCORES.c.account_id)
)
"""Each score with its reasons, as long as they are kept."""

FROZEN = Table(
    "frozen",
    METADATA,
    Column("run_id", String(64), primary_key=True),
    Column("account_id", KEY, primary_key=True),
    Column("gone_on", Date, nullable=False),
    Column("as_of", Date, nullable=False),
    Column("model_version", String(200), nullable=False),
    Column("catalogue", ForeignKey("catalogues.digest"), nullable=False),
    *_of_an_account(),
    Column("packed", LargeBinary),
    Index("frozen_by_account", "account_id"),
)
"""The last score of an account that the night of `gone_on`, written by `run_id`, no longer scored; it stays when the
night of `as_of`, in which it was given, goes."""

INPUTS = Table(
    "inputs",
    METADATA,
    Column("run_id", ForeignKey("runs.run_id"), primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
)
"""What a night saw, in Parquet; `pipeline/inputs.py` knows its columns."""

EVIDENCE_NIGHTS = Table(
    "evidence_nights",
    METADATA,
    Column("number", Integer, primary_key=True),
    # No foreign key: a night that is kept no longer may have written what later ones still show.
    Column("run_id", String(64), nullable=False, unique=True),
    Column("as_of", Date, nullable=False),
    Column("about", Text, nullable=False),
    Column("state", String(8), nullable=False),  # kept, oldest, passing, past
    Index("evidence_nights_by_date", "as_of"),
    sqlite_autoincrement=True,  # the number of a night that is gone is never given again
)
"""The nights that brought evidence, with what it says of all accounts. Before the `oldest` that shows any, nothing is
left that it hides; what later ones do not need goes while they are `passing`, and has gone when they are `past`."""

EVIDENCE = Table(
    "evidence",
    METADATA,
    Column("account_id", KEY, primary_key=True),
    Column("kind", String(8), primary_key=True),  # weeks, events
    Column("block", Integer, primary_key=True, autoincrement=False),
    Column("night", Integer, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""What is shown of accounts beside their scores, from the night on that first found it so; nothing where empty.

`pipeline/store/evidence.py` reads it, `pipeline/kept_evidence.py` writes it.
"""

PUBLISHED = Table(
    "published",
    METADATA,
    Column("as_of", Date, primary_key=True),
    Column("run_id", ForeignKey("runs.run_id"), nullable=False, unique=True),
)
"""The pointer: which run readers see for each night. The newest night is the current one."""
