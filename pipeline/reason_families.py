"""The families of reasons as people call them, for whoever may not look into the features themselves."""

from collections.abc import Mapping
from typing import Final

from pipeline.amounts import Language

__all__ = ["FAMILIES", "family_headings"]

FAMILIES: Final[Mapping[str, Mapping[Language, str]]] = {
    "usage": {"en": "use of the product", "zh": "产品使用"},
    "support": {"en": "support", "zh": "客户支持"},
    "pages": {"en": "pages they visited", "zh": "访问过的页面"},
    "contract": {"en": "contract and price", "zh": "合同与价格"},
    "billing": {"en": "payment", "zh": "付款"},
    "feedback": {"en": "what they told us", "zh": "客户反馈"},
    "market": {"en": "market and peers", "zh": "市场与同类客户"},
    "profile": {"en": "what kind of customer they are", "zh": "客户类型"},
}
"""In the order of the catalogue."""


def family_headings(language: Language) -> dict[str, str]:
    """What families are called where the name stands alone: in a heading, a table, a picture."""
    return {family: names[language][0].upper() + names[language][1:] for family, names in FAMILIES.items()}
