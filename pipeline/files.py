"""Files as a company leaves them: which ones a pattern names, how they are read, and what is plainly wrong with one.

What the engine says about a broken file is long, differs between its versions and proposes options of its own. So the
usual misfortunes are recognised here: a table exported half, a sign-in page saved as CSV, another encoding.
"""

import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["SAYS", "Fault", "fault_of", "find", "is_named", "matches", "quoted", "reader", "said"]

_CSV_ENDINGS: Final = (".csv", ".csv.gz", ".tsv", ".txt")
_HEAD: Final = 65_536
_PARQUET_MARK: Final = b"PAR1"

SAYS: Final = ("The engine says: ", "The warehouse says: ", "It is no SQL: ")
"""What remedies begin with that are in the words of others; these may quote a value."""


class Fault(NamedTuple):
    """Why a table cannot be read, and what to do."""

    rule: str
    remedy: str


def find(folder: Path, pattern: str) -> list[Path]:
    """The files that a path or a glob names, relative to the folder, sorted by name."""
    path = Path(pattern)
    if not any(mark in pattern for mark in "*?["):
        whole = folder / path
        return [whole] if whole.is_file() else []
    root = Path(path.anchor) if path.is_absolute() else folder
    relative = path.relative_to(path.anchor) if path.is_absolute() else path
    return sorted(file for file in root.glob(str(relative)) if file.is_file())


def matches(file: Path, folder: Path, pattern: str) -> bool:
    """Whether `find` would give the file once it exists.

    >>> matches(Path("/data/use/night.parquet"), Path("/data"), "use/*.parquet")
    True
    >>> matches(Path("/data/use/old/night.parquet"), Path("/data"), "use/*.parquet")
    False
    """
    return _lies_along(file.resolve().parts, (folder / pattern).resolve().parts)


def _lies_along(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Part by part, for no mark but ** reaches across folders."""
    if not parts or not pattern:
        return not parts and not pattern
    if pattern[0] == "**":
        return _lies_along(parts, pattern[1:]) or _lies_along(parts[1:], pattern)
    return fnmatch(parts[0], pattern[0]) and _lies_along(parts[1:], pattern[1:])


def reader(pattern: str, files: list[Path]) -> str:
    """The query that reads the files as one table.

    CSV is read as text alone: a reader that guesses types drops the zeros of account 00123. The header is the first
    line and quotes are double quotes; guessed from a sample, both can be guessed wrong without a word.
    """
    listed = "[" + ", ".join(quoted(str(file)) for file in files) + "]"
    if _is_csv(pattern):
        options = "all_varchar = true, union_by_name = true, header = true, skip = 0, quote = '\"', escape = '\"'"
        return f"SELECT * FROM read_csv({listed}, {options})"
    return f"SELECT * FROM read_parquet({listed}, union_by_name = true)"


def is_named(file: Path, folder: Path, sql: str) -> bool:
    """Whether a query names the file, in either kind of quotes, by a path relative to the folder or by a glob.

    >>> is_named(Path("/data/crm/a.csv"), Path("/data"), "SELECT * FROM 'crm/*.csv' WHERE kind <> 'spam'")
    True
    """
    literals = [one or other for one, other in re.findall(r"""'([^']+)'|"([^"]+)\"""", sql)]
    return any(matches(file, folder, each) for each in literals if Path(each).suffix)


def quoted(text: str) -> str:
    """Text as a literal of the engine's SQL."""
    return "'" + text.replace("'", "''") + "'"


def fault_of(folder: Path, pattern: str, files: list[Path]) -> Fault | None:
    """What is wrong with the files as such, or None where they look as they should."""
    if not files:
        if (folder / pattern).is_dir():
            return Fault(f"is a folder: {pattern}", f'Name the files in it, such as "{Path(pattern) / "*.parquet"}".')
        return Fault(f"no file at {pattern}", f"Correct the path (it starts from {folder}), or put the file there.")
    look = _fault_of_csv if _is_csv(pattern) else _fault_of_parquet
    return next((fault for file in files if (fault := look(file)) is not None), None)


def _is_csv(pattern: str) -> bool:
    return pattern.lower().endswith(_CSV_ENDINGS)


def _fault_of_parquet(file: Path) -> Fault | None:
    """Parquet begins and ends with the same four letters; a file that was cut short has lost its end."""
    with file.open("rb") as content:
        begins = content.read(len(_PARQUET_MARK))
        size = content.seek(0, 2)
        content.seek(max(0, size - len(_PARQUET_MARK)))
        ends = content.read()
    if size == 0:
        return _empty(file)
    if begins != _PARQUET_MARK:
        return Fault(f"is no Parquet file: {file}", "Write it as Parquet, or end its name in .csv if it is CSV.")
    if ends != _PARQUET_MARK:
        return Fault(f"is no whole Parquet file: {file}", "It was cut short. Write or fetch it again.")
    return None


def _fault_of_csv(file: Path) -> Fault | None:
    with file.open("rb") as content:
        head = content.read(_HEAD)
    if not head.strip():
        return _empty(file)
    if file.name.endswith(".gz"):
        return None
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in head:
        return _not_utf8(str(file))
    if re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|\?xml)", head, re.IGNORECASE):
        return Fault(
            f"is HTML or XML, no CSV: {file}", "A sign-in or error page was saved in its place. Fetch it again."
        )
    return None


def _empty(file: Path) -> Fault:
    return Fault(f"is empty: {file}", "Even a table without rows has its column names. Write or fetch it again.")


def _not_utf8(where: str) -> Fault:
    return Fault(
        f"is not UTF-8: {where}", "Save it as UTF-8; Excel calls that 'CSV UTF-8', iconv -t UTF-8 converts it."
    )


def said(error: Exception, where: str) -> Fault:
    """What the engine could not read, without its proposals and the copy of the line, which may hold anything."""
    text = str(error)
    line = re.search(r"CSV Error on Line: (\d+)", text)
    file = re.search(r"^\s*file = (.+)$", text, re.MULTILINE)
    place = f"{file[1] if file else where}{f', line {line[1]}' if line else ''}"
    if "unicode" in text:
        return _not_utf8(place)
    if fields := re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text):
        return Fault(
            f"has a line of {fields[2]} fields where the header has {fields[1]}: {place}",
            "Look for a comma in text without quotes around it, and for a quote that is never closed.",
        )
    first = text.splitlines()[0].removeprefix("IO Error: ").removeprefix("Invalid Input Error: ")
    return Fault(f"cannot be read: {place}", f"The engine says: {first}")
