"""Evidence: weekly values, tickets, visits and changes of terms, by account."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0003"
down_revision: Final = "0002"


def upgrade() -> None:
    """Make its tables."""
    key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "evidence_nights",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("run_id", sa.String(64), nullable=False, unique=True),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("about", sa.Text, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("evidence_nights_by_date", "evidence_nights", ["as_of"])
    op.create_table(
        "evidence",
        sa.Column("account_id", key, primary_key=True),
        sa.Column("kind", sa.String(8), primary_key=True),
        sa.Column("block", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("night", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
