"""The waterfall: from where every account starts, family by family, to the log-odds of one account."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipeline.store.nights import AccountNight
from pipeline.wording import Sentence

__all__ = ["Step", "as_shown", "waterfall"]


@dataclass(frozen=True)
class Step:
    """One family: what it adds to the log-odds, the sentences that can be said of it, and what is left beside them.

    The contributions of the sentences and `rest` add up to `contribution`.
    """

    family: str
    contribution: float
    said: tuple[Sentence, ...]
    rest: float


def waterfall(account: AccountNight, said: Sequence[Sentence]) -> tuple[Step, ...]:
    """The families of an account that moved its log-odds, the largest first, with what `all_sentences` say of it.

    With its `base_log_odds` their contributions add up to its `log_odds`.
    """
    steps = [
        _step(family, contribution, tuple(each for each in said if each.family == family))
        for family, contribution in account.families.items()
        if contribution
    ]
    return tuple(sorted(steps, key=lambda step: (-abs(step.contribution), step.family)))


def _step(family: str, contribution: float, said: tuple[Sentence, ...]) -> Step:
    ordered = tuple(sorted(said, key=lambda each: -abs(each.contribution)))
    return Step(family, contribution, ordered, contribution - math.fsum(each.contribution for each in said))


def as_shown(start: float, parts: Iterable[float], decimals: int = 2) -> Iterator[float]:
    """The parts, rounded in such a way that they add up to the end as shown, from the start as shown.

    >>> list(as_shown(0.004, [0.004, 0.004]))
    [0.01, 0.0]
    """
    whole, shown = start, round(start, decimals)
    for part in parts:
        whole += part
        yield round(round(whole, decimals) - shown, decimals) + 0.0
        shown = round(whole, decimals)
