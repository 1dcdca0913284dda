"""What a training makes: a model, learned or of rules, with what its test on past dates found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from features.build import DEFINITIONS
from models.backtest import Backtest, backtest, backtest_rules
from models.churn_model import ChurnModel
from models.departures import count_departures
from models.drift import reference_of
from models.errors import NoTestDate, TooFewDepartures
from models.horizons import fit_factors
from models.starter import expected_rate, starter_model
from models.training import LEAST_DEPARTURES, base_rate, fit
from models.tuning import Trial, Tuning, tune
from pipeline.collected import LEAST_FOR_A_RATE, Collected
from pipeline.run_log import RunLog
from pipeline.settings import Settings

__all__ = ["Fitted", "as_twin", "by_rules", "learned", "measure", "rules_model"]


@dataclass(frozen=True)
class Fitted:
    """A model ready to be registered, its test on past dates and how it was tuned; none where history bears none."""

    model: ChurnModel
    tested: Backtest | None
    tuning: Tuning | None = None


def learned(collected: Collected, settings: Settings, log: RunLog, trials: int = 0) -> Fitted:
    """A model learned from all known labels, tuned by so many trials, and what its recipe was worth on past dates.

    Raises `TooFewDepartures` where fewer have left than a model needs.
    """
    if collected.frame.empty:
        raise TooFewDepartures(0, LEAST_DEPARTURES)
    tuning = _tuned(collected, settings, log, trials) if trials else None
    parameters = None if tuning is None else tuning.parameters
    try:
        tested = measure(collected, settings, log, parameters=parameters)
    except (NoTestDate, TooFewDepartures) as reason:
        log.note(f"No backtest: {reason}")
        tested = None
    rules = collected.history.rules
    model, _ = fit(
        collected.frame,
        collected.recipe.features,
        need_days=rules.label_days,
        horizon_days=rules.horizon_days,
        lead_days=rules.lead_days,
        multiples=(settings.book.medium, settings.book.high),
        parameters=parameters,
        threads=settings.engine.threads,
        progress=log.step,
    )
    model = _with_horizons(replace(model, tone=collected.tone), collected, settings, log)
    return _remembering(Fitted(model, tested, tuning), collected, settings)


def _tuned(collected: Collected, settings: Settings, log: RunLog, trials: int) -> Tuning | None:
    """LightGBM's parameters chosen by trials, which are kept in the cache; None where history is too short for that."""

    def told(done: Sequence[Trial]) -> None:
        if done:
            log.note(f"trial {len(done)} of {trials}: {done[-1]}", **done[-1].as_record())
        log.step("tune", len(done), trials)

    rules = collected.history.rules
    try:
        return tune(
            collected.frame,
            collected.recipe.features,
            need_days=rules.label_days,
            horizon_days=rules.horizon_days,
            lead_days=rules.lead_days,
            trials=trials,
            file=settings.folder / settings.data.cache / "tuning.db",
            threads=settings.engine.threads,
            told=told,
        )
    except (NoTestDate, TooFewDepartures) as reason:
        log.note(f"Not tuned: {reason}")
        return None


def _with_horizons(model: ChurnModel, collected: Collected, settings: Settings, log: RunLog) -> ChurnModel:
    """The model with a factor for each further horizon of the settings that history bears."""
    rules = collected.history.rules
    factors = fit_factors(
        collected.frame,
        model.features,
        settings.horizons(),
        known_on=pd.Timestamp(collected.today),
        need_days=rules.label_days,
        horizon_days=rules.horizon_days,
        lead_days=rules.lead_days,
        threads=settings.engine.threads,
        progress=log.step,
    )
    for note in factors.notes.values():
        log.note(note)
    notes = {str(days): note for days, note in factors.notes.items()}
    return replace(model, factors=factors.models, about={**model.about, "horizons_left_out": notes})


def rules_model(collected: Collected, settings: Settings) -> ChurnModel:
    """The starter model at the level of this company. Raises `NoRule` where no rule reads anything in its tables."""
    rules, departures = collected.history.rules, count_departures(collected.frame)
    assumed = expected_rate(settings.churn.assumed_monthly_rate, rules.horizon_days)
    model = starter_model(
        collected.customers,
        collected.recipe.features,
        rate=base_rate(collected.frame) if departures >= LEAST_FOR_A_RATE else assumed,
        horizon_days=rules.horizon_days,
        lead_days=rules.lead_days,
        departures=departures,
        multiples=(settings.book.medium, settings.book.high),
    )
    return replace(model, tone=collected.tone)


def by_rules(model: ChurnModel, collected: Collected, settings: Settings) -> Fitted:
    """The rules ready to be registered, with how their order did on all labels, none of which taught them."""
    tested = None
    if not collected.frame.empty:
        capacity, threads = settings.book.capacity(collected.owners), settings.engine.threads
        tested = backtest_rules(collected.frame, model, capacity=capacity, threads=threads)
    return _remembering(Fitted(model, tested), collected, settings)


def measure(
    collected: Collected,
    settings: Settings,
    log: RunLog,
    like: ChurnModel | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> Backtest:
    """The backtest on the collected snapshots. On each test date the team can call `calls_per_week` accounts a manager.

    `like` is a model whose recipe is tested, instead of that which a training would choose now; `parameters` are
    LightGBM's, tuned for such a training. Raises `NoTestDate` or `TooFewDepartures` where history cannot bear one.
    """
    rules = collected.history.rules
    if collected.frame.empty:
        raise NoTestDate("No snapshot is old enough for its labels to be known: there is nothing to test on yet.")
    return backtest(
        collected.frame,
        collected.recipe.features if like is None else like.catalogue,
        need_days=rules.label_days,
        horizon_days=rules.horizon_days,
        lead_days=rules.lead_days,
        capacity=settings.book.capacity(collected.owners),
        parameters=parameters if like is None else like.about["fit"]["parameters"],
        threads=settings.engine.threads,
        progress=lambda step, done, total: log.step(f"backtest, {step}", done, total),
    )


def as_twin(
    winner: Fitted, live: ChurnModel, twin: Mapping[str, Any], collected: Collected, settings: Settings
) -> Fitted:
    """The gate twin of a winner, ready to be registered: `twin` says of which version, and why it is used instead."""
    about = {**live.about, "twin": dict(twin)}
    return _remembering(replace(winner, model=replace(live, about=about)), collected, settings)


def _remembering(fitted: Fitted, collected: Collected, settings: Settings) -> Fitted:
    model, customers = fitted.model, collected.customers
    risk = model.risk(customers, threads=settings.engine.threads)
    about = {
        **model.about,
        **_remembered(settings, collected, fitted),
        "reference": reference_of(customers, model.features, risk),
    }
    return replace(fitted, model=replace(model, about=about))


def _remembered(settings: Settings, collected: Collected, fitted: Fitted) -> dict[str, Any]:
    """What a night must know to see accounts exactly as the training did."""
    return {
        "trained_on": str(collected.today),
        "definitions": DEFINITIONS,
        "versioned": sorted(collected.history.versioned),
        "page_groups": {group: list(patterns) for group, patterns in collected.recipe.page_groups.items()},
        "categories": list(settings.data.categories),
        "events": list(collected.recipe.events),
        "scorer": collected.scorer,
        "question": settings.question(),
        "left_out": collected.left_out,
        "older_snapshots": collected.older_snapshots,
        "tone": None if collected.compared is None else collected.compared.as_record(),
        "backtest": None if fitted.tested is None else fitted.tested.as_record(),
        "tuning": None if fitted.tuning is None else fitted.tuning.as_record(),
    }
