"""What pieces of work cost: medians of runs, each a process of its own."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

__all__ = ["RUNS", "Costs", "lap_costs", "measured"]

RUNS = 3


@dataclass(frozen=True)
class Cost:
    """Median seconds of some runs, and the most memory that any of them held."""

    seconds: float
    gigabytes: float


Costs = Mapping[str, Cost]
"""By the name of the lap; `scanned` is the unit."""


def measured(folder: Path, pieces: Sequence[str]) -> Costs:
    """What the unit and the pieces of work cost on the tables of a folder, run by run in turn."""
    found: dict[str, list[Cost]] = {}
    for run in range(RUNS):
        for piece in ("unit", *pieces):
            laps = lap_costs(piece, folder)
            told = ", ".join(f"{lap} {cost.seconds:.1f} s, {cost.gigabytes:.1f} GB" for lap, cost in laps.items())
            sys.stderr.write(f"{folder.name}, run {run + 1} of {RUNS}, {piece}: {told}\n")
            for lap, cost in laps.items():
                found.setdefault(piece if lap == "delivered" else lap, []).append(cost)
    return {
        name: Cost(median(run.seconds for run in runs), max(run.gigabytes for run in runs))
        for name, runs in found.items()
    }


def lap_costs(piece: str, folder: Path) -> Costs:
    """The laps of one piece of work in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("pieces.py")), piece, str(folder)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    *besides, laps = answer.stdout.splitlines()
    sys.stderr.writelines(f"{piece} also printed {line!r}\n" for line in besides)
    return {lap: Cost(**cost) for lap, cost in json.loads(laps).items()}
