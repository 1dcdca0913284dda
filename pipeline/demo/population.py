"""Who the accounts are before anything happens to them: size, place, plan, price and the start of their terms.

Every account that might be needed has a slot: those there on the first day, then those that may arrive, then trials
that never buy. `life.py` fills the slots; slots left empty are dropped.
"""

from dataclasses import dataclass, fields, replace
from typing import Final, Self

import numpy as np

from pipeline.demo.dates import FIRST, FIRST_MONDAY, LAST, NEVER, Flags, Floats, Ints, anchor_of
from pipeline.demo.hazard import INDUSTRIES, LARGE, MIDDLE, SMALL, Traits

PLANS: Final = ("Starter", "Team", "Business", "Enterprise")
PRICE_PER_SEAT: Final = np.array([29.0, 36.0, 45.0, 58.0])
COUNTRIES: Final = ("GB", "IE", "US", "CA", "AU", "NZ", "NL", "CN", "HK", "SG")
COUNTRY_SHARE: Final = (0.34, 0.07, 0.19, 0.06, 0.1, 0.03, 0.05, 0.1, 0.03, 0.03)
CHINESE_COUNTRIES: Final = tuple(COUNTRIES.index(country) for country in ("CN", "HK", "SG"))

TIER_SHARE: Final = (0.75, 0.2, 0.05)
FIRST_SHARE: Final = 0.93
"""How many of the accounts of the last night there were on the first day."""
ARRIVALS_AT_MOST: Final = (1.35, 0.75, 0.5)
"""Slots for arrivals within the two years, by tier, as a share of the accounts of the last night."""
TRIALS_WITHOUT_SALE: Final = 0.16
TRIAL_DAYS: Final = 14


@dataclass(frozen=True)
class Population:
    """One entry an account, in every field. `started` is NEVER until an account has arrived."""

    traits: Traits
    initial: Flags
    trial_only: Flags
    has_trial: Flags
    country: Ints
    chinese: Flags
    plan: Ints
    seats: Ints
    price: Floats  # a seat and month
    created: Ints
    utilisation: Floats  # share of the seats given to people
    busy: Floats  # how much these people do, against others
    unused: Flags  # paid for and never opened

    def take(self, rows: Ints) -> Self:
        """The accounts at `rows`, in that order."""
        traits = Traits(**{field.name: getattr(self.traits, field.name)[rows] for field in fields(Traits)})
        rest = {field.name: getattr(self, field.name)[rows] for field in fields(self) if field.name != "traits"}
        return replace(self, traits=traits, **rest)

    def __len__(self) -> int:
        return len(self.initial)


def targets(accounts: int) -> Ints:
    """Accounts to be active on the last night, by tier; they add up to `accounts`."""
    middle, large = round(accounts * TIER_SHARE[MIDDLE]), round(accounts * TIER_SHARE[LARGE])
    return np.array([accounts - middle - large, middle, large], dtype=np.int64)


def _even(rng: np.random.Generator, count: int) -> Floats:
    """Numbers spread evenly over 0 to 1 in random order: their mean hardly differs between seeds."""
    return rng.permutation((np.arange(count) + rng.random(count)) / max(count, 1))


def _mrr(tier: int, share: Floats) -> Floats:
    """MRR by the account's place (0 to 1) within its tier; skewed, as sizes of companies are."""
    low, high, skew = ((62.0, 535.0, 0.95), (660.0, 3400.0, 1.15), (4450.0, 31000.0, 2.15))[tier]
    return low * (high / low) ** (share**skew)


def _plan(mrr: Floats, rng: np.random.Generator) -> Ints:
    """The plan that companies of this MRR tend to buy."""
    taste = mrr * np.exp(rng.normal(0.0, 0.45, len(mrr)))
    return np.searchsorted(np.array([190.0, 1300.0, 6000.0]), taste).astype(np.int64)


def populate(accounts: int, rng: np.random.Generator) -> Population:
    """Slots for a company that ends with `accounts` active accounts."""
    tier, initial, trial_only = _slots(accounts)
    count = len(tier)
    mrr = np.empty(count)
    for size in (SMALL, MIDDLE, LARGE):
        for group in ((tier == size) & initial, (tier == size) & ~initial):
            mrr[group] = _mrr(size, _even(rng, int(group.sum())))
    plan = _plan(mrr, rng)
    price = PRICE_PER_SEAT[plan] * np.exp(rng.normal(0.0, 0.08, count))
    seats = np.maximum(np.rint(mrr / price), 1).astype(np.int64)
    price = np.round(mrr / seats, 2)
    country = rng.choice(len(COUNTRIES), count, p=COUNTRY_SHARE)
    annual = (tier == LARGE) | ((tier == MIDDLE) & (rng.random(count) < 0.5))
    started, created = _beginnings(initial, trial_only, rng)
    month, day = anchor_of(np.where(initial, started, 0))
    poor_share = np.where(initial, 0.12, np.array([0.27, 0.16, 0.1])[tier])
    traits = Traits(
        tier=tier,
        industry=rng.choice(len(INDUSTRIES), count, p=(0.2, 0.13, 0.14, 0.1, 0.13, 0.12, 0.1, 0.08)),
        annual=annual,
        auto_renews=~annual | (rng.random(count) < 0.62),
        anchor_month=month,
        anchor_day=day,
        fit=np.clip(rng.normal(0.0, 0.32, count), -1.0, 1.0),
        poor_start=rng.random(count) < poor_share,
        shaky_card=rng.random(count) < 0.2,
        started=started,
    )
    return Population(
        traits=traits,
        initial=initial,
        trial_only=trial_only,
        has_trial=~initial & (trial_only | (rng.random(count) < np.array([0.55, 0.25, 0.0])[tier])),
        country=country,
        chinese=np.isin(country, CHINESE_COUNTRIES) & (rng.random(count) < 0.85),
        plan=plan,
        seats=seats,
        price=price,
        created=created,
        utilisation=np.minimum(rng.beta(9.0, 2.2, count) * np.exp(-0.45 * traits.fit), 1.0),
        busy=np.exp(rng.normal(0.0, 0.4, count)),
        unused=rng.random(count) < 0.014,
    )


def _slots(accounts: int) -> tuple[Ints, Flags, Flags]:
    """Tier of every slot, and whether it is there on the first day or a trial that never buys."""
    wanted = targets(accounts)
    first = np.rint(FIRST_SHARE * wanted).astype(np.int64)
    later = np.ceil(wanted * np.array(ARRIVALS_AT_MOST)).astype(np.int64) + 20
    trials = round(TRIALS_WITHOUT_SALE * accounts)
    tiers = np.arange(3)
    tier = np.concatenate([np.repeat(tiers, first), np.repeat(tiers, later), np.zeros(trials, dtype=np.int64)])
    order = np.arange(len(tier))
    return tier, order < first.sum(), order >= first.sum() + later.sum()


def _beginnings(initial: Flags, trial_only: Flags, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Start of the run of terms, and the account's own creation; NEVER where the simulation decides."""
    count = len(initial)
    oldest = 1 - np.exp(-3.0)
    tenure = (-800.0 * np.log(1 - oldest * rng.random(count))).astype(np.int64) + 3
    started = np.where(initial, np.minimum(FIRST - tenure, FIRST_MONDAY - 1), NEVER)
    opened = np.where(initial, started - rng.integers(0, 12, count), NEVER)
    trial_from = rng.integers(FIRST + 3, LAST - 1, count)
    return started, np.where(trial_only, trial_from, opened)
