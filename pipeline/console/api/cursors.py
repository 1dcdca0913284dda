"""Cursors: where the next page begins. Whoever got one sends it back as it is."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

from pipeline.console.api.problems import Wrong

__all__ = ["cursor", "read_cursor", "unknown_cursor"]


def cursor(*parts: str) -> str:
    """The parts as one word that an address can hold.

    >>> read_cursor(cursor("2026-11-02", "A/1"), 2)
    ['2026-11-02', 'A/1']
    """
    return urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def read_cursor(text: str, parts: int) -> list[str]:
    """Its parts. Raises `Wrong` for what no answer of ours gave."""
    try:
        found = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, RecursionError):  # of base64, UTF-8 and JSON alike
        found = None
    if not isinstance(found, list) or len(found) != parts or not all(map(_is_text, found)):
        raise unknown_cursor()
    return [str(each) for each in found]


def unknown_cursor() -> Wrong:
    """For a cursor that no answer of ours gave."""
    return Wrong("invalid", "cursor: no answer gave this one. Start again without it.", "query.cursor")


def _is_text(value: object) -> bool:
    """Whether a database takes it: PostgreSQL keeps no NUL, neither of them half a character."""
    return isinstance(value, str) and "\0" not in value and not any("\ud800" <= each <= "\udfff" for each in value)
