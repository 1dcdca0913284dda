"""The gate: whether a challenger may take the champion's place, on rows from which neither has learned.

Both are judged on the same snapshots and every difference is bootstrapped in pairs: one draw of root accounts weighs
both. Better means a higher average precision, since what managers use is the top of the list. Being better there does
not excuse being worse elsewhere: in the log loss, in the calibration slope, in how well reasons stand up to another
seed, or in a segment that average figures hide.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bootstrap import Draws, Figure, figure_of_draws
from models.churn_model import Explanation
from models.departures import count_departures
from models.metrics import ranking_of_draws, slope_of_draws, squared_and_log_errors
from models.stability import Stability, stability, top_kept
from models.starter import NEEDED_DEPARTURES

__all__ = ["Comparison", "Contender", "Decision", "Difference", "compare", "decide"]

Floats = NDArray[np.float64]

DRAWS: Final = 1000
SEGMENT_DEPARTURES: Final = 50
LEAST_WINDOW: Final = 30
SMALLEST_SLOPE: Final = 0.05
SLOPE_MARGIN: Final = 0.05
"""A slope five per cent further from 1 is no harm anyone could notice: where three per cent leave, a risk of 10 % moves
by half a point."""

LEVEL: Final = 0.05
"""Chance that a segment is called worse though none is, over all segments together (Holm, Scandinavian Journal of
Statistics 6, 1979)."""


@dataclass(frozen=True)
class Contender:
    """What a model that has not learned from the rows says of them.

    `risk` (rows,) is the probability of leaving. `explained` are two explanations of the newest date's accounts, in the
    order of the rows: its own, and that of the same recipe with another seed; None for rules, which have no seed.
    """

    risk: Floats
    explained: tuple[Explanation, Explanation] | None = None


@dataclass(frozen=True)
class Difference:
    """One figure of both, and by how much the challenger's is better; negative where it is worse."""

    challenger: float
    champion: float
    gain: Figure

    def __str__(self) -> str:
        return f"{self.challenger:.3f} to {self.champion:.3f} ({self.gain.low:+.3f} to {self.gain.high:+.3f})"


@dataclass(frozen=True)
class Comparison:
    """Challenger and champion on the same rows.

    `differences` by name: `average_precision`, `auc`, `log_loss`, `calibration_slope` (its gain is in distance of its
    logarithm from 0) and, where both have a seed, `stability`. `segments` holds the log loss in each part of the
    company with 50 departures or more, by "column = value"; `worse_segments` those where it is worse beyond chance.
    `stability` says of `challenger` and `champion` what another seed does to reasons on the newest date.
    """

    differences: Mapping[str, Difference]
    segments: Mapping[str, Difference]
    worse_segments: tuple[str, ...]
    stability: Mapping[str, Stability]
    departures: int
    accounts: int
    first_as_of: str
    last_as_of: str

    def as_record(self) -> dict[str, Any]:
        """The comparison as values that JSON can hold; a figure that cannot be formed is null."""
        record: dict[str, Any] = _without_nan(asdict(self))
        return record


@dataclass(frozen=True)
class Decision:
    """Whether the challenger takes the champion's place, and why, in sentences."""

    promotes: bool
    reasons: tuple[str, ...]

    def as_record(self) -> dict[str, Any]:
        """The decision as plain data."""
        return {"promotes": self.promotes, "reasons": list(self.reasons)}


