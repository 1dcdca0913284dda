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
        by_time = "as many as did best on snapshots newer than those they were grown on"
        by_accounts = f"the median of {len(self.folds)} trials, each judged on accounts that its trees had not seen"
        trees = "1 tree" if self.rounds == 1 else f"{self.rounds} trees"
        if (seeds := self.parameters["bag"]) > 1:
            trees = f"{seeds} times {trees}, from as many seeds, of which the mean is taken"
        return (
            f"Learned from {self.rows:,} snapshots of {self.accounts:,} accounts from {self.first_as_of} to "
            f"{self.last_as_of}, {self.departures:,} departures among them. The model has {trees}: "
            f"{by_time if self.mode == 'time' else by_accounts}. Their sum becomes a probability by log-odds = "
            f"{self.calibration.a:.3f} × sum {self.calibration.b:+.3f}, measured on rows that had no part in growing "
            f"or choosing the trees{', its level on the last year' * (self.mode == 'time')}."
        )
