"""Values as the company wrote them, brought to the types of the contract; what does not fit becomes null."""

from typing import Final

import ibis
import ibis.expr.types as ir

from features.contract import Column, Severity, Table
from features.measures import without_blanks

__all__ = ["cast", "first_day_without", "storable", "usable"]

_TYPES: Final = {
    "text": "string",
    "date": "date",
    "instant": "timestamp",
    "number": "float64",
    "whole": "int64",
    "boolean": "boolean",
}

_OPEN_ENDED_YEARS: Final = 50
"""An end so long after the start is none: warehouses write 9999-12-31, 2099-12-31 or infinity for what still runs."""


def cast(value: ir.Value, type_: str) -> ir.Value:
    """A value in a type of the contract; null where it does not fit.

    Empty text is no value. An instant with a zone becomes the same instant in UTC; a date may be written as an instant.
    """
    if value.type().is_string():
        value = without_blanks(value)
        if type_ == "date":
            return value.try_cast("timestamp").cast("date")
        if type_ == "instant":  # through a zone, or else the engine would drop an offset such as +02:00
            return value.try_cast("timestamp('UTC')").cast("timestamp")
    target = _TYPES[type_]
    if value.type() == ibis.dtype(target):
        return value
    if value.type().is_timestamp() and target == "timestamp":
        return value.cast("timestamp")
    return value.try_cast(target)


def usable(value: ir.Value, column: Column, contract: Table) -> ir.Value:
    """NaN, infinity and the absurd are no quantities: where the contract only warns of them they count as missing."""
    for rule in contract.rules:
        if rule.column == column.name and rule.kind == "finite" and rule.severity is Severity.WARN:
            return (value.abs() <= rule.bound).ifelse(value, ibis.null("float64"))  # NaN is above all numbers
    return value


def storable(value: ir.Value) -> ir.Value:
    """Text without NUL, which PostgreSQL cannot hold; other values as they are."""
    return value.re_replace(r"\x00", "") if value.type().is_string() else value


def first_day_without(terms: ir.Table, written: str) -> ir.DateValue:
    """The first day without each term; null where it is open-ended, however far ahead its end is written."""
    longest = terms["started_on"] + ibis.interval(years=_OPEN_ENDED_YEARS)
    end = (terms["ended_on"] > longest.cast("date")).ifelse(ibis.null("date"), terms["ended_on"])
    return (end + ibis.interval(days=1)).cast("date") if written == "last_day" else end
