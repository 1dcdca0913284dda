"""The use of each account added up once for a date; all that is said of use is read off these sums.

The usage rows are by far the largest table, so they are passed over a few times and no more: by account, for amounts
and days of use; by person, for the little that is said of people; by kind of event, for the weeks in which it was done;
and once more for the amounts of some kinds. To add up all of it by person and kind would spare passes, and keep in
memory what nobody reads: far beyond what a night of a million accounts may take.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import ibis
import ibis.expr.types as ir

from features.contract import WRITTEN_ID
from features.measures import age_days, day_bits, in_window, light_steps, light_sum, whole_steps, without_blanks
from features.outages import Recorded
from features.timeline import Moment
from features.versions import History

__all__ = [
    "HALF_LIFE_DAYS",
    "KINDS_DAYS",
    "LOOKBACK_DAYS",
    "Tallies",
    "by_kind",
    "by_person",
    "day_mask",
    "days_as_text",
    "of_kinds",
    "tally",
]

LOOKBACK_DAYS: Final = 224
"""How far back use is looked at: four words of 56 days, one bit a day."""

HALF_LIFE_DAYS: Final = 14

KINDS_DAYS: Final = 140
"""How far back kinds of events are looked at: a habit of eight weeks that was broken twelve weeks ago."""

_WORD_DAYS: Final = 56
_WORDS: Final = tuple(f"w{number}" for number in range(LOOKBACK_DAYS // _WORD_DAYS))


@ibis.udf.scalar.builtin(name="bin", signature=(("int64",), "string"))
def _binary(word):  # type: ignore[no-untyped-def]
    """The engine's own function: a whole number as ones and noughts, the highest first."""


@dataclass(frozen=True)
class Tallies:
    """The use of each account as known at a moment, in a table that the engine keeps while it is in use.

    Attributes
    ----------
    accounts
        One row for each account of the spine: `account_id`, `tenure_days`, `seats`, the quantities `q_7`, `q_28`,
        `q_84`, `q_before` (of the 84 days before the last 28), `q_decayed` (of the last 84, each day of age weighing
        less, half of it after `HALF_LIFE_DAYS`), `newest` and `oldest` age of a use in the lookback (null without any),
        `w0` … `w3` (days of use as bits, 56 a word, newest first), `observed_days` (days to here that were seen, an
        earlier trial among them), `usual_days` (how many of the 84 days before the last 28 were seen and not lost;
        null where more than a quarter was lost).
    recorded
        What the usage table recorded.
    """

    accounts: ir.Table
    recorded: Recorded

    def beside(self, *found: ir.Table) -> "Tallies":
        """The same with the columns of further tables of one row for an account beside those of `accounts`."""
        accounts = self.accounts
        for table in found:
            accounts = accounts.left_join(table, "account_id").drop("account_id_right")
        return replace(self, accounts=accounts)

    def counted(self, amount: ir.NumericValue, days: int) -> ir.NumericValue:
        """A sum or a count of days over the last so many days, as if no day had been lost.

        `amount` is a column of `accounts`. Missing where more than a quarter was lost; else as `whole` says.
        """
        return self.whole(self.recorded.counted(amount, 0, days), days)

    def distinct(self, amount: ir.NumericValue, days: int) -> ir.NumericValue:
        """The same for distinct people or kinds: those come again, so a few lost days hide few of them."""
        if 4 * self.recorded.lost_in(0, days) > days:
            return ibis.null("float64")
        return self.whole(amount, days)

    def whole(self, amount: ir.NumericValue, days: int) -> ir.NumericValue:
        """The amount, missing where the table began inside the window, and later than the account."""
        return self.recorded.whole(amount, days, self.accounts["tenure_days"])


def tally(history: History, spine: ir.Table, moment: Moment, recorded: Recorded) -> Tallies:
    """Add up the use of the accounts of the spine, as known at the moment.

    `spine` needs `account_id`, `tenure_days`, `observed_days` (days of the account's life that the usage table covers)
    and `seats`.
    """
    joined = spine.select("account_id", "tenure_days", "observed_days", "seats")
    joined = joined.left_join(_by_account(_recent(history, moment, LOOKBACK_DAYS)), "account_id")
    joined = joined.drop("account_id_right")
    joined = joined.mutate(
        **{name: joined[name].fill_null(0) for name in [*_WORDS, "q_7", "q_28", "q_84", "q_before", "q_decayed"]},
        # Use before the present terms (a trial, an earlier spell) is in the sums, so those days were observed too.
        observed_days=ibis.greatest(joined["observed_days"], (joined["oldest"] + 1).fill_null(0)),
    )
    joined = joined.mutate(usual_days=recorded.usual_days(joined["observed_days"]))
    return Tallies(joined.cache(), recorded)


