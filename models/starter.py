"""The starter model: the health score as a model, for a company where too few have left to learn from.

Night, console and export treat it like any other. Each rule of the table becomes trees of one split, ten steps up its
ramp, so that exact contributions, families and their sum come from the same code as a learned model's. Nothing in it is
learned but two things: the level, and how often each warning is found among today's customers, which is what a
contribution is measured against.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import Feature, mentions
from models.bands import Bands
from models.calibration import Calibration, probability
from models.churn_model import ChurnModel
from models.errors import NoRule
from models.health_score import RULES, Rule

__all__ = ["NEEDED_DEPARTURES", "expected_rate", "is_starter", "starter_model"]

Floats = NDArray[np.float64]

NEEDED_DEPARTURES: Final = 100
"""Departures with known labels before a learned model may take the rules' place."""

STEPS: Final = 10
DAYS_IN_MONTH: Final = 30.4375

_LEFT_IF_MISSING: Final = 2 | 8  # bits of LightGBM's decision_type: numerical, NaN is missing, missing goes left
_RIGHT_IF_MISSING: Final = 8


def is_starter(model: ChurnModel) -> bool:
    """Whether the model is made of rules."""
    return "starter" in model.about


def expected_rate(monthly_rate: float, horizon_days: int) -> float:
    """Share that leaves within the horizon where `monthly_rate` leave in a month.

    >>> round(expected_rate(0.03, 60), 4)
    0.0583
    """
    return float(1.0 - (1.0 - monthly_rate) ** (horizon_days / DAYS_IN_MONTH))


def starter_model(
    customers: pd.DataFrame,
    catalogue: Sequence[Feature],
    *,
    rate: float,
    horizon_days: int,
    lead_days: int = 0,
    departures: int = 0,
    multiples: tuple[float, float] = (2.0, 4.0),
) -> ChurnModel:
    """The rules whose features the catalogue holds, at a level at which `customers` leave at `rate` on average.

    Parameters
    ----------
    customers : one row an account, with as_of and a column for each feature.
    rate : share expected to leave within the horizon, between 0 and 1.
    departures : those with known labels, which did not suffice.
    multiples : of the base odds, where the bands medium and high begin.

    Raises `NoRule` where no rule applies.
    """
    by_name = {feature.name: feature for feature in catalogue if feature.learned}
    rules = [rule for rule in RULES if rule.feature in by_name and rule.feature in customers]
    if not rules:
        raise NoRule(
            f"None of the {len(RULES)} rules applies: the tables have none of the features they read "
            f"({', '.join(rule.feature for rule in RULES)}). Bring one of the tables they come from; see: churn check."
        )
    features = tuple(by_name[rule.feature] for rule in rules)
    values = [customers[rule.feature].to_numpy(np.float64, na_value=np.nan) for rule in rules]
    text = _booster_text(rules, values)
    score = sum((rule.weight * _steps(rule, value).mean(axis=1) for rule, value in zip(rules, values, strict=True)))
    day = str(customers["as_of"].max())[:10]
    return ChurnModel(
        booster_text=text,
        features=features,
        categories={},
        calibration=Calibration(1.0, _level(np.asarray(score), rate)),
        medians={rule.feature: _usual(rule, value) for rule, value in zip(rules, values, strict=True)},
        bands=Bands.from_base_rate(rate, *multiples),
        facts=_spoken_of(features, catalogue),
        about={
            "first_as_of": day,
            "last_as_of": day,
            "horizon_days": horizon_days,
            "lead_days": lead_days,
            "need_days": 0,
            "starter": {"departures": departures, "needed": NEEDED_DEPARTURES, "rules": len(rules)},
            "note": _note(len(rules), departures),
        },
    )


def _note(rules: int, departures: int) -> str:
    if departures < NEEDED_DEPARTURES:
        seen = f"{departures} of the {NEEDED_DEPARTURES} departures that a learned model needs have been seen."
    else:
        seen = f"{departures:,} departures have been seen, enough for a learned model, and none has been better yet."
    return f"{rules} rules with weights fixed beforehand; {seen}"


def _spoken_of(features: Sequence[Feature], catalogue: Sequence[Feature]) -> tuple[Feature, ...]:
    """What the sentences of the rules mention besides."""
    names = {name for feature in features for words in feature.words.values() for name in mentions(words)}
    used = {feature.name for feature in features}
    return tuple(feature for feature in catalogue if feature.name in names and feature.name not in used)


