"""How weekly values lie in the store: thirteen weeks of all series of an account in a few dozen bytes.

Weeks have numbers, counted from that of 5 January 1970, and blocks of thirteen begin where the number is a multiple of
that. A block that is over is written once, and only the one that runs is written night after night.

Of each series follow one another, as base-128 numbers with the low digits first: one number whose lowest bit says
whether the values are thousandths, and whose other bits name the weeks that are not zero, the lowest the first; then
the values of these weeks, with the sign in the lowest bit. `pipeline/packed_evidence.py` packs many accounts at once.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

__all__ = ["STEP", "WEEKS_A_BLOCK", "block_of", "monday", "unpacked", "week_of"]

WEEKS_A_BLOCK: Final = 13
STEP: Final = 1_000

_FIRST: Final = date(1970, 1, 5)


def week_of(day: date) -> int:
    """The number of the week in which a day lies.

    >>> week_of(date(1970, 1, 11)), week_of(date(1970, 1, 12))
    (0, 1)
    """
    return (day - _FIRST).days // 7


def monday(week: int) -> date:
    """The day on which a week begins."""
    return _FIRST + timedelta(weeks=week)


def block_of(day: date) -> int:
    """The number of the block in which a day lies."""
    return week_of(day) // WEEKS_A_BLOCK


def unpacked(content: bytes, series: int) -> list[list[float]]:
    """The values of a block: of each series, those of its weeks in order.

    >>> unpacked(bytes([0b110, 4, 6, 0]), 2)[0][:4]
    [2, 3, 0, 0]
    """
    numbers = _numbers(content)
    return [_of_series(numbers) for _ in range(series)]


def _of_series(numbers: Iterator[int]) -> list[float]:
    head = next(numbers)
    found: list[float] = [0] * WEEKS_A_BLOCK
    for week in range(WEEKS_A_BLOCK):
        if head >> (week + 1) & 1:
            number = next(numbers)
            value = -(number >> 1) - 1 if number & 1 else number >> 1
            found[week] = value / STEP if head & 1 else value
    return found


def _numbers(content: bytes) -> Iterator[int]:
    number = place = 0
    for byte in content:
        number |= (byte & 127) << place
        place += 7
        if byte < 128:
            yield number
            number = place = 0
