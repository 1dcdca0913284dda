"""How a customer's words sound, and what they speak of: texts in, judgements out. Nothing else is read or remembered.

English is judged by VADER (Hutto & Gilbert, 2014), whose lexicon is general; the vocabulary in sentiment.toml corrects
it for support, where "please", "help" and "error" say nothing of a mood, and where a count ("for the third time") says
more than any word. Chinese is judged by a lexicon of our own on the same scale, in simplified
characters; others are converted, with the words of Taiwan. A text in both languages is judged by both.
"""

import functools
import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final, Literal

from features.own_words import own_words

__all__ = [
    "ASPECTS",
    "NEGATIVE_UP_TO",
    "POSITIVE_FROM",
    "SCORER",
    "Judgement",
    "judge",
    "language_of",
    "score",
]

SCORER: Final = "lexicon-3"
"""Version of the scorer. A model names the version it learned from, because other words would mean other features."""

ASPECTS: Final = ("price", "cancellation", "competitor", "slow_support", "repeated", "outage", "data_loss")
"""What a text may speak of, whatever its mood."""

NEGATIVE_UP_TO: Final = -0.15
POSITIVE_FROM: Final = 0.3
"""Where a text is called negative and positive, for those who want words. Chosen where neither end matters much; praise
is spent more freely than blame, so it takes more of it."""

Language = Literal["en", "zh", "mixed"]

_HAN: Final = re.compile(r"[\u3400-\u9fff]")
_OTHER_SCRIPT: Final = re.compile(  # kana, Hangul, Cyrillic, Hebrew, Arabic, Devanagari, Thai, Greek
    r"[\u3040-\u30ff\uac00-\ud7af\u0400-\u04ff\u0590-\u05ff\u0600-\u06ff\u0900-\u097f\u0e00-\u0e7f\u0370-\u03ff]"
)
_EMOJI: Final = re.compile(r"[\u2600-\u27bf\U0001f000-\U0001faff]|[:;]-?[)(DP]")
_WORD: Final = re.compile(r"[a-zà-ÿ]+(?:'[a-z]+)?")
_CLAUSE_ENDS: Final = re.compile(r"[,.!?;~\n…。、\uff0c\uff01\uff1f\uff1b\uff5e]+")
_SENTENCE_ENDS: Final = re.compile(r"[.!?\n。\uff01\uff1f]+")
_ENGLISH_SENTENCE: Final = re.compile(r"[^.!?\n]+(?:[.!?]+(?=\s|$)|[.!?]+|\n|$)")
_TURN_ZH: Final = re.compile(r"但是|但|可是|不过|然而|却|只是|(?<=[,\uff0c\s])(?:就是|结果|现在|可惜)")
_VADER_SPREAD: Final = 15.0  # VADER squashes a sum x to x / √(x² + 15), and so do we
_ENGLISH_SHARE: Final = 1 / 6
_FOREIGN_SHARE: Final = 0.15
_ASKED: Final = 0.25


@dataclass(frozen=True)
class Judgement:
    """How one text sounds.

    Attributes
    ----------
    polarity
        −1 (furious) to 1 (delighted), 0 for no mood at all; None where no language was found that can be judged.
    language
        The one it was judged in; None where it was not.
    aspects
        Those of `ASPECTS` that the words speak of.
    """

    polarity: float | None
    language: Language | None
    aspects: frozenset[str] = frozenset()


def score(texts: Iterable[str | None]) -> list[float | None]:
    """Polarity of each text; None where there is nothing to judge.

    >>> [round(value, 1) for value in score(["Great, works perfectly, thank you!", "Still broken. I want a refund."])]
    [0.9, -0.7]
    """
    return [judge(text).polarity for text in texts]


