"""`churn check`: the contract against the tables, how fresh they are, and whether enough customers have left."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from features.build import catalogue, listed
from features.catalogue import Feature
from features.contract import Severity
from features.events import largest
from features.labels import churns
from features.outages import coverage
from features.timeline import Moment
from features.versions import History
from models.training import LEAST_DEPARTURES
from pipeline.absences import why_absent
from pipeline.agreement import foretold
from pipeline.checks import check_contract
from pipeline.freshness import lost_days, stale_tables
from pipeline.learned_tone import untimed_ratings
from pipeline.pauses import pauses
from pipeline.run_log import RunLog
from pipeline.settings import Settings
from pipeline.sources import freshness, history, open_sources
from pipeline.ticket_words import add_sentiment, unjudged
from pipeline.violation import Violation

__all__ = ["Inspection", "inspect"]


@dataclass(frozen=True)
class Inspection:
    """What a check found.

    Freshness, departures and features are only there when the contract holds. `absent` are the features that are not
    computed, by name, with what each wants; `unused` names settings that do nothing.
    """

    violations: tuple[Violation, ...]
    rows: dict[str, int]
    newest: dict[str, datetime | None]
    today: date
    departures: int | None
    features: tuple[Feature, ...]
    absent: Mapping[str, str]
    unused: tuple[str, ...] = ()

    @property
    def is_fatal(self) -> bool:
        """Whether a run would stop here."""
        return any(violation.severity is Severity.FATAL for violation in self.violations)

    def told(self) -> str:
        """The inspection as a person reads it."""
        lines = []
        for violation in self.violations:
            word = "STOPS THE RUN" if violation.severity is Severity.FATAL else "warning"
            lines += [f"{word}: {violation.told()}", ""]
        lines += [line for note in self.unused for line in (f"note: {note}", "")]
        if self.departures is None:
            return "\n".join([*lines, "Nothing further was looked at. Mend what stops the run and check again."])
        if not self.violations:
            lines += ["Every rule of the contract holds.", ""]
        width = max(len(name) for name in self.rows)
        for name, rows in self.rows.items():
            newest = self.newest[name]
            lines.append(f"{name:<{width}}  {rows:>12,} rows   newest {_age(newest, self.today)}")
        lines += ["", _departures(self.departures), *_told(self.features, self.absent)]
        return "\n".join(lines)

    def as_record(self) -> dict[str, Any]:
        """The inspection as plain data."""
        return {
            "fatal": self.is_fatal,
            "violations": [violation.as_record() for violation in self.violations],
            "rows": self.rows,
            "newest": self.newest,
            "departures": self.departures,
            "departures_suffice": None if self.departures is None else self.departures >= LEAST_DEPARTURES,
            "features": [feature.name for feature in self.features],
            "absent": list(self.absent),
            "why_absent": dict(self.absent),
            "unused": list(self.unused),
        }


def inspect(settings: Settings, as_of: date | None, log: RunLog) -> Inspection:
    """Look at everything that a training or a night would read, and change nothing."""
    today = settings.today(as_of)
    opened = open_sources(settings, log)
    try:
        violations = tuple(check_contract(opened, settings))
        if any(violation.severity is Severity.FATAL for violation in violations):
            return Inspection(violations, {}, {}, today, None, (), {}, _unused(settings))
        log.step("count departures")
        scorer = add_sentiment(opened, settings, log.step)
        past = history(opened, settings)
        moment = past.rules.moment(today)
        there, absent = _features(past, settings, moment)
        covered = coverage(past)
        silent = stale_tables(past, moment, covered, settings.checks.stale)
        silent += [*lost_days(covered, moment, 364), *pauses(past, today)]
        silent += [*unjudged(past, moment), *untimed_ratings(past)]
        log.step("look at the champion")
        silent += foretold(settings, scorer)
        return Inspection(
            violations=_fatal_first([*violations, *silent]),
            rows={name: int(table.count().execute()) for name, table in opened.tables.items()},
            newest=freshness(opened),
            today=today,
            departures=int(churns(past, today).count().execute()),
            features=there,
            absent=absent,
            unused=_unused(settings),
        )
    finally:
        opened.close()


def _features(past: History, settings: Settings, moment: Moment) -> tuple[tuple[Feature, ...], dict[str, str]]:
    """The features that a model would learn from, and those that are wanting, with the reason."""
    further = settings.data.categories
    there = catalogue(past, settings.pages, categories=further, kinds=largest(past, moment))
    without_money = replace(past, rules=replace(past.rules, value_events=()))
    every = listed(settings.pages, categories=further, kinds=largest(without_money, moment))
    learned = tuple(feature for feature in there if feature.learned)
    names = {feature.name for feature in learned}
    return learned, why_absent(past, (feature for feature in every if feature.learned and feature.name not in names))


def _told(there: tuple[Feature, ...], absent: Mapping[str, str]) -> Iterator[str]:
    """How many features of each family there are, and how many are wanting for which reason."""
    families = Counter(feature.family.value for feature in there)
    counts = ", ".join(f"{family} {count}" for family, count in families.most_common())
    yield f"{len(there)} features can be computed: {counts}."
    if absent:
        yield f"{len(absent)} cannot (their names: --json):"
        yield from (f"  {count:>4}  {reason}" for reason, count in Counter(absent.values()).most_common())


def _fatal_first(violations: Iterable[Violation]) -> tuple[Violation, ...]:
    return tuple(sorted(violations, key=lambda violation: violation.severity is Severity.WARN))


def _unused(settings: Settings) -> tuple[str, ...]:
    """Settings that somebody made and that nothing reads yet."""
    if "rest_days" not in settings.book.model_fields_set:
        return ()
    days = settings.book.rest_days
    return (f"[book] rest_days = {days} does nothing yet: calls are not recorded, so an account stays on the list.",)


def _age(newest: datetime | None, today: date) -> str:
    if newest is None:
        return "–"
    days = (datetime(today.year, today.month, today.day, tzinfo=UTC) - newest).days
    return f"{newest:%Y-%m-%d %H:%M}" + (f", {days} days before {today}" if days > 1 else "")


def _departures(found: int) -> str:
    if found < LEAST_DEPARTURES:
        return (
            f"{found} departures are known, and a model needs at least {LEAST_DEPARTURES} to learn from: "
            "churn train will order the accounts by rules."
        )
    few = "" if found >= 300 else " That is few: figures will be wide."
    return (
        f"{found:,} departures are known.{few} A training learns from those that a snapshot came before, with time for "
        "its label to be known."
    )
