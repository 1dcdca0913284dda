"""What this package refuses, each with what was found and what to do; trying again cures none of it. `TrackingFailed`
alone is no refusal.
"""

from collections.abc import Sequence

__all__ = [
    "ColumnsDiffer",
    "CorruptModel",
    "ModelRefusal",
    "NoChampion",
    "NoRule",
    "NoTestDate",
    "NoVersion",
    "TooFewDepartures",
    "TrackingFailed",
    "UnusableScorer",
    "UnusableStudy",
]


class ModelRefusal(Exception):
    """Base of every refusal of `models`; its text is meant for the person at the terminal."""


class TrackingFailed(Exception):
    """MLflow could not be reached or did not answer: no refusal, for trying again may help."""


class TooFewDepartures(ModelRefusal):
    """A model was asked for, and too few customers have left for one to be learned."""

    def __init__(self, found: int, needed: int, what: str = "departures (distinct account and day)") -> None:
        self.found = found
        self.needed = needed
        self.what = what
        super().__init__(
            f"Found {found} {what} with known labels; a model needs at least {needed}. "
            "Give a longer history, or wait: a departure counts once its horizon and grace have passed."
        )


class NoTestDate(ModelRefusal):
    """A backtest was asked for, and no past date had both enough known departures before it and labels after it."""


class NoRule(ModelRefusal):
    """A model of rules was asked for, and no rule reads anything that these tables have."""


class ColumnsDiffer(ModelRefusal):
    """The frame does not hold the columns that the model was trained on.

    >>> print(ColumnsDiffer(expected=("seats", "tenure_days"), got=("seat", "tenure_days")))
    The frame lacks 1 of the model's 2 features (- expected and absent, + present and unknown to it):
      - seats
      + seat
    Build the features as the version that trained this model did, or train again: churn train.
    """

    def __init__(self, expected: Sequence[str], got: Sequence[str]) -> None:
        self.missing = tuple(name for name in expected if name not in set(got))
        self.unknown = tuple(name for name in got if name not in set(expected))
        lines = [f"  - {name}" for name in self.missing] + [f"  + {name}" for name in self.unknown]
        super().__init__(
            f"The frame lacks {len(self.missing)} of the model's {len(expected)} features "
            "(- expected and absent, + present and unknown to it):\n"
            + "\n".join(lines)
            + "\nBuild the features as the version that trained this model did, or train again: churn train."
        )


class CorruptModel(ModelRefusal):
    """The files of a model are absent, damaged, or were edited by hand."""


class NoChampion(ModelRefusal):
    """The registry holds no model under the alias that the night reads."""


class NoVersion(ModelRefusal):
    """The registry does not hold the version of a model that was asked for."""


class UnusableScorer(ModelRefusal):
    """The scorer of texts that the settings name is not here, is none, or lacks what it runs on."""


class UnusableStudy(ModelRefusal):
    """The file in which tuning keeps its trials cannot be read or written."""
