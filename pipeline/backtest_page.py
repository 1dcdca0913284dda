"""What `churn backtest` says: whether to trust the model, beside which lists, how early, and for whom."""

import textwrap
from collections.abc import Iterator
from typing import Final

from models.backtest import Backtest
from models.baselines import list_names
from models.bootstrap import Figure
from models.evaluate import ENOUGH_DEPARTURES
from models.model_card import Setting, opening
from models.profit import ASSUMPTIONS
from pipeline.skill import aligned, figure_table, grade_line, skill_table

__all__ = ["backtest_page"]

_WIDTH: Final = 120


def backtest_page(tested: Backtest, setting: Setting) -> str:
    """The backtest as a person reads it: the sentence for a manager, the grade, and tables below them."""
    parts = [opening(tested, setting), grade_line(tested, setting.money)]
    told = ["\n".join(textwrap.wrap(part, _WIDTH)) for part in parts if part]
    told += [skill_table(tested, setting.money)]
    told += [table for table in _more_figures(tested, setting) if table]
    told += _lead_times(tested, setting)
    told += _leavers(tested, setting)
    told += _calibration(tested)
    told += _segments(tested)
    return "\n\n".join(told)


def _more_figures(tested: Backtest, setting: Setting) -> Iterator[str]:
    profit = f"profit of a call, {setting.currency}"
    table = figure_table(tested, setting.money, {"lift": "lift", "profit": profit})
    if table and profit in table:
        table += "\n" + "\n".join(textwrap.wrap(f"Profit assumes: {ASSUMPTIONS}.", _WIDTH))
    yield table
    yield figure_table(
        tested, setting.money, {"brier": "Brier score", "brier_skill": "its skill", "log_loss": "log loss"}
    )


def _lead_times(tested: Backtest, setting: Setting) -> Iterator[str]:
    if not tested.lead_times:
        return
    names = list_names(setting.money)
    rows = [["", *(f"{lead.days} days, of {lead.departures:,}" for lead in tested.lead_times["model"])]]
    for name, leads in tested.lead_times.items():
        told = [f"{lead.found:,}, {_share(lead.share)}" if lead.departures else "" for lead in leads]
        rows.append([names.get(name, name), *told])
    yield f"On the list so long before they {setting.leaving}, of those tested so early:\n{aligned(rows)}"


def _leavers(tested: Backtest, setting: Setting) -> Iterator[str]:
    if not tested.leavers:
        return
    rows = [["", "churns", "on the list", *(f"{lead.days} days" for lead in tested.lead_times["model"])]]
    for reason, found in tested.leavers.items():
        leads = [f"{lead.found:,} of {lead.departures:,}" if lead.departures else "" for lead in found.lead_times]
        rows.append([reason, f"{found.departures:,}", _share(found.recall), *leads])
    yield f"The model by the reason for which they {setting.leaving}, and so long before:\n{aligned(rows)}"


def _calibration(tested: Backtest) -> Iterator[str]:
    if tested.calibration_curve:
        rows = [["risk given", "share that left"]]
        rows += [[f"{100 * point.risk:.1f} %", _share(point.share)] for point in tested.calibration_curve]
        yield f"Do the risks come true? Tenths of the rows, from the lowest risks to the highest:\n{aligned(rows)}"


def _segments(tested: Backtest) -> Iterator[str]:
    rows = [["", "churns", "left", "risk given", "AUC", "on the list"]]
    for column, groups in tested.segments.items():
        for name, found in groups.items():
            figures = found.figures
            rows.append(
                [
                    f"{column.replace('_', ' ')} {name}",
                    f"{found.departures:,}",
                    _share(figures["base_rate"]),
                    f"{100 * figures['mean_risk'].value:.1f} %",
                    _plain(figures["auc"]),
                    _share(figures["recall"]) if found.departures else "",
                ]
            )
    if len(rows) > 1:
        few = f"below {ENOUGH_DEPARTURES} churns look at the intervals alone"
        yield f"The model by segment, on the lists of the whole company; {few}:\n{aligned(rows)}"


def _share(figure: Figure) -> str:
    return f"{100 * figure.value:.1f} % ({100 * figure.low:.1f} to {100 * figure.high:.1f})"


def _plain(figure: Figure) -> str:
    return str(figure) if figure.value == figure.value else ""
