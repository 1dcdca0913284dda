"""How good the order has been: a line below every list, and a table of the backtest."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final

from models.backtest import Backtest
from models.baselines import LAST_MONTH, list_names
from pipeline.amounts import money_word

__all__ = ["aligned", "figure_table", "grade_line", "no_skill", "skill_line", "skill_table"]

_OF_ORDER: Final = {
    "auc": "AUC",
    "average_precision": "average precision",
    "recall": "departures on the list",
}
_OF_RISK: Final = {"calibration_slope": "calibration slope", "calibration_error": "calibration error"}


def no_skill(auc: Mapping[str, Any] | None) -> str | None:
    """A sentence where the AUC may be that of chance; None where the order is better, or nothing was measured."""
    if auc is None or auc["low"] is None or auc["low"] > 0.5:
        return None
    return (
        f"It has shown no skill on your data: AUC {auc['value']:.2f} ({auc['low']:.2f} to {auc['high']:.2f}), "
        "and 0.5 is chance."
    )


def grade_line(tested: Backtest, money: str = "MRR") -> str:
    """The grade, and what it rests on; empty where there was nothing to compare with."""
    found = tested.grade
    if found is None:
        return ""
    best = list_names(money).get(found.baseline, found.baseline)
    return (
        f"Grade: {found.word}. Average precision {found.model_precision:.3f} against "
        f"{found.baseline_precision:.3f} of the best list beside it, {best}; the difference is {found.skill}."
    )


def skill_line(headline: Mapping[str, Any]) -> str:
    """How much of what later left the list had held, and below it what lists had that one could make without a model.

    It speaks of money where there is some, else of accounts.
    """
    skill = headline["backtest"]
    if skill is None:
        return "How good is this? Not measured: the history is too short to test on dates the model has not seen."
    if not skill["enough"] and headline.get("starter") is not None:  # rules learned from none of them
        return f"How good is this? Not enough departures to say (n = {skill['departures']}).   churn backtest"
    if not skill["enough"]:
        return (
            f"How good is this? Too few departures to say: {skill['departures']} came after the dates tested; the "
            "earlier ones taught the models.   churn backtest"
        )
    if (chance := no_skill(skill.get("auc"))) is not None:  # absent from nights that an older churn published
        return f"How good is this? {chance}   churn backtest"
    money = money_word(headline.get("definition"))
    has_money = _share(skill["mrr_recall"]["model"]) is not None
    kind, what = ("mrr_recall", f"the {money} later lost") if has_money else ("recall", "those that later left")
    calls = f"{skill['capacity']:,} account{'' if skill['capacity'] == 1 else 's'}"
    told = (
        f"How good is this? It found {_percent(_share(skill[kind]['model']))} of {what}, with {calls} on each list.   "
        "churn backtest"
    )
    simple = {key: name for key, name in list_names(money).items() if key != LAST_MONTH}  # which takes the model
    shares = {name: _share(skill[kind].get(key)) for key, name in simple.items()}
    others = ", ".join(f"{name} {_percent(share)}" for name, share in shares.items() if share is not None)
    return "\n".join([told, *_wrapped(f"Simple lists found: {others}.")]) if others else told


def _wrapped(text: str) -> list[str]:
    """Lines of at most 120 columns, a number never apart from its unit."""
    return [
        line.replace("\N{NO-BREAK SPACE}", " ")
        for line in textwrap.wrap(text.replace(" %", "\N{NO-BREAK SPACE}%"), 120)
    ]


def skill_table(tested: Backtest, money: str = "MRR") -> str:
    """Model and simple lists below one another, each figure with its interval; `money` is what amounts are called.

    Figures of probabilities, which an order has none of, make a table of their own.
    """
    tables = (
        figure_table(tested, money, _OF_ORDER | {"mrr_recall": f"their {money} on the list"}),
        figure_table(tested, money, _OF_RISK),
    )
    heading = (
        f"Tested on {tested.model.note}; {tested.model.capacity} accounts on each list.\n"
        "A departure is on the list where any list within the horizon before it held the account."
    )
    return f"{heading}\n" + "\n\n".join(table for table in tables if table)


def figure_table(tested: Backtest, money: str, titles: Mapping[str, str]) -> str:
    """A heading and a line for each list, without columns and lines that hold no figure; empty where none does."""
    names = list_names(money)
    judged = {"model": tested.model} | {names.get(name, name): found for name, found in tested.baselines.items()}
    figures = {
        name: {key: str(each) for key, each in found.figures.items() if each.value == each.value}
        for name, found in judged.items()
    }
    shown = [key for key in titles if any(key in found for found in figures.values())]
    rows = [["", *(titles[key] for key in shown)]]
    rows += [[name, *(found.get(key, "") for key in shown)] for name, found in figures.items() if found.keys() & shown]
    return aligned(rows) if shown else ""


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """The rows of a table below one another, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _percent(share: float | None) -> str:
    return f"{(share or 0.0) * 100:.0f} %"


def _share(figure: Mapping[str, Any] | None) -> float | None:
    return None if figure is None else figure["value"]
