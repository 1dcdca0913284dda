"""A training frame whose true risk is known: accounts with a drifting mood, of which some leave, seen every 28 days."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from features.catalogue import Family, Feature, Wording
from models.churn_model import ChurnModel
from models.fit_report import FitReport
from models.training import fit

STEP = 28

FEATURES = (
    Feature(
        "use_change",
        Family.USAGE,
        "share",
        "use against their own usual",
        words={
            "raises": Wording(
                "Use is {use_change:percent} of {use_usual:n}.", "用量是 {use_usual:n} 的 {use_change:percent}。"
            )
        },
        direction=-1,
    ),
    Feature("use_usual", Family.USAGE, "days", "days of use that are normal for them"),
    Feature("open_tickets", Family.SUPPORT, "tickets", "tickets open now", direction=1),
    Feature("days_to_renewal", Family.CONTRACT, "days", "days until the term renews", clock=True),
    Feature("plan", Family.PROFILE, "word", "the plan they pay for", kind="category"),
    Feature("noise", Family.PAGES, "number", "says nothing"),
)

FACT = Feature("use_before", Family.USAGE, "days", "days of use before, of which only a sentence speaks", learned=False)


@dataclass(frozen=True)
class KnownRisk:
    frame: pd.DataFrame
    true_risk: np.ndarray  # (rows,) chance of leaving in the 28 days from as_of, given the state on that date
    horizon_days: int


def known_risk(
    accounts: int = 600, snapshots: int = 12, *, level: float = -3.6, steps: int = 1, seed: int = 1
) -> KnownRisk:
    """Snapshots with known labels, `steps` of 28 days ahead, sorted by (as_of, account_id).

    Every 28 days each account's mood moves, and it leaves with a chance that its mood, tickets and plan decide. With
    one step a label looks ahead exactly as far as the true risk; with two, labels of neighbouring snapshots overlap.
    """
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2025-01-06")
    account = np.array([f"A-{i:05d}" for i in range(accounts)])
    root = np.array([f"R-{i:05d}" for i in rng.integers(0, max(1, accounts * 4 // 5), accounts)])
    plan = rng.choice(np.array(["basic", "plus", "pro"], dtype=object), accounts, p=[0.5, 0.3, 0.2])
    mrr = np.round(np.exp(rng.normal(5.5, 1.0, accounts)), 2)
    usual = rng.integers(5, 25, accounts).astype(float)
    mood = rng.normal(size=accounts)
    left_on = np.full(accounts, np.datetime64("NaT", "s"))
    frames, true = [], []
    for step in range(snapshots + steps - 1):
        as_of = start + pd.Timedelta(days=STEP * step)
        mood = 0.7 * mood + 0.7 * rng.normal(size=accounts)
        tickets = rng.poisson(0.7, accounts).astype(float)
        chance = 1 / (1 + np.exp(-(level - 1.2 * mood + 0.7 * np.minimum(tickets, 3) + 0.8 * (plan == "basic"))))
        here = np.isnat(left_on)
        day = (as_of + pd.to_timedelta(rng.integers(0, STEP, accounts), unit="D")).to_numpy("datetime64[s]")
        left_on = np.where(here & (rng.random(accounts) < chance), day, left_on)
        state = {
            "account_id": account,
            "root_id": root,
            "as_of": as_of,
            "mrr": mrr,
            "use_change": np.where(rng.random(accounts) < 0.05, np.nan, 1.0 + 0.3 * mood),
            "use_usual": usual,
            "open_tickets": tickets,
            "days_to_renewal": rng.integers(0, 365, accounts).astype(float),
            "plan": plan,
            "noise": rng.normal(size=accounts),
        }
        frames.append(pd.DataFrame(state)[here])
        true.append(chance[here])
    frame = pd.concat(frames[:snapshots], ignore_index=True)
    churn_on = frame["account_id"].map(dict(zip(account, left_on, strict=True))).astype("datetime64[s]")
    label = churn_on.notna() & (churn_on < frame["as_of"] + pd.Timedelta(days=STEP * steps))
    frame.insert(3, "label", label)
    frame.insert(4, "churn_on", churn_on.where(label))
    frame.insert(5, "later_churn_on", churn_on.where(~label))
    return KnownRisk(frame, np.concatenate(true[:snapshots]), STEP * steps)


@cache
def trained() -> tuple[KnownRisk, ChurnModel, FitReport]:
    """A model that several tests look at, with what it was trained on."""
    known = known_risk(800, 12)
    model, report = fit(known.frame, FEATURES, need_days=known.horizon_days, horizon_days=known.horizon_days, threads=1)
    return known, model, report
