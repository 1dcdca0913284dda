"""What a feature is: its name, unit, family, and the sentences that say its value to a customer success manager.

A family's module (`usage.py`) computes its features, the file of the same name beside it (`usage.toml`) says what they
are and how they are worded. The catalogue travels with every model as plain text (`as_record`), so that a night two
years old is still worded by the catalogue that it was scored with, and the console needs no import of this package.
"""

import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib import resources
from typing import Any, Final, Literal

__all__ = ["CASES", "Case", "Family", "Feature", "Wording", "mentions", "read_catalogue"]


class Family(StrEnum):
    """The families of reasons. `PROFILE` holds what an account is rather than what it did."""

    USAGE = "usage"
    SUPPORT = "support"
    PAGES = "pages"
    CONTRACT = "contract"
    BILLING = "billing"
    FEEDBACK = "feedback"
    MARKET = "market"
    PROFILE = "profile"


Case = Literal["raises", "lowers", "missing", "zero", "one", "over", "few"]
CASES: Final[tuple[Case, ...]] = ("raises", "lowers", "missing", "zero", "one", "over", "few")
"""`over`: a share of more than the whole. `few`: what would be the account's usual is less than one day of use in four
weeks (three in the twelve weeks)."""


_GROUPS_ZH: Final = {
    "pricing": "价格",
    "cancellation": "退订",
    "refund": "退款",
    "downgrade": "降级",
    "billing": "账单",
    "documentation": "帮助文档",
}


@dataclass(frozen=True)
class Wording:
    """One sentence in both languages, each written, not translated.

    Fields in braces are names of features of the same account on the same date, with how to say them:
    `{active_days_28:n}` a whole number, `{price_change:percent}` a share, `{peer_trend:change}` how far from usual,
    `{days_to_renewal:ahead}` the date so many days after the night, `{days_since_price_rise:ago}` the date so many days
    before it, `{segment:text}` a word, `{renewal_by_hand:renews|ends}` one of two by whether it is nought. A clause in
    brackets, `[; {active_days_usual:n against active_days_28} is normal for them]`, is left out where what it names is
    not known, or is no other than what it is held against (claimed to be `over` or `under`), as both are shown.
    """

    en: str
    zh: str


@dataclass(frozen=True)
class Feature:
    """One number (or word) known about an account at a moment.

    `direction` is +1 where more of it is expected to raise the risk, −1 where it should lower it, 0 where either may
    be. `clock` marks what moves on with the calendar alone. `quotable` says whether it may be said to the customer.
    `learned` is false for a fact that only the sentences of others speak of: it teaches no model and has no words of
    its own. `needs` lists the contract's columns without which the feature does not exist, as `table.column`.
    """

    name: str
    family: Family
    unit: str
    meaning: str
    words: Mapping[Case, Wording] = field(default_factory=dict)
    kind: Literal["number", "category"] = "number"
    direction: Literal[-1, 0, 1] = 0
    quotable: bool = True
    clock: bool = False
    learned: bool = True
    needs: tuple[str, ...] = ()

    def for_group(self, *groups: str) -> "Feature":
        """The feature of one group of pages, or of a further column, made from a pattern; see `called`.

        Of several groups only sentences may speak: "pricing or refund".
        """
        *others, last = [each.replace("_", " ") for each in groups]
        name_en = f"{', '.join(others)} or {last}" if others else last
        name_zh = "、".join(_GROUPS_ZH.get(each, f"{each.replace('_', ' ')} ") for each in groups)
        return self.called(groups[0], name_en, name_zh)

    def called(self, name: str, en: str, zh: str) -> "Feature":
        """A feature made from a pattern that says `GROUP` in names and `[GROUP]` where the words speak of it."""
        words = {
            case: Wording(_filled(wording.en, name, en), _filled(wording.zh, name, zh))
            for case, wording in self.words.items()
        }
        return replace(
            self,
            name=self.name.replace("GROUP", name),
            meaning=self.meaning.replace("[GROUP]", en),
            words=words,
            needs=tuple(column.replace("GROUP", name) for column in self.needs),
        )

    def as_record(self) -> dict[str, Any]:
        """The feature as plain text, as it is stored with a model."""
        return {
            "name": self.name,
            "family": self.family.value,
            "unit": self.unit,
            "meaning": self.meaning,
            "words": {case: {"en": wording.en, "zh": wording.zh} for case, wording in self.words.items()},
            "kind": self.kind,
            "direction": self.direction,
            "quotable": self.quotable,
            "clock": self.clock,
            "learned": self.learned,
            "needs": list(self.needs),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Feature":
        """The feature that `as_record` wrote."""
        words = {case: Wording(**record["words"][case]) for case in CASES if case in record["words"]}
        return cls(
            **{
                **record,
                "family": Family(record["family"]),
                "words": words,
                "needs": tuple(record["needs"]),
            }
        )


def read_catalogue(family: str, currency: str | None = None) -> tuple[Feature, ...]:
    """The features that a family's file lists, in its order.

    `currency` is given where the quantity of use is money: features that have words for it (`money`) then use them
    instead of all others.

    >>> read_catalogue("usage")[0].unit
    'days'
    """
    text = resources.files("features").joinpath(f"{family}.toml").read_text(encoding="utf-8")
    return tuple(_from_entry(name, entry, currency) for name, entry in tomllib.loads(text).items())


def _from_entry(name: str, entry: dict[str, Any], currency: str | None) -> Feature:
    money = entry.pop("money", None)
    words = {case: Wording(**entry.pop(case)) for case in CASES if case in entry}
    if money is not None and currency is not None:
        entry["unit"] = entry["unit"].replace("quantity", currency)
        words = {
            case: Wording(**{language: text.replace("[CURRENCY]", currency) for language, text in money[case].items()})
            for case in CASES
            if case in money
        }
    return Feature(
        name=name,
        family=Family(entry.pop("family")),
        words=words,
        needs=tuple(entry.pop("needs", ())),
        **entry,
    )


def _filled(text: str, name: str, spoken: str) -> str:
    return spoken.join(part.replace("GROUP", name) for part in text.split("[GROUP]"))


def mentions(wording: Wording) -> frozenset[str]:
    """Names of the features that a sentence speaks of, in either language.

    >>> sorted(mentions(Wording("{a:n} of {b:n}", "{b:n} 天里有 {a:n} 天")))
    ['a', 'b']
    """
    formatter = string.Formatter()
    return frozenset(name for text in (wording.en, wording.zh) for _, name, _, _ in formatter.parse(text) if name)
