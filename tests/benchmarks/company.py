"""A demo company whose true risk is known, collected once as `churn train` does and kept under build/."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from features.catalogue import Feature
from models.departures import in_order
from pipeline.collected import collect
from pipeline.demo.company import true_risk
from pipeline.run_log import RunLog
from pipeline.settings_file import read_settings
from pipeline.showroom import furnish

TRUE_DATES = 3
"""On the newest dates alone the true risk is computed: each takes as long as the features of the date."""

__all__ = ["TODAY", "TRUE_DATES", "KnownCompany", "known_company"]

TODAY = date(2026, 11, 1)
"""The day on which the model is trained. Snapshots hang on it, and the hidden state is kept for Mondays: 90 days before
the demo's last night lies a Tuesday."""


@dataclass(frozen=True)
class KnownCompany:
    """Labelled snapshots, sorted by (as_of, account_id), with the true risk of each row beside them."""

    folder: Path
    frame: pd.DataFrame  # as collected, and on the newest dates `truth`, the probability of leaving
    features: tuple[Feature, ...]
    days: Mapping[str, int]  # need_days, horizon_days, lead_days


def known_company(accounts: int, seed: int, log: RunLog) -> KnownCompany:
    """The company of that size and seed, made up and collected where that has not been done yet.

    What is collected depends on the code of the features: remove build/demo-ACCOUNTS-SEED after changing it.
    """
    folder = Path("build") / f"demo-{accounts}-{seed}"
    settings = folder / "churn.toml"
    rows, catalogue = folder / "collected.parquet", folder / "collected.json"
    if not catalogue.exists():
        collected = collect(
            read_settings(settings if settings.exists() else furnish(folder, accounts, seed, log)), TODAY, log
        )
        log.step("true risks")
        frame = in_order(collected.frame)
        truths = [
            true_risk(folder, pd.Timestamp(day).date()).assign(as_of=day).rename(columns={"risk": "truth"})
            for day in np.sort(frame["as_of"].unique())[-TRUE_DATES:]
        ]
        frame = frame.merge(pd.concat(truths), on=["account_id", "as_of"], how="left", validate="1:1")
        frame.to_parquet(rows)
        rules = collected.history.rules
        record = {
            "days": {"need_days": rules.label_days, "horizon_days": rules.horizon_days, "lead_days": rules.lead_days},
            "features": [feature.as_record() for feature in collected.recipe.features],
        }
        catalogue.write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    record = json.loads(catalogue.read_text(encoding="utf-8"))
    features = tuple(Feature.from_record(feature) for feature in record["features"])
    return KnownCompany(folder, pd.read_parquet(rows), features, record["days"])