def judge(text: str | None) -> Judgement:
    """Judge one text by the words that are the customer's own."""
    said = _simplified(own_words(text or ""))
    language = language_of(said)
    if language is None:
        return Judgement(None, None)
    total = 0.0
    if language != "zh":
        total += _english(_HAN.sub(" ", said))
    if language != "en":
        total += _chinese(said) + (_emoji(said) if language == "zh" else 0.0)
    spoken_of = frozenset(name for name, pattern in _vocabulary().aspects.items() if pattern.search(said))
    return Judgement(total / math.sqrt(total * total + _VADER_SPREAD), language, spoken_of)


def language_of(said: str) -> Language | None:
    """The language that words can be judged in: English, Chinese, or both; None for others, and where there are none.

    >>> (
    ...     language_of("Die Planung ist nicht mehr da und wir warten"),
    ...     language_of("How do I export?"),
    ...     language_of("谢谢"),
    ... )
    (None, 'en', 'zh')
    """
    han, other = len(_HAN.findall(said)), len(_OTHER_SCRIPT.findall(said))
    if other > han + len(said) / 10:
        return None
    words = _WORD.findall(said.lower())
    english = _is_english(words)
    if han >= 2 and other <= han / 4:
        return "mixed" if english and len(words) >= 5 else "zh"
    return "en" if english else None


def _is_english(words: list[str]) -> bool:
    """By its small words, of which other languages have others; without any, by words that VADER knows."""
    counts = {name: sum(word in small for word in words) for name, small in _vocabulary().small_words.items()}
    foreign = sum(not word.isascii() for word in words)  # Zürich and a café are found in English texts, too
    if counts["en"] < max(counts.values()) or foreign > _FOREIGN_SHARE * len(words):
        return False
    known = sum(word in _analyzer().lexicon for word in words)
    return counts["en"] + known >= max(1.0, _ENGLISH_SHARE * len(words))


def _simplified(said: str) -> str:
    """Traditional Chinese as it is written on the mainland; all else as it is.

    >>> _simplified("軟體太貴了"), _simplified("文件太大")
    ('软件太贵了', '文件太大')
    """
    if _HAN.search(said) is None or _converter("t2s").convert(said) == said:
        return said
    # Words, too, of which some mean something else on the mainland; so only where a character was traditional.
    return str(_converter("tw2sp").convert(said))


@functools.cache
def _converter(name: str) -> Any:
    from opencc import OpenCC

    return OpenCC(name)


@dataclass(frozen=True)
class _Vocabulary:
    small_words: Mapping[str, frozenset[str]]
    english_patterns: Mapping[re.Pattern[str], float]
    english_polite: re.Pattern[str]
    chinese_words: Mapping[str, float]
    chinese_negations: frozenset[str]
    chinese_degrees: Mapping[str, float]
    chinese_patterns: Mapping[re.Pattern[str], float]
    chinese_polite: re.Pattern[str]
    chinese_tokens: re.Pattern[str]
    aspects: Mapping[str, re.Pattern[str]]


@functools.cache
def _file() -> Mapping[str, Any]:
    return tomllib.loads(resources.files("features").joinpath("sentiment.toml").read_text(encoding="utf-8"))


@functools.cache
def _vocabulary() -> _Vocabulary:
    english, chinese = _file()["english"], _file()["chinese"]
    words, degrees = _weights(chinese["words"]), _weights(chinese["degrees"])
    negations = frozenset(chinese["negations"]["words"].split())
    longest_first = sorted({*words, *degrees, *negations}, key=len, reverse=True)
    return _Vocabulary(
        small_words={name: frozenset(words.split()) for name, words in _file()["small_words"].items()},
        english_patterns=_compiled(english["patterns"]),
        english_polite=re.compile("|".join(english["polite"]["patterns"]), re.IGNORECASE),
        chinese_words=words,
        chinese_negations=negations,
        chinese_degrees=degrees,
        chinese_patterns=_compiled(chinese["patterns"]),
        chinese_polite=re.compile("|".join(chinese["polite"]["patterns"])),
        chinese_tokens=re.compile("|".join(map(re.escape, longest_first))),
        aspects={name: re.compile(_file()["aspects"][name], re.IGNORECASE) for name in ASPECTS},
    )


