"""A file that is there whole or not at all, whatever stops its writer."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from pipeline.errors import UsageError

__all__ = ["FOR_ALL", "FOR_OWNER", "partial_file", "told_plainly", "whole_file"]

FOR_ALL: Final = 0o666
"""Rights of a file that others may read, as far as the process lets them (umask)."""

FOR_OWNER: Final = 0o600
"""Rights of a file that nobody else may read."""


@contextmanager
def whole_file(path: Path, rights: int = FOR_ALL) -> Iterator[IO[bytes]]:
    """A file that takes its name only when all of it is on disk; after an exception nothing is left.

    Raises `UsageError` where it cannot be written.
    """
    with told_plainly(path), partial_file(path, rights) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
        Path(file.name).replace(path)


@contextmanager
def partial_file(path: Path, rights: int = FOR_ALL) -> Iterator[IO[bytes]]:
    """A file of another name in the same folder, gone in the end unless it was renamed."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb", opener=lambda name, flags: os.open(name, flags, rights)) as file:
            yield file
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def told_plainly(path: Path) -> Iterator[None]:
    """Say what the file system refused, and what to do."""
    try:
        yield
    except OSError as error:
        remedy = {
            errno.EACCES: f"Name a folder that you may write in, or change the rights of {path.absolute().parent}",
            errno.ENOSPC: "Free some space, or name a folder on another disk",
        }.get(error.errno or 0, "Name another file or folder")
        raise UsageError(f"{path} cannot be written: {error.strerror}. {remedy}.") from error