def _thresholds(rule: Rule) -> Floats:
    """(STEPS,) where each tenth of the rule begins to count: in the middle of its part of the ramp."""
    middles = (np.arange(STEPS) + 0.5) / STEPS
    return np.asarray(rule.begins + middles * (rule.full - rule.begins), dtype=np.float64)


def _steps(rule: Rule, value: Floats) -> Floats:
    """(accounts, STEPS) which tenths of the rule count: 0 or 1; where the value is missing, as the rule has it."""
    edges = _thresholds(rule)
    beyond = value[:, None] > edges if rule.full > rule.begins else value[:, None] <= edges
    return np.where(np.isnan(value)[:, None], rule.missing >= 0.5, beyond).astype(np.float64)


def _usual(rule: Rule, value: Floats) -> float:
    """The value at which the rule counts as much as it does on average, so that more of it raises and less lowers."""
    return float(rule.begins + _steps(rule, value).mean() * (rule.full - rule.begins))


def _level(score: Floats, rate: float) -> float:
    """The intercept with which the mean risk is the rate, by bisection: the mean rises with it."""
    low, high = -50.0, 50.0
    for _ in range(100):
        middle = (low + high) / 2.0
        low, high = (middle, high) if float(probability(score + middle).mean()) < rate else (low, middle)
    return (low + high) / 2.0


def _booster_text(rules: Sequence[Rule], values: Sequence[Floats]) -> str:
    """The rules as LightGBM writes trees.

    In LightGBM a value goes left when it is at most the threshold. `leaf_count` says how many of today's customers lie
    on either side, which is what TreeSHAP takes the expectation over (Lundberg, Erion and Lee, arXiv:1802.03888).
    """
    trees: list[str] = []
    for place, (rule, value) in enumerate(zip(rules, values, strict=True)):
        steps = _steps(rule, value)
        for threshold, counts in zip(_thresholds(rule), steps.T, strict=True):
            trees.append(_stump(len(trees), place, rule, float(threshold), int(counts.sum()), len(counts)))
    head = {
        "version": "v4",
        "num_class": 1,
        "num_tree_per_iteration": 1,
        "label_index": 0,
        "max_feature_idx": len(rules) - 1,
        "objective": "binary sigmoid:1",
        "feature_names": " ".join(rule.feature for rule in rules),
        "feature_infos": " ".join(_reach(value) for value in values),
        "tree_sizes": " ".join(str(len(tree)) for tree in trees),
    }
    return f"tree\n{_lines(head)}\n{''.join(trees)}end of trees\n\nparameters:\nend of parameters\n"


def _stump(number: int, feature: int, rule: Rule, threshold: float, counting: int, accounts: int) -> str:
    """A tree that gives a tenth of the rule's weight on the side that counts, and nothing on the other."""
    rises, tenth = rule.full > rule.begins, rule.weight / STEPS
    missing_left = (rule.missing >= 0.5) != rises
    # TreeSHAP divides by these: one account more on either side, where all of today's lie on the other.
    counting, accounts = counting + 1, accounts + 2
    left, right = ((0.0, accounts - counting), (tenth, counting))[:: 1 if rises else -1]
    return "\n".join(
        [
            f"Tree={number}",
            _lines(
                {
                    "num_leaves": 2,
                    "num_cat": 0,
                    "split_feature": feature,
                    "split_gain": 1,
                    "threshold": repr(threshold),
                    "decision_type": _LEFT_IF_MISSING if missing_left else _RIGHT_IF_MISSING,
                    "left_child": -1,
                    "right_child": -2,
                    "leaf_value": f"{left[0]!r} {right[0]!r}",
                    "leaf_weight": f"{left[1]} {right[1]}",
                    "leaf_count": f"{left[1]} {right[1]}",
                    "internal_value": repr(tenth * counting / accounts),
                    "internal_weight": accounts,
                    "internal_count": accounts,
                    "is_linear": 0,
                    "shrinkage": 1,
                }
            ),
            "\n",
        ]
    )


def _reach(value: Floats) -> str:
    seen = value[np.isfinite(value)]
    return f"[{float(seen.min())!r}:{float(seen.max())!r}]" if seen.size else "none"


def _lines(pairs: dict[str, Any]) -> str:
    return "".join(f"{name}={value}\n" for name, value in pairs.items())
