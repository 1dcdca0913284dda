"""The hidden hazard: what moves customers to leave, week by week, as log-odds that add up.

One `State` holds the hidden condition of every account on a Monday midnight. `advance` moves it on by a week,
`voluntary` is the probability that the account decides to leave within the week, given the state and nothing later. The
simulation (`life.py`) and the truth (`truth.py`) call the same two functions, so a true risk is the law by which the
outcomes were drawn, and no table may depend on anything that the state of its own week does not hold.

Arrays end in the axis of the accounts; the truth puts an axis of replicates before it.
"""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from pipeline.demo.dates import Flags, Floats, Ints, next_yearly

SMALL, MIDDLE, LARGE = 0, 1, 2
"""The tiers: the size for which an account was sold. Its segment in the tables follows its MRR."""

INDUSTRIES: Final = (
    "dental clinic",
    "veterinary clinic",
    "medical clinic",
    "pharmacy",
    "grocery",
    "fashion shop",
    "warehouse",
    "parcel depot",
)

MONTHLY_BASE: Final = np.array([-6.67, -7.68, -8.5])
"""Log-odds of leaving within a week, by tier, for a contented account on monthly terms."""
ANNUAL_BASE: Final = np.array([-3.8, -4.7, -5.2])
"""Log-odds of giving notice in one of the three weeks in which annual contracts decide, by tier."""
SILENT_EXTRA: Final = 1.15
"""Contracts that do not renew by themselves decide once, in the week of the renewal: three weeks' log-odds in one."""

SLACK_EFFECT: Final = 3.4
ANGER_EFFECT: Final = 2.7
ORPHANED_EFFECT: Final = 2.2
INTENT_EFFECT: Final = 2.7
POOR_START_EFFECT: Final = 2.1
SLUMP_EFFECT: Final = 1.0
POOR_START_WEEKS: Final = 30
SHOCK_EFFECT_OF_15_PER_CENT: Final = 1.9

NOTICE_WEEKS: Final = (5, 7)
"""First and last whole week before the renewal in which notice is given: 30 to 55 days ahead."""
FIRST_RENEWAL_AFTER: Final = 300
"""Days a term has run before its yearly date counts as a renewal or brings a price review."""

DUNNING_DAYS: Final = 28
RECOVERS_IN_A_WEEK: Final = 0.4
NOTICE_WITHDRAWN_IN_A_WEEK: Final = 0.035
NOTICE_SHARE: Final = np.array([0.22, 0.5, 0.5])
"""Share of the departures on monthly terms, by tier, that are announced and wait for the end of the month paid."""
PAYMENT_FAILS: Final = np.array([0.006, 0.05])
"""Probability that a monthly payment fails, with a sound and with a shaky card."""


@dataclass(frozen=True)
class Traits:
    """What stays as it is about each account, and the start of its present run of terms (a day)."""

    tier: Ints
    industry: Ints
    annual: Flags
    auto_renews: Flags
    anchor_month: Ints
    anchor_day: Ints
    fit: Floats  # log-odds of leaving, for good: above 0 where the product fits badly
    poor_start: Flags
    shaky_card: Flags
    started: Ints


@dataclass(frozen=True)
class State:
    """The hidden condition of each account on a Monday; `slump` has an entry for each industry instead."""

    declining: Flags
    slack: Floats
    troubled: Flags
    anger: Floats
    orphaned: Flags
    intent: Flags
    shock: Floats
    growth: Floats
    slump: Flags
    rise: Floats  # of the price, at this week's yearly review
    seat_move: Ints  # -1, 0, +1: seats given back or added in the week before this Monday


def contented(shape: tuple[int, ...]) -> State:
    """A state in which nothing is wrong, for accounts of the given shape."""
    none, nothing = np.zeros(shape, dtype=bool), np.zeros(shape)
    calm = np.zeros((*shape[:-1], len(INDUSTRIES)), dtype=bool)
    still = np.zeros(shape, dtype=np.int64)
    return State(none, nothing, none, nothing, none, none, nothing, nothing, calm, nothing, still)


