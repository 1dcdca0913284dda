"""The report: two pictures of a model, written as PNG files and logged with it.

`shap_summary.png` shows which features move the risk of whom, `calibration.png` whether risks come true. Figures are
drawn on a canvas of their own, so that no window is opened and no plotting state of the caller's notebook changes.
"""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.churn_model import ChurnModel
from models.evaluate import Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Picture

__all__ = ["calibration_plot", "shap_summary_plot"]

Floats = NDArray[np.float64]

SHOWN_FEATURES: Final = 15
SAMPLE: Final = 2000
BINS: Final = 10

INK, MUTED, GRID, ACCENT, SOFT = "#1f2933", "#52606d", "#e4e7eb", "#0b6e99", "#9fc9dc"


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
    axes.set_xlabel("contribution to the log-odds of leaving (right raises the risk)", fontsize=10, color=MUTED)
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


def calibration_plot(rows: pd.DataFrame, evaluation: Evaluation, path: Path) -> Path:
    """Write how often accounts left, by the risk they were given, and return the path.

    `rows` holds risk, label and root_id of test rows (`Backtest.rows`). Ten bins with equally many rows; the bars are
    95 % intervals that draw root accounts.
    """
    risk, label = rows["risk"].to_numpy(np.float64), rows["label"].to_numpy(bool)
    foreseen, seen, low, high = _bins(risk, label, pd.factorize(rows["root_id"], sort=True)[0])
    picture, axes = _sheet(6.4, 6.4)
    reach = min(1.0, 1.12 * max(float(np.nanmax(high)), float(foreseen.max())))
    axes.plot([0, reach], [0, reach], color=MUTED, linewidth=1, linestyle=(0, (4, 4)), zorder=1)
    axes.vlines(foreseen, low, high, color=SOFT, linewidth=5, zorder=2)
    axes.plot(foreseen, seen, "o", color=ACCENT, markersize=7, markeredgecolor="white", zorder=3)
    axes.set(xlim=(0, reach), ylim=(0, reach), aspect="equal")
    axes.set_xlabel("risk given, mean of the tenth", fontsize=10, color=MUTED)
    axes.set_ylabel("share that left", fontsize=10, color=MUTED)
    _percent(axes)
    slope, error = evaluation.figures["calibration_slope"], evaluation.figures["calibration_error"]
    axes.set_title(
        f"Do the risks come true? · slope {slope.value:.2f}, error {100 * error.value:.1f} points",
        loc="left",
        fontsize=13,
        color=INK,
        pad=26,
    )
    axes.text(0, 1.02, evaluation.note, transform=axes.transAxes, fontsize=9, color=MUTED)
    return _write(picture, path)


def _bins(risk: Floats, label: NDArray[np.bool_], root: NDArray[Any]) -> tuple[Floats, Floats, Floats, Floats]:
    """Mean risk and share left of each tenth of the rows, and the interval of the share."""
    place = np.empty(risk.size, dtype=np.int64)
    place[np.argsort(risk, kind="stable")] = np.arange(risk.size)
    tenth = place * BINS // max(1, risk.size)
    used, tenth = np.unique(tenth, return_inverse=True)
    rows = np.bincount(tenth)
    drawn = np.random.default_rng(7).poisson(1.0, size=(500, int(root.max()) + 1))
    cell = root * used.size + tenth
    cells = (int(root.max()) + 1) * used.size
    left = drawn @ np.bincount(cell, weights=label, minlength=cells).reshape(-1, used.size)
    held = drawn @ np.bincount(cell, minlength=cells).reshape(-1, used.size)
    share = left / np.maximum(held, 1)
    low, high = np.quantile(share, (0.025, 0.975), axis=0)
    return np.bincount(tenth, weights=risk) / rows, np.bincount(tenth, weights=label) / rows, low, high


def _sheet(width: float, height: float) -> tuple["Picture", "Axes"]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Picture

    picture = Picture(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(picture)
    axes = picture.add_subplot()
    axes.set_axisbelow(True)
    axes.grid(color=GRID, linewidth=0.8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GRID)
    axes.tick_params(length=0, labelsize=9, labelcolor=MUTED)
    return picture, axes


def _percent(axes: "Axes") -> None:
    from matplotlib.ticker import PercentFormatter

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _write(picture: "Picture", path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(path, dpi=150, metadata={"Software": None})
    return path
