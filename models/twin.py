"""Twins: what two recipes would have been worth on dates of which neither has learned anything.

A model that goes live has learned from every known label, so nothing is left to test it on. Its twin is the same recipe
(features, parameters, seed) fitted on what was known before the gate window opened. A model whose own labels were all
known before then is its own twin.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.churn_model import ChurnModel
from models.departures import count_departures
from models.errors import NoTestDate
from models.training import LEAST_DEPARTURES, fit

__all__ = ["GateWindow", "gate_window", "thinned", "twin", "window_from"]

AIMED_DEPARTURES: Final = 200
"""Departures that a gate window holds where history has them: the newest two or three snapshots of most companies."""

LEAST_IN_WINDOW: Final = 30
KNOWN_FOR_EACH: Final = 2
"""Departures known before the window for each one in it. A window that takes most of a short history leaves twins that
have learned nothing, and says nothing of the models that would go live."""

RESEED: Final = 1_000_003


@dataclass(frozen=True)
class GateWindow:
    """The newest snapshots with known labels, set apart, and what was known when the first of them was taken."""

    rows: NDArray[np.bool_]
    known: NDArray[np.bool_]
    opens: pd.Timestamp


def window_from(frame: pd.DataFrame, need_days: int, opens: pd.Timestamp) -> GateWindow:
    """The snapshots of `frame` from a date on, and those whose labels were known then."""
    known = (frame["as_of"] + pd.Timedelta(days=need_days) <= opens).to_numpy(bool)
    return GateWindow((frame["as_of"] >= opens).to_numpy(bool), known, opens)


def gate_window(frame: pd.DataFrame, need_days: int) -> GateWindow:
    """The fewest newest snapshots with 200 departures; with fewer where history is short.

    At least 30 departures were known before. A window of more than 30, and of more than the newest snapshot, has twice
    as many known before it. `frame` has one row per (account_id, as_of) with a known label. Raises `NoTestDate` when no
    date of it had 30 departures known before.
    """
    found = None
    for date in sorted(frame["as_of"].unique(), reverse=True):
        window = window_from(frame, need_days, pd.Timestamp(date))
        before, inside = count_departures(frame[window.known]), count_departures(frame[window.rows])
        if before < LEAST_DEPARTURES or (inside > LEAST_IN_WINDOW and before < KNOWN_FOR_EACH * inside and found):
            break
        found = window
        if inside >= AIMED_DEPARTURES:
            break
    if found is None:
        raise NoTestDate(
            f"No snapshot had {LEAST_DEPARTURES} departures whose labels were known on its date ({need_days} days "
            "later each): two models cannot be compared on dates that neither has seen."
        )
    return found


def twin(
    model: ChurnModel,
    frame: pd.DataFrame,
    window: GateWindow,
    *,
    is_own: bool = False,
    reseeded: bool = False,
    threads: int = 0,
) -> ChurnModel:
    """The model's recipe, fitted on what was known when the window opened.

    Parameters
    ----------
    is_own : whether the model sees accounts exactly as `frame` was built. Then it stands for itself where all its
        labels were known when the window opened.
    reseeded : with another seed, on the same rows; never the model itself.

    Whatever else is remembered of the model, its bands, its tone and the factors of its horizons stay with the twin.

    Raises `ColumnsDiffer` when the frame lacks a feature of the model.
    """
    about, known = model.about, window.known
    last = pd.Timestamp(about["last_as_of"])
    if is_own and last + pd.Timedelta(days=about["need_days"]) <= window.opens:
        if not reseeded:
            return model
        known = known & (frame["as_of"] <= last).to_numpy(bool)  # else newer rows would be taken for the seed's doing
    return _refitted(model, frame[known], seed=about["seed"] + (RESEED if reseeded else 0), threads=threads)


def thinned(model: ChurnModel, frame: pd.DataFrame, share: float, *, threads: int = 0) -> ChurnModel:
    """The model's recipe, fitted on a share of the root accounts of `frame` that is drawn by lot, the same each time.

    How far it is from the model shows what the loss of so many labels does by itself.
    """
    roots = np.sort(frame["root_id"].unique())
    kept = np.random.default_rng(model.about["seed"]).permutation(roots)[: round(share * len(roots))]
    rows = frame[frame["root_id"].isin(kept)]
    return _refitted(model, rows, seed=model.about["seed"], threads=threads)


def _refitted(model: ChurnModel, frame: pd.DataFrame, *, seed: int, threads: int) -> ChurnModel:
    about = model.about
    fitted, _ = fit(
        frame,
        model.catalogue,
        need_days=about["need_days"],
        horizon_days=about["horizon_days"],
        lead_days=about["lead_days"],
        seed=seed,
        parameters=about["fit"]["parameters"],
        threads=threads,
    )
    return replace(fitted, about={**about, **fitted.about}, bands=model.bands, tone=model.tone, factors=model.factors)
