"""Passwords, kept by Argon2id. That one is wrong takes as long to say as that nobody has that address."""

import threading
from functools import cache
from typing import Final, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

__all__ = ["LEAST", "MOST", "hashed", "is_right", "weakness"]

LEAST: Final = 12
MOST: Final = 200
"""Characters of a password."""

_HASHER: Final = PasswordHasher()  # the first choice of RFC 9106 for little memory: 64 MiB, three passes


_AT_ONCE: Final = threading.BoundedSemaphore(2)  # who sends many at once must not take all memory


def weakness(password: str, email: str) -> Literal["short", "long", "guessed"] | None:
    """Why a password cannot be taken; None for one that can.

    >>> [weakness(password, "ines@example.com") for password in ("abc", "ines@example.com", "four old green boats")]
    ['short', 'guessed', None]
    """
    if len(password) < LEAST:
        return "short"
    if len(password) > MOST:
        return "long"
    is_guessed = len(set(password)) < 4 or password.lower() in {email, email.partition("@")[0]}
    return "guessed" if is_guessed else None


def hashed(password: str) -> str:
    """What is kept of a password."""
    with _AT_ONCE:
        return _HASHER.hash(password)


def is_right(password: str, kept: str | None) -> bool:
    """Whether it is the password; without one to compare with, no, after the same work."""
    try:
        with _AT_ONCE:
            return _HASHER.verify(_of_nobody() if kept is None else kept, password) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _of_nobody() -> str:
    return _HASHER.hash("the password of nobody")
