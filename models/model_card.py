"""The model card: what a model is, what it was measured to be worth, and where it should not be trusted, in Markdown.

It opens with one sentence that a manager can repeat. Every figure is one of the backtest, with its interval; nothing is
said of a model that was not tested.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import numpy as np

from models.backtest import Backtest
from models.baselines import NOT_LEARNED, list_names
from models.bootstrap import Figure
from models.churn_model import ChurnModel
from models.evaluate import ENOUGH_DEPARTURES, Evaluation
from models.markdown import bullets, table
from models.profit import ASSUMPTIONS
from models.starter import is_starter

__all__ = ["Setting", "model_card", "opening"]

_OF_ORDER: Final = {
    "average_precision": "average precision",
    "auc": "AUC",
    "lift": "lift",
    "recall": "departures on the list",
    "mrr_recall": "their [MONEY] on the list",
    "profit": "profit of a call",
}
_OF_RISK: Final = {
    "brier": "Brier score",
    "brier_skill": "its skill",
    "log_loss": "log loss",
    "calibration_slope": "calibration slope",
    "calibration_error": "calibration error",
}


@dataclass(frozen=True)
class Setting:
    """What the card needs to know of the company: its name and words, the day, and what was read and left out.

    `money` is what amounts are called (MRR), `leaving` what customers did: "left" or "gave notice".
    """

    company: str
    day: date
    money: str
    currency: str
    leaving: str
    tables: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)


def model_card(model: ChurnModel, tested: Backtest | None, setting: Setting) -> str:
    """The card, as Markdown."""
    parts = [f"# Who is about to leave {setting.company}: a model card"]
    if tested is None:
        parts.append("This model has not been tested: the history is too short for a date that it has not seen.")
    else:
        parts.append(opening(tested, setting))
    parts += ["## Data", _data(model, setting)]
    if tested is not None:
        parts += ["## How it was tested", *_test(tested, setting)]
        parts += ["## By segment", *_segments(tested)]
    parts += ["## Limits", _limits(model, tested)]
    return "\n\n".join(part for part in parts if part) + "\n"


def opening(tested: Backtest, setting: Setting) -> str:
    """How many of those that left were on the list in time, and how many the best list without a model would have had.

    Without enough churns it says so; without one that could have been listed in time, that nothing can be said.
    """
    lead = tested.lead_times["model"][0]
    few = "" if tested.model.enough else f" These are too few churns (n = {tested.model.departures}) to judge by."
    if lead.first_on is None or lead.last_on is None:
        return (
            f"No customer that {setting.leaving} was tested {lead.days} days before: nothing is known of warnings.{few}"
        )
    told = f"{lead.mrr:,.0f} {setting.currency} of {setting.money}"
    money = f" ({told})" if lead.mrr > 0 else ""
    simple = {name: tested.lead_times[name][0].found for name in NOT_LEARNED if name in tested.lead_times}
    other = ""
    if simple:
        best = max(simple, key=lambda name: simple[name])
        other = f"; a list of equal length {_called(best, setting)} would have had {simple[best]}"
    return (
        f"Of {lead.departures:,} customer{'' if lead.departures == 1 else 's'} who {setting.leaving} between "
        f"{lead.first_on:%-d %B %Y} and {lead.last_on:%-d %B %Y}{money} and had been looked at {lead.days} days before "
        f"or earlier, {lead.found:,} {'was' if lead.found == 1 else 'were'} on the list by then{other}.{few}"
    )


def _data(model: ChurnModel, setting: Setting) -> str:
    about = model.about
    lead = f", from {about['lead_days']} days ahead" if about["lead_days"] else ""
    within = f"within {about['horizon_days']} days{lead}"
    gives = f"It gives the probability that a customer leaves {within}."
    bands = (
        f"Left, of the snapshots of the last year: {_percent(model.bands.base_rate)}. Medium risk begins at "
        f"{_percent(model.bands.medium)}, high risk at {_percent(model.bands.high)}."
    )
    if is_starter(model):
        gives, bands = f"It orders customers by how likely they leave {within}, and claims no probabilities.", ""
    lines = [
        f"Trained on {setting.day}. {gives}",
        *_learned(model),
        *_horizons(model),
        *([bands] if bands else []),
        *(f"{name}: {rows}" for name, rows in setting.tables.items()),
        *(f"left out, {reason}: {count:,}" for reason, count in setting.left_out.items()),
    ]
    return bullets(lines)


def _learned(model: ChurnModel) -> list[str]:
    """What it learned from and what it is."""
    about = model.about
    adds = "log-odds are a base plus one contribution a feature, and nothing else."
    if is_starter(model):
        return [f"A starter model: {about['note']} {adds[0].upper()}{adds[1:]}"]
    fit, seeds = about["fit"], about["fit"]["parameters"]["bag"]
    return [
        f"Learned from {fit['rows']:,} snapshots of {fit['accounts']:,} accounts, {about['first_as_of']} to "
        f"{about['last_as_of']}, with {fit['departures']:,} departures, by {len(model.features)} features.",
        f"{'' if seeds == 1 else f'{seeds} × '}{about['rounds']} boosted trees (LightGBM), calibrated by a line in "
        f"log-odds; {adds}",
    ]


def _horizons(model: ChurnModel) -> list[str]:
    """The further horizons, what each was learned from, and why others are not given."""
    lines = []
    for days, factor in sorted(model.factors.items()):
        fit = factor.about["fit"]
        lines.append(
            f"Also within {days} days, the risk times or plus a factor that tells early from late: it was learned from "
            f"{fit['rows']:,} snapshots with {fit['departures']:,} departures, and tells them apart with an AUC of "
            f"{fit['out_of_fold']['auc']:.3f} on those it had not seen. It has no part in the backtest."
        )
    return [*lines, *model.about.get("horizons_left_out", {}).values()]


def _test(tested: Backtest, setting: Setting) -> list[str]:
    model, folds = tested.model, tested.folds
    how = f"{len(folds)} models, each trained on what was known on its first test date"
    parts = [
        f"{model.note}. {how if folds else 'Rules learn from nobody, so every known label is a test'}; "
        f"{model.capacity} accounts on each list. Intervals are 95 %, drawn over root accounts.",
        *_graded(tested, setting),
        _comparison(tested, _OF_ORDER, setting),
        f"Lift: how many times the base rate the listed leave. Profit of a call, in {setting.currency}: {ASSUMPTIONS}. "
        "That compares lists; what calls really bring has to be measured.",
        _comparison(tested, _OF_RISK, setting),
        "Given and seen, from the lowest tenth of the risks to the highest:",
        table(
            ["risk given", "share that left", "rows"],
            [[_percent(point.risk), _share(point.share), f"{point.rows:,}"] for point in tested.calibration_curve],
        ),
        "On a list so long before they left, of those tested then (and not more than 180 days before):",
        _lead_times(tested, setting),
        *_leavers(tested),
    ]
    return parts


def _leavers(tested: Backtest) -> list[str]:
    """By why they left, where that is on record."""
    if not tested.leavers:
        return []
    days = [f"{lead.days} days before" for lead in tested.lead_times["model"]]
    rows = [
        [
            reason,
            f"{found.departures:,}",
            _share(found.recall),
            *(f"{lead.found} of {lead.departures}" if lead.departures else "" for lead in found.lead_times),
        ]
        for reason, found in tested.leavers.items()
    ]
    return [
        "By the reason on record. Who leaves involuntarily was cut off: a payment reminder, not a call. Of the model:",
        table(["reason", "churns", "on the list", *days], rows),
    ]


def _graded(tested: Backtest, setting: Setting) -> list[str]:
    found = tested.grade
    if found is None:
        return []
    return [
        f"**Grade: {found.word}.** Its average precision less that of the best baseline, the list "
        f"{_called(found.baseline, setting)}: {found.skill}."
    ]


def _comparison(tested: Backtest, titles: Mapping[str, str], setting: Setting) -> str:
    """Model and baselines below one another, without columns that hold no figure."""
    judged = {"model": tested.model} | {_called(name, setting): each for name, each in tested.baselines.items()}
    judged = {name: each for name, each in judged.items() if each.figures.keys() & titles}
    shown = [key for key in titles if any(_known(each, key) for each in judged.values())]
    rows = [
        [name, *(str(each.figures[key]) if _known(each, key) else "" for key in shown)]
        for name, each in judged.items()
        if any(_known(each, key) for key in shown)
    ]
    return table(["list", *(titles[key].replace("[MONEY]", setting.money) for key in shown)], rows)


def _lead_times(tested: Backtest, setting: Setting) -> str:
    days = [f"{lead.days} days" for lead in tested.lead_times["model"]]
    rows = []
    for name, leads in tested.lead_times.items():
        told = [f"{lead.found} of {lead.departures}: {_share(lead.share)}" if lead.departures else "" for lead in leads]
        rows.append([_called(name, setting), *told])
    return table(["list", *days], rows)


def _segments(tested: Backtest) -> list[str]:
    if not tested.segments:
        return ["The tables tell no groups apart that were known on the test dates."]
    parts = [
        f"Of the model, on the lists of the whole company. Below {ENOUGH_DEPARTURES} churns read the intervals only."
    ]
    for column, groups in tested.segments.items():
        rows = [
            [
                name,
                f"{found.departures:,}",
                _share(found.figures["base_rate"]),
                _percent(found.figures["mean_risk"].value),
                *(str(found.figures[key]) if _known(found, key) else "" for key in ("auc", "average_precision")),
                _share(found.figures["recall"]) if _known(found, "recall") else "",
            ]
            for name, found in groups.items()
        ]
        title = column.replace("_", " ")
        parts.append(
            table([title, "churns", "left", "risk given", "AUC", "average precision", "departures on the list"], rows)
        )
    return parts


def _limits(model: ChurnModel, tested: Backtest | None) -> str:
    lines = [
        *([] if is_starter(model) else [_how_fitted(model)]),
        "It tells who leaves, not why, and not whom a call would keep. Reasons say what moved the number.",
        "A customer that announces nothing in the tables cannot be found.",
        "It holds as long as customers leave as they did: watch the risks given against those that come true.",
    ]
    if tested is not None:
        weak = [f"{column.replace('_', ' ')} {name}" for column, name, found in _groups(tested) if _is_chance(found)]
        if weak:
            lines.append(f"No better than chance can be shown for: {', '.join(weak)}.")
    if model.about.get("few_departures"):
        lines.append("It learned from few departures: trees are small, and risks are drawn towards the average.")
    return bullets(lines)


def _how_fitted(model: ChurnModel) -> str:
    if (twin := model.about.get("twin")) is not None:
        return (
            f"This is the gate twin of version {twin['of']}: the same recipe, without the labels of the snapshots from "
            f"{twin['opens']} on, by which the gate judged it. Fitted again with them it ranked accounts otherwise "
            f"(rank correlation {twin['agreement']:.2f}), so what was tested is what is used."
        )
    return (
        "The model that is used was refitted on all known labels: it has no test of its own. What was tested is the "
        "recipe, on models of earlier dates."
    )


def _groups(tested: Backtest) -> Iterable[tuple[str, str, Evaluation]]:
    return ((column, name, found) for column, groups in tested.segments.items() for name, found in groups.items())


def _is_chance(found: Evaluation) -> bool:
    return not found.figures["auc"].low > 0.5


def _called(name: str, setting: Setting) -> str:
    return list_names(setting.money).get(name, name)


def _known(found: Evaluation, key: str) -> bool:
    return key in found.figures and not np.isnan(found.figures[key].value)


def _share(figure: Figure) -> str:
    """A share in per cent with its interval."""
    return f"{_percent(figure.value)} ({100 * figure.low:.1f} to {100 * figure.high:.1f})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
