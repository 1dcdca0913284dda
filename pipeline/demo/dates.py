"""Days as whole numbers, and the weeks and months of the demo company's two years.

A day is the number of days since 1970-01-01, an instant the number of seconds; both are plain int64 arrays, so that a
step over all accounts is arithmetic. `NEVER` stands for a day that does not come and is written as null.
"""

from datetime import date
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
AnyValues = npt.NDArray[Any]

DAY: Final = 86_400
"""Seconds of a day."""

NEVER: Final = 1_000_000
"""A day that does not come: far beyond every other, so that `day < NEVER` asks whether there is one."""


def day_number(day: date) -> int:
    """Days from 1970-01-01 to `day`.

    >>> day_number(date(1970, 1, 11))
    10
    """
    return (day - date(1970, 1, 1)).days


FIRST: Final = day_number(date(2024, 11, 1))
"""The first day of the history; the bulk load that began it ran the evening before."""

LAST_NIGHT: Final = date(2026, 11, 2)
"""The fixed last night, a Monday: nothing has happened on or after it."""

LAST: Final = day_number(LAST_NIGHT)

FIRST_MONDAY: Final = day_number(date(2024, 10, 28))
"""The Monday on or before `FIRST`."""

WEEKS: Final = (LAST - FIRST_MONDAY) // 7


def monday_of(week: int) -> int:
    """The day on which a week of the simulation begins; week 0 holds `FIRST`, week `WEEKS` begins on `LAST`."""
    return FIRST_MONDAY + 7 * week


def _day_of_month(month: Ints, anchor: Ints) -> Ints:
    return month.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + anchor - 1


def next_billing(day: Ints | int, anchor: Ints) -> Ints:
    """The first day on or after `day` that is day `anchor` (1 to 28) of its month.

    >>> next_billing(day_number(date(2025, 1, 20)), np.array([20, 19])) - day_number(date(2025, 1, 20))
    array([ 0, 30])
    """
    from_day = np.broadcast_to(np.asarray(day, dtype=np.int64), anchor.shape)
    month = from_day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    here = _day_of_month(month, anchor)
    return np.where(here >= from_day, here, _day_of_month(month + 1, anchor))


def next_yearly(day: Ints | int, month: Ints, anchor: Ints) -> Ints:
    """The first day on or after `day` that is day `anchor` (1 to 28) of month `month` (0 to 11)."""
    from_day = np.broadcast_to(np.asarray(day, dtype=np.int64), anchor.shape)
    january = from_day.astype("datetime64[D]").astype("datetime64[Y]").astype("datetime64[M]").astype(np.int64)
    here = _day_of_month(january + month, anchor)
    return np.where(here >= from_day, here, _day_of_month(january + month + 12, anchor))


def anchor_of(day: Ints) -> tuple[Ints, Ints]:
    """Month (0 to 11) and day of month, at most 28, on which a term begun on `day` comes round again."""
    dates = day.astype("datetime64[D]")
    month = dates.astype("datetime64[M]")
    within_month = (dates - month.astype("datetime64[D]")).astype(np.int64) + 1
    return month.astype(np.int64) % 12, np.minimum(within_month, 28)
