"""Scoring: everybody's risk and reasons, part by part: a million accounts need little more memory than their table."""

from typing import Any, Final

import numpy as np
import pandas as pd

from models.churn_model import FAMILIES, ChurnModel
from models.reasons import Reasons
from pipeline.packing import doubles, packed

__all__ = ["scored", "shown"]

_ROWS_AT_ONCE: Final = 50_000


def scored(active: pd.DataFrame, columns: list[str], model: ChurnModel, threads: int) -> tuple[pd.DataFrame, float]:
    """Active accounts with what the model says of them, and the share of all contribution that stays unworded.

    Of the accounts' own columns `columns` are kept. Those of the model: `risk` within the horizon, `log_odds` and
    `base_log_odds`, `involuntary` (P(involuntary | leaves), NaN without a model of it), `largest_family`, and as the
    store keeps them `horizons`, `families` and `details`.
    """
    parts: list[pd.DataFrame] = []
    size = contradicting = 0.0
    for first in range(0, len(active), _ROWS_AT_ONCE):
        part, reasons = _part(active.iloc[first : first + _ROWS_AT_ONCE], model, threads)
        parts.append(part)
        size += reasons.size
        contradicting += reasons.contradicting_size
    said = pd.concat(parts, ignore_index=True)
    scores = active[columns].assign(**{str(name): said[name].to_numpy() for name in said})
    return scores, contradicting / size if size > 0 else 0.0


def _part(active: pd.DataFrame, model: ChurnModel, threads: int) -> tuple[pd.DataFrame, Reasons]:
    explanation = model.explain(active, threads=threads)
    reasons = Reasons.of(model, active, explanation)
    horizons = model.horizons(active, risk=explanation.risk, threads=threads)
    columns: dict[str, Any] = {
        "risk": explanation.risk,
        "log_odds": explanation.log_odds,
        "base_log_odds": explanation.base_log_odds,
        "involuntary": np.nan if model.involuntary is None else model.involuntary.probability(active),
        "largest_family": reasons.largest_families(),
        "horizons": doubles(np.column_stack(list(horizons.values()))),
        "families": doubles(explanation.families),
        "details": packed(reasons),
    }
    return pd.DataFrame(columns), reasons


def shown(model: ChurnModel) -> dict[str, Any]:
    """What readers need of the model to show what it said: it is stored beside the night."""
    return {
        "features": {feature.name: feature.as_record() for feature in model.catalogue},
        "families": list(FAMILIES),
        "bands": model.bands.as_record(),
        "horizon_days": model.about["horizon_days"],
        "horizons": sorted({model.about["horizon_days"], *model.factors}),
    }
