"""The night: features → risk → reasons → book → published whole, or not at all."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from features.outages import coverage
from models.churn_model import ChurnModel
from pipeline.agreement import see
from pipeline.book import make_book
from pipeline.caveats import caveats, hindsight
from pipeline.checks import check_contract, refuse_fatal
from pipeline.ending import endable
from pipeline.errors import FailedError, RefusedError
from pipeline.evidence import evidence
from pipeline.export import export_night, refuse_destination
from pipeline.freshness import outages, refuse_stale, sources_of
from pipeline.inputs import Inputs, inputs
from pipeline.kept_models import Champion, champion
from pipeline.ledger import Entry, recorded
from pipeline.left_out import forgotten_of, left_out, without
from pipeline.night_headline import headline
from pipeline.packed_evidence import Evidence
from pipeline.peers import peers
from pipeline.publication import Run, publish, tidy
from pipeline.run_log import RunLog
from pipeline.scoring import scored, shown
from pipeline.settings import Settings
from pipeline.soundness import refuse_unsound
from pipeline.sources import open_sources
from pipeline.store.connection import connect, reading, retried
from pipeline.store.lease import Lease, leased
from pipeline.store.nights import night
from pipeline.tonight import tonight_in_parts
from pipeline.violation import Violation
from pipeline.week_before import CHANGES, WeekBefore, week_before

__all__ = ["NightDone", "run_night"]


@dataclass(frozen=True)
class NightDone:
    """What a night came to."""

    as_of: date
    run_id: str
    model_version: str
    accounts: int
    states: dict[str, int]
    warnings: tuple[str, ...]
    exported: Path | None
    rows_exported: int
    seconds: float

    def as_record(self) -> dict[str, Any]:
        """The night as plain data."""
        return {**vars(self), "as_of": str(self.as_of), "exported": self.exported and str(self.exported)}


@dataclass(frozen=True)
class _Seen:
    """What a night knows: the champion, everybody with their features and evidence, what is odd, the last use.

    `sources` tells how each source stood, as `pipeline.freshness.sources_of` does.
    """

    model: ChurnModel
    version: int
    known: pd.DataFrame
    saw: Inputs
    evidence: Evidence
    remarks: tuple[str, ...]
    violations: tuple[Violation, ...]
    used_on: date | None
    sources: dict[str, dict[str, Any]]

    def warnings(self, *, by_example: bool) -> tuple[str, ...]:
        """What is odd, in text; what is kept names no rows of the tables."""
        return *self.remarks, *(violation.told(by_example=by_example) for violation in self.violations)


def run_night(
    settings: Settings,
    day: date,
    now: datetime,
    out: Path | None,
    log: RunLog,
    *,
    command: str = "score",
    model: Champion | None = None,
) -> NightDone:
    """Score every customer as of a date and publish the night; `now` is when the run began, in UTC.

    The champion scores them, unless another `model` is given. `command` is what the ledger calls the run.

    Raises
    ------
    FailedError
        When the night is today's and its rows may still be arriving; while another run is writing to the store; when
        it is told to end, or takes too long.
    RefusedError
        When the contract is broken, the tables end too early, or tables, settings and model do not fit. What readers
        see stays as it was.
    UsageError
        When `out` could not be written.
    """
    if out is not None:
        refuse_destination(out, settings)
    _refuse_early(settings, day, now)
    engine = connect(settings.located(settings.store.url))
    try:
        with (
            endable(settings.run.hours_at_most) as ending,
            leased(engine, log.note, command=command) as lease,
            recorded(lease, log, command, as_of=day, started_at=now, settings_digest=_digest(settings)) as entry,
        ):
            ending.at_last = lease.release
            return _night(settings, day, now, out, log, lease, entry, model)
    finally:
        engine.dispose()


def _night(
    settings: Settings,
    day: date,
    now: datetime,
    out: Path | None,
    log: RunLog,
    lease: Lease,
    entry: Entry,
    given: Champion | None,
) -> NightDone:
    """The night of who holds the lease."""
    seen = _look(settings, day, log, lease, given)
    model = seen.model
    entry.rows_in, entry.model_version = seen.saw.rows_known, str(seen.version)
    log.step("risk and reasons")
    since = week_before(model, day, lease.engine, settings, log)
    book, contradicting_share = _book(seen.known, seen.saw, model, since, settings, day)
    compared_with = None if since is None or book[list(CHANGES)].isna().all(axis=None) else since.as_of
    log.step("publish")
    sound = refuse_unsound(book, model, day, lease.engine, settings.checks)
    more = (*sound.warnings, *caveats(settings, model, day))
    warnings = (*seen.warnings(by_example=True), *more)
    for warning in warnings:
        log.note(f"warning: {warning}")
    run = Run(
        run_id=log.run_id,
        as_of=day,
        model_version=str(seen.version),
        started_at=now,
        settings_digest=_digest(settings),
        headline=headline(book, model, settings, seen.used_on, contradicting_share)
        | {"hindsight": hindsight(model, day), "compared_with": compared_with and str(compared_with)}
        | {"outages": {name: each["out"] for name, each in seen.sources.items() if each["out"]}}
        | {"sources": seen.sources, "shift": sound.shift},
        in_sample=hindsight(model, day) is not None,
        warnings=(*seen.warnings(by_example=False), *more),
    )
    publish(
        lease, run, book, shown(model), finished_at=datetime.now(UTC), inputs=seen.saw.files(), evidence=seen.evidence
    )
    entry.rows_out = len(book)  # from here on it is out, whatever comes
    tidy(lease)
    exported = 0
    if out is not None:
        log.step(f"write {out.name}")
        exported = retried(lambda: export_night(lease.engine, out, as_of=day))
    counts = dict(Counter(book["state"]))
    return NightDone(day, run.run_id, run.model_version, len(book), counts, warnings, out, exported, log.finish())


def _look(settings: Settings, day: date, log: RunLog, lease: Lease, given: Champion | None) -> _Seen:
    """Read and check the tables, and build what the model reads."""
    gone = forgotten_of(settings, brings_along=True)
    opened = open_sources(settings, log)
    try:
        violations = check_contract(opened, settings)
        refuse_fatal(violations)
        log.step("load the champion")
        live = given or champion(lease, settings)
        _refuse_to_replace_a_fair_one(lease, live.model, day)
        log.step("features of tonight")
        past, recipe = see(opened, settings, live.model, log.step)
        moment = past.rules.moment(day)
        covered = coverage(past)
        violations += refuse_stale(past, moment, covered, settings.checks.stale)
        with tonight_in_parts(past, moment, recipe, covered) as everybody:
            known = without(everybody.known, gone)
            forgotten = len(everybody.known) - len(known)
            saw = inputs(past, moment, (without(part, gone) for part in everybody.parts()), recipe)
        customers = known.loc[known["state"] == "active", "account_id"].tolist()
        violations += outages(past, moment, covered, customers, settings.checks.outage)
        used_on = max(covered.days("usage", moment), default=None)
        remarks = tuple(filter(None, [live.warning, left_out(forgotten, settings)]))
        sources = sources_of(past, moment, covered, customers)
        log.step("evidence")
        ids, others = known["account_id"].tolist(), peers(saw.frames(), len(customers), live.model.catalogue)
        gathered = evidence(past, moment, ids, settings.pages, covered, others, excerpts=settings.store.excerpts)
        return _Seen(live.model, live.version, known, saw, gathered, remarks, tuple(violations), used_on, sources)
    finally:
        opened.close()


def _refuse_to_replace_a_fair_one(lease: Lease, model: ChurnModel, day: date) -> None:
    """A night by the model of its day proves something; one by a model that has seen how it went on does not."""
    if hindsight(model, day) is None:
        return
    with reading(lease.engine) as connection:
        there = night(connection, day)
    if there is not None and not there.in_sample:
        raise RefusedError(
            f"The night of {day} stays as it is: version {there.model_version} scored it, which was trained by then, "
            "and the champion of today has seen how the days after it went on. To see what that makes of it, publish "
            f"it elsewhere: CHURN__STORE__URL=sqlite:///again.db churn score --as-of {day}."
        )


def _refuse_early(settings: Settings, day: date, now: datetime) -> None:
    """Rows recorded before the cut belong to the night: run earlier, it would not know what it says it knew."""
    cut = settings.rules().moment(day).cut.replace(tzinfo=UTC)
    if day == now.date() and now < cut and not settings.run.demo:
        raise FailedError(
            f"The night of {day} may start at {cut:%H:%M} UTC, for what arrives until then belongs to it ([data] "
            f"arrival_hours = {settings.data.arrival_hours}); it is {now:%H:%M}. Run again then, or score the night "
            f"before: churn score --as-of {day - timedelta(days=1)}."
        )


def _book(
    known: pd.DataFrame, saw: Inputs, model: ChurnModel, since: WeekBefore | None, settings: Settings, day: date
) -> tuple[pd.DataFrame, float]:
    """The night's book: scored accounts with their reasons, those leaving and lapsed without.

    With it the share of all contribution that contradicts what is expected, and so stays unworded.
    """
    if not known["state"].eq("active").any():
        raise RefusedError(
            f"No account is active on {day}. Is the date right (--as-of, [run] as_of), and do subscriptions reach it?"
        )
    scores, contradicting_share = scored(known, saw, model, since, settings.engine.threads)
    others = known[known["state"] != "active"]
    together = pd.concat([part for part in (scores, others) if len(part)], ignore_index=True)
    book = make_book(together, bands=model.bands, new_days=settings.book.new_days, as_of=day)
    return book, contradicting_share


def _digest(settings: Settings) -> str:
    return hashlib.sha256(json.dumps(settings.without_secrets(), sort_keys=True).encode()).hexdigest()[:16]
