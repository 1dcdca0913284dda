"""Invoices: monthly or yearly, paid at once by card, days or weeks later, failed, chased and written off."""

from typing import Final

import numpy as np

from pipeline.demo import versions
from pipeline.demo.dates import DAY, FIRST, LAST, NEVER, Flags, Floats, Ints, next_billing
from pipeline.demo.events import END, START
from pipeline.demo.life import Company
from pipeline.demo.tables import Columns, Words
from pipeline.demo.terms import Terms

LATE_PAYERS: Final = 0.12
_ASKED_AGAIN: Final = np.array([0.02, 0.35])
"""Share of the card payments that succeed some days late, with a sound and with a shaky card."""


def invoices(company: Company, terms: Terms, account_ids: list[str], rng: np.random.Generator) -> Columns:
    """The table: versions at the issue, the failed payment, the payment and the write-off."""
    account, issued, amount = _issued(company, terms)
    count = len(account)
    traits = company.people.traits
    annual = traits.annual[account]
    late_payer = (rng.random(len(company.people)) < LATE_PAYERS)[account]
    by_card = ~annual & ~late_payer
    due = issued + np.where(annual, 30, np.where(by_card, 0, 14))
    transfer = np.where(late_payer, due + rng.integers(2, 25, count), due - rng.integers(0, 12, count))
    again = rng.random(count) < _ASKED_AGAIN[traits.shaky_card[account].astype(np.int64)]
    paid = np.where(by_card, issued + again * rng.integers(1, 6, count), transfer)

    failed, recovered = _failures(company, account, issued)
    paid = np.where(failed, recovered, paid)
    voided = np.where(failed & (recovered >= NEVER), issued + 45, NEVER)
    voided = np.where((voided < LAST) & (rng.random(count) < 0.7), voided, NEVER)
    slip = ~failed & (rng.random(count) < 0.002)
    voided, paid = np.where(slip, issued + 2, voided), np.where(slip, NEVER, paid)
    fail_at = np.where(failed, issued * DAY + 7 * 3600 + rng.integers(0, 3600, count), NEVER * DAY)

    row, day = versions.loads([issued, paid, voided, np.where(failed, issued, NEVER)])
    ids = [f"I-{number:06d}" for number in range(1, count + 1)]
    return {
        "invoice_id": Words(row, ids),
        "account_id": Words(account[row], account_ids),
        "issued_on": issued[row],
        "amount": amount[row],
        "due_on": due[row],
        "paid_on": np.where(paid[row] <= day, paid[row], NEVER),
        "failed_at": fail_at[row],
        "voided_at": np.where(voided[row] <= day, voided[row] * DAY + 10 * 3600, NEVER * DAY),
        "recorded_at": versions.recorded(day, rng),
    }


def _issued(company: Company, terms: Terms) -> tuple[Ints, Ints, Floats]:
    """Account, day and amount of every invoice of the two years, by day and account."""
    traits = company.people.traits
    everyone = np.arange(len(company.people))
    parts: list[tuple[Ints, Ints]] = []
    for month in np.arange(np.datetime64("2024-11"), np.datetime64("2026-12")):
        first = int(month.astype("datetime64[D]").astype(np.int64))
        billing = next_billing(first, traits.anchor_day)
        parts.append((everyone, billing))
    after_anchor = np.flatnonzero(
        traits.annual & (traits.started < LAST) & (next_billing(traits.started, traits.anchor_day) > traits.started)
    )
    parts.append((after_anchor, traits.started[after_anchor]))
    account = np.concatenate([part[0] for part in parts])
    day = np.concatenate([part[1] for part in parts])
    due_now = ~traits.annual[account] | (
        day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 == traits.anchor_month[account]
    )
    within = (day >= FIRST) & (day < LAST) & due_now
    account, day = account[within], day[within]
    amount = _mrr_on(terms.paid, account, day) * np.where(traits.annual[account], 12, 1)
    billed = amount > 0
    order = np.lexsort((account[billed], day[billed]))
    return account[billed][order], day[billed][order], np.round(amount[billed][order], 2)


def _mrr_on(terms: Terms, account: Ints, day: Ints) -> Floats:
    """The sum of the MRR of the terms running on each day."""
    total = np.zeros(len(account))
    for main in (True, False):
        chosen = terms.take((terms.plan < 4) == main)
        if not len(chosen.account):
            continue
        key = chosen.account * 2 * NEVER + chosen.started_on
        place = np.maximum(np.searchsorted(key, account * 2 * NEVER + day, side="right") - 1, 0)
        runs = (chosen.account[place] == account) & (chosen.started_on[place] <= day) & (day < chosen.ended_on[place])
        total += np.where(runs, chosen.mrr[place], 0.0)
    return total


def _failures(company: Company, account: Ints, issued: Ints) -> tuple[Flags, Ints]:
    """Whether the payment of each invoice failed, and the day on which it was made good."""
    log = company.payments
    key = log["account"] * 2 * NEVER + log["day"]
    invoice = account * 2 * NEVER + issued
    failed: Flags = np.isin(invoice, key[log["kind"] == START])
    good = log["kind"] == END
    order = np.argsort(key[good])
    place = np.minimum(np.searchsorted(key[good][order], invoice), int(good.sum()) - 1)
    recovered = key[good][order][place] == invoice
    return failed, np.where(recovered, log["ended_on"][good][order][place], NEVER)
