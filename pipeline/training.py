"""`churn train`: check, collect snapshots, test through time, fit, log, register."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import ibis
import pandas as pd

from features.build import DEFINITIONS, Recipe
from features.cohort import states
from features.labels import churns
from features.versions import History
from models.backtest import Backtest, backtest
from models.churn_model import ChurnModel
from models.errors import NoTestDate, TooFewDepartures
from models.fit_report import FitReport
from models.sentiment_model import SentimentModel
from models.training import LEAST_DEPARTURES, fit
from pipeline.amounts import money_word
from pipeline.checks import check_contract, refuse_fatal
from pipeline.errors import RefusedError
from pipeline.freshness import refuse_stale
from pipeline.learned_tone import Found
from pipeline.past import Past, snapshot_frames
from pipeline.pauses import pauses
from pipeline.run_log import RunLog
from pipeline.settings import Settings
from pipeline.skill import no_skill, skill_table
from pipeline.snapshot_dates import left_aside, snapshot_dates
from pipeline.sources import digests, open_sources

if TYPE_CHECKING:
    from models.registry import Registered

__all__ = ["Collected", "Trained", "collect", "measure", "train"]


@dataclass(frozen=True)
class Collected:
    """Labelled snapshots, ready to learn from, and what was left out of them.

    `older_snapshots` counts those that history could bear beyond the newest 39, which are read.
    """

    frame: pd.DataFrame
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


@dataclass(frozen=True)
class Trained:
    """What a training came to."""

    model: ChurnModel
    report: FitReport
    backtest: Backtest | None
    registered: "Registered"
    collected: Collected

    def told(self) -> str:
        """The training as a person reads it."""
        lines = [str(self.report)]
        left_out = ", ".join(
            f"{count:,} {reason.replace('_', ' ')}" for reason, count in self.collected.left_out.items()
        )
        if left_out:
            lines.append(f"Rows without a label, left out: {left_out}.")
        if self.collected.compared is not None:
            lines.append(str(self.collected.compared))
        if self.collected.older_snapshots:
            lines.append(left_aside(self.collected.older_snapshots))
        money = money_word(self.model.about["question"]["churn.definition"])
        lines.append("" if self.backtest is None else "\n" + skill_table(self.backtest, money) + "\n")
        if self.backtest is not None and (chance := no_skill(self.backtest.model.as_record()["figures"].get("auc"))):
            lines.append(chance)
        lines.append(f"Registered as {self.registered.name} version {self.registered.version}; it is the champion now.")
        return "\n".join(lines)

    def as_record(self) -> dict[str, Any]:
        """The training as plain data."""
        return {
            "name": self.registered.name,
            "version": self.registered.version,
            "run_id": self.registered.run_id,
            "tree_digest": self.model.tree_digest,
            "fit": self.report.as_record(),
            "left_out": self.collected.left_out,
            "older_snapshots": self.collected.older_snapshots,
            "departures": self.collected.known_churns,
            "tone": _record(self.collected.compared),
            "backtest": _record(self.backtest),
        }


def collect(settings: Settings, as_of: date | None, log: RunLog) -> Collected:
    """Every mature snapshot of the company, as a frame of accounts by features with labels.

    Raises
    ------
    RefusedError
        When the contract is broken, the tables end too early, no snapshot is old enough for its labels to be known, or
        fewer departures are known than a model needs: labels can hold no others, so their features are not built.
    """
    today = settings.today(as_of)
    log.step("read and check the tables")
    opened = open_sources(settings)
    try:
        violations = check_contract(opened, settings)
        refuse_fatal(violations)
        past = Past.of(opened, settings, today, progress=log.step)
        violations += refuse_stale(past.history, past.history.rules.moment(today), past.covered)
        for warning in [*violations, *pauses(past.history, today)]:
            log.note(f"warning: {warning.told()}")
        dates, older = snapshot_dates(past.history, settings, today)
        if older:
            log.note(left_aside(older))
        known = int(churns(past.history, today).count().execute())
        if known < LEAST_DEPARTURES:
            raise RefusedError(f"{_few(known)}: a model needs at least {LEAST_DEPARTURES}. {_HOW_TO_GET_MORE}")
        everyone = pd.concat(snapshot_frames(past, settings, dates, log), ignore_index=True)
        log.step("digest the tables")
        return Collected(
            frame=_counted(everyone),
            recipe=past.recipe,
            history=past.history,
            scorer=past.scorer,
            tone=past.tone,
            compared=past.compared,
            left_out=dict(Counter(everyone["left_out"].dropna())),
            older_snapshots=older,
            known_churns=known,
            owners=_owners(past.history, today),
            digests=digests(opened),
        )
    finally:
        opened.close()


def _counted(everyone: pd.DataFrame) -> pd.DataFrame:
    """The rows that have a label, in the types that the models expect."""
    frame = everyone[everyone["left_out"].isna()].drop(columns="left_out").reset_index(drop=True)
    if frame.empty:
        raise RefusedError(
            "Nobody was a customer on any past snapshot by the rules of [churn]. Terms with mrr 0 are trials and do "
            "not count unless count_free = true; check mrr, started_on and ended_on."
        )
    for name in ("as_of", "churn_on"):
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


def measure(collected: Collected, settings: Settings, log: RunLog) -> Backtest:
    """The backtest on the collected snapshots. On each test date the team can call `calls_per_week` accounts a manager.

    Raises `NoTestDate` or `TooFewDepartures` where history cannot bear one.
    """
    rules = collected.history.rules
    return backtest(
        collected.frame,
        collected.recipe.features,
        need_days=rules.label_days,
        horizon_days=rules.horizon_days,
        lead_days=rules.lead_days,
        capacity=max(1, settings.book.calls_per_week) * max(1, collected.owners),
        threads=settings.engine.threads,
        progress=lambda step, done, total: log.step(f"backtest, {step}", done, total),
    )


def train(settings: Settings, as_of: date | None, log: RunLog) -> Trained:
    """The whole of `churn train`. The new model becomes the champion.

    Raises
    ------
    RefusedError
        When the contract is broken or too few customers have left.
    """
    collected = collect(settings, as_of, log)
    try:
        tested = measure(collected, settings, log)
    except (NoTestDate, TooFewDepartures) as reason:
        log.note(f"No backtest: {reason}")
        tested = None
    rules = collected.history.rules
    try:
        model, report = fit(
            collected.frame,
            collected.recipe.features,
            need_days=rules.label_days,
            horizon_days=rules.horizon_days,
            lead_days=rules.lead_days,
            multiples=(settings.book.medium, settings.book.high),
            threads=settings.engine.threads,
            progress=log.step,
        )
    except TooFewDepartures as reason:
        raise RefusedError(_too_few(reason, collected)) from reason
    about = {**model.about, **_remembered(settings, collected, tested)}
    model = replace(model, about=about, tone=collected.tone)
    log.step("log to MLflow and register")
    registered = _register(settings, model, collected, tested)
    return Trained(model, report, tested, registered, collected)


_HOW_TO_GET_MORE: Final = (
    "Give a longer history, check that [churn] definition and grace_days fit how customers leave here, or wait: a "
    "departure counts once its horizon and grace have passed."
)


def _few(known: int) -> str:
    return f"Found {known} departures in these tables. They do not suffice to learn from"


def _too_few(reason: TooFewDepartures, collected: Collected) -> str:
    return (
        f"{_few(collected.known_churns)}: the labels of {collected.frame['as_of'].nunique()} snapshots hold "
        f"{reason.found} {reason.what}, and a model needs at least {reason.needed}. {_HOW_TO_GET_MORE}"
    )


def _remembered(settings: Settings, collected: Collected, tested: Backtest | None) -> dict[str, Any]:
    """What a night must know to see accounts exactly as the training did."""
    return {
        "trained_as_of": str(collected.frame["as_of"].max().date()),
        "definitions": DEFINITIONS,
        "versioned": sorted(collected.history.versioned),
        "page_groups": {group: list(patterns) for group, patterns in collected.recipe.page_groups.items()},
        "categories": list(settings.data.categories),
        "events": list(collected.recipe.events),
        "scorer": collected.scorer,
        "question": settings.question(),
        "left_out": collected.left_out,
        "older_snapshots": collected.older_snapshots,
        "tone": _record(collected.compared),
        "backtest": _record(tested),
    }


def _record(found: Backtest | Found | None) -> dict[str, Any] | None:
    return None if found is None else found.as_record()


def _register(settings: Settings, model: ChurnModel, collected: Collected, tested: Backtest | None) -> "Registered":
    from models.registry import TrainingRun, promote, register
    from models.report import calibration_plot, shap_summary_plot

    with TemporaryDirectory() as folder:
        plots = Path(folder)
        newest = collected.frame[collected.frame["as_of"] == collected.frame["as_of"].max()]
        shap_summary_plot(model, newest, plots / "shap_summary.png", threads=settings.engine.threads)
        evaluations = {}
        if tested is not None:
            calibration_plot(tested.rows, tested.model, plots / "calibration.png")
            evaluations = {"model": tested.model, **tested.baselines}
        uri = settings.located(settings.tracking.uri)
        run = TrainingRun(
            model=model,
            settings=settings.without_secrets(),
            table_digests={
                name: f"{found['rows']} rows, {found['digest']}" for name, found in collected.digests.items()
            },
            evaluations=evaluations,
            documents={} if collected.compared is None else {"tone": collected.compared.as_record()},
            plots=plots,
        )
        registered = register(run, uri=uri, name=settings.tracking.model, experiment=settings.company.name)
        promote(registered.version, uri=uri, name=settings.tracking.model)
    return registered