def _weights(by_weight: Mapping[str, str]) -> dict[str, float]:
    return {word: float(weight) for weight, words in by_weight.items() for word in words.split()}


def _compiled(patterns: Mapping[str, float]) -> dict[re.Pattern[str], float]:
    return {re.compile(pattern, re.IGNORECASE): weight for pattern, weight in patterns.items()}


@functools.cache
def _analyzer() -> Any:
    """VADER with our corrections in its lexicon."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    analyzer.lexicon.update(_weights(_file()["english"]["words"]))
    return analyzer


def _english(said: str) -> float:
    vocabulary = _vocabulary()
    meant = vocabulary.english_polite.sub(" ", said)
    moods = ((_of_vader(sentence), sentence) for sentence in _ENGLISH_SENTENCE.findall(meant))
    # Who asks whether it is easy, or works, does not praise it.
    told = math.fsum(mood * (_ASKED if mood > 0 and sentence.endswith("?") else 1.0) for mood, sentence in moods)
    return told + _matched(vocabulary.english_patterns, meant)


def _of_vader(text: str) -> float:
    """The sum that VADER squashes into its compound score."""
    compound = _analyzer().polarity_scores(text)["compound"]
    compound = max(-0.999, min(0.999, compound))
    return float(compound * math.sqrt(_VADER_SPREAD / (1.0 - compound * compound)))


def _emoji(said: str) -> float:
    """What the emoji and emoticons of a Chinese text say."""
    return _of_vader(" ".join(_EMOJI.findall(said)))


def _matched(patterns: Mapping[re.Pattern[str], float], said: str) -> float:
    return math.fsum(weight for pattern, weight in patterns.items() if pattern.search(said))


def _chinese(said: str) -> float:
    vocabulary = _vocabulary()
    meant = vocabulary.chinese_polite.sub(" ", said)
    total = 0.0
    for sentence in _SENTENCE_ENDS.split(meant):
        sums = [math.fsum(map(_clause, _CLAUSE_ENDS.split(part))) for part in _TURN_ZH.split(sentence)]
        # What comes after a "but" is what is meant.
        total += sums[-1] * 1.5 + 0.5 * math.fsum(sums[:-1]) if len(sums) > 1 else sums[0]
    marks = min(4, meant.count("!") + meant.count("\uff01"))
    total += math.copysign(0.292 * marks, total) if total else 0.0
    return total + _matched(vocabulary.chinese_patterns, meant)


def _clause(clause: str) -> float:
    """The sum of the words of one clause; a negation turns the word it stands before, a degree weighs it."""
    vocabulary = _vocabulary()
    tokens = list(vocabulary.chinese_tokens.finditer(clause))
    total, factor, since = 0.0, 1.0, 0
    for place, token in enumerate(tokens):
        word = token.group()
        if token.start() - since > 3:  # too far from what was said before to belong to it
            factor = 1.0
        weight = vocabulary.chinese_words.get(word)
        if word in vocabulary.chinese_degrees and _is_followed(tokens, place, vocabulary):
            factor *= vocabulary.chinese_degrees[word]  # "good" before another word says "very"
        elif weight is not None:
            total += weight * factor
            factor = 1.0
        elif word in vocabulary.chinese_negations:
            factor *= -0.8
        else:
            factor *= vocabulary.chinese_degrees[word]
        since = token.end()
    return total


def _is_followed(tokens: Sequence[re.Match[str]], place: int, vocabulary: _Vocabulary) -> bool:
    """Whether the next token stands right behind, and has a mood of its own."""
    following = tokens[place + 1] if place + 1 < len(tokens) else None
    return (
        following is not None
        and following.start() == tokens[place].end()
        and bool(vocabulary.chinese_words.get(following.group()))
    )
