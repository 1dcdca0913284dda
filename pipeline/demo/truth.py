"""The true risk: what someone could know of a departure who sees the hidden state, and not the future.

The state of every Monday is kept beside the tables (`hidden/risk.parquet`). From it `true_risk` runs the law of the
simulation forward: the hidden conditions by Monte Carlo, given them the chances to leave, to be cut off for unpaid
invoices and to withdraw a notice exactly, as masses. Left out as too rare to matter (together below a hundredth of the
risk): departures after a withdrawn notice, during a lapse or after it, seat changes blocked by a notice.
"""

from dataclasses import fields
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.demo import hazard
from pipeline.demo.dates import FIRST_MONDAY, LAST, NEVER, Floats, Ints, day_number, monday_of, next_billing
from pipeline.demo.hazard import INDUSTRIES, State, Traits
from pipeline.demo.life import Company

REPLICATES: Final = 160
_HIDDEN = Path("hidden") / "risk.parquet"


def write_truth(folder: Path, company: Company, account_ids: list[str]) -> None:
    """Writes the hidden state of each active account on each Monday of the two years to `folder`/hidden."""
    week, account = np.nonzero(company.weekly["paying"][1:])
    week += 1
    traits = company.people.traits
    columns = {"account_id": pa.array(account_ids).take(pa.array(account))}
    columns["as_of"] = pa.array((FIRST_MONDAY + 7 * week).astype("datetime64[D]"))
    for field in fields(Traits):
        columns[field.name] = pa.array(getattr(traits, field.name)[account])
    for name, weeks in company.weekly.items():
        columns[name] = pa.array(weeks[week, account])
    columns["slump"] = pa.array(company.slump[week, traits.industry[account]])
    (folder / _HIDDEN).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / _HIDDEN)


def true_risk(folder: Path, as_of: date, horizon_days: int = 60) -> pd.DataFrame:
    """The probability that each active account churns within the horizon, given the hidden state at `as_of`.

    Churning means to end for good or to return later than the grace of 30 days; for an account under notice it means
    that the notice stands and its last day lies within `[as_of, as_of + horizon_days)`.

    Parameters
    ----------
    folder : the folder that `write_company` filled.
    as_of : a Monday from 2024-11-04 to 2026-11-02.
    horizon_days : days from `as_of` on.

    Returns
    -------
    One row an active account (paying the day before `as_of`, trials apart): `account_id`, `risk` (0 to 1), by account.

    Raises
    ------
    ValueError : `as_of` is no Monday of the two years, for which alone the hidden state is kept.
    """
    day = day_number(as_of)
    if (day - FIRST_MONDAY) % 7 or not FIRST_MONDAY < day <= LAST:
        first, last = (date(1970, 1, 1) + timedelta(days=number) for number in (monday_of(1), LAST))
        raise ValueError(
            f"true_risk: as_of is {as_of}, the hidden state is kept for Mondays from {first} to {last}; ask for one"
        )
    rows = pd.read_parquet(folder / _HIDDEN, filters=[("as_of", "==", as_of)]).sort_values("account_id")
    traits = Traits(**{field.name: rows[field.name].to_numpy() for field in fields(Traits)})
    state = _replicated(rows, traits)
    rng = np.random.default_rng([day, 3])
    risk = _free_risk(state, traits, rows["fail_day"].to_numpy(), day, horizon_days, rng)
    notice_end = rows["notice_end"].to_numpy()
    weeks_to_go = np.maximum((notice_end - day) // 7, 0)
    stands = (1 - hazard.NOTICE_WITHDRAWN_IN_A_WEEK) ** weeks_to_go * (notice_end < day + horizon_days)
    risk = np.where(notice_end < NEVER, stands, risk)
    return pd.DataFrame({"account_id": rows["account_id"].to_numpy(), "risk": risk})


def _replicated(rows: pd.DataFrame, traits: Traits) -> State:
    """The state of the day, once for each replicate."""
    columns = {field.name: rows[field.name].to_numpy() for field in fields(State)}
    slump = np.zeros(len(INDUSTRIES), dtype=bool)
    slump[traits.industry[columns["slump"]]] = True
    columns["slump"] = slump
    return State(**{name: np.broadcast_to(column, (REPLICATES, len(column))) for name, column in columns.items()})


def _free_risk(
    state: State, traits: Traits, fail_day: Ints, as_of: int, horizon_days: int, rng: np.random.Generator
) -> Floats:
    """The risk of accounts that are not under notice: departures at once, announced, and for unpaid invoices."""
    end = as_of + horizon_days
    cut_off = _cut_off(traits, fail_day, as_of, end)
    stays = np.ones(state.slack.shape)
    churned = np.zeros(state.slack.shape)
    for week in range(-(-horizon_days // 7)):
        monday = as_of + 7 * week
        unpaid = stays * cut_off[week]
        leaves = (stays - unpaid) * hazard.voluntary(state, traits, monday)
        churned += unpaid * _inside(monday, end) + leaves * _comes_true(traits, monday, end)
        stays = stays - unpaid - leaves
        state = hazard.advance(state, traits, monday, rng)
    risk: Floats = churned.mean(axis=0)
    return risk


def _inside(monday: int, end: int) -> float:
    """The share of the week's days that lie before `end`."""
    return min(max(end - monday, 0), 7) / 7


def _comes_true(traits: Traits, monday: int, end: int) -> Floats:
    """The probability that a decision of this week ends the account before `end`."""
    renewal = hazard.renewal_after(traits, monday)
    month_end = next_billing(monday + 7, traits.anchor_day)
    share = hazard.NOTICE_SHARE[traits.tier]
    keeps = 1 - hazard.NOTICE_WITHDRAWN_IN_A_WEEK
    announced = keeps ** ((month_end - monday) // 7 - 1) * (month_end < end)
    at_renewal = keeps ** np.maximum((renewal - monday) // 7 - 1, 0) * (renewal < end)
    return np.where(traits.annual, at_renewal, (1 - share) * _inside(monday, end) + share * announced)


def _cut_off(traits: Traits, fail_day: Ints, as_of: int, end: int) -> Floats:
    """For each week, the probability that a paying account is cut off in it, four weeks after a failed payment."""
    weeks = -(-(end - as_of) // 7)
    chance = np.zeros((weeks, len(fail_day)))
    asks_left = 1 - hazard.RECOVERS_IN_A_WEEK
    for week in range(weeks):
        monday = as_of + 7 * week
        failed_from = monday - hazard.DUNNING_DAYS
        failing = (failed_from <= fail_day) & (fail_day < failed_from + 7)
        asks = np.clip((monday - as_of) // 7, 0, 3)
        chance[week] = failing * asks_left**asks
        if failed_from >= as_of:
            due = next_billing(failed_from, traits.anchor_day)
            billed = ~traits.annual & (due < failed_from + 7) & (due > traits.started)
            fails = hazard.PAYMENT_FAILS[traits.shaky_card.astype(np.int64)]
            chance[week] = np.maximum(chance[week], billed * fails * asks_left**3)
    return chance
