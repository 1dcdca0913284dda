"""How good the order has been: a line below every list, and a table of the backtest."""

from collections.abc import Mapping
from typing import Any, Final

from models.backtest import Backtest
from models.evaluate import Evaluation
from pipeline.amounts import money_word

__all__ = ["no_skill", "skill_line", "skill_table"]

_SIMPLE_LISTS: Final = {  # by their names in the backtest
    "MRR": "by MRR",
    "days to renewal": "by renewal date",
    "last use": "by last use",
    "logistic model": "by logistic regression",
}
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


def skill_line(headline: Mapping[str, Any]) -> str:
    """How much of what later left the list had held, and below it what lists had that one could make without a model.

    It speaks of money where there is some, else of accounts.
    """
    skill = headline["backtest"]
    if skill is None:
        return "How good is this? Not measured: the history is too short to test on dates the model has not seen."
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
    shares = {_list_name(key, money): _share(skill[kind].get(key)) for key in _SIMPLE_LISTS}
    others = ", ".join(f"{name} {_percent(share)}" for name, share in shares.items() if share is not None)
    return f"{told}\nSimple lists found: {others}." if others else told


def skill_table(tested: Backtest, money: str = "MRR") -> str:
    """Model and simple lists below one another, each figure with its interval; `money` is what amounts are called.

    Figures of probabilities, which an order has none of, make a table of their own.
    """
    judged = {"model": tested.model} | {_list_name(name, money): found for name, found in tested.baselines.items()}
    tables = (_table(judged, _OF_ORDER | {"mrr_recall": f"their {money} on the list"}), _table(judged, _OF_RISK))
    heading = f"Tested on {tested.model.note}; {tested.model.capacity} accounts on each list."
    return f"{heading}\n" + "\n\n".join("\n".join(table) for table in tables if table)


def _table(judged: Mapping[str, Evaluation], titles: Mapping[str, str]) -> list[str]:
    """A heading and a line for each list, without columns and lines that hold no figure."""
    figures = {
        name: {key: str(each) for key, each in found.figures.items() if each.value == each.value}
        for name, found in judged.items()
    }
    shown = [key for key in titles if any(key in found for found in figures.values())]
    rows = [["", *(titles[key] for key in shown)]]
    rows += [[name, *(found.get(key, "") for key in shown)] for name, found in figures.items() if found.keys() & shown]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return [line.rstrip() for line in lines] if shown else []


def _list_name(baseline: str, money: str) -> str:
    return _SIMPLE_LISTS.get(baseline, baseline).replace("MRR", money)


def _percent(share: float | None) -> str:
    return f"{(share or 0.0) * 100:.0f} %"


def _share(figure: Mapping[str, Any] | None) -> float | None:
    return None if figure is None else figure["value"]
