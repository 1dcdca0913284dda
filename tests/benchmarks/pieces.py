"""Pieces of work on made-up tables, each measured in a process of its own.

    python tests/benchmarks/pieces.py PIECE FOLDER

prints the seconds since the piece was prepared and the peak of its memory in GB, after each of its laps, as JSON.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from made_up_tables import AS_OF, MEMORY, THREADS
from rivals import MEANS, check_equal

__all__ = ["LAPS", "TRAINING_DATES"]

UNIT = "SELECT max(account_id), max(occurred_at), max(event), sum(quantity), max(user_id) FROM read_parquet('{files}')"
LAPS = (1, 6, 18)
"""Snapshots after which a look is taken at the clock and the memory."""

TRAINING_DATES = 26
TRAINING_EVERY_DAYS = 28


def unit(folder: Path) -> Iterator[str]:
    """One scan of the usage."""
    import duckdb

    engine = duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY})
    yield "prepared"
    engine.execute(UNIT.format(files=folder / "usage" / "*.parquet")).fetchall()
    yield "scanned"


def opening(folder: Path) -> Iterator[str]:
    """The tables opened as the product opens them: the small ones copied into the engine."""
    from pipeline.settings_file import read_settings
    from pipeline.sources import open_sources

    settings = read_settings(folder / "churn.toml")
    yield "prepared"
    opened = open_sources(settings)
    yield "opened"
    opened.close()


def windows(folder: Path) -> Iterator[str]:
    """Windowed sums and active days of one night."""
    from features.tallies import LOOKBACK_DAYS, _by_account, _recent

    past, opened, _ = _past(folder)
    rows = _recent(past.history, past.history.rules.moment(AS_OF), LOOKBACK_DAYS)
    yield "prepared"
    opened.engine.create_table("result", _by_account(rows))
    yield "windows"
    opened.close()


def night(folder: Path) -> Iterator[str]:
    """All families of one night, which the engine keeps as a table."""
    from features.build import build
    from features.outages import coverage

    past, opened, _ = _past(folder)
    moment = past.history.rules.moment(AS_OF)
    yield "prepared"
    opened.engine.create_table("result", build(past.history, moment, past.recipe, coverage(past.history)))
    yield "night"
    opened.close()


def snapshots(folder: Path) -> Iterator[str]:
    """One snapshot after another in one process, each let go before the next; a day apart, so that all read as much."""
    past, opened, _ = _past(folder)
    yield "prepared"
    for number in range(LAPS[-1]):
        past.snapshot(AS_OF - timedelta(days=number))
        if number + 1 in LAPS:
            yield str(number + 1)
    opened.close()


def training(folder: Path) -> Iterator[str]:
    """Two years of training snapshots, by as many processes as the product takes."""
    from pipeline.past import snapshot_frames
    from pipeline.run_log import RunLog

    past, opened, settings = _past(folder)
    dates = [AS_OF - timedelta(days=TRAINING_EVERY_DAYS * number) for number in reversed(range(TRAINING_DATES))]
    yield "prepared"
    assert len(snapshot_frames(past, settings, dates, RunLog("benchmark"))) == TRAINING_DATES
    yield "training"
    opened.close()


def rival(name: str, folder: Path) -> Iterator[str]:
    """The windows of use by one of the means of `rivals`."""
    steps = MEANS[name](folder)
    next(steps)
    yield "prepared"
    table = next(steps)
    yield "delivered"
    del table


def _past(folder: Path) -> tuple[Any, Any, Any]:
    from pipeline.past import Past
    from pipeline.settings_file import read_settings
    from pipeline.sources import open_sources

    settings = read_settings(folder / "churn.toml")
    opened = open_sources(settings)
    labels_known_on = AS_OF + timedelta(days=settings.rules().label_days)
    return Past.of(opened, settings, labels_known_on), opened, settings


PIECES: dict[str, Callable[[Path], Iterator[str]]] = {
    **{piece.__name__: piece for piece in (unit, opening, windows, night, snapshots, training)},
    **{name: partial(rival, name) for name in MEANS},
    "check": check_equal,
}


def main() -> None:
    """Do one piece of work and print what each lap took."""
    os.environ["POLARS_MAX_THREADS"] = str(THREADS)  # Polars reads it when it is imported
    name, folder = sys.argv[1:]
    steps = PIECES[name](Path(folder))
    next(steps)
    begun = time.monotonic()
    laps = {lap: {"seconds": time.monotonic() - begun, "gigabytes": _peak()} for lap in steps}
    sys.stdout.write(json.dumps(laps))


def _peak() -> float:
    """The most memory this process has held. getrusage() would count that of the process which started it, too."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kilobytes) * 1024 / 1e9


if __name__ == "__main__":
    main()
