"""What people do about accounts: read back in the order of time, and written down by other programs."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from typing import Annotated, Protocol, TypeVar

from fastapi import APIRouter, Body, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from pipeline.console.api.cursors import cursor, read_cursor, unknown_cursor
from pipeline.console.api.night import newest_night
from pipeline.console.api.problems import Wrong, problems
from pipeline.console.api.programs import Program, Token
from pipeline.console.api.tags import TAGGED, answered
from pipeline.console.api.told import told_actions, told_note, told_outcome
from pipeline.console.api.written import (
    Action,
    ActionPage,
    Called,
    Day,
    Later,
    New,
    NewNote,
    NewOutcome,
    NotARisk,
    Note,
    Outcome,
    OutcomePage,
)
from pipeline.people import deeds
from pipeline.people.actions import actions_after, notes_of, outcomes_after, outcomes_of
from pipeline.people.connection import reading
from pipeline.people.deeds import Form, UnfitForm
from pipeline.people.forgotten import PSEUDONYM
from pipeline.people.users import User, find
from pipeline.store.lines import lines_of
from pipeline.store.nights import Night, catalogue

__all__ = ["router"]

router = APIRouter(tags=["What people do"])

Reader = Annotated[Program, Depends(Token("read"))]
Writer = Annotated[Program, Depends(Token("write"))]
_WRITES = problems(
    "unreadable", "read-only", "not-allowed", "not-found", "conflict", "no-length", "too-large", "invalid", "no-night"
)


class Asked(BaseModel):
    """Which page is asked for."""

    model_config = ConfigDict(extra="forbid")

    since: Day | None = Field(None, description="Written on that day (UTC) or later", examples=["2026-11-01"])
    limit: int = Field(100, ge=1, le=200, description="At most so many; a page may have fewer, also none")
    cursor: Annotated[str, Field(max_length=4_000)] | None = Field(None, description="`next_cursor` of the page before")


@router.get("/actions", response_model=ActionPage, responses={**TAGGED, **problems("invalid", "no-night")})
def actions(request: Request, program: Reader, asked: Annotated[Asked, Query()]) -> Response:
    """Actions, the oldest first, each with what became of the account since: go on until `next_cursor` is null.

    Keep the last day that you have seen and ask again `since` it: what was written is never changed.
    """
    with newest_night(program.site) as (published, of), reading(program.site.people) as people:
        found = actions_after(people, _place(asked), asked.limit)
        shown = told_actions(published, of, _seen(published, of, program, found))
        more = cursor(found[-1].at.isoformat(), found[-1].action_id) if len(found) == asked.limit else None
    program.log("actions read", actions=len(shown))
    return answered(request, ActionPage(actions=shown, next_cursor=more))


@router.get("/outcomes", response_model=OutcomePage, responses={**TAGGED, **problems("invalid", "no-night")})
def outcomes(request: Request, program: Reader, asked: Annotated[Asked, Query()]) -> Response:
    """What people wrote that came of it, the oldest first: go on until `next_cursor` is null.

    Whether an account stayed is told by nights, with its actions.
    """
    with newest_night(program.site) as (published, of), reading(program.site.people) as people:
        found = outcomes_after(people, _place(asked), asked.limit)
        shown = [told_outcome(each) for each in _seen(published, of, program, found)]
        more = cursor(found[-1].at.isoformat(), found[-1].outcome_id) if len(found) == asked.limit else None
    program.log("outcomes read", outcomes=len(shown))
    return answered(request, OutcomePage(outcomes=shown, next_cursor=more))


@router.post("/actions", status_code=201, response_model=Action, responses=_WRITES)
def add_action(program: Writer, new: Annotated[Called | Later | NotARisk, Body(discriminator="kind")]) -> Action:
    """Write down that an account was called, is put off, or is no risk. It rests from now on; its risk stays."""
    match new:
        case Called():
            deed: deeds.Deed = deeds.Called(new.reached, new.said, new.next_step, new.next_on)
        case Later():
            deed = deeds.Later(new.until)
        case NotARisk():
            deed = deeds.NotARisk(new.why)
    site = program.site
    with newest_night(site) as (published, of), _in_words():
        families = catalogue(published, of)["families"]
        form = _form(published, of, program, new)
        done = deeds.record(site.people, form, deed, rest_days=site.rest_days, families=families, note=new.note)
        (told,) = told_actions(published, of, [done])
    return told


@router.post("/outcomes", status_code=201, response_model=Outcome, responses=_WRITES)
def add_outcome(program: Writer, new: NewOutcome) -> Outcome:
    """Write down what came of it."""
    with newest_night(program.site) as (published, of), _in_words():
        deeds.record_outcome(program.site.people, _form(published, of, program, new), new.outcome, new.action_id)
    with reading(program.site.people) as people:
        return next(told_outcome(each) for each in outcomes_of(people, new.account_id) if each.outcome_id == new.id)


@router.post("/notes", status_code=201, response_model=Note, responses=_WRITES)
def add_note(program: Writer, new: NewNote) -> Note:
    """Write a note about an account."""
    with newest_night(program.site) as (published, of), _in_words():
        deeds.record_note(program.site.people, _form(published, of, program, new), new.note)
    with reading(program.site.people) as people:
        return next(told_note(each) for each in notes_of(people, new.account_id) if each.note_id == new.id)


def _place(asked: Asked) -> tuple[datetime, str]:
    """The instant and the id that a walk came to."""
    if asked.cursor is None:
        return datetime.combine(asked.since or date.min, time.min, UTC), ""
    instant, last = read_cursor(asked.cursor, 2)
    try:
        return datetime.fromisoformat(instant).astimezone(UTC), last
    except (ValueError, OverflowError):
        raise unknown_cursor() from None


class _OfAccount(Protocol):
    @property
    def account_id(self) -> str: ...


T = TypeVar("T", bound=_OfAccount)


def _seen(published: Connection, of: Night, program: Program, found: Iterable[T]) -> list[T]:
    """Those about accounts that the token's user may see; where that is not everybody, of accounts of tonight."""
    known = [each for each in found if not each.account_id.startswith(PSEUDONYM)]
    if program.sees_all:
        return known
    lines = lines_of(published, of, {each.account_id for each in known})
    return [each for each in known if (line := lines.get(each.account_id)) is not None and program.sees(line.owner)]


