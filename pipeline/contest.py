"""The contest: a newly trained model against the one in use, each on dates of which it has learned nothing."""

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.churn_model import ChurnModel
from models.departures import count_departures, in_order
from models.errors import CorruptModel, ModelRefusal, NoChampion, NoTestDate
from models.gate import Comparison, Contender, Decision, compare, decide
from models.registry import load_champion
from models.starter import is_starter
from models.succession import champion_version
from models.twin import GateWindow, gate_window, thinned, twin, window_from
from pipeline.agreement import refuse_other_question, refuse_other_scorer
from pipeline.collected import Collected
from pipeline.errors import RefusedError
from pipeline.fitted import Fitted, rules_model
from pipeline.run_log import RunLog
from pipeline.settings import Settings

__all__ = ["Incumbent", "Verdict", "contest", "incumbent", "why_not_tonight"]

LEAST_AGREEMENT: Final = 0.95
"""Rank correlation of the refit with its gate twin, on today's accounts. Below it what was tested may say too little of
what would go live."""

_FIGURES: Final = {
    "average_precision": "average precision",
    "auc": "AUC",
    "log_loss": "log loss",
    "calibration_slope": "calibration slope",
    "stability": "main reasons kept",
}


@dataclass(frozen=True)
class Incumbent:
    """Whom a challenger has to beat: the champion, or the rules where there is none that could be used tonight.

    `version` is None for the rules. `champion` is the version that the night reads now, whatever it is made of;
    `former` says why it cannot be used.
    """

    model: ChurnModel
    version: int | None
    champion: int | None = None
    former: str | None = None

    @property
    def name(self) -> str:
        """What it is called."""
        return "the rules" if self.version is None else f"the champion, version {self.version}"


@dataclass(frozen=True)
class Verdict:
    """What the gate found. `live` is what may go live: the challenger, or its gate twin where the two disagree.

    `agreement` is their rank correlation on today's accounts, `asked` the least that lets the challenger go live.
    """

    incumbent: Incumbent
    decision: Decision
    live: ChurnModel
    comparison: Comparison | None = None
    agreement: float = 1.0
    asked: float = LEAST_AGREEMENT
    opens: str | None = None

    @property
    def is_twin(self) -> bool:
        """Whether the refit ranks today's accounts otherwise than what was tested, so that the latter goes live."""
        return self.agreement < self.asked

    def told(self) -> str:
        """The comparison as a person reads it."""
        if self.comparison is None:
            return f"The gate, against {self.incumbent.name}: {'; '.join(self.decision.reasons)}"
        found = self.comparison
        lines = [
            f"The gate, against {self.incumbent.name}: {found.departures:,} departures on snapshots from "
            f"{found.first_as_of} to {found.last_as_of}, of which neither has learned.",
            f"{'':<20}{'challenger':>12}{'rules' if self.incumbent.version is None else 'champion':>12}   better by",
        ]
        for name, title in _FIGURES.items():
            if (each := found.differences.get(name)) is not None:
                lines.append(
                    f"{title:<20}{each.challenger:>12.3f}{each.champion:>12.3f}   {each.gain.value:+.3f} "
                    f"({each.gain.low:+.3f} to {each.gain.high:+.3f})"
                )
        if self.incumbent.former is not None:
            lines.append(self.incumbent.former)
        if self.is_twin and self.decision.promotes:
            lines.append(
                f"Fitted again on all labels it ranks today's accounts otherwise (rank correlation "
                f"{self.agreement:.3f}, where {self.asked:.3f} is asked): what goes live is what was tested."
            )
        return "\n".join(lines)

    def as_record(self) -> dict[str, Any]:
        """The verdict as plain data."""
        return {
            "against": self.incumbent.name,
            "former": self.incumbent.former,
            "decision": self.decision.as_record(),
            "comparison": None if self.comparison is None else self.comparison.as_record(),
            "agreement": None if self.comparison is None else self.agreement,
            "agreement_asked": self.asked,
            "twin": self.is_twin,
        }


def incumbent(settings: Settings, collected: Collected) -> Incumbent:
    """The champion where it could be used tonight, and was learned; else the rules."""
    rules, now = rules_model(collected, settings), champion_version(**settings.registry())
    try:
        champion, version = load_champion(**settings.registry())
    except NoChampion:
        return Incumbent(rules, None)
    except CorruptModel as reason:
        return Incumbent(rules, None, now, f"The champion cannot be read: {reason}")
    gap = why_not_tonight(champion, settings, collected)
    if gap is not None:
        return Incumbent(rules, None, now, f"The champion, version {version}, could not be used tonight: {gap}")
    return Incumbent(rules, None, now) if is_starter(champion) else Incumbent(champion, version, now)


