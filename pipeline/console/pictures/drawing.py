"""What all pictures are drawn with: an SVG that names itself, its elements, and scales from values to pixels."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from pipeline.amounts import Language

__all__ = ["Scale", "canvas", "days_scale", "linear", "markup", "months", "polyline", "put", "text"]

Scale = Callable[[float], float]
"""From a value to its place, in pixels."""

_MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def canvas(name: str, width: int, height: int, title: str, description: str) -> Element:
    """An empty picture of that size; `name` is unique on its page."""
    svg = Element(
        "svg",
        {
            "class": f"picture {name.split('-', maxsplit=1)[0]}",
            "viewBox": f"0 0 {width} {height}",
            "width": str(width),
            "height": str(height),
            "role": "img",
            "aria-labelledby": f"{name}-title {name}-told",
        },
    )
    put(svg, "title", id=f"{name}-title").text = title
    put(svg, "desc", id=f"{name}-told").text = description
    return svg


def put(parent: Element, tag: str, kind: str = "", told: str = "", /, **attributes: float | str) -> Element:
    """An element within another: `kind` is its class, `told` what a pointer that rests on it is told."""
    written = {
        name.replace("_", "-"): value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")
        for name, value in attributes.items()
    }
    made = SubElement(parent, tag, ({"class": kind} if kind else {}) | written)
    if told:
        SubElement(made, "title").text = told
    return made


def text(parent: Element, words: str, x: float, y: float, kind: str = "", anchor: str = "start") -> Element:
    """Words whose line stands on y; they begin at x, or end there, or have it in their middle."""
    made = put(parent, "text", kind, x=x, y=y, text_anchor=anchor)
    made.text = words
    return made


def polyline(parent: Element, kind: str, places: list[tuple[float, float]]) -> Element:
    """A line through these places."""
    return put(parent, "polyline", kind, points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places))


def markup(svg: Element) -> str:
    """The picture as it stands in a page, all texts in it escaped."""
    return ElementTree.tostring(svg, encoding="unicode")


def linear(low: float, high: float, first: float, last: float) -> Scale:
    """The scale that puts `low` at the place `first` and `high` at `last`.

    >>> linear(0, 2, 10, 20)(1)
    15.0
    """
    span = (high - low) or 1.0
    return lambda value: first + (value - low) / span * (last - first)


def days_scale(begin: date, end: date, first: float, last: float) -> Callable[[date], float]:
    """The same for days; those outside stand at the border."""
    place = linear(0, (end - begin).days, first, last)
    return lambda day: place(min(max((day - begin).days, 0), (end - begin).days))


def months(begin: date, end: date, room: float, language: Language, width: float = 56) -> list[tuple[date, str]]:
    """The first days of months to be named on an axis of so many pixels, and how: so many that they do not touch."""
    firsts, day = list[date](), date(begin.year, begin.month, 1)
    while day <= end:
        if day >= begin:
            firsts.append(day)
        day = (day + timedelta(days=31)).replace(day=1)
    fit = max(1, int(room / width))
    step = next(step for step in (1, 2, 3, 4, 6, 12, 1_200) if len(firsts) <= fit * step)
    kept = [day for day in firsts if (day.year * 12 + day.month - 1) % step == 0] if step < 1_200 else firsts[:1]
    return [(day, _month(day, day.month == 1, language)) for day in kept]


def _month(day: date, with_year: bool, language: Language) -> str:
    if language == "zh":
        return f"{day.year} 年 {day.month} 月" if with_year else f"{day.month} 月"
    return f"{_MONTHS[day.month - 1]} {day.year}" if with_year else _MONTHS[day.month - 1]
