"""The words of the console: each text in both languages, and each name that a template asks for."""

import re
import string
from pathlib import Path

import pytest

from pipeline.console.texts import every_text, texts

TEMPLATES = Path(__file__).parent.parent / "pipeline" / "console" / "templates"


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("name", sorted(every_text()))
def test_a_text_is_there_in_both_languages_with_the_same_values(name: str) -> None:
    """The Chinese is Chinese, unless it is the name of something."""
    text = every_text()[name]
    assert {"en", "zh"} <= text.keys() <= {"en", "zh", "en_one"}
    assert fields(text["en"]) == fields(text["zh"])
    assert fields(text.get("en_one", "")) <= fields(text["en"]) | {"n"}
    assert re.search("[\u4e00-\u9fff]", text["zh"]) or name in {
        "account.mrr",
        "accounts.by_mrr",
        "frame.switch_to_en",
        "calls.mrr",
        "today.mrr",
        "today.of_day",
    }


def test_templates_ask_for_texts_that_are_there() -> None:
    """Names that are put together from parts are those of pages, which other tests render."""
    asked = {
        name
        for template in TEMPLATES.glob("*.html")
        for name in re.findall(r't\("([a-z_]+\.[a-z0-9_]+)"[,)]', template.read_text(encoding="utf-8"))
    }
    assert len(asked) > 30
    assert set() == asked - every_text().keys()


@pytest.mark.parametrize(("n", "told"), [(1, "1 customer"), (2, "2 customers"), (1234, "1,234 customers")])
def test_one_has_words_of_its_own(n: int, told: str) -> None:
    assert told == texts("en")("people.customers", n=n)
