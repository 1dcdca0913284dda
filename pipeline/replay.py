"""`churn replay`: a published night built again from today's tables, and held against what it saw then.

Where the two differ, the tables do not tell the past as it was: something that nobody knew that night stands in it
today, and every training reads it there. Nothing is written.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import ibis
import numpy as np
import pandas as pd
from sqlalchemy import Connection, func, select

from features.cohort import states
from features.versions import History
from models.churn_model import ChurnModel
from pipeline.agreement import see
from pipeline.checks import check_contract, refuse_fatal
from pipeline.differences import Difference, differences
from pipeline.errors import RefusedError, UsageError
from pipeline.inputs import EDITED, Inputs, inputs, stored_inputs
from pipeline.kept_models import model_of
from pipeline.left_out import forgotten_of, without
from pipeline.run_log import RunLog
from pipeline.settings import Settings
from pipeline.sources import open_sources
from pipeline.store.connection import connect, reading
from pipeline.store.nights import Night, published
from pipeline.store.schema import INPUTS, PUBLISHED, SCORES
from pipeline.tonight import tonight_in_parts

__all__ = ["Effect", "Finding", "Replay", "replay"]

_EDITED_TABLES: Final = frozenset(EDITED)
_SAME_LOG_ODDS: Final = 1e-4
_SAME_RISK: Final = 1e-9


@dataclass(frozen=True)
class Finding:
    """A column that differs, the tables it is made from, and what that means.

    `edited` says that it is a column of a table as it came, else it is a feature. `versioned`: the model believes this
    table's versions. `read_by` are the model's features that are made from an edited column.
    """

    difference: Difference
    tables: tuple[str, ...]
    edited: bool
    versioned: bool
    read_by: tuple[str, ...]

    @property
    def marks(self) -> str | None:
        """Whom it sets apart. Rows of use that came late belong to those who stay, and give nothing away."""
        late_rows = self.difference.marks == "stayed" and not set(self.tables) <= _EDITED_TABLES
        return None if late_rows else self.difference.marks

    @property
    def is_leak(self) -> bool:
        """Whether today's table tells of that night what nobody knew: by whom it marks, or since a model reads it."""
        return self.marks is not None or (self.edited and not self.versioned and bool(self.read_by))

    def as_record(self) -> dict[str, Any]:
        """The finding as plain data."""
        more = {"tables": self.tables, "edited": self.edited, "versioned": self.versioned, "read_by": self.read_by}
        return {**self.difference.as_record(), **more, "marks": self.marks, "leak": self.is_leak}


@dataclass(frozen=True)
class Effect:
    """What the differences do to the risk of the `scored` accounts that had one then and have one now.

    `largest` is the account whose risk changed most, with both; `bands` counts the changes of band, as (then, now).
    """

    scored: int
    accounts: int
    largest: tuple[str, float, float] | None
    bands: Mapping[tuple[str, str], int]

    def as_record(self) -> dict[str, Any]:
        """The effect as plain data."""
        largest = None if self.largest is None else dict(zip(("account_id", "then", "now"), self.largest, strict=True))
        bands = [{"then": then, "now": now, "accounts": count} for (then, now), count in self.bands.items()]
        return {"scored": self.scored, "accounts": self.accounts, "largest": largest, "bands": bands}


@dataclass(frozen=True)
class Replay:
    """A night then and now. `rows_known` has the tables of which other rows were known then than are now."""

    as_of: date
    scored_at: datetime
    model_version: str
    today: date
    accounts: int
    only_then: tuple[str, ...]
    only_now: tuple[str, ...]
    columns: int
    findings: tuple[Finding, ...]
    rows_known: Mapping[str, tuple[int, int]]
    recorded: frozenset[str]
    constant: frozenset[str]
    effect: Effect

    @property
    def is_equal(self) -> bool:
        """Whether every value of every account is what it was."""
        return not (self.findings or self.only_then or self.only_now)

    def as_record(self) -> dict[str, Any]:
        """The replay as plain data."""
        plain = ("as_of", "scored_at", "model_version", "today", "accounts", "only_then", "only_now")
        return {
            **{name: getattr(self, name) for name in plain},
            "equal": self.is_equal,
            "equal_columns": self.columns - len(self.findings),
            "columns": [finding.as_record() for finding in self.findings],
            "rows_known": {name: {"then": then, "now": now} for name, (then, now) in self.rows_known.items()},
            "risk": self.effect.as_record(),
        }


