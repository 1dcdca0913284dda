"""The tables of the people store: users, what they did and wrote, what was sent to them, what was forgotten.

Actions, outcomes, notes and the audit log are only ever added to, so two who write about one account at once are both
kept. Their ids are drawn by who writes (`new_id`): what is written again after a lost connection is refused as written
already. What people wrote freely may be null: `churn forget` empties it and keeps the rest.

A change here needs a step in `migrations`: a test holds the steps against these tables.
"""

import secrets
from pathlib import Path
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

from pipeline.store.columns import KEY, UtcTime
from pipeline.store.kind import Kind

__all__ = [
    "ACTIONS",
    "ANNOUNCEMENTS",
    "API_TOKENS",
    "AUDIT_LOG",
    "FORGOTTEN",
    "HOLD_OUT",
    "LASTING",
    "LINKS",
    "MESSAGES",
    "METADATA",
    "NOTES",
    "OUTCOMES",
    "PASSING",
    "PEOPLE_STORE",
    "SESSIONS",
    "USERS",
    "new_id",
]

PEOPLE_STORE: Final = Kind(
    called="people store",
    schema="churn_people",
    revision="0003",
    steps=Path(__file__).parent / "migrations",
    synchronous="FULL",  # what a customer success manager wrote down exists nowhere else
    nowhere="There is no people store at {where} yet: nobody has written anything down.",
    empty="{where} holds no people store yet: nobody has written anything down.",
)
"""The store of what people did, which cannot be rebuilt."""

METADATA: Final = MetaData()


def new_id() -> str:
    """An id for a user, action, outcome or note: 32 hexadecimal digits, drawn at random."""
    return secrets.token_hex(16)


def _one_of(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"known_{column}")


USERS: Final = Table(
    "users",
    METADATA,
    Column("user_id", String(32), primary_key=True),
    Column("email", KEY, nullable=False, unique=True),
    Column("name", Text),
    Column("role", String(16), nullable=False),
    Column("password_hash", Text),  # null until they have chosen one
    Column("language", String(8)),
    Column("created_at", UtcTime, nullable=False),
    Column("deactivated_at", UtcTime),
    CheckConstraint("email = lower(email)", name="email_in_lower_case"),
    _one_of("role", "csm", "manager", "admin"),
)
"""Who may sign in. Nobody is removed: what they did stays theirs."""

