"""Reasons packed and in a table of their own, so that they can go earlier; last scores that stay.

Nights of before are left behind: they can be scored again, and their reasons would have to be packed by today's code.
"""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0002"
down_revision: Final = "0001"

_KEY: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make them."""
    for table in ("published", "inputs", "scores", "runs", "catalogues"):
        op.execute(sa.delete(sa.table(table)))
    op.add_column("runs", sa.Column("in_sample", sa.Boolean, nullable=False, server_default=sa.false()))
    op.drop_table("scores")
    op.create_table(
        "scores",
        sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), primary_key=True),
        sa.Column("account_id", _KEY, primary_key=True),
        *_of_an_account(),
        sqlite_with_rowid=False,
    )
    op.create_index("scores_by_rank", "scores", ["run_id", "owner", "rank"])
    op.create_table(
        "details",
        sa.Column("run_id", sa.String(64), sa.ForeignKey("runs.run_id"), primary_key=True),
        sa.Column("account_id", _KEY, primary_key=True),
        sa.Column("packed", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "frozen",
        sa.Column("run_id", sa.String(64), primary_key=True),
        sa.Column("account_id", _KEY, primary_key=True),
        sa.Column("gone_on", sa.Date, nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("model_version", sa.String(200), nullable=False),
        sa.Column("catalogue", sa.String(64), sa.ForeignKey("catalogues.digest"), nullable=False),
        *_of_an_account(),
        sa.Column("packed", sa.LargeBinary),
    )
    op.create_index("frozen_by_account", "frozen", ["account_id"])


def _of_an_account() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("root_id", _KEY, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("entry_name", sa.Text),
        sa.Column("owner", _KEY),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("last_day", sa.Date),
        sa.Column("band", sa.String(8)),
        sa.Column("rank", sa.Integer),
        sa.Column("risk", sa.Float(53)),
        sa.Column("mrr", sa.Float(53)),
        sa.Column("value_at_risk", sa.Float(53)),
        sa.Column("base_log_odds", sa.Float(53)),
        sa.Column("log_odds", sa.Float(53)),
        sa.Column("change_time", sa.Float(53)),
        sa.Column("change_data", sa.Float(53)),
        sa.Column("change_model", sa.Float(53)),
        sa.Column("largest_family", sa.String(32)),
        sa.Column("involuntary", sa.Float(53)),
        sa.Column("horizons", sa.LargeBinary, nullable=False),
        sa.Column("families", sa.LargeBinary, nullable=False),
    )