def _form(published: Connection, of: Night, program: Program, new: New) -> Form:
    """The form to be written down. Raises `Wrong` for an account or a person that it may not be about."""
    line = lines_of(published, of, [new.account_id]).get(new.account_id)
    if line is None or new.account_id.startswith(PSEUDONYM) or not program.sees(line.owner):
        raise Wrong("not-found", f"The night of {of.as_of} has no account of this id.", "body.account_id")
    site = program.site
    return Form(
        form_id=new.id,
        user_id=_doer(program, new.by).user_id,
        account_id=new.account_id,
        as_of=of.as_of,
        at=site.clock(),
        today=site.today,
        source="api",
        token=program.token.name,
    )


def _doer(program: Program, email: str | None) -> User:
    """Who did it."""
    if email is None:
        return program.user
    with reading(program.site.people) as people:
        found = find(people, email)
    if found == program.user:
        return program.user
    if program.user.role == "csm":
        raise Wrong("not-allowed", f"{program.user.email} writes for themselves alone.", "body.by")
    if found is None or found.deactivated_at is not None:
        raise Wrong("invalid", "by: no user who may sign in has this address.", "body.by")
    return found


@contextmanager
def _in_words() -> Iterator[None]:
    """What a form cannot be, as a problem: what was written before under its id is a conflict."""
    try:
        yield
    except UnfitForm as error:
        kind = "conflict" if error.field == "form_id" else "invalid"
        field = "id" if error.field == "form_id" else error.field
        raise Wrong(kind, str(error), f"body.{field}") from error
