"""Failures: the pages of what went wrong, in the reader's language."""

import logging
from datetime import timedelta
from typing import Final
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException as AnyHTTPException

from pipeline.console.forms import FormExpired, address
from pipeline.console.languages import language_of
from pipeline.console.rendering import page
from pipeline.console.safety import safety_headers
from pipeline.console.site import site_of
from pipeline.console.visitors import SignInNeeded, Visitor, held_token
from pipeline.errors import StoreError, StoreMissing, StoreOutdated

__all__ = ["answer_failures", "failure"]

_LOG: Final = logging.getLogger(__name__)
_KNOWN: Final = {400, 403, 404, 405, 422, 429, 500, 503}


def answer_failures(app: FastAPI) -> None:
    """Let the app answer each kind of failure with its page."""
    app.add_exception_handler(SignInNeeded, _to_sign_in)
    app.add_exception_handler(AnyHTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _misunderstood)
    for kind in (StoreMissing, StoreOutdated, StoreError):
        app.add_exception_handler(kind, _no_store)
    app.add_exception_handler(Exception, _broken)


def failure(
    request: Request, status: int, name: str | None = None, told: str = "", wait: timedelta | None = None
) -> Response:
    """The page of a failure: the texts of `name`, by default those of the status, and below them what was `told`."""
    visitor = getattr(request.state, "visitor", None) or _stranger(request)
    name = name or str(status if status in _KNOWN else 400)
    minutes = 0 if wait is None else max(1, -(-int(wait.total_seconds()) // 60))
    answer = page(request, visitor, "failure.html", status, failure=name, told=told, minutes=minutes)
    if wait is not None:
        answer.headers["retry-after"] = str(minutes * 60)
    return answer


def _stranger(request: Request) -> Visitor:
    """Whoever it is: who they are was not asked yet, or cannot be."""
    return Visitor(None, held_token(request), False, language_of(request, None))


def _to_sign_in(request: Request, _: Exception) -> Response:
    """A page leads there and back again; a form that was sent is gone, so it leads to the first page."""
    path = address(request)
    wanted = f"?next={quote(path)}" if request.method == "GET" and path != "/" else ""
    return RedirectResponse(f"/sign-in{wanted}", 303)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, AnyHTTPException)
    answer = failure(request, error.status_code, "expired" if isinstance(error, FormExpired) else None)
    if isinstance(error, HTTPException) or error.headers:
        answer.headers.update(error.headers or {})
    return answer


def _misunderstood(request: Request, _: Exception) -> Response:
    return failure(request, 422)


def _no_store(request: Request, error: Exception) -> Response:
    """What is wrong with a store is told as the commands tell it: who reads it can do something, or tell who can."""
    _LOG.error("%s", error)
    return failure(request, 503, told=str(error) if isinstance(error, StoreMissing | StoreOutdated) else "")


def _broken(request: Request, error: Exception) -> Response:
    answer = failure(request, 500)
    answer.headers.update(safety_headers(site_of(request).is_https) | {"cache-control": "no-store"})
    return answer
