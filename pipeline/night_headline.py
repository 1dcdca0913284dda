"""The headline of a night: the figures over its list, kept with it."""

from collections import Counter
from datetime import date
from typing import Any, Final

import pandas as pd

from models.churn_model import ChurnModel
from models.starter import is_starter
from pipeline.settings import Settings
from pipeline.store.schema import UNSCORED

__all__ = ["headline"]

_MOST_CHOICES: Final = 100


def headline(
    book: pd.DataFrame, model: ChurnModel, settings: Settings, used_on: date | None, contradicting_share: float
) -> dict[str, Any]:
    """The figures over the list: how many customers, what usually leaves, how good the order has been.

    Accounts that are leaving or lapsed are counted in `states` alone. `used_on` is the last day with use;
    `contradicting_share` is that of the reasons that stay unworded.
    """
    customers = book[~book["state"].isin(UNSCORED)]
    return {
        "company": settings.company.name,
        "currency": settings.company.currency,
        "definition": settings.churn.definition,
        "question": settings.question(),
        "demo": settings.run.demo,
        "customers": len(customers),
        "states": dict(Counter(book["state"])),
        "choices": _choices(book),
        "horizon_days": model.about["horizon_days"],
        "base_rate": model.bands.base_rate,
        "bands": {name: int((customers["band"] == name).sum()) for name in ("high", "medium", "low")},
        "expected_loss": float(customers["value_at_risk"].sum()),
        "expected_departures": None if is_starter(model) else float(customers["risk"].sum()),
        "mrr": float(customers["mrr"].sum()),
        "usage_until": used_on and str(used_on),
        "contradicting_share": contradicting_share,
        "starter": model.about.get("starter"),
        "model_digest": model.digest,
        "backtest": _skill(model.about.get("backtest")),
    }


def _skill(backtest: dict[str, Any] | None) -> dict[str, Any] | None:
    """The share of lost MRR that the list held, beside the baselines', as the backtest measured it."""
    if backtest is None:
        return None
    told = {"model": backtest["model"], **backtest["baselines"]}
    return {
        "mrr_recall": {name: found["figures"].get("mrr_recall") for name, found in told.items()},
        "recall": {name: found["figures"].get("recall") for name, found in told.items()},
        "auc": backtest["model"]["figures"].get("auc"),
        "departures": backtest["model"]["departures"],
        "enough": backtest["model"]["enough"],
        "from": backtest["model"]["first_as_of"],
        "to": backtest["model"]["last_as_of"],
        "capacity": backtest["model"]["capacity"],
    }


def _choices(book: pd.DataFrame) -> dict[str, list[str]]:
    """The segments and plans of a book to choose among, in order; of very many, those with most accounts."""
    return {name: sorted(book[name].value_counts().index[:_MOST_CHOICES]) for name in ("segment", "plan")}
