"""The app: all pages of a site, behind what keeps it safe."""

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import Response
from fastapi.routing import iter_route_contexts
from starlette.middleware import Middleware
from starlette.staticfiles import StaticFiles

from pipeline.console import probes
from pipeline.console.api.app import create_api
from pipeline.console.api.problems import BASE, refused
from pipeline.console.failures import answer_failures, failure
from pipeline.console.forms import genuine
from pipeline.console.measures import Measured, Measures
from pipeline.console.pages import (
    account,
    accounts,
    actions,
    health,
    language,
    links,
    people,
    sign_in,
    team,
    today,
)
from pipeline.console.safety import SafetyHeaders, SmallBodies
from pipeline.console.site import Site

__all__ = ["create_app"]

_PAGES = (
    today.router,
    actions.router,
    accounts.router,
    account.router,
    team.router,
    health.router,
    people.router,
    sign_in.router,
    links.router,
    language.router,
)


def create_app(site: Site) -> FastAPI:
    """The console of a site, for uvicorn or a test client. It opens no store before it is asked for a page."""
    measures = Measures()
    app = FastAPI(
        title="Churn",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        middleware=[
            Middleware(Measured, measures=measures),
            Middleware(SafetyHeaders, is_https=site.is_https),
            Middleware(SmallBodies, told={BASE: refused}),
        ],
    )
    app.state.site = site
    app.state.measures = measures
    answer_failures(app)
    app.add_exception_handler(404, _nowhere)
    pages = APIRouter(dependencies=[Depends(genuine)])
    for router in _PAGES:
        pages.include_router(router)
    app.include_router(pages)
    app.include_router(probes.router)
    api = create_api(site)
    app.mount(BASE, api, name="api")
    app.mount("/static", StaticFiles(packages=[("pipeline.console", "static")]), name="static")
    for each in (app, api):
        _build_routes(each)
    return app


def _build_routes(app: FastAPI) -> None:
    """Build what FastAPI builds for its routes now, not in the threads of the first requests.

    It changes the filters of warnings while it does so, which are one for all threads, and takes longer than a page.
    """
    for _ in iter_route_contexts(app.routes):
        pass


def _nowhere(request: Request, _: Exception) -> Response:
    """What leads nowhere leads a program there, too: an address with a line break is none of the API's to look at."""
    return refused(404) if request.url.path.startswith(BASE) else failure(request, 404)
