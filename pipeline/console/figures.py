"""Figures and dates as the pages write them, in either language; templates use them as filters."""

from datetime import date, datetime
from typing import Final

from pipeline.amounts import Language, percent, plain_day, plain_odds, whole

__all__ = ["amount", "clock_time", "day", "in_100", "log_odds", "odds", "rough", "share", "weekday"]

_WEEKDAYS: Final = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_XINGQI: Final = "一二三四五六日"


def amount(value: float) -> str:
    """An amount of money, without its currency.

    >>> amount(12345.6)
    '12,346'
    """
    return f"{value:,.0f}"


def rough(value: float, language: Language) -> str:
    """A large amount as people say it, so that a small one beside it can be read.

    >>> rough(2_104_233, "en"), rough(2_104_233, "zh"), rough(41_200, "en"), rough(1_234_567_890, "zh")
    ('2.1 m', '210 万', '41,200', '12.3 亿')
    """
    if language == "zh":
        if value >= 99_950_000:
            return f"{value / 1e8:,.1f} 亿"
        return f"{value / 1e4:,.0f} 万" if value >= 1e6 else amount(value)
    return f"{value / 1e6:,.1f} m" if value >= 999_950 else amount(value)


def log_odds(value: float) -> str:
    """Log-odds, or what is added to them, with their sign.

    >>> log_odds(-3.0), log_odds(0.0), log_odds(0.126)
    ('−3.00', '0.00', '+0.13')
    """
    return f"{value:+.2f}".replace("-", "−") if round(value, 2) else "0.00"


def odds(risk: float, language: Language) -> str:
    """A risk as people say it."""
    return plain_odds(risk, language)


def in_100(risk: float, language: Language) -> str:
    """A risk out of a hundred, so that two can be held against each other.

    >>> in_100(0.224, "en"), in_100(0.001, "en"), in_100(0.224, "zh")
    ('22 in 100', 'fewer than 1 in 100', '每 100 家有 22 家')
    """
    of_100 = min(whole(100 * risk), 99)
    if of_100 < 1:
        return {"en": "fewer than 1 in 100", "zh": "每 100 家不到 1 家"}[language]
    return {"en": f"{of_100} in 100", "zh": f"每 100 家有 {of_100} 家"}[language]


def share(value: float, language: Language) -> str:
    """A share as borders are told."""
    return percent(value, language)


def day(value: date, as_of: date, language: Language) -> str:
    """A day, with its year where that is another than the night's."""
    return plain_day(value, as_of, language)


def weekday(value: date, language: Language) -> str:
    """The name of its day of the week.

    >>> weekday(date(2026, 11, 23), "en"), weekday(date(2026, 11, 23), "zh")
    ('Monday', '星期一')
    """
    return f"星期{_XINGQI[value.weekday()]}" if language == "zh" else _WEEKDAYS[value.weekday()]


def clock_time(value: datetime) -> str:
    """Hours and minutes in UTC, as the nights count."""
    return f"{value:%H:%M} UTC"
