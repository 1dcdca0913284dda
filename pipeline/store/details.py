"""The details of an account's score: its reasons and the facts that their sentences speak of, in some 200 bytes.

A feature is its place in the night's catalogue, in the order of the names. Little-endian, one after another:

- 1 byte, 2 bytes, 1 byte, 8 bytes: how many reasons, numbers and words follow, and the rest in log-odds (a double);
- each reason, largest first, 6 bytes: the feature, with the highest bit set where its contribution contradicts what is
  expected of it; the contribution in millionths of log-odds;
- each number among the facts, 6 bytes: the feature; the value as a float, read to seven digits;
- each word among them: the feature, its length in bytes (2), UTF-8.

`pipeline/packing.py` writes this, for a million accounts at once.
"""

from collections.abc import Mapping
from struct import Struct
from typing import Any, Final

__all__ = ["CONTRADICTS", "HEAD", "MILLIONTHS", "NUMBER", "REASON", "WORD", "rest_alone", "unpacked"]

HEAD: Final = Struct("<BHBd")
REASON: Final = Struct("<Hi")
NUMBER: Final = Struct("<Hf")
WORD: Final = Struct("<HH")
CONTRADICTS: Final = 0x8000
MILLIONTHS: Final = 1_000_000

Reason = dict[str, Any]


def unpacked(
    packed: bytes, features: Mapping[str, Mapping[str, Any]]
) -> tuple[tuple[Reason, ...], dict[str, float | str]]:
    """The reasons, closed by the rest, and the facts, those of the reasons among them.

    `features` are the records of the night's catalogue, in the order of their names.
    """
    names = tuple(features)
    reasons, numbers, words, rest = HEAD.unpack_from(packed)
    first_number = HEAD.size + reasons * REASON.size
    first_word = first_number + numbers * NUMBER.size
    facts: dict[str, float | str] = {
        names[feature]: float(f"{value:.7g}") for feature, value in NUMBER.iter_unpack(packed[first_number:first_word])
    }
    at = first_word
    for _ in range(words):
        feature, length = WORD.unpack_from(packed, at)
        at += WORD.size + length
        facts[names[feature]] = packed[at - length : at].decode()
    told: list[Reason] = []
    for feature, contribution in REASON.iter_unpack(packed[HEAD.size : first_number]):
        name = names[feature & ~CONTRADICTS]
        told.append(
            {
                "family": features[name]["family"],
                "feature": name,
                "value": facts.get(name),
                "contribution": contribution / MILLIONTHS,
                "contradicts": bool(feature & CONTRADICTS),
            }
        )
    return (*told, *rest_alone(rest)), facts


def rest_alone(rest: float) -> tuple[Reason, ...]:
    """The reasons of an account whose reasons are not kept: what they add up to."""
    return ({"family": "other", "feature": "rest", "value": None, "contribution": rest, "contradicts": False},)
