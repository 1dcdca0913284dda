"""Accounts of the newest night: all of them, a page at a time, and one with all its reasons."""

from collections.abc import Collection
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from pipeline.amounts import Language
from pipeline.console.api.answers import AccountPage, Band, State
from pipeline.console.api.cursors import cursor, read_cursor, unknown_cursor
from pipeline.console.api.night import newest_night
from pipeline.console.api.problems import Wrong, problems
from pipeline.console.api.programs import Program, Token
from pipeline.console.api.tags import TAGGED, answered, forgotten_by_now, is_same, tag_of, unchanged
from pipeline.console.api.told import Teller, told_actions, told_note, told_outcome
from pipeline.console.api.written import AccountId, AccountWithDeeds, Email
from pipeline.people.actions import actions_of, notes_of, outcomes_of
from pipeline.people.connection import reading
from pipeline.people.forgotten import PSEUDONYM
from pipeline.store.by_id import Wanted, ids_after
from pipeline.store.lines import owned_by
from pipeline.store.nights import Night, account, among, night

__all__ = ["router"]

router = APIRouter(tags=["Accounts"])

Reader = Annotated[Program, Depends(Token("read"))]


class Asked(BaseModel):
    """Which accounts are asked for. A parameter that is none of these is refused: it would filter nothing."""

    model_config = ConfigDict(extra="forbid")

    state: list[State] = Field([], description="Of these states; repeat it for several")
    band: list[Band] = Field([], description="Of these bands; repeat it for several")
    owner: Email | None = Field(None, description="Of this owner, in capitals or not", examples=["ines@example.com"])
    unowned: bool = Field(False, description="Of no owner, instead or besides")
    limit: int = Field(100, ge=1, le=200, description="At most so many; a page may have fewer, also none")
    cursor: Annotated[str, Field(max_length=4_000)] | None = Field(None, description="`next_cursor` of the page before")
    language: Language = Field("en", description="Of the sentences")


@router.get(
    "/accounts", response_model=AccountPage, responses={**TAGGED, **problems("night-gone", "invalid", "no-night")}
)
def accounts(request: Request, program: Reader, asked: Annotated[Asked, Query()]) -> Response:
    """Accounts by id, a page at a time: go on until `next_cursor` is null.

    All pages of a walk are of the night it began with, also when another is published meanwhile. Where that night was
    published anew, the walk ends with status 410: begin again. The user of the token sees in it whom they see in the
    console.
    """
    site = program.site
    with reading(site.people) as people:
        forgotten = forgotten_by_now(people)
    with newest_night(site) as (published, newest):
        of, last = _place(published, newest, asked.cursor)
        tag = tag_of(of.run_id, forgotten, str(request.query_params), program.user.email, program.sees_all)
        if is_same(request, tag):
            return unchanged(tag)
        wanted = Wanted(asked.state or None, asked.band or None, _owners(published, of, program, asked))
        ids = ids_after(published, of, last, asked.limit, wanted)
        teller = Teller.reading(published, of, asked.language)
        shown = [teller.summary(each) for each in among(published, of, ids) if _is_known(each.account_id)]
    program.log("accounts read", as_of=of.as_of, accounts=len(shown))
    more = cursor(str(of.as_of), of.run_id, ids[-1]) if len(ids) == asked.limit else None
    return answered(request, AccountPage(as_of=of.as_of, run_id=of.run_id, accounts=shown, next_cursor=more), tag)


@router.get(
    "/accounts/{account_id:path}",
    response_model=AccountWithDeeds,
    responses={**TAGGED, **problems("not-found", "invalid", "no-night")},
)
def one_account(
    request: Request,
    program: Reader,
    account_id: Annotated[AccountId, Path(description="As the company's tables write it; `/` may stand in it")],
    language: Annotated[Language, Query(description="Of the words")] = "en",
) -> Response:
    """One account: its risk with all reasons and what changed, and what people did and wrote about it."""
    with newest_night(program.site) as (published, of), reading(program.site.people) as people:
        found = account(published, of, account_id) if _is_known(account_id) else None
        if found is None or not program.sees(found.owner):
            raise Wrong("not-found", f"The night of {of.as_of} has no account of this id.", "path.account_id")
        answer = AccountWithDeeds(
            **Teller.reading(published, of, language).whole(found),
            actions=told_actions(published, of, actions_of(people, account_id)),
            outcomes=[told_outcome(each) for each in outcomes_of(people, account_id)],
            notes=[told_note(each) for each in notes_of(people, account_id)],
        )
    program.log("account seen", account_id=account_id, as_of=of.as_of)
    return answered(request, answer)


def _is_known(account_id: str) -> bool:
    """An account that was forgotten is counted in the night, and shown to nobody."""
    return not account_id.startswith(PSEUDONYM)


def _place(published: Connection, newest: Night, text: str | None) -> tuple[Night, str]:
    """The night that a walk is of, and the id that it came to."""
    if text is None:
        return newest, ""
    day, run_id, last = read_cursor(text, 3)
    try:
        of = night(published, date.fromisoformat(day))
    except ValueError:
        raise unknown_cursor() from None
    if of is None or of.run_id != run_id:
        raise Wrong("night-gone", "The night that the cursor is of is no longer the one that is published.")
    return of, last


def _owners(published: Connection, of: Night, program: Program, asked: Asked) -> Collection[str | None] | None:
    """The owners whose accounts are shown, as the night writes them; None for all. Raises `Wrong` for another's."""
    if asked.owner is None and not asked.unowned:
        return None if program.sees_all else [*owned_by(published, of, program.user.email), None]
    if not program.sees(asked.owner):
        raise Wrong("not-allowed", f"{program.user.email} sees their own customers.", "query.owner")
    theirs = [] if asked.owner is None else owned_by(published, of, asked.owner)
    return [*theirs, *([None] if asked.unowned else [])]
