"""The papers of a training: its pictures and its model card."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import pandas as pd

from models.backtest import Backtest
from models.churn_model import ChurnModel
from models.model_card import Setting, model_card
from pipeline.amounts import money_word
from pipeline.settings import Settings

__all__ = ["draw_plots", "setting_of", "write_card"]

_LEAVING: Final = {"ended": "left", "notice": "gave notice"}


def draw_plots(
    model: ChurnModel, tested: Backtest | None, newest: pd.DataFrame, settings: Settings, folder: Path
) -> None:
    """Draw the model on its newest snapshot, and the backtest where there is one, into the folder."""
    from models.report import calibration_plot, dependence_plot, lead_time_plot, lift_plot, shap_summary_plot

    threads, money = settings.engine.threads, money_word(settings.churn.definition)
    shap_summary_plot(model, newest, folder / "shap_summary.png", threads=threads)
    dependence_plot(model, newest, folder / "dependence.png", threads=threads)
    if tested is not None:
        listed = tested.model.capacity * tested.rows["as_of"].nunique() / len(tested.rows)
        calibration_plot(tested.calibration_curve, tested.model, folder / "calibration.png")
        lift_plot(tested.lift_curves, tested.model, min(1.0, listed), folder / "lift.png", money)
        lead_time_plot(tested.lead_times, folder / "lead_time.png", money)


def setting_of(settings: Settings, today: date) -> Setting:
    """The words in which figures of this company are told."""
    silence = settings.churn.definition == "inactivity"
    return Setting(
        company=settings.company.name,
        day=today,
        money=money_word(settings.churn.definition),
        currency=settings.company.currency,
        leaving="fell silent" if silence else _LEAVING[settings.churn.event],
    )


def write_card(
    model: ChurnModel,
    tested: Backtest | None,
    setting: Setting,
    digests: Mapping[str, Mapping[str, Any]],
    left_out: Mapping[str, int],
) -> str:
    """The model card, with what was read (`digests` have `rows`) and what had no label."""
    tables = {name: f"{found['rows']:,} rows" for name, found in digests.items()}
    reasons = {reason.replace("_", " "): count for reason, count in left_out.items()}
    return model_card(model, tested, replace(setting, tables=tables, left_out=reasons))
