"""All accounts: the table, and its rows as a file."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response, StreamingResponse
from sqlalchemy import Connection

from pipeline.console.account_query import BANDS, EVERYBODY, RENEWALS, STATES, AccountQuery, UnknownValue, read_query
from pipeline.console.failures import failure
from pipeline.console.reads.account_files import csv_of
from pipeline.console.reads.accounts import Whose, accounts_page, asked_of, usual_sort, whose
from pipeline.console.rendering import page
from pipeline.console.site import Site, site_of
from pipeline.console.visitors import Allowed, Visitor
from pipeline.people.audit import log_deed
from pipeline.people.connection import writing
from pipeline.reason_families import FAMILIES, family_headings
from pipeline.store.connection import reading
from pipeline.store.nights import Night
from pipeline.store.nights import night as newest_night
from pipeline.store.selection import MISSING, select_ids

__all__ = ["router"]

router = APIRouter()

Reader = Annotated[Visitor, Depends(Allowed("csm", "manager", "admin"))]


@router.get("/accounts")
def accounts(request: Request, visitor: Reader) -> Response:
    """One page of the accounts that the address asks for."""
    site = site_of(request)
    try:
        query = read_query(request.query_params)
    except UnknownValue as error:
        return failure(request, 400, "query", told=str(error))
    with reading(site.store) as connection:
        night = newest_night(connection)
        if night is None:
            return page(request, visitor, "no_night.html")
        theirs = _whose(connection, night, query, site, visitor)
        asked = asked_of(night, query, theirs.owners)
        found = site.selections.of(connection, night, *asked)
        shown = accounts_page(connection, night, found, query.page, visitor.language)
    _log(site, visitor, "accounts seen", night, query)
    usual = usual_sort(night)
    return page(
        request,
        visitor,
        "accounts.html",
        night=night,
        query=query,
        whose=theirs,
        me=visitor.known.email,
        shown=shown,
        order=query.order(usual),
        usual=usual,
        choices=_choices(night, query, theirs, visitor),
        family_names=family_headings(visitor.language),
        chips=_chips(query),
        EVERYBODY=EVERYBODY,
        MISSING=MISSING,
    )


@router.get("/accounts.csv")
def accounts_file(request: Request, visitor: Reader) -> Response:
    """All of them as a file; its name tells how many."""
    site = site_of(request)
    try:
        query = read_query(request.query_params)
    except UnknownValue as error:
        return failure(request, 400, "query", told=str(error))
    with reading(site.store) as connection:
        night = newest_night(connection)
        if night is None:
            return page(request, visitor, "no_night.html")
        theirs = _whose(connection, night, query, site, visitor)
        ids = select_ids(connection, night, *asked_of(night, query, theirs.owners))
    _log(site, visitor, "accounts exported", night, query, rows=len(ids))
    name = f"accounts-{night.as_of}-{len(ids)}.csv"
    return StreamingResponse(
        csv_of(site.store, night, ids, visitor.language),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


def _whose(connection: Connection, night: Night, query: AccountQuery, site: Site, visitor: Visitor) -> Whose:
    """Whose accounts may be looked among; status 403 for who asks for those of another and may not see them."""
    is_csm, sees_all = visitor.role == "csm", site.shows_all(visitor.role)
    owners = site.books.owners(connection, night)
    found = whose(owners, query.owner, visitor.known.email, is_csm=is_csm, sees_all=sees_all)
    if found is None:
        raise HTTPException(403)
    return found


def _choices(night: Night, query: AccountQuery, theirs: Whose, visitor: Visitor) -> Mapping[str, list[str]]:
    """What each filter can be set to, beside nothing; what it is set to is always among it."""
    others = [person for person in theirs.others if person != visitor.known.email]
    owners = [EVERYBODY, MISSING, *others] if visitor.role == "csm" else [MISSING, *theirs.others]
    told = night.headline.get("choices") or {}  # absent from nights that an older churn published
    found = {
        "owner": owners,
        "state": list(STATES),
        "band": list(BANDS),
        "segment": [*told.get("segment", ()), MISSING],
        "plan": [*told.get("plan", ()), MISSING],
        "renews": list(RENEWALS),
        "family": [*FAMILIES, MISSING],
    }
    for name in ("segment", "plan"):
        chosen = getattr(query, name)
        if chosen and chosen not in found[name]:
            found[name].append(chosen)
    return found


def _chips(query: AccountQuery) -> list[tuple[str, str, str]]:
    """What the table is narrowed down by: its name, its value, and the address without it."""
    return [(name, value, query.link(**{name: ""})) for name, value in query.filters.items()]


def _log(site: Site, visitor: Visitor, deed: str, night: Night, query: AccountQuery, **more: Any) -> None:
    """Write down what was looked at; what was searched for may be a name, so only that something was."""
    asked: dict[str, Any] = {name: value for name, value in query.filters.items() if name != "q"}
    asked |= {"searched": True} if query.q else {}
    with writing(site.people) as connection:
        log_deed(connection, visitor.known.user_id, deed, site.clock(), as_of=night.as_of, **(asked | more))
