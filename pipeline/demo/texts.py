"""Tickets, messages and comments in English and Chinese: frames chosen by occasion, with their slots filled.

The frames are written as customers write; nothing here knows how the product reads them.
"""

import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

import numpy as np

from pipeline.demo.dates import Flags, Ints
from pipeline.demo.tables import Words

Language = Literal["en", "zh"]

KINDS: Final = (
    "question",
    "problem",
    "annoyed",
    "furious",
    "icy",
    "again",
    "outage",
    "loss",
    "price",
    "cancel",
    "feature",
    "thanks",
    "start",
)
"""The occasions on which a ticket is opened."""
MORE: Final = ("follow_calm", "follow_angry", "staff", "praise", "middling", "complaint")
"""What is written later in a ticket, and as a comment to a survey."""

SLOTS_AT_MOST: Final = 4


@dataclass(frozen=True)
class Frames:
    """The frames of one language: by occasion, with the words that may stand in each slot."""

    by_kind: Mapping[str, tuple[str, ...]]
    slots: Mapping[str, tuple[str, ...]]


@cache
def frames(language: Language) -> Frames:
    """The frames of a language, read from the file beside this module."""
    source = Path(__file__).with_name(f"ticket_frames_{language}.toml")
    content = tomllib.loads(source.read_text(encoding="utf-8"))
    groups = {**content["kinds"], **content["more"]}
    by_kind = {kind: tuple(groups[kind]) for kind in (*KINDS, *MORE)}
    return Frames(by_kind, {name: tuple(words) for name, words in content["slots"].items()})


def write_texts(kinds: Ints, names: tuple[str, ...], chinese: Flags, rng: np.random.Generator) -> Words:
    """A text for each row, of kind `names[kinds]` (−1: none) and in the row's language."""
    draws = rng.integers(0, 2**31, (len(kinds), 1 + SLOTS_AT_MOST))
    texts: dict[str, int] = {}
    codes = np.full(len(kinds), -1)
    speech = (frames("en"), frames("zh"))
    for row, (kind, in_chinese, draw) in enumerate(zip(kinds.tolist(), chinese.tolist(), draws.tolist(), strict=True)):
        if kind < 0:
            continue
        spoken = speech[in_chinese]
        choice = spoken.by_kind[names[kind]]
        text = _fill(choice[draw[0] % len(choice)], spoken.slots, draw[1:])
        codes[row] = texts.setdefault(text, len(texts))
    return Words(codes, list(texts))


def _fill(frame: str, slots: Mapping[str, tuple[str, ...]], draws: list[int]) -> str:
    needed = _slots_of(frame)
    if not needed:
        return frame
    filled = {name: slots[name][draw % len(slots[name])] for name, draw in zip(needed, draws, strict=False)}
    text = frame.format_map(filled)
    return text[0].upper() + text[1:]


@cache
def _slots_of(frame: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for _, name, _, _ in string.Formatter().parse(frame) if name))
