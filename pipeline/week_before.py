"""The week before: how each account's log-odds moved since a published night that is a week old, and by what."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd
from sqlalchemy import Connection, Engine, func, select

from models.changes import changes
from models.churn_model import ChurnModel
from models.errors import ColumnsDiffer, ModelRefusal, TrackingFailed
from pipeline.errors import StoreMissing
from pipeline.inputs import Inputs, stored_inputs
from pipeline.kept_models import model_of
from pipeline.run_log import RunLog
from pipeline.settings import Settings
from pipeline.store.connection import reading, retried
from pipeline.store.nights import Night, night
from pipeline.store.schema import PUBLISHED, SCORES

__all__ = ["CHANGES", "with_changes"]

CHANGES: Final = ("change_time", "change_data", "change_model")
_WEEK: Final = timedelta(days=7)


@dataclass(frozen=True)
class _Former:
    """A published night: what it saw and what it gave each account."""

    shown: Night
    saw: pd.DataFrame
    log_odds: pd.Series


def with_changes(
    book: pd.DataFrame,
    saw: Inputs,
    model: ChurnModel,
    day: date,
    engine: Engine,
    settings: Settings,
    log: RunLog,
) -> tuple[pd.DataFrame, date | None]:
    """The book with a column for each of `CHANGES`, in log-odds, and the night they count from.

    That is the newest at least a week older, else the oldest before `day`. Accounts that it did not score have none,
    and nobody has where there is no such night or its model is gone.
    """
    nothing = book.assign(**dict.fromkeys(CHANGES, np.nan)), None
    former = retried(lambda: _former(engine, day))
    if former is None:
        return nothing
    log.step("what changed")
    before = _model(former.shown, model, settings)
    after = book.set_index("account_id")["log_odds"].dropna()
    both = after.index.intersection(former.log_odds.index).intersection(former.saw.index).sort_values()
    if before is None:
        log.note(f"What changed since {former.shown.as_of} is not told: the model of that night is not to be had.")
    if before is None or both.empty:
        return nothing
    try:
        split = changes(
            before,
            model,
            former.saw.loc[both],
            saw.frame.loc[both],
            days=(day - former.shown.as_of).days,
            log_odds_before=former.log_odds[both].to_numpy(np.float64),
            log_odds_after=after[both].to_numpy(np.float64),
            threads=settings.engine.threads,
        )
    except ColumnsDiffer as reason:
        log.note(f"What changed since {former.shown.as_of} is not told. {reason}")
        return nothing
    columns = dict(zip(CHANGES, (split.time, split.data, split.model), strict=True))
    told = pd.DataFrame(columns, index=both)
    return book.join(told, on="account_id"), former.shown.as_of


def _former(engine: Engine, day: date) -> _Former | None:
    with suppress(StoreMissing), reading(engine) as connection:
        as_of = _night_before(connection, day)
        shown = None if as_of is None else night(connection, as_of)
        saw = None if shown is None else stored_inputs(connection, shown)
        if shown is not None and saw is not None:
            scored = select(SCORES.c.account_id, SCORES.c.log_odds).where(
                SCORES.c.run_id == shown.run_id, SCORES.c.log_odds.is_not(None)
            )
            given = pd.DataFrame(connection.execute(scored).all(), columns=["account_id", "log_odds"])
            return _Former(shown, saw.frame, given.set_index("account_id")["log_odds"].astype(np.float64))
    return None


def _night_before(connection: Connection, day: date) -> date | None:
    nights = PUBLISHED.c.as_of
    week_old = connection.execute(select(func.max(nights)).where(nights <= day - _WEEK)).scalar()
    return week_old or connection.execute(select(func.min(nights)).where(nights < day)).scalar()


def _model(of: Night, present: ChurnModel, settings: Settings) -> ChurnModel | None:
    """The model of a night; None where neither store nor registry holds it any more."""
    digest = of.headline.get("model_digest")  # absent from nights that an older churn published
    if digest == present.digest:
        return present
    try:
        found = model_of(of, settings)
    except (ModelRefusal, TrackingFailed, ValueError):
        return None
    return found if found.digest == digest else None
