"""Tonight: the newest published night, which every other answer is of."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from pipeline.console.api.answers import Tonight
from pipeline.console.api.problems import Wrong, problems
from pipeline.console.api.programs import Program, Token
from pipeline.console.api.tags import TAGGED, answered
from pipeline.console.api.told import told_tonight
from pipeline.console.site import Site
from pipeline.store.connection import reading
from pipeline.store.nights import Night, catalogue, night

__all__ = ["newest_night", "router"]

router = APIRouter(tags=["Nights"])


@contextmanager
def newest_night(site: Site) -> Iterator[tuple[Connection, Night]]:
    """The published store at one moment, and its newest night. Raises `Wrong` where there is none."""
    with reading(site.store) as published:
        found = night(published)
        if found is None:
            raise Wrong("no-night", headers={"retry-after": "600"})
        yield published, found


@router.get("/tonight", response_model=Tonight, responses={**TAGGED, **problems("no-night")})
def tonight(request: Request, program: Annotated[Program, Depends(Token("read"))]) -> Response:
    """The newest night: of when it is, how old, by which model, and its figures.

    Ask this first, and again when you like: with `If-None-Match` it costs next to nothing.
    """
    with newest_night(program.site) as (published, of):
        answer = told_tonight(of, catalogue(published, of), program.site.clock(), program.site.arrival_hours)
    return answered(request, answer)
