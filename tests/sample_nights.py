"""Nights to publish: accounts with scores that add up, made without a model."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Engine, select, update

from features.catalogue import read_catalogue
from models.bands import Bands
from pipeline import publication
from pipeline.book import make_book
from pipeline.publication import Run
from pipeline.store.connection import writing
from pipeline.store.lease import leased
from pipeline.store.schema import LEASE

NIGHT = date(2026, 11, 2)
NOW = datetime(2026, 11, 2, 3, 12, tzinfo=UTC)
BANDS = Bands.from_base_rate(0.05)
FAMILIES = ("usage", "support", "contract", "billing", "profile")
CATALOGUE: dict[str, Any] = {
    "features": {
        feature.name: feature.as_record()
        for name in ("usage", "people", "support", "tenure")
        for feature in read_catalogue(name)
    },
    "bands": BANDS.as_record(),
    "horizon_days": 60,
}


def scored(accounts: int, *, seed: int = 0) -> pd.DataFrame:
    """What the scoring step hands over: active accounts, each with reasons for all that its families hold."""
    rng = np.random.default_rng(seed)
    families = rng.normal(0, 1, (accounts, len(FAMILIES)))
    spoken = rng.normal(0, 0.5, (accounts, 2))
    log_odds = -3.0 + families.sum(axis=1)
    rest = families.sum(axis=1) - spoken.sum(axis=1)
    ids = [f"A-{number:05}" for number in range(accounts)]
    return pd.DataFrame(
        {
            "account_id": ids,
            "root_id": ids,
            "name": [f"Customer {number}" for number in range(accounts)],
            "owner": [f"csm{number % 3}@example.com" for number in range(accounts)],
            "state": "active",
            "since": date(2025, 1, 1),
            "last_day": None,
            "horizons": [{30: risk / 2, 60: risk, 90: risk + (1 - risk) / 4} for risk in 1 / (1 + np.exp(-log_odds))],
            "mrr": rng.gamma(2, 500, accounts).round(2),
            "risk": 1 / (1 + np.exp(-log_odds)),
            "log_odds": log_odds,
            "base_log_odds": -3.0,
            **dict.fromkeys(("change_time", "change_data", "change_model"), np.nan),
            "families": [dict(zip(FAMILIES, row, strict=True)) for row in families.tolist()],
            "reasons": [
                [
                    reason("usage", "active_days_trend", -0.7, use),
                    reason("support", "tickets_28", 4.0, tickets),
                    reason("other", "rest", None, left),
                ]
                for (use, tickets), left in zip(spoken.tolist(), rest.tolist(), strict=True)
            ],
            "facts": [
                {"active_days_trend": -0.7, "active_days_28": 6.0, "active_days_usual": 19.2, "tickets_28": 4.0}
                for _ in range(accounts)
            ],
        }
    )


def reason(family: str, feature: str, value: Any, contribution: float, contradicts: bool = False) -> dict[str, Any]:
    return {
        "family": family,
        "feature": feature,
        "value": value,
        "contribution": contribution,
        "contradicts": contradicts,
    }


def booked(accounts: int, *, seed: int = 0, as_of: date = NIGHT) -> pd.DataFrame:
    return make_book(scored(accounts, seed=seed), bands=BANDS, new_days=28, as_of=as_of)


def run(run_id: str, *, as_of: date = NIGHT, model_version: str = "1", **headline: Any) -> Run:
    return Run(
        run_id=run_id,
        as_of=as_of,
        model_version=model_version,
        started_at=NOW,
        settings_digest="0" * 64,
        headline=headline,
    )


def publish(store: Engine, *night: Any, **more: Any) -> None:
    """Publish as a night does it: under a lease, in a store that is made where there is none."""
    with leased(store) as lease:
        publication.publish(lease, *night, **more)


def silence(store: Engine, seconds: float) -> None:
    """Let the lease's holder have been silent for so long; a negative time, and it spoke when a clock was ahead."""
    with writing(store) as connection:
        renewed_at = connection.execute(select(LEASE.c.renewed_at)).scalar_one()
        if renewed_at is not None:
            connection.execute(update(LEASE).values(renewed_at=renewed_at - timedelta(seconds=seconds)))
