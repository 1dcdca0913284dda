"""Tags: how a program asks whether an answer is still the same, and gets 304 and nothing else where it is.

A published night does not change, so what is made of it alone is tagged by its run before anything is read; accounts
that were forgotten since are part of the tag. What people write may change at any moment: it is tagged by its content.
"""

import hashlib
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy import Connection, func, select

from pipeline.people.schema import FORGOTTEN

__all__ = ["TAGGED", "answered", "forgotten_by_now", "is_same", "tag_of", "unchanged"]

TAGGED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "headers": {
            "ETag": {"description": "Send it back in If-None-Match", "schema": {"type": "string"}},
        }
    },
    304: {"description": "The same as the tag in If-None-Match says"},
}
"""What the description of a tagged route says."""


def tag_of(*parts: object) -> str:
    """A tag for an answer that depends on these and nothing else.

    >>> tag_of("r1", 2) == tag_of("r1", 2), tag_of("r1", 2) == tag_of("r12", "")
    (True, False)
    """
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'


def is_same(request: Request, tag: str) -> bool:
    """Whether the program holds the answer of this tag."""
    held = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    return tag in held or held == ["*"]


def unchanged(tag: str) -> Response:
    """Nothing but that it is the same."""
    return Response(status_code=304, headers=_headers(tag))


def answered(request: Request, answer: BaseModel, tag: str | None = None) -> Response:
    """The answer under its tag, by default that of its content."""
    body = answer.model_dump_json()
    tag = tag or tag_of(body)
    if is_same(request, tag):
        return unchanged(tag)
    return Response(body, headers=_headers(tag), media_type="application/json")


def forgotten_by_now(people: Connection) -> str:
    """What tells two moments apart between which an account was forgotten: a night keeps its run then."""
    count, last = people.execute(select(func.count(), func.max(FORGOTTEN.c.at))).one()
    return f"{count} {last}"


def _headers(tag: str) -> dict[str, str]:
    """It may be kept by who asked, and nobody else, and has to be asked about again before it is used."""
    return {"etag": tag, "cache-control": "private, no-cache", "vary": "authorization"}
