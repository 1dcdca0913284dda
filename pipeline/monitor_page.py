"""What `churn monitor --html` writes: the same looks as a page with pictures, which asks nothing of any host."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from models.drift import LEAST_INDEX, Drift
from pipeline.monitored import LOOKS, Monitored, Verdict, how_far
from pipeline.templates import templates_of

__all__ = ["monitor_page"]

_TITLES: Final = {
    "drift": "Drift",
    "expected": "Skill to expect",
    "realised": "Skill that came",
    "tables": "Tables",
}
_VERDICTS: Final = {
    Verdict.FINE: "nothing beyond chance",
    Verdict.LOOK: "look into it",
    Verdict.UNKNOWN: "not known",
}
_MOST_BARS: Final = 15
_LONGEST_BAR: Final = 3.0
"""In times of what chance allows; one that is longer ends there."""

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 240, 56, 36


@dataclass(frozen=True)
class Bar:
    """One feature: how far it moved, in times of what chance allows, from 0 to `_LONGEST_BAR`, and in words."""

    name: str
    length: float
    is_long: bool
    told: str


@dataclass(frozen=True)
class Tick:
    """A line of a chart's grid, with its label."""

    place: float
    label: str


@dataclass(frozen=True)
class Chart:
    """Two rows of points over one axis, in pixels, with the ticks of both axes and what lies around a point."""

    expected: tuple[tuple[float, float], ...]
    found: tuple[tuple[float, float], ...]
    whiskers: tuple[tuple[float, float, float], ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]


def monitor_page(found: Monitored) -> str:
    """The page in HTML."""
    verdicts = found.verdicts
    return str(
        _template().render(
            night=found.shown.as_of,
            version=found.shown.model_version,
            company=found.shown.headline.get("company", ""),
            looks=[(_TITLES[look], verdicts[look].value, _VERDICTS[verdicts[look]]) for look in LOOKS],
            told=found.told_by_look,
            made_on=found.made_on,
            drift_on=found.drift_on,
            bars=_bars(found.drifted or ()),
            longest=_LONGEST_BAR,
            nights=_nights(found) if found.outcomes else None,
            curve=_curve(found) if found.curve and found.expected else None,
            gaps=[gap.told() for gap in found.gaps],
            size={"width": WIDTH, "height": HEIGHT, "left": LEFT, "bottom": BOTTOM},
        )
    )


def _bars(drifted: Sequence[Drift]) -> list[Bar]:
    """What moved most beside what chance allows it."""
    times = {each.name: each.index / max(each.by_chance, LEAST_INDEX) for each in drifted}
    most = sorted(drifted, key=lambda each: -times[each.name])[:_MOST_BARS]
    return [Bar(each.name, min(times[each.name], _LONGEST_BAR), each.has_drifted, how_far(each)) for each in most]


def _nights(found: Monitored) -> Chart:
    """By night: the share that the risks expected, and the share that left."""
    days = [each.as_of.toordinal() for each in found.outcomes]
    left = [each.left for each in found.outcomes]
    expected = [each.expected for each in found.outcomes] if found.expected else []  # rules expect nothing
    top = _round_up(max([*left, *expected]))
    span = max(1, days[-1] - days[0])
    across = [_across((day - days[0]) / span) for day in days]
    ends = {across[place]: str(found.outcomes[place].as_of) for place in (0, -1)}
    return Chart(
        expected=tuple((x, _up(share / top)) for x, share in zip(across, expected, strict=False)),
        found=tuple((x, _up(share / top)) for x, share in zip(across, left, strict=True)),
        whiskers=(),
        across=tuple(Tick(*each) for each in ends.items()),
        up=tuple(_grid(top)),
    )


def _curve(found: Monitored) -> Chart:
    """By tenths of the risk: the risk that was given, and the share that left with its interval."""
    top = _round_up(max(max(point.risk, point.share.high) for point in found.curve))
    return Chart(
        expected=((_across(0.0), _up(0.0)), (_across(1.0), _up(1.0))),
        found=tuple((_across(point.risk / top), _up(point.share.value / top)) for point in found.curve),
        whiskers=tuple(
            (_across(point.risk / top), _up(point.share.low / top), _up(point.share.high / top))
            for point in found.curve
        ),
        across=tuple(Tick(_across(place / top), _percent(place)) for place in _steps(top)),
        up=tuple(_grid(top)),
    )


def _grid(top: float) -> Iterator[Tick]:
    return (Tick(_up(place / top), _percent(place)) for place in _steps(top))


def _steps(top: float) -> list[float]:
    return [top * number / 4 for number in range(5)]


def _round_up(share: float) -> float:
    """The top of an axis that holds the share, of which a quarter is easily told.

    >>> _round_up(0.13), _round_up(0.53), _round_up(0.0)
    (0.2, 0.6, 0.1)
    """
    tops = (times / 10**power for power in range(4, -1, -1) for times in (1, 2, 3, 4, 6, 8))
    return next(top for top in tops if share <= top) if share > 0 else 0.1


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"


def _across(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - 24), 1)


def _up(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - 16), 1)


@cache
def _template() -> Any:
    return templates_of("pipeline").get_template("monitor_page.html")
