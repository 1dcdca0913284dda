"""`churn doctor`: what is installed, configured, reachable, stale."""

import platform
import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from models.errors import ModelRefusal, NoChampion, TrackingFailed, UnusableScorer
from models.registry import load_champion
from models.transformer import Transformer
from pipeline.amounts import STYLES
from pipeline.errors import ExpectedError, FailedError, StoreMissing, UsageError
from pipeline.files import find
from pipeline.ledger import LastRun, last_run
from pipeline.night_age import night_age
from pipeline.people.backup import last_backup
from pipeline.people.connection import connect as connect_people
from pipeline.people.schema import PEOPLE_STORE
from pipeline.run_log import RunLog
from pipeline.sections import SqlSource
from pipeline.settings import Settings
from pipeline.settings_file import read_settings
from pipeline.sources import open_sources
from pipeline.store.connection import connect, reading
from pipeline.store.nights import Night, night
from pipeline.warehouse.copies import relations
from pipeline.warehouse.kept_copies import kept
from pipeline.warehouse.postgresql import Lost, address, read_only

__all__ = ["Finding", "Health", "examine", "file_system"]

_PACKAGES: Final = ("duckdb", "ibis-framework", "lightgbm", "mlflow", "pandas", "scikit-learn", "shap")
_LEAST_FREE_BYTES: Final = 2_000_000_000
_NETWORKS: Final = frozenset(
    {"9p", "afs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"}
)


@dataclass(frozen=True)
class Finding:
    """One thing looked at: is it well, what was seen, and whether it merely was never made."""

    what: str
    is_well: bool
    seen: str
    is_missing: bool = False


@dataclass(frozen=True)
class Health:
    """All findings."""

    findings: tuple[Finding, ...]

    @property
    def is_well(self) -> bool:
        """Whether nothing ails."""
        return all(finding.is_well for finding in self.findings)

    @property
    def exit_status(self) -> int:
        """0 when nothing ails, 2 when all that ails is that a command was never run, 1 for anything else."""
        ailing = [finding for finding in self.findings if not finding.is_well]
        if not ailing:
            return 0
        return UsageError.exit_status if all(each.is_missing for each in ailing) else FailedError.exit_status

    def told(self) -> str:
        """One line a finding."""
        width = max(len(finding.what) for finding in self.findings)
        return "\n".join(
            f"{'ok   ' if finding.is_well else 'ILL  '} {finding.what:<{width}}  {finding.seen}"
            for finding in self.findings
        )

    def as_record(self) -> dict[str, Any]:
        """The findings as plain data."""
        return {
            "well": self.is_well,
            "findings": [{"what": f.what, "well": f.is_well, "seen": f.seen} for f in self.findings],
        }


def examine(config: Path, max_age: str | None, now: datetime, log: RunLog | None = None) -> Health:
    """Look at everything a night needs, and go on after each failure. The log tells what is being looked at.

    `max_age` such as "26h" makes it an illness when the last night was published longer ago, or when it could have
    started longer ago: a run that publishes the same old night again and again is no better than none.
    """
    oldest, log = _hours(max_age), log or RunLog("examine")
    findings = [Finding("installed", True, _installed())]
    try:
        settings = read_settings(config)
    except UsageError as error:
        return Health((*findings, Finding("settings", False, str(error))))
    findings.append(Finding("settings", True, str(config)))
    log.step("look at the tables")
    findings += [_tables(settings)] if settings.data.connection is None else _warehouse(settings, now)
    if settings.sentiment.model:
        log.step("look at the model for texts")
        findings.append(_scorer(settings))
    log.step("look at the champion")
    findings.append(_champion(settings))
    log.step("look at the stores")
    findings += [*_place(settings), *_store(settings, oldest, now), *_people(settings, now), _disk(settings)]
    return Health(tuple(findings))


def _installed() -> str:
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in _PACKAGES)
    return f"Python {platform.python_version()}, {packages}"


def _tables(settings: Settings) -> Finding:
    opened = open_sources(settings)
    try:
        if opened.unreadable:
            first = opened.unreadable[0]
            return Finding("tables", False, f"{first.table}: {first.rule}. More by: churn check")
        return Finding("tables", True, ", ".join(f"{name} {_size(settings, name)}" for name in opened.tables))
    finally:
        opened.close()


def _warehouse(settings: Settings, now: datetime) -> list[Finding]:
    """Whether it can be reached, and gives every table; how old its copy is. Nothing is copied for that."""
    made = kept(settings)
    if made is None:
        copy = Finding("copy", True, "none yet; the next check, training or night reads all")
    else:
        rows = ", ".join(f"{name} {table.rows:,}" for name, table in made.tables.items())
        copy = Finding("copy", True, f"made {_told(now - made.at)} ago, rows: {rows}")
    try:
        shown = address(settings.data.connection or "")
        with read_only(settings.data.connection or "") as warehouse:
            about, (_, unreadable) = warehouse.about, relations(warehouse, settings)
    except Lost as error:
        return [Finding("warehouse", False, f"{shown} does not answer: {error}"), copy]
    except ExpectedError as error:
        return [Finding("warehouse", False, str(error)), copy]
    if unreadable:
        told = "; ".join(f"{each.table}: {each.rule}" for each in unreadable)
        return [Finding("warehouse", False, f"{shown}, {about}: {told}. More by: churn check"), copy]
    return [Finding("warehouse", True, f"{shown}, {about}, gives every table"), copy]


def _size(settings: Settings, table: str) -> str:
    source = settings.data.sources[table]
    if isinstance(source, SqlSource):
        return "by sql"
    return f"{sum(file.stat().st_size for file in find(settings.folder, source)) / 1e6:,.1f} MB"


