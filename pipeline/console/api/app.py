"""The API as an app of its own below `/api/v1`: what goes wrong there is told to a program, not shown on a page."""

from fastapi import FastAPI

from pipeline.console.api import accounts, deeds, night, pages, week
from pipeline.console.api.description import describe
from pipeline.console.api.problems import answer_problems
from pipeline.console.site import Site

__all__ = ["create_api"]


def create_api(site: Site) -> FastAPI:
    """The API of a site."""
    api = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    api.state.site = site
    answer_problems(api)
    for each in (night, accounts, week, deeds, pages):
        api.include_router(each.router)
    api.openapi = lambda: describe(api)  # type: ignore[method-assign]
    return api
