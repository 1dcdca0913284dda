"""Did the account leave in the window that lay ahead? Judged on all that is known today.

A label is the one thing that may look forward. It is kept honest by being unknown until everything it depends on has
happened: the lead, the horizon, and the grace within which a return would have made the departure a lapse.
"""

from datetime import date, timedelta
from typing import Final

import ibis
import ibis.expr.types as ir

from features.cohort import activity, spells, states, terms
from features.outages import Coverage
from features.timeline import Moment
from features.versions import History

__all__ = ["LEFT_OUT", "churns", "labels", "silences", "spells_today"]

LEFT_OUT: Final = ("leaving", "already_gone", "churns_in_lead", "outage")
"""Why an account that was there gets no label, in the order in which the reasons are tried."""

_LARGEST_LOSS: Final = 0.1


def spells_today(history: History, today: date) -> ir.Table:
    """Spells as today's knowledge has them: `account_id`, `spell_started_on`, `churn_on`, `end_reason`.

    An end younger than the grace stands in `churn_on` too: `labels` never reads that far, since it refuses snapshots
    that are not mature. `end_reason` is that of the terms by which the account left, null where none is on record;
    where they disagree, that of the invoices: one product was cut off with the other.
    """
    known_terms = terms(history, history.rules.moment(today))
    found = spells(known_terms, history.rules)
    if "end_reason" not in known_terms.columns:
        return found.mutate(end_reason=ibis.null("string"))
    ended = known_terms.filter(known_terms["end_reason"].notnull())
    left_on = ended["ended_on"]
    if history.rules.event == "notice" and "notice_on" in ended.columns:
        left_on = ibis.least(ended["notice_on"].fill_null(left_on), left_on)
    # Involuntary, other, voluntary: the first in the alphabet.
    reasons = ended.group_by("account_id", _left_on=left_on).agg(end_reason=ended["end_reason"].min())
    joined = found.left_join(
        reasons, [found["account_id"] == reasons["account_id"], found["churn_on"] == reasons["_left_on"]]
    )
    return joined.select("account_id", "spell_started_on", "churn_on", "end_reason")


def churns(history: History, today: date) -> ir.Table:
    """The churns known today, one row each: `account_id`, `churn_on`.

    An end still within its grace is not among them. An account that left, returned after the grace and left again is
    there twice.
    """
    if history.rules.definition == "inactivity":
        return silences(history, today).select("account_id", "churn_on")
    every = spells_today(history, today).select("account_id", "churn_on")
    known_until = ibis.literal(today - timedelta(days=history.rules.grace))
    return every.filter(every["churn_on"] < known_until)


def silences(history: History, today: date) -> ir.Table:
    """Each silence that had lasted `inactive_days` by today, one row each.

    Columns: `account_id`, `used_on` (the last day before it), `churn_on` (the day on which it had lasted that long),
    `returned_on` (the first day after it, null where there is none yet).
    """
    usage = activity(history, history.rules.moment(today))
    days = usage.select("account_id", used_on=usage["occurred_at"].date()).distinct()
    days = days.mutate(
        returned_on=days["used_on"].lead().over(ibis.window(group_by="account_id", order_by="used_on")),
        churn_on=(days["used_on"] + ibis.interval(days=history.rules.inactive_days)).cast("date"),
    )
    is_over = (days["churn_on"] < ibis.literal(today)) & (days["returned_on"] > days["churn_on"]).fill_null(True)
    return days.filter(is_over).select("account_id", "used_on", "churn_on", "returned_on")


def labels(
    history: History, as_of: date, today: date, all_spells: ir.Table | None = None, covered: Coverage | None = None
) -> ir.Table:
    """Labels of the accounts that were customers at `as_of`, as today's knowledge has them.

    Columns: `account_id`, `label` (null where left out), `churn_on` (null unless the label is true), `end_reason` (of
    that churn, null where nobody knows it), `later_churn_on` (of those that stayed, the first churn after the window:
    what a longer horizon would have found, once it is mature; never with inactivity, which judges by a window's end),
    `left_out` (null, or one of `LEFT_OUT`).

    The label is: churned within `[as_of + lead, as_of + lead + horizon)`. Three kinds of accounts have none, and are
    left out of training and tests alike, for a night could not have done better on them: those *leaving* (their notice
    was known), those *already gone* without its being known yet at `as_of`, and those that churn inside the lead,
    before anyone could act. Where silence is what makes a churn, nobody has a label whose window lost more than a tenth
    of its days to an *outage*: a silence that nobody recorded is not known to be one.

    Parameters
    ----------
    all_spells
        `spells_today(history, today)`, where the caller has it materialised already.
    covered
        `features.outages.coverage(history)`; without it no day counts as lost.

    Raises
    ------
    ValueError
        When the snapshot is not mature today: its labels are unknown.
    """
    rules = history.rules
    if not rules.is_mature(as_of, today):
        known_on = as_of + timedelta(days=rules.label_days)
        raise ValueError(f"The labels of {as_of} are not known on {today}; they will be on {known_on}.")
    there = states(history, rules.moment(as_of)).filter(ibis._["state"].isin(["active", "leaving"]))
    if rules.definition == "inactivity":
        judged = _by_silence(history, there, as_of, rules.moment(today))
    else:
        judged = _by_spell(there, spells_today(history, today) if all_spells is None else all_spells, as_of, history)
    left_out = ibis.cases(
        (judged["state"] == "leaving", "leaving"),
        (judged["_already_gone"], "already_gone"),
        (judged["_in_lead"], "churns_in_lead"),
        (ibis.literal(_lost_too_much(history, as_of, today, covered)), "outage"),
        else_=ibis.null("string"),
    )
    judged = judged.mutate(left_out=left_out)
    is_counted = judged["left_out"].isnull()
    return judged.select(
        "account_id",
        label=is_counted.ifelse(judged["_churn_on"].notnull(), ibis.null("boolean")),
        churn_on=is_counted.ifelse(judged["_churn_on"], ibis.null("date")),
        end_reason=is_counted.ifelse(judged["_end_reason"], ibis.null("string")),
        later_churn_on=(is_counted & judged["_churn_on"].isnull()).ifelse(judged["_later"], ibis.null("date")),
        left_out=judged["left_out"],
    )


