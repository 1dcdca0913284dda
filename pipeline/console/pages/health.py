"""Health: whether the nights come, what they were missing, and how good the model behind them is."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from pipeline.amounts import Language, percent, plain_day
from pipeline.console.pictures.nights import Bar, night_bars
from pipeline.console.reads.health import health_of
from pipeline.console.rendering import page
from pipeline.console.site import site_of
from pipeline.console.texts import Text, texts
from pipeline.console.visitors import Allowed, Visitor
from pipeline.store.connection import reading
from pipeline.store.nights import night as newest_night
from pipeline.store.runs import PublishedRun

__all__ = ["router"]

router = APIRouter()

_WIDTHS: Final = {"wide": 688, "narrow": 350}


@router.get("/health")
def health(request: Request, visitor: Annotated[Visitor, Depends(Allowed("manager", "admin"))]) -> Response:
    """The page."""
    site, t = site_of(request), texts(visitor.language)
    with reading(site.store) as connection:
        night = newest_night(connection)
        found = health_of(connection, night, site.clock(), site.arrival_hours)

    def lasted(seconds: float) -> str:
        return t("health.minutes", n=round(seconds / 60)) if seconds >= 120 else t("health.seconds", n=round(seconds))

    runs, language = found.runs[::-1], visitor.language
    return page(
        request,
        visitor,
        "health.html",
        night=night,
        health=found,
        lasted=lasted,
        took=_took(runs, t, language, lasted(max((run.seconds for run in runs), default=0.0))),
        banded=_banded([run for run in runs if run.headline.get("bands")], t, language),
    )


def _took(runs: Sequence[PublishedRun], t: Text, language: Language, most: str) -> dict[str, str] | None:
    """How long each night took; None where there are not two to hold against one another."""
    bars = [Bar(run.as_of, [("use", run.seconds)], f"{run.as_of}: {run.seconds:,.0f} s") for run in runs]
    return _drawn("seconds", bars, t("health.took"), t("health.most", most=most), t, language)


def _banded(runs: Sequence[PublishedRun], t: Text, language: Language) -> dict[str, str] | None:
    """The share of the customers in the upper bands, night by night."""
    bars = []
    for run in runs:
        bands = run.headline["bands"]
        high, medium = (bands[name] / max(1, sum(bands.values())) for name in ("high", "medium"))
        upper = f"{t('health.high')} {percent(high, language)}, {t('health.medium')} {percent(medium, language)}"
        bars.append(Bar(run.as_of, [("high", high), ("medium", medium)], f"{run.as_of}: {upper}"))
    most = percent(max((sum(value for _, value in bar.pieces) for bar in bars), default=0.0), language)
    return _drawn("bands", bars, t("health.banded"), t("health.most", most=most), t, language)


def _drawn(name: str, bars: Sequence[Bar], title: str, most: str, t: Text, language: Language) -> dict[str, str] | None:
    if len(bars) < 2:
        return None

    def day(of: date) -> str:
        return plain_day(of, bars[-1].day, language)

    first, last = day(bars[0].day), day(bars[-1].day)
    words = {"title": title, "description": t("health.drawn_told", first=first, last=last, most=most)}
    words |= {"first": first, "last": last, "most": most}
    return {size: night_bars(name, bars, words, width) for size, width in _WIDTHS.items()}
