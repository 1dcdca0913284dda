"""Nights for the digest: a few accounts whose risk and its movement are chosen, published without a model."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from command_line import Answer
from sample_nights import BANDS, CATALOGUE, make_book, publish, reason, run
from sqlalchemy import Engine

from pipeline.digest.drafts import Drafts, draft
from pipeline.digest.letter import Letter
from pipeline.people.connection import connect as connect_people
from pipeline.settings import Settings
from pipeline.settings_file import read_settings
from pipeline.store.connection import connect

MONDAY = date(2026, 11, 23)
BEFORE = MONDAY - timedelta(days=7)
TUESDAY = MONDAY + timedelta(days=1)
TUESDAY_BEFORE = TUESDAY - timedelta(days=7)
LOW, MEDIUM, HIGH = -4.0, -2.0, -1.0
"""Log-odds in the middle of each band: 1.8 %, 12 % and 27 %; the bands begin at 9.5 % and 17.4 %."""

BASE = -3.0
INES, TOM = "ines@example.com", "tom@example.com"

HEADLINE: dict[str, Any] = {
    "company": "Rosterly",
    "currency": "USD",
    "definition": "subscription",
    "horizon_days": 60,
    "starter": None,
    "model_digest": "m1",
    "outages": {},
}

TABLES = '[company]\nname = "Rosterly"\n[data]\naccounts = "a.csv"\nsubscriptions = "s.csv"\n'


def account(
    account_id: str,
    log_odds: float = LOW,
    *,
    data: float = 0.0,
    time: float = 0.0,
    model: float = 0.0,
    usage: float | None = None,
    **more: Any,
) -> dict[str, Any]:
    """An account whose log-odds moved by `time`, `data` and `model`; `usage` is what its use contributes."""
    spoken = log_odds - BASE
    usage = 0.6 * spoken if usage is None else usage
    families = {"usage": usage, "support": spoken - usage}
    row = {
        "account_id": account_id,
        "root_id": account_id,
        "name": f"Customer {account_id}",
        "owner": INES,
        "state": "active",
        "since": date(2025, 1, 1),
        "last_day": None,
        "horizons": dict.fromkeys(CATALOGUE["horizons"], 0.1),
        "mrr": 1000.0,
        "risk": 1 / (1 + np.exp(-log_odds)),
        "log_odds": log_odds,
        "base_log_odds": BASE,
        "change_time": time,
        "change_data": data,
        "change_model": model,
        "families": families,
        "reasons": [
            reason("usage", "active_days_28", 6.0, usage),
            reason("support", "tickets_28", 4.0, spoken - usage),
            reason("other", "rest", None, 0.0),
        ],
        "facts": {"active_days_28": 6.0, "active_days_usual": 19.2, "tickets_28": 4.0},
    }
    return row | more


def leaving(account_id: str, last_day: date | None = date(2026, 12, 31), **more: Any) -> dict[str, Any]:
    """An account under notice."""
    return account(account_id, state="leaving", last_day=last_day, **more)


def scored_at(as_of: date) -> datetime:
    """When a night was scored: early on its day."""
    return datetime.combine(as_of, time(3, 12), UTC)


def publish_night(store: Engine, as_of: date, *accounts: dict[str, Any], **headline: Any) -> None:
    """Publish a night of these accounts, compared with the one a week before."""
    frame = pd.DataFrame([*accounts, account("A-quiet", LOW)])
    book = make_book(frame, bands=BANDS, new_days=28, as_of=as_of)
    told = HEADLINE | {"compared_with": str(as_of - timedelta(days=7))} | headline
    publish(store, run(f"r{as_of}", as_of=as_of, **told), book, CATALOGUE, finished_at=scored_at(as_of))


def settings_of(folder: Path, text: str = "", url: str | None = None) -> Settings:
    """Settings with these sections; the store lies in the folder unless another address is given."""
    file = folder / "churn.toml"
    file.write_text(TABLES + (f'[store]\nurl = "{url}"\n' if url else "") + text, encoding="utf-8")
    return read_settings(file)


def drafts_of(settings: Settings, as_of: date | None = None, channels: tuple[str, ...] = ("mail",)) -> Drafts:
    """The letters of a night."""
    url = settings.located(settings.store.url)
    engine, people = connect(url), connect_people(url)
    try:
        return draft(engine, people, channels, settings, as_of, as_of or MONDAY)
    finally:
        engine.dispose()
        people.dispose()


def letters_of(settings: Settings, as_of: date | None = None) -> dict[str, Letter]:
    """The letters of a night by recipient."""
    return {envelope.recipient: letter for envelope, letter in drafts_of(settings, as_of).letters}


def today(day: date) -> str:
    """The section that makes that day today."""
    return f"[run]\nas_of = {day}\n"


def config(folder: Path, store_url: str, port: int, text: str = "", as_of: date = MONDAY) -> Path:
    """The file of settings that send mail to that port of this machine, on that day."""
    by = f'[mail]\nhost = "127.0.0.1"\nport = {port}\nsecurity = "none"\nsender = "churn@example.com"\n'
    settings_of(folder, by + text + today(as_of), store_url)
    return folder / "churn.toml"


def outcomes(answer: Answer) -> dict[str, str]:
    """What became of whose letter."""
    return {each["recipient"]: each["outcome"] for each in answer.record()["messages"]}
