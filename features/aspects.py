"""What customers write about, whatever their mood: prices, leaving, a competitor, waiting, the same again, lost work.

A ticket's aspects travel through the tables as one whole number with a bit for each, so that a pass over the tickets
counts them all.
"""

from collections.abc import Iterable
from typing import Final

import ibis.expr.types as ir

from features.catalogue import Feature, read_catalogue
from features.sentiment import ASPECTS

__all__ = ["WINDOW_DAYS", "as_bits", "counted", "listed", "name_of"]

WINDOW_DAYS: Final = 84

_SPOKEN: Final = {
    "price": ("the price", "价格"),
    "cancellation": ("cancelling or a refund", "退订或退款"),
    "competitor": ("another provider", "别家的产品"),
    "slow_support": ("waiting for an answer", "等不到回复"),
    "repeated": ("having written before", "之前已经反映过"),
    "outage": ("the product being down", "系统用不了"),
    "data_loss": ("lost data", "数据丢失"),
}


def name_of(aspect: str) -> str:
    """The name of the feature that counts an aspect.

    >>> name_of("price")
    'price_tickets_84'
    """
    return f"{aspect}_tickets_{WINDOW_DAYS}"


def listed() -> list[Feature]:
    """A feature for each aspect."""
    (pattern,) = read_catalogue("aspects")
    return [pattern.called(aspect, *_SPOKEN[aspect]) for aspect in ASPECTS]


def as_bits(aspects: Iterable[str]) -> int:
    """Aspects as the number that stands in a table.

    >>> as_bits(["cancellation"]), as_bits([])
    (2, 0)
    """
    return sum(1 << ASPECTS.index(aspect) for aspect in set(aspects))


def counted(bits: ir.IntegerValue, where: ir.BooleanValue) -> dict[str, ir.IntegerScalar]:
    """How many rows speak of each aspect, under the names of the features. A row that nobody judged speaks of none."""
    return {
        name_of(aspect): ((bits.fill_null(0) & (1 << place)) != 0).sum(where=where)
        for place, aspect in enumerate(ASPECTS)
    }
