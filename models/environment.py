"""The environment: what a model was made with, to be logged beside it."""

import hashlib
import platform
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

__all__ = ["installed", "lock_digest"]

LOCK: Final = Path(__file__).parent.parent / "requirements.lock"


def installed() -> str:
    """Python and every installed package with its version, a line each, as `pip freeze` would say it."""
    packages = sorted({f"{each.name}=={each.version}" for each in distributions()}, key=str.lower)
    return "\n".join([f"# Python {platform.python_version()}, {platform.platform()}", *packages, ""])


def lock_digest() -> str | None:
    """SHA-256 of `requirements.lock`; None where the software is installed without it."""
    return hashlib.sha256(LOCK.read_bytes()).hexdigest() if LOCK.is_file() else None
