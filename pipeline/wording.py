"""Reasons as sentences: what a customer success manager reads, in English and in Chinese.

A stored reason is a feature, its value and its contribution. Its words come from the catalogue that was stored with the
model, so a night two years old still reads as it did. This module needs those records and nothing of the model.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from pipeline.amounts import Language, whole
from pipeline.grammar import Value, can_be_said, named_in, told, written

__all__ = ["PROFILE", "SLIGHT", "Sentence", "all_sentences", "sentence", "top_sentences", "weight"]

PROFILE: Final = "profile"
"""The family of what an account is, as against what it did."""

_LISTED: Final = 2
"""Sentences that a list shows of an account; in these two what it did goes before what it is."""

_USUAL: Final = "active_days_usual"
_LEAST_USUAL: Final = 1.0
"""Days of use in four weeks: three in the twelve weeks that "usual" looks at. Below it nothing is usual."""

SLIGHT: Final = 0.05
"""Log-odds: what weighs less moves a risk of 20 % by less than a point, and is a reason for nothing."""

_NOTHING: Final[dict[Language, str]] = {
    "en": "No single reason stands out.",
    "zh": "没有特别突出的单一原因。",
}

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
        no sentence; a clause in brackets is left out instead.
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
    words = _words(record, reason, facts)
    if words is None:
        return None
    there = _there(record, reason, facts)
    pattern = told(words[language], there)
    if not can_be_said(pattern, there):
        return None
    text = written(pattern, there, as_of, language)
    return text if record["quotable"] else text + _INTERNAL[language]


def top_sentences(
    reasons: Sequence[Mapping[str, Any]],
    catalogue: Mapping[str, Record],
    facts: Mapping[str, Value],
    as_of: date,
    language: Language = "en",
    *,
    most: int = _LISTED,
) -> list[Sentence]:
    """What a list says of an account: the first of `all_sentences` that raise its risk, at most `most`.

    That something is not known is said once. Where no reason reaches `SLIGHT`, one sentence says that.
    """
    if reasons and all(abs(reason["contribution"]) < SLIGHT for reason in reasons):
        return [Sentence(_NOTHING[language], "other", "rest", 0.0)]
    raising, _ = _groups(reasons, catalogue, facts, as_of, language)
    unknown = [group for group in raising if group.is_missing]
    return [group.total for group in raising if group not in unknown[1:]][:most]


def all_sentences(
    reasons: Sequence[Mapping[str, Any]],
    catalogue: Mapping[str, Record],
    facts: Mapping[str, Value],
    as_of: date,
    language: Language = "en",
) -> list[Sentence]:
    """All that can be said of an account, each fact once: what raises its risk, then what speaks for staying.

    Features that speak of the same thing (the same days counted over 7 and over 28 days, a number and its trend) weigh
    together, and the sentence that tells most speaks for them. The heaviest come first; but what the account *is* is
    not among the first two while something that it *did* weighs at least half as much, nor what is not known while any
    fact does. What would speak for staying by a fact that was said already is left out. `catalogue` maps a feature's
    name to its record.
    """
    raising, lowering = _groups(reasons, catalogue, facts, as_of, language)
    return [group.total for group in (*raising, *lowering)]


def _groups(
    reasons: Sequence[Mapping[str, Any]],
    catalogue: Mapping[str, Record],
    facts: Mapping[str, Value],
    as_of: date,
    language: Language,
) -> tuple[list["_Group"], list["_Group"]]:
    """What raises the risk and what lowers it, in the order of `all_sentences`."""
    raising: list[_Group] = []
    lowering: list[_Group] = []
    for reason in sorted(reasons, key=lambda reason: -abs(float(reason["contribution"]))):
        record = catalogue.get(reason["feature"])
        text = None if record is None else sentence(record, reason, facts, as_of, language)
        if record is None or text is None or reason["contribution"] == 0:
            continue
        _add(raising if reason["contribution"] > 0 else lowering, _alone(record, reason, facts, text))
    said = frozenset[str]().union(*(group.tells for group in raising))
    lowering = [group for group in lowering if not group.tells <= said]
    return _acts_first(raising), sorted(lowering, key=lambda group: group.contribution)


@dataclass
class _Group:
    """Reasons that tell the same thing, the sentence that says it for them, and what they weigh together."""

    said: Sentence
    tells: frozenset[str]  # the features whose values the sentence gives
    subjects: frozenset[str]
    contribution: float
    is_trait: bool
    is_missing: bool

    @property
    def total(self) -> Sentence:
        return replace(self.said, contribution=self.contribution)

    def is_of_one_kind(self, other: "_Group") -> bool:
        same_family = other.said.family == self.said.family
        return other.said.text == self.said.text or (same_family and bool(other.subjects & self.subjects))

    def take(self, other: "_Group") -> None:
        if (not other.is_missing, len(other.tells)) > (not self.is_missing, len(self.tells)):
            self.said, self.tells, self.is_missing = other.said, other.tells, other.is_missing
        self.subjects |= other.subjects
        self.contribution += other.contribution


def _add(groups: list[_Group], alone: _Group) -> None:
    kin = [group for group in groups if group.is_of_one_kind(alone)]
    if not kin:
        groups.append(alone)
        return
    kin[0].take(alone)
    for other in kin[1:]:  # a sentence on two subjects makes one of the groups that had one each
        kin[0].take(other)
        groups.remove(other)


def _acts_first(groups: Sequence[_Group]) -> list[_Group]:
    """Two that a list would say, then the others by weight.

    Of the two an act goes before a trait, and any fact before what is not known, if it weighs at least half as much;
    and what is not known is not both of them while there is a fact.
    """
    left = sorted(groups, key=lambda group: -group.contribution)
    first: list[_Group] = []
    while left and len(first) < _LISTED:
        heaviest = left[0]
        facts = [group for group in left if not group.is_missing]
        acts = [group for group in facts if not group.is_trait]
        half = [group for group in (*acts[:1], *facts[:1]) if group.contribution >= heaviest.contribution / 2]
        if any(group.is_missing for group in first):
            half += facts[:1]
        first.append(next(iter(half), heaviest))
        left.remove(first[-1])
    return [*first, *left]


_WINDOW: Final = re.compile(r"(_\d+|_trend|_usual|_past|_before|_change)+$")


def _alone(record: Record, reason: Mapping[str, Any], facts: Mapping[str, Value], text: str) -> _Group:
    """A group of one reason. Its subject is that of its feature, too: `active_days` of `active_days_28`.

    What is usual is beside the subject: how fast tickets are solved is the measure of one that waits.
    """
    words = _words(record, reason, facts)
    assert words is not None
    name, contribution = record["name"], float(reason["contribution"])
    named = named_in(told(words["en"], _there(record, reason, facts)))
    return _Group(
        said=Sentence(text, reason["family"], reason["feature"], contribution),
        tells=named or frozenset({name}),
        subjects=frozenset({name, _WINDOW.sub("", name)}.union(each for each in named if not each.endswith("_usual"))),
        contribution=contribution,
        is_trait=reason["family"] == PROFILE,
        is_missing=_known(reason["value"]) is None,
    )


def _words(record: Record, reason: Mapping[str, Any], facts: Mapping[str, Value]) -> Mapping[str, str] | None:
    """The wording of the case that fits: missing, zero, one, over or few where there is one, else by the sign."""
    cases: Mapping[str, Mapping[str, str]] = record["words"]
    value = _known(reason["value"])
    if value is None:
        return cases.get("missing")
    by_sign = cases.get("raises" if reason["contribution"] >= 0 else "lowers")
    if isinstance(value, str):
        return by_sign
    usual = _known({**facts, record["name"]: value}.get(_USUAL))
    if "few" in cases and isinstance(usual, float | int) and usual < _LEAST_USUAL:
        by_sign = cases["few"]
    if value == 0:
        return cases.get("zero", by_sign)
    # 1.2 is written "1" where the sentence writes whole numbers, so it is said as one is; 0.3 of an hour is within one.
    counted = by_sign is not None and any(f"{{{record['name']}:{style}}}" in by_sign["en"] for style in ("n", "hours"))
    within_one = record["unit"] in {"hours", "days"} and 0 < value < 1
    if value == 1 or (counted and (whole(value) == 1 or within_one)):
        return cases.get("one", by_sign)
    return cases.get("over", by_sign) if record["unit"] == "share" and value > 1 else by_sign


def _there(record: Record, reason: Mapping[str, Any], facts: Mapping[str, Value]) -> Mapping[str, Value]:
    """What is known of the account, the reason's own value among it."""
    every = {**facts, record["name"]: reason["value"]}
    return {
        name: value
        for name, value in every.items()
        if value is not None and not (isinstance(value, float) and math.isnan(value))
    }


def _known(value: Any) -> Value:
    return None if value is None or (isinstance(value, float) and math.isnan(value)) else value


def weight(contribution: float, main: float, language: Language = "en") -> str:
    """What stands beside a sentence: how much it weighs against the reason that the list says first.

    What lowers the risk speaks for staying, however little it weighs. Of the others what weighs as much as the first
    reason or more is a main reason; what weighs less than `SLIGHT` is none, however little the others weigh.

    >>> [weight(contribution, 0.8) for contribution in (0.8, 0.3, 0.1, -0.03)]
    ['main reason', 'adds', 'slight', 'speaks for staying']
    """
    if contribution < 0:
        return {"en": "speaks for staying", "zh": "有利"}[language]
    if contribution >= max(main, SLIGHT):
        return {"en": "main reason", "zh": "主要原因"}[language]
    if contribution >= max(main / 4, SLIGHT):
        return {"en": "adds", "zh": "也有影响"}[language]
    return {"en": "slight", "zh": "影响较小"}[language]
