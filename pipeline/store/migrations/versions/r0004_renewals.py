"""When the contract renews, beside each score: what was done about an account rests until its renewal comes near."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0004"
down_revision: Final = "0003"


def upgrade() -> None:
    """Add it; of older nights it is not known."""
    for table in ("scores", "frozen"):
        op.add_column(table, sa.Column("renews_on", sa.Date))
