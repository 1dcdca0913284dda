"""What may go wrong in an expectable way, with the exit status that tells an unattended caller whether to retry."""

from typing import ClassVar

__all__ = ["ExpectedError", "FailedError", "RefusedError", "StoreError", "StoreMissing", "StoreOutdated", "UsageError"]


class ExpectedError(Exception):
    """A failure that is told in one message, without a traceback.

    `kept` is what may be kept of it, where the message names rows of the tables.
    """

    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, kept: str | None = None) -> None:
        super().__init__(message)
        self.kept = message if kept is None else kept


class FailedError(ExpectedError):
    """Something was unreachable, busy or out of room: a retry may help."""

    exit_status = 1


class UsageError(ExpectedError):
    """The command or the settings are wrong: they must be changed first."""

    exit_status = 2


class RefusedError(ExpectedError):
    """The contract, a check or the gate refused: a retry with the same data will not help."""

    exit_status = 3


class StoreError(FailedError):
    """The store cannot be opened, read or written."""


class StoreMissing(UsageError):
    """There is no store yet, or nothing of ours in it."""


class StoreOutdated(UsageError):
    """The store was written by another version of this product."""
