"""Account: how one stands and why, what happened to it, what was done; and the forms of a note and of an outcome.

An id that nobody has and one that the visitor may not see get the same answer, so that guessing tells nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from pipeline.amounts import plain_day
from pipeline.console.account_pictures import course_picture, happened_picture, waterfall_picture
from pipeline.console.account_sums import changes, families
from pipeline.console.act_forms import act_forms
from pipeline.console.happened import in_words
from pipeline.console.navigation import account_path
from pipeline.console.reads.account import Deeds, Shown, account_of, deeds_of, happenings, suggestion_for
from pipeline.console.reads.today import Done
from pipeline.console.rendering import page
from pipeline.console.site import Site, site_of
from pipeline.console.texts import texts
from pipeline.console.visitors import Allowed, Visitor, sees
from pipeline.people.audit import log_deed
from pipeline.people.connection import reading as reading_people
from pipeline.people.connection import writing
from pipeline.people.deeds import OUTCOMES_TOLD, UnfitForm, record_note, record_outcome
from pipeline.people.deeds import Form as DeedForm
from pipeline.people.schema import new_id
from pipeline.reason_families import family_headings
from pipeline.resting import is_live
from pipeline.standing import risk_at
from pipeline.store.connection import reading
from pipeline.store.nights import night as published_night
from pipeline.wording import weight

__all__ = ["router"]

router = APIRouter()

Anyone = Annotated[Visitor, Depends(Allowed("csm", "manager", "admin"))]
Told = Annotated[str, Form()]

_BETWEEN: Final = {"en": ", ", "zh": "、"}
_FIRST_LINES: Final = 12
"""Of what happened, how many lines are shown before the others are folded."""


@dataclass(frozen=True)
class _Sent:
    """A form that cannot be kept as it is: what was typed, and the name of the text that says why."""

    wrong: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)


@router.get("/accounts/{account_id:path}")
def account(request: Request, visitor: Anyone, account_id: str, done: str = "") -> Response:
    """The page of an account. With the id of an action that the visitor has `done` it says a word of it."""
    site = site_of(request)
    shown = _seen(site, visitor, account_id)
    with writing(site.people) as connection:
        log_deed(
            connection,
            visitor.known.user_id,
            "account seen",
            site.clock(),
            account_id=account_id,
            as_of=shown.night.as_of,
        )
        deeds = deeds_of(connection, account_id)
    return _page(request, visitor, shown, deeds, done=done)


@router.post("/notes")
def write_note(
    request: Request, visitor: Anyone, account_id: Told, form_id: Told, as_of: Told = "", note: Told = ""
) -> Response:
    """Keep a note about an account, once however often the form is sent."""
    site = site_of(request)
    shown = _seen(site, visitor, account_id)
    try:
        record_note(site.people, _form(site, visitor, shown, account_id, form_id, as_of), note)
    except UnfitForm as unfit:
        named = {"note": "note_long" if note.strip() else "note_empty", "form_id": "form_used"}
        return _again(request, visitor, shown, _Sent({"note": named[unfit.field]}, {"note": note}))
    return RedirectResponse(f"{account_path(account_id)}#notes", 303)


@router.post("/outcomes")
def write_outcome(
    request: Request,
    visitor: Anyone,
    account_id: Told,
    form_id: Told,
    as_of: Told = "",
    outcome: Told = "",
    action_id: Told = "",
) -> Response:
    """Keep what came of an action, or of all."""
    site = site_of(request)
    shown = _seen(site, visitor, account_id)
    try:
        sent = _form(site, visitor, shown, account_id, form_id, as_of)
        record_outcome(site.people, sent, outcome, action_id or None)
    except UnfitForm as unfit:
        named = "form_used" if unfit.field == "form_id" else "outcome_unfit"
        return _again(request, visitor, shown, _Sent({"outcome": named}, {"outcome": outcome, "action_id": action_id}))
    return RedirectResponse(f"{account_path(account_id)}#deeds", 303)


def _seen(site: Site, visitor: Visitor, account_id: str) -> Shown:
    """The account, for who may see it; status 404 for who may not, and for one that is not there."""
    if not account_id or "\0" in account_id:  # which no database looks for
        raise HTTPException(404)
    with reading(site.store) as connection:
        night = published_night(connection)
        shown = None if night is None else account_of(connection, night, account_id, visitor.language)
    if shown is None or not sees(site, visitor, shown.owner):
        raise HTTPException(404)
    return shown


def _form(site: Site, visitor: Visitor, shown: Shown, account_id: str, form_id: str, as_of: str) -> DeedForm:
    """The form as it is written down; a day that is no night that was published is the newest one's."""
    now, night = site.clock(), shown.night.as_of
    try:
        asked = date.fromisoformat(as_of)
    except ValueError:
        asked = night
    if asked != night:
        with reading(site.store) as connection:
            night = asked if published_night(connection, asked) is not None else night
    return DeedForm(form_id, visitor.known.user_id, account_id, night, now, site.today)


def _again(request: Request, visitor: Visitor, shown: Shown, sent: _Sent) -> Response:
    """The page once more, with what was typed and why it is not kept."""
    with reading_people(site_of(request).people) as connection:
        deeds = deeds_of(connection, shown.account.account_id)
    return _page(request, visitor, shown, deeds, sent)


def _page(
    request: Request, visitor: Visitor, shown: Shown, deeds: Deeds, sent: _Sent | None = None, *, done: str = ""
) -> Response:
    site, t, language = site_of(request), texts(visitor.language), visitor.language
    account_id = shown.account.account_id
    lines = in_words(happenings(shown, deeds), t, shown.night.as_of, language)
    content: dict[str, Any] = {
        "shown": shown,
        "account": shown.account,
        "families": families(shown, language),
        "family_names": family_headings(language),
        "weight": lambda contribution: weight(contribution, _main(shown), language),
        "risk_at": risk_at,
        "changes": changes(shown.change),
        "change_names": {key: t(f"account.change_{key}") for key in ("time", "data", "model")},
        "model_days": _BETWEEN[language].join(
            plain_day(day, shown.night.as_of, language) for day in shown.trend.new_models
        ),
        "suggestion": suggestion_for(shown, site.plays),
        "course": course_picture(shown, t, language),
        "waterfall": waterfall_picture(shown, t, language),
        "timeline": happened_picture(shown, lines, t, language),
        "lines": lines[:_FIRST_LINES],
        "older": lines[_FIRST_LINES:],
        "deeds": deeds,
        "deed_lines": [line for line in lines if line.lane == "deeds"],
        "done": _just_done(site, visitor, shown, deeds, done),
        "acting": None
        if shown.state in {"lapsed", "gone"}
        else act_forms(site, shown.night, shown.words, account_id, shown.called, back=account_path(account_id)),
        "outcomes": OUTCOMES_TOLD,
        "crm": site.account_url.replace("{account_id}", quote(account_id, safe="")),
        "note_id": new_id(),
        "outcome_id": new_id(),
        "sent": sent or _Sent(),
    }
    return page(request, visitor, "account.html", 200 if sent is None else 422, night=shown.night, **content)


def _just_done(site: Site, visitor: Visitor, shown: Shown, deeds: Deeds, action_id: str) -> Done | None:
    """What the visitor has done a moment ago, while the account rests for it."""
    mine = (each for each in deeds.actions if (each.action_id, each.user_id) == (action_id, visitor.known.user_id))
    return next((Done(each, shown.called) for each in mine if is_live(each, site.today)), None)


def _main(shown: Shown) -> float:
    """What the first reason weighs, beside which the others are told."""
    return shown.raising[0].contribution if shown.raising else 0.0
