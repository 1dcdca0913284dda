"""`churn backfill`: past nights, each on the facts and by the model of then, for trends and realised skill.

The model of a night is the version that was champion when it would have run, as the store remembers it. Where the store
remembers none, it is one that is trained as of the first of that month, as a company that trains every month would have
had it. Today's champion, where that is asked for, has seen how those days went on: its nights are marked in-sample.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Engine, select

from models.errors import ModelRefusal
from models.registry import load_version, versions_trained_on
from pipeline.agreement import refuse_other_question
from pipeline.caveats import hindsight
from pipeline.errors import RefusedError, StoreMissing, StoreOutdated, UsageError
from pipeline.kept_models import Champion, champion_of
from pipeline.nightly import run_night
from pipeline.retention import kept_nights
from pipeline.run_log import RunLog
from pipeline.settings import Settings
from pipeline.store.connection import connect, reading, retried
from pipeline.store.schema import PUBLISHED, RUNS
from pipeline.training import train

__all__ = ["Backfilled", "backfill"]

_DAY: Final = timedelta(days=1)

OpenLog = Callable[[], AbstractContextManager[RunLog]]


@dataclass(frozen=True)
class Backfilled:
    """What became of the nights: published ones with the version that scored them, and refused ones with the reason.

    `there` were published before; `thinned` would be removed at once, for of old weeks one night is kept.
    """

    published: dict[date, str]
    refused: dict[date, str]
    there: tuple[date, ...]
    thinned: tuple[date, ...]

    def told(self) -> str:
        """What was done, in a few lines."""
        lines = [f"{len(self.published):,} nights published."]
        if self.there:
            lines.append(f"{len(self.there):,} were published before.")
        if self.thinned:
            lines.append(f"{len(self.thinned):,} are left out: of weeks so long ago one night alone is kept.")
        if self.refused:
            lines.append(f"{len(self.refused):,} were refused:")
            lines += [f"  {day}: {why.splitlines()[0]}" for day, why in self.refused.items()]
        return "\n".join(lines)

    def as_record(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "published": {str(day): version for day, version in self.published.items()},
            "refused": {str(day): why for day, why in self.refused.items()},
            "there": [str(day) for day in self.there],
            "thinned": [str(day) for day in self.thinned],
        }


def backfill(settings: Settings, first: date, last: date, open_log: OpenLog, *, by_today: bool = False) -> Backfilled:
    """Publish the nights from `first` to `last` that are not published yet, oldest first.

    Stopped, it goes on where it was when it is run again. A refused night does not stop the later ones. With `by_today`
    the champion of today scores them all; else nights that it scored with hindsight are scored again.

    Raises
    ------
    UsageError
        When the range is none.
    FailedError
        When a night failed that may be tried again.
    """
    if last < first:
        raise UsageError(f"--from {first} lies after --to {last}: write the earlier day first.")
    days = [first + number * _DAY for number in range((last - first).days + 1)]
    engine = connect(settings.located(settings.store.url))
    try:
        fair = _published(engine)
        there = tuple(day for day in days if day in fair and (fair[day] or by_today))
        asked = dict.fromkeys(days, not by_today)
        kept = kept_nights({**asked, **fair} if by_today else {**fair, **asked})
        thinned = tuple(day for day in days if day not in kept and day not in there)
        done = Backfilled({}, {}, there, thinned)
        wanted = [day for day in days if day not in {*there, *thinned}]
        models = _Models(engine, settings)
        for place, day in enumerate(wanted, start=1):
            with open_log() as log:
                log.note(f"Night {place} of {len(wanted)}: {day}")
                try:
                    model = None if by_today else models.of(day, log)
                    night = run_night(settings, day, datetime.now(UTC), None, log, command="backfill", model=model)
                    done.published[day] = night.model_version
                except (RefusedError, ModelRefusal) as refusal:
                    log.note(f"refused: {refusal}")
                    done.refused[day] = str(refusal)
        return done
    finally:
        engine.dispose()


def _published(engine: Engine) -> dict[date, bool]:
    """The nights there are, and of each whether it is fair, which those are not that were scored with hindsight."""

    def found() -> dict[date, bool]:
        with reading(engine) as connection:
            nights = select(PUBLISHED.c.as_of, RUNS.c.in_sample).join(RUNS, RUNS.c.run_id == PUBLISHED.c.run_id)
            return {night.as_of: not night.in_sample for night in connection.execute(nights)}

    try:
        return retried(found)
    except (StoreMissing, StoreOutdated):  # the first night makes it, or brings it along
        return {}


@dataclass
class _Models:
    """The models of then. One that was trained for a month, or why there can be none, is kept for its other days."""

    engine: Engine
    settings: Settings
    _by_month: dict[date, Champion | str] = field(default_factory=dict)

    def of(self, day: date, log: RunLog) -> Champion:
        """The champion of that day; where none is remembered, a model trained as of the first of its month."""
        cut = self.settings.rules().moment(day).cut.replace(tzinfo=UTC)
        try:
            then = retried(lambda: champion_of(self.engine, self.settings.tracking.model, cut))
        except (StoreMissing, StoreOutdated):
            then = None
        if then is not None and hindsight(then.model, day) is None:
            return then
        month = day.replace(day=1)
        if month not in self._by_month:
            try:
                self._by_month[month] = self._of_month(month, log)
            except (ModelRefusal, RefusedError) as refusal:
                self._by_month[month] = str(refusal)
        model = self._by_month[month]
        if isinstance(model, str):
            raise RefusedError(model)
        return model

    def _of_month(self, month: date, log: RunLog) -> Champion:
        """The newest version trained as of that day that answers today's question; a new one where there is none."""
        registry = self.settings.registry()
        for version in versions_trained_on(month, **registry):
            with suppress(ModelRefusal, RefusedError):
                model = load_version(version, **registry)
                refuse_other_question(self.settings, model)
                return Champion(model, version)
        log.note(f"No champion of {month:%B %Y} is remembered: training as of {month}")
        version = train(self.settings, month, log, promotes=False).registered.version
        return Champion(load_version(version, **registry), version)
