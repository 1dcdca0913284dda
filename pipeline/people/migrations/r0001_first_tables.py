"""The first tables: users, what they did and wrote, the hold-out, messages, the audit log, and what was forgotten."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0001"
down_revision: Final = None


def upgrade() -> None:
    """Make them."""
    key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "users",
        sa.Column("user_id", sa.String(32), primary_key=True),
        sa.Column("email", key, nullable=False, unique=True),
        sa.Column("name", sa.Text),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password_hash", sa.Text),
        sa.Column("language", sa.String(8)),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("deactivated_at", sa.DateTime),
        sa.CheckConstraint("email = lower(email)", name="email_in_lower_case"),
        sa.CheckConstraint("role IN ('csm', 'manager', 'admin')", name="known_role"),
    )
    op.create_table(
        "actions",
        sa.Column("action_id", sa.String(32), primary_key=True),
        sa.Column("account_id", key, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("user_id", sa.String(32), sa.ForeignKey("users.user_id"), nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("reached", sa.Boolean),
        sa.Column("said", sa.String(32)),
        sa.Column("why", sa.String(16)),
        sa.Column("next_step", sa.Text),
        sa.Column("next_on", sa.Date),
        sa.Column("rests_until", sa.Date),
        sa.CheckConstraint("kind IN ('called', 'later', 'not_a_risk')", name="known_kind"),
        sa.CheckConstraint("why IN ('seasonal', 'known', 'test_account', 'data_wrong', 'other')", name="known_why"),
    )
    op.create_index("actions_by_account", "actions", ["account_id", "at"])
    op.create_index("actions_by_time", "actions", ["at"])
    op.create_table(
        "outcomes",
        sa.Column("outcome_id", sa.String(32), primary_key=True),
        sa.Column("account_id", key, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("user_id", sa.String(32), sa.ForeignKey("users.user_id"), nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("action_id", sa.String(32), sa.ForeignKey("actions.action_id")),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.CheckConstraint("outcome IN ('stays', 'reduces', 'leaves', 'undecided')", name="known_outcome"),
    )
    op.create_index("outcomes_by_account", "outcomes", ["account_id", "at"])
    op.create_table(
        "notes",
        sa.Column("note_id", sa.String(32), primary_key=True),
        sa.Column("account_id", key, nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("user_id", sa.String(32), sa.ForeignKey("users.user_id"), nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("action_id", sa.String(32), sa.ForeignKey("actions.action_id")),
        sa.Column("body", sa.Text),
    )
    op.create_index("notes_by_account", "notes", ["account_id", "at"])
    op.create_table(
        "hold_out",
        sa.Column("root_id", key, primary_key=True),
        sa.Column("as_of", sa.Date, primary_key=True),
        sa.Column("drawn_at", sa.DateTime, nullable=False),
        sa.Column("until", sa.Date, nullable=False),
    )
    op.create_table(
        "messages",
        sa.Column("as_of", sa.Date, primary_key=True),
        sa.Column("recipient", key, primary_key=True),
        sa.Column("channel", sa.String(16), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("claimed_at", sa.DateTime, nullable=False),
        sa.Column("claim", sa.String(32), nullable=False),
        sa.Column("ended_at", sa.DateTime),
        sa.Column("error", sa.Text),
        sa.CheckConstraint("state IN ('claimed', 'sent', 'failed')", name="known_state"),
    )
    op.create_table(
        "announcements",
        sa.Column("as_of", sa.Date, primary_key=True),
        sa.Column("recipient", key, primary_key=True),
        sa.Column("channel", sa.String(16), primary_key=True),
        sa.Column("account_id", key, primary_key=True),
        sa.Column("change", sa.String(16), nullable=False),
        sa.ForeignKeyConstraint(
            ["as_of", "recipient", "channel"], ["messages.as_of", "messages.recipient", "messages.channel"]
        ),
    )
    op.create_index("announcements_by_account", "announcements", ["account_id", "as_of"])
    op.create_table(
        "audit_log",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
        sa.Column("user_id", sa.String(32), sa.ForeignKey("users.user_id")),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("deed", sa.String(32), nullable=False),
        sa.Column("account_id", key),
        sa.Column("as_of", sa.Date),
        sa.Column("details", sa.Text),
        sa.CheckConstraint("source IN ('console', 'api', 'command')", name="known_source"),
    )
    op.create_index("audit_log_by_time", "audit_log", ["at"])
    op.create_index("audit_log_by_account", "audit_log", ["account_id"])
    op.create_table(
        "forgotten",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("salt", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime, nullable=False),
    )
