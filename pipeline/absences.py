"""Why a company's tables do not allow a feature, in words that say what to bring."""

from collections.abc import Iterable

from features.catalogue import Feature
from features.contract import CONTRACT
from features.versions import History

__all__ = ["why_absent"]


def why_absent(past: History, absent: Iterable[Feature]) -> dict[str, str]:
    """The name of each feature that is not computed, and the first thing that it wants."""
    return {feature.name: _reason(past, feature) for feature in absent}


def _reason(past: History, feature: Feature) -> str:
    wanted = next((column for column in feature.needs if not past.may_teach(column)), None)
    if wanted is None:
        return "[book] value_events make quantity money: kinds of events are not looked at by themselves"
    table, name = wanted.split(".")
    if table not in past.tables:
        return f"{table} is not given"
    if not past.has(wanted):
        return f"{table} has no {'text' if name == 'sentiment' else name}"  # texts are judged here
    column = CONTRACT[table].column(name)
    if column is not None and column.known_from and not past.has(f"{table}.{column.known_from}"):
        return f"{wanted} has no time of its own: give {column.known_from}, or keep versions of {table}"
    return f"{wanted} is edited in place: keep versions of {table}, or declare it in [data] constant"