def _scorer(settings: Settings) -> Finding:
    """Whether the named model judges a text: some of its files are only read then."""
    try:
        model = Transformer.load(settings.sentiment.model, settings.folder, settings.engine.threads)
        model.polarity(["Thank you."])
    except UnusableScorer as error:
        return Finding("sentiment", False, str(error))
    return Finding("sentiment", True, f"{model.name}, version {model.version}")


def _champion(settings: Settings) -> Finding:
    try:
        model, version = load_champion(**settings.registry())
    except (ModelRefusal, TrackingFailed) as error:
        return Finding("champion", False, str(error), is_missing=isinstance(error, NoChampion))
    return Finding("champion", True, f"version {version}, trained on snapshots to {model.about['last_as_of']}")


def _store(settings: Settings, oldest: timedelta | None, now: datetime) -> list[Finding]:
    try:
        engine = connect(settings.located(settings.store.url))
    except UsageError as error:
        return [Finding("store", False, str(error))]
    try:
        with reading(engine) as connection:
            shown = night(connection)
            last = last_run(connection)
    except ExpectedError as error:
        return [Finding("store", False, str(error), is_missing=isinstance(error, StoreMissing))]
    finally:
        engine.dispose()
    if shown is None:
        found = Finding("store", False, "no night is published yet. Run: churn score", is_missing=True)
    else:
        found = _night(shown, settings, oldest, now)
    return [found] if last is None else [found, _last(last)]


def _people(settings: Settings, now: datetime) -> list[Finding]:
    """Whether what people wrote can be read, and how much of it a lost disk would cost."""
    try:
        engine = connect_people(settings.located(settings.store.url))
    except UsageError:
        return []  # which is told of the store
    try:
        with reading(engine) as connection:
            backed_up = last_backup(connection)
    except StoreMissing:
        return [Finding("people", True, "nobody has written anything down yet")]
    except ExpectedError as error:
        return [Finding("people", False, str(error))]
    finally:
        engine.dispose()
    told = "never backed up (churn backup FILE)" if backed_up is None else f"backed up {_told(now - backed_up)} ago"
    return [Finding("people", True, f"revision {PEOPLE_STORE.revision}, {told}")]


def _last(run: LastRun) -> Finding:
    """How the run ended that began last."""
    which = f"the night of {run.as_of}, begun {run.started_at:%Y-%m-%d %H:%M} UTC,"
    if run.outcome is None:
        return Finding("last run", run.is_running, f"{which} {'is running' if run.is_running else 'was killed'}")
    why = "" if run.message is None else f": {run.message.splitlines()[0]}"
    told = {"published": "was published", "refused": "was refused", "ended": "was ended", "failed": "failed"}
    return Finding("last run", run.outcome == "published", f"{which} {told[run.outcome]}{why}")


def _place(settings: Settings) -> list[Finding]:
    """SQLite's shared memory and locks do not reach over a network: files there lose what is written."""
    try:
        address = make_url(settings.located(settings.store.url))
    except ArgumentError:
        return []  # which is told of the store
    mounts = Path("/proc/self/mounts")  # which Linux alone has
    if address.drivername.partition("+")[0] != "sqlite" or address.database is None or not mounts.exists():
        return []
    kind = file_system(Path(address.database).parent, mounts.read_text(encoding="utf-8"))
    if kind not in _NETWORKS:
        return []
    told = f"{address.database} lies on a network file system ({kind}), where SQLite loses what is written. Set [store]"
    return [Finding("place", False, f"{told} url to a local disk, or use PostgreSQL.")]


def file_system(folder: Path, mounts: str) -> str | None:
    """The kind of the file system that a folder lies on, by the lines of /proc/self/mounts; None where none is told."""
    found: tuple[str | None, int] = None, -1
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split(" ")
        point = point.encode().decode("unicode_escape")  # a blank in it is written as four characters
        if folder.resolve().is_relative_to(point) and len(point) >= found[1]:
            found = kind, len(point)
    return found[0]


def _night(shown: Night, settings: Settings, oldest: timedelta | None, now: datetime) -> Finding:
    published, started = now - shown.finished_at, now - settings.rules().moment(shown.as_of).cut.replace(tzinfo=UTC)
    seen = (
        f"night of {shown.as_of} ({_told(started)} since it could start), {shown.accounts:,} accounts, published "
        f"{_told(published)} ago"
    )
    if oldest is not None:
        seen += f"; judged by {_measure(shown.headline['demo'], settings.run.as_of)}"
    if oldest is not None and night_age(shown, now, settings.data.arrival_hours) > oldest:
        return Finding("store", False, f"{seen}: more than {oldest.total_seconds() / 3600:g} hours. Did the night run?")
    return Finding("store", True, seen)


def _measure(is_demo: bool, fixed: date | None) -> str:
    """Which of a night's two ages counts."""
    if is_demo:
        return "its publication alone, for a demo's day stands still"
    return "the longer of the two" + (f", though [run] as_of = {fixed} holds the day" if fixed else "")


def _told(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours:.1f} hours" if hours < 72 else STYLES["months"](age.days, date.min, "en")


def _disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(settings.folder).free
    return Finding("disk", free >= _LEAST_FREE_BYTES, f"{free / 1e9:.1f} GB free in {settings.folder}")


def _hours(text: str | None) -> timedelta | None:
    if text is None:
        return None
    number = text.removesuffix("h")
    try:
        return timedelta(hours=float(number))
    except ValueError:
        raise UsageError(f"--max-age {text!r} is no number of hours; write 26h") from None
