"""Soundness: whether managers should see a night in the place of the last one, asked before it is published.

The contract has been asked already, and what was stored is held against the laws of the sums when it is staged
(`pipeline/publication.py`). Here a night is looked at beside the last good one, and its model's age is asked. What is
found stops the night or warns of it, as `[checks]` says.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, select

from models.churn_model import ChurnModel
from models.drift import Drift, drifts, reference_of
from models.starter import is_starter
from pipeline.errors import RefusedError
from pipeline.sections import Action, Checks
from pipeline.store.connection import reading, retried
from pipeline.store.nights import Night, night
from pipeline.store.schema import PUBLISHED, SCORES

__all__ = ["Soundness", "refuse_unsound"]

_LAST_GOOD: Final = timedelta(days=14)
"""A night that lies further back says too little of tonight to stop it, and enough to warn."""

_LONG_AGO: Final = {"accounts": "warn", "risk": "off"}

_FEW: Final = 100
"""Fewer accounts come and go, and move, by chance."""


@dataclass(frozen=True)
class _Found:
    """What is odd, what to do where it stops a night, and whether it does."""

    told: str
    remedy: str
    action: Action


@dataclass(frozen=True)
class _Shift:
    """How the risks of tonight lie beside those of the last good night by the same model."""

    since: date
    mean: float
    mean_then: float
    drift: Drift

    def as_record(self) -> dict[str, Any]:
        """The shift as plain data."""
        return {
            "since": str(self.since),
            "mean": self.mean,
            "mean_then": self.mean_then,
            "index": self.drift.index,
            "by_chance": self.drift.by_chance,
            "has_moved": self.drift.has_drifted,
        }


@dataclass(frozen=True)
class Soundness:
    """What a reader of the night has to be warned of, and how its risks lie beside the last good night's.

    `shift` is None where there is no such night, too few customers, or another model.
    """

    warnings: tuple[str, ...]
    shift: dict[str, Any] | None


def refuse_unsound(book: pd.DataFrame, model: ChurnModel, day: date, engine: Engine, checks: Checks) -> Soundness:
    """How sound the night is. `book` has `risk`, NaN where an account has no score.

    Raises
    ------
    RefusedError
        When something was found that stops a night. What readers see stays as it was.
    """
    risk = book["risk"].dropna().to_numpy(np.float64)
    former = retried(lambda: _former(engine, day))
    found = [*_model_age(model, day, checks)]
    shift: _Shift | None = None
    if former is not None and len(risk) >= _FEW <= len(former[1]):
        asked = checks if former[0].as_of >= day - _LAST_GOOD else checks.model_copy(update=_LONG_AGO)
        shift = _shift(risk, *former, model)
        found += [*_accounts(risk, *former, asked), *_risks(shift, asked)]
    stops = [each for each in found if each.action == "stop"]
    if stops:
        told = "\n".join(f"{each.told} {each.remedy}" for each in stops)
        kept = "" if former is None else f" Readers keep the night of {former[0].as_of}."
        raise RefusedError(f"The night of {day} is not published.{kept}\n\n{told}")
    warnings = tuple(each.told for each in found if each.action == "warn")
    return Soundness(warnings, None if shift is None else shift.as_record())


def _former(engine: Engine, day: date) -> tuple[Night, NDArray[np.float64]] | None:
    """The last good night before `day` and its risks; None where there is none."""
    with reading(engine) as connection:
        before = _newest_before(connection, day)
        found = None if before is None else night(connection, before)
        if found is None:
            return None
        risks = select(SCORES.c.risk).where(SCORES.c.run_id == found.run_id, SCORES.c.risk.is_not(None))
        return found, np.array(connection.execute(risks).scalars().all(), dtype=np.float64)


def _newest_before(connection: Connection, day: date) -> date | None:
    newest = select(PUBLISHED.c.as_of).where(PUBLISHED.c.as_of < day).order_by(PUBLISHED.c.as_of.desc())
    return connection.execute(newest.limit(1)).scalar()


def _model_age(model: ChurnModel, day: date, checks: Checks) -> Iterator[_Found]:
    if is_starter(model):
        return
    age = (day - date.fromisoformat(model.about["last_as_of"])).days - int(model.about["need_days"])
    if age > checks.model_age_days:
        yield _Found(
            f"The champion knows what happened until {age} days before {day}; [checks] model_age_days is "
            f"{checks.model_age_days}. Train again: churn train.",
            "To publish all the same: [checks] model_age = 'warn'.",
            checks.model_age,
        )


def _accounts(risk: NDArray[np.float64], before: Night, then: NDArray[np.float64], checks: Checks) -> Iterator[_Found]:
    change = len(risk) / len(then) - 1.0
    if abs(change) > checks.accounts_change:
        yield _Found(
            f"{len(risk):,} customers are scored, {abs(change):.0%} {'more' if change > 0 else 'fewer'} than the "
            f"{len(then):,} in the night of {before.as_of}.",
            "Are the accounts and subscriptions all there, each of them once? If so, publish it by "
            "CHURN__CHECKS__ACCOUNTS=warn, for this night alone.",
            checks.accounts,
        )


def _shift(risk: NDArray[np.float64], before: Night, then: NDArray[np.float64], model: ChurnModel) -> _Shift | None:
    """Under the same model alone: another one may well see everybody otherwise."""
    if before.headline.get("model_digest") != model.digest:
        return None
    nothing = pd.DataFrame(index=range(len(then)))
    (drift,) = drifts(reference_of(nothing, (), then), pd.DataFrame(index=range(len(risk))), risk)
    return _Shift(before.as_of, float(risk.mean()), float(then.mean()), drift)


def _risks(shift: _Shift | None, checks: Checks) -> Iterator[_Found]:
    if shift is not None and shift.drift.has_drifted and shift.drift.index > checks.risk_shift:
        yield _Found(
            f"The risks lie otherwise than in the night of {shift.since} by the same model: {shift.mean:.1%} in the "
            f"mean, {shift.mean_then:.1%} then (population stability index {shift.drift.index:.2f}; [checks] "
            f"risk_shift is {checks.risk_shift:g}).",
            "Did a source change what it means, or lose rows? churn monitor tells which features moved. If it is the "
            "customers who did, publish it by CHURN__CHECKS__RISK=warn, for this night alone.",
            checks.risk,
        )
