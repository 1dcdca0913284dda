"""Bands: low, medium and high as multiples of the company's own base odds, fixed as probabilities with a model."""

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["BANDS", "Band", "Bands"]

Band = Literal["low", "medium", "high"]
BANDS: Final[tuple[Band, ...]] = ("low", "medium", "high")


@dataclass(frozen=True)
class Bands:
    """Where medium and high begin, as probabilities within the horizon.

    Multiples are taken of the odds and not of the probability: four times a base rate of 45 % would be 180 %. They are
    never a share of the accounts, or ten in a hundred would be red when nobody leaves.
    """

    base_rate: float
    medium: float
    high: float

    @classmethod
    def from_base_rate(cls, base_rate: float, medium: float = 2.0, high: float = 4.0) -> Self:
        """The bands of a company of which `base_rate` leave within the horizon.

        >>> [f"{Bands.from_base_rate(rate).medium:.0%}, {Bands.from_base_rate(rate).high:.0%}" for rate in (0.05, 0.45)]
        ['10%, 17%', '62%, 77%']
        """
        if not 0.0 < base_rate < 1.0:
            raise ValueError(
                f"A base rate lies between 0 and 1, got {base_rate!r}: count departures over known labels."
            )
        odds = base_rate / (1.0 - base_rate)
        medium_odds, high_odds = medium * odds, high * odds
        return cls(base_rate, medium_odds / (1.0 + medium_odds), high_odds / (1.0 + high_odds))

    def of(self, risk: NDArray[np.float64]) -> NDArray[np.object_]:
        """The band of each risk, as text.

        >>> Bands.from_base_rate(0.05).of(np.array([0.01, 0.1, 0.5])).tolist()
        ['low', 'medium', 'high']
        """
        step = (risk >= self.medium).astype(int) + (risk >= self.high).astype(int)
        band: NDArray[np.object_] = np.array(BANDS, dtype=object)[step]
        return band

    def as_record(self) -> dict[str, Any]:
        """The bands as plain numbers, as stored with a model."""
        return asdict(self)
