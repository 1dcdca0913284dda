"""`churn monitor`: whether the nights can still be trusted, before labels are known and after.

Three looks at what was published. *Drift*: do tonight's accounts resemble those that the model was made for?
*Expected*: if its risks are true, how well does its list do? *Realised*: how well did nights do whose labels are known
by now? Beside them, what people marked as no risk, and what happened. Nothing is written.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd
from sqlalchemy import Connection, func, select

from features.labels import labels, spells_today
from features.outages import Coverage, coverage
from features.versions import History
from models.churn_model import ChurnModel
from models.curves import CalibrationPoint, calibration_curve
from models.drift import Drift, drifts
from models.errors import ModelRefusal, TrackingFailed
from models.evaluate import Evaluation, evaluate
from models.expected_skill import expected_skill
from models.lists import listed
from pipeline.aftermath import not_a_risk_cases
from pipeline.checks import check_contract, refuse_fatal
from pipeline.freshness import lost_days, stale_tables
from pipeline.headline import by_rules
from pipeline.inputs import stored_inputs
from pipeline.kept_models import model_of
from pipeline.monitored import Monitored, Outcome
from pipeline.people.connection import connect as connect_people
from pipeline.run_log import RunLog
from pipeline.settings import Settings
from pipeline.sources import history, open_sources
from pipeline.store.connection import connect, reading
from pipeline.store.nights import Night, night, published
from pipeline.store.schema import PUBLISHED, SCORES

__all__ = ["drift_of", "given_in", "monitor", "night_like"]

_MARKED: Final = timedelta(days=365)
_MOST_NIGHTS: Final = 60
"""Matured nights that are judged at most: the newest ones say most of today."""


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
    url = settings.located(settings.store.url)
    engine, people = connect(url), connect_people(url)
    try:
        with reading(engine) as connection:
            shown = published(connection, None)
            model = _model(shown, settings)
            made_on = None if model is None else date.fromisoformat(model.about["trained_on"])
            like = None if made_on is None else night_like(connection, shown, made_on)
            saw, given_like = (
                (None, None) if like is None else (stored_inputs(connection, like), given_in(connection, like))
            )
            marked = not_a_risk_cases(connection, people, shown, shown.as_of - _MARKED)
            given = given_in(connection, shown)
            matured = _matured(connection, shown, settings, today)
            oldest = connection.execute(select(func.min(PUBLISHED.c.as_of))).scalar_one()
    finally:
        engine.dispose()
        people.dispose()
    backtest = shown.headline["backtest"]
    capacity = min(len(given), settings.book.capacity(given["owner"].nunique()))
    log.step("drift")
    drifted = None if saw is None or given_like is None or model is None else drift_of(saw.frame(), given_like, model)
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
    realised: Evaluation | None = None
    curve: tuple[CalibrationPoint, ...] = ()
    if rows:
        frame = pd.concat(rows, ignore_index=True)
        given_then = frame["risk"].to_numpy(np.float64)
        realised = evaluate(frame, given_then, capacity=capacity)
        curve = calibration_curve(frame, given_then)
    return Monitored(
        shown=shown,
        capacity=capacity,
        drifted=drifted,
        made_on=made_on,
        drift_on=None if like is None else like.as_of,
        expected=expected,
        promised=None if backtest is None else backtest.get("auc"),
        realised=realised,
        outcomes=tuple(sorted(map(_outcome, rows), key=lambda each: each.as_of)),
        curve=curve,
        matures_on=oldest + timedelta(days=past.rules.label_days),
        gaps=gaps,
        marked=marked,
    )


def night_like(connection: Connection, shown: Night, made_on: date) -> Night | None:
    """The night whose accounts may stand beside those of the day that the model of `shown` was made on.

    It is the newest of the same weekday, within a week: on a Monday nobody has come for days, on a Thursday most came
    yesterday, and either beside the other looks like drift. Where there is only one night a week, it is that one; None
    where such a night was left out, or given by another model.
    """
    since = shown.as_of - timedelta(days=6)
    wanted = select(PUBLISHED.c.as_of).where(PUBLISHED.c.as_of.between(since, shown.as_of))
    days = connection.execute(wanted).scalars().all()
    alike = next((day for day in days if day.weekday() == made_on.weekday()), None)
    if alike is None:
        return shown if len(days) == 1 else None
    of = night(connection, alike)
    return of if of is not None and _model_of(of) == _model_of(shown) else None


def _model_of(of: Night) -> tuple[str, object]:
    return of.model_version, of.headline.get("model_digest")


def drift_of(saw: pd.DataFrame, given: pd.DataFrame, model: ChurnModel) -> tuple[Drift, ...]:
    """How a night's accounts lie beside those that its model was made on.

    `saw` has what the night saw and `given` what it gave, both by `account_id`; the model keeps a reference.
    """
    active = saw.loc[saw.index.intersection(given.index)]
    risk = given.loc[active.index, "risk"].to_numpy(np.float64)
    return tuple(drifts(model.about["reference"], active, risk))


def _outcome(rows: pd.DataFrame) -> Outcome:
    return Outcome(rows["as_of"].iloc[0].date(), len(rows), float(rows["risk"].mean()), float(rows["label"].mean()))


def given_in(connection: Connection, of: Night) -> pd.DataFrame:
    """What a night gave each account with a risk, by `account_id`: root_id, owner, mrr, risk."""
    columns = (SCORES.c.account_id, SCORES.c.root_id, SCORES.c.owner, SCORES.c.mrr, SCORES.c.risk)
    wanted = select(*columns).where(SCORES.c.run_id == of.run_id, SCORES.c.risk.is_not(None))
    found = pd.DataFrame(connection.execute(wanted).all(), columns=[column.name for column in columns])
    return found.set_index("account_id").sort_index()


def _matured(connection: Connection, shown: Night, settings: Settings, today: date) -> list[tuple[Night, pd.DataFrame]]:
    """The newest nights whose labels are known by today and whose model had not seen what came after them.

    Those that answered another question, such as another horizon, cannot be judged by the labels of this one; nor are
    nights that rules ordered judged with those of a model, for their numbers are no probabilities.
    """
    rules = settings.rules()
    days = connection.execute(select(PUBLISHED.c.as_of).order_by(PUBLISHED.c.as_of.desc())).scalars().all()
    nights: Iterator[Night | None] = (night(connection, day) for day in days if rules.is_mature(day, today))
    asked = settings.question()
    is_by_rules = by_rules(shown.headline) is not None
    found = [of for of in nights if of is not None and not of.in_sample and of.headline.get("question") == asked]
    fair = [of for of in found if (by_rules(of.headline) is not None) == is_by_rules]
    return [(of, given_in(connection, of)) for of in fair[:_MOST_NIGHTS]]


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
