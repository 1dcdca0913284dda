"""`churn monitor`: whether the nights can still be trusted, before labels are known and after.

Three looks at what was published. *Drift*: do tonight's accounts resemble those that the model was made for?
*Expected*: if its risks are true, how well does its list do? *Realised*: how well did nights do whose labels are known
by now? Nothing is written.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd
from sqlalchemy import Connection, func, select

from features.labels import labels, spells_today
from features.outages import Coverage, coverage
from features.versions import History
from models.bootstrap import Figure
from models.churn_model import ChurnModel
from models.drift import Drift, drifts
from models.errors import ModelRefusal, TrackingFailed
from models.evaluate import Evaluation, evaluate
from models.expected_skill import expected_skill
from models.lists import listed
from pipeline.checks import check_contract, refuse_fatal
from pipeline.freshness import lost_days, stale_tables
from pipeline.inputs import stored_inputs
from pipeline.kept_models import model_of
from pipeline.run_log import RunLog
from pipeline.settings import Settings
from pipeline.skill import by_rules
from pipeline.sources import history, open_sources
from pipeline.store.connection import connect, reading
from pipeline.store.nights import Night, night, published
from pipeline.store.schema import PUBLISHED, SCORES
from pipeline.violation import Violation

__all__ = ["Monitored", "monitor"]

_MOST_SHOWN: Final = 10
_MOST_NIGHTS: Final = 60
"""Matured nights that are judged at most: the newest ones say most of today."""

_FIGURES: Final = {
    "auc": "AUC",
    "average_precision": "average precision",
    "recall": "departures on the list",
    "calibration_slope": "calibration slope",
}
_OF_RISK: Final = {"calibration_slope"}


@dataclass(frozen=True)
class Monitored:
    """What was found. `drifted` is None where the model's reference is gone, `realised` where no night is old enough.
    `made_on` is the day whose accounts are the reference. Rules give an order: with them nothing is expected.

    `nights` counts the matured nights that were judged, `capacity` the calls that the team has in a week.
    """

    shown: Night
    capacity: int
    drifted: tuple[Drift, ...] | None
    made_on: str | None
    expected: Mapping[str, Figure]
    promised: Mapping[str, Any] | None
    realised: Evaluation | None
    nights: int
    matures_on: date
    gaps: tuple[Violation, ...]

    def told(self) -> str:
        """What was found, as a person reads it."""
        parts = [self._drift(), self._expected(), self._realised()]
        if self.gaps:
            parts.append("\n".join(f"warning: {gap.told()}" for gap in self.gaps))
        return "\n\n".join([f"Night of {self.shown.as_of}, model version {self.shown.model_version}.", *parts])

    def _drift(self) -> str:
        if self.drifted is None:
            return "Drift: not known, for the model of this night is gone from the registry, or an older churn made it."
        moved = [each for each in self.drifted if each.has_drifted]
        if not moved:
            return (
                f"Drift: since {self.made_on} none beyond chance in {len(self.drifted) - 1} features, nor in the risk."
            )
        lines = [f"Drift: {len(moved)} of {len(self.drifted)} have moved beyond chance since {self.made_on}."]
        for each in moved[:_MOST_SHOWN]:
            more = [f"index {each.index:.2f}, by chance up to {each.by_chance:.2f}"]
            if abs(each.missing_now - each.missing_then) >= 0.01:
                more.append(f"missing {each.missing_then:.0%}, now {each.missing_now:.0%}")
            more += [f"new: {word} ({share:.0%})" for word, share in each.new[:3]]
            lines.append(f"  {each.name}: {'; '.join(more)}")
        if len(moved) > _MOST_SHOWN:
            lines.append(f"  and {len(moved) - _MOST_SHOWN} more (--json).")
        return "\n".join(lines)

    def _expected(self) -> str:
        if (rules := by_rules(self.shown.headline)) is not None:
            return f"{rules} What to expect is not known: rules give an order, and no probabilities."
        found = self.expected
        horizon = self.shown.headline["horizon_days"]
        line = (
            f"Expected, if the risks are true: {found['departures'].value:,.0f} departures "
            f"({found['departures'].low:,.0f} to {found['departures'].high:,.0f}) within "
            f"{horizon} days; AUC {found['auc']}; of the {self.capacity:,} at highest risk {found['precision']} leave."
        )
        if self.promised is None or self.promised["value"] is None:
            return line
        promised = f"{self.promised['value']:.3f} ({self.promised['low']:.3f} to {self.promised['high']:.3f})"
        return f"{line}\nIts backtest had an AUC of {promised}."

    def _realised(self) -> str:
        if self.realised is None:
            return (
                "Realised: no night is old enough whose model had not seen what came after it. The labels of the "
                f"oldest are known on {self.matures_on}."
            )
        figures = self.realised.figures
        shown = _FIGURES if by_rules(self.shown.headline) is None else _FIGURES.keys() - _OF_RISK
        told = [
            f"{_FIGURES[name]} {figures[name]}"
            for name in _FIGURES
            if name in shown and np.isfinite(figures[name].value)
        ]
        return f"Realised, on {self.nights} matured nights: {'; '.join(told)}. {self.realised.note}."

    def as_record(self) -> dict[str, Any]:
        """What was found, as plain data."""
        return {
            "as_of": str(self.shown.as_of),
            "model_version": self.shown.model_version,
            "capacity": self.capacity,
            "reference": self.made_on,
            "drift": None if self.drifted is None else [each.as_record() for each in self.drifted],
            "expected": {name: figure.as_record() for name, figure in self.expected.items()},
            "backtest_auc": self.promised,
            "realised": None if self.realised is None else self.realised.as_record(),
            "nights": self.nights,
            "matures_on": str(self.matures_on),
            "gaps": [gap.as_record() for gap in self.gaps],
        }


def monitor(settings: Settings, today: date, log: RunLog) -> Monitored:
    """Look at the newest published night, and at those whose labels are known by now.

    Raises
    ------
    StoreMissing
        When no night is published.
    RefusedError
        When the contract is broken.
    """
    log.step("read the published nights")
    engine = connect(settings.located(settings.store.url))
    try:
        with reading(engine) as connection:
            shown = published(connection, None)
            saw, given = stored_inputs(connection, shown), _given(connection, shown)
            matured = _matured(connection, settings, today)
            oldest = connection.execute(select(func.min(PUBLISHED.c.as_of))).scalar_one()
    finally:
        engine.dispose()
    backtest = shown.headline["backtest"]
    capacity = min(len(given), settings.book.capacity(given["owner"].nunique()))
    drifted = made_on = None
    if saw is not None and (model := _model(shown, settings)) is not None:
        log.step("drift")
        active = saw.frame.loc[saw.frame.index.intersection(given.index)]
        made_on = model.about["trained_on"]
        drifted = tuple(drifts(model.about["reference"], active, given.loc[active.index, "risk"].to_numpy(np.float64)))
    log.step("expected skill")
    risk = given["risk"].to_numpy(np.float64)
    of_night = given.reset_index().assign(as_of=pd.Timestamp(shown.as_of))
    expected = {} if by_rules(shown.headline) else expected_skill(risk, listed(of_night, risk, capacity))
    log.step("realised skill")
    opened = open_sources(settings, log)
    try:
        refuse_fatal(check_contract(opened, settings))
        past = history(opened, settings)
        covered = coverage(past)
        moment = past.rules.moment(today)
        gaps = (*stale_tables(past, moment, covered, settings.checks.stale), *lost_days(covered, moment, 84))
        rows = [frame for frame in _judged(past, covered, matured, today, log) if len(frame)]
    finally:
        opened.close()
    realised = None
    if rows:
        frame = pd.concat(rows, ignore_index=True)
        realised = evaluate(frame, frame["risk"].to_numpy(np.float64), capacity=capacity)
    return Monitored(
        shown=shown,
        capacity=capacity,
        drifted=drifted,
        made_on=made_on,
        expected=expected,
        promised=None if backtest is None else backtest.get("auc"),
        realised=realised,
        nights=len(rows),
        matures_on=oldest + timedelta(days=past.rules.label_days),
        gaps=gaps,
    )


def _given(connection: Connection, of: Night) -> pd.DataFrame:
    """What the night gave each scored account, by `account_id`: root_id, owner, mrr, risk."""
    columns = (SCORES.c.account_id, SCORES.c.root_id, SCORES.c.owner, SCORES.c.mrr, SCORES.c.risk)
    wanted = select(*columns).where(SCORES.c.run_id == of.run_id, SCORES.c.risk.is_not(None))
    found = pd.DataFrame(connection.execute(wanted).all(), columns=[column.name for column in columns])
    return found.set_index("account_id").sort_index()


def _matured(connection: Connection, settings: Settings, today: date) -> list[tuple[Night, pd.DataFrame]]:
    """The newest nights whose labels are known by today and whose model had not seen what came after them.

    Those that answered another question, such as another horizon, cannot be judged by the labels of this one.
    """
    rules = settings.rules()
    days = connection.execute(select(PUBLISHED.c.as_of).order_by(PUBLISHED.c.as_of.desc())).scalars().all()
    nights: Iterator[Night | None] = (night(connection, day) for day in days if rules.is_mature(day, today))
    asked = settings.question()
    fair = [of for of in nights if of is not None and not of.in_sample and of.headline.get("question") == asked]
    return [(of, _given(connection, of)) for of in fair[:_MOST_NIGHTS]]


def _judged(
    past: History, covered: Coverage, matured: Sequence[tuple[Night, pd.DataFrame]], today: date, log: RunLog
) -> Iterator[pd.DataFrame]:
    """For each night its accounts with a label: root_id, as_of, mrr, risk, label, churn_on."""
    spells = spells_today(past, today) if past.rules.definition == "subscription" else None
    for place, (of, given) in enumerate(matured):
        log.step("realised skill", place, len(matured))
        known = labels(past, of.as_of, today, spells, covered).to_pandas()
        known = known[known["left_out"].isna()]
        frame = given.reset_index().merge(known[["account_id", "label", "churn_on"]], on="account_id")
        yield frame.assign(
            as_of=pd.Timestamp(of.as_of),
            label=frame["label"].astype(bool),
            churn_on=pd.to_datetime(frame["churn_on"]),
        )


def _model(of: Night, settings: Settings) -> ChurnModel | None:
    """The model of a night, where it is there still and kept a reference."""
    try:
        found = model_of(of, settings)
    except (ModelRefusal, TrackingFailed, ValueError):
        return None
    digest = of.headline.get("model_digest")  # a registry that was set up anew counts from 1 again
    return found if "reference" in found.about and found.digest == digest else None
