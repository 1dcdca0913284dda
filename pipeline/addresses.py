"""Addresses as customers' tables and settings give them: which of them a message can be sent to."""

import re
from typing import Final

__all__ = ["LOOPBACK", "is_mail_address", "recipient"]

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")

_LONGEST: Final = 254
_MAIL: Final = re.compile(
    r"(?=.{1,64}@)[A-Za-z0-9_%+'-]+(?:\.[A-Za-z0-9_%+'-]+)*@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
)


def is_mail_address(text: str) -> bool:
    """Whether mail can be sent there: one plain address, without a name, of letters and digits.

    >>> [is_mail_address(text) for text in ("ines@example.com", "Ines", "a@example.com, b@example.com")]
    [True, False, False]
    >>> [
    ...     is_mail_address(text)
    ...     for text in ("ann.@example.com", ".a@example.com", "a..b@example.com", "a.b@example.com")
    ... ]
    [False, False, False, True]
    >>> is_mail_address("ines@example.com\\nBcc: all@example.com")
    False
    """
    return len(text) <= _LONGEST and _MAIL.fullmatch(text) is not None and ".." not in text


def recipient(owner: str) -> str:
    """Who an owner is: written in capitals or not, it is one person.

    >>> recipient(" Ines@Example.com ")
    'ines@example.com'
    """
    return owner.strip().lower()
