"""Text of customers that may be shown: it moves no cursor, turns no direction, ends no line and fills no screen."""

import re
from typing import Final

__all__ = ["LONGEST", "UNPRINTABLE", "one_line"]

UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")
LONGEST: Final = 200


def one_line(text: str) -> str:
    """The text in one line of at most 200 characters.

    >>> one_line("Acme\\r\\nBcc: everybody\\x1b[2J")
    'Acme Bcc: everybody [2J'
    """
    return UNPRINTABLE.sub(" ", text).strip()[:LONGEST]
