"""Who is a customer at a moment, by what was known then.

Terms become spells, spells become states. Everything downstream asks this module, so that the night, the training set
and the audit never disagree about who was there.
"""

from datetime import timedelta
from typing import Final

import ibis
import ibis.expr.types as ir

from features.contract import CONTRACT, RECORDED_AT
from features.timeline import ChurnRules, Moment
from features.versions import History, facts_until, recorded_at, visible

__all__ = ["activity", "roots", "spells", "states", "terms"]

_FAR: Final = ibis.date("9999-12-31")  # the end of what still runs, so that ends can be compared
_NO_DATE: Final = ibis.null("date")


def terms(history: History, moment: Moment) -> ir.Table:
    """The terms known at the moment, one row each: `[started_on, ended_on)`, null while no end has come.

    Two columns are added. `under_notice` says that the end was announced: notice was given before the moment, or a
    version already carried an end ahead. That announced day is kept apart as `last_day`, because an end ahead is a plan
    which can be withdrawn, while `ended_on` speaks only of what has happened.

    Terms that cover no day are left out, and so are free ones (trials), unless the rules count them: the end of a trial
    is not a lost customer. A term without `mrr` is billed by use and counts. A paid term that became free has ended.

    The engine keeps the result while anybody holds it, so that all who ask for the terms of one moment share it.
    """
    contract = CONTRACT["subscriptions"]
    table = history.tables["subscriptions"]
    if not history.rules.count_free:
        table = _ended_when_freed(table, history.rules)
    rows = visible(table, contract, moment, history.rules)
    rows = rows.filter(rows["ended_on"].isnull() | (rows["ended_on"] > rows["started_on"]))
    if "mrr" in rows.columns and not history.rules.count_free:
        rows = rows.filter(rows["mrr"].isnull() | (rows["mrr"] != 0))

    announced: ir.BooleanValue = ibis.literal(False)
    if "subscriptions" in history.versioned:
        # Only a version that truly had arrived can announce an end. In the first bulk load, as in a table that is
        # overwritten, an end ahead is hindsight.
        ahead = rows["ended_on"] >= ibis.literal(moment.as_of)
        announced = (ahead & (rows[RECORDED_AT] < moment.cut)).fill_null(False)
    rows = rows.mutate(under_notice=announced, last_day=announced.ifelse(rows["ended_on"], _NO_DATE))

    rows = facts_until(rows, contract, moment)
    if "notice_on" in rows.columns:
        rows = rows.mutate(under_notice=rows["under_notice"] | rows["notice_on"].notnull())
    return rows.cache()


def _ended_when_freed(versions: ir.Table, rules: ChurnRules) -> ir.Table:
    """Versions of terms in which a price that became 0 is the end of the paid term, on the day that version arrived.

    Where free terms do not count, a paid term turned free would be left out like a trial, and with it all the years in
    which it was paid: its customer would never have been there, and nobody would learn from the departure. So such a
    version keeps the price, plan and seats last paid for, and ends the term. It looks at versions recorded before it
    alone, so nothing is known earlier than it arrived; a later version with a price takes the end back, as it would any
    other. A free version of the first bulk load tells no day, and its term counts as free throughout.
    """
    key = CONTRACT["subscriptions"].key
    if not {key, "mrr", RECORDED_AT} <= set(versions.columns):
        return versions
    is_free = (versions["mrr"] == 0).fill_null(False)
    so_far = ibis.cumulative_window(group_by=key, order_by=recorded_at(versions))
    rows = versions.mutate(_is_free=is_free, _paid=(~is_free).cast("int64").sum().over(so_far))
    # A version with a price and the free ones after it, up to the next price.
    since_paid = ibis.window(group_by=[key, "_paid"], order_by=recorded_at(rows))
    freed_at = rows[RECORDED_AT].min(where=rows["_is_free"]).over(group_by=[key, "_paid"])
    ends = rows["_is_free"] & (rows["_paid"] > 0)
    if rules.recorded_from is not None:
        ends = ends & (freed_at > rules.recorded_from)
    paid_for = [name for name in ("mrr", "plan", "seats") if name in rows.columns]
    return rows.mutate(
        ended_on=ends.ifelse(ibis.least(rows["ended_on"], freed_at.date()), rows["ended_on"]),
        **{name: ends.ifelse(rows[name].first(include_null=True).over(since_paid), rows[name]) for name in paid_for},
    ).drop("_is_free", "_paid")


