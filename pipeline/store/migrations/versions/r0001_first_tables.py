"""The first tables: runs and their ledger, scores, what a night saw, the pointer to it, models, and the lease."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0001"
down_revision: Final = None


def upgrade() -> None:
    """Make them."""
    key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "lease",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("token", sa.String(32)),
        sa.Column("holder", sa.Text),
        sa.Column("taken_at", sa.DateTime),
        sa.Column("renewed_at", sa.DateTime),
    )
    op.execute("INSERT INTO lease (id) VALUES (1)")  # nobody holds it
    op.create_table(
        "models",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "champions",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), sa.ForeignKey("models.digest"), nullable=False),
        sa.Column("since", sa.DateTime, nullable=False),
    )
    op.create_table(
        "catalogues",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("record", sa.Text, nullable=False),
    )
    op.create_table(
        "ledger",
        sa.Column("run_id", sa.String(64), primary_key=True),
        sa.Column("command", sa.String(32), nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("started_at", sa.DateTime, nullable=False),
        sa.Column("ended_at", sa.DateTime),
        sa.Column("outcome", sa.String(16)),
        sa.Column("message", sa.Text),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("model_version", sa.String(200)),
        sa.Column("settings_digest", sa.String(64), nullable=False),
        sa.Column("rows_in", sa.Text),
        sa.Column("rows_out", sa.Integer),
        sa.Column("steps", sa.Text),
    )
    op.create_index("ledger_by_start", "ledger", ["started_at"])
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String(64), primary_key=True),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("model_version", sa.String(200), nullable=False),
        sa.Column("catalogue", sa.String(64), sa.ForeignKey("catalogues.digest"), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("started_at", sa.DateTime, nullable=False),
        sa.Column("finished_at", sa.DateTime),
        sa.Column("accounts", sa.Integer, nullable=False),
        sa.Column("settings_digest", sa.String(64), nullable=False),
        sa.Column("headline", sa.Text, nullable=False),
        sa.Column("warnings", sa.Text, nullable=False),
    )
    op.create_table(
        "scores",
        sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), primary_key=True),
        sa.Column("account_id", key, primary_key=True),
        sa.Column("root_id", key, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("entry_name", sa.Text),
        sa.Column("owner", key),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("last_day", sa.Date),
        sa.Column("band", sa.String(8)),
        sa.Column("rank", sa.Integer),
        sa.Column("risk", sa.Float(53)),
        sa.Column("horizons", sa.Text, nullable=False),
        sa.Column("mrr", sa.Float(53)),
        sa.Column("value_at_risk", sa.Float(53)),
        sa.Column("base_log_odds", sa.Float(53)),
        sa.Column("log_odds", sa.Float(53)),
        sa.Column("change_time", sa.Float(53)),
        sa.Column("change_data", sa.Float(53)),
        sa.Column("change_model", sa.Float(53)),
        sa.Column("largest_family", sa.String(32)),
        sa.Column("involuntary", sa.Float(53)),
        sa.Column("families", sa.Text, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
    )
    op.create_index("scores_by_rank", "scores", ["run_id", "owner", "rank"])
    op.create_table(
        "inputs",
        sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), primary_key=True),
        sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "published",
        sa.Column("as_of", sa.Date, primary_key=True),
        sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), nullable=False, unique=True),
    )
