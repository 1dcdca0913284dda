"""The published night as a file, for a CRM or a spreadsheet: one whole night, a row for each active account."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from itertools import islice
from pathlib import Path
from typing import IO, Final, Literal

from sqlalchemy import Engine, make_url

from pipeline.amounts import Language
from pipeline.errors import UsageError
from pipeline.exported import COLUMNS, Row, as_json, csv_lines, exported
from pipeline.files import find, is_named, matches
from pipeline.people.connection import beside
from pipeline.settings import Settings
from pipeline.store.connection import reading
from pipeline.store.nights import book, catalogue, published
from pipeline.whole_file import partial_file, told_plainly, whole_file

__all__ = ["COLUMNS", "FORMATS", "Format", "export_night", "refuse_destination", "refuse_place"]

Format = Literal["csv", "parquet", "jsonl"]
FORMATS: Final[tuple[Format, ...]] = ("csv", "parquet", "jsonl")

_PARQUET_TYPES: Final = {
    "as_of": "date32",
    "rank": "int32",
    **dict.fromkeys(("risk", "mrr", "value_at_risk", "base_log_odds", "log_odds"), "float64"),
}
_PARQUET_ROWS: Final = 50_000


def export_night(
    engine: Engine,
    path: Path,
    *,
    format: Format | None = None,
    language: Language = "en",
    as_of: date | None = None,
) -> int:
    """Write a published night to `path`, by default the newest, and give the number of rows.

    The columns are those of `COLUMNS`. `risk` is the probability of leaving within the horizon, money is in the
    company's currency a month. `log_odds` = `base_log_odds` + Σ families = `base_log_odds` + Σ reasons, and `risk` =
    1 / (1 + exp(−`log_odds`)), all to 1e-9: floats are written in full. `reasons` is JSON, at most 12 of {family,
    feature, value, contribution, words}, largest first, closed by {family: other, feature: rest, contribution};
    contributions whose sign contradicts what is expected of the feature are in that rest. `words` is null where the
    catalogue has none or those of another reason say the same (see `wording.all_sentences`), and ends with a remark
    where it may not be said to the customer; older nights keep but the rest. `families` is complete.

    Accounts under notice (state *leaving*) are active and have a row, but no model scored them: risk, band,
    value_at_risk, rank and log-odds are null, reasons and families empty. New accounts have a risk and no band. Lapsed
    accounts are not active and have no row. Where rules order the night, `risk` and `value_at_risk` are null.

    `rank` counts within one owner's book: every owner has a rank 1, accounts of one root and owner share a rank, and
    sorting by rank alone mixes the books. Names are not among the columns: they are in the company's accounts, by
    `account_id`.

    In CSV (UTF-8, RFC 4180, null is empty) a text that a spreadsheet would run as a formula, beginning with = + - @ or
    a tab, carriage return or line feed and no number, gets an apostrophe before it; read Parquet or JSON Lines for the
    exact text. In JSON Lines `reasons` and `families` are nested. The file has another name until it is whole.

    Raises
    ------
    UsageError
        When the format cannot be told from the name, or the file cannot be written.
    StoreMissing
        When that night was never published.
    """
    chosen = _chosen_format(path, format)
    with reading(engine) as connection:
        of = published(connection, as_of)
        features = catalogue(connection, of)["features"]
        rows = (exported(each, of, features, language) for each in book(connection, of) if each.state != "lapsed")
        with whole_file(path) as file:
            return _WRITERS[chosen](file, rows)


def refuse_destination(
    path: Path, settings: Settings, format: Format | None = None, config: Path | None = None
) -> None:
    """Say before hours of work that an export could not be written here, or in no format: see `refuse_place`.

    Raises
    ------
    UsageError
        When the name tells no format, or `refuse_place` refuses it.
    """
    with told_plainly(path):
        if not path.is_dir():
            _chosen_format(path, format)
    refuse_place(path, settings, config, such_as="night.csv")


def refuse_place(path: Path, settings: Settings, config: Path | None, *, such_as: str) -> None:
    """Say before hours of work that their result could not be written here, or would be written over what is needed.

    Raises
    ------
    UsageError
        When nothing can be written there, or the file is one that the settings read or would read once it is there, is
        the settings (`config`), lies in the cache or holds the store or the models.
    """
    with told_plainly(path):
        if path.is_dir():
            raise UsageError(f"{path} is a folder. Name a file in it, such as {path / such_as}.")
        if (holds := _in_use(path, settings, config)) is not None:
            raise UsageError(f"{path} {holds}. Name another file to write to.")
        if not path.absolute().parent.is_dir():
            raise UsageError(f"{path} cannot be written: there is no folder {path.parent}. Name a folder that exists.")
        with partial_file(path):  # to ask for rights would say less: a file system may be read-only, full or far away
            pass


def _in_use(path: Path, settings: Settings, config: Path | None) -> str | None:
    """What the file is to this company; None for one that may be written."""
    there, folder = path.resolve(), settings.folder
    for name, source in settings.data.sources.items():
        if isinstance(source, str):
            is_read = matches(path, folder, source) or there in {file.resolve() for file in find(folder, source)}
        else:
            is_read = is_named(path, folder, source.sql)
        if is_read:
            told = repr(source) if isinstance(source, str) else "{ sql = … }"
            return f"is a source: [data] {name} = {told}"
    if there.is_relative_to((folder / settings.data.cache).resolve()):
        return f"is in the cache: [data] cache = {settings.data.cache!r}"
    kept = {
        "the settings": [config] if config is not None else [],
        "the store": _sqlite_files(settings.located(settings.store.url)),
        "the people store": _sqlite_files(beside(settings.located(settings.store.url))),
        "the models": _sqlite_files(settings.located(settings.tracking.uri)),
    }
    held = next((what for what, files in kept.items() if there in {file.resolve() for file in files}), None)
    return held and f"is in use here: it holds {held}"


def _sqlite_files(url: str) -> list[Path]:
    """The file of a SQLite URL, whatever its driver and options, and those that SQLite keeps beside it."""
    file = make_url(url).database if url.startswith("sqlite") else None
    return [Path(f"{file}{ending}") for ending in ("", "-wal", "-shm", "-journal")] if file else []


def _chosen_format(path: Path, format: Format | None) -> Format:
    chosen = format or path.suffix.removeprefix(".").lower()
    for known in FORMATS:
        if chosen == known:
            return known
    raise UsageError(
        f"{path.name!r} does not say what format to write: end the name with .csv, .parquet or .jsonl, "
        "or name one with --format."
    )


# ---------------------------------------------------------------------------------------------------------------------
# Formats


def _write_csv(file: IO[bytes], rows: Iterator[Row]) -> int:
    count = -1  # the names of the columns are no row
    for line in csv_lines(rows):
        file.write(line)
        count += 1
    return count


def _write_jsonl(file: IO[bytes], rows: Iterator[Row]) -> int:
    count = 0
    for row in rows:
        line = as_json({**row, "as_of": row["as_of"].isoformat()})
        file.write(f"{line}\n".encode())
        count += 1
    return count


def _write_parquet(file: IO[bytes], rows: Iterator[Row]) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, _PARQUET_TYPES.get(name, "string")) for name in COLUMNS])
    count = 0
    with pq.ParquetWriter(file, schema) as writer:
        while batch := list(islice(rows, _PARQUET_ROWS)):
            plain = [{**row, **{name: as_json(row[name]) for name in ("reasons", "families")}} for row in batch]
            writer.write_table(pa.Table.from_pylist(plain, schema=schema))
            count += len(batch)
    return count


_WRITERS: Final[Mapping[Format, Callable[[IO[bytes], Iterator[Row]], int]]] = {
    "csv": _write_csv,
    "parquet": _write_parquet,
    "jsonl": _write_jsonl,
}
