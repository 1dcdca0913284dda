"""Other horizons, tied to the first one so that none can contradict it.

The model gives the risk of leaving within H days. A shorter horizon S is that risk times P(by S | by H), a longer one L
is risk + (1 − risk) × P(in [H, L) | past H). Each factor is a calibrated model of its own, grown on those rows alone
of which its question can be asked. A product of probabilities grows with the days whatever the factors say: nothing is
clipped. With several shorter or longer horizons each is tied to the next one towards H.

Reasons are given for H alone: log-odds add up there, and in no product of probabilities.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from features.catalogue import Feature
from models.churn_model import ChurnModel
from models.departures import count_departures
from models.errors import ModelRefusal, TooFewDepartures
from models.training import LEAST_DEPARTURES, fit

__all__ = ["Factors", "fit_factors"]


@dataclass(frozen=True)
class Factors:
    """By days: the factors that could be learned, and in `notes` why others could not."""

    models: dict[int, ChurnModel]
    notes: dict[int, str]


def fit_factors(
    frame: pd.DataFrame,
    features: Sequence[Feature],
    horizons: Sequence[int],
    *,
    known_on: pd.Timestamp,
    need_days: int,
    horizon_days: int,
    lead_days: int = 0,
    seed: int = 7,
    threads: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Factors:
    """Learn the factor of each horizon but H itself, as far as departures suffice.

    Parameters
    ----------
    frame : that of `training.fit`, with `later_churn_on`, the first churn after the window of those that stayed.
    horizons : in days, in any order.
    known_on : the day on whose knowledge the labels rest. A longer horizon is known later: it learns from older rows.
    need_days, horizon_days, lead_days : as for `training.fit`, of H.

    A factor with fewer than 30 departures on one of its sides is left out, and the next horizon is tied to the one
    before it; small factors get the smaller trees of `boosting_parameters`.
    """
    learned = [feature for feature in features if feature.learned]
    models: dict[int, ChurnModel] = {}
    notes: dict[int, str] = {}
    shorter = sorted({days for days in horizons if days < horizon_days}, reverse=True)
    longer = sorted({days for days in horizons if days > horizon_days})
    for side in (shorter, longer):
        nearer = horizon_days
        for days in side:
            if progress is not None:
                progress(f"horizon of {days} days", len(models) + len(notes), len(shorter) + len(longer))
            reach = max(days, nearer)
            mature = known_on - pd.Timedelta(days=need_days + max(0, days - horizon_days))
            rows = _asked(frame[frame["as_of"] <= mature], days, nearer, lead_days)
            try:
                _refuse_one_sided(rows, days, nearer)
                models[days], _ = fit(
                    rows,
                    learned,
                    need_days=need_days + reach - horizon_days,
                    horizon_days=reach,
                    lead_days=lead_days,
                    seed=seed,
                    threads=threads,
                )
                nearer = days
            except ModelRefusal as reason:
                notes[days] = f"No risk is given within {days} days. {reason}"
    return Factors(models, notes)


def _asked(frame: pd.DataFrame, days: int, nearer: int, lead_days: int) -> pd.DataFrame:
    """The rows of which the factor's question can be asked, with its answer as their label.

    Shorter than `nearer`: of those that left by then, who left by `days`? Longer: of those that were still there then,
    who left by `days`?
    """
    churn_on = frame["churn_on"].fillna(frame["later_churn_on"])
    ahead = (churn_on - frame["as_of"]).dt.days - lead_days  # NaN where nobody left, and so never below anything
    rows = frame[ahead < nearer] if days < nearer else frame[~(ahead < nearer)]
    label = ahead.loc[rows.index] < days
    # Of a shorter one both answers are departures: the day stays with either, so that both can be counted.
    known = rows.drop(columns=["end_reason", "later_churn_on"], errors="ignore")
    return known.assign(label=label, churn_on=churn_on.loc[rows.index])


def _refuse_one_sided(rows: pd.DataFrame, days: int, nearer: int) -> None:
    found, where = count_departures(rows), f"within {days} days" if days < nearer else f"{nearer} to {days} days ahead"
    if days < nearer:
        after = count_departures(rows.assign(label=~rows["label"]))
        if after < found:
            found, where = after, f"{days} to {nearer} days ahead"
    if found < LEAST_DEPARTURES:
        raise TooFewDepartures(found, LEAST_DEPARTURES, f"departures {where}")
