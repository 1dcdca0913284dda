"""How good the order has been, as a table for the terminal."""

from collections.abc import Mapping
from typing import Any

from models.backtest import Backtest

__all__ = ["no_skill", "skill_table"]


def no_skill(auc: Mapping[str, Any] | None) -> str | None:
    """A sentence where the AUC may be that of chance; None where the order is better, or nothing was measured."""
    if auc is None or auc["low"] is None or auc["low"] > 0.5:
        return None
    return (
        f"It has shown no skill on your data: AUC {auc['value']:.2f} ({auc['low']:.2f} to {auc['high']:.2f}), "
        "and 0.5 is chance."
    )


def skill_table(tested: Backtest) -> str:
    """Model and simple lists side by side, each figure with its interval."""
    columns = {"model": tested.model, **tested.baselines}
    rows = {
        "auc": "AUC",
        "average_precision": "average precision",
        "recall": "departures on the list",
        "mrr_recall": "their MRR on the list",
        "calibration_slope": "calibration slope",
        "calibration_error": "calibration error",
    }
    width = 26
    lines = [
        f"Tested on {tested.model.note}; {tested.model.capacity} accounts on each list.",
        " " * width + "".join(f"{name:<26}" for name in columns),
    ]
    for key, title in rows.items():
        figures = [evaluation.figures.get(key) for evaluation in columns.values()]
        if any(figure is not None and figure.value == figure.value for figure in figures):
            cells = ("" if figure is None or figure.value != figure.value else str(figure) for figure in figures)
            lines.append(f"{title:<{width}}" + "".join(f"{cell:<26}" for cell in cells))
    return "\n".join(line.rstrip() for line in lines)
