"""What a training learns from: labelled snapshots of the past, and today's customers, whom the result is for."""

from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import ibis
import pandas as pd

from features.build import Recipe
from features.cohort import states
from features.labels import churns
from features.versions import History
from models.departures import count_departures
from models.sentiment_model import SentimentModel
from pipeline.checks import check_contract, refuse_fatal
from pipeline.errors import RefusedError
from pipeline.freshness import refuse_stale
from pipeline.learned_tone import Found
from pipeline.past import Past, snapshot_frames
from pipeline.pauses import pauses
from pipeline.run_log import RunLog
from pipeline.settings import Settings
from pipeline.snapshot_dates import TooShort, left_aside, snapshot_dates
from pipeline.sources import digests, open_sources
from pipeline.tonight import tonight

__all__ = ["LEAST_FOR_A_RATE", "Collected", "collect"]

LEAST_FOR_A_RATE: Final = 10
"""Departures seen before their share says more of a company than the rate that is assumed."""

_KEYS: Final = ("account_id", "root_id", "as_of", "mrr", "label", "churn_on", "end_reason", "later_churn_on")


@dataclass(frozen=True)
class Collected:
    """Labelled snapshots, ready to learn from, and what was left out of them.

    `frame` has no rows where history is too short for a label to be known. `customers` are those of `today`, one row
    an account with `as_of`, `name` and every feature and fact. `older_snapshots` counts those that history could bear
    beyond the newest 39, which are read.
    """

    frame: pd.DataFrame
    customers: pd.DataFrame
    today: date
    recipe: Recipe
    history: History
    scorer: str | None
    tone: SentimentModel | None
    compared: Found | None
    left_out: dict[str, int]
    older_snapshots: int
    known_churns: int
    owners: int
    digests: dict[str, dict[str, Any]]


def collect(settings: Settings, as_of: date | None, log: RunLog) -> Collected:
    """Every mature snapshot of the company, as a frame of accounts by features with labels, and today's customers.

    Raises
    ------
    RefusedError
        When the contract is broken, the tables end too early, or nobody is or was a customer.
    """
    today = settings.today(as_of)
    opened = open_sources(settings, log)
    try:
        violations = check_contract(opened, settings)
        refuse_fatal(violations)
        past = Past.of(opened, settings, today, progress=log.step)
        violations += refuse_stale(past.history, past.history.rules.moment(today), past.covered, settings.checks.stale)
        for warning in [*violations, *pauses(past.history, today)]:
            log.note(f"warning: {warning.told()}")
        dates, older = _dates(past.history, settings, today, log)
        frames = snapshot_frames(past, opened.again(settings), dates, log) if dates else []
        everyone = pd.concat(frames, ignore_index=True) if frames else None
        log.step("features of today's customers")
        customers = _customers(past, today)
        log.step("digest the tables")
        return Collected(
            frame=pd.DataFrame(columns=_KEYS) if everyone is None else _counted(everyone),
            customers=customers,
            today=today,
            recipe=past.recipe,
            history=past.history,
            scorer=past.scorer,
            tone=past.tone,
            compared=past.compared,
            left_out={} if everyone is None else dict(Counter(everyone["left_out"].dropna())),
            older_snapshots=older,
            known_churns=int(churns(past.history, today).count().execute()),
            owners=_owners(past.history, today),
            digests=digests(opened),
        )
    finally:
        opened.close()


def _dates(history: History, settings: Settings, today: date, log: RunLog) -> tuple[list[date], int]:
    """The snapshots to read, none where history is too short for the labels of any to be known."""
    try:
        dates, older = snapshot_dates(history, settings, today)
    except TooShort as reason:
        log.note(str(reason))
        return [], 0
    if older:
        log.note(left_aside(older))
    return dates, older


def _customers(past: Past, today: date) -> pd.DataFrame:
    everyone = tonight(past.history, past.history.rules.moment(today), past.recipe, past.covered)
    customers = everyone[everyone["state"] == "active"].reset_index(drop=True)
    if customers.empty:
        raise RefusedError(
            f"No account is active on {today}. Is the date right (--as-of, [run] as_of), and do subscriptions reach it?"
        )
    return customers.assign(as_of=pd.Timestamp(today))


def _counted(everyone: pd.DataFrame) -> pd.DataFrame:
    """The rows that have a label, in the types that the models expect."""
    frame = everyone[everyone["left_out"].isna()].drop(columns="left_out").reset_index(drop=True)
    if frame.empty:
        raise RefusedError(
            "Nobody was a customer on any past snapshot by the rules of [churn]. Terms with mrr 0 are trials and do "
            "not count unless count_free = true; check mrr, started_on and ended_on."
        )
    if frame["label"].all() and count_departures(frame) >= LEAST_FOR_A_RATE:
        raise RefusedError(
            f"Everybody left, on each of {frame['as_of'].nunique()} snapshots and all {len(frame):,} times: there is "
            "nobody to tell them from. Does every term end a row without the next one beginning on ended_on? Give "
            "terms that were renewed their next row, or more grace_days; see what counts as leaving in [churn]."
        )
    for name in ("as_of", "churn_on", "later_churn_on"):
        frame[name] = pd.to_datetime(frame[name]).astype("datetime64[s]")
    # Whoever belongs together today is one unit on every date: a split that cut a family would label a churn twice.
    root = frame.sort_values("as_of").groupby("account_id")["root_id"].last()
    return frame.assign(label=frame["label"].astype(bool), root_id=frame["account_id"].map(root))


def _owners(past: History, today: date) -> int:
    """How many managers have a customer of today in their book."""
    moment = past.rules.moment(today)
    accounts = past.known("accounts", moment)
    if "owner" not in accounts.columns:
        return 0
    here = states(past, moment).filter(ibis._["state"].isin(["active", "leaving"]))
    return int(accounts.semi_join(here, "account_id")["owner"].nunique().execute())