def by_person(history: History, moment: Moment) -> ir.CachedTable:
    """The use of each person, use without a user aside: no more of it than is asked for, since people are many.

    Columns: `account_id`, `user_id`, the quantities `q_28` and `q_before`, `newest` and `oldest` age of a use, and
    `was_here`, any use in the 28 days before the last 84. To be used in a `with`, which lets go of it at the end.
    """
    rows = _recent(history, moment, LOOKBACK_DAYS)
    rows = rows.filter(rows["user_id"].notnull())
    was_here = in_window(rows["age"], 84, 28).any()
    return rows.group_by("account_id", "user_id").agg(**_amounts(rows), was_here=was_here).cache()


def by_kind(history: History, moment: Moment) -> ir.CachedTable:
    """When each account used each kind of event in the last `KINDS_DAYS`.

    Columns: `account_id`, `event`, `weeks` (weeks with it as bits, newest first) and `newest` age. To be used in a
    `with`, which lets go of it at the end.
    """
    rows = _recent(history, moment, KINDS_DAYS)
    rows = rows.filter(rows["event"].notnull())
    age = rows["age"]
    week = (ibis.literal(1, "int32") << (age // 7).cast("int32")).bit_or()
    return rows.group_by("account_id", "event").agg(weeks=week, newest=age.min()).cache()


def of_kinds(history: History, moment: Moment, events: Collection[str]) -> ir.CachedTable:
    """How much each account used these kinds of events in the last `KINDS_DAYS`.

    Columns: `account_id`, `event`, the quantities `q_28` and `q_before`, `newest` and `oldest` age. To be used in a
    `with`, which lets go of it at the end.
    """
    rows = _recent(history, moment, KINDS_DAYS)
    rows = rows.filter(rows["event"].isin(list(events)))
    return rows.group_by("account_id", "event").agg(**_amounts(rows)).cache()


def days_as_text(words: list[ir.IntegerValue]) -> ir.StringValue:
    """The days of the lookback as text, oldest first: 1 for a day that is marked in the words, 0 for another."""
    newest, *older = [_binary(word).lpad(_WORD_DAYS, "0") for word in words]
    text = newest
    for word in older:
        text = word + text
    return text


def day_mask(ages: Iterable[int], place: int) -> int:
    """Ages as bits of the word with that place, as `w0` … `w3` of `Tallies` hold them."""
    return sum(1 << (age - place * _WORD_DAYS) for age in ages if age // _WORD_DAYS == place)


def _recent(history: History, moment: Moment, days: int) -> ir.Table:
    """Usage of the last so many days with the age of each row, in the columns that the sums need."""
    rows = history.known("usage", moment)
    rows = rows.filter(rows["occurred_at"] >= moment.midnight - timedelta(days=days))
    quantity = rows["quantity"].fill_null(1.0) if "quantity" in rows.columns else ibis.literal(1.0)
    user = rows["user_id"] if "user_id" in rows.columns else ibis.null("string")
    age = age_days(rows["occurred_at"], moment.as_of).cast("int32")  # by the million a narrow number is room saved
    written = rows[WRITTEN_ID] if WRITTEN_ID in rows.columns else rows["account_id"]
    return rows.select("account_id", "event", written=written, user_id=user, steps=light_steps(quantity), age=age)


def _amounts(rows: ir.Table) -> dict[str, ir.Scalar]:
    """How much now, how much before, and between which ages, in as little memory as groups by the million leave."""
    age, steps = rows["age"], rows["steps"]
    return {
        "q_28": light_sum(steps, in_window(age, 0, 28)),
        "q_before": light_sum(steps, in_window(age, 28, 84)),
        "newest": age.min(),
        "oldest": age.max(),
    }


def _by_account(rows: ir.Table) -> ir.Table:
    """Sums over windows that do not overlap, which touches a row the least often, and the days of use as bits."""
    age, steps = rows["age"], rows["steps"]
    fading = whole_steps(steps * ibis.literal(0.5) ** (age / HALF_LIFE_DAYS))
    sums = {
        "q_7": steps.sum(where=in_window(age, 0, 7)),
        "q_8_28": steps.sum(where=in_window(age, 7, 21)),
        "q_29_84": steps.sum(where=in_window(age, 28, 56)),
        "q_85_112": steps.sum(where=in_window(age, 84, 28)),
        "q_decayed": fading.sum(where=in_window(age, 0, 84)),
    }
    words = {word: day_bits(age, place * _WORD_DAYS, _WORD_DAYS) for place, word in enumerate(_WORDS)}
    texts = rows.group_by("written").agg(newest=age.min(), oldest=age.max(), **sums, **words)
    accounts = texts.group_by(account_id=without_blanks(texts["written"])).agg(
        newest=texts["newest"].min(),
        oldest=texts["oldest"].max(),
        **{name: light_sum(texts[name]) for name in sums},
        **{word: texts[word].bit_or() for word in _WORDS},
    )
    q_28 = accounts["q_7"] + accounts["q_8_28"]
    return accounts.select(
        "account_id",
        "q_7",
        "q_decayed",
        "newest",
        "oldest",
        *_WORDS,
        q_28=q_28,
        q_84=q_28 + accounts["q_29_84"],
        q_before=accounts["q_29_84"] + accounts["q_85_112"],
    )
