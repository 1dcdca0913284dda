"""The trend: how the risk of an account went, week by week, over the borders of the bands."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final
from xml.etree.ElementTree import Element

from pipeline.amounts import Language, percent
from pipeline.console.pictures.drawing import canvas, days_scale, linear, markup, months, polyline, put, text

__all__ = ["trend"]

_HEIGHT: Final = 208
_TOPS: Final = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
_NAME: Final = 96.0
_LETTERS: Final = 9.0
"""Room for the name of a band, and how far above its border the middle of its letters lies."""

_GAP_DAYS: Final = 21
"""Longer without a night, and no line is drawn across: nobody knows what was between."""


def trend(
    points: Sequence[tuple[date, float, bool]],
    new_models: Sequence[date],
    bands: Mapping[str, float],
    words: Mapping[str, str],
    language: Language,
    width: int,
) -> str:
    """The picture.

    Parameters
    ----------
    points
        (night, risk, whether its model had seen what became of the account), oldest first, two at least.
    new_models
        The nights on which another model came; a broken line stands there.
    bands
        The risks at which the bands `medium` and `high` begin.
    words
        `title`, `description`, and how the bands are called: `medium`, `high`.
    width
        In pixels.
    """
    svg = canvas(f"trend-{width}", width, _HEIGHT, words["title"], words["description"])
    left, right, top, bottom = 40.0, width - 52.0, 14.0, _HEIGHT - 28.0
    highest = max(risk for _, risk, _ in points)
    ceiling = next(each for each in _TOPS if each >= min(1.0, max(highest * 1.1, bands["high"] * 1.25)))
    across = days_scale(points[0][0], points[-1][0], left, right)
    up = linear(0.0, ceiling, bottom, top)
    for share in (0.0, ceiling):
        put(svg, "line", "grid", x1=left, x2=right, y1=up(share), y2=up(share))
        text(svg, percent(share, language), left - 6, up(share) + 4, "tick", "end")
    for name in ("medium", "high"):
        put(svg, "line", f"border {name}", x1=left, x2=right, y1=up(bands[name]), y2=up(bands[name]))
        text(svg, percent(bands[name], language), left - 6, up(bands[name]) + 4, f"tick {name}", "end")
        places = [(across(day), up(risk)) for day, risk, _ in points]
        side = _free_side(places, up(bands[name]) - _LETTERS, (left, right))
        text(svg, words[name], left + 4 if side == "start" else right - 8, up(bands[name]) - 5, f"tick {name}", side)
    for day, called in months(points[0][0], points[-1][0], right - left, language):
        put(svg, "line", "grid", x1=across(day), x2=across(day), y1=bottom, y2=bottom + 4)
        text(svg, called, across(day), bottom + 19, "tick", "middle")
    for day in new_models:
        put(svg, "line", "turn", x1=across(day), x2=across(day), y1=top, y2=bottom)
    _line(svg, [(day, across(day), up(risk)) for day, risk, _ in points])
    for day, risk, in_sample in points:
        told = f"{day}: {percent(risk, language)}"
        put(svg, "circle", "dot seen" if in_sample else "dot", told, cx=across(day), cy=up(risk), r=2.5)
    last_on, last, _ = points[-1]
    put(svg, "circle", "dot last", cx=across(last_on), cy=up(last), r=4.5)
    text(svg, percent(last, language), across(last_on) + 9, up(last) + 5, "value")
    return markup(svg)


def _free_side(places: Sequence[tuple[float, float]], y: float, sides: tuple[float, float]) -> str:
    """The end of a border at which its name is further from the course: "start" or "end"."""
    begin = [abs(at - y) for x, at in places if x < sides[0] + _NAME]
    end = [abs(at - y) for x, at in places if x > sides[1] - _NAME]
    return "start" if min(begin, default=y) >= min(end, default=y) else "end"


def _line(svg: Element, places: list[tuple[date, float, float]]) -> None:
    piece: list[tuple[float, float]] = []
    before: date | None = None
    for day, x, y in places:
        if before is not None and (day - before).days > _GAP_DAYS:
            polyline(svg, "course", piece)
            piece = []
        piece.append((x, y))
        before = day
    polyline(svg, "course", piece)
