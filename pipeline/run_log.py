"""What a run says while it works: bars on a terminal, elsewhere a JSON line at both ends of a step; on standard error.

Standard output belongs to the answer.
"""

import json
import logging
import resource
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["RunLog", "Step", "open_log"]

_LOGGER: Final = logging.getLogger("churn")


class _JsonLines(logging.Formatter):
    """One JSON object a line: time, level, run, message, and whatever else the record carries."""

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self._run_id = run_id

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        content = {"at": at, "level": record.levelname.lower(), "run": self._run_id, "message": record.getMessage()}
        return json.dumps(content | getattr(record, "data", {}), ensure_ascii=False, default=str)


class Step(NamedTuple):
    """A step that has ended, and the most memory that the process had held by then."""

    name: str
    seconds: float
    peak_gb: float


class RunLog:
    """Tells the steps of one run as they begin and end."""

    def __init__(self, run_id: str, bars: "Progress | None" = None) -> None:
        self.run_id = run_id
        self._bars = bars
        self._begun = time.monotonic()
        self._open: tuple[str, float, TaskID | None] | None = None
        self.steps: list[Step] = []

    def step(self, name: str, done: int = 0, total: int = 0) -> None:
        """A step begins, or has come so far."""
        if self._open is None or self._open[0] != name:
            self._close()
            task = None if self._bars is None else self._bars.add_task(name, total=total or None)
            if self._bars is None:
                _LOGGER.info(name, extra={"data": {"step": "begins"}})
            self._open = (name, time.monotonic(), task)
        if self._bars is not None and self._open[2] is not None:
            self._bars.update(self._open[2], completed=done, total=total or None)

    def note(self, message: str, **data: Any) -> None:
        """Something worth knowing that is no step."""
        if self._bars is not None:
            self._bars.console.print(message, highlight=False, markup=False)
        else:
            _LOGGER.info(message, extra={"data": data})

    def _close(self) -> None:
        if self._open is None:
            return
        name, begun, task = self._open
        seconds = round(time.monotonic() - begun, 2)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        self.steps.append(Step(name, seconds, round(peak, 3)))
        if self._bars is not None and task is not None:
            total = self._bars.tasks[task].total or 1
            self._bars.update(task, completed=total, total=total)
        else:
            _LOGGER.info(name, extra={"data": {"step": "ended", "seconds": seconds}})
        self._open = None

    def finish(self) -> float:
        """Close the last step and give the seconds since the run began."""
        self._close()
        return time.monotonic() - self._begun


@contextmanager
def open_log(quiet: bool = False) -> Iterator[RunLog]:
    """The log of one run. `quiet` says nothing at all."""
    run_id = uuid.uuid4().hex[:12]
    if quiet:
        yield RunLog(run_id)
        return
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description:<34}"), BarColumn(bar_width=24), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True)) as bars:
            log = RunLog(run_id, bars)
            yield log
            log.finish()
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines(run_id))
    _LOGGER.addHandler(handler)
    _LOGGER.setLevel(logging.INFO)
    _LOGGER.propagate = False
    log = RunLog(run_id)
    try:
        yield log
        log.finish()
    finally:
        _LOGGER.removeHandler(handler)
