"""What the families share: ages, windows, sums that repeat exactly, ratios that bear small counts, ids as written."""

import functools
import operator
import string
from datetime import date

import ibis
import ibis.expr.types as ir

__all__ = [
    "age_days",
    "day_bits",
    "exact_sum",
    "in_steps",
    "in_window",
    "light_steps",
    "light_sum",
    "log_ratio",
    "marked_days",
    "per_28_days",
    "share",
    "whole_steps",
    "without_blanks",
]

_STEP = 1_000  # quantities are added in thousandths, as whole numbers
_LARGEST = 1e12
_LARGEST_LIGHT_SUM = 9e12


def without_blanks(text: ir.StringValue) -> ir.StringValue:
    """Text without blanks around it; null where nothing is left.

    To trim each value of a large table would take longer than all that is made of it. Few need it, and to see that one
    does not is quick: how it begins is compared, and its last byte.
    """
    ends = [text.endswith(blank) for blank in string.whitespace]
    return functools.reduce(operator.or_, ends, text < "!").ifelse(text.strip().nullif(""), text)


def age_days(instant: ir.Value, as_of: date) -> ir.IntegerValue:
    """Whole days between an event and `as_of`: 0 for the day before, which is the last one known."""
    return ibis.literal(as_of).delta(instant.cast("date"), unit="day") - 1


def in_window(age: ir.IntegerValue, start: int, days: int) -> ir.BooleanValue:
    """Whether an age lies in the window of `days` days that starts `start` days back."""
    return (age >= start) & (age < start + days)


def exact_sum(quantity: ir.NumericValue, where: ir.BooleanValue) -> ir.FloatingValue:
    """A sum that is the same on every run and at any number of threads.

    Floating sums depend on the order in which threads deliver rows, so quantities are added as whole thousandths.
    Values beyond ±10¹² are cut there.
    """
    return in_steps(quantity).sum(where=where).fill_null(0).cast("float64") / _STEP


def in_steps(quantity: ir.NumericValue) -> ir.IntegerValue:
    """A quantity in whole thousandths. Half a thousandth goes up."""
    cut = (quantity.abs() <= _LARGEST).ifelse(quantity, quantity.sign() * _LARGEST)
    return (cut * _STEP + 0.5).floor().cast("int64")


def light_steps(quantity: ir.FloatingValue) -> ir.FloatingValue:
    """A quantity in whole thousandths, as a double, for `light_sum`: rounded once where many sums add the same rows.

    Half a thousandth goes up. The contract lets no quantity beyond ±10¹² through, so nothing is cut here.
    """
    return whole_steps(quantity * _STEP)


def whole_steps(thousandths: ir.FloatingValue) -> ir.FloatingValue:
    """Thousandths as a whole number of them, which stays a double; a half goes up."""
    return _floor(thousandths + 0.5)


@ibis.udf.scalar.builtin(name="floor", signature=(("float64",), "float64"))
def _floor(number):  # type: ignore[no-untyped-def]
    """The engine's own function, which gives a double for a double; Ibis would cast it to a whole number."""


def light_sum(steps: ir.FloatingValue, where: ir.BooleanValue | None = None) -> ir.FloatingValue:
    """The sum of `exact_sum` over a large table, of whole thousandths and cut at ±9·10¹².

    Doubles hold whole numbers exactly up to 2⁵³, so up to there these sums repeat like those of whole numbers, which
    engines add in 128 bits: in more time and four times the memory.
    """
    total = steps.sum(where=where).fill_null(0.0) / _STEP
    return total.clip(lower=-_LARGEST_LIGHT_SUM, upper=_LARGEST_LIGHT_SUM)


def log_ratio(now: ir.NumericValue, before: ir.NumericValue, floor: float = 1.0) -> ir.FloatingValue:
    """log((now + floor) / (before + floor)): 0 for no change, −0.7 for a half, and calm where counts are small."""
    return ((now.clip(lower=0) + floor) / (before.clip(lower=0) + floor)).ln()


def share(part: ir.NumericValue, whole: ir.NumericValue) -> ir.FloatingValue:
    """part / whole, missing where the whole is nothing."""
    return (whole > 0).ifelse(part.cast("float64") / whole, ibis.null("float64"))


def per_28_days(amount: ir.NumericValue, days: ir.NumericValue) -> ir.FloatingValue:
    """What an amount seen over so many days makes in 28; missing below 28 days, where it would be a guess."""
    return (days >= 28).ifelse(amount.cast("float64") * 28 / days, ibis.null("float64"))


@ibis.udf.scalar.builtin(name="bit_count", signature=(("int64",), "int8"))
def _bit_count(mask):  # type: ignore[no-untyped-def]
    """The engine's own function; it answers in a byte, so its results are widened before they are added."""


def day_bits(age: ir.IntegerValue, start: int, days: int) -> ir.IntegerScalar:
    """The days of a window of at most 63 on which there is a row, one bit a day, newest first; null without any.

    Distinct days are so counted in one pass, without sorting a single row.
    """
    place = in_window(age, start, days).ifelse((age - start).cast("int64"), ibis.null("int64"))
    return (ibis.literal(1, "int64") << place).bit_or()


def marked_days(word: ir.IntegerValue) -> ir.IntegerValue:
    """Number of days marked in a word of `day_bits`."""
    return _bit_count(word).cast("int64")
