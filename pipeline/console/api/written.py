"""What people did and wrote about accounts, as the API answers it and as it takes it."""

import re
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StringConstraints

from pipeline.console.api.answers import Account, Answer

__all__ = [
    "AccountId",
    "AccountWithDeeds",
    "Action",
    "ActionPage",
    "Became",
    "Called",
    "Day",
    "Email",
    "Later",
    "New",
    "NewNote",
    "NewOutcome",
    "NotARisk",
    "Note",
    "Outcome",
    "OutcomePage",
]


def _as_day(value: Any) -> Any:
    """Dates are written in one way: a number is none, though pydantic takes it for one."""
    if isinstance(value, date) or (isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value)):
        return value
    raise ValueError("Input should be a date such as 2026-11-23")


Day = Annotated[date, BeforeValidator(_as_day)]

_NO_NUL: Final = r"^[^\x00]+$"
AccountId = Annotated[str, StringConstraints(min_length=1, max_length=1_000, pattern=_NO_NUL)]
Email = Annotated[str, StringConstraints(min_length=1, max_length=254, pattern=_NO_NUL)]

DrawnId = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{32}$"),
    Field(
        description="Drawn at random by the program, anew for each deed: 32 hexadecimal digits. What is sent again "
        "under the same id is written once and answers the same",
        examples=["0f8fad5bd9cb469fa165708677289502"],
    ),
]
By = Annotated[
    Email | None,
    Field(
        description="The user who did it, by e-mail address, where that is another than the token's: for tokens of "
        "managers and admins",
        examples=["ines@example.com"],
    ),
]


class Became(Answer):
    """What published nights tell of the account since: never what people wrote."""

    fate: Literal["customer", "notice", "lapsed", "left", "unknown"]
    left_on: date | None
    stayed: bool | None = Field(description="A customer through the whole horizon; None while that is open")


class Action(Answer):
    """What was done about an account. It rests before `rests_until`, unless something makes it come back early."""

    id: str
    account_id: str
    at: datetime
    as_of: date = Field(description="The night that was looked at")
    kind: Literal["called", "later", "not_a_risk"]
    reached: bool | None
    said: str | None = Field(description="The family of reasons that the customer named, or other")
    why: str | None
    next_step: str | None
    next_on: date | None
    rests_until: date | None
    by: str = Field(examples=["ines@example.com"])
    became: Became | None = None


class Outcome(Answer):
    """What came of it, as somebody wrote."""

    id: str
    account_id: str
    at: datetime
    as_of: date
    action_id: str | None
    outcome: Literal["stays", "reduces", "leaves", "undecided"]
    by: str


class Note(Answer):
    """What was written about an account, by itself or with an action."""

    id: str
    account_id: str
    at: datetime
    as_of: date
    action_id: str | None
    note: str | None
    by: str


class AccountWithDeeds(Account):
    """One account with all its reasons, and what people did and wrote about it, the newest first."""

    actions: list[Action]
    outcomes: list[Outcome]
    notes: list[Note]


class ActionPage(Answer):
    """Actions in the order in which they were done."""

    actions: list[Action]
    next_cursor: str | None


class OutcomePage(Answer):
    """Outcomes in the order in which they were written."""

    outcomes: list[Outcome]
    next_cursor: str | None


class New(BaseModel):
    """Something to be written down."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: DrawnId
    account_id: AccountId
    by: By = None


class NewAction(New):
    """What was done, and what was written with it."""

    note: str = Field("", max_length=4_000)


class Called(NewAction):
    """A call. The account rests for `[book] rest_days`, or until `next_on`, which is at most 60 days ahead."""

    kind: Literal["called"]
    reached: StrictBool
    said: str | None = Field(
        None, max_length=32, description="One of `reasons_in` of tonight, or other", examples=["billing"]
    )
    next_step: str = Field("", max_length=200)
    next_on: Day | None = None


class Later(NewAction):
    """Not now: the account rests until that day, which is at most 60 days ahead."""

    kind: Literal["later"]
    until: Day


class NotARisk(NewAction):
    """The risk is none, as far as they know. The account rests 30 days; its risk is changed by nobody."""

    kind: Literal["not_a_risk"]
    why: Literal["seasonal", "known", "test_account", "data_wrong", "other"]


class NewOutcome(New):
    """What came of it, of one action or of all."""

    outcome: Literal["stays", "reduces", "leaves", "undecided"]
    action_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = None


class NewNote(New):
    """A note."""

    note: Annotated[str, StringConstraints(min_length=1, max_length=4_000)]
