"""One-time links: who opens one chooses a password and is in.

Looking at the page does not use the link up, for mail programs and chats look at links before people do.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from pipeline.console.entrance import let_in
from pipeline.console.failures import failure
from pipeline.console.rendering import page
from pipeline.console.site import site_of
from pipeline.console.visitors import ANYBODY, Allowed, Visitor
from pipeline.people import links
from pipeline.people.audit import log_deed
from pipeline.people.connection import reading, writing
from pipeline.people.passwords import LEAST, MOST, hashed, weakness
from pipeline.people.users import set_password

__all__ = ["router"]

router = APIRouter()

Anybody = Annotated[Visitor, Depends(Allowed(*ANYBODY))]


@router.get("/link/{token}")
def link_page(request: Request, visitor: Anybody, token: str) -> Response:
    """The form of a link that still works."""
    site = site_of(request)
    with reading(site.people) as connection:
        holder = links.holder(connection, token, site.secret, site.clock())
    if holder is None:
        return failure(request, 404, "link_over")
    return page(request, visitor, "link.html", holder=holder, least=LEAST, wrong=None)


@router.post("/link/{token}")
def use_link(
    request: Request,
    visitor: Anybody,
    token: str,
    password: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
) -> Response:
    """Take the password, use the link up, and let its holder in."""
    site = site_of(request)
    now = site.clock()
    with reading(site.people) as connection:
        holder = links.holder(connection, token, site.secret, now)
    if holder is None:
        return failure(request, 404, "link_over")
    wrong = "different" if password != again else weakness(password, holder.email)
    if wrong is not None:
        return page(request, visitor, "link.html", 422, holder=holder, least=LEAST, wrong=wrong, most=MOST)
    kept = hashed(password)  # which takes long, and nobody else can write meanwhile if it is done below
    with writing(site.people) as connection:
        used_by = links.use(connection, token, site.secret, now)
        if used_by is not None:
            set_password(connection, used_by, kept)
            log_deed(connection, used_by.user_id, "password set", now)
    if used_by is None:
        return failure(request, 404, "link_over")
    return let_in(site, visitor, used_by, "/", "link")
