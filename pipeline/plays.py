"""Plays: what to do about which reasons, in a TOML file that comes with the product and that a company may replace."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, cast

from pipeline.amounts import LANGUAGES, Language
from pipeline.errors import UsageError
from pipeline.reason_families import FAMILIES

__all__ = ["EFFORTS", "SHIPPED", "Play", "Suggestion", "plays_page", "read_plays", "suggested", "suggested_for"]

Effort = Literal["low", "medium", "high"]
EFFORTS: Final = ("low", "medium", "high")
SHIPPED: Final = Path(__file__).with_name("plays.toml")

_KEYS: Final = ("families", "effort", "call", "name", "steps")
_WEIGHTY: Final = 0.5
"""A family counts beside the weightiest where it raises the log-odds by half as much."""

_SAID: Final[Mapping[Language, Mapping[str, str]]] = {
    "en": {
        "low": "little effort",
        "medium": "some effort",
        "high": "much effort",
        "no call": "no call",
        "for": "for: ",
    },
    "zh": {"low": "省力", "medium": "适中", "high": "费力", "no call": "不打电话", "for": "适用:"},
}
_BETWEEN: Final[Mapping[Language, str]] = {"en": ", ", "zh": "、"}


@dataclass(frozen=True)
class Play:
    """One play. `families` are those of the reasons that it answers; with `call` false it takes no call."""

    key: str
    families: tuple[str, ...]
    effort: Effort
    call: bool
    name: Mapping[Language, str]
    steps: Mapping[Language, tuple[str, ...]]

    def as_record(self) -> dict[str, Any]:
        """The play as plain data."""
        return {
            **vars(self),
            "families": list(self.families),
            "steps": {of: list(told) for of, told in self.steps.items()},
        }


class Suggestion(NamedTuple):
    """The play to begin with, None where none fits, and others that fit, in the order of preference."""

    first: Play | None
    others: tuple[Play, ...]


def suggested(plays: tuple[Play, ...], families: Mapping[str, float], *, call: bool = True) -> Suggestion:
    """The plays for an account by what each family of its reasons adds to its log-odds.

    The weightiest family goes first, then others that raise the risk at least half as much; of one family, the plays in
    the order of the file. `call` is false for accounts that take no call (state *payment*), and leaves only plays
    without one.

    >>> plays = read_plays()
    >>> suggested(plays, {"support": 0.9, "usage": 0.2, "billing": -0.5}).first.key
    'senior_support_owner'
    >>> suggested(plays, {"usage": -0.4})
    Suggestion(first=None, others=())
    """
    raising = sorted(
        ((added, name) for name, added in families.items() if added > 0), key=lambda pair: (-pair[0], pair[1])
    )
    names = [name for added, name in raising if added >= _WEIGHTY * raising[0][0]]
    fitting = {play.key: play for name in names for play in plays if name in play.families and play.call is call}
    first, *others = fitting.values() or (None,)
    return Suggestion(first, tuple(play for play in others if play is not None))


def suggested_for(
    plays: tuple[Play, ...], said: Iterable[tuple[str, float]], families: Mapping[str, float], *, call: bool = True
) -> Suggestion:
    """The plays for an account of which some reasons are said: the first follows from these, where one does.

    `said` are the family and contribution of each of these; `families` and `call` are those of `suggested`.
    """
    named: dict[str, float] = {}
    for family, contribution in said:
        named[family] = named.get(family, 0.0) + contribution
    of_said, of_all = suggested(plays, named, call=call), suggested(plays, families, call=call)
    first = of_said.first or of_all.first
    every = {play.key: play for play in (of_all.first, *of_all.others, *of_said.others) if play is not None}
    return Suggestion(first, tuple(play for key, play in every.items() if first is None or key != first.key))


def read_plays(path: Path = SHIPPED) -> tuple[Play, ...]:
    """The plays of a file, in its order.

    Raises
    ------
    UsageError
        When there is no such file, it is no TOML, or plays in it are incomplete; it names all that is wrong.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(
            f"There is no file {path}, which [console] plays names. Copy the shipped one there and change it: {SHIPPED}"
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} is no TOML that can be read: {error}. Text values need quotes.") from error
    problems = [f"  [{key}] {problem}" for key, entry in content.items() for problem in _problems(entry)]
    if not content:
        problems = ["  it holds no play"]
    if problems:
        raise UsageError("\n".join([f"The plays in {path} cannot be used:", *problems]))
    return tuple(_play(key, entry) for key, entry in content.items())


def _problems(entry: Any) -> list[str]:
    """What is wrong with a play, each with the value seen and what is expected."""
    if not isinstance(entry, dict):
        return [f"is {entry!r}: a play is a section with {', '.join(_KEYS)}"]
    found = [f"has an unknown key {key!r}: known are {', '.join(_KEYS)}" for key in entry if key not in _KEYS]
    families = entry.get("families")
    if not isinstance(families, list) or not families:
        found.append(f"families = {families!r}: name at least one of {', '.join(FAMILIES)}")
    else:
        unknown = [each for each in families if each not in FAMILIES]
        found += [f"families has {each!r}: known are {', '.join(FAMILIES)}" for each in unknown]
    if entry.get("effort") not in EFFORTS:
        found.append(f"effort = {entry.get('effort')!r}: write one of {', '.join(EFFORTS)}")
    if not isinstance(entry.get("call", True), bool):
        found.append(f"call = {entry['call']!r}: write true or false, without quotes")
    for language in LANGUAGES:
        name, steps = (_in(entry.get(key), language) for key in ("name", "steps"))
        if not isinstance(name, str) or not name.strip():
            found.append(f"name.{language} = {name!r}: write how the play is called")
        if (
            not isinstance(steps, list)
            or not steps
            or not all(isinstance(each, str) and each.strip() for each in steps)
        ):
            found.append(f"steps.{language} = {steps!r}: write a list of sentences")
    return found


def _in(told: Any, language: Language) -> Any:
    return told.get(language) if isinstance(told, dict) else None


def _play(key: str, entry: Mapping[str, Any]) -> Play:
    return Play(
        key=key,
        families=tuple(entry["families"]),
        effort=cast("Effort", entry["effort"]),
        call=entry.get("call", True),
        name={language: entry["name"][language].strip() for language in LANGUAGES},
        steps={language: tuple(step.strip() for step in entry["steps"][language]) for language in LANGUAGES},
    )


def plays_page(plays: tuple[Play, ...], path: Path, language: Language) -> str:
    """All plays in text, and which file they come from."""
    said, parts = _SAID[language], []
    for play in plays:
        about = [said[play.effort], *([] if play.call else [said["no call"]])]
        families = _BETWEEN[language].join(FAMILIES[name][language] for name in play.families)
        head = f"{play.name[language]} [{play.key}] · {' · '.join(about)} · {said['for']}{families}"
        parts.append("\n".join([head, *(f"  {number}. {step}" for number, step in enumerate(play.steps[language], 1))]))
    come = "They come with the product" if path == SHIPPED else "They come from [console] plays"
    return "\n\n".join([*parts, f"{come}: {path}"])
