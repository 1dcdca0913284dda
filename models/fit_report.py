"""The report of a fit: what each set of rows held, what the folds chose and how they did on rows they had not seen."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from models.calibration import Calibration

__all__ = ["FitReport", "FoldReport"]


@dataclass(frozen=True)
class FoldReport:
    """What one fold was given and what it chose."""

    rounds: int
    rows: Mapping[str, int]
    departures: Mapping[str, int]


@dataclass(frozen=True)
class FitReport:
    """How a model came about. The out-of-fold figures are of the folds' models, on rows they had not seen."""

    mode: str
    folds: tuple[FoldReport, ...]
    rounds: int
    calibration: Calibration
    rows: int
    accounts: int
    departures: int
    first_as_of: str
    last_as_of: str
    base_rate: float
    out_of_fold: Mapping[str, float]
    parameters: Mapping[str, Any]

    def as_record(self) -> dict[str, Any]:
        """The report as values that JSON can hold."""
        return {**asdict(self), "folds": [asdict(fold) for fold in self.folds]}

    def __str__(self) -> str:
        how = "a later block of time" if self.mode == "time" else f"{len(self.folds)} folds of accounts"
        return (
            f"Grown on all {self.rows:,} known labels of {self.accounts:,} accounts ({self.departures} departures) "
            f"from {self.first_as_of} to {self.last_as_of}, for the {self.rounds} rounds that {how} chose; "
            f"calibrated by a = {self.calibration.a:.3f}, b = {self.calibration.b:+.3f} on rows that chose nothing. "
            "This refit has no test of its own."
        )
