"""Where MLflow keeps its things when it is a SQLite database: the artifacts beside it, and the lock on both.

MLflow writes absolute paths into its database. A company's folder that was moved or copied must read and write its own
files all the same, so what belongs to a database is looked for beside it first.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from sqlalchemy.engine import make_url

from models.errors import TrackingFailed

__all__ = ["ARTIFACTS", "TrackingFolder", "local_path"]

ARTIFACTS: Final = "mlflow-artifacts"
PATIENCE_SECONDS: Final = 120.0
PAUSE_SECONDS: Final = 0.1


class TrackingFolder:
    """The folder of one SQLite database of MLflow."""

    def __init__(self, database: Path) -> None:
        self.database = database
        self.artifacts = database.parent / ARTIFACTS

    @classmethod
    def of(cls, uri: str) -> Self | None:
        """The folder that `uri` means; None for a tracking server, which knows itself where its artifacts belong."""
        database = make_url(uri).database if uri.startswith("sqlite") else None
        return None if database is None else cls(Path(database).absolute())

    def beside(self, location: str) -> Path | None:
        """Where the artifacts recorded under `location` lie if they moved with the database.

        None where MLflow was told to keep them elsewhere.

        >>> TrackingFolder(Path("/now/mlflow.db")).beside("file:///then/mlflow-artifacts/models/m-1/artifacts")
        PosixPath('/now/mlflow-artifacts/models/m-1/artifacts')
        >>> TrackingFolder(Path("/now/mlflow.db")).beside("s3://bucket/mlflow-artifacts/models/m-1")
        """
        path = local_path(location)
        if path is None or ARTIFACTS not in path.parts:
            return None
        upwards = path.parts[::-1]
        return self.artifacts.joinpath(*reversed(upwards[: upwards.index(ARTIFACTS)]))

    def has_left(self, location: str) -> bool:
        """Whether artifacts written to `location` would no longer lie beside the database."""
        beside, path = self.beside(location), local_path(location)
        return beside is not None and path is not None and beside.resolve() != path.resolve()

    @contextmanager
    def locked(self, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
        """The only run at work on the database. It makes the folder.

        MLflow sets a new database up table by table, and two that begin at once would break each other's work.

        Raises
        ------
        TrackingFailed
            When another run holds the database for longer than `patience` seconds.
        """
        lock = self.database.with_name(f"{self.database.name}.lock")
        try:
            self.database.parent.mkdir(parents=True, exist_ok=True)
            held = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:  # a folder that may only be read: nobody sets a database up there
            yield
            return
        try:
            self._wait(held, lock, patience)
            yield
        finally:
            os.close(held)  # lets go of the lock, as the end of the process does

    def _wait(self, held: int, lock: Path, patience: float) -> None:
        begun = time.monotonic()
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() - begun >= patience:
                    raise TrackingFailed(
                        f"Another run has held {lock} for {patience:.0f} seconds: it is writing to MLflow at "
                        f"{self.database}. Run again when it is done."
                    ) from None
            except OSError:  # a file system without locks
                return
            time.sleep(PAUSE_SECONDS)


def local_path(location: str) -> Path | None:
    """The path of an artifact location; None where it is on no file system."""
    parts = urlsplit(location)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None
