"""Promotion: a model gets a number in the registry, and one of them is the champion that the night reads."""

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import TYPE_CHECKING, Any

from models.backtest import Backtest
from models.churn_model import ChurnModel
from models.errors import NoTestDate, TooFewDepartures
from models.registry import PartRun, TrainingRun, load_version, register
from models.starter import is_starter
from models.succession import champion_version, keep_decision, newest_version, promote, roll_back
from models.tracking_folder import TrackingFolder
from pipeline.band_changes import band_changes
from pipeline.collected import Collected, collect
from pipeline.contest import Verdict, contest, incumbent, why_not_tonight
from pipeline.errors import FailedError, RefusedError, UsageError
from pipeline.fitted import Fitted, as_twin, measure
from pipeline.kept_models import copy_champion
from pipeline.papers import draw_plots, setting_of, write_card
from pipeline.run_log import RunLog
from pipeline.settings import Settings

if TYPE_CHECKING:
    from models.registry import Registered

__all__ = ["Promoted", "crown", "go_back", "promote_version", "refuse_registry", "registered", "use_rules"]


@dataclass(frozen=True)
class Promoted:
    """A version that became the champion, and what the gate found; no verdict where it was forced.

    `back` is the command that undoes it.
    """

    version: int
    former: int | None
    why: str
    verdict: Verdict | None = None
    changes: str = ""
    back: str = "churn rollback"

    def told(self) -> str:
        """The promotion as a person reads it."""
        before = "" if self.former is None else f" (version {self.former} was before; back by: {self.back})"
        lines = [] if self.verdict is None else [self.verdict.told(), ""]
        return "\n".join(
            [*lines, *filter(None, [self.changes]), f"Version {self.version} is the champion now{before}: {self.why}."]
        )

    def as_record(self) -> dict[str, Any]:
        """The promotion as plain data."""
        verdict = None if self.verdict is None else self.verdict.as_record()
        return {"champion": self.version, "former": self.former, "why": self.why, "gate": verdict}


def refuse_registry(settings: Settings) -> None:
    """Raise before minutes of work what `registered` would raise after them: `UsageError`, `TrackingFailed`."""
    folder = TrackingFolder.of(settings.registry()["uri"])
    if folder is None:
        champion_version(**settings.registry())
        return
    try:
        folder.database.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=folder.database.parent):
            pass
    except OSError as error:
        raise UsageError(
            f"[tracking] uri = {settings.tracking.uri!r}: nothing can be written in {folder.database.parent} "
            f"({error.strerror}). Name a place that exists and may be written to."
        ) from error


def registered(fitted: Fitted, collected: Collected, settings: Settings) -> "Registered":
    """Log a model with all that belongs to it to MLflow, and give it a number."""
    tested, setting = fitted.tested, setting_of(settings, collected.today)
    with TemporaryDirectory() as folder:
        plots = Path(folder)
        draw_plots(fitted.model, tested, collected.customers, settings, plots)
        run = TrainingRun(
            model=fitted.model,
            settings=settings.without_secrets(),
            tables=collected.digests,
            evaluations={} if tested is None else {"model": tested.model, **tested.baselines},
            documents={} if collected.compared is None else {"tone": collected.compared.as_record()},
            card=write_card(fitted.model, tested, setting, collected.digests, collected.left_out),
            plots=plots,
            parts=_parts(fitted),
        )
        return register(run, experiment=settings.company.name, **settings.registry())


def _parts(fitted: Fitted) -> list[PartRun]:
    """The trials of the tuning and the folds of the backtest, each a run below the training's."""
    trials = () if fitted.tuning is None else fitted.tuning.trials
    folds = () if fitted.tested is None else fitted.tested.folds
    return [
        PartRun(f"trial {trial.number}", trial.parameters, {"log_loss": trial.log_loss, "lookups": trial.lookups})
        for trial in trials
    ] + [
        PartRun(
            f"fold {number}",
            {"test_from": fold.test_dates[0], "test_to": fold.test_dates[-1], "trained_to": fold.trained_to},
            {"departures_in_training": fold.fit.departures},
            {"model": fold.evaluation},
        )
        for number, fold in enumerate(folds, start=1)
    ]


