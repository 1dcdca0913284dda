"""The contract: what tables the product reads, and from when each column may be known.

The contract is data. It is read by the check at the door (`pipeline/checks.py`), by the modules that look at the tables
as of a date (`features/versions.py`) and by the demo company, which knows nothing else of the product.

Every column says what makes its value knowable:

- *fixed*: known with its row, from the row's event time on;
- *fact*: null until its own time has come, together with everything that came with it (`known_from`);
- *plan*: may lie ahead, known with its row;
- *mutable*: edited in place without a time. What stands there today need not have stood there then, so such a column
  enters the model only where the table keeps versions, or where the settings declare it constant.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

__all__ = [
    "CONTRACT",
    "RECORDED_AT",
    "WRITTEN_ID",
    "Column",
    "Knowable",
    "Rule",
    "Severity",
    "Table",
    "required_tables",
]

Type = Literal["text", "date", "instant", "number", "whole", "boolean"]
RuleKind = Literal["at_least", "between", "one_of", "not_before", "finite"]

RECORDED_AT: Final = "recorded_at"
"""When this version of a row reached the warehouse. Every table may have it."""

WRITTEN_ID: Final = "written_id"
"""`account_id` of `usage` as it stands in the files, blanks around it included; absent where it is no text there.

Added up by what is written, a large table needs its ids freed of blanks once for each sum, and not for each row.
"""


class Knowable(StrEnum):
    """What makes a column's value known; see the module's text."""

    FIXED = "fixed"
    FACT = "fact"
    PLAN = "plan"
    MUTABLE = "mutable"


class Severity(StrEnum):
    """Whether a broken rule stops the run before anything is written, or is recorded with it."""

    FATAL = "fatal"
    WARN = "warn"


@dataclass(frozen=True)
class Column:
    """One column. `known_from` names the column that holds a fact's own time; a fact without one is its own time.

    `nullable` is a required column that must be there, and may be empty in some rows.
    """

    name: str
    type: Type
    knowable: Knowable = Knowable.FIXED
    required: bool = False
    nullable: bool = False
    known_from: str | None = None
    meaning: str = ""


@dataclass(frozen=True)
class Rule:
    """What a value must satisfy. `bound` is a number, a pair, a set of words or the name of another column, by kind."""

    column: str
    kind: RuleKind
    bound: float | tuple[float, float] | tuple[str, ...] | str | None
    severity: Severity
    remedy: str


@dataclass(frozen=True)
class Table:
    """One table: `event_time` is when a row became true, `key` identifies what a row (or its versions) speaks of."""

    name: str
    event_time: str
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = ()
    key: str | None = None
    changes: bool = False  # rows are edited after their event time, so versions of them may be kept

    def column(self, name: str) -> Column | None:
        """The column of that name, or None for one the contract does not know (accounts may have further columns)."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns without which the table cannot be read."""
        return tuple(column.name for column in self.columns if column.required)

    @property
    def never_null(self) -> tuple[str, ...]:
        """Names of the columns that must have a value in every row."""
        return tuple(column.name for column in self.columns if column.required and not column.nullable)


_FIXED, _FACT, _PLAN, _MUTABLE = Knowable.FIXED, Knowable.FACT, Knowable.PLAN, Knowable.MUTABLE
_FATAL, _WARN = Severity.FATAL, Severity.WARN

_ACCOUNT = Column("account_id", "text", required=True, meaning="the customer")

ACCOUNTS: Final = Table(
    "accounts",
    event_time="created_at",
    key="account_id",
    changes=True,
    columns=(
        _ACCOUNT,
        Column("created_at", "instant", required=True, meaning="when the account was opened"),
        Column("name", "text", _MUTABLE),
        Column("segment", "text", _MUTABLE, meaning="small, middle, large, or the company's own words"),
        Column("industry", "text", _MUTABLE),
        Column("country", "text", _MUTABLE),
        Column("owner", "text", _MUTABLE, meaning="e-mail of the customer success manager"),
        Column("parent_id", "text", _MUTABLE, meaning="the account above this one, in the same table"),
        Column("went_live_on", "date", _FACT, meaning="first day of productive use"),
    ),
)

