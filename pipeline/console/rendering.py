"""Rendering: a template, the words of the reader's language, and the frame around both."""

import hashlib
from datetime import date
from functools import cache
from importlib import resources
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment

from pipeline.amounts import LANGUAGES
from pipeline.console.figures import amount, clock_time, day, in_100, log_odds, odds, rough, share, weekday
from pipeline.console.forms import FIELD, address, form_token
from pipeline.console.navigation import account_path, doors
from pipeline.console.notices import notices
from pipeline.console.site import site_of
from pipeline.console.texts import texts
from pipeline.console.visitors import Visitor, give_cookie
from pipeline.store.nights import Night
from pipeline.templates import templates_of

__all__ = ["page"]

_LANG: Final = {"en": "en", "zh": "zh-CN"}


def page(
    request: Request,
    visitor: Visitor,
    template: str,
    status: int = 200,
    *,
    night: Night | None = None,
    **content: Any,
) -> HTMLResponse:
    """The answer with a page for a visitor, which shows a `night` or none.

    A template has `content`, and beside it: `t` (texts by name), `lang`, `user`, `doors` (where the visitor may go),
    `here` (the address to come back to), `form_token` with its field's name, and the address of the `style` sheet;
    with a night also that, its `as_of`, and its `notices`, which the frame shows to who has signed in.
    """
    site = site_of(request)
    here = address(request)
    frame = {
        "t": texts(visitor.language),
        "lang": _LANG[visitor.language],
        "language": visitor.language,
        "languages": LANGUAGES,
        "user": visitor.user,
        "doors": doors(visitor.role, request.url.path),
        "here": here if request.method == "GET" else "/",
        "form_field": FIELD,
        "form_token": form_token(site, visitor.token),
        "style": _style(),
        "night": None,
        "notices": [],
    }
    if night is not None:
        told = [] if visitor.user is None else list(notices(night, site.clock(), site.arrival_hours))
        frame |= {"night": night, "as_of": night.as_of, "notices": told}
    answer = HTMLResponse(_templates().get_template(template).render(frame | content), status)
    if visitor.is_new:
        give_cookie(answer, site, visitor.token)
    return answer


@cache
def _templates() -> Environment:
    templates = templates_of("pipeline.console", "templates")
    templates.filters |= {
        "account_path": account_path,
        "amount": amount,
        "clock_time": clock_time,
        "date": date.fromisoformat,
        "day": day,
        "in_100": in_100,
        "log_odds": log_odds,
        "odds": odds,
        "rough": rough,
        "share": share,
        "weekday": weekday,
    }
    return templates


@cache
def _style() -> str:
    """The style sheet's address, which is another when the sheet is: browsers may keep it."""
    content = resources.files("pipeline.console").joinpath("static", "console.css").read_bytes()
    return f"/static/console.css?{hashlib.sha256(content).hexdigest()[:12]}"
