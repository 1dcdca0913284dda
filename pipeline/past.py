"""The past as the tables tell it: labelled snapshots of many dates, by several processes side by side.

A date costs seconds of writing its query, on one core and whatever the company's size, so dates are shared out over the
cores. Each process opens the tables for itself; which one computes a date changes nothing in it.
"""

import os
import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from datetime import date
from multiprocessing import get_context
from typing import Final, Self

import ibis.expr.types as ir
import pandas as pd

from features.build import Recipe, catalogue
from features.events import largest
from features.labels import spells_today
from features.outages import Coverage, coverage
from features.training_set import labelled_snapshot
from features.versions import History
from models.sentiment_model import SentimentModel
from pipeline.errors import FailedError
from pipeline.judgements import Progress
from pipeline.learned_tone import Found, learn_tone, use_tone
from pipeline.run_log import RunLog
from pipeline.settings import Settings
from pipeline.sources import Opened, history, open_sources
from pipeline.ticket_words import add_sentiment

__all__ = ["Past", "snapshot_frames"]

_DATES_FOR_A_PROCESS: Final = 6
"""Below so many dates each, opening the tables once more takes longer than it saves."""

_MOST_PROCESSES: Final = 4


@dataclass(frozen=True)
class Shared:
    """What takes a pass over the tables to find out, and must not differ between processes."""

    events: tuple[str, ...]
    covered: Coverage
    tone: SentimentModel | None


@dataclass(frozen=True)
class Past:
    """One company's history, with what every snapshot needs and no date changes."""

    history: History
    recipe: Recipe
    scorer: str | None
    today: date
    spells: ir.Table | None
    covered: Coverage
    tone: SentimentModel | None = None
    compared: Found | None = None

    @classmethod
    def of(
        cls,
        opened: Opened,
        settings: Settings,
        today: date,
        like: Shared | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """The past of tables that have been opened; tickets are judged on the way, of which `progress` is told.

        `like` is what another process has found out about the same tables.
        """
        scorer = add_sentiment(opened, settings, progress)
        past = history(opened, settings)
        compared = None
        if like is None:
            moment = past.rules.moment(today)
            tone, compared = learn_tone(opened, past, moment, scorer, learns=settings.sentiment.learn)
            like = Shared(largest(past, moment), coverage(past), tone)
        if like.tone is not None:
            use_tone(opened, settings, like.tone, progress)
            past = history(opened, settings)
        listed = catalogue(past, settings.pages, settings.company.currency, settings.data.categories, like.events)
        spells = None
        if past.rules.definition == "subscription":
            spells = opened.engine.create_table("_spells_today", spells_today(past, today), temp=True)
        return cls(
            past, Recipe(listed, settings.pages, like.events), scorer, today, spells, like.covered, like.tone, compared
        )

    def snapshot(self, as_of: date) -> pd.DataFrame:
        """Every customer of that date: what a model learns from as known then, label as known today.

        See `labelled_snapshot`. Facts are left out.
        """
        taught = replace(self.recipe, features=tuple(feature for feature in self.recipe.features if feature.learned))
        rows = labelled_snapshot(self.history, as_of, self.today, taught, self.spells, self.covered)
        frame: pd.DataFrame = rows.to_pandas()
        return frame


def snapshot_frames(past: Past, settings: Settings, dates: Sequence[date], log: RunLog) -> list[pd.DataFrame]:
    """The snapshots of the dates, in their order."""
    processes = min(os.cpu_count() or 1, _MOST_PROCESSES, len(dates) // _DATES_FOR_A_PROCESS)
    frames = []
    if processes < 2:
        for place, day in enumerate(dates):
            log.step("features of past snapshots", place, len(dates))
            frames.append(past.snapshot(day))
        return frames
    arguments = (_share(settings, processes), past.today, Shared(past.recipe.events, past.covered, past.tone))
    with ProcessPoolExecutor(processes, get_context("spawn"), _open, arguments) as pool:
        computed = [pool.submit(_snapshot, day) for day in dates]
        try:
            for place, each in enumerate(computed):
                log.step("features of past snapshots", place, len(dates))
                frames.append(each.result())
        except BrokenProcessPool as error:
            raise FailedError(
                f"A process that computed past snapshots was ended, {len(frames)} of {len(dates)} dates done: most "
                "likely the machine ran out of memory. Lower [engine] memory_limit, or give it more."
            ) from error
        except BaseException:  # told to end: a pool would wait for the dates that it has begun
            for process in pool._processes.values():
                process.terminate()
            raise
    return frames


def _share(settings: Settings, processes: int) -> Settings:
    """The settings of one of several processes, which share the memory and the cores."""
    size = re.fullmatch(r"\s*([\d.]+)\s*([A-Za-z]+|%)\s*", settings.engine.memory_limit)
    limit = settings.engine.memory_limit if size is None else f"{float(size[1]) / processes:.3f}{size[2]}"
    engine = settings.engine.model_copy(update={"memory_limit": limit, "threads": 1})
    return settings.model_copy(update={"engine": engine})


_here: Past | None = None


def _open(settings: Settings, today: date, like: Shared) -> None:
    """In a process of the pool: open the tables once."""
    global _here  # noqa: PLW0603 - a pool hands its tasks nothing but their arguments
    _here = Past.of(open_sources(settings), settings, today, like)


def _snapshot(as_of: date) -> pd.DataFrame:
    assert _here is not None
    return _here.snapshot(as_of)
