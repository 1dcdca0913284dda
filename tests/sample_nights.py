"""Nights to publish: accounts with scores that add up, made without a model."""

import io
import json
import struct
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Engine, select, update

from features.catalogue import read_catalogue
from models.bands import Bands
from pipeline import book, publication
from pipeline.inputs import Inputs
from pipeline.publication import Run
from pipeline.store.connection import writing
from pipeline.store.lease import Lease, leased
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
    "families": list(FAMILIES),
    "horizon_days": 60,
    "horizons": [30, 60, 90],
}
PLACES = {name: place for place, name in enumerate(sorted(CATALOGUE["features"]))}


def scored(accounts: int, *, seed: int = 0) -> pd.DataFrame:
    """What the scoring step hands over: active accounts, each with reasons for all that its families hold."""
    rng = np.random.default_rng(seed)
    families = rng.normal(0, 1, (accounts, len(FAMILIES)))
    spoken = rng.normal(0, 0.5, (accounts, 2)).round(6)  # as they are told
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


def make_book(frame: pd.DataFrame, **more: Any) -> pd.DataFrame:
    """The book of a frame whose families are mappings; what raises most follows from them.

    Where the frame knows no renewals, none lies ahead, and segment and plan need not be known either.
    """
    unknown = [name for name in ("renews_on", "segment", "plan") if name not in frame]
    frame = frame.assign(**dict.fromkeys(unknown))
    raising = [[(-value, name) for name, value in each.items() if value > 0] for each in frame["families"]]
    largest = [min(each)[1] if each else None for each in raising]
    return book.make_book(frame.assign(largest_family=largest), **more)


def booked(accounts: int, *, seed: int = 0, as_of: date = NIGHT) -> pd.DataFrame:
    return make_book(scored(accounts, seed=seed), bands=BANDS, new_days=28, as_of=as_of)


def packed(made: pd.DataFrame, catalogue: dict[str, Any]) -> pd.DataFrame:
    """The book as the night hands it over: families, horizons and reasons as bytes."""
    families = [np.array([each.get(name, 0.0) for name in FAMILIES]).tobytes() for each in made["families"]]
    horizons = [np.array([each[days] for days in catalogue["horizons"]]).tobytes() for each in made["horizons"]]
    details = [pack(*each) for each in zip(made["reasons"], made["facts"], strict=True)]
    return made.drop(columns=["reasons", "facts"]).assign(families=families, horizons=horizons, details=details)


def pack(reasons: list[dict[str, Any]], facts: dict[str, Any]) -> bytes:
    """As `pipeline/store/details.py` says it, one account at a time."""
    *told, rest = reasons
    said = {**facts, **{each["feature"]: each["value"] for each in told}}
    numbers = {name: value for name, value in sorted(said.items()) if isinstance(value, float)}
    words = {name: value.encode() for name, value in sorted(said.items()) if isinstance(value, str)}
    parts = [struct.pack("<BHBd", len(told), len(numbers), len(words), rest["contribution"])]
    for each in told:
        place = PLACES[each["feature"]] | (0x8000 if each["contradicts"] else 0)
        parts.append(struct.pack("<Hi", place, round(each["contribution"] * 1e6)))
    parts += [struct.pack("<Hf", PLACES[name], value) for name, value in numbers.items()]
    parts += [struct.pack("<HH", PLACES[name], len(text)) + text for name, text in words.items()]
    return b"".join(parts)


def stage(lease: Lease, of: Run, made: pd.DataFrame, catalogue: dict[str, Any], **named: Any) -> None:
    publication.stage(lease, of, packed(made, catalogue), catalogue, **named)


def inputs_of(frame: pd.DataFrame, rows_known: Mapping[str, int], rows: int) -> Inputs:
    """What a night saw, from a frame by `account_id`, so many accounts a file."""

    def file(start: int) -> bytes:
        part = pa.Table.from_pandas(frame.iloc[start : start + rows].reset_index(), preserve_index=False)
        written = io.BytesIO()
        pq.write_table(part.replace_schema_metadata({"rows_known": json.dumps(dict(rows_known))}), written)
        return written.getvalue()

    return Inputs(map(file, range(0, len(frame), rows)), rows_known)


def run(run_id: str, *, as_of: date = NIGHT, model_version: str = "1", **headline: Any) -> Run:
    return Run(
        run_id=run_id,
        as_of=as_of,
        model_version=model_version,
        started_at=NOW,
        settings_digest="0" * 64,
        headline=headline,
    )


def publish(store: Engine, of: Run, made: pd.DataFrame, catalogue: dict[str, Any], **named: Any) -> None:
    """Publish as a night does it: under a lease, in a store that is made where there is none."""
    with leased(store) as lease:
        publication.publish(lease, of, packed(made, catalogue), catalogue, **named)
        publication.tidy(lease)


def silence(store: Engine, seconds: float) -> None:
    """Let the lease's holder have been silent for so long; a negative time, and it spoke when a clock was ahead."""
    with writing(store) as connection:
        renewed_at = connection.execute(select(LEASE.c.renewed_at)).scalar_one()
        if renewed_at is not None:
            connection.execute(update(LEASE).values(renewed_at=renewed_at - timedelta(seconds=seconds)))
