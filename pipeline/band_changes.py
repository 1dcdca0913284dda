"""Band changes: the customers whom another model would see most differently, with both models' reasons."""

from typing import Any, Final

import numpy as np
import pandas as pd

from models.calibration import probability
from models.churn_model import ChurnModel
from models.reasons import Reasons
from models.starter import is_starter
from pipeline.amounts import plain_odds
from pipeline.settings import Settings
from pipeline.wording import top_sentences

__all__ = ["band_changes"]

MOST_SHOWN: Final = 20


def band_changes(before: ChurnModel, after: ChurnModel, customers: pd.DataFrame, settings: Settings) -> str:
    """At most 20 of today's customers whose band changes, those whose log-odds move most first, in text."""
    threads = settings.engine.threads
    log_odds = [model.log_odds(customers, threads=threads) for model in (before, after)]
    bands = [model.bands.of(probability(found)) for model, found in zip((before, after), log_odds, strict=True)]
    changed = np.flatnonzero(bands[0] != bands[1])
    if changed.size == 0:
        return f"No band of today's {len(customers):,} customers would change."
    order = changed[np.argsort(-np.abs(log_odds[1] - log_odds[0])[changed], kind="stable")][:MOST_SHOWN]
    few = customers.iloc[order].reset_index(drop=True)
    told = [_sentences(model, few, threads) for model in (before, after)]
    most = f"; the {MOST_SHOWN} that move most:" if changed.size > MOST_SHOWN else ":"
    lines = [f"Of today's {len(customers):,} customers {changed.size:,} would be in another band{most}"]
    for place, row in enumerate(order):
        name = few["name"].iloc[place]
        called = few["account_id"].iloc[place] if pd.isna(name) else f"{name} ({few['account_id'].iloc[place]})"
        lines.append(f"  {called}: {bands[0][row]} → {bands[1][row]}")
        lines += [f"      {when}: {words}" for when, words in (("now ", told[0][place]), ("then", told[1][place]))]
    return "\n".join(lines)


def _sentences(model: ChurnModel, few: pd.DataFrame, threads: int) -> list[str]:
    """For each account its odds and two main reasons under the model. Rules have no odds to give."""
    explanation = model.explain(few, threads=threads)
    reasons = Reasons.of(model, few, explanation)
    words: dict[str, Any] = {feature.name: feature.as_record() for feature in model.catalogue}
    told = []
    for risk, listed, facts in zip(explanation.risk, reasons.listed(), reasons.facts(), strict=True):
        said = " ".join(each.text for each in top_sentences(listed, words, facts, few["as_of"].iloc[0].date()))
        told.append(said if is_starter(model) else f"{_capital(plain_odds(float(risk)))}. {said}".rstrip())
    return told


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
