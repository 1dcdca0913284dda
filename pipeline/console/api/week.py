"""The week of an owner: whom to call, who rests and until when, who is back, who is off the list and why."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from pipeline import week as formed
from pipeline.addresses import recipient
from pipeline.amounts import Language
from pipeline.console.api.answers import Answer, Summary
from pipeline.console.api.night import newest_night
from pipeline.console.api.problems import Wrong, problems
from pipeline.console.api.programs import Program, Token
from pipeline.console.api.tags import TAGGED, answered
from pipeline.console.api.told import Teller, told_actions
from pipeline.console.api.written import Action, Email
from pipeline.people.connection import reading
from pipeline.people.forgotten import PSEUDONYM
from pipeline.resting import Candidate
from pipeline.store.nights import Night

__all__ = ["router"]

router = APIRouter(tags=["The week"])

Early = Literal["notice", "band", "odds", "renewal"]
Why = Literal["notice", "left", "moved", "rests", "others_first", "payment", "new", "model", "recovered"]


class Listed(Answer):
    """One call to make: the account to speak of, and all that it is made for."""

    account: Summary
    account_ids: list[str] = Field(description="Accounts of one root and owner take one call; the worst is first")
    mrr: float | None = Field(description="Of all of them")
    value_at_risk: float | None = Field(description="Of all of them; none by rules")
    is_new: bool = Field(description="It was not on the list of the last working day")
    back_early: Early | None = Field(description="Why it is back before its rest is over")
    last_action: Action | None


class Resting(Answer):
    """Who would take a call but rests."""

    account_ids: list[str]
    until: date | None
    action: Action | None


class Back(Answer):
    """Who is back before the rest was over, on the list or not."""

    account_id: str
    why: Early
    action: Action


class Off(Answer):
    """Who was on the list a week ago and is not any more."""

    account_id: str
    name: str | None
    why: Why


class Week(Answer):
    """The week of one owner, at this moment."""

    owner: str | None = Field(description="None for what nobody owns", examples=["ines@example.com"])
    as_of: date
    run_id: str
    today: date = Field(description="A rest that ends on this day is over")
    calls_per_week: int
    listed: list[Listed] = Field(description="In the order of the book; it is never filled up")
    more: int = Field(description="How many more would take a call, among those that were looked through")
    resting: list[Resting]
    back: list[Back]
    off: list[Off]
    new_since: date | None
    off_since: date | None


class Asked(BaseModel):
    """Whose week is asked for."""

    model_config = ConfigDict(extra="forbid")

    owner: Email | None = Field(None, description="By default the token's user", examples=["ines@example.com"])
    unowned: bool = Field(False, description="What nobody owns, instead")
    language: Language = Field("en", description="Of the sentences")


@router.get("/week", response_model=Week, responses={**TAGGED, **problems("not-allowed", "invalid", "no-night")})
def week(
    request: Request, program: Annotated[Program, Depends(Token("read"))], asked: Annotated[Asked, Query()]
) -> Response:
    """Whom an owner should call this week, in this order, as it is on their page Today.

    It is formed when it is asked for: whoever was called rests, and the place goes to the next.
    """
    if asked.owner is not None and asked.unowned:
        raise Wrong("invalid", "owner and unowned exclude one another. Send one of them.", "query.unowned")
    if not asked.unowned and not program.sees(asked.owner or program.user.email):
        raise Wrong("not-allowed", f"{program.user.email} sees their own customers.", "query.owner")
    owner = None if asked.unowned else recipient(asked.owner or program.user.email)
    site = program.site
    with newest_night(site) as (published, of), reading(site.people) as people:
        found = formed.week_of(published, people, of, owner, calls_per_week=site.calls_per_week, today=site.today)
        teller, deeds = Teller.reading(published, of, asked.language), _deeds(published, of, found)
    answer = Week(
        owner=owner,
        as_of=of.as_of,
        run_id=of.run_id,
        today=site.today,
        calls_per_week=site.calls_per_week,
        listed=[_listed(each, teller, deeds) for each in found.listed],
        more=found.more,
        resting=[_resting(each, deeds) for each in found.resting],
        back=[
            Back(account_id=each.now.account_id, why=each.why.value, action=deeds[each.action.action_id])
            for each in found.returned
        ],
        off=[
            Off(account_id=each.then.account_id, name=each.then.name, why=each.why.value)
            for each in found.off
            if not each.then.account_id.startswith(PSEUDONYM)
        ],
        new_since=found.new_since,
        off_since=found.off_since,
    )
    program.log("list seen", as_of=of.as_of, owner=owner)
    return answered(request, answer)


def _deeds(published: Connection, of: Night, found: formed.Week) -> dict[str, Action]:
    """What the week speaks of that was done, by id."""
    done = [
        *(each.last_action for each in found.listed),
        *(each.action for each in found.resting),
        *(each.action for each in found.returned),
    ]
    by_id = {each.action_id: each for each in done if each is not None}
    return {each.id: each for each in told_actions(published, of, by_id.values())}


def _listed(each: formed.Listed, teller: Teller, deeds: Mapping[str, Action]) -> Listed:
    return Listed(
        account=teller.summary(each.account),
        account_ids=[line.account_id for line in each.lines],
        mrr=each.mrr,
        value_at_risk=each.value_at_risk if teller.has_numbers else None,
        is_new=each.is_new,
        back_early=each.early and each.early.why.value,
        last_action=each.last_action and deeds[each.last_action.action_id],
    )


def _resting(each: Candidate, deeds: Mapping[str, Action]) -> Resting:
    return Resting(
        account_ids=[line.account_id for line in each.lines],
        until=each.action and each.action.rests_until,
        action=each.action and deeds[each.action.action_id],
    )
