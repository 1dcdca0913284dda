"""Safety: the headers that every answer carries, and the bodies that are too large to be read."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["LARGEST_BODY", "SafetyHeaders", "SmallBodies", "safety_headers"]

LARGEST_BODY: Final = 64 * 1024
"""Bytes of a form."""

_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def safety_headers(is_https: bool) -> dict[str, str]:
    """What tells browsers to run, load, frame and remember nothing that is not ours."""
    return _HEADERS | ({"strict-transport-security": "max-age=31536000"} if is_https else {})


class SafetyHeaders:
    """Puts them on every answer; pages are not kept, so that "back" after a sign-out shows nothing."""

    def __init__(self, app: ASGIApp, is_https: bool) -> None:
        self.app = app
        self.headers = safety_headers(is_https)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with the headers."""

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self.headers)
                # A file is the same for everybody, and versioned by its address; what is said of one that is not
                # there is a page with its reader's key.
                is_file = scope["path"].startswith("/static/") and message["status"] in {200, 304}
                headers.setdefault("cache-control", "public, max-age=86400" if is_file else "no-store")
            await send(message)

        await self.app(scope, receive, send_safely)


class SmallBodies:
    """Refuses a body before it is read: one that is too large (413), or does not say how large it is (411).

    `told` gives the answer for addresses that begin so; elsewhere it is empty.
    """

    def __init__(self, app: ASGIApp, told: Mapping[str, Callable[[int], Response]] = MappingProxyType({})) -> None:
        self.app = app
        self.told = told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        status = _refusal(scope) if scope["type"] == "http" else None
        if status is None:
            await self.app(scope, receive, send)
            return
        known = next((told for prefix, told in self.told.items() if scope["path"].startswith(prefix)), None)
        answer = Response(status_code=status) if known is None else known(status)
        answer.headers["connection"] = "close"
        await answer(scope, receive, send)


def _refusal(scope: Scope) -> int | None:
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers:
        return 411
    length = headers.get(b"content-length", b"0")
    return 413 if not length.isdigit() or int(length) > LARGEST_BODY else None
