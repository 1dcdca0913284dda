"""Health: the last nights, what became of those that are not there, the sources, the model and its drift."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from pipeline.headline import by_rules, sources_out
from pipeline.night_age import is_old
from pipeline.store.nights import Night, catalogue
from pipeline.store.runs import FailedRun, PublishedRun, champion_since, failed_runs, published_runs

__all__ = ["Health", "Line", "Source", "health_of"]

NIGHTS: Final = 14


@dataclass(frozen=True)
class Line:
    """One night: published or not, and the runs that published nothing, the last first. Or a gap, from `first` on."""

    as_of: date
    published: PublishedRun | None = None
    failed: tuple[FailedRun, ...] = ()
    first: date | None = None

    @property
    def days(self) -> int:
        """How many nights a gap has."""
        return 0 if self.first is None else (self.as_of - self.first).days + 1


@dataclass(frozen=True)
class Source:
    """How a source stood. `until` is its last day, where known; `touched` the share of the customers it concerns."""

    name: str
    until: date | None
    is_late: bool
    out: tuple[date, date] | None
    touched: float | None

    @property
    def is_well(self) -> bool:
        """Whether it was there."""
        return self.until is not None and not self.is_late and self.out is None

    @property
    def since(self) -> date | None:
        """The first day of which it has nothing."""
        return self.until + timedelta(days=1) if self.is_late and self.until else None


@dataclass(frozen=True)
class Health:
    """All of it.

    `champion` is a version that took the place of the night's since, and when. `card` and `shift` are None where an
    older churn published the night.
    """

    night: Night | None
    lines: tuple[Line, ...]
    runs: tuple[PublishedRun, ...]
    sources: tuple[Source, ...]
    words: Mapping[str, Any] | None
    champion: tuple[int, datetime] | None
    is_by_rules: bool

    @property
    def card(self) -> Mapping[str, Any] | None:
        """What the training knew of the night's model, and the backtest measured."""
        return None if self.words is None else self.words.get("card")

    @property
    def shift(self) -> Mapping[str, Any] | None:
        """How tonight's risks lie beside those of the last good night by the same model."""
        return None if self.night is None else self.night.headline.get("shift")

    @property
    def failed_last(self) -> FailedRun | None:
        """The last run, where it published nothing and does not run any more."""
        newest = max((run for line in self.lines for run in line.failed), key=lambda run: run.started_at, default=None)
        if newest is None or newest.outcome == "running":
            return None
        done = max((run.finished_at for run in self.runs), default=None)
        return newest if done is None or done < newest.started_at else None


def health_of(connection: Connection, night: Night | None, now: datetime, arrival_hours: int) -> Health:
    """How the nights do; `night` is the newest, `arrival_hours` when one may start."""
    runs = published_runs(connection, NIGHTS)
    failed = failed_runs(connection, runs[-1].as_of if runs else None)
    if night is None:
        return Health(None, tuple(_lines(runs, failed, None)), (), (), None, None, False)
    due = (now - timedelta(hours=arrival_hours)).date() if is_old(night, now, arrival_hours) else None
    champion, lines = champion_since(connection), tuple(_lines(runs, failed, due))
    return Health(
        night=night,
        lines=lines,
        runs=tuple(runs),
        sources=tuple(_sources(night)),
        words=catalogue(connection, night),
        champion=champion if champion and str(champion[0]) != night.model_version else None,
        is_by_rules=by_rules(night.headline) is not None,
    )


def _lines(runs: Sequence[PublishedRun], failed: Sequence[FailedRun], due: date | None) -> Iterator[Line]:
    """The last nights, newest first. Days without any in between, and up to the `due` one, are gaps."""
    published = {run.as_of: run for run in runs}
    days = sorted({*published, *(run.as_of for run in failed)}, reverse=True)[:NIGHTS]
    later = None if due is None else due + timedelta(days=1)
    for day in days:
        if later is not None and (later - day).days > 1:
            yield Line(later - timedelta(days=1), first=day + timedelta(days=1))
        yield Line(day, published.get(day), tuple(run for run in failed if run.as_of == day))
        later = day


def _sources(night: Night) -> Iterator[Source]:
    """Of a night that an older churn published: those that were out, and the last day of use."""
    told, out = night.headline.get("sources"), sources_out(night.headline)
    if told is None:
        until = night.headline.get("usage_until")
        for name in sorted({*out, *(("usage",) if until else ())}):
            last = date.fromisoformat(until) if until and name == "usage" else None
            yield Source(name, last, False, out.get(name), None)
        return
    for name, each in told.items():
        until = None if each["until"] is None else date.fromisoformat(each["until"])
        yield Source(name, until, each["is_late"], out.get(name), each["touched"])