def contest(challenger: Fitted, against: Incumbent, collected: Collected, settings: Settings, log: RunLog) -> Verdict:
    """Compare both where neither has learned anything, and decide.

    `challenger` is a learned model with its backtest. Against a learned champion both are fitted on what was known
    before the gate window opened. Rules learn from nobody, so against them every row of the backtest counts. The
    verdict is against a challenger that cannot be compared.
    """
    frame, model = in_order(collected.frame), challenger.model
    try:
        need_days = collected.history.rules.label_days
        log.step("the gate: the challenger as it would have been", 0, 2)
        if is_starter(against.model):
            rows, newest = _tested_rows(challenger, frame)
            window = window_from(frame, need_days, newest)
            tested = _twin(model, frame, window, collected, settings)
            contenders = Contender(rows["risk"].to_numpy()), Contender(_risk(against.model, rows, settings))
        else:
            window = gate_window(frame, need_days)
            rows, tested = frame[window.rows], _twin(model, frame, window, collected, settings)
            reseeded = _twin(model, frame, window, collected, settings, reseeded=True)
            first = _contender(tested, reseeded, rows, settings)
            log.step("the gate: the champion as it would have been", 1, 2)
            former = _twin(against.model, frame, window, collected, settings)
            reseeded = _twin(against.model, frame, window, collected, settings, reseeded=True)
            contenders = first, _contender(former, reseeded, rows, settings)
        log.step("the gate: compare")
        categories = [feature.name for feature in model.features if feature.kind == "category"]
        compared = compare(rows, *contenders, by=categories)
    except ModelRefusal as reason:
        return Verdict(against, Decision(False, (str(reason),)), model)
    learned = against.version is not None
    agreement, asked = _agreement(model, tested, frame, window, collected.customers, settings.engine.threads)
    live = tested if agreement < asked else model
    decision = decide(
        compared,
        known_departures=count_departures(frame),
        tolerance=settings.gate.tolerance,
        champion_age_days=_age(against.model, collected) if learned else None,
        max_age_days=settings.gate.max_model_age_days,
        learned_until=(model.about["last_as_of"], against.model.about["last_as_of"]) if learned else None,
        goes_live_until=live.about["last_as_of"],
        gives_else=_other_horizons(model, against.model) if learned else None,
    )
    return Verdict(against, decision, live, compared, agreement, asked, str(window.opens.date()))


def _tested_rows(challenger: Fitted, frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.Timestamp]:
    """The rows of the challenger's backtest, with its `risk` and every feature, and where its newest block begins."""
    if challenger.tested is None:
        raise NoTestDate("History is too short to test it on dates that it has not seen.")
    rows = frame.merge(challenger.tested.rows[["account_id", "as_of", "risk"]], on=["account_id", "as_of"])
    return rows, pd.Timestamp(challenger.tested.folds[-1].test_dates[0])


def _twin(
    model: ChurnModel,
    frame: pd.DataFrame,
    window: GateWindow,
    collected: Collected,
    settings: Settings,
    *,
    reseeded: bool = False,
) -> ChurnModel:
    return twin(
        model,
        frame,
        window,
        is_own=_sees_alike(model, collected),
        reseeded=reseeded,
        threads=settings.engine.threads,
    )


def _contender(tested: ChurnModel, reseeded: ChurnModel, rows: pd.DataFrame, settings: Settings) -> Contender:
    newest, threads = rows[rows["as_of"] == rows["as_of"].max()], settings.engine.threads
    explained = tested.explain(newest, threads=threads), reseeded.explain(newest, threads=threads)
    return Contender(_risk(tested, rows, settings), explained)


def _risk(model: ChurnModel, rows: pd.DataFrame, settings: Settings) -> NDArray[np.float64]:
    return model.risk(rows, threads=settings.engine.threads)


def why_not_tonight(model: ChurnModel, settings: Settings, collected: Collected) -> str | None:
    """Why the model could not be used tonight; None where it could."""
    try:
        refuse_other_question(settings, model)
        refuse_other_scorer(collected.scorer, model)
    except RefusedError as reason:
        return str(reason)
    absent = [feature.name for feature in model.catalogue if feature.name not in collected.customers]
    return f"the tables no longer give {len(absent)} of its features, such as {absent[0]}." if absent else None


def _sees_alike(model: ChurnModel, collected: Collected) -> bool:
    """Whether the collected frames were built exactly as this model sees accounts, so that they may judge its file."""
    about, recipe = model.about, collected.recipe
    return (
        about["versioned"] == sorted(collected.history.versioned)
        and about["page_groups"] == {group: list(patterns) for group, patterns in recipe.page_groups.items()}
        and about["events"] == list(recipe.events)
        and _version(model.tone) == _version(collected.tone)
    )


def _version(tone: Any) -> str | None:
    return None if tone is None else tone.version


def _other_horizons(challenger: ChurnModel, champion: ChurnModel) -> str | None:
    ours, theirs = (sorted([model.about["horizon_days"], *model.factors]) for model in (challenger, champion))
    if ours == theirs:
        return None
    told, instead = (", ".join(map(str, days)) for days in (ours, theirs))
    return f"gives the risk within {told} days, where the champion gives {instead}"


def _age(model: ChurnModel, collected: Collected) -> int:
    return (collected.today - date.fromisoformat(model.about["trained_on"])).days


def _agreement(
    model: ChurnModel,
    tested: ChurnModel,
    frame: pd.DataFrame,
    window: GateWindow,
    customers: pd.DataFrame,
    threads: int,
) -> tuple[float, float]:
    """How alike the refit and its gate twin rank today's accounts, and the least that is asked of them.

    A twin knows fewer labels, which moves the order of small companies by itself. No more is asked than the refit
    reaches with one that knows as few, drawn by lot.
    """
    found = _rank_agreement(model, tested, customers, threads)
    if found >= LEAST_AGREEMENT:
        return found, LEAST_AGREEMENT
    try:
        share = count_departures(frame[window.known]) / count_departures(frame)
        by_lot = _rank_agreement(model, thinned(model, frame, share, threads=threads), customers, threads)
    except ModelRefusal:
        return found, LEAST_AGREEMENT
    return found, min(LEAST_AGREEMENT, by_lot)


def _rank_agreement(first: ChurnModel, second: ChurnModel, customers: pd.DataFrame, threads: int) -> float:
    """Spearman's rank correlation of the two models' risks; 1 for a single account."""
    risks = [pd.Series(model.log_odds(customers, threads=threads)).rank() for model in (first, second)]
    found = risks[0].corr(risks[1])
    return 1.0 if pd.isna(found) else float(found)
