"""`churn train`: collect what is known, learn from it, test it, and let the gate say what the night shall read."""

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from models.errors import TooFewDepartures
from models.starter import is_starter
from models.succession import keep_decision
from pipeline.amounts import money_word
from pipeline.band_changes import band_changes
from pipeline.collected import Collected, collect
from pipeline.contest import Incumbent, Verdict, contest, incumbent
from pipeline.fitted import Fitted, by_rules, learned, rules_model
from pipeline.promotion import crown, refuse_registry, registered, use_rules
from pipeline.run_log import RunLog
from pipeline.settings import Settings
from pipeline.skill import grade_line, no_skill, skill_table
from pipeline.snapshot_dates import left_aside

if TYPE_CHECKING:
    from models.registry import Registered

__all__ = ["Trained", "train"]


@dataclass(frozen=True)
class Trained:
    """What a training came to: the model that was made, and which version the night reads from now on.

    `verdict` is None where nothing could be learned, `champion` where nothing is in use.
    """

    fitted: Fitted
    registered: "Registered"
    collected: Collected
    verdict: Verdict | None
    champion: int | None
    conclusion: str

    def told(self) -> str:
        """The training as a person reads it."""
        model, collected = self.fitted.model, self.collected
        alone = "" if is_starter(model) else " This refit has no test of its own."
        lines = [model.about["note"] + alone]
        left_out = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in collected.left_out.items())
        if left_out:
            lines.append(f"Rows without a label, left out: {left_out}.")
        if collected.compared is not None:
            lines.append(str(collected.compared))
        if collected.older_snapshots:
            lines.append(left_aside(collected.older_snapshots))
        if self.fitted.tuning is not None:
            lines.append(self.fitted.tuning.told())
        if (tested := self.fitted.tested) is not None:
            money = money_word(model.about["question"]["churn.definition"])
            lines += ["", skill_table(tested, money), "", grade_line(tested, money)]
            if (chance := no_skill(tested.model.as_record()["figures"].get("auc"))) is not None:
                lines.append(chance)
        if self.verdict is not None:
            lines += [self.verdict.told(), ""]
        return "\n".join([*lines, self.conclusion])

    def as_record(self) -> dict[str, Any]:
        """The training as plain data."""
        model, collected, tested = self.fitted.model, self.collected, self.fitted.tested
        return {
            "name": self.registered.name,
            "version": self.registered.version,
            "run_id": self.registered.run_id,
            "champion": self.champion,
            "starter": is_starter(model),
            "tree_digest": model.tree_digest,
            "fit": model.about.get("fit"),
            "left_out": collected.left_out,
            "older_snapshots": collected.older_snapshots,
            "departures": collected.known_churns,
            "tone": None if collected.compared is None else collected.compared.as_record(),
            "tuning": None if self.fitted.tuning is None else self.fitted.tuning.as_record(),
            "backtest": None if tested is None else tested.as_record(),
            "gate": None if self.verdict is None else self.verdict.as_record(),
        }


def train(settings: Settings, as_of: date | None, log: RunLog, *, promotes: bool = True, trials: int = 0) -> Trained:
    """The whole of `churn train`, tuned by so many trials. Without `promotes` the decision is left to a person.

    Where too few have left to learn from, the model is made of rules.

    Raises
    ------
    RefusedError
        When the contract is broken, or nobody is or was a customer.
    NoRule
        When nothing can be learned and no rule applies either.
    """
    refuse_registry(settings)
    collected = collect(settings, as_of, log)
    against = incumbent(settings, collected)
    try:
        fitted = learned(collected, settings, log, trials)
    except TooFewDepartures as reason:
        return _by_rules_alone(against, collected, settings, log, promotes=promotes, reason=reason)
    log.step("log to MLflow and register")
    made = registered(fitted, collected, settings)
    verdict = contest(fitted, against, collected, settings, log)
    log.step("keep the decision")
    keep_decision(made.version, verdict.as_record(), **settings.registry())
    trained = Trained(fitted, made, collected, verdict, against.champion, "")
    why = "; ".join(verdict.decision.reasons)
    number = f"Registered as {made.name} version {made.version}"
    if not promotes:
        changes = band_changes(against.model, verdict.live, collected.customers, settings)
        would = "would promote it" if verdict.decision.promotes else f"would keep {against.name}"
        told = f"{changes}\n\n{number}. Nothing was promoted (--no-promote). The gate {would}: {why}."
        past = "" if verdict.decision.promotes else " --force --why 'the reason'"
        return replace(trained, conclusion=f"{told}\nTo promote it: churn promote {made.version}{past}")
    if verdict.decision.promotes:
        live = crown(made.version, fitted, verdict, collected, settings, log)
        instead = "it" if live == made.version else f"its gate twin, version {live},"
        return replace(trained, champion=live, conclusion=f"{number}; {instead} is the champion now: {why}.")
    force = f"To use it all the same: churn promote {made.version} --force --why 'the reason'"
    if against.version is not None:
        return replace(trained, conclusion=f"{number}. Version {against.version} stays the champion: {why}.\n{force}")
    ruled = registered(by_rules(against.model, collected, settings), collected, settings)
    use_rules(ruled.version, settings, log, why=f"no learned model was better: {why}")
    told = (
        f"{number}. It is not used: {why}.\nVersion {ruled.version} is the champion now: {against.model.about['note']}"
    )
    return replace(trained, champion=ruled.version, conclusion=f"{told}\n{force}")


def _by_rules_alone(
    against: Incumbent,
    collected: Collected,
    settings: Settings,
    log: RunLog,
    *,
    promotes: bool,
    reason: TooFewDepartures,
) -> Trained:
    """A training from which nothing could be learned: the rules are registered, and used unless a learned model is."""
    rules = by_rules(rules_model(collected, settings), collected, settings)
    log.step("log to MLflow and register")
    made = registered(rules, collected, settings)
    number = f"Found {reason.found} {reason.what}, and a model needs at least {reason.needed} to learn from. "
    number += f"Registered as {made.name} version {made.version}, a starter model"
    trained = Trained(rules, made, collected, None, against.champion, "")
    if against.version is not None:
        return replace(trained, conclusion=f"{number}. Version {against.version}, a learned model, stays the champion.")
    if not promotes:
        return replace(trained, conclusion=f"{number}. Nothing was promoted: churn promote {made.version}")
    use_rules(made.version, settings, log, why="too few have left to learn from")
    return replace(trained, champion=made.version, conclusion=f"{number}; it is the champion now.")
