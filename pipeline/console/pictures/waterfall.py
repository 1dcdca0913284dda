"""The waterfall: from where every account starts, family by family, to the risk of one.

Bars are as long as what they add to the log-odds, for there alone they add up; the axis and the labels are told as
risks.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final
from xml.etree.ElementTree import Element

from pipeline.amounts import Language, percent
from pipeline.console.pictures.drawing import Scale, canvas, linear, markup, put, text

__all__ = ["waterfall"]

_RISKS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.99)
_WIDE: Final = 560
"""From this width on names stand beside the bars, below it above them."""


def waterfall(
    start: float, steps: Sequence[tuple[str, float]], words: Mapping[str, str], language: Language, width: int
) -> str:
    """The picture.

    Parameters
    ----------
    start
        The log-odds with which every account starts.
    steps
        What each family is called, and what it adds to the log-odds, in the order of the bars.
    words
        `title`, `description`, and how the first and the last line are called: `start`, `all`.
    width
        In pixels.
    """
    is_wide = width >= _WIDE
    row, bar = (34, 16) if is_wide else (46, 14)
    left, right = (208.0, width - 64.0) if is_wide else (2.0, width - 58.0)
    height = row * (len(steps) + 2) + 30
    svg = canvas(f"waterfall-{width}", width, height, words["title"], words["description"])
    sums = list(accumulate((added for _, added in steps), initial=start))
    room = 0.08 * (max(sums) - min(sums) or 1.0)
    along = linear(min(sums) - room, max(sums) + room, left, right)
    _axis(svg, along, (left, right), height, language)

    def line(place: int, name: str, kind: str, begin: float, end: float) -> None:
        middle = place * row + row - (row / 2 if is_wide else bar / 2 + 6)
        text(svg, name, 0, middle + 5 if is_wide else middle - bar / 2 - 6, "name")
        if kind == "total":
            put(svg, "circle", kind, cx=along(end), cy=middle, r=6)
        else:
            x, size = min(along(begin), along(end)), abs(along(end) - along(begin))
            put(svg, "rect", kind, x=x, y=middle - bar / 2, width=max(size, 1.5), height=bar, rx=2)
        text(svg, percent(_risk(end), language), width, middle + 5, "value", "end")
        if place <= len(steps):
            put(svg, "line", "join", x1=along(end), x2=along(end), y1=middle + bar / 2, y2=middle + row - bar / 2)

    line(0, words["start"], "total", start, start)
    for place, (name, added) in enumerate(steps, 1):
        line(place, name, "raises" if added > 0 else "lowers", sums[place - 1], sums[place])
    line(len(steps) + 1, words["all"], "total", sums[-1], sums[-1])
    return markup(svg)


def _axis(svg: Element, along: Scale, sides: tuple[float, float], height: float, language: Language) -> None:
    """Lines at risks that people know, as many as do not touch."""
    bottom, last = height - 24, -math.inf
    for risk in _RISKS:
        x = along(math.log(risk / (1 - risk)))
        if sides[0] + 12 <= x <= sides[1] - 12 and x - last >= 44:
            put(svg, "line", "grid", x1=x, x2=x, y1=0, y2=bottom)
            text(svg, percent(risk, language), x, height - 8, "tick", "middle")
            last = x


def _risk(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))
