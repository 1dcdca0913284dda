"""Patterns as sentences: numbers agree with their nouns in English, Han and Latin keep their distance in Chinese.

A pattern such as "Active on {active_days_28:n} of the last 28 days." says how each value is to be written:

========== ================================================ =======================================
``n``      a whole number                                    1,240 · less than 1 · 不到 1
``d``      one decimal                                       3.4
``percent`` a share                                          18 % · 18%
``part``   a share in words                                  about half · 一半
``ahead``  the date so many days after the night             14 January · 1 月 14 日
``ago``    the date so many days before it                   1 October · 10 月 1 日
``months`` a length of time given in days                    3 months · 3 个月
``hours``  a length of time given in hours                   31 hours · 6 days · 31 小时
``inferred`` that the date before it is a guess, or nothing   or so, judging by their billing
``text``   a word, as it stands
``a|b``    a where the value is nought, else b               renews · ends
``when``   nothing: it stands for what follows below
========== ================================================ =======================================

A clause in brackets that names features, "[; {tickets_usual:n} is usual]", is said where they are known.

A figure may be held ``against`` another, "{tickets_usual:n against tickets_28}", or claimed to be ``over`` or ``under``
it. The comparison is made of what is shown: where both round to the same, they are shown with one more decimal, and
where that does not tell them apart, or the claim is wrong, the clause is left out, or all of a sentence without clause.
"""

import re
import string
from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Final, NamedTuple

from pipeline.amounts import FINER, STYLES, Language, Style

__all__ = ["Figure", "Value", "can_be_said", "figures_in", "named_in", "told", "written"]

Value = float | str | None


class Figure(NamedTuple):
    """A value that a pattern gives: of which feature, in which style, and of which feature it is held against."""

    name: str
    style: str
    against: str | None


class _Piece(NamedTuple):
    """Text, the name of the feature that follows it, how that is written, and what it is held against."""

    text: str
    name: str | None
    style: str
    relation: str | None = None
    other: str = ""


def written(pattern: str, known: Mapping[str, Value], as_of: date, language: Language) -> str:
    """The pattern with the values of `known`, for which it `can_be_said`, as of a night."""
    return _chinese(pattern, known, as_of) if language == "zh" else _english(pattern, known, as_of)


@cache
def named_in(pattern: str) -> frozenset[str]:
    """The features whose values a pattern gives.

    >>> sorted(named_in("{a:n} of {b:n} seats, {a:percent}"))
    ['a', 'b']
    """
    return frozenset(piece.name for piece in _pieces(pattern) if piece.name)


@cache
def figures_in(pattern: str) -> tuple[Figure, ...]:
    """The values that a pattern gives, in its order, those of its clauses among them.

    >>> [tuple(figure) for figure in figures_in("{a:n} days[; {b:d against a} is normal].")]
    [('a', 'n', None), ('b', 'd', 'a')]
    """
    return tuple(Figure(piece.name, piece.style, piece.other or None) for piece in _pieces(pattern) if piece.name)


_CLAUSE: Final = re.compile(r"\[([^][]*{[^][]*)\]")


def told(pattern: str, known: Mapping[str, Value]) -> str:
    """The pattern with its clauses in brackets, or without those that cannot be said.

    >>> [told("{a:n} seats[; {b:n} is normal].", known) for known in ({"a": 3}, {"a": 3, "b": 4})]
    ['{a:n} seats.', '{a:n} seats; {b:n} is normal.']
    >>> told("{a:n} seats[; {b:n over a} is normal].", {"a": 3, "b": 2})
    '{a:n} seats.'
    """
    return _CLAUSE.sub(lambda clause: clause[1] if can_be_said(clause[1], known) else "", pattern)


def can_be_said(pattern: str, known: Mapping[str, Value]) -> bool:
    """Whether all that a pattern names is known, and its comparisons are true as they are shown."""
    if not named_in(pattern) <= known.keys():
        return False
    return all(piece.other in known and _holds(piece, known) for piece in _comparisons(pattern))


def _holds(piece: _Piece, known: Mapping[str, Value]) -> bool:
    assert piece.name is not None
    value, other = known[piece.name], known[piece.other]
    assert isinstance(value, float | int)
    assert isinstance(other, float | int)
    if not (_differ(STYLES, piece.style, value, other) or _differ(FINER, piece.style, value, other)):
        return False
    return piece.relation == "against" or (value > other) == (piece.relation == "over")


