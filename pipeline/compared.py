"""The figures behind a sentence: an account's own, what is usual for it, and that of its peers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from pipeline.amounts import STYLES, Language
from pipeline.grammar import Value, figures_in

__all__ = ["Compared", "compared"]

_OF_PEERS: Final = frozenset({"n", "d", "percent", "part", "change", "months", "hours"})
"""Styles in which the figure of others can be told; a date of theirs says nothing."""


@dataclass(frozen=True)
class Compared:
    """Figures of one feature, as they are written; None where one is not known, or there is none."""

    feature: str
    own: str | None
    usual: str | None
    peers: str | None


def compared(
    record: Mapping[str, Any], facts: Mapping[str, Value], peers: Mapping[str, float], as_of: date, language: Language
) -> Compared:
    """The figures of a feature, by its catalogue's record: those that its sentence speaks of.

    A sentence on a trend tells the number now and the usual one, so these are its figures; one that does not tell its
    own value at all has the first that it tells. `peers` has the middle value among them by feature.
    """
    own, style, usual, usual_style = _named(record)
    shown = style if style in _OF_PEERS else "text"

    def written(value: Value, style: str) -> str | None:
        if value is None:
            return None
        return STYLES[style](value, as_of, language) if style in STYLES else None

    return Compared(
        feature=own,
        own=written(facts.get(own), style),
        usual=None if usual is None else written(facts.get(usual), usual_style),
        peers=written(peers.get(own), shown) if shown != "text" else None,
    )


def _named(record: Mapping[str, Any]) -> tuple[str, str, str | None, str]:
    """The feature that holds the account's own figure with its style, and the one that holds its usual."""
    words = record["words"].get("raises") or record["words"].get("lowers") or {"en": ""}
    figures = figures_in(words["en"])
    styles = {figure.name: figure.style for figure in figures if figure.style in STYLES and figure.style != "when"}
    for figure in figures:
        if figure.against is not None and figure.style != "when":
            return figure.against, styles.get(figure.against, figure.style), figure.name, figure.style
    name = record["name"] if record["name"] in styles or not styles else next(iter(styles))
    return name, styles.get(name, ""), None, ""
