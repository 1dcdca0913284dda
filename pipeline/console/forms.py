"""Forms: only those that a page of ours gave to this very browser are taken, and only back to pages of ours."""

import hmac
from typing import Final
from urllib.parse import quote

from fastapi import HTTPException, Request

from pipeline.console.site import Site, site_of
from pipeline.console.visitors import held_token
from pipeline.people.tokens import digest

__all__ = ["FIELD", "FormExpired", "address", "form_token", "genuine", "local_path"]

FIELD: Final = "form_token"


class FormExpired(HTTPException):
    """The form was given to another browser, or before a sign-in."""

    def __init__(self) -> None:
        super().__init__(403)


def form_token(site: Site, token: str) -> str:
    """What a form carries: made from the browser's token, and worth nothing in another browser or session."""
    return digest(token, site.secret, "form")


async def genuine(request: Request) -> None:
    """A dependency of every route with pages: raises `FormExpired` for a form that is not this browser's."""
    if request.method in {"GET", "HEAD"}:
        return
    token, given = held_token(request), (await request.form()).get(FIELD)
    expected = form_token(site_of(request), token)
    if not token or not isinstance(given, str) or not hmac.compare_digest(given.encode(), expected.encode()):
        raise FormExpired


def address(request: Request) -> str:
    """The path and query that were asked for, to come back to: ids of accounts in it may be any text.

    They stay quoted as they were, for unquoted "a%2F..%2Fb" would lead elsewhere.
    """
    sent: bytes | None = request.scope.get("raw_path")
    path = quote(request.scope["path"]) if sent is None else sent.decode("ascii", "replace")
    return f"{path}?{request.url.query}" if request.url.query else path


def local_path(wanted: str | None) -> str:
    r"""Where to go on to: a path of ours, and to nobody else's site.

    >>> [local_path(wanted) for wanted in ("/people?page=2", "https://evil.example", "//evil.example", "/\\evil")]
    ['/people?page=2', '/', '/', '/']
    """
    is_ours = (
        wanted and wanted[0] == "/" and wanted[1:2] not in {"/", "\\"} and wanted.isascii() and wanted.isprintable()
    )
    return wanted if wanted and is_ours and "\\" not in wanted else "/"
