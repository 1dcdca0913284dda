"""What `churn monitor` found: drift, the skill to expect, the skill that came, and what the tables lack."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from math import isfinite
from typing import Any, Final

import numpy as np

from models.bootstrap import Figure
from models.curves import CalibrationPoint
from models.drift import Drift
from models.evaluate import Evaluation
from pipeline.aftermath import NotARiskCases
from pipeline.headline import by_rules
from pipeline.store.nights import Night
from pipeline.violation import Violation

__all__ = ["LOOKS", "Monitored", "Outcome", "Verdict", "how_far"]

LOOKS: Final = ("drift", "expected", "realised", "tables")

_MOST_SHOWN: Final = 10

_FIGURES: Final = {
    "auc": "AUC",
    "average_precision": "average precision",
    "recall": "departures on the list",
    "calibration_slope": "calibration slope",
}
_OF_RISK: Final = {"calibration_slope"}


class Verdict(StrEnum):
    """What a look came to: nothing beyond chance, something to look into, or nothing that can be known."""

    FINE = "fine"
    LOOK = "look"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Outcome:
    """What a matured night expected of its accounts with a label, and what came: shares from 0 to 1."""

    as_of: date
    accounts: int
    expected: float
    left: float


@dataclass(frozen=True)
class Monitored:
    """What was found. `drifted` is None where the model's reference is gone, `realised` where no night is old enough.
    `made_on` is the day whose accounts are the reference, `drift_on` the night that stands beside it: of the same
    weekday where there is a night each day, and None where that one is missing. Rules give an order: with them nothing
    is expected.

    `outcomes` are the matured nights that were judged, oldest first, `curve` the risks that they gave beside the shares
    that left, `capacity` the calls that the team has in a week, `marked` what people said is no risk.
    """

    shown: Night
    capacity: int
    drifted: tuple[Drift, ...] | None
    made_on: date | None
    drift_on: date | None
    expected: Mapping[str, Figure]
    promised: Mapping[str, Any] | None
    realised: Evaluation | None
    outcomes: tuple[Outcome, ...]
    curve: tuple[CalibrationPoint, ...]
    matures_on: date
    gaps: tuple[Violation, ...]
    marked: NotARiskCases | None = None

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """By look: `drift`, `expected`, `realised`, `tables`.

        Expected and realised skill are to be looked into where the interval of their AUC lies below that of the
        backtest of tonight's model, and realised skill where the mean of the risks lies outside the interval of the
        share that left. Where there is nothing to hold an AUC against, what is expected is not known to be fine.
        """
        promised = None if self.promised is None else self.promised["low"]
        expected, found, verdicts = self.expected.get("auc"), self.realised, dict.fromkeys(LOOKS, Verdict.UNKNOWN)
        if self.drifted is not None:
            verdicts["drift"] = _verdict(any(each.has_drifted for each in self.drifted))
        if expected is not None and promised is not None and isfinite(expected.high):
            verdicts["expected"] = _verdict(_is_below(expected, promised))
        if found is not None and found.enough:
            is_off = expected is not None and not _is_within(found.figures["mean_risk"], found.figures["base_rate"])
            verdicts["realised"] = _verdict(is_off or _is_below(found.figures["auc"], promised))
        return verdicts | {"tables": _verdict(bool(self.gaps))}

    @property
    def told_by_look(self) -> dict[str, str]:
        """The same by look; empty where the tables lack nothing."""
        gaps = "\n".join(f"warning: {gap.told()}" for gap in self.gaps)
        return dict(zip(LOOKS, (self._drift(), self._expected(), self._realised(), gaps), strict=True))

    def told(self) -> str:
        """What was found, as a person reads it."""
        parts = [told for told in self.told_by_look.values() if told]
        parts += [self.marked.told()] if self.marked and self.marked.cases else []
        return "\n\n".join([f"Night of {self.shown.as_of}, model version {self.shown.model_version}.", *parts])

    def _drift(self) -> str:
        if self.made_on is not None and self.drift_on is None:
            return (
                f"Drift: not known. This model was made on {_day(self.made_on)}, what is counted in days differs by "
                f"the weekday, and in the last week it gave no night of a {self.made_on:%A}."
            )
        if self.drifted is None or self.made_on is None or self.drift_on is None:
            return "Drift: not known, for the model of this night is gone from the registry, or an older churn made it."
        between = f"between {_day(self.made_on)}, and {_day(self.drift_on)}"
        moved = [each for each in self.drifted if each.has_drifted]
        if not moved:
            return f"Drift: {between}, none beyond chance in {len(self.drifted) - 1} features, nor in the risk."
        lines = [f"Drift: {len(moved)} of {len(self.drifted)} have moved beyond chance {between}."]
        if self.made_on.weekday() != self.drift_on.weekday():
            lines.append("  What is counted in days differs by the weekday alone.")
        lines += [f"  {each.name}: {how_far(each)}" for each in moved[:_MOST_SHOWN]]
        if len(moved) > _MOST_SHOWN:
            lines.append(f"  and {len(moved) - _MOST_SHOWN} more (--json).")
        return "\n".join(lines)

    def _expected(self) -> str:
        if (rules := by_rules(self.shown.headline)) is not None:
            return f"{rules} What to expect is not known: rules give an order, and no probabilities."
        found = self.expected
        horizon = self.shown.headline["horizon_days"]
        line = (
            f"Expected, if the risks are true: {found['departures'].value:,.0f} departures "
            f"({found['departures'].low:,.0f} to {found['departures'].high:,.0f}) within "
            f"{horizon} days; AUC {found['auc']}; of the {self.capacity:,} at highest risk {found['precision']} leave."
        )
        if self.promised is None or self.promised["value"] is None:
            return line
        promised = f"{self.promised['value']:.3f} ({self.promised['low']:.3f} to {self.promised['high']:.3f})"
        return f"{line}\nIts backtest had an AUC of {promised}."

    def _realised(self) -> str:
        if self.realised is None:
            return (
                "Realised: no night is old enough whose model had not seen what came after it. The labels of the "
                f"oldest are known on {self.matures_on}."
            )
        figures = self.realised.figures
        shown = _FIGURES if by_rules(self.shown.headline) is None else _FIGURES.keys() - _OF_RISK
        told = [
            f"{_FIGURES[name]} {figures[name]}"
            for name in _FIGURES
            if name in shown and np.isfinite(figures[name].value)
        ]
        return f"Realised, on {len(self.outcomes)} matured nights: {'; '.join(told)}. {self.realised.note}."

    def as_record(self) -> dict[str, Any]:
        """What was found, as plain data."""
        return {
            "as_of": str(self.shown.as_of),
            "model_version": self.shown.model_version,
            "verdicts": self.verdicts,
            "capacity": self.capacity,
            "reference": None if self.made_on is None else str(self.made_on),
            "drift_on": None if self.drift_on is None else str(self.drift_on),
            "drift": None if self.drifted is None else [each.as_record() for each in self.drifted],
            "expected": {name: figure.as_record() for name, figure in self.expected.items()},
            "backtest_auc": self.promised,
            "realised": None if self.realised is None else self.realised.as_record(),
            "nights": len(self.outcomes),
            "outcomes": [asdict(each) | {"as_of": str(each.as_of)} for each in self.outcomes],
            "calibration": [point.as_record() for point in self.curve],
            "matures_on": str(self.matures_on),
            "gaps": [gap.as_record() for gap in self.gaps],
            "not_a_risk": [] if self.marked is None else [case.as_record() for case in self.marked.cases],
        }


def how_far(each: Drift) -> str:
    """How far a feature, or the risk, has moved, in words."""
    more = [f"index {each.index:.2f}, by chance up to {each.by_chance:.2f}"]
    if abs(each.missing_now - each.missing_then) >= 0.01:
        more.append(f"missing {each.missing_then:.0%}, now {each.missing_now:.0%}")
    return "; ".join([*more, *(f"new: {word} ({share:.0%})" for word, share in each.new[:3])])


def _day(day: date) -> str:
    return f"{day:%A}, {day}"


def _verdict(is_odd: bool) -> Verdict:
    return Verdict.LOOK if is_odd else Verdict.FINE


def _is_below(found: Figure, promised: float | None) -> bool:
    return promised is not None and found.high < promised


def _is_within(found: Figure, around: Figure) -> bool:
    return around.low <= found.value <= around.high
