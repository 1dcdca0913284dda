"""Nights: a bar for each, of one piece or of several on top of one another; a day without one stays empty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from pipeline.console.pictures.drawing import canvas, days_scale, linear, markup, put, text

__all__ = ["Bar", "night_bars"]

_HEIGHT: Final = 132
_WIDEST: Final = 28.0


@dataclass(frozen=True)
class Bar:
    """One night: the pieces of its bar from below, each with its class, and what a pointer is told of it."""

    day: date
    pieces: Sequence[tuple[str, float]]
    told: str


def night_bars(name: str, bars: Sequence[Bar], words: Mapping[str, str], width: int) -> str:
    """The picture.

    Parameters
    ----------
    name
        Unique on the page.
    bars
        One at least, oldest first.
    words
        `title`, `description`, `first` and `last` (how the first and the last day are written) and `most` (how the
        largest bar is).
    width
        In pixels.
    """
    svg = canvas(f"{name}-{width}", width, _HEIGHT, words["title"], words["description"])
    left, right, top, bottom = 2.0, width - 2.0, 22.0, _HEIGHT - 24.0
    begin, end = bars[0].day, bars[-1].day + timedelta(days=1)
    across = days_scale(begin, end, left, right)
    days = max((end - begin).days, 1)
    slot = (right - left) / days
    size = min(max(slot * 0.72, 2.0), _WIDEST)
    most = max(sum(value for _, value in bar.pieces) for bar in bars)
    up = linear(0.0, most or 1.0, 0.0, bottom - top)
    put(svg, "line", "grid", x1=left, x2=right, y1=top, y2=top)
    text(svg, words["most"], left, top - 6, "tick")
    for bar in bars:
        x, y = across(bar.day) + (slot - size) / 2, bottom
        for kind, value in bar.pieces:
            tall = up(value)
            y -= tall
            put(svg, "rect", kind, bar.told, x=x, y=y, width=size, height=max(tall, 1.0))
    put(svg, "line", "grid", x1=left, x2=right, y1=bottom, y2=bottom)
    text(svg, words["first"], left, _HEIGHT - 6, "tick")
    if len(bars) > 1:
        text(svg, words["last"], right, _HEIGHT - 6, "tick", "end")
    return markup(svg)
