"""The week before: how each account's log-odds moved since a published night that is a week old, and by what."""

from contextlib import suppress
from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
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

__all__ = ["CHANGES", "WeekBefore", "week_before"]

Floats = NDArray[np.float64]

CHANGES: Final = ("change_time", "change_data", "change_model")
_WEEK: Final = timedelta(days=7)


class WeekBefore:
    """A published night, by which each account's log-odds are told to have moved.

    Attributes
    ----------
    as_of
        The night.
    is_told
        Whether both nights know what the models read. What they do not is noted once, and nothing is told.
    """

    def __init__(
        self,
        former: Night,
        saw: Inputs,
        log_odds: pd.Series,
        models: tuple[ChurnModel, ChurnModel],
        day: date,
        log: RunLog,
        threads: int,
    ) -> None:
        self.as_of = former.as_of
        self.is_told = True
        self._log_odds = log_odds
        self._before, self._after = models
        self._days = (day - former.as_of).days
        self._log = log
        self._threads = threads
        self._frames = saw.frames()
        self._read = pd.DataFrame()

    def changes(self, active: pd.DataFrame, log_odds: Floats) -> dict[str, Floats]:
        """Each of `CHANGES` of some accounts, in log-odds, NaN for those that the former night did not score.

        They are neighbours, ascending by `account_id`, and come after those that were asked about before.
        """
        found = {name: np.full(len(active), np.nan) for name in CHANGES}
        former = self._former(active["account_id"]) if self.is_told else pd.DataFrame()
        if former.empty:
            return found
        is_there = active["account_id"].isin(former.index).to_numpy()
        try:
            split = changes(
                self._before,
                self._after,
                former,
                active[is_there].set_index("account_id"),
                days=self._days,
                log_odds_before=self._log_odds[former.index].to_numpy(np.float64),
                log_odds_after=log_odds[is_there],
                threads=self._threads,
            )
        except ColumnsDiffer as reason:
            self._log.note(f"What changed since {self.as_of} is not told. {reason}")
            self.is_told = False
            return found
        for name, values in zip(CHANGES, (split.time, split.data, split.model), strict=True):
            found[name][is_there] = values
        return found

    def _former(self, ids: pd.Series) -> pd.DataFrame:
        """The rows that the former night saw and scored of some of these accounts, in their order."""
        here = pd.Index(ids).intersection(self._log_odds.index)
        pieces = []
        while True:
            pieces.append(self._read.loc[self._read.index.intersection(here)])
            if len(self._read) and self._read.index[-1] >= ids.iloc[-1]:
                break
            following = next(self._frames, None)
            if following is None:
                break
            self._read = following
        return pd.concat([piece for piece in pieces if len(piece)] or pieces[:1])


def week_before(model: ChurnModel, day: date, engine: Engine, settings: Settings, log: RunLog) -> WeekBefore | None:
    """The newest night at least a week older, else the oldest before `day`.

    None where there is no such night, what it saw is kept no longer, or its model is gone, which is noted.
    """
    with suppress(StoreMissing):
        return retried(lambda: _opened(model, day, engine, settings, log))
    return None


def _opened(model: ChurnModel, day: date, engine: Engine, settings: Settings, log: RunLog) -> WeekBefore | None:
    with reading(engine) as connection:
        as_of = _night_before(connection, day)
        shown = None if as_of is None else night(connection, as_of)
        saw = None if shown is None else stored_inputs(connection, shown)
        if shown is None or saw is None:
            return None
        scored = select(SCORES.c.account_id, SCORES.c.log_odds).where(
            SCORES.c.run_id == shown.run_id, SCORES.c.log_odds.is_not(None)
        )
        given = pd.DataFrame(connection.execute(scored).all(), columns=["account_id", "log_odds"])
    before = _model(shown, model, settings)
    if before is None:
        log.note(f"What changed since {shown.as_of} is not told: the model of that night is not to be had.")
        return None
    log_odds = given.set_index("account_id")["log_odds"].astype(np.float64)
    return WeekBefore(shown, saw, log_odds, (before, model), day, log, settings.engine.threads)


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
