"""How a customer's words sound: texts in, polarities out. Nothing else is read or remembered.

A short lexicon of our own, English and Chinese, in the vocabulary of people who write to support. The score is the sum
of the weights found, negation turned, squashed into −1…1.
"""

import math
import re
from collections.abc import Iterable
from typing import Final

__all__ = ["SCORER", "polarity", "score"]

SCORER: Final = "lexicon-1"
"""Version of the scorer. A model names the version it learned from, because other words would mean other features."""

_ENGLISH: Final = {
    -3.0: "unacceptable ridiculous furious disgrace disgraceful appalling outrageous terrible awful worst useless "
    "hopeless",
    -2.0: "angry fed frustrated frustrating disappointed disappointing unhappy annoying annoyed complaint complain "
    "fail fails failed failing failure broken crash crashes crashed lost losing waste wasted nightmare poor bad cancel "
    "cancelling refund leave leaving switch switching competitor never ignored nobody unusable sick tired impossible",
    -1.0: "wrong error errors problem problems issue issues slow late still again waiting wait unclear confusing "
    "missing stuck down bug bugs unfortunately cannot unable delay delayed expensive overcharged twice repeatedly",
    1.0: "thanks please works working fine okay helpful quick quickly fixed solved resolved clear nice",
    2.0: "thank great good love lovely happy pleased perfect perfectly brilliant appreciate appreciated excellent easy "
    "smooth",
    3.0: "fantastic amazing wonderful superb delighted outstanding",
}
_CHINESE: Final = {
    -3.0: "忍无可忍 太离谱 太过分 垃圾 骗人 投诉 受够了 气死",
    -2.0: "一直没有解决 没人管 没人理 没有人回复 退款 退订 取消订阅 不想用 换一家 考虑换 太差 失望 不满 "
    "生气 崩溃 丢失 数据没了 浪费时间 敷衍 推卸 忽悠 太贵 很差 糟糕",
    -1.0: "太慢 很慢 卡顿 打不开 报错 出错 错误 问题 不能用 用不了 无法 又出现 第三次 第二次 还是不行 "
    "没有反应 等了 催 不对 失败 麻烦 不方便 涨价",
    1.0: "请问 谢谢 麻烦您 可以了 好了 正常了 解决了 清楚",
    2.0: "感谢 很好 好用 满意 喜欢 方便 很快 给力 不错 顺利 贴心",
    3.0: "太好了 非常满意 非常感谢 特别好 太棒",
}
_NEGATIONS: Final = frozenset(
    {"not", "no", "never", "without", "isn't", "wasn't", "don't", "doesn't", "didn't", "can't", "hardly"}
)
_FUNCTION_WORDS: Final = frozenset(
    "the and is are to of we i you it this that for on with my our your have has can be not do does how when".split()
)
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
_HAN = re.compile(r"[一-鿿]")
_WEIGHTS_EN: Final = {word: weight for weight, words in _ENGLISH.items() for word in words.split()}
_WEIGHTS_ZH: Final = {word: weight for weight, words in _CHINESE.items() for word in words.split()}
_PHRASES_ZH: Final = re.compile("|".join(sorted(map(re.escape, _WEIGHTS_ZH), key=len, reverse=True)))
_SQUASH: Final = 15.0


def score(texts: Iterable[str | None]) -> list[float | None]:
    """Polarity of each text, −1 (furious) to 1 (delighted); None where there is nothing to judge.

    >>> [round(value, 1) for value in score(["Great, works perfectly, thank you", "Still broken. I want a refund."])]
    [0.9, -0.8]
    """
    return [polarity(text) for text in texts]


def polarity(text: str | None) -> float | None:
    """Polarity of one text; None for empty texts and for those without a word in a language the lexicon knows."""
    if not text or not text.strip():
        return None
    lowered = text.lower()
    words = _WORD.findall(lowered)
    if not _HAN.search(lowered) and not _is_english(words):
        return None
    total = _english(words) + sum(_WEIGHTS_ZH[found] for found in _PHRASES_ZH.findall(lowered))
    if "!!" in lowered or "!!" in lowered:
        total *= 1.25
    return total / math.sqrt(total * total + _SQUASH)


def _is_english(words: list[str]) -> bool:
    """Whether enough words are English: a tenth by grammar, or else a third by the lexicon ("bad" is German too)."""
    grammar = sum(word in _FUNCTION_WORDS for word in words)
    lexicon = sum(word in _WEIGHTS_EN for word in words)
    return bool(words) and (grammar >= max(1, len(words) / 10) or lexicon >= len(words) / 3)


def _english(words: list[str]) -> float:
    total = 0.0
    for place, word in enumerate(words):
        weight = _WEIGHTS_EN.get(word, 0.0)
        if weight and _NEGATIONS.intersection(words[max(0, place - 3) : place]):
            weight *= -0.5
        total += weight
    return total
