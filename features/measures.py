"""Arithmetic that the families share: ages, windows, sums that repeat exactly, ratios that bear small counts."""

from datetime import date

import ibis
import ibis.expr.types as ir

__all__ = [
    "age_days",
    "day_bits",
    "exact_sum",
    "in_steps",
    "in_window",
    "light_sum_of_steps",
    "log_ratio",
    "marked_days",
    "per_28_days",
    "share",
    "sum_of_steps",
]

_STEP = 1_000  # quantities are added in thousandths, as whole numbers
_LARGEST = 1e12
_LARGEST_LIGHT = 9e12


def age_days(instant: ir.Value, as_of: date) -> ir.IntegerValue:
    """Whole days between an event and `as_of`: 0 for the day before, which is the last one known."""
    return ibis.literal(as_of).delta(instant.cast("date"), unit="day") - 1


def in_window(age: ir.IntegerValue, start: int, days: int) -> ir.BooleanValue:
    """Whether an age lies in the window of `days` days that starts `start` days back."""
    return (age >= start) & (age < start + days)


def exact_sum(quantity: ir.NumericValue, where: ir.BooleanValue) -> ir.FloatingValue:
    """A sum that is the same on every run and at any number of threads.

    Floating sums depend on the order in which threads deliver rows, so quantities are added as whole thousandths.
    Values beyond ±10¹² are cut there; a tracker that sends them is broken, and must not break the sum of the others.
    """
    return sum_of_steps(in_steps(quantity), where)


def in_steps(quantity: ir.NumericValue) -> ir.IntegerValue:
    """A quantity in whole thousandths, for `sum_of_steps`: where many sums add the same rows, they are rounded once.

    Half a thousandth goes up.
    """
    # Written so that it touches a large table lightly: clip() looks at each value four times.
    cut = (quantity.abs() <= _LARGEST).ifelse(quantity, quantity.sign() * _LARGEST)
    return (cut * _STEP + 0.5).floor().cast("int64")


def sum_of_steps(steps: ir.IntegerValue, where: ir.BooleanValue) -> ir.FloatingValue:
    """The sum of `exact_sum`, of quantities that are in whole thousandths already."""
    return steps.sum(where=where).fill_null(0).cast("float64") / _STEP


def light_sum_of_steps(steps: ir.IntegerValue, where: ir.BooleanValue) -> ir.FloatingValue:
    """The same sum, cut at ±9·10¹², while it is made in a quarter of the memory.

    Doubles hold whole numbers exactly up to 2⁵³, so up to there these sums repeat like those of whole numbers; engines
    keep sums of 64-bit numbers in 128.
    """
    total = steps.cast("float64").sum(where=where).fill_null(0.0) / _STEP
    return total.clip(lower=-_LARGEST_LIGHT, upper=_LARGEST_LIGHT)


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
