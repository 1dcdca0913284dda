"""What an account did and what happened to it, for people to look at: weeks of use, visits, tickets, terms.

No model reads any of this. It goes by the same clock as the features: what was known at the moment, and nothing else.
Weeks begin on Mondays, so that a week which is over stays as it is, unless rows of it come late.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

import ibis
import ibis.expr.types as ir

from features.contract import WRITTEN_ID
from features.measures import day_bits, in_steps, light_steps, marked_days, without_blanks
from features.pages import in_groups
from features.price_rises import pieces
from features.renewals import past_renewals
from features.said import tone
from features.timeline import Moment
from features.versions import History

__all__ = [
    "EXCERPT_CHARACTERS",
    "changes",
    "renewed",
    "tickets",
    "use_by_week",
    "visit_days",
    "visits_by_week",
]

EXCERPT_CHARACTERS: Final = 160

_LARGEST: Final = 9e15  # thousandths, below 2⁵³
_READ: Final = 1_000
_WORD: Final = 56
_QUOTED: Final = r"(?mi)^[ \t]*(>|\|.*\||-{2,} ?original message|-{2,} ?forwarded message|on .{4,80} wrote:).*"
_SIGNED: Final = r"(?s)\n[ \t]*(--|__)[ \t]*\n.*"
_ADDRESSES: Final = r"https?://\S+|www\.\S+|[\w.+-]+@[\w-]+\.[\w.-]+"
_NUMBERS: Final = r"\+?(\d[ ()/.-]{0,2}){8,}\d"
"""Of telephones, cards and bank accounts: nine digits or more; a date has eight."""


def use_by_week(history: History, moment: Moment, first: date, weeks: int) -> ir.Table:
    """The use of each account in each of so many weeks from the Monday `first` on, as known at the moment.

    Columns: `account_id`, `week` (0 is that of `first`), `usage` (quantities in whole thousandths), `active_days` and,
    where users are known, `active_users`: how many different people. Weeks without use have no row.
    """
    rows, day = _used(history, moment, first, weeks)
    quantity = rows["quantity"].fill_null(1.0) if "quantity" in rows.columns else ibis.literal(1.0)
    rows = rows.select(
        written=_written(rows),
        week=day // 7,
        day=ibis.literal(1, "int32") << (day % 7),
        steps=light_steps(quantity),
    )
    texts = rows.group_by("written", "week").agg(days=rows["day"].bit_or(), steps=rows["steps"].sum())
    found = texts.group_by(account_id=without_blanks(texts["written"]), week=texts["week"]).agg(
        steps=texts["steps"].sum(), days=texts["days"].bit_or()
    )
    found = found.select(
        "account_id",
        "week",
        usage=found["steps"].clip(lower=-_LARGEST, upper=_LARGEST).cast("int64"),
        active_days=marked_days(found["days"].cast("int64")),
    )
    if not history.has("usage.user_id"):
        return found
    both = found.left_join(_users_by_week(history, moment, first, weeks), ["account_id", "week"])
    return both.select(*found.columns, active_users=both["active_users"].fill_null(0))


def _users_by_week(history: History, moment: Moment, first: date, weeks: int) -> ir.Table:
    """The weeks of a person are bits, so that people are held, and not people and weeks."""
    rows, day = _used(history, moment, first, weeks)
    rows = rows.select(written=_written(rows), user_id=rows["user_id"], week=day // 7)
    rows = rows.filter(rows["user_id"].notnull())
    words = {f"w{start}": day_bits(rows["week"], start, _WORD) for start in range(0, weeks, _WORD)}
    texts = rows.group_by("written", "user_id").agg(**words)
    people = texts.group_by(account_id=without_blanks(texts["written"]), user_id=texts["user_id"])
    persons = people.agg(**{word: texts[word].bit_or() for word in words})
    counts = [((persons[f"w{week // _WORD * _WORD}"] >> (week % _WORD)) & 1).sum() for week in range(weeks)]
    arrays = persons.group_by("account_id").agg(users=ibis.array([each.fill_null(0) for each in counts]))
    rows = arrays.select("account_id", week=ibis.range(weeks).unnest(), active_users=arrays["users"].unnest())
    return rows.filter(rows["active_users"] > 0)


def _used(history: History, moment: Moment, first: date, weeks: int) -> tuple[ir.Table, ir.IntegerValue]:
    """The use of these weeks, and on which day of them it was."""
    rows = history.known("usage", moment)
    began = rows["occurred_at"]
    rows = rows.filter((began >= _midnight(first)) & (began < _midnight(first + timedelta(weeks=weeks))))
    return rows, rows["occurred_at"].date().delta(ibis.literal(first), unit="day").cast("int32")


def _written(rows: ir.Table) -> ir.StringValue:
    return rows[WRITTEN_ID] if WRITTEN_ID in rows.columns else rows["account_id"]


def visit_days(history: History, moment: Moment, first: date, groups: Mapping[str, Sequence[str]]) -> ir.Table:
    """Who looked at which group of pages on which day, from `first` on: one row for an account, day and group.

    Columns: `account_id`, `day`, `group`, `visits`, `people` (1 where nobody is named: somebody came).
    """
    rows = history.known("page_visits", moment)
    rows = rows.filter(rows["visited_at"] >= _midnight(first))
    rows = rows.select(
        "account_id",
        day=rows["visited_at"].date(),
        user_id=rows["user_id"] if "user_id" in rows.columns else ibis.null("string"),
        groups=in_groups(rows["path"], groups),
    )
    rows = rows.filter(rows["groups"] > 0)
    people = rows.group_by("account_id", "day", "user_id", "groups").agg(visits=rows.count())
    names = [(people["groups"] & 2**place > 0).ifelse(name, None) for place, name in enumerate(groups)]
    named = people.mutate(group=ibis.array(names).unnest())
    named = named.filter(named["group"].notnull())
    return named.group_by("account_id", "day", "group").agg(
        visits=named["visits"].sum(), people=ibis.greatest(named["user_id"].nunique(), 1)
    )


def visits_by_week(visited: ir.Table, first: date, groups: Mapping[str, Sequence[str]]) -> ir.Table:
    """The rows of `visit_days` by week: `account_id`, `week` and a column `GROUP_visits` for each group."""
    week = visited["day"].delta(ibis.literal(first), unit="day").cast("int32") // 7
    rows = visited.mutate(week=week)
    sums = {f"{group}_visits": rows["visits"].sum(where=rows["group"] == group).fill_null(0) for group in groups}
    return rows.group_by("account_id", "week").agg(**sums)


def tickets(history: History, moment: Moment, first: date) -> ir.Table:
    """The tickets opened from `first` on, as known at the moment.

    Columns: `account_id`, `ticket_id`, `opened_at`, `resolved_at`, `mood` and `worst` (how the customer's words sound
    in all and at their angriest, in thousandths of −1 … 1; null where nobody judged them) and `text`, what the customer
    wrote first.
    """
    rows = history.known("tickets", moment)
    rows = tone(history, rows.filter(rows["opened_at"] >= _midnight(first)), moment)
    rows = rows.mutate(_text=rows["text"] if "text" in rows.columns else ibis.null("string"))
    if "ticket_messages" in history.tables:
        said = history.known("ticket_messages", moment)
        said = said.filter((said["author"] == "customer") & said["text"].notnull())
        said = said.group_by("ticket_id").agg(_first=said["text"].argmin(_in_order(said)))
        rows = rows.left_join(said, "ticket_id").drop("ticket_id_right")
        rows = rows.mutate(_text=rows["_text"].fill_null(rows["_first"]))
    return rows.select(
        "account_id",
        "ticket_id",
        "opened_at",
        "mood",
        "worst",
        resolved_at=rows["resolved_at"] if "resolved_at" in rows.columns else ibis.null("timestamp"),
        text=rows["_text"],
    )


def _in_order(messages: ir.Table) -> ir.Value:
    """Earlier messages first; those of one instant by their ids, so that none is left to chance."""
    return ibis.struct({"at": messages["sent_at"], "id": messages["message_id"]})


def excerpt(text: ir.StringValue) -> ir.StringValue:
    """The first `EXCERPT_CHARACTERS` of a text, without quotes, signatures, addresses, links and long numbers."""
    said = text.substr(0, _READ).replace("\r", "")
    for gone in (_SIGNED, _QUOTED, _ADDRESSES, _NUMBERS):
        said = said.re_replace(gone, " ")
    said = said.re_replace(r"[\s\x00-\x1f\x7f]+", " ").strip()
    return said.substr(0, EXCERPT_CHARACTERS).strip().nullif("")


def changes(history: History, terms: ir.Table, moment: Moment, first: date) -> ir.Table:
    """The days from `first` on from which an account paid, or had, something else than before.

    Columns: `account_id`, `day`, and each of these as it was until then (`…_before`) and from then on: `terms` (how
    many ran), `mrr` (null where one of them is billed by use), `seats` (the most of any), `plan` (all, in order). The
    first term of an account and the end of its last are among them: there `terms` was, or is, 0. The argument `terms`
    holds those known at the moment.
    """
    paid = pieces(history, terms, moment)
    days = paid.select("account_id", day="from_on")
    days = days.union(paid.filter(paid["until_on"].notnull()).select("account_id", day="until_on"), distinct=True)
    # Joined by the account alone: engines are slow at ranges, and an account has a few pieces.
    held = days.join(paid, "account_id")
    runs = (held["from_on"] <= held["day"]) & (held["day"] < held["until_on"]).fill_null(True)
    states = held.group_by("account_id", "day").agg(
        terms=runs.sum(),
        mrr=in_steps(held["mrr"]).sum(where=runs).cast("float64") / 1_000,
        unpriced=(runs & held["mrr"].isnull()).sum(),
        seats=held["seats"].max(where=runs),
        plan=held["plan"].collect(where=runs, distinct=True, order_by=held["plan"]).join(", ").nullif(""),
    )
    states = states.mutate(mrr=(states["unpriced"] == 0).ifelse(states["mrr"], None)).drop("unpriced")
    names = ("terms", "mrr", "seats", "plan")
    in_order = ibis.window(group_by="account_id", order_by="day")
    states = states.mutate(**{f"{name}_before": states[name].lag().over(in_order) for name in names})
    states = states.mutate(terms_before=states["terms_before"].fill_null(0))
    differs = [~states[name].identical_to(states[f"{name}_before"]) for name in names]
    return states.filter((states["day"] >= ibis.literal(first)) & ibis.or_(*differs))


def renewed(terms: ir.Table, moment: Moment, first: date) -> ir.Table:
    """The days from `first` on on which a commitment had run out and the account was still there: `account_id`, `day`.

    Commitments are those of `features.renewals`: of three months or more. `terms` are those known at the moment.
    """
    ran_out = past_renewals(terms, moment, first)
    # Joined by the account alone, as in `changes`: an engine that has to look for ranges takes minutes for a million.
    stays = terms.select(_id="account_id", started_on="started_on", ended_on="ended_on")
    held = ran_out.join(stays, ran_out["account_id"] == stays["_id"])
    stayed = (held["day"] >= held["started_on"]) & (held["day"] < held["ended_on"]).fill_null(True)
    return held.filter(stayed).select("account_id", "day").distinct()


def _midnight(day: date) -> ir.TimestampScalar:
    return ibis.timestamp(f"{day} 00:00:00")