def compare(
    rows: pd.DataFrame,
    challenger: Contender,
    champion: Contender,
    *,
    by: Sequence[str] = (),
    draws: int = DRAWS,
    seed: int = 7,
) -> Comparison:
    """Judge both on the same rows.

    Parameters
    ----------
    rows : one row per (account_id, as_of) with root_id, label, churn_on and the columns of `by`.
    by : columns of words that part the company into segments.
    draws : of root accounts, Poisson(1) each.
    """
    drawn = Draws.of(rows["root_id"], draws, seed)
    root, weight = drawn.root, drawn.weight
    label, risks = rows["label"].to_numpy(bool), (challenger.risk, champion.risk)
    loss = np.column_stack([squared_and_log_errors(label, risk)[:, 1] for risk in risks])
    (auc, precision), (auc_before, precision_before) = (ranking_of_draws(label, risk, root, weight) for risk in risks)
    slope, slope_before = (slope_of_draws(label, risk, root, weight) for risk in risks)
    differences = {
        "average_precision": _difference(precision, precision_before, precision - precision_before),
        "auc": _difference(auc, auc_before, auc - auc_before),
        "log_loss": _loss(loss, np.ones(len(rows), dtype=bool), drawn)[0],
        "calibration_slope": _difference(slope, slope_before, _tilt(slope_before) - _tilt(slope)),
    }
    newest = (rows["as_of"] == rows["as_of"].max()).to_numpy(bool)
    explained = {
        name: contender.explained
        for name, contender in (("challenger", challenger), ("champion", champion))
        if contender.explained is not None
    }
    if len(explained) == 2:
        shares = [_kept(*pair, drawn, root[newest]) for pair in explained.values()]
        differences["stability"] = _difference(shares[0], shares[1], shares[0] - shares[1])
    segments = {name: _loss(loss, part, drawn) for name, part in _segments(rows, by).items()}
    return Comparison(
        differences=differences,
        segments={name: difference for name, (difference, _) in segments.items()},
        worse_segments=_holm({name: chance for name, (_, chance) in segments.items()}),
        stability={name: stability(*pair) for name, pair in explained.items()},
        departures=count_departures(rows),
        accounts=int(rows["account_id"].nunique()),
        first_as_of=str(rows["as_of"].min().date()),
        last_as_of=str(rows["as_of"].max().date()),
    )


def decide(
    comparison: Comparison,
    *,
    known_departures: int,
    tolerance: float,
    champion_age_days: int | None = None,
    max_age_days: int = 0,
    learned_until: tuple[str, str] | None = None,
    goes_live_until: str | None = None,
    gives_else: str | None = None,
) -> Decision:
    """Whether the challenger is promoted.

    Parameters
    ----------
    known_departures : in all labels together; with fewer than 100 no learned model takes the rules' place.
    tolerance : loss of average precision, as a lower bound, that is borne for the sake of a fresher model.
    champion_age_days, max_age_days : how long the champion has been trained, and from when on it counts as old; None
        for rules, which do not age.
    learned_until : last snapshot that challenger and champion learned from, as ISO dates.
    goes_live_until : that of the model that would go live, where it is not the challenger but its gate twin. A model
        that is only as good is promoted for what it has learned since.
    gives_else : what the challenger gives that the champion does not, such as other horizons. One that is as good is
        promoted for that, too.
    """
    found = comparison.differences
    against = list(_worse(comparison))
    if learned_until is not None and learned_until[0] < learned_until[1]:
        against.append(
            f"it is staler: it learned from snapshots to {learned_until[0]}, the champion to {learned_until[1]}"
        )
    few = [
        f"{found:,} {where} (it takes {least})"
        for found, least, where in (
            (comparison.departures, LEAST_WINDOW, "on the dates compared"),
            (known_departures, NEEDED_DEPARTURES, "in all"),
        )
        if found < least
    ]
    if few:
        against.append(f"too few have left to tell: {', '.join(few)}")
    gain = found["average_precision"].gain
    old = champion_age_days is not None and champion_age_days > max_age_days
    as_good = (old or gives_else is not None) and gain.low >= -tolerance
    newer = learned_until is None or goes_live_until is None or goes_live_until > learned_until[1]
    precision = f"average precision {found['average_precision']}"
    in_favour = ""
    if gain.low > 0.0:
        in_favour = f"it is better: {precision}"
    elif as_good and gives_else is not None:
        in_favour = f"it is as good and {gives_else}: {precision}"
    elif as_good and newer:
        in_favour = f"it is as good and the champion is {champion_age_days} days old: {precision}"
    elif as_good:
        against.insert(0, f"it is as good, but what would go live knows nothing newer than the champion: {precision}")
    else:
        allowed = f", and may not be more than {tolerance:g} worse than one this old" if old else ""
        against.insert(0, f"it is not shown to be better{allowed}: {precision}")
    return Decision(not against, tuple(against) if against else (in_favour,))