def crown(version: int, winner: Fitted, verdict: Verdict, collected: Collected, settings: Settings, log: RunLog) -> int:
    """Make the winner the champion; the version it has, a new one where its gate twin takes its place.

    The twin's card tells the test of the recipe that both are made by. Raises `FailedError` where another was made the
    champion meanwhile, with which the winner was not compared.
    """
    kept = settings.registry()
    if verdict.is_twin:
        log.step("register the gate twin")
        twin = {"of": version, "opens": verdict.opens, "agreement": verdict.agreement}
        tested = winner.tested or _tested(winner.model, collected, settings, log)
        live = as_twin(replace(winner, tested=tested), verdict.live, twin, collected, settings)
        version = registered(live, collected, settings).version
        keep_decision(version, verdict.as_record(), **kept)
    now = champion_version(**kept)
    if now != verdict.incumbent.champion:
        raise FailedError(
            f"Version {now} was made the champion meanwhile, with which version {version} was not compared. To hold "
            f"it against that one: churn promote {version}."
        )
    _make_champion(version, "; ".join(verdict.decision.reasons), settings, log)
    return version


def use_rules(version: int, settings: Settings, log: RunLog, *, why: str) -> None:
    """Make a version of rules the champion, where no learned one was better, and keep why."""
    keep_decision(version, {"decision": {"promotes": True, "reasons": [why]}}, **settings.registry())
    _make_champion(version, why, settings, log)


def _make_champion(version: int, why: str, settings: Settings, log: RunLog) -> None:
    promote(version, **settings.registry(), why=why)
    copy_champion(settings, log.note)


def _tested(model: ChurnModel, collected: Collected, settings: Settings, log: RunLog) -> Backtest | None:
    try:
        return measure(collected, settings, log, like=model)
    except (NoTestDate, TooFewDepartures):
        return None


def promote_version(
    settings: Settings, version: int | None, as_of: date | None, log: RunLog, *, force: bool, why: str | None
) -> Promoted:
    """The whole of `churn promote`: one version, the newest by default, through the gate or by force.

    Raises
    ------
    RefusedError
        When the gate keeps the champion.
    UsageError
        When the version is the champion already, or a forced promotion gives no reason.
    """
    kept = settings.registry()
    version = newest_version(**kept) if version is None else version
    former = champion_version(**kept)
    if version == former:
        raise UsageError(f"Version {version} is the champion already.")
    if force:
        if not why:
            raise UsageError("A forced promotion needs a reason, which is kept with it: --force --why 'the reason'.")
        load_version(version, **kept)
        keep_decision(version, {"decision": {"promotes": True, "reasons": [why]}, "forced": True}, **kept)
        _make_champion(version, f"forced: {why}", settings, log)
        return Promoted(version, former, f"forced, {why}")
    challenger = load_version(version, **kept)
    collected = collect(settings, as_of, log)
    against = incumbent(settings, collected)
    if (gap := why_not_tonight(challenger, settings, collected)) is not None:
        raise RefusedError(f"Version {version} is not promoted, for no night could use it: {gap}")
    if is_starter(challenger):
        if against.version is not None:
            raise RefusedError(
                f"Version {version} is made of rules; they take the place of a learned model by force alone: "
                f"churn promote {version} --force --why 'the reason'."
            )
        use_rules(version, settings, log, why="no learned model is in use")
        return Promoted(version, former, "no learned model is in use")
    tested = measure(collected, settings, log, like=challenger) if is_starter(against.model) else None
    fitted = Fitted(challenger, tested)
    verdict = contest(fitted, against, collected, settings, log)
    log.step("keep the decision")
    keep_decision(version, verdict.as_record(), **kept)
    changes = band_changes(against.model, verdict.live, collected.customers, settings)
    if not verdict.decision.promotes:
        raise RefusedError(
            f"{verdict.told()}\n\n{changes}\n\n"
            f"Version {version} is not promoted: {'; '.join(verdict.decision.reasons)}."
            f"\nTo promote it all the same: churn promote {version} --force --why 'the reason'"
        )
    live = crown(version, fitted, verdict, collected, settings, log)
    return Promoted(live, former, "; ".join(verdict.decision.reasons), verdict, changes)


def go_back(settings: Settings, why: str | None, log: RunLog) -> Promoted:
    """The whole of `churn rollback`. Raises `NoVersion` where there was no champion before this one."""
    told = f"rolled back: {why}" if why else "rolled back"
    gone, back = roll_back(**settings.registry(), why=told)
    copy_champion(settings, log.note)
    # Who was rolled back is no longer among those that one goes back to.
    return Promoted(back, gone, told, back=f"churn promote {gone}")
