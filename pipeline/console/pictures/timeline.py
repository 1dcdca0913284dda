"""The timeline: use by week as bars, and below them, a lane for each kind, what happened when."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from xml.etree.ElementTree import Element

from pipeline.amounts import Language
from pipeline.console.pictures.drawing import canvas, days_scale, linear, markup, months, put, text

__all__ = ["Mark", "timeline"]

_BARS: Final = 84.0
_WIDE: Final = 560


@dataclass(frozen=True)
class Mark:
    """Something that happened on a day: its lane, the class of its sign, and what a pointer is told of it."""

    day: date
    lane: str
    kind: str
    told: str


def timeline(
    weeks: Sequence[date],
    bars: Sequence[tuple[float | None, str]],
    marks: Sequence[Mark],
    lanes: Mapping[str, str],
    words: Mapping[str, str],
    language: Language,
    width: int,
) -> str:
    """The picture.

    Parameters
    ----------
    weeks
        The Mondays, oldest first.
    bars
        Of each week the use and what a pointer is told of it; None where nothing was recorded. Empty without a source.
    lanes
        The lanes by key, in order, with what they are called. Marks of other lanes are left out.
    words
        `title`, `description`, `use` (what the bars are) and `most` (how the largest is written).
    width
        In pixels.
    """
    is_wide = width >= _WIDE
    lane_height = 26.0 if is_wide else 40.0
    left, right = (112.0 if is_wide else 2.0), width - 2.0
    top = 20.0
    lanes_from = top + _BARS + 10 if bars else 4.0
    height = lanes_from + lane_height * len(lanes) + 26
    svg = canvas(f"timeline-{width}", width, round(height), words["title"], words["description"])
    across = days_scale(weeks[0], weeks[-1] + timedelta(weeks=1), left, right)
    for day, called in months(weeks[0], weeks[-1] + timedelta(days=6), right - left, language):
        put(svg, "line", "grid", x1=across(day), x2=across(day), y1=top if bars else 0, y2=height - 22)
        if across(day) < right - 24:
            text(svg, called, max(across(day), left + 14), height - 6, "tick", "middle")
    if bars:
        _bars(svg, list(zip(weeks, bars, strict=True)), across, (top, top + _BARS))
        put(svg, "line", "grid", x1=left, x2=right, y1=top + _BARS, y2=top + _BARS)
        text(svg, words["use"], 0, top + _BARS / 2 + 5 if is_wide else 12, "name")
        text(svg, words["most"], right, 12, "tick", "end")
    for place, (lane, called) in enumerate(lanes.items()):
        middle = lanes_from + lane_height * (place + 1) - 13
        text(svg, called, 0, middle + 5 if is_wide else middle - 12, "name")
        put(svg, "line", "lane", x1=left, x2=right, y1=middle, y2=middle)
        for mark in marks:
            if mark.lane == lane:
                _sign(svg, mark, across(mark.day), middle)
    return markup(svg)


def _bars(
    svg: Element,
    weeks: Sequence[tuple[date, tuple[float | None, str]]],
    across: Callable[[date], float],
    sides: tuple[float, float],
) -> None:
    most = max((value or 0.0 for _, (value, _) in weeks), default=0.0)
    up = linear(0.0, most or 1.0, sides[1], sides[0])
    for monday, (value, told) in weeks:
        x = across(monday)
        size = max(across(monday + timedelta(weeks=1)) - x - 1.5, 1.5)
        if value is None:
            put(svg, "rect", "unknown", told, x=x, y=sides[0], width=size, height=sides[1] - sides[0])
        else:
            y = up(max(value, 0.0))
            put(svg, "rect", "use", told, x=x, y=y, width=size, height=sides[1] - y)


def _sign(svg: Element, mark: Mark, x: float, y: float) -> None:
    """Tickets are round, visits and changes of terms square to their corner, what was done is a bar."""
    x = max(x, 7.0)
    if mark.lane == "tickets":
        put(svg, "circle", mark.kind, mark.told, cx=x, cy=y, r=5)
    elif mark.lane == "deeds":
        put(svg, "rect", mark.kind, mark.told, x=x - 2.5, y=y - 8, width=5, height=16, rx=2)
    else:
        put(svg, "path", mark.kind, mark.told, d=f"M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6-6z")
