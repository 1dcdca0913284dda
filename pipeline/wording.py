"""Reasons as sentences: what a customer success manager reads, in English and in Chinese.

A stored reason is a feature, its value and its contribution. Its words come from the catalogue that was stored with the
model, so a night two years old still reads as it did. This module needs those records and nothing of the model.

A pattern such as "Active on {active_days_28:n} of the last 28 days." says how each value is to be written:

========== ================================================ =======================================
``n``      a whole number                                    1,240 · less than 1 · 不到 1
``d``      one decimal                                       3.4
``percent`` a share                                          18 % · 18%
``part``   a share in words                                  about half · 一半
``ahead``  the date so many days after the night             14 January · 1 月 14 日
``ago``    the date so many days before it                   1 October · 10 月 1 日
``months`` a length of time given in days                    3 months · 3 个月
``text``   a word, as it stands
========== ================================================ =======================================
"""

import math
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Final

from pipeline.amounts import STYLES, Language, whole

__all__ = ["Sentence", "sentence", "top_sentences", "weight"]

CONTRACT: Final = "contract"
PROFILE: Final = "profile"
"""The family of what an account is, as against what it did."""

Value = float | str | None
Record = Mapping[str, Any]

_INTERNAL: Final[dict[Language, str]] = {"en": " (internal, do not quote)", "zh": "(内部信息,勿对客户提起)"}


@dataclass(frozen=True)
class Sentence:
    """A reason in words. `contribution` (log-odds) is that of all the reasons which it speaks for."""

    text: str
    family: str
    feature: str
    contribution: float


def sentence(
    record: Record, reason: Mapping[str, Any], facts: Mapping[str, Value], as_of: date, language: Language = "en"
) -> str | None:
    """The reason in one sentence; None where it must stay unworded.

    Parameters
    ----------
    record
        The feature as `features.catalogue.Feature.as_record` wrote it.
    reason
        `value` (number, word or None), `contribution` in log-odds, and `contradicts` where the sign of the contribution
        is the reverse of what is expected: such a sentence would read as nonsense.
    facts
        Values of other features of the same account that the sentence may speak of. Without one that it needs there is
        no sentence.
    as_of
        The night; "yesterday" is the day before it.

    >>> record = {
    ...     "name": "gap",
    ...     "unit": "days",
    ...     "quotable": True,
    ...     "words": {"raises": {"en": "about every {gap:n} days.", "zh": "-"}},
    ... }
    >>> sentence(record, {"value": 1234.4, "contribution": 0.2}, {}, date(2026, 11, 2))
    'About every 1,234 days.'
    """
    if reason.get("contradicts"):
        return None
    value = _known(reason["value"])
    words = _words(record, value, float(reason["contribution"]))
    if words is None:
        return None
    pattern = words[language]
    known = {**facts, record["name"]: value}
    if any(_known(known.get(name)) is None for _, name, _ in _pieces(pattern) if name):
        return None
    text = _chinese(pattern, known, as_of) if language == "zh" else _english(pattern, known, as_of)
    return text if record["quotable"] else text + _INTERNAL[language]


def top_sentences(
    reasons: Sequence[Mapping[str, Any]],
    catalogue: Mapping[str, Record],
    facts: Mapping[str, Value],
    as_of: date,
    language: Language = "en",
    *,
    most: int = 2,
) -> list[Sentence]:
    """What a list says of an account: its heaviest raising reasons, at most `most`, each fact said once.

    Features that speak of the same thing (the same days counted over 7 and over 28 days, a number and its trend) weigh
    together, and the sentence that tells most speaks for them. What the account *is* waits while something that it
    *did* weighs at least half as much. `catalogue` maps a feature's name to its record.
    """
    groups: list[_Group] = []
    for reason in sorted(reasons, key=lambda reason: -float(reason["contribution"])):
        record = catalogue.get(reason["feature"])
        if record is None or reason["contribution"] <= 0:
            continue
        text = sentence(record, reason, facts, as_of, language)
        if text is None:
            continue
        said = Sentence(text, reason["family"], reason["feature"], float(reason["contribution"]))
        spoken_of = _spoken_of(record, reason)
        for group in groups:
            if group.speaks_of(said, spoken_of):
                group.add(said, spoken_of)
                break
        else:
            groups.append(_Group(said, spoken_of, {spoken_of}, said.contribution, _is_trait(reason)))
    chosen: list[Sentence] = []
    while groups and len(chosen) < most:
        groups.sort(key=lambda group: -group.contribution)
        heaviest = groups[0]
        did = next((group for group in groups if not group.is_trait), heaviest)
        group = did if did.contribution >= heaviest.contribution / 2 else heaviest
        groups.remove(group)
        chosen.append(Sentence(group.said.text, group.said.family, group.said.feature, group.contribution))
    return chosen