SUBSCRIPTIONS: Final = Table(
    "subscriptions",
    event_time="started_on",
    key="subscription_id",
    changes=True,
    columns=(
        Column("subscription_id", "text", meaning="needed where the table keeps versions of its rows"),
        _ACCOUNT,
        Column("started_on", "date", required=True, meaning="first day of the term"),
        Column(
            "ended_on",
            "date",
            _FACT,
            required=True,
            nullable=True,
            meaning="first day without the term; null, or fifty years ahead, while it runs",
        ),
        Column("mrr", "number", meaning="monthly recurring revenue; null where the term is billed by use"),
        Column("plan", "text"),
        Column("seats", "number"),
        Column("billing_period", "text", meaning="monthly, quarterly, annual, …"),
        Column("term_months", "number", meaning="months committed to, not months billed at once"),
        Column("renews_on", "date", _PLAN, meaning="the term's next renewal"),
        Column("auto_renews", "boolean", _MUTABLE),
        Column("notice_on", "date", _FACT, meaning="the day on which the customer gave notice"),
        Column("end_reason", "text", _FACT, known_from="ended_on", meaning="voluntary, involuntary, other"),
    ),
    rules=(
        Rule(
            "ended_on",
            "not_before",
            "started_on",
            _FATAL,
            "A term ends on the first day without it. Correct the rows, or the dates in a sql source.",
        ),
        Rule("mrr", "finite", None, _FATAL, "Replace NaN and infinity by null (billed by use) or by the amount."),
        Rule(
            "mrr",
            "at_least",
            0.0,
            _FATAL,
            "Credits and discounts belong into invoices; mrr is what the term pays a month.",
        ),
        Rule(
            "seats",
            "at_least",
            0.0,
            _FATAL,
            "Seats are a count of paid places; leave the column empty where there are none.",
        ),
        Rule(
            "term_months", "at_least", 0.0, _FATAL, "Months committed to; leave it empty where there is no commitment."
        ),
        Rule("seats", "finite", None, _FATAL, "Replace NaN and infinity by the count, or by null."),
        Rule("term_months", "finite", None, _FATAL, "Replace NaN and infinity by the months, or by null."),
        Rule("notice_on", "not_before", "started_on", _WARN, "Notice before the term began is kept as it stands."),
    ),
)

USAGE: Final = Table(
    "usage",
    event_time="occurred_at",
    columns=(
        _ACCOUNT,
        Column("occurred_at", "instant", required=True),
        Column("event", "text", required=True, meaning="what was done: shift_published, export, login, …"),
        Column("quantity", "number", meaning="how often or how much, below 10¹² (bytes: in GB); 1 where absent"),
        Column("user_id", "text"),
        Column("event_id", "text", meaning="names the event, where the company does"),
    ),
    rules=(Rule("quantity", "finite", 1e12, _WARN, "Quantities that are none, or beyond ±10¹², count as missing."),),
)

USERS: Final = Table(
    "users",
    event_time="created_at",
    key="user_id",
    columns=(
        Column("user_id", "text", required=True),
        _ACCOUNT,
        Column("created_at", "instant", required=True),
        Column("deactivated_at", "instant", _FACT),
        Column("role", "text", _MUTABLE),
    ),
    rules=(Rule("deactivated_at", "not_before", "created_at", _WARN, "Such users count as never deactivated."),),
)

