"""Measures: how long answers take and what is refused, counted while the console runs, as Prometheus reads it.

A route is named by its pattern, never by the address that was asked for: those name customers, and there are too many.
"""

import time
from datetime import timedelta
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.store.nights import Night

__all__ = ["Measured", "Measures"]

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0)
"""With bounds where the promise lies: a median below 50 ms, nineteen of twenty below 150 ms."""

_REFUSALS: Final = {
    400: "unreadable",
    401: "not signed in",
    403: "not allowed",
    409: "conflict",
    411: "no length",
    413: "too large",
    422: "invalid",
    429: "too many failures",
}


class Measures:
    """What one console has counted since it started, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.seconds = Histogram(
            "churn_request_seconds",
            "How long answers took",
            ("method", "route", "status"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.refusals = Counter("churn_refusals", "Requests that were refused", ("kind",), registry=self.registry)
        self.is_ready = Gauge("churn_ready", "Whether both stores can be read and hold a night", registry=self.registry)
        self.age = Gauge(
            "churn_night_age_seconds",
            "Since the newest night could start, or was published where that is longer; NaN where there is none",
            registry=self.registry,
        )
        self.accounts = Gauge("churn_night_accounts", "Accounts of the newest night", registry=self.registry)
        for kind in _REFUSALS.values():
            self.refusals.labels(kind)  # shown as 0 before the first: else its increase is not seen

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self.seconds.labels(method, route, f"{status // 100}xx").observe(seconds)
        if status in _REFUSALS:
            self.refusals.labels(_REFUSALS[status]).inc()

    def text(self, newest: Night | None, age: timedelta | None, *, is_ready: bool) -> bytes:
        """All of it, with the newest night and its age."""
        self.age.set(float("nan") if age is None else age.total_seconds())
        self.accounts.set(0 if newest is None else newest.accounts)
        self.is_ready.set(is_ready)
        return generate_latest(self.registry)


class Measured:
    """Times every answer, those of the other middleware among them."""

    def __init__(self, app: ASGIApp, measures: Measures) -> None:
        self.app = app
        self.measures = measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and count it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, began = 500, time.perf_counter()

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        finally:
            method = scope["method"] if scope["method"] in {"GET", "POST", "HEAD"} else "other"
            self.measures.answered(method, _route(scope), status, time.perf_counter() - began)


def _route(scope: Scope) -> str:
    """The pattern of the address; of what leads nowhere, the app below which it does."""
    pattern: str = getattr(scope.get("route"), "path", "")
    return f"{scope.get('root_path', '')}{pattern}" or "none"
