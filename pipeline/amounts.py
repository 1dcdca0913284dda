"""Amounts as people say them, in English and in Chinese: counts, shares, dates, lengths of time, odds."""

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, Final, Literal

__all__ = [
    "FINER",
    "LANGUAGES",
    "STYLES",
    "Language",
    "Style",
    "money_word",
    "percent",
    "plain_day",
    "plain_odds",
    "whole",
]

Language = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")

Style = Callable[[Any, date, Language], str]

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def whole(value: float) -> int:
    """The nearest whole number, halves away from zero, as a reader would round."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def _rounded(value: float, decimals: int) -> float:
    scale = 10**decimals
    return math.copysign(math.floor(abs(value) * scale + 0.5) / scale, value)


def _count(value: Any, _: date, language: Language) -> str:
    if 0 < value < 0.5:
        return {"en": "less than 1", "zh": "不到 1"}[language]
    return f"{whole(value):,}".replace("-", "−")


def _decimal(value: Any, _: date, __: Language) -> str:
    return f"{_rounded(value, 1):,.1f}"


def _hundredths(value: Any, _: date, __: Language) -> str:
    return f"{_rounded(value, 2):,.2f}"


def _percent(value: Any, as_of: date, language: Language) -> str:
    return _count(100 * value, as_of, language) + {"en": " %", "zh": "%"}[language]


def percent(share: float, language: Language) -> str:
    """A share as axes and borders have it, below 10 % with a decimal, for there a half of one is much.

    >>> percent(0.095, "en"), percent(0.174, "en"), percent(0.02, "zh"), percent(0.004, "en")
    ('9.5 %', '17 %', '2%', '0.4 %')
    """
    finely = f"{_rounded(100 * share, 1):.1f}".removesuffix(".0") if share < 0.0995 else f"{whole(100 * share)}"
    return finely + {"en": " %", "zh": "%"}[language]


def _change(value: Any, as_of: date, language: Language) -> str:
    """How far below or above its usual level something is, as a share of it."""
    if abs(value) < 0.005:
        return {"en": "at", "zh": "与平时持平"}[language]
    size = _percent(abs(value), as_of, language)
    if language == "zh":
        return ("比平时少 " if value < 0 else "比平时多 ") + size
    return size + (" below" if value < 0 else " above")


def _inferred(value: Any, _: date, language: Language) -> str:
    """What stands behind a date of renewal that nobody wrote down."""
    return {"en": " or so, judging by their billing", "zh": "前后(按付费周期推算)"}[language] if value else ""


_PARTS: Final[tuple[tuple[float, str, str], ...]] = (
    (0.05, "a small part", "不到一成"),
    (0.15, "about a tenth", "一成"),
    (0.225, "about a fifth", "两成"),
    (0.29, "about a quarter", "四分之一"),
    (0.365, "about a third", "三分之一"),
    (0.45, "about two fifths", "四成"),
    (0.55, "about half", "一半"),
    (0.63, "about three fifths", "六成"),
    (0.71, "about two thirds", "三分之二"),
    (0.775, "about three quarters", "四分之三"),
    (0.85, "about four fifths", "八成"),
    (0.95, "about nine tenths", "九成"),
    (math.inf, "nearly all", "九成以上"),
)
"""Shares up to a bound, in words. The Chinese stands behind 约 as well as alone."""


def _part(value: Any, _: date, language: Language) -> str:
    english, chinese = next((english, chinese) for bound, english, chinese in _PARTS if value < bound)
    return chinese if language == "zh" else english


def plain_day(day: date, as_of: date, language: Language) -> str:
    """A day as people write it, with its year where that is another than the night's.

    >>> plain_day(date(2026, 11, 23), date(2026, 11, 2), "en"), plain_day(date(2027, 1, 9), date(2026, 11, 2), "zh")
    ('23 November', '2027 年 1 月 9 日')
    """
    same_year = day.year == as_of.year
    if language == "zh":
        return ("" if same_year else f"{day.year} 年 ") + f"{day.month} 月 {day.day} 日"
    return f"{day.day} {_MONTHS[day.month - 1]}" + ("" if same_year else f" {day.year}")


def _ahead(value: Any, as_of: date, language: Language) -> str:
    return plain_day(as_of + timedelta(days=whole(value)), as_of, language)


def _ago(value: Any, as_of: date, language: Language) -> str:
    return plain_day(as_of - timedelta(days=whole(value)), as_of, language)


def _length(value: Any, _: date, language: Language) -> str:
    """Completed days, weeks, months or years, as ages are told."""
    days = max(whole(value), 0)
    amount, english, chinese = next(
        (days // size, english, chinese)
        for below, size, english, chinese in (
            (21, 1, "day", "天"),
            (61, 7, "week", "周"),
            (731, 30.4375, "month", "个月"),
            (math.inf, 365.25, "year", "年"),
        )
        if days < below
    )
    if language == "zh":
        return f"{amount:.0f} {chinese}"
    return f"{amount:.0f} {english}" + ("" if amount == 1 else "s")


def _hours(value: Any, as_of: date, language: Language) -> str:
    """A length of time given in hours, from three days on in days."""
    return _in_hours(value, as_of, language, _count)


def _hours_finely(value: Any, as_of: date, language: Language) -> str:
    return _in_hours(value, as_of, language, _decimal)


def _in_hours(value: Any, as_of: date, language: Language, style: Style) -> str:
    size, english, chinese = (1, "hour", "小时") if value < 71.5 else (24, "day", "天")
    amount = style(value / size, as_of, language)
    if language == "zh":
        return f"{amount} {chinese}"
    return f"{amount} {english}" + ("" if amount in {"1", "less than 1"} else "s")


def _text(value: Any, _: date, __: Language) -> str:
    return str(value)


def _nothing(_: Any, __: date, ___: Language) -> str:
    return ""


STYLES: Final[Mapping[str, Style]] = {
    "n": _count,
    "d": _decimal,
    "percent": _percent,
    "part": _part,
    "change": _change,
    "ahead": _ahead,
    "ago": _ago,
    "inferred": _inferred,
    "months": _length,
    "hours": _hours,
    "text": _text,
    "when": _nothing,
}
"""How each kind of value is written, by the name that patterns give it: (value, night, language) to text."""

FINER: Final[Mapping[str, Style]] = {"n": _decimal, "d": _hundredths, "hours": _hours_finely, "when": _nothing}
"""The same with one more decimal, for figures that are compared."""


def money_word(definition: str | None) -> str:
    """What an account is worth is called MRR, and without subscriptions orders, as the sentences about them say."""
    return "orders" if definition == "inactivity" else "MRR"


_ODDS: Final = sorted(
    [*((1, n) for n in range(100, 1, -1)), (2, 5), (3, 5), (2, 3), (3, 4), (4, 5), (9, 10)],
    key=lambda odds: odds[0] / odds[1],
)
_BETWEEN_ODDS: Final = [(a / b + c / d) / 2 for (a, b), (c, d) in pairwise(_ODDS)]
"""Where one is as near as the next."""


def plain_odds(risk: float, language: Language = "en") -> str:
    """A probability as people say it: the nearest 1 in n, and above a third the nearest of a few that all can picture.

    >>> [plain_odds(risk) for risk in (0.003, 0.089, 0.34, 0.9, 0.97)]
    ['fewer than 1 in 100', '1 in 11', '1 in 3', '9 in 10', 'more than 9 in 10']
    >>> plain_odds(0.34, "zh")
    '每 3 家有 1 家'
    """
    if not 0.0 <= risk <= 1.0:
        raise ValueError(f"A risk lies between 0 and 1, got {risk!r}.")
    if risk < 0.01:
        return {"en": "fewer than 1 in 100", "zh": "每 100 家不到 1 家"}[language]
    if risk > 0.95:
        return {"en": "more than 9 in 10", "zh": "每 10 家有 9 家以上"}[language]
    few, many = _ODDS[bisect_left(_BETWEEN_ODDS, risk)]
    return {"en": f"{few} in {many}", "zh": f"每 {many} 家有 {few} 家"}[language]
