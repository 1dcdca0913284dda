"""The file of a backup: a zip with a JSON Lines file for each table, and a manifest that says what has to be in them.

It depends on neither database. Each table has a SHA-256 in the manifest; the manifest is under the zip's own checksum.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import IO, Any, Final, NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile

from pipeline.errors import RefusedError, UsageError

__all__ = ["Archive", "Contents", "Manifest", "is_archive", "opened", "write_archive"]

_FORMAT: Final = "churn people 1"
_MANIFEST: Final = "manifest.json"


class Contents(NamedTuple):
    """How many rows a table has, and the SHA-256 of its lines."""

    rows: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup holds: as of when, in the tables of which revision."""

    made_at: datetime
    revision: str
    tables: Mapping[str, Contents]


def write_archive(
    file: IO[bytes], made_at: datetime, revision: str, tables: Iterable[tuple[str, Iterable[Mapping[str, Any]]]]
) -> Manifest:
    """Write the tables' rows, one after another, and then the manifest."""
    found: dict[str, Contents] = {}
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name, rows in tables:
            digest, count = hashlib.sha256(), 0
            with archive.open(f"{name}.jsonl", "w", force_zip64=True) as member:
                for row in rows:
                    line = json.dumps(dict(row), ensure_ascii=False, default=_plain).encode() + b"\n"
                    member.write(line)
                    digest.update(line)
                    count += 1
            found[name] = Contents(count, digest.hexdigest())
        manifest = Manifest(made_at, revision, found)
        tables_told = {name: contents._asdict() for name, contents in found.items()}
        record = {"format": _FORMAT, **asdict(manifest), "tables": tables_told}
        archive.writestr(_MANIFEST, json.dumps(record, indent=1, default=_plain))
    return manifest


def is_archive(path: Path) -> bool:
    """Whether the file is a backup, whole or not."""
    try:
        with ZipFile(path) as archive:
            return _MANIFEST in archive.namelist()
    except Exception:  # of which a file that is none can raise many
        return False


@dataclass(frozen=True)
class Archive:
    """A backup whose checksums have been found right."""

    path: Path
    manifest: Manifest
    zip: ZipFile

    def rows(self, table: str) -> Iterator[dict[str, Any]]:
        """The rows as JSON has them: dates and times are text."""
        with self.zip.open(f"{table}.jsonl") as lines:
            yield from map(json.loads, lines)


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """A backup, of which every table has been read once and held against the manifest.

    Raises
    ------
    UsageError
        When there is no such file, or it is no backup.
    RefusedError
        When it is damaged.
    """
    if not path.is_file():
        raise UsageError(f"There is no file {path}. Name one that `churn backup` wrote.")
    if not is_archive(path):
        raise UsageError(
            f"{path} is no backup of a people store, or its end is missing. Name a file that `churn backup` wrote, "
            "whole."
        )
    with ZipFile(path) as archive:
        try:
            manifest = _manifest(archive)
            wrong = [name for name, told in manifest.tables.items() if _contents(archive, name) != told]
        except Exception as error:  # a byte that was changed can lead anywhere in three formats
            raise _damaged(path, str(error) or type(error).__name__) from error
        if wrong:
            raise _damaged(path, f"{', '.join(wrong)} is not what the manifest says")
        yield Archive(path, manifest, archive)


def _manifest(archive: ZipFile) -> Manifest:
    record = json.loads(archive.read(_MANIFEST))
    if record["format"] != _FORMAT:
        raise ValueError(f"its format is {record['format']!r}, this churn reads {_FORMAT!r}")
    tables = {name: Contents(**told) for name, told in record["tables"].items()}
    return Manifest(datetime.fromisoformat(record["made_at"]), str(record["revision"]), tables)


def _contents(archive: ZipFile, table: str) -> Contents:
    digest, count = hashlib.sha256(), 0
    with archive.open(f"{table}.jsonl") as lines:
        for line in lines:
            digest.update(line)
            count += 1
    return Contents(count, digest.hexdigest())


def _damaged(path: Path, why: str) -> RefusedError:
    return RefusedError(f"The backup {path} is damaged: {why}. Nothing was changed. Take another backup.")


def _plain(value: object) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"a backup has no form for {type(value).__name__}")
