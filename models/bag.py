"""A bag: boosters that differ by their seed, as one whose margins and contributions are the means of theirs.

It is a model of LightGBM like any other: the trees of all, with leaves that many times smaller. LightGBM can merge
models only in C, so the trees are put together as text, in which it saves them.
"""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lightgbm import Booster

__all__ = ["bagged"]

_TREE: Final = re.compile(r"^Tree=\d+\n", re.MULTILINE)
_VALUES: Final = re.compile(r"^(leaf_value|internal_value)=(.+)$", re.MULTILINE)
_SIZES: Final = re.compile(r"^tree_sizes=.*\n", re.MULTILINE)  # of no use where trees change; LightGBM reads without
_END: Final = "end of trees"


def bagged(boosters: Sequence["Booster"]) -> "Booster":
    """One booster for several of the same features and objective; a single one is given back as it is."""
    import lightgbm

    if len(boosters) == 1:
        return boosters[0]
    texts = [booster.model_to_string() for booster in boosters]
    trees = [tree for text in texts for tree in _trees(text, 1.0 / len(boosters))]
    head = _SIZES.sub("", _TREE.split(texts[0], 1)[0])
    body = "".join(f"Tree={number}\n{tree}" for number, tree in enumerate(trees))
    return lightgbm.Booster(model_str=head + body + texts[0][texts[0].index(_END) :])


def _trees(text: str, share: float) -> Iterator[str]:
    """The trees of a saved model without their numbers, each value times the share."""
    _, *trees = _TREE.split(text[: text.index(_END)])

    def smaller(values: re.Match[str]) -> str:
        return f"{values[1]}={' '.join(repr(share * float(value)) for value in values[2].split())}"

    return (_VALUES.sub(smaller, tree) for tree in trees)
