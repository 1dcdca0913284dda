"""The words of the pages, in English and in Chinese, from the files in `texts/`: one for each page, one for the frame.

A text is known by its file and name, such as `today.nobody`. `{n}` stands for a value that the page gives; where one
has its own words, `en_one` is the text for n = 1.
"""

import tomllib
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any

from pipeline.amounts import Language

__all__ = ["Text", "every_text", "texts"]

Text = Callable[..., str]
"""Gives the text of a name, filled with values."""


@cache
def every_text() -> dict[str, dict[str, str]]:
    """All texts by file and name: `en`, `zh` and perhaps `en_one`."""
    found: dict[str, dict[str, str]] = {}
    for file in resources.files("pipeline.console").joinpath("texts").iterdir():
        if file.name.endswith(".toml"):
            page = file.name.removesuffix(".toml")
            content = tomllib.loads(file.read_text(encoding="utf-8"))
            found |= {f"{page}.{name}": text for name, text in content.items()}
    return found


def texts(language: Language) -> Text:
    """The texts of a language. Raises `KeyError` for a name that is not there, which is a slip in a template."""

    def text(name: str, /, **values: Any) -> str:
        forms = every_text()[name]
        form = forms["en_one"] if language == "en" and values.get("n") == 1 and "en_one" in forms else forms[language]
        written = {key: f"{value:,}" if isinstance(value, int) else value for key, value in values.items()}
        return form.format(**written) if written else form

    return text