def replay(settings: Settings, as_of: date | None, today: date, log: RunLog) -> Replay:
    """Build the night of `as_of` (the newest) again by its own model, from what the tables say `today`.

    Raises
    ------
    UsageError
        When that night was never published, or what it saw is kept no longer.
    ModelRefusal
        When neither store nor registry has that model any more.
    RefusedError
        When that version is another model by now, or tables and settings do not fit it.
    """
    log.step("read what the night saw")
    shown, then, log_odds = _stored(settings, as_of)
    gone = forgotten_of(settings)
    log.step("load its model")
    model = model_of(shown, settings)
    saw_then = then.frame()
    log_odds = log_odds[log_odds.index.isin(saw_then.index)]  # of who was forgotten since, nothing is seen
    _refuse_another_model(model, shown, saw_then, log_odds)
    opened = open_sources(settings, log)
    try:
        refuse_fatal(check_contract(opened, settings))
        log.step("build the night again")
        try:
            past, recipe = see(opened, settings, model)
        except RefusedError as reason:
            which = f"model version {shown.model_version}, here called the champion"
            raise RefusedError(
                f"The night of {shown.as_of} cannot be built again for its {which}. {reason}"
            ) from reason
        moment = past.rules.moment(shown.as_of)
        with tonight_in_parts(past, moment, recipe) as everybody:
            now = inputs(past, moment, (without(part, gone) for part in everybody.parts()), recipe)
        left = _left(past, saw_then, today)
    finally:
        opened.close()
    log.step("compare")
    saw_now = now.frame()
    both = saw_then.index.intersection(saw_now.index)
    before = saw_then.loc[both].drop(columns=[fact.name for fact in model.facts])  # they change no risk
    after = saw_now.loc[both].reindex(columns=before.columns)
    return Replay(
        as_of=shown.as_of,
        scored_at=shown.started_at,
        model_version=shown.model_version,
        today=today,
        accounts=len(both),
        only_then=tuple(saw_then.index.difference(saw_now.index)),
        only_now=tuple(saw_now.index.difference(saw_then.index)),
        columns=len(before.columns),
        findings=tuple(_finding(found, model, past) for found in differences(before, after, left, today)),
        rows_known=_other_rows(then, now),
        recorded=frozenset(table for table in past.tables if past.has(f"{table}.recorded_at")),
        constant=past.constant,
        effect=_effect(model, before, after),
    )


def _stored(settings: Settings, as_of: date | None) -> tuple[Night, Inputs, pd.Series]:
    """The night, what it saw, and the log-odds it published."""
    engine = connect(settings.located(settings.store.url))
    try:
        with reading(engine) as connection:
            shown = published(connection, as_of)
            seen = stored_inputs(connection, shown)
            if seen is None:
                raise UsageError(_kept_no_longer(connection, shown))
            scores = select(SCORES.c.account_id, SCORES.c.log_odds).where(SCORES.c.run_id == shown.run_id)
            rows = connection.execute(scores.where(SCORES.c.log_odds.is_not(None))).all()
    finally:
        engine.dispose()
    return shown, seen, pd.Series({row.account_id: row.log_odds for row in rows}, dtype=np.float64)


def _kept_no_longer(connection: Connection, shown: Night) -> str:
    oldest = select(func.min(PUBLISHED.c.as_of)).join(INPUTS, INPUTS.c.run_id == PUBLISHED.c.run_id)
    first = connection.execute(oldest).scalar()
    instead = f"The oldest night that can be replayed is {first}: churn replay --as-of {first}." if first else ""
    return f"What the night of {shown.as_of} saw is kept no longer. {instead}".strip()


def _refuse_another_model(model: ChurnModel, shown: Night, seen: pd.DataFrame, log_odds: pd.Series) -> None:
    """Versions are counted anew in a registry that was set up anew, and the number would mean another model."""
    scored = seen.loc[log_odds.index]
    same = {feature.name for feature in model.features} <= set(seen.columns)
    if same:
        again = model.log_odds(scored, threads=1)
        same = bool((np.abs(again - log_odds.to_numpy()) <= _SAME_LOG_ODDS).all())
    if not same:
        raise RefusedError(
            f"Version {shown.model_version} in the registry is not the model that scored the night of {shown.as_of}: "
            "from what that night saw it gives other risks. Set [tracking] uri and model to the registry of then."
        )


def _left(past: History, then: pd.DataFrame, today: date) -> list[str]:
    """The customers of then that are customers no longer, those still within the grace among them."""
    here = states(past, past.rules.moment(today)).filter(ibis._["state"].isin(["active", "leaving"]))
    there = then.index[then["state"].isin(["active", "leaving"])]
    return [str(account) for account in there.difference(here.select("account_id").to_pandas()["account_id"])]


def _finding(found: Difference, model: ChurnModel, past: History) -> Finding:
    table, _, column = found.column.partition(".")
    if column and table in EDITED:
        read_by = tuple(feature.name for feature in model.features if found.column in feature.needs)
        return Finding(found, (table,), True, table in past.versioned, read_by)
    needs = next((feature.needs for feature in model.features if feature.name == found.column), ())
    main = "usage" if past.rules.definition == "inactivity" else "subscriptions"
    tables = tuple(sorted({need.partition(".")[0] for need in needs} or {main}))
    return Finding(found, tables, False, set(tables) <= past.versioned, ())


def _other_rows(then: Inputs, now: Inputs) -> dict[str, tuple[int, int]]:
    every = {**then.rows_known, **now.rows_known}
    counts = ((name, then.rows_known.get(name, 0), now.rows_known.get(name, 0)) for name in every)
    return {name: (before, after) for name, before, after in counts if before != after}


def _effect(model: ChurnModel, before: pd.DataFrame, after: pd.DataFrame) -> Effect:
    scored = ((before["state"] == "active") & (after["state"] == "active")).to_numpy()
    if not scored.any():
        return Effect(0, 0, None, {})
    then, now = (model.risk(frame.loc[scored], threads=1) for frame in (before, after))
    change = np.abs(now - then)
    most = int(np.argmax(change))
    changed = bool(change[most] > _SAME_RISK)
    largest = (str(before.index[scored][most]), float(then[most]), float(now[most])) if changed else None
    bands = Counter(_changes(model.bands.of(then), model.bands.of(now)))
    return Effect(int(scored.sum()), int((change > _SAME_RISK).sum()), largest, dict(sorted(bands.items())))


def _changes(then: Any, now: Any) -> Iterator[tuple[str, str]]:
    return ((str(before), str(after)) for before, after in zip(then, now, strict=True) if before != after)
