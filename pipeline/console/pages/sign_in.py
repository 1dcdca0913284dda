"""Signing in by password, and out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from pipeline.addresses import recipient
from pipeline.console.entrance import let_in
from pipeline.console.failures import failure
from pipeline.console.forms import local_path
from pipeline.console.rendering import page
from pipeline.console.site import site_of
from pipeline.console.visitors import ANYBODY, Allowed, Visitor, cookie_name
from pipeline.people import sessions
from pipeline.people.audit import log_deed
from pipeline.people.connection import reading, writing
from pipeline.people.passwords import MOST, is_right
from pipeline.people.users import find, password_of

__all__ = ["router"]

router = APIRouter()

Anybody = Annotated[Visitor, Depends(Allowed(*ANYBODY))]
_LONGEST_EMAIL = 254


@router.get("/sign-in")
def sign_in_page(request: Request, visitor: Anybody, next: str = "/") -> Response:
    """The form; who is in already goes on."""
    if visitor.user is not None:
        return RedirectResponse(local_path(next), 303)
    return page(request, visitor, "sign_in.html", next=local_path(next), email="", is_wrong=False)


@router.post("/sign-in")
def sign_in(
    request: Request,
    visitor: Anybody,
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    """Let somebody in, or say that address and password do not fit: not which of them is wrong, nor sooner for one."""
    site, who = site_of(request), recipient(email)[:_LONGEST_EMAIL]
    now, host = site.clock(), request.client.host if request.client else ""
    wait = site.limits.wait(host, who, now)
    if wait is not None:
        return failure(request, 429, wait=wait)
    with reading(site.people) as connection:
        user = find(connection, who)
        kept = password_of(connection, user)
    if not is_right(password[: MOST + 1], kept) or user is None:
        site.limits.failed(host, who, now)
        with writing(site.people) as connection:
            log_deed(connection, user.user_id if user else None, "sign-in refused", now, host=host)
        return page(
            request, visitor, "sign_in.html", 401, next=local_path(next), email=email[:_LONGEST_EMAIL], is_wrong=True
        )
    site.limits.succeeded(who)
    return let_in(site, visitor, user, local_path(next), "password")


@router.post("/sign-out")
def sign_out(request: Request, visitor: Anybody) -> Response:
    """End the session, here and in the store."""
    site = site_of(request)
    if visitor.user is not None:
        with writing(site.people) as connection:
            sessions.end(connection, visitor.token, site.secret)
            log_deed(connection, visitor.user.user_id, "signed out", site.clock())
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(cookie_name(site), secure=site.is_https, httponly=True, samesite="lax")
    return answer
