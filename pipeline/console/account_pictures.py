"""The pictures of an account's page: what is drawn, in which words, in the sizes of screens and of phones."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from pipeline.amounts import Language, percent, plain_day
from pipeline.console.happened import Line
from pipeline.console.pictures.timeline import Mark, timeline
from pipeline.console.pictures.trend import trend
from pipeline.console.pictures.waterfall import waterfall
from pipeline.console.reads.account import Shown
from pipeline.console.texts import Text
from pipeline.reason_families import family_headings
from pipeline.standing import risk_at
from pipeline.wording import SLIGHT

__all__ = ["Picture", "course_picture", "happened_picture", "waterfall_picture"]

_WIDE: Final = 688
_NARROW: Final = 350


@dataclass(frozen=True)
class Picture:
    """The same picture twice; the style sheet shows the one that fits."""

    wide: str
    narrow: str


def course_picture(shown: Shown, t: Text, language: Language) -> Picture | None:
    """How the risk went; None where there are not two nights to draw a line through."""
    points = [(point.as_of, point.risk, point.in_sample) for point in shown.trend.points if point.risk is not None]
    if len(points) < 2:
        return None

    def day(of: date) -> str:
        return plain_day(of, shown.night.as_of, language)

    (first_on, first, _), (last_on, last, _) = points[0], points[-1]
    most_on, most, _ = max(points, key=lambda point: point[1])
    told = t(
        "account.course_told",
        first=percent(first, language),
        first_day=day(first_on),
        last=percent(last, language),
        last_day=day(last_on),
        most=percent(most, language),
        most_day=day(most_on),
    )
    words = {
        "title": t("account.course"),
        "description": told,
        "medium": t("account.medium"),
        "high": t("account.high"),
    }
    bands = shown.words["bands"]
    models = shown.trend.new_models
    return Picture(*(trend(points, models, bands, words, language, width) for width in (_WIDE, _NARROW)))


def waterfall_picture(shown: Shown, t: Text, language: Language) -> Picture | None:
    """How the reasons add up; None for who has no risk that may be told."""
    account = shown.account
    if not shown.has_number or account.base_log_odds is None or account.log_odds is None or not shown.steps:
        return None
    steps = list(_steps(shown, t, language))
    told, log_odds = list[str](), account.base_log_odds
    for name, added in steps:
        log_odds += added
        told.append(t("account.adds_up_step", name=name, risk=percent(risk_at(log_odds), language)))
    description = t(
        "account.adds_up_told",
        start=percent(risk_at(account.base_log_odds), language),
        end=percent(risk_at(account.log_odds), language),
        steps={"en": ", ", "zh": "、"}[language].join(told),
    )
    words = {"title": t("account.adds_up"), "description": description}
    words |= {"start": t("account.start"), "all": t("account.all")}
    start = account.base_log_odds
    return Picture(*(waterfall(start, steps, words, language, width) for width in (_WIDE, _NARROW)))


def _steps(shown: Shown, t: Text, language: Language) -> Iterator[tuple[str, float]]:
    """A bar for each family that moves the risk to be seen, and one for all others together."""
    slight = [step.contribution for step in shown.steps if abs(step.contribution) < SLIGHT]
    together = len(slight) > 1
    names = family_headings(language)
    for step in shown.steps:
        if abs(step.contribution) >= SLIGHT or not together:
            yield names[step.family], step.contribution
    if together:
        yield t("account.rest"), math.fsum(slight)


def happened_picture(shown: Shown, lines: Sequence[Line], t: Text, language: Language) -> Picture | None:
    """Use by week and what happened when; None where nothing is kept of it."""
    evidence = shown.evidence
    if evidence is None:
        return None
    use = evidence.series.get("usage", ())
    lost = {
        week_of for day in evidence.lost.get("usage", ()) for week_of in evidence.weeks if 0 <= (day - week_of).days < 7
    }
    bars = [
        (value, _bar(monday, value, monday in lost, shown, t, language))
        for monday, value in zip(evidence.weeks, use, strict=bool(use))
    ]
    marks = [Mark(line.day, line.lane, line.sign, _mark(line, shown, t, language)) for line in lines if line.lane]
    marks = [mark for mark in marks if mark.day >= evidence.weeks[0]]
    counts = {lane: sum(mark.lane == lane for mark in marks) for lane in ("tickets", "visits", "terms", "deeds")}
    lanes = {lane: t(f"account.lane_{lane}") for lane, count in counts.items() if count}
    if not lanes and not any(use):
        return None
    first, last = (plain_day(day, shown.night.as_of, language) for day in (evidence.weeks[0], shown.scored_on))
    words = {
        "title": t("account.happened"),
        "description": t("account.happened_told", first=first, last=last, **counts),
        "use": t("account.lane_use"),
        "most": t("account.most", amount=f"{max((value or 0 for value in use), default=0):,.0f}"),
    }
    return Picture(
        *(timeline(evidence.weeks, bars, marks, lanes, words, language, width) for width in (_WIDE, _NARROW))
    )


def _bar(monday: date, value: float | None, is_lost: bool, shown: Shown, t: Text, language: Language) -> str:
    week = t("account.week_of", day=plain_day(monday, shown.night.as_of, language))
    if value is None:
        return t("account.week_unknown", week=week)
    told = t("account.week_use", week=week, amount=f"{value:,.0f}")
    return t("account.week_lost", told=told) if is_lost else told


def _mark(line: Line, shown: Shown, t: Text, language: Language) -> str:
    day = plain_day(line.day, shown.night.as_of, language)
    return f"{day}: {t(f'account.kind_{line.kind}')}, {line.words}"