def _lost_too_much(history: History, as_of: date, today: date, covered: Coverage | None) -> bool:
    if covered is None or history.rules.definition != "inactivity":
        return False
    _, closes = _window(as_of, history)
    recorded = covered.recorded("usage", history.rules.moment(today))
    days = (closes - as_of).days
    return recorded.lost_in((today - closes).days, days) > _LARGEST_LOSS * days


def _by_spell(there: ir.Table, all_spells: ir.Table, as_of: date, history: History) -> ir.Table:
    """Each account with its churn in the window and with the reasons that leave it out."""
    opens, closes = _window(as_of, history)
    start, churn = all_spells["spell_started_on"], all_spells["churn_on"]
    day = ibis.literal(as_of)
    covers = (start < day) & (churn.isnull() | (churn >= day))
    inside = (churn >= ibis.literal(opens)) & (churn < ibis.literal(closes))
    by_account = all_spells.group_by("account_id").agg(
        _covered=covers.any(),
        _in_lead=(covers & (churn >= day) & (churn < ibis.literal(opens))).any(),
        _churn_on=churn.min(where=inside),
        _later=churn.min(where=churn >= ibis.literal(closes)),
        # The first churn's, known or not: a null would be passed over for the next one's.
        _end_reason=all_spells["end_reason"].fill_null("").argmin(churn, where=inside),
    )
    joined = there.left_join(by_account, "account_id")
    return joined.select(
        "account_id",
        "state",
        "_churn_on",
        "_later",
        _end_reason=joined["_end_reason"].nullif(""),
        _already_gone=~joined["_covered"].fill_null(False),
        _in_lead=joined["_in_lead"].fill_null(False),
    )


def _by_silence(history: History, there: ir.Table, as_of: date, now: Moment) -> ir.Table:
    """The same for inactivity: judged at the window's end, by the last use before it.

    With no lead and a horizon of `inactive_days` this is exactly "does nothing in the next `inactive_days`". A silence
    that began earlier and was broken inside the window is no departure: at the window's end the customer was there.
    """
    opens, closes = _window(as_of, history)
    usage = activity(history, now)
    used_on = usage["occurred_at"].date()
    last = usage.group_by("account_id").agg(
        _at_as_of=used_on.max(where=used_on < ibis.literal(as_of)),
        _at_opening=used_on.max(where=used_on < ibis.literal(opens)),
        _at_close=used_on.max(where=used_on < ibis.literal(closes)),
    )
    patience = ibis.interval(days=history.rules.inactive_days)
    joined = there.left_join(last, "account_id")
    ends_at_close = (joined["_at_close"] + patience).cast("date")
    ends_at_opening = (joined["_at_opening"] + patience).cast("date")
    in_window = (ends_at_close >= ibis.literal(opens)) & (ends_at_close < ibis.literal(closes))
    silent_from = ibis.literal(as_of - timedelta(days=history.rules.inactive_days))
    return joined.select(
        "account_id",
        "state",
        _churn_on=in_window.ifelse(ends_at_close, ibis.null("date")),
        _end_reason=ibis.null("string"),
        _later=ibis.null("date"),
        _already_gone=~(joined["_at_as_of"] >= silent_from).fill_null(False),
        _in_lead=((ends_at_opening >= ibis.literal(as_of)) & (ends_at_opening < ibis.literal(opens))).fill_null(False),
    )


def _window(as_of: date, history: History) -> tuple[date, date]:
    opens = as_of + timedelta(days=history.rules.lead_days)
    return opens, opens + timedelta(days=history.rules.horizon_days)
