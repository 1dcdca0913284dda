"""The copies of a warehouse that lie in the cache: which one is current, which are in use, which may go.

Each is a folder of its own. It is used from the moment on at which its name stands in `current`, so one that was killed
is never read; while it is in use it is held by a lock, which goes with the process.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from pipeline.run_log import RunLog
from pipeline.settings import Settings

__all__ = ["Copied", "Made", "alone", "discard", "hold", "kept", "place", "publish", "remove_others"]

_FORMAT: Final = 1
_ABOUT: Final = "copy.json"
_CURRENT: Final = "current"


@dataclass(frozen=True)
class Copied:
    """One table of a copy: what was asked (as a digest), rows in it, rows that were read for it, its newest time."""

    asked: str
    rows: int
    read: int
    newest: str | None


@dataclass(frozen=True)
class Made:
    """A copy: its folder, when it was made by the warehouse's clock, its tables."""

    folder: Path
    at: datetime
    tables: Mapping[str, Copied]


def place(settings: Settings) -> Path:
    """The folder of all copies."""
    return settings.folder / settings.data.cache / "warehouse"


def kept(settings: Settings) -> Made | None:
    """The copy that was made last; None where there is none that can be used."""
    root = place(settings)
    try:
        folder = root / (root / _CURRENT).read_text(encoding="utf-8")
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        if about["format"] != _FORMAT:
            return None
        tables = {name: Copied(**table) for name, table in about["tables"].items()}
        return Made(folder, datetime.fromisoformat(about["at"]), tables)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def publish(made: Made, root: Path) -> None:
    """Write down what the copy is, then let its name be the current one."""
    about = {"format": _FORMAT, "at": made.at.isoformat(), "tables": {n: asdict(t) for n, t in made.tables.items()}}
    _written(made.folder / _ABOUT, json.dumps(about, indent=1))
    draft = root / f"{_CURRENT}.draft"
    _written(draft, made.folder.name)
    draft.replace(root / _CURRENT)


def _written(file: Path, text: str) -> None:
    with file.open("w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())


@contextmanager
def alone(root: Path, log: RunLog) -> Iterator[None]:
    """One run copies at a time; another waits, and then has little to read."""
    with (root / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.note("Another run is copying the warehouse; waiting until it is done.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def hold(folder: Path) -> int:
    """A file descriptor that keeps others from removing the copy until it is closed."""
    held = os.open(folder / _ABOUT, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_SH)
    return held


def discard(settings: Settings) -> None:
    """Let no run read what was copied; the next one reads all anew. A copy that is in use goes with the run after."""
    root = place(settings)
    if root.is_dir():
        with alone(root, RunLog("discard")):
            (root / _CURRENT).unlink(missing_ok=True)
            remove_others(root, root / _CURRENT)


def remove_others(root: Path, current: Path) -> None:
    """Remove older copies that nobody reads any more, and what killed runs left."""
    for folder in root.iterdir():
        if folder == current or not folder.is_dir():
            continue
        try:
            held = os.open(folder / _ABOUT, os.O_RDONLY)
        except FileNotFoundError:  # it was never finished
            shutil.rmtree(folder, ignore_errors=True)
            continue
        try:
            with suppress(BlockingIOError):
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(held)
