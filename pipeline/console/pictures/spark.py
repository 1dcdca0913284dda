"""A spark line: how a risk went, as large as a word."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from markupsafe import Markup

__all__ = ["spark"]

WIDTH, HEIGHT, MARGIN = 96, 24, 3
_LEAST_SPAN: Final = 2.0
"""Log-odds from the lower to the upper edge at least: a small move must not look like a large one."""


def spark(risks: Sequence[float | None], label: str) -> Markup:
    """The line of risks at even distances in time, oldest first, with a dot at the newest; None leaves a gap.

    Heights go by log-odds, so that slopes can be compared; where it stands the odds beside it tell. `label` says the
    same to who does not see it. With fewer than two risks there is nothing to draw, and the answer is empty.
    """
    known = [risk for risk in risks if risk is not None]
    if len(known) < 2:
        return Markup("")
    step = (WIDTH - 2 * MARGIN) / (len(risks) - 1)
    levels = [_log_odds(risk) for risk in known]
    middle, span = (min(levels) + max(levels)) / 2, max(max(levels) - min(levels), _LEAST_SPAN)
    points = [
        None
        if risk is None
        else (MARGIN + place * step, HEIGHT / 2 - (_log_odds(risk) - middle) / span * (HEIGHT - 2 * MARGIN))
        for place, risk in enumerate(risks)
    ]
    x, y = next(point for point in reversed(points) if point is not None)
    return Markup(
        '<svg class="spark" role="img" width="{}" height="{}" viewBox="0 0 {} {}"><title>{}</title>'
        '<path d="{}" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linejoin="round"'
        ' stroke-linecap="round"/><circle cx="{}" cy="{}" r="2.25" fill="currentColor"/></svg>'
    ).format(WIDTH, HEIGHT, WIDTH, HEIGHT, label, " ".join(_strokes(points)), f"{x:.1f}", f"{y:.1f}")


def _strokes(points: Sequence[tuple[float, float] | None]) -> Iterator[str]:
    for is_gap, run in groupby(points, key=lambda point: point is None):
        if not is_gap:
            places = [f"{point[0]:.1f} {point[1]:.1f}" for point in run if point is not None]
            yield "M" + "L".join(places)


def _log_odds(risk: float) -> float:
    """The log-odds of a risk, of none nearer to 0 and 1 than one in ten thousand."""
    within = min(max(risk, 1e-4), 1 - 1e-4)
    return math.log(within / (1 - within))
