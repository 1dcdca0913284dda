"""The words of the list and of an account's page, for those who read them: in the help, and the same in the README."""

from collections.abc import Mapping
from typing import Final

__all__ = ["GLOSSARY"]

GLOSSARY: Final[Mapping[str, str]] = {
    "MRR, orders": "what a customer pays a month; without subscriptions, what they ordered in 84 days, per 30 days",
    "at stake": "risk × MRR, the sum to expect as lost within the horizon; for a group, the sum of its accounts",
    "band": "low, medium, high: by the risk alone, beginning at the same risk for every manager and month",
    "candidate": "medium or high, and so on the list",
    "payment": "medium or high, but over payment (billing weighs most, or whoever leaves like this was cut off): "
    "a reminder, no call, not on the list",
    "watch": "low: not on the list, however much is at stake",
    "new": "a customer for less than [book] new_days: a risk, but no band yet, and not on the list",
    "leaving": "has given notice, so its end is known: a last day, no risk",
    "lapsed": "ended, but may come back within [churn] grace_days: a last day, no risk",
    "log-odds": "ln(risk / (1 − risk)), in which reasons add up; the last line is the risk shown",
    "without it": "the risk without this one reason",
    "main reason, adds, slight": "beside the first reason: as much or more, a quarter or more, less (or below 0.05)",
    "speaks for staying": "lowers the risk",
    "normal, usual": "what the same customer did before: in the 84 days before the last 28 for use and tickets, "
    "over a longer past for waiting and rhythm",
}
"""Each word, or several that belong together, with what it means."""