def _differ(styles: Mapping[str, Style], style: str, value: Value, other: Value) -> bool:
    write = styles["n" if style == "when" else style]
    return write(value, date.min, "en") != write(other, date.min, "en")


_COMPARED: Final = re.compile(r"(\w+) (against|over|under) (\w+)")


@cache
def _pieces(pattern: str) -> tuple[_Piece, ...]:
    """A pattern in its pieces; a catalogue has some hundreds."""
    return tuple(
        _piece(literal, name, style or "text") for literal, name, style, _ in string.Formatter().parse(pattern)
    )


@cache
def _comparisons(pattern: str) -> tuple[_Piece, ...]:
    return tuple(piece for piece in _pieces(pattern) if piece.relation is not None)


def _piece(literal: str, name: str | None, style: str) -> _Piece:
    compared = _COMPARED.fullmatch(style)
    return _Piece(literal, name, style) if compared is None else _Piece(literal, name, *compared.groups())


def _finer(pattern: str, known: Mapping[str, Value]) -> frozenset[str]:
    """The features that take one more decimal, for they would read like what they are held against.

    A whole number is told as such beside one that is none.
    """
    finer = set[str]()
    for piece in _comparisons(pattern):
        pair = [str(piece.name), piece.other]
        if not _differ(STYLES, piece.style, *(known[name] for name in pair)):
            finer |= {name for name in pair if piece.style == "hours" or not _is_whole(known[name])}
    return frozenset(finer)


def _is_whole(value: Value) -> bool:
    return isinstance(value, float | int) and float(value).is_integer()


def _amount(value: Value, style: str, as_of: date, language: Language, *, finely: bool = False) -> str:
    nought, bar, else_ = style.partition("|")
    if bar:
        return else_ if value else nought
    return (FINER if finely else STYLES)[style](value, as_of, language)


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
_THERE_ARE_0: Final = re.compile(r"there are 0(?!\.?\d)")
_THERE_ARE_1: Final = re.compile(rf"there are ((?:less than )?1{_ONE})")
_ONE_OF: Final = re.compile(rf"{_ONE}( of [^.,;:()]*?) ({'|'.join(_VERBS)})\b")


def _english(pattern: str, known: Mapping[str, Value], as_of: date) -> str:
    text, finer = "", _finer(pattern, known)
    for literal, name, style, *_ in _pieces(pattern):
        text += literal
        if name is None:
            continue
        rendered = _amount(known[name], style, as_of, "en", finely=name in finer)
        one = style == "n" and rendered in ("1", "less than 1")
        if style == "n" and not text and rendered.isdecimal() and int(rendered) < len(_SMALL):
            rendered = _SMALL[int(rendered)]
        text += rendered + (_ONE if one else "")
    if " of" in text:
        text = _NONE_OF.sub(lambda found: "None of" if found[0] == "No of" else "none of", text)
    text = text.replace("No people ", "Nobody ")
    text = _THERE_ARE_0.sub("there are none", text)
    if _ONE in text:
        text = _THERE_ARE_1.sub(r"there is \1", text)
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
_SPOKEN: Final = {
    "大约每 1 天用一次": "几乎天天在用",
    "大约每 1 天一次": "几乎天天都有",
    "提了 0 张工单": "没有提过工单",
    "平时是 0 张": "平时没有",
    "平时是不到 1 张": "平时不到 1 张",
}


def _chinese(pattern: str, known: Mapping[str, Value], as_of: date) -> str:
    text, finer = "", _finer(pattern, known)
    for literal, name, style, *_ in _pieces(pattern):
        text = _beside(text, _HAN_GAP.sub("", literal))  # the name of a page group was set into its pattern with one
        if name is not None:
            text = _beside(text, _amount(known[name], style, as_of, "zh", finely=name in finer))
    for counted, spoken in _SPOKEN.items():
        text = text.replace(counted, spoken)
    return text


def _beside(left: str, right: str) -> str:
    before, after = left.rstrip(" "), right.lstrip(" ")
    seam = before[-1:] + after[:1]
    if re.fullmatch(f"{_HAN}{{2}}", seam):
        return before + after
    if re.fullmatch(f"{_HAN}[0-9A-Za-z]|[0-9A-Za-z]{_HAN}", seam):
        return f"{before} {after}"
    return left + right
