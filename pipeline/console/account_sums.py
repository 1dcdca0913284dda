"""What an account's risk is made of, and what moved it, in figures that add up as they are printed."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.amounts import Language
from pipeline.compared import Compared, compared
from pipeline.console.reads.account import Shown
from pipeline.printable import one_line
from pipeline.standing import Change, risk_at
from pipeline.waterfall import Step, as_shown

__all__ = ["Family", "Moved", "Row", "changes", "families"]


@dataclass(frozen=True)
class Row:
    """A sentence with its figures and its log-odds, so rounded that those of a family add up; the rest has no words."""

    words: str
    figures: Compared | None
    log_odds: float


@dataclass(frozen=True)
class Family:
    """One family of the waterfall: what it adds (rounded), up to where, the risk there, and the risk without it."""

    key: str
    log_odds: float
    sum: float
    risk: float
    without: float
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Moved:
    """A part of what changed since a week before, so rounded that the parts add up; then up to where, and the risk."""

    key: str
    log_odds: float
    sum: float
    risk: float


def families(shown: Shown, language: Language) -> list[Family]:
    """The families that moved it, in the order of the waterfall, each with its sentences and their figures.

    From the rounded start on the rounded steps add up to the rounded log-odds of the account.
    """
    found, account = list[Family](), shown.account
    base, log_odds = account.base_log_odds or 0.0, account.log_odds or 0.0
    upto, told = base, round(base, 2)
    for step, size in zip(shown.steps, as_shown(base, (step.contribution for step in shown.steps)), strict=True):
        upto, told = upto + step.contribution, round(told + size, 2)
        rows = tuple(_rows(shown, step, size, language))
        found.append(Family(step.family, size, told, risk_at(upto), risk_at(log_odds - step.contribution), rows))
    return found


def _rows(shown: Shown, step: Step, size: float, language: Language) -> Iterator[Row]:
    """The sentences of a family; what is left beside them closes it, so that the rows add up to its size as shown."""
    account, features = shown.account, shown.words["features"]
    middle = {} if shown.peers is None else shown.peers.middle
    left = size
    for said in step.said:
        figures = compared(features[said.feature], account.facts, middle, shown.scored_on, language)
        left = round(left - round(said.contribution, 2), 2)
        yield Row(one_line(said.text), figures, round(said.contribution, 2))
    if left or not step.said:
        yield Row("", None, left)


def changes(change: Change | None) -> list[Moved]:
    """What moved the account, in the order in which it is told apart: time, data, model."""
    if change is None:
        return []
    parts = {"time": change.time, "data": change.data, "model": change.model}
    found, upto, told = list[Moved](), change.before, round(change.before, 2)
    for (name, part), size in zip(parts.items(), as_shown(change.before, parts.values()), strict=True):
        upto, told = upto + part, round(told + size, 2)
        found.append(Moved(name, size, told, risk_at(upto)))
    return found