TICKETS: Final = Table(
    "tickets",
    event_time="opened_at",
    key="ticket_id",
    changes=True,
    columns=(
        Column("ticket_id", "text", required=True),
        _ACCOUNT,
        Column("opened_at", "instant", required=True),
        Column("text", "text", meaning="the customer's words"),
        Column("first_response_at", "instant", _FACT),
        Column("resolved_at", "instant", _FACT),
        Column("reopened_count", "whole", _MUTABLE),
        Column("csat", "number", _FACT, known_from="csat_at", meaning="1 (bad) to 5 (good)"),
        Column("csat_at", "instant", _FACT),
        Column("priority", "text", _MUTABLE),
        Column("sentiment", "number", meaning="the company's own judgement, −1 (furious) to 1 (delighted)"),
    ),
    rules=(
        Rule("resolved_at", "not_before", "opened_at", _WARN, "Such tickets count as resolved at once."),
        Rule("first_response_at", "not_before", "opened_at", _WARN, "Such tickets count as answered at once."),
        Rule("csat_at", "not_before", "opened_at", _WARN, "Such ratings count from the ticket's opening on."),
        Rule("csat", "between", (1.0, 5.0), _FATAL, "Bring csat to the scale 1 … 5 in [data] tickets = { sql = … }."),
        Rule("sentiment", "between", (-1.0, 1.0), _FATAL, "Bring sentiment to −1 … 1, or leave the column out."),
        Rule("reopened_count", "at_least", 0.0, _FATAL, "A count; leave it empty where it is not known."),
    ),
)

TICKET_MESSAGES: Final = Table(
    "ticket_messages",
    event_time="sent_at",
    key="message_id",
    columns=(
        Column("message_id", "text", required=True),
        Column("ticket_id", "text", required=True),
        Column("sent_at", "instant", required=True),
        Column("author", "text", required=True, meaning="customer or staff"),
        Column("text", "text", required=True, nullable=True, meaning="empty where an attachment came alone"),
    ),
    rules=(
        Rule(
            "author", "one_of", ("customer", "staff"), _FATAL, "Map the authors to customer and staff in a sql source."
        ),
    ),
)

PAGE_VISITS: Final = Table(
    "page_visits",
    event_time="visited_at",
    columns=(
        _ACCOUNT,
        Column("visited_at", "instant", required=True),
        Column(
            "path", "text", required=True, meaning="/pricing, /account/cancel, …; grouped by [pages] of the settings"
        ),
        Column("user_id", "text"),
    ),
)

FEEDBACK: Final = Table(
    "feedback",
    event_time="submitted_at",
    columns=(
        _ACCOUNT,
        Column("submitted_at", "instant", required=True),
        Column("kind", "text", required=True, meaning="nps or csat"),
        Column("score", "number", required=True),
        Column("comment", "text"),
    ),
    rules=(
        Rule("kind", "one_of", ("nps", "csat"), _FATAL, "Map the kinds to nps and csat in a sql source."),
        Rule("score", "between", (0.0, 10.0), _FATAL, "NPS runs from 0 to 10, CSAT from 1 to 5."),
    ),
)

INVOICES: Final = Table(
    "invoices",
    event_time="issued_on",
    key="invoice_id",
    changes=True,
    columns=(
        Column("invoice_id", "text"),
        _ACCOUNT,
        Column("issued_on", "date", required=True),
        Column("amount", "number", required=True),
        Column("due_on", "date", _PLAN),
        Column("paid_on", "date", _FACT),
        Column("failed_at", "instant", _FACT),
        Column("voided_at", "instant", _FACT),
    ),
    rules=(Rule("amount", "finite", None, _FATAL, "Replace NaN and infinity by the amount invoiced."),),
)

INTERACTIONS: Final = Table(
    "interactions",
    event_time="occurred_at",
    columns=(
        _ACCOUNT,
        Column("occurred_at", "instant", required=True),
        Column("kind", "text", required=True, meaning="call, email or meeting"),
        Column("direction", "text", meaning="in or out"),
        Column("by", "text"),
    ),
)

CONTRACT: Final[Mapping[str, Table]] = {
    table.name: table
    for table in (
        ACCOUNTS,
        SUBSCRIPTIONS,
        USAGE,
        USERS,
        TICKETS,
        TICKET_MESSAGES,
        PAGE_VISITS,
        FEEDBACK,
        INVOICES,
        INTERACTIONS,
    )
}
"""Every table the product reads, by name."""


def required_tables(definition: Literal["subscription", "inactivity"]) -> tuple[str, ...]:
    """The tables without which churn of this definition cannot be seen.

    >>> required_tables("inactivity")
    ('accounts', 'usage')
    """
    return ("accounts", "usage") if definition == "inactivity" else ("accounts", "subscriptions")
