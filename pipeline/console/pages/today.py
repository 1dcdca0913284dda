"""Today: whom to call this week. Signing in leads here."""

from functools import partial
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from pipeline.addresses import recipient
from pipeline.console.act_forms import act_forms
from pipeline.console.reads.today import Asked, list_of, list_of_all
from pipeline.console.rendering import page
from pipeline.console.site import Site, site_of
from pipeline.console.visitors import Allowed, Visitor, sees
from pipeline.people.actions import Action, action_of
from pipeline.people.audit import log_deed
from pipeline.people.connection import writing
from pipeline.resting import is_live
from pipeline.store.connection import reading
from pipeline.store.nights import catalogue
from pipeline.store.nights import night as newest_night

__all__ = ["router"]

router = APIRouter()


@router.get("/")
def today(
    request: Request,
    visitor: Annotated[Visitor, Depends(Allowed("csm", "manager", "admin"))],
    owner: str = "",
    done: str = "",
) -> Response:
    """One's own list; that of another `owner`, for who may see it; for a manager all of them.

    With the id of an action that the visitor has `done` it says a word of it.
    """
    site, whose = site_of(request), _whose(site_of(request), visitor, owner)
    now = site.clock()
    with reading(site.store) as published, reading(site.people) as people:
        night = newest_night(published)
        if night is None:
            return page(request, visitor, "no_night.html")
        asked = Asked(
            published,
            people,
            night,
            site.books,
            calls_per_week=site.calls_per_week,
            today=site.today,
            plays=site.plays,
            language=visitor.language,
            done=_done(people, site, visitor, done),
        )
        shown = list_of_all(asked) if whose is None else list_of(asked, whose)
        words = catalogue(published, night)
        owners = {recipient(name) for name in site.books.owners(published, night)}
    with writing(site.people) as connection:
        log_deed(connection, visitor.known.user_id, "list seen", now, as_of=night.as_of, owner=whose)
    here = f"/?{urlencode({'owner': whose})}" if recipient(owner) and whose else "/"
    return page(
        request,
        visitor,
        "today.html",
        night=night,
        today=shown,
        whose=whose,
        is_own=whose == visitor.known.email,
        people=sorted(filter(None, owners)) if site.shows_all(visitor.role) else [],
        acting_on=partial(act_forms, site, night, words, back=here),
    )


def _whose(site: Site, visitor: Visitor, asked: str) -> str | None:
    """Whose list is shown, None for all; status 403 for who asks for another's and may not see it."""
    if not recipient(asked):
        return visitor.known.email if visitor.role == "csm" else None
    if not sees(site, visitor, asked):
        raise HTTPException(403)
    return recipient(asked)


def _done(people: Connection, site: Site, visitor: Visitor, action_id: str) -> Action | None:
    """What the visitor, and nobody else, has done, while the rest that it gave is not over."""
    found = action_of(people, action_id) if action_id.isalnum() else None
    return found if found and found.user_id == visitor.known.user_id and is_live(found, site.today) else None
