"""Columns that count how long something took, where the contract wants the time at which it happened."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pipeline.proposal.familiar_names import familiar
from pipeline.proposal.found_columns import FoundColumn, reduced
from pipeline.proposal.matching import TableMatch

__all__ = ["Duration", "durations"]

_UNITS: Final = {"second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3600, "hr": 3600, "day": 86400}
_UNIT: Final = re.compile(rf"(?:in)?({'|'.join(_UNITS)})s?$")
_LONGEST: Final = 1_000_000_000
"""Seconds, some 30 years: NaN, infinity and what lies beyond are no durations, and the engine would stop at them."""


@dataclass(frozen=True)
class Duration:
    """A column of theirs from which one of ours can be made; `unit` is in the plural, `sql` makes it."""

    ours: str
    theirs: FoundColumn
    unit: str
    sql: str


def durations(found: TableMatch) -> Iterator[Duration]:
    """Those that end in a unit, for times that no column of the table has; they count from the row's event on."""
    event = found.contract.event_time
    if event not in found.columns:
        return
    for ours, names in familiar()["durations"].get(found.contract.name, {}).items():
        for theirs in found.found.columns if ours not in found.columns else ():
            unit = _UNIT.search(reduced(theirs.name))
            if unit and theirs.filled and theirs.fits("number") and _UNIT.sub("", reduced(theirs.name)) in names:
                seconds = _UNITS[unit[1]]
                count = f"try_cast({theirs.read_as('number')} AS DOUBLE)"
                took = f"CASE WHEN abs({count}) < {_LONGEST // seconds} THEN to_seconds({seconds} * {count}) END"
                unit_name = next(word for word, length in _UNITS.items() if length == seconds)
                sql = f"try_cast({found.value(event)} AS TIMESTAMPTZ) + {took}"  # a plain TIMESTAMP drops +02:00
                yield Duration(ours, theirs, f"{unit_name}s", sql)
                break
