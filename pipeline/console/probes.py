"""Probes, for whoever runs the console: whether its process lives, whether it can answer, and its measures.

The first two tell nothing but that, to anybody. The measures tell how many customers there are and what is asked for:
they are for this machine and its own network, asked directly, and for who shows a token of the API. Whatever came
through a proxy came from elsewhere, whatever address it has.
"""

import logging
from ipaddress import ip_address
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from sqlalchemy import Engine

from pipeline.console.api.problems import Wrong, as_answer
from pipeline.console.api.programs import recognised
from pipeline.console.measures import Measures
from pipeline.console.site import Site, site_of
from pipeline.console.visitors import ANYBODY, Allowed, Visitor
from pipeline.errors import StoreError, StoreMissing, StoreOutdated
from pipeline.night_age import night_age
from pipeline.store.connection import kind_of, reading
from pipeline.store.nights import Night, night

__all__ = ["router"]

_LOG: Final = logging.getLogger(__name__)
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "via")

router = APIRouter()

Anybody = Annotated[Visitor, Depends(Allowed(*ANYBODY))]


@router.get("/healthz")
def healthz(_: Anybody) -> Response:
    """The process answers: it need not be started anew."""
    return JSONResponse({"status": "alive"})


@router.get("/readyz")
def readyz(request: Request, _: Anybody) -> Response:
    """Whether it can answer: both stores can be read and are of this version, and a night is published; else 503."""
    checks, _night = _looked_at(site_of(request))
    is_ready = set(checks.values()) == {"ok"}
    return JSONResponse({"status": "ready" if is_ready else "not ready", "checks": checks}, 200 if is_ready else 503)


@router.get("/metrics")
def metrics(request: Request, _: Anybody) -> Response:
    """The measures, as Prometheus reads them."""
    refusal = _refusal(request)
    if refusal is not None:
        return refusal
    site, measures = site_of(request), request.app.state.measures
    assert isinstance(measures, Measures)
    checks, newest = _looked_at(site)
    age = None if newest is None else night_age(newest, site.clock(), site.arrival_hours)
    told = measures.text(newest, age, is_ready=set(checks.values()) == {"ok"})
    return Response(told, media_type="text/plain; version=0.0.4; charset=utf-8")


def _looked_at(site: Site) -> tuple[dict[str, str], Night | None]:
    """What each store and the night are like, and the newest night; what is wrong with a store is for the log."""
    found: Night | None = None
    checks: dict[str, str] = {}
    for engine in (site.store, site.people):
        checks[kind_of(engine).called] = _state(engine)
    if checks[kind_of(site.store).called] == "ok":
        with reading(site.store) as connection:
            found = night(connection)
    return {**checks, "night": "none published" if found is None else "ok"}, found


def _state(engine: Engine) -> str:
    try:
        with reading(engine):
            return "ok"
    except (StoreMissing, StoreOutdated, StoreError) as error:
        _LOG.warning("%s", error)
        told = {StoreMissing: "missing", StoreOutdated: "of another version", StoreError: "not to be read"}
        return told[type(error)]


def _refusal(request: Request) -> Response | None:
    """The answer to who may not read the measures; None for who may."""
    if _is_near(request):
        return None
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        if kind.lower() != "bearer" or not token:
            told = "Measures are for this machine's own network, and for who shows a token."
            raise Wrong("no-token", told, headers={"www-authenticate": "Bearer"})
        recognised(request, token.strip())
    except Wrong as error:
        return as_answer(error)
    return None


def _is_near(request: Request) -> bool:
    """Whether it was asked from this machine or a private network, and by nobody in between."""
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        address = ip_address(request.client.host)
    except ValueError:  # no address of a network
        return False
    # Where one socket listens for both, an address of IPv4 comes wrapped, and every wrapped one counts as private.
    return (getattr(address, "ipv4_mapped", None) or address).is_private
