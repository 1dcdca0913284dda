"""The switch of language, kept in the browser and, for who has signed in, with the user."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from pipeline.console.forms import local_path
from pipeline.console.languages import COOKIE
from pipeline.console.site import site_of
from pipeline.console.visitors import ANYBODY, Allowed, Visitor
from pipeline.people.connection import writing
from pipeline.people.users import set_language

__all__ = ["router"]

router = APIRouter()

_YEAR = 365 * 24 * 3600


@router.post("/language")
def switch(
    request: Request,
    visitor: Annotated[Visitor, Depends(Allowed(*ANYBODY))],
    language: Annotated[Literal["en", "zh"], Form()],
    next: Annotated[str, Form()] = "/",
) -> Response:
    """Go on in the other language, where one was."""
    site = site_of(request)
    if visitor.user is not None:
        with writing(site.people) as connection:
            set_language(connection, visitor.user, language)
    answer = RedirectResponse(local_path(next), 303)
    answer.set_cookie(COOKIE, language, max_age=_YEAR, secure=site.is_https, httponly=True, samesite="lax")
    return answer
