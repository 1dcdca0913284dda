"""Delivery: what every channel can do, and how it says that it could not."""

from typing import ClassVar, Protocol

from pipeline.digest.letter import Letter
from pipeline.errors import FailedError, RefusedError, UsageError

__all__ = ["Channel", "Undelivered"]


class Undelivered(Exception):
    """A letter that did not get through, with the exit status that this is worth.

    `for_all`: the channel is down, so that nobody's letter will.
    """

    def __init__(self, reason: str, exit_status: int, *, for_all: bool = False) -> None:
        super().__init__(reason)
        self.exit_status = exit_status
        self.for_all = for_all

    @classmethod
    def for_now(cls, reason: str, *, for_all: bool = False) -> "Undelivered":
        """Later it may."""
        return cls(reason, FailedError.exit_status, for_all=for_all)

    @classmethod
    def refused(cls, reason: str) -> "Undelivered":
        """It never will, as it is."""
        return cls(reason, RefusedError.exit_status)

    @classmethod
    def by_settings(cls, reason: str) -> "Undelivered":
        """Nobody's will before the settings are mended."""
        return cls(reason, UsageError.exit_status, for_all=True)


class Channel(Protocol):
    """A way to a manager."""

    name: ClassVar[str]

    def deliver(self, letter: Letter, message_id: str) -> None:
        """Hand it over; the same letter has the same id when it is sent again. Raises `Undelivered`."""

    def close(self) -> None:
        """Give back what was opened."""
