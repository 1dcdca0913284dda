"""Problems: what went wrong with a request, as `application/problem+json` (RFC 9457).

Each says what, where, and what to do. Its `type` is the place on the documentation page that tells of its kind.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from pipeline.console.safety import LARGEST_BODY
from pipeline.errors import StoreError, StoreMissing, StoreOutdated

__all__ = [
    "BASE",
    "KINDS",
    "MEDIA_TYPE",
    "Kind",
    "Problem",
    "Wrong",
    "answer_problems",
    "as_answer",
    "problems",
    "refused",
]

_LOG: Final = logging.getLogger(__name__)

BASE: Final = "/api/v1"
MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True)
class Kind:
    """A kind of problem: its status, what it is called, and what to do about it."""

    status: int
    title: str
    remedy: str


KINDS: Final[dict[str, Kind]] = {
    "unreadable": Kind(400, "The request cannot be read", "Send JSON in UTF-8."),
    "no-token": Kind(401, "No token", "Send the header Authorization: Bearer TOKEN. To make one: churn token add."),
    "wrong-token": Kind(
        401, "The token opens nothing", "It was revoked, or never was. See which there are: churn token list."
    ),
    "read-only": Kind(403, "The token may only read", "Make one that may write: churn token add NAME --scope write."),
    "not-allowed": Kind(403, "The token's user may not", "Ask for their own customers, or use a manager's token."),
    "not-found": Kind(404, "Nothing there", "Check the address; what there is stands in /api/v1/accounts."),
    "wrong-method": Kind(405, "Not in this way", "Use one of the methods in the header Allow."),
    "conflict": Kind(409, "Written before, with other content", "What stands stays. Draw a new id for a new deed."),
    "night-gone": Kind(410, "The night was published anew", "Start again without a cursor."),
    "no-length": Kind(411, "The body does not say how long it is", "Send Content-Length."),
    "too-large": Kind(413, "The body is too large", f"Send at most {LARGEST_BODY:,} bytes."),
    "invalid": Kind(422, "Something in the request cannot be", "Change what `where` and `errors` name."),
    "wait": Kind(429, "Too many wrong tokens", "Wait as long as Retry-After says, and send another token."),
    "broken": Kind(500, "Something went wrong here", "Try again; the server's log has more."),
    "no-night": Kind(503, "No night is published", "Score one: churn score."),
    "no-store": Kind(503, "A store cannot be used", "Whoever runs it sees why by: churn doctor."),
}
_OF_STATUS: Final = {400: "unreadable", 404: "not-found", 405: "wrong-method", 411: "no-length", 413: "too-large"}


class Where(BaseModel):
    """One thing that cannot be: the place of it, and what is wrong there."""

    where: str = Field(examples=["query.limit"])
    problem: str = Field(examples=["Input should be less than or equal to 200"])


class Problem(BaseModel):
    """What went wrong, where, and what to do."""

    type: str = Field(examples=[f"{BASE}/docs#invalid"])
    title: str = Field(examples=[KINDS["invalid"].title])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["query.limit: Input should be less than or equal to 200"])
    where: str | None = Field(None, description="The field or parameter, where it is one", examples=["query.limit"])
    remedy: str = Field(description="What to do", examples=[KINDS["invalid"].remedy])
    errors: list[Where] = Field([], description="All that is wrong, where there is more than one")


@dataclass(eq=False)
class Wrong(Exception):
    """A request that ends with a problem of this kind. `detail` says more than its title."""

    kind: str
    detail: str = ""
    where: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


def problems(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """What the description of a route says of these kinds, and of those that any route may end with."""
    told: dict[int | str, dict[str, Any]] = {}
    for name in (*kinds, "no-token", "wrong-token", "wait", "broken", "no-store"):
        kind = KINDS[name]
        before = told.get(kind.status)
        told[kind.status] = {
            "description": f"{before['description']}; or: {kind.title}" if before else kind.title,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    return dict(sorted(told.items(), key=lambda each: int(each[0])))


def answer_problems(app: FastAPI) -> None:
    """Let the API answer whatever goes wrong with a problem."""
    app.add_exception_handler(Wrong, _wrong)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    for kind in (StoreMissing, StoreOutdated, StoreError):
        app.add_exception_handler(kind, _no_store)
    app.add_exception_handler(Exception, _broken)


def refused(status: int) -> Response:
    """The problem of a request that is refused by its status alone."""
    return _told(_OF_STATUS[status])


def as_answer(error: Wrong) -> Response:
    """The problem that it is."""
    return _told(error.kind, error.detail, error.where, headers=error.headers)


def _wrong(_: Request, error: Exception) -> Response:
    assert isinstance(error, Wrong)
    return as_answer(error)


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    name = _OF_STATUS.get(error.status_code, "broken" if error.status_code >= 500 else "unreadable")
    return _told(name, headers=dict(error.headers or {}))


def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [
        Where(
            where=".".join(str(part) for part in each["loc"]) or "body",
            problem=each["msg"].removeprefix("Value error, "),
        )
        for each in error.errors()
    ]
    if not found:
        return _told("invalid")
    first = found[0]
    return _told("invalid", f"{first.where}: {first.problem}", first.where, errors=found)


def _no_store(_: Request, error: Exception) -> Response:
    """A program cannot mend a store; its address and what the database says are for the log."""
    _LOG.error("%s", error)
    return _told("no-store", headers={"retry-after": "30"})


def _broken(_: Request, __: Exception) -> Response:
    return _told("broken")


def _told(
    name: str,
    detail: str = "",
    where: str | None = None,
    *,
    errors: Sequence[Where] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    kind = KINDS[name]
    told = Problem(
        type=f"{BASE}/docs#{name}",
        title=kind.title,
        status=kind.status,
        detail=detail or f"{kind.title}.",
        where=where,
        remedy=kind.remedy,
        errors=list(errors),
    )
    return Response(told.model_dump_json(), kind.status, headers, MEDIA_TYPE)