def spells(known_terms: ir.Table, rules: ChurnRules) -> ir.Table:
    """Runs of terms without a gap longer than the grace, one row each.

    Columns: `account_id`, `spell_started_on`, `churn_on` (null while nobody has left).

    Renewals, price changes and returns within the grace lie inside a spell, so none of them looks like a departure. The
    churn day is the latest end. With `event = "notice"` it is the day on which the last running term came under notice,
    for from then on everybody knew; a notice that a later term of the same spell overtook is none.
    """
    end = known_terms["ended_on"].fill_null(_FAR)
    left = end
    if rules.event == "notice" and "notice_on" in known_terms.columns:
        left = ibis.least(known_terms["notice_on"].fill_null(_FAR), end)
    # One row per start, so that the order in which the windows below read them leaves nothing to chance.
    starts = known_terms.mutate(_end=end, _left=left)
    starts = starts.group_by("account_id", "started_on").agg(_end=starts["_end"].max(), _left=starts["_left"].max())

    before = ibis.window(group_by="account_id", order_by="started_on", preceding=(None, 1))
    starts = starts.mutate(_latest=starts["_end"].max().over(before))
    opens = starts["_latest"].isnull() | (
        starts["started_on"].delta(starts["_latest"], unit="day") > ibis.literal(rules.grace)
    )
    so_far = ibis.cumulative_window(group_by="account_id", order_by="started_on")
    numbered = starts.mutate(_spell=opens.cast("int64").sum().over(so_far))

    whole = numbered.group_by("account_id", "_spell").agg(
        spell_started_on=numbered["started_on"].min(), _left=numbered["_left"].max()
    )
    return whole.select(
        "account_id", "spell_started_on", churn_on=(whole["_left"] < _FAR).ifelse(whole["_left"], _NO_DATE)
    )


def activity(history: History, moment: Moment) -> ir.Table:
    """The usage rows known at the moment that count as use: of the events that the rules name, else of all."""
    usage = history.known("usage", moment)
    if history.rules.activity_events is None:
        return usage
    return usage.filter(usage["event"].isin(list(history.rules.activity_events)))


def states(history: History, moment: Moment) -> ir.Table:
    """The state of every account that was ever a customer, by what was known at the moment.

    Columns: `account_id`, `state`, `since` (first day of the present spell, or of use), `last_day` (the first day
    without the account, where it is announced or has come).

    - *active*: it was a customer the day before;
    - *leaving*: active, but all its running terms are under notice: that risk needs no model;
    - *lapsed*: ended, and still within the grace. It may return, so nobody can call it churned yet, and a feature or a
      peer's rate that did would know the future;
    - *gone*: ended, and the grace has passed.
    """
    if history.rules.definition == "inactivity":
        return _states_by_use(history, moment)
    known_terms = terms(history, moment)
    running = known_terms["ended_on"].isnull()
    accounts = known_terms.group_by("account_id").agg(
        _running=running.sum(),
        _staying=(running & ~known_terms["under_notice"]).sum(),
        _ended_on=known_terms["ended_on"].max(),
        _announced=(running & known_terms["last_day"].notnull()).sum(),
        _last_day=known_terms["last_day"].max(where=running),
    )
    present = spells(known_terms, history.rules).group_by("account_id").agg(since=ibis._["spell_started_on"].max())
    accounts = accounts.join(present, "account_id")
    is_running = accounts["_running"] > 0
    # One product that is known to end says nothing of the account's last day while another runs on.
    announced = (accounts["_announced"] == accounts["_running"]).ifelse(accounts["_last_day"], _NO_DATE)
    return_possible_from = moment.as_of - timedelta(days=history.rules.grace)
    return accounts.select(
        "account_id",
        state=ibis.cases(
            (accounts["_staying"] > 0, "active"),
            (is_running, "leaving"),
            (accounts["_ended_on"] >= ibis.literal(return_possible_from), "lapsed"),
            else_="gone",
        ),
        since=accounts["since"],
        last_day=is_running.ifelse(announced, accounts["_ended_on"]),
    )


def _states_by_use(history: History, moment: Moment) -> ir.Table:
    used_on = activity(history, moment)
    used_on = used_on.select("account_id", day=used_on["occurred_at"].date())
    days = used_on.group_by("account_id").agg(first_use_on=used_on["day"].min(), last_use_on=used_on["day"].max())
    silent_from = moment.as_of - timedelta(days=history.rules.inactive_days)
    is_active = days["last_use_on"] >= ibis.literal(silent_from)
    ends = days["last_use_on"] + ibis.interval(days=history.rules.inactive_days)
    return days.select(
        "account_id",
        state=is_active.ifelse("active", "gone"),
        since=days["first_use_on"],
        last_day=is_active.ifelse(_NO_DATE, ends.cast("date")),
    )


def roots(accounts: ir.Table) -> ir.Table:
    """The account at the top of each account's tree: `account_id`, `root_id`; itself where it has no parent.

    Companies that buy together leave together, so intervals and splits treat a tree as one. Chains of up to sixteen
    are followed.
    """
    if "parent_id" not in accounts.columns:
        return accounts.select("account_id", root_id=accounts["account_id"])
    up = accounts.select("account_id", root_id=accounts["parent_id"].fill_null(accounts["account_id"])).cache()
    for _ in range(4):  # each step doubles the height that is climbed
        above = up.select(_id="account_id", _root="root_id").cache()  # else both sides of the join would be the same
        climbed = up.left_join(above, [("root_id", "_id")])
        up = climbed.select("account_id", root_id=climbed["_root"].fill_null(climbed["root_id"])).cache()
    return up
