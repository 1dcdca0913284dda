"""Visitors: who asks for a page, and whether they may have it.

Every route names the roles that may have it by depending on an `Allowed`; a test walks all routes and fails for one
that does not. A browser holds one cookie: a random token, which means something once somebody has signed in with it.
"""

from dataclasses import dataclass
from typing import Final

from fastapi import HTTPException, Request, Response

from pipeline.addresses import recipient
from pipeline.amounts import Language
from pipeline.console.languages import language_of
from pipeline.console.site import Site, site_of
from pipeline.people import sessions
from pipeline.people.connection import reading, writing
from pipeline.people.tokens import new_token
from pipeline.people.users import ROLES, User

__all__ = [
    "ANYBODY",
    "SIGNED_OUT",
    "Allowed",
    "SignInNeeded",
    "Visitor",
    "cookie_name",
    "give_cookie",
    "held_token",
    "sees",
]

SIGNED_OUT: Final = "signed out"
"""The role of who has not signed in."""

ANYBODY: Final = (SIGNED_OUT, *ROLES)


@dataclass(frozen=True)
class Visitor:
    """Who asks. `token` is what their cookie holds, or will hold after the answer where `is_new`."""

    user: User | None
    token: str
    is_new: bool
    language: Language

    @property
    def role(self) -> str:
        """Their role, also of who has not signed in."""
        return SIGNED_OUT if self.user is None else self.user.role

    @property
    def known(self) -> User:
        """The user, on pages that let nobody else in."""
        assert self.user is not None
        return self.user


class SignInNeeded(Exception):
    """The page is for those who have signed in."""


class Allowed:
    """A dependency of a route: lets these roles pass, and gives who asks."""

    def __init__(self, *roles: str) -> None:
        self.roles = frozenset(roles)

    def __call__(self, request: Request) -> Visitor:
        """Who asks. Raises `SignInNeeded`, or status 403 for another role."""
        visitor = _recognised(request)
        request.state.visitor = visitor  # the page of an error that comes later is theirs, too
        if visitor.role not in self.roles:
            raise SignInNeeded if visitor.user is None else HTTPException(403)
        return visitor


def _recognised(request: Request) -> Visitor:
    site, token = site_of(request), held_token(request)
    user: User | None = None
    if token:
        now = site.clock()
        with reading(site.people) as connection:
            found = sessions.signed_in(connection, token, site.secret, now)
        if found is not None:
            user, is_due = found
            if is_due:
                with writing(site.people) as connection:
                    sessions.visited(connection, token, site.secret, now)
    language = language_of(request, user.language if user else None)
    return Visitor(user, token or new_token(), not token, language)


def cookie_name(site: Site) -> str:
    """The prefix makes browsers refuse a cookie of that name from another host or without TLS."""
    return "__Host-churn" if site.is_https else "churn"


def held_token(request: Request) -> str:
    """What the browser's cookie holds, or nothing."""
    token = request.cookies.get(cookie_name(site_of(request)), "")
    return token if len(token) <= 64 else ""


def give_cookie(response: Response, site: Site, token: str) -> None:
    """Let the browser hold a token: no script can read it, no other site can make the browser send a form with it."""
    response.set_cookie(
        cookie_name(site),
        token,
        max_age=int(sessions.LONGEST.total_seconds()),
        secure=site.is_https,
        httponly=True,
        samesite="lax",
    )


def sees(site: Site, visitor: Visitor, owner: str | None) -> bool:
    """Whether a visitor may see what this owner owns, and write about it; what nobody owns is everybody's."""
    if site.shows_all(visitor.role):
        return visitor.user is not None
    return not owner or not recipient(owner) or recipient(owner) == visitor.known.email
