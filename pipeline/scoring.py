"""Scoring: everybody's risk, reasons and what changed, part by part, so that memory does not grow with the features."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from models.churn_model import FAMILIES, ChurnModel
from models.reasons import Reasons
from pipeline.inputs import Inputs
from pipeline.packing import doubles, packed
from pipeline.week_before import CHANGES, WeekBefore

__all__ = ["scored", "shown"]

_TOLD: Final = ("auc", "average_precision", "recall", "mrr_recall", "calibration_slope")


def scored(
    known: pd.DataFrame, saw: Inputs, model: ChurnModel, since: WeekBefore | None, threads: int
) -> tuple[pd.DataFrame, float]:
    """The active accounts with what the model says of them, and the share of all contribution that stays unworded.

    The columns of `known` are kept. Those of the model: `risk` within the horizon, `log_odds` and `base_log_odds`,
    `involuntary` (P(involuntary | leaves), NaN without a model of it), `largest_family`, as the store keeps them
    `horizons`, `families` and `details`, and each of `CHANGES` since a night before, NaN where there is none.
    """
    parts: list[pd.DataFrame] = []
    size = contradicting = 0.0
    for frame in saw.frames():
        active = frame[frame["state"] == "active"].reset_index()
        if active.empty:
            continue
        part, reasons = _part(active, model, since, threads)
        parts.append(part)
        size += reasons.size
        contradicting += reasons.contradicting_size
    said = pd.concat(parts, ignore_index=True)
    active = known[known["state"] == "active"].reset_index(drop=True)
    if not active["account_id"].equals(said["account_id"]):
        raise AssertionError("what was seen and who is known are not the same accounts")
    return active.join(said.drop(columns="account_id")), contradicting / size if size > 0 else 0.0


def _part(
    active: pd.DataFrame, model: ChurnModel, since: WeekBefore | None, threads: int
) -> tuple[pd.DataFrame, Reasons]:
    explanation = model.explain(active, threads=threads)
    reasons = Reasons.of(model, active, explanation)
    horizons = model.horizons(active, risk=explanation.risk, threads=threads)
    columns: dict[str, Any] = {
        "account_id": active["account_id"],
        "risk": explanation.risk,
        "log_odds": explanation.log_odds,
        "base_log_odds": explanation.base_log_odds,
        "involuntary": np.nan if model.involuntary is None else model.involuntary.probability(active),
        "largest_family": reasons.largest_families(),
        "horizons": doubles(np.column_stack(list(horizons.values()))),
        "families": doubles(explanation.families),
        "details": packed(reasons),
    }
    columns |= dict.fromkeys(CHANGES, np.nan) if since is None else since.changes(active, explanation.log_odds)
    return pd.DataFrame(columns), reasons


def shown(model: ChurnModel) -> dict[str, Any]:
    """What readers need of the model to show what it said: it is stored beside the night."""
    return {
        "features": {feature.name: feature.as_record() for feature in model.catalogue},
        "families": list(FAMILIES),
        "bands": model.bands.as_record(),
        "horizon_days": model.about["horizon_days"],
        "horizons": sorted({model.about["horizon_days"], *model.factors}),
        "card": _card(model),
    }


def _card(model: ChurnModel) -> dict[str, Any]:
    """What the training knew and the backtest measured, for the page that shows it; None where there was none."""
    about, fit = model.about, model.about.get("fit") or {}
    return {
        "trained_on": about.get("trained_on"),
        "first_as_of": about["first_as_of"],
        "last_as_of": about["last_as_of"],
        "snapshots": fit.get("rows"),
        "accounts": fit.get("accounts"),
        "departures": fit.get("departures"),
        "features": len(model.features),
        "backtest": _tested(about.get("backtest")),
    }


def _tested(backtest: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if backtest is None:
        return None
    model = backtest["model"]
    return {
        "first_as_of": model["first_as_of"],
        "last_as_of": model["last_as_of"],
        "departures": model["departures"],
        "enough": model["enough"],
        "figures": {name: model["figures"].get(name) for name in _TOLD},
        "curve": backtest.get("calibration_curve", []),
    }