def _worse(comparison: Comparison) -> list[str]:
    """What is worse beyond its interval."""
    found = comparison.differences
    told = []
    if found["log_loss"].gain.high < 0.0:
        told.append(f"its log loss is worse: {found['log_loss']}")
    if found["calibration_slope"].gain.high < -SLOPE_MARGIN:
        told.append(f"its calibration slope is further from 1: {found['calibration_slope']}")
    if "stability" in found and found["stability"].gain.high < 0.0:
        told.append(f"its reasons change more with the seed: {found['stability']} keep their main reason")
    told += [f"it is worse where {name}: log loss {comparison.segments[name]}" for name in comparison.worse_segments]
    return told


def _difference(challenger: Floats, champion: Floats, gain: Floats) -> Difference:
    return Difference(float(challenger[0]), float(champion[0]), figure_of_draws(gain))


def _tilt(slope: Floats) -> Floats:
    """How far from 1, so that twice too bold is as far as twice too timid. A slope of zero or less orders wrongly."""
    return np.abs(np.log(np.maximum(slope, SMALLEST_SLOPE)))


def _loss(losses: Floats, part: NDArray[np.bool_], drawn: Draws) -> tuple[Difference, float]:
    """Mean log loss of both in a part of the rows, and the chance of so bad a difference if there were none.

    `losses` (rows, 2) are challenger's and champion's.
    """
    challenger, champion, rows = drawn.sums(losses[:, 0] * part, losses[:, 1] * part, part)
    with np.errstate(divide="ignore", invalid="ignore"):
        challenger, champion = challenger / rows, champion / rows
    gain = champion - challenger
    spread = float(np.nanstd(gain[1:]))
    chance = 0.5 * math.erfc(-float(gain[0]) / spread / math.sqrt(2.0)) if spread > 0.0 else 1.0
    return _difference(challenger, champion, gain), chance


def _kept(first: Explanation, second: Explanation, drawn: Draws, root: NDArray[np.int64]) -> Floats:
    """(1 + draws,) share of the riskiest tenth that keep their main reason; `root` (accounts,) as in `drawn`."""
    kept, _, among = top_kept(first, second)
    of_kept, of_all = drawn.sums(kept & among, among, root=root)
    with np.errstate(divide="ignore", invalid="ignore"):
        share: Floats = of_kept / of_all
    return share


def _segments(rows: pd.DataFrame, by: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """The parts of the company with 50 departures or more."""
    parts = {}
    for name in by:
        column = rows[name]
        for value in sorted(str(each) for each in column.dropna().unique()):
            part = (column == value).fillna(False).to_numpy(bool)
            if count_departures(rows[part]) >= SEGMENT_DEPARTURES and not part.all():
                parts[f"{name} = {value}"] = part
    return parts


def _holm(chances: Mapping[str, float]) -> tuple[str, ...]:
    """The names whose chance is too small to be chance, all taken together."""
    worse: list[str] = []
    for place, (name, chance) in enumerate(sorted(chances.items(), key=lambda item: (item[1], item[0]))):
        if chance > LEVEL / (len(chances) - place):
            break
        worse.append(name)
    return tuple(worse)


def _without_nan(found: Any) -> Any:
    if isinstance(found, Mapping):
        return {key: _without_nan(value) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return [_without_nan(value) for value in found]
    return None if isinstance(found, float) and math.isnan(found) else found
