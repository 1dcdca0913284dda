"""Which language a page is in: the one that its reader chose, else the browser's."""

import re
from typing import Final

from fastapi import Request

from pipeline.amounts import LANGUAGES, Language

__all__ = ["COOKIE", "known_language", "language_of"]

COOKIE: Final = "language"


def known_language(text: str | None) -> Language | None:
    """The language of that name, if there is one.

    >>> known_language("zh"), known_language("fr")
    ('zh', None)
    """
    return next((language for language in LANGUAGES if language == text), None)


def language_of(request: Request, chosen: str | None) -> Language:
    """What its reader chose and we kept, what this browser chose before a sign-in, what it asks for, or English."""
    kept = known_language(chosen) or known_language(request.cookies.get(COOKIE))
    return kept or _asked_for(request.headers.get("accept-language", "")) or "en"


def _asked_for(header: str) -> Language | None:
    weighed: list[tuple[float, Language]] = []
    for part in header.split(",")[:20]:
        found = re.fullmatch(r"\s*([A-Za-z]{2})(?:-[A-Za-z0-9-]+)?\s*(?:;\s*q=([01](?:\.\d{0,3})?))?\s*", part)
        language = known_language(found[1].lower()) if found else None
        if found and language and (weight := float(found[2] or 1)):
            weighed.append((weight, language))
    return max(weighed, key=lambda each: each[0])[1] if weighed else None
