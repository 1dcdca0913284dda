"""Team: where the money is at risk, and whether it gets better. For who leads the managers of customers."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from pipeline.console.reads.team import Asked, team_of
from pipeline.console.rendering import page
from pipeline.console.site import site_of
from pipeline.console.visitors import Allowed, Visitor
from pipeline.people.audit import log_deed
from pipeline.people.connection import reading as reading_people
from pipeline.people.connection import writing
from pipeline.reason_families import family_headings
from pipeline.store.connection import reading
from pipeline.store.nights import night as newest_night

__all__ = ["router"]

router = APIRouter()


@router.get("/team")
def team(request: Request, visitor: Annotated[Visitor, Depends(Allowed("manager", "admin"))]) -> Response:
    """The page."""
    site = site_of(request)
    now = site.clock()
    with reading(site.store) as published, reading_people(site.people) as people:
        night = newest_night(published)
        if night is None:
            return page(request, visitor, "no_night.html")
        shown = team_of(Asked(published, people, night, site.teams, site.calls_per_week))
    with writing(site.people) as connection:
        log_deed(connection, visitor.known.user_id, "team seen", now, as_of=night.as_of)
    return page(
        request,
        visitor,
        "team.html",
        team=shown,
        night=night,
        days=night.headline["horizon_days"],
        calls_per_week=site.calls_per_week,
        family_names=family_headings(visitor.language),
    )
