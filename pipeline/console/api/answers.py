"""What the API answers of the published nights. Money is in the company's currency a month, weights are log-odds."""

from datetime import date, datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Account",
    "AccountPage",
    "Answer",
    "Band",
    "Change",
    "Reason",
    "SourceOut",
    "State",
    "Summary",
    "Tonight",
]

State = Literal["candidate", "watch", "payment", "new", "leaving", "lapsed"]
Band = Literal["low", "medium", "high"]

_REASON: Final[dict[str, Any]] = {
    "family": "usage",
    "feature": "active_days_28",
    "value": 6.0,
    "contribution": 1.2,
    "words": "Active on 6 of the last 28 days; 19 is normal for them.",
}


class Answer(BaseModel):
    """An answer has the fields that are described and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceOut(Answer):
    """Days of which a source brought nothing, for everybody."""

    source: str = Field(examples=["usage"])
    first: date
    last: date


class Tonight(Answer):
    """The newest published night: what a reader must know of it before they believe it."""

    as_of: date = Field(description="It looks from midnight UTC at the start of this day", examples=["2026-11-23"])
    run_id: str = Field(description="Another one means that the night was published anew", examples=["20261123-a1b2"])
    scored_at: datetime
    age_hours: int = Field(description="Since it could start, or was published where that is longer", examples=[5])
    is_old: bool = Field(description="The next night should have been there for hours")
    company: str | None = Field(examples=["Rosterly"])
    currency: str | None = Field(examples=["USD"])
    horizon_days: int = Field(description="Risks are those of leaving within so many days", examples=[60])
    other_horizons: list[int] = Field(description="In days, of `risk_within`", examples=[[30, 60, 90]])
    ordered_by: Literal["model", "rules"] = Field(description="Rules give bands and an order, and no risks")
    model_version: str = Field(examples=["3"])
    base_rate: float | None = Field(description="The share that usually leaves within the horizon", examples=[0.05])
    band_limits: dict[str, float] = Field(
        description="The risk at which a band begins", examples=[{"medium": 0.095, "high": 0.174}]
    )
    accounts: int = Field(description="All accounts of the night, those under notice and lapsed among them")
    customers: int | None = Field(description="Those that have a risk")
    states: dict[str, int] = Field(examples=[{"candidate": 31, "watch": 800, "leaving": 4}])
    bands: dict[str, int] = Field(examples=[{"high": 9, "medium": 22, "low": 800}])
    mrr: float | None = Field(description="Of all customers")
    expected_loss: float | None = Field(description="The MRR expected to be lost within the horizon")
    reasons_in: list[str] = Field(description="The families of reasons", examples=[["usage", "support", "billing"]])
    sources_out: list[SourceOut]
    usage_until: date | None = Field(description="The last day of which use is known")
    warnings: list[str]


class Summary(Answer):
    """One account of the night. Leaving and lapsed accounts have no risk, band and rank; new ones no band."""

    account_id: str = Field(examples=["A-1042"])
    root_id: str = Field(description="Accounts of one root and owner take one call", examples=["A-1000"])
    name: str | None = Field(examples=["Café Zürich"])
    owner: str | None = Field(description="As the company's tables write it", examples=["ines@example.com"])
    state: State
    last_day: date | None = Field(description="Of who gave notice or has lapsed")
    band: Band | None
    rank: int | None = Field(description="In the owner's book: each owner has a first", ge=1)
    risk: float | None = Field(description="Of leaving within the horizon; none by rules", ge=0, le=1, examples=[0.27])
    risk_within: dict[int, float] = Field(description="By days, where there are other horizons")
    mrr: float | None
    value_at_risk: float | None = Field(description="risk × mrr; none by rules")
    renews_on: date | None = Field(description="The next renewal")
    sentences: list[str] = Field(description="The two main reasons in words", examples=[[_REASON["words"]]])


class Reason(Answer):
    """One reason. Those whose words end with a remark in brackets may not be quoted to the customer."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [_REASON]})

    family: str
    feature: str = Field(description="`rest` is what is not told one by one")
    value: float | str | None = None
    contribution: float = Field(description="To the log-odds")
    words: str | None = Field(None, description="None where there are none, or another reason says the same")


class Change(Answer):
    """How far the log-odds moved since an earlier night, and by what: time + data + model = whole."""

    since: date
    time: float = Field(description="By time passing")
    data: float = Field(description="By what happened")
    model: float = Field(description="By another model")
    whole: float
    risk_before: float | None = Field(description="None by rules", ge=0, le=1)


class AccountPage(Answer):
    """Accounts of one night by id."""

    as_of: date
    run_id: str
    accounts: list[Summary]
    next_cursor: str | None = Field(description="None where this is the last page")


class Account(Summary):
    """One account with all its reasons: base_log_odds + Σ contributions = log_odds, and so with the families."""

    as_of: date
    run_id: str
    base_log_odds: float | None = Field(description="Where every account starts")
    log_odds: float | None = Field(description="risk = 1 / (1 + exp(−log_odds))")
    reasons: list[Reason] = Field(description="The largest first; of older nights the rest alone")
    families: dict[str, float]
    change: Change | None = Field(description="Since about a week; None where it was not scored then")