def reset(state: State, who: Flags) -> State:
    """The state with the accounts in `who` contented again: they have just begun, or have come back."""
    fresh = {
        field.name: np.where(who, np.zeros((), dtype=getattr(state, field.name).dtype), getattr(state, field.name))
        for field in fields(state)
        if field.name != "slump"
    }
    return State(**fresh, slump=state.slump)


def pressure(state: State, traits: Traits, monday: int) -> Floats:
    """Log-odds added by everything but the intent to leave itself."""
    age = np.clip((monday - traits.started) / (7 * POOR_START_WEEKS), 0, 1)
    return (
        traits.fit
        + SLACK_EFFECT * state.slack
        + ANGER_EFFECT * state.anger
        + ORPHANED_EFFECT * state.orphaned
        + POOR_START_EFFECT * traits.poor_start * (1 - age)
        + SLUMP_EFFECT * state.slump[..., traits.industry]
        + state.shock
        - state.growth
    )


def renewal_after(traits: Traits, monday: int) -> Ints:
    """The next yearly date on or after `monday` that renews the contract or reviews the price."""
    earliest = np.maximum(monday, traits.started + FIRST_RENEWAL_AFTER)
    return next_yearly(earliest, traits.anchor_month, traits.anchor_day)


def voluntary(state: State, traits: Traits, monday: int) -> Floats:
    """Probability that an account not under notice decides to leave in the week from `monday` on.

    On monthly terms this may be any week. Annual contracts decide some weeks before the renewal, when notice is due, or
    at the renewal itself where the contract does not renew by itself.
    """
    log_odds = pressure(state, traits, monday) + INTENT_EFFECT * state.intent
    weeks_left = (renewal_after(traits, monday) - monday) // 7
    first, last = NOTICE_WEEKS
    notice_due = traits.auto_renews & (first <= weeks_left) & (weeks_left <= last)
    silent = ~traits.auto_renews & (weeks_left == 0)
    base = np.where(traits.annual, ANNUAL_BASE[traits.tier] + SILENT_EXTRA * silent, MONTHLY_BASE[traits.tier])
    decides = ~traits.annual | notice_due | silent
    chance: Floats = decides / (1 + np.exp(-(base + log_odds)))
    return chance


def advance(state: State, traits: Traits, monday: int, rng: np.random.Generator) -> State:
    """The state on the Monday after, for accounts that are still there."""
    shape = state.slack.shape
    draw = rng.random((8, *shape))
    others = pressure(state, traits, monday)

    declining = np.where(state.declining, draw[0] > 0.055, draw[0] < 0.0062)
    slack = np.where(declining, state.slack + 0.22 * (0.85 - state.slack), 0.75 * state.slack)
    troubled = np.where(state.troubled, draw[1] > 0.2, draw[1] < 0.0095)
    anger = np.where(troubled, state.anger + 0.35 * (1 - state.anger), 0.86 * state.anger)
    orphaned = np.where(state.orphaned, draw[2] > 0.08, draw[2] < 0.0028)
    intent = np.where(state.intent, draw[3] > 0.13, draw[3] < 0.004 * np.exp(np.clip(0.55 * others, -1, 2.2)))

    reviewed = renewal_after(traits, monday) < monday + 7
    steep = draw[4] < 0.17
    rise = np.where(steep, 0.1 + 0.18 * draw[5], np.where(draw[4] < 0.6, 0.02 + 0.03 * draw[5], 0.0)) * reviewed
    felt = np.where(traits.annual, 0.0, SHOCK_EFFECT_OF_15_PER_CENT * (rise / 0.15) * (rise > 0.08))
    shock = np.maximum(0.92 * state.shock, felt)

    gives_back = draw[6] < 0.0035 + 0.012 * slack
    adds = ~gives_back & (draw[7] < 0.0062 * (1 - slack) * (1 - 0.6 * intent))
    growth = np.where(adds, 0.7, 0.95 * state.growth)
    seat_move = np.where(gives_back, -1, adds.astype(np.int64))

    turn = rng.random(state.slump.shape)
    slump = np.where(state.slump, turn > 1 / 18, turn < 1 / 170)
    return State(declining, slack, troubled, anger, orphaned, intent, shock, growth, slump, rise, seat_move)
