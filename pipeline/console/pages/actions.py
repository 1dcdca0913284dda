"""What people do about an account, sent from whichever page shows its forms: *I called*, *Later*, *Not a risk*."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from pipeline.console.act_forms import Kind, act_forms, named_families, with_word
from pipeline.console.forms import local_path
from pipeline.console.rendering import page
from pipeline.console.site import Site, site_of
from pipeline.console.visitors import Allowed, Visitor, sees
from pipeline.people.deeds import Called, Deed, Later, NotARisk, UnfitForm, record
from pipeline.people.deeds import Form as Filled
from pipeline.people.forgotten import PSEUDONYM
from pipeline.printable import one_line
from pipeline.store.connection import reading
from pipeline.store.lines import Line, lines_of
from pipeline.store.nights import Night, catalogue, night

__all__ = ["router"]

router = APIRouter()

Anyone = Annotated[Visitor, Depends(Allowed("csm", "manager", "admin"))]
Text = Annotated[str, Form()]


@dataclass(frozen=True)
class Sent:
    """What each of the forms carries: its id, the account, the night that was looked at, the page to come back to."""

    form_id: Text = ""
    account_id: Text = ""
    as_of: Text = ""
    next: Text = "/"


Carried = Annotated[Sent, Depends(Sent)]


@router.post("/actions/called")
def called(
    request: Request,
    visitor: Anyone,
    sent: Carried,
    reached: Text = "",
    said: Text = "",
    next_step: Text = "",
    next_on: Text = "",
) -> Response:
    """*I called*: whether somebody was reached; what they said, the next step and its day, where there are any."""
    typed = {"reached": reached, "said": said, "next_step": next_step, "next_on": next_on}

    def deed() -> Deed:
        if reached not in {"yes", "no"}:
            raise UnfitForm("reached", "Say whether somebody was reached: yes or no.")
        return Called(reached == "yes", said or None, next_step, _day("next_on", next_on) if next_on else None)

    return _written(request, visitor, sent, "called", typed, deed)


@router.post("/actions/later")
def later(request: Request, visitor: Anyone, sent: Carried, until: Text = "") -> Response:
    """*Later*: until which day the account rests."""
    return _written(request, visitor, sent, "later", {"until": until}, lambda: Later(_day("until", until)))


@router.post("/actions/not-a-risk")
def not_a_risk(request: Request, visitor: Anyone, sent: Carried, why: Text = "") -> Response:
    """*Not a risk*: why it is none."""
    return _written(request, visitor, sent, "not_a_risk", {"why": why}, lambda: NotARisk(why))


def _written(
    request: Request, visitor: Visitor, sent: Sent, kind: Kind, typed: dict[str, str], deed: Callable[[], Deed]
) -> Response:
    """Write it down and go back; where it cannot be, the form again, with all that was typed and what to change."""
    site, back = site_of(request), local_path(sent.next)
    of, line, words = _looked_at(site, visitor, sent)
    form = Filled(sent.form_id, visitor.known.user_id, sent.account_id, of.as_of, site.clock(), site.today)
    try:
        action = record(site.people, form, deed(), rest_days=site.rest_days, families=named_families(words))
    except UnfitForm as unfit:
        # Under an id that was used for other answers nothing more can be written; under a new one it can.
        kept: dict[Kind, str] = {} if unfit.field == "form_id" else {kind: sent.form_id}
        title = one_line(line.name or line.account_id)
        forms = act_forms(site, of, words, sent.account_id, title, back=back)
        again = replace(forms, opened=kind, typed=typed, wrong=unfit.field, ids={**forms.ids, **kept})
        return page(request, visitor, "act.html", 422, acting=again)
    return RedirectResponse(with_word(back, action.action_id), 303)


def _looked_at(site: Site, visitor: Visitor, sent: Sent) -> tuple[Night, Line, dict[str, Any]]:
    """The night that was looked at, else the newest, and how the account stands in the newest.

    Status 404 where it is not there, or is nobody's whom the visitor sees: which of the two is not told.
    """
    with reading(site.store) as connection:
        newest = night(connection)
        is_id = "\x00" not in sent.account_id and not sent.account_id.startswith(PSEUDONYM)
        if newest is None or not is_id:
            raise HTTPException(404)
        line = lines_of(connection, newest, [sent.account_id]).get(sent.account_id)
        if line is None or not sees(site, visitor, line.owner):
            raise HTTPException(404)
        looked_at = None
        with suppress(ValueError):
            looked_at = night(connection, date.fromisoformat(sent.as_of))
        of = looked_at or newest
        return of, line, catalogue(connection, of)


def _day(field: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UnfitForm(field, f"{field} = {text[:40]!r} is no day. Write it like 2026-11-30.") from error
