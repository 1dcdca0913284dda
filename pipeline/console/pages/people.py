"""People: who may sign in; links for those who cannot yet, or no longer know how."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from pipeline.addresses import is_mail_address, recipient
from pipeline.console.reads.people import everybody
from pipeline.console.rendering import page
from pipeline.console.site import Site, site_of
from pipeline.console.visitors import Allowed, Visitor
from pipeline.errors import StoreMissing
from pipeline.people import links
from pipeline.people.audit import log_deed
from pipeline.people.connection import writing
from pipeline.people.users import User, add, deactivate, find
from pipeline.store.connection import reading
from pipeline.store.nights import Night
from pipeline.store.nights import night as newest_night

__all__ = ["router"]

router = APIRouter()

Leader = Annotated[Visitor, Depends(Allowed("manager", "admin"))]


@router.get("/people")
def people(request: Request, visitor: Leader) -> Response:
    """The page."""
    return _page(request, visitor)


@router.post("/people/link")
def make_link(request: Request, visitor: Leader, email: Annotated[str, Form()]) -> Response:
    """Show a new link for a user, or for an owner of customers, who becomes one. It is shown this once."""
    site, who = site_of(request), recipient(email)
    now, (_, owners) = site.clock(), _customers(site)
    with writing(site.people) as connection:
        user = find(connection, who)
        if user is not None:
            _refuse_above(visitor, user)
        if user is None or user.deactivated_at is not None:
            if not is_mail_address(who) or who not in {recipient(owner) for owner in owners if owner}:
                raise HTTPException(404)
            user = add(connection, who, "csm" if user is None else user.role, now)
            log_deed(connection, visitor.known.user_id, "user added", now, user=user.email, role=user.role)
        token = links.make(connection, user, site.secret, now)
        log_deed(connection, visitor.known.user_id, "link made", now, user=user.email)
    return _page(request, visitor, made_for=user, link=f"{site.address}/link/{token}")


@router.post("/people/deactivate")
def let_in_no_more(request: Request, visitor: Leader, email: Annotated[str, Form()]) -> Response:
    """Let a user in no more; oneself one cannot lock out."""
    site = site_of(request)
    now = site.clock()
    with writing(site.people) as connection:
        user = find(connection, email)
        if user is None:
            raise HTTPException(404)
        _refuse_above(visitor, user)
        if user.user_id == visitor.known.user_id:
            raise HTTPException(403)
        if user.deactivated_at is None:
            deactivate(connection, user, now)
            log_deed(connection, visitor.known.user_id, "user deactivated", now, user=user.email)
    return RedirectResponse("/people", 303)


def _refuse_above(visitor: Visitor, user: User) -> None:
    """A manager looks after customer success managers: with a link for an admin one would be an admin."""
    if visitor.role != "admin" and user.role != "csm":
        raise HTTPException(403)


def _page(request: Request, visitor: Visitor, made_for: User | None = None, link: str = "") -> Response:
    site = site_of(request)
    night, owners = _customers(site)
    with reading(site.people) as connection:
        found = everybody(connection, owners)
    return page(request, visitor, "people.html", night=night, people=found, made_for=made_for, link=link)


def _customers(site: Site) -> tuple[Night | None, Mapping[str | None, int]]:
    """The newest night, and how many customers each owner has in it. People come in before one is published, too."""
    try:
        with reading(site.store) as connection:
            night = newest_night(connection)
            return night, {} if night is None else site.books.customers(connection, night)
    except StoreMissing:
        return None, {}