SESSIONS: Final = Table(
    "sessions",
    METADATA,
    Column("digest", String(64), primary_key=True),  # of a token that the browser alone holds
    Column("user_id", ForeignKey("users.user_id"), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    Index("sessions_by_user", "user_id"),
)
"""Who is signed in."""

LINKS: Final = Table(
    "links",
    METADATA,
    Column("digest", String(64), primary_key=True),  # of a token that stands in the link alone
    Column("user_id", ForeignKey("users.user_id"), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("ends_at", UtcTime, nullable=False),
    Index("links_by_user", "user_id"),
)
"""Links that let somebody in once."""

API_TOKENS: Final = Table(
    "api_tokens",
    METADATA,
    Column("name", KEY, primary_key=True),  # of the program that holds it, for whoever looks after them
    Column("digest", String(64), nullable=False, unique=True),  # of a token that the program alone holds
    Column("user_id", ForeignKey("users.user_id"), nullable=False),  # as whom it acts
    Column("scope", String(8), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("used_at", UtcTime),
    Column("revoked_at", UtcTime),
    _one_of("scope", "read", "write"),
    Index("api_tokens_by_user", "user_id"),
)
"""What other programs are let in by. None is removed: the audit log names them."""

ACTIONS: Final = Table(
    "actions",
    METADATA,
    Column("action_id", String(32), primary_key=True),
    Column("account_id", KEY, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("user_id", ForeignKey("users.user_id"), nullable=False),
    Column("as_of", Date, nullable=False),  # the night that they looked at
    Column("kind", String(16), nullable=False),
    Column("reached", Boolean),  # of a call
    Column("said", String(32)),  # the family of reasons that the customer named
    Column("why", String(16)),  # of what is not a risk
    Column("next_step", Text),
    Column("next_on", Date),
    Column("rests_until", Date),  # the first day on which the account may be listed again
    _one_of("kind", "called", "later", "not_a_risk"),
    _one_of("why", "seasonal", "known", "test_account", "data_wrong", "other"),
    Index("actions_by_account", "account_id", "at"),
    Index("actions_by_time", "at"),
)
"""What was done about an account."""

OUTCOMES: Final = Table(
    "outcomes",
    METADATA,
    Column("outcome_id", String(32), primary_key=True),
    Column("account_id", KEY, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("user_id", ForeignKey("users.user_id"), nullable=False),
    Column("as_of", Date, nullable=False),
    Column("action_id", ForeignKey("actions.action_id")),
    Column("outcome", String(16), nullable=False),
    _one_of("outcome", "stays", "reduces", "leaves", "undecided"),
    Index("outcomes_by_account", "account_id", "at"),
)
"""What came of it, as who did it wrote. Whether the account stayed is read from the subscriptions."""

NOTES: Final = Table(
    "notes",
    METADATA,
    Column("note_id", String(32), primary_key=True),
    Column("account_id", KEY, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("user_id", ForeignKey("users.user_id"), nullable=False),
    Column("as_of", Date, nullable=False),
    Column("action_id", ForeignKey("actions.action_id")),
    Column("body", Text),
    Index("notes_by_account", "account_id", "at"),
)
"""What was written about an account, by itself or with an action."""

HOLD_OUT: Final = Table(
    "hold_out",
    METADATA,
    Column("root_id", KEY, primary_key=True),  # the accounts of one parent are treated alike
    Column("as_of", Date, primary_key=True),  # the night from which it was drawn
    Column("drawn_at", UtcTime, nullable=False),
    Column("until", Date, nullable=False),  # the first day on which it is called like any other
)
"""Who is left alone by lot, so that the effect of calling can be measured."""

MESSAGES: Final = Table(
    "messages",
    METADATA,
    Column("as_of", Date, primary_key=True),
    Column("recipient", KEY, primary_key=True),
    Column("channel", String(16), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("claimed_at", UtcTime, nullable=False),
    Column("claim", String(32), nullable=False),  # drawn by who sends it: a sender that was replaced may not end it
    Column("ended_at", UtcTime),  # when it was sent, or failed
    Column("error", Text),
    _one_of("state", "claimed", "sent", "failed"),
)
"""What the digest sent: one message for each night, recipient and channel, claimed before it is sent."""

ANNOUNCEMENTS: Final = Table(
    "announcements",
    METADATA,
    Column("as_of", Date, primary_key=True),
    Column("recipient", KEY, primary_key=True),
    Column("channel", String(16), primary_key=True),
    Column("account_id", KEY, primary_key=True),
    Column("change", String(16), nullable=False),  # new, worse, recovered, …
    ForeignKeyConstraint(
        ["as_of", "recipient", "channel"], ["messages.as_of", "messages.recipient", "messages.channel"]
    ),
    Index("announcements_by_account", "account_id", "as_of"),
)
"""Which accounts a message announced."""

AUDIT_LOG: Final = Table(
    "audit_log",
    METADATA,
    # In the order of writing; SQLite numbers by itself what is called INTEGER and nothing else.
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("user_id", ForeignKey("users.user_id")),  # null for a command of who runs the machine
    Column("source", String(16), nullable=False),  # console, api or command
    Column("deed", String(32), nullable=False),
    Column("account_id", KEY),
    Column("as_of", Date),
    Column("details", Text),  # JSON, without what people wrote
    _one_of("source", "console", "api", "command"),
    Index("audit_log_by_time", "at"),
    Index("audit_log_by_account", "account_id"),
)
"""Who saw and did what, and which commands changed what people wrote."""

FORGOTTEN: Final = Table(
    "forgotten",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("salt", String(32), nullable=False),
    Column("at", UtcTime, nullable=False),
)
"""Which accounts were forgotten, by a digest of their ids, so that no later night brings them back."""

PASSING: Final = (SESSIONS, LINKS, API_TOKENS)
"""What lets somebody in. One that came back from a backup could open a door that was closed since."""

LASTING: Final = tuple(table for table in METADATA.sorted_tables if table not in PASSING)
"""What a backup holds, parents first."""
