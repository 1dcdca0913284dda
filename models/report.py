"""The report: pictures of a model and of its backtest, written as PNG files and logged with it.

Which features move the risk of whom, and how; whether risks come true; what lists of every length find; how early.
Figures are drawn on a canvas of their own, so that no window is opened and no plotting state of the caller's notebook
changes.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.baselines import list_names
from models.churn_model import ChurnModel
from models.curves import CalibrationPoint
from models.evaluate import Evaluation
from models.lead_time import LeadTime

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure as Picture

__all__ = ["calibration_plot", "dependence_plot", "lead_time_plot", "lift_plot", "shap_summary_plot"]

Floats = NDArray[np.float64]

SHOWN_FEATURES: Final = 15
SAMPLE: Final = 2000

INK, MUTED, GRID, ACCENT, SOFT = "#1f2933", "#52606d", "#e4e7eb", "#0b6e99", "#9fc9dc"
OTHERS: Final = ("#9aa5b1", "#7b8794", "#a8662f", "#6aaed6", "#5f8d4e", "#a3b86c", "#8e6bb0")
"""A colour for each of `list_names`."""


def shap_summary_plot(model: ChurnModel, frame: pd.DataFrame, path: Path, *, seed: int = 7, threads: int = 0) -> Path:
    """Write the SHAP summary of at most 2,000 rows of `frame` and return its path.

    Each dot is an account on a date; its place is the feature's contribution to the log-odds, its colour the value. The
    contributions are those of `ChurnModel.explain`, so the picture shows what the product says.
    """
    rows = frame.sample(min(SAMPLE, len(frame)), random_state=seed).sort_index()
    contributions = model.explain(rows, threads=threads).contributions
    numeric = np.array([feature.kind == "number" for feature in model.features])
    values = np.where(numeric, model.matrix(rows), np.nan)  # a category has no high or low: its dots stay grey
    names = [feature.name.replace("_", " ") for feature in model.features]
    shown = min(SHOWN_FEATURES, len(names))
    picture, axes = _sheet(8.6, 1.9 + 0.36 * shown)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # SHAP calls what Matplotlib will retire; nothing of ours runs in this block
        import shap

        shap.plots.beeswarm(
            shap.Explanation(contributions, data=values, feature_names=names),
            max_display=shown,
            ax=axes,
            show=False,
            plot_size=None,
            s=9,
            group_remaining_features=False,
        )
    axes.set_xlabel(
        "contribution to the log-odds of leaving (right raises the risk); grey: missing, or no number",
        fontsize=10,
        color=MUTED,
    )
    axes.tick_params(axis="y", labelsize=10, labelcolor=INK)
    axes.tick_params(axis="x", labelsize=9, labelcolor=MUTED)
    for other in picture.axes:
        if other is not axes:  # the colour bar that SHAP adds
            other.tick_params(labelsize=9, labelcolor=MUTED)
            other.yaxis.label.set(fontsize=9, color=MUTED)
    axes.set_title(
        f"What moves the risk · {len(rows):,} accounts and dates", loc="left", fontsize=13, color=INK, pad=14
    )
    return _write(picture, path)


def dependence_plot(model: ChurnModel, frame: pd.DataFrame, path: Path, *, seed: int = 7, threads: int = 0) -> Path:
    """Write how the contributions of the six number features that move most depend on their values; return the path.

    Each dot is one of at most 2,000 rows of `frame`; values beyond the 1st and 99th percentile lie outside the picture.
    """
    rows = frame.sample(min(SAMPLE, len(frame)), random_state=seed).sort_index()
    contributions, values = model.explain(rows, threads=threads).contributions, model.matrix(rows)
    weight = [
        float(np.abs(contributions[:, place]).mean())
        if feature.kind == "number" and np.isfinite(values[:, place]).any()
        else -1.0
        for place, feature in enumerate(model.features)
    ]
    chosen = [place for place in np.argsort(weight, kind="stable")[::-1][:6] if weight[place] > 0]
    picture, sheet = _sheets(9.6, 6.0, -(-max(1, len(chosen)) // 3), 3)
    reach = float(np.quantile(np.abs(contributions[:, chosen]), 0.999)) * 1.1 if chosen else 1.0
    for axes, place in zip(sheet, chosen, strict=False):
        value, feature = values[:, place], model.features[place]
        axes.axhline(0, color=MUTED, linewidth=0.8)
        axes.plot(value, contributions[:, place], "o", color=ACCENT, markersize=3, alpha=0.25, markeredgewidth=0)
        low, high = np.nanquantile(value, (0.01, 0.99))
        margin = 0.04 * (high - low) or 1.0
        axes.set(xlim=(low - margin, high + margin), ylim=(-reach, reach))
        _ticks(axes.xaxis, value)
        axes.set_title(feature.name.replace("_", " "), loc="left", fontsize=10, color=INK)
        axes.set_xlabel(feature.unit, fontsize=9, color=MUTED)
    for axes in sheet[len(chosen) :]:
        axes.set_visible(False)
    sheet[0].set_ylabel("contribution to the log-odds", fontsize=9, color=MUTED)
    picture.suptitle(
        f"How a value moves the risk · {len(rows):,} accounts and dates", x=0.01, ha="left", fontsize=13, color=INK
    )
    return _write(picture, path)


def calibration_plot(points: Sequence[CalibrationPoint], evaluation: Evaluation, path: Path) -> Path:
    """Write how often accounts left, by the risk they were given, and return the path.

    `points` are those of `calibration_curve`: tenths of the rows; the bars are their 95 % intervals.
    """
    foreseen = np.array([point.risk for point in points])
    low, seen, high = (np.array([getattr(point.share, end) for point in points]) for end in ("low", "value", "high"))
    picture, axes = _sheet(6.4, 6.4)
    reach = min(1.0, 1.12 * max(float(np.nanmax(high)), float(foreseen.max())))
    axes.plot([0, reach], [0, reach], color=MUTED, linewidth=1, linestyle=(0, (4, 4)), zorder=1)
    axes.vlines(foreseen, low, high, color=SOFT, linewidth=5, zorder=2)
    axes.plot(foreseen, seen, "o", color=ACCENT, markersize=7, markeredgecolor="white", zorder=3)
    axes.set(xlim=(0, reach), ylim=(0, reach), aspect="equal")
    axes.set_xlabel("risk given, mean of the tenth", fontsize=10, color=MUTED)
    axes.set_ylabel("share that left", fontsize=10, color=MUTED)
    _percent(axes.xaxis, axes.yaxis)
    slope, error = evaluation.figures["calibration_slope"], evaluation.figures["calibration_error"]
    _title(axes, f"Do the risks come true? · slope {slope.value:.2f}, error {100 * error.value:.1f} points", evaluation)
    return _write(picture, path)


def lift_plot(
    curves: Mapping[str, Mapping[float, float]], evaluation: Evaluation, listed: float, path: Path, money: str = "MRR"
) -> Path:
    """Write how many times the base rate the first accounts of each list leave, by the list's length; return the path.

    `curves` are `lift_curve` by the name of the list, `model` among them; `listed` is the share of the accounts of a
    date that the team can call, `money` what amounts are called.
    """
    names = list_names(money)
    picture, axes = _sheet(8.6, 5.2)
    top = 1.08 * max((lift for curve in curves.values() for lift in curve.values() if np.isfinite(lift)), default=1.0)
    axes.axhline(1, color=MUTED, linewidth=1, linestyle=(0, (4, 4)))
    axes.axvline(listed, color=MUTED, linewidth=1)
    axes.text(listed * 1.04, top * 0.97, "the team's list", fontsize=9, color=MUTED, va="top")
    colours = {"model": ACCENT, **dict(zip(names, OTHERS, strict=True))}
    for name, curve in curves.items():
        axes.plot(list(curve), list(curve.values()), color=colours[name], linewidth=3 if name == "model" else 1.6)
    axes.set(xscale="log", xlim=(min(next(iter(curves.values()))), 1.0), ylim=(0, top))
    starts = {name: next(iter(curve.values())) for name, curve in curves.items()}
    for name, place in _apart(starts, 0.05 * top).items():
        axes.text(
            -0.055,
            place,
            names.get(name, name),
            color=colours[name],
            weight="bold" if name == "model" else "normal",
            fontsize=9,
            transform=axes.get_yaxis_transform(),
            ha="right",
            va="center",
        )
    axes.set_xlabel("share of the accounts on the list, riskiest first", fontsize=10, color=MUTED)
    _percent(axes.xaxis)
    axes.set_xticks([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0])
    axes.minorticks_off()
    _title(axes, "How many times the base rate do the listed leave?", evaluation)
    return _write(picture, path)


def lead_time_plot(found: Mapping[str, Sequence[LeadTime]], path: Path, money: str = "MRR") -> Path:
    """Write which share of those that left each list had held 30, 60 and 90 days before, and return the path.

    `found` is by the name of the list, `model` among them; the bars are 95 % intervals. `money` is what amounts are
    called.
    """
    names = list_names(money)
    columns = next(iter(found.values()))
    picture, sheet = _sheets(9.6, 1.6 + 0.34 * len(found), 1, len(columns))
    highs = [lead.share.high for leads in found.values() for lead in leads]
    reach = min(1.0, 1.08 * max((high for high in highs if np.isfinite(high)), default=1.0) or 1.0)
    heights = np.arange(len(found))[::-1]
    for column, (axes, lead) in enumerate(zip(sheet, columns, strict=True)):
        shares = [leads[column].share for leads in found.values()]
        colours = [ACCENT if name == "model" else MUTED for name in found]
        axes.hlines(heights, [share.low for share in shares], [share.high for share in shares], color=SOFT, linewidth=4)
        axes.scatter([share.value for share in shares], heights, color=colours, s=34, zorder=3)
        axes.set(xlim=(0, reach), ylim=(-0.7, len(found) - 0.3))
        axes.set_yticks(heights, [names.get(name, name) if column == 0 else "" for name in found])
        axes.tick_params(axis="y", labelsize=10, labelcolor=INK)
        axes.set_title(f"{lead.days} days before · {lead.departures} churns", loc="left", fontsize=10, color=MUTED)
        _percent(axes.xaxis)
    picture.suptitle(
        "Which share of those that left was on the list so long before?", x=0.01, ha="left", fontsize=13, color=INK
    )
    return _write(picture, path)


def _apart(places: Mapping[str, float], gap: float) -> dict[str, float]:
    """The same places from the lowest up, moved so that labels there do not lie on one another."""
    apart: dict[str, float] = {}
    lowest = 0.0
    for name, place in sorted(places.items(), key=lambda each: each[1]):
        apart[name] = max(place if np.isfinite(place) else 0.0, lowest)
        lowest = apart[name] + gap
    return apart


def _sheet(width: float, height: float) -> tuple["Picture", "Axes"]:
    picture, [axes] = _sheets(width, height, 1, 1)
    return picture, axes


def _sheets(width: float, height: float, down: int, across: int) -> tuple["Picture", list["Axes"]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Picture

    picture = Picture(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(picture)
    sheet = [picture.add_subplot(down, across, place + 1) for place in range(down * across)]
    for axes in sheet:
        axes.set_axisbelow(True)
        axes.grid(color=GRID, linewidth=0.8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axes.spines[side].set_color(GRID)
        axes.tick_params(length=0, labelsize=9, labelcolor=MUTED)
    return picture, sheet


def _title(axes: "Axes", text: str, evaluation: Evaluation) -> None:
    """The title, and below it what it was measured on."""
    axes.set_title(text, loc="left", fontsize=13, color=INK, pad=26)
    axes.text(0, 1.02, evaluation.note, transform=axes.transAxes, fontsize=9, color=MUTED)


def _ticks(axis: "Axis", value: Floats) -> None:
    """Few and short ones: 20k for 20,000, and two words for what is there or not."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    seen = value[~np.isnan(value)]
    if np.isin(seen, (0, 1)).all():
        axis.set_ticks([0, 1], ["no", "yes"])
        return
    axis.set_major_locator(MaxNLocator(4))
    if np.abs(seen).max() >= 1_000:
        axis.set_major_formatter(EngFormatter(sep=""))


def _percent(*sides: "Axis") -> None:
    from matplotlib.ticker import PercentFormatter

    for axis in sides:
        axis.set_major_formatter(PercentFormatter(1.0))


def _write(picture: "Picture", path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(path, dpi=150, metadata={"Software": None})
    return path