@dataclass
class _Group:
    """Reasons that tell the same thing, the sentence that says it for them, and what they weigh together."""

    said: Sentence
    said_of: frozenset[str]
    members: set[frozenset[str]]
    contribution: float
    is_trait: bool

    def speaks_of(self, said: Sentence, spoken_of: frozenset[str]) -> bool:
        same_family = said.family == self.said.family
        return said.text == self.said.text or (same_family and any(spoken_of & member for member in self.members))

    def add(self, said: Sentence, spoken_of: frozenset[str]) -> None:
        if len(spoken_of) > len(self.said_of):
            self.said, self.said_of = said, spoken_of
        self.members.add(spoken_of)
        self.contribution += said.contribution


def _is_trait(reason: Mapping[str, Any]) -> bool:
    """Whether a reason says what the account is: its profile, and that its contract has no such thing."""
    return reason["family"] == PROFILE or (reason["family"] == CONTRACT and _known(reason["value"]) is None)


_WINDOW: Final = re.compile(r"(_\d+|_trend|_usual|_past|_before|_change)+$")


def _spoken_of(record: Record, reason: Mapping[str, Any]) -> frozenset[str]:
    """The features that the sentence names, and the subject of its own: `active_days` of `active_days_28`."""
    words = _words(record, _known(reason["value"]), float(reason["contribution"]))
    assert words is not None
    named = {name for _, name, _ in _pieces(words["en"]) if name}
    return frozenset(named | {record["name"], _WINDOW.sub("", record["name"])})


def _words(record: Record, value: Value, contribution: float) -> Mapping[str, str] | None:
    """The wording of the case that fits: missing, zero or one where the catalogue words it, else by the sign."""
    cases: Mapping[str, Mapping[str, str]] = record["words"]
    if value is None:
        return cases.get("missing")
    by_sign = cases.get("raises" if contribution >= 0 else "lowers")
    if isinstance(value, str):
        return by_sign
    if value == 0:
        return cases.get("zero", by_sign)
    # 1.2 is written "1" where the sentence writes whole numbers, so it is said as one is; 0.3 of an hour is within one.
    counted = by_sign is not None and f"{{{record['name']}:n}}" in by_sign["en"]
    within_one = record["unit"] in {"hours", "days"} and 0 < value < 1
    if value == 1 or (counted and (whole(value) == 1 or within_one)):
        return cases.get("one", by_sign)
    return by_sign


def _known(value: Any) -> Value:
    return None if value is None or (isinstance(value, float) and math.isnan(value)) else value


@cache
def _pieces(pattern: str) -> tuple[tuple[str, str | None, str | None], ...]:
    """A pattern as (text, name of the feature that follows it, how it is written); a catalogue has some hundreds."""
    return tuple((literal, name, style) for literal, name, style, _ in string.Formatter().parse(pattern))


