"""Tokens: what a browser or a link holds to be let in. The store holds their digests alone.

A digest is keyed by the console's secret, so neither who reads the store nor who writes to it can make a token that
opens anything. Where no secret is set, as on the machine of one person, the key is empty.
"""

import hashlib
import hmac
import secrets
from typing import Final

__all__ = ["digest", "new_token"]

_BYTES: Final = 32


def new_token() -> str:
    """A token of 256 random bits, in letters that an address can hold."""
    return secrets.token_urlsafe(_BYTES)


def digest(token: str, secret: str, purpose: str) -> str:
    """What is kept of a token, in 64 hexadecimal digits; that of one purpose is worth nothing for another.

    >>> digest("abc", "", "link") == digest("abc", "", "session")
    False
    """
    return hmac.new(secret.encode(), f"{purpose}:{token}".encode(), hashlib.sha256).hexdigest()