def weight(contribution: float, heaviest: float, language: Language = "en") -> str:
    """What stands beside a sentence: how much it weighs against the account's heaviest raising reason.

    >>> [weight(contribution, 0.8) for contribution in (0.8, 0.3, 0.1, -0.4)]
    ['main reason', 'adds', 'slight', 'speaks for staying']
    """
    if contribution < 0:
        return {"en": "speaks for staying", "zh": "有利"}[language]
    if contribution >= heaviest:
        return {"en": "main reason", "zh": "主要原因"}[language]
    if contribution >= heaviest / 4:
        return {"en": "adds", "zh": "也有影响"}[language]
    return {"en": "slight", "zh": "影响较小"}[language]


# ---------------------------------------------------------------------------------------------------------------------
# English: numbers below eleven open a sentence as words, and a noun agrees with the number before it.

_SMALL: Final = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
_SINGULAR: Final = {
    "actions": "action",
    "days": "day",
    "hours": "hour",
    "invoices": "invoice",
    "messages": "message",
    "months": "month",
    "people": "person",
    "seats": "seat",
    "subscriptions": "subscription",
    "tickets": "ticket",
    "times": "time",
    "users": "user",
    "visits": "visit",
    "weeks": "week",
    "years": "year",
}
_VERBS: Final = {"are": "is", "were": "was", "have": "has", "sound": "sounds", "take": "takes", "need": "needs"}
_NONE_OF: Final = re.compile(r"^No of\b|(?<![\w,.])0 of\b")
_ONE: Final = "\ue000"  # stands behind a rendered 1 until its noun and verb agree; a private code point, in no text
_ONE_NOUN: Final = re.compile(
    rf"{_ONE}( (?:paid |open |late |failed )?)({'|'.join(_SINGULAR)})\b(?: ({'|'.join(_VERBS)})\b)?"
)
_ONE_OF: Final = re.compile(rf"{_ONE}( of [^.,;:()]*?) ({'|'.join(_VERBS)})\b")


def _english(pattern: str, known: Mapping[str, Value], as_of: date) -> str:
    text = ""
    for literal, name, style in _pieces(pattern):
        text += literal
        if name is None:
            continue
        value = known[name]
        rendered = STYLES[style or "text"](value, as_of, "en")
        one = style == "n" and rendered in ("1", "less than 1")
        if style == "n" and not text and rendered.isdecimal() and int(rendered) < len(_SMALL):
            rendered = _SMALL[int(rendered)]
        text += rendered + (_ONE if one else "")
    if " of" in text:
        text = _NONE_OF.sub(lambda found: "None of" if found[0] == "No of" else "none of", text)
    if _ONE in text:
        text = _ONE_OF.sub(lambda found: f"{_ONE}{found[1]} {_VERBS[found[2]]}", text)
        text = _ONE_NOUN.sub(_singular, text).replace(_ONE, "").replace("every 1 day", "every day")
    return text[:1].upper() + text[1:]


def _singular(found: re.Match[str]) -> str:
    verb = f" {_VERBS[found[3]]}" if found[3] else ""
    return f"{found[1]}{_SINGULAR[found[2]]}{verb}"


# ---------------------------------------------------------------------------------------------------------------------
# Chinese: one space between Han and Latin or digits, none between Han and Han.

_HAN: Final = r"[\u4e00-\u9fff]"
_HAN_GAP: Final = re.compile(rf"(?<={_HAN}) (?={_HAN})")


def _chinese(pattern: str, known: Mapping[str, Value], as_of: date) -> str:
    text = ""
    for literal, name, style in _pieces(pattern):
        text = _beside(text, _HAN_GAP.sub("", literal))  # the name of a page group was set into its pattern with one
        if name is not None:
            text = _beside(text, STYLES[style or "text"](known[name], as_of, "zh"))
    return text


def _beside(left: str, right: str) -> str:
    before, after = left.rstrip(" "), right.lstrip(" ")
    seam = before[-1:] + after[:1]
    if re.fullmatch(f"{_HAN}{{2}}", seam):
        return before + after
    if re.fullmatch(f"{_HAN}[0-9A-Za-z]|[0-9A-Za-z]{_HAN}", seam):
        return f"{before} {after}"
    return left + right
