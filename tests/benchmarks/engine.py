"""What the feature engine costs, in units of one scan of the usage it reads, and at its peak of memory.

    python tests/benchmarks/engine.py 10000 100000 --out docs/benchmarks.md

Every measurement is a process of its own; of three the median counts. Only ratios of one run mean anything: machines
differ, and so do their neighbours. Snapshots and rivals are measured on the middle one of the sizes, rivals after they
were found to be equal on the smallest.
"""

import argparse
import os
import platform
import sys
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path

from made_up_tables import BLOCK_DAYS, MEMORY, THREADS, make_tables
from measurement import RUNS, Costs, lap_costs, measured
from pieces import LAPS, TRAINING_DATES
from rivals import LOOKBACK_DAYS

ROWS_EACH = 280
USUAL_ROWS_EACH = 4_000
USUAL_DAYS = 26 * BLOCK_DAYS
NIGHT = {
    "windows": "windowed sums and active days",
    "night": "all families, with the days that each source recorded",
}
RIVALS = {
    "sql": "SQL by hand, DuckDB",
    "careful sql": "SQL by hand, with our care",
    "plain sql": "SQL by hand, days by count(DISTINCT)",
    "ours": "ours, the same windows",
    "our night": "ours, all tallies of a night",
    "polars": "Polars, lazy and streaming",
    "careful polars": "Polars, with our care",
    "pandas": "pandas, read by PyArrow",
}
USUAL = {"opened": "opening the tables", "night": "a night", "training": f"training: {TRAINING_DATES} snapshots"}


def made(folder: Path, accounts: int, rows_each: int, days: int) -> Path:
    """The folder with these tables in it."""
    sys.stderr.write(f"{accounts:,} accounts with {accounts * rows_each:,} rows of use in {folder}\n")
    make_tables(folder, accounts, rows_each, days)
    return folder


def nights(folders: Mapping[int, Path], middle: int) -> list[str]:
    """One night at every size, and how its cost grows with the accounts."""
    found = {accounts: measured(folder, ["windows", "night"]) for accounts, folder in folders.items()}
    lines = [
        "## One night",
        "",
        f"{ROWS_EACH} rows of use an account over {LOOKBACK_DAYS} days, and all other tables. Growth is the time per "
        f"account against that at {middle:,} accounts: 1.0 is linear,",
        "above 1 at small sizes is the time of writing the queries, which no size changes.",
        "",
        *header("accounts", "rows of use", "work", "units", "seconds", "peak GB", "growth"),
    ]
    for accounts, costs in found.items():
        for lap, work in {"scanned": "one scan, the unit", **NIGHT}.items():
            growth = costs[lap].seconds / accounts / (found[middle][lap].seconds / middle)
            lines.append(
                f"| {accounts:,} | {accounts * ROWS_EACH:,} | {work} | {units(costs, lap)} | "
                f"{costs[lap].gigabytes:.1f} | {growth:.2f} |"
            )
    return lines


def past_dates(folder: Path, accounts: int) -> list[str]:
    """Several snapshots in one process."""
    costs = measured(folder, ["snapshots"])
    lines = [
        f"## Snapshots at {accounts:,} accounts",
        "",
        "One date after another in one process, the days of each source counted once, labels included. The dates lie a "
        "day apart, so that all have as much to read;",
        "each frame is let go before the next, so the memory is that of computing it.",
        "",
        *header("snapshots", "units", "seconds", "units a snapshot", "peak GB"),
    ]
    for lap in map(str, LAPS):
        each = costs[lap].seconds / costs["scanned"].seconds / int(lap)
        lines.append(f"| {lap} | {units(costs, lap)} | {each:.1f} | {costs[lap].gigabytes:.1f} |")
    return lines


def rivals(folder: Path, accounts: int, smallest: Path) -> list[str]:
    """The same windows of use by other means."""
    (equal,) = lap_costs("check", smallest)
    costs = measured(folder, list(RIVALS))
    lines = [
        f"## The same windows by other means, at {accounts:,} accounts",
        "",
        "Per account the quantity of the last 7, 28 and 84 days and of the 84 before the last 28, the days of use in "
        f"each, and the age of the newest use within {LOOKBACK_DAYS} days; from the files to a table in Python.",
        "With our care: ids without blanks around them, quantities that are numbers, sums that are the same at any",
        "number of threads.",
        "The tallies of a night hold decayed sums and further days of use, too, and pass over the rows again by person "
        f"and by kind of event. Checked before: {equal}, to the last thousandth.",
        "",
        *header("means", "units", "seconds", "against SQL by hand", "peak GB"),
    ]
    for name, means in RIVALS.items():
        ratio = costs[name].seconds / costs["sql"].seconds
        lines.append(f"| {means} | {units(costs, name)} | {ratio:.2f} | {costs[name].gigabytes:.1f} |")
    return lines


def usual_company(folder: Path, accounts: int) -> list[str]:
    """A company as most are: few accounts, much use, two years of it."""
    costs = measured(folder, ["opening", "night", "training"])
    lines = [
        f"## The usual company: {accounts:,} accounts, {accounts * USUAL_ROWS_EACH:,} rows of use over two years",
        "",
        "Training is two years of snapshots, one every 28 days, shared out over the cores as the product does it. "
        "Opening comes on top of either, and once more in each process of training, where it is counted.",
        "",
        *header("work", "units", "seconds"),
    ]
    return lines + [f"| {work} | {units(costs, lap)} |" for lap, work in {"scanned": "one scan", **USUAL}.items()]


def header(*columns: str) -> list[str]:
    """The first two lines of a table; numbers stand to the right."""
    rules = ["---" if column in {"work", "means"} else "---:" for column in columns]
    return [f"| {' | '.join(columns)} |", f"|{'|'.join(rules)}|"]


def units(costs: Costs, lap: str) -> str:
    """The cells of units and seconds."""
    return f"{costs[lap].seconds / costs['scanned'].seconds:.1f} | {costs[lap].seconds:.1f}"


def introduction() -> list[str]:
    """What the page is, by what unit it measures, and on which machine."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "ibis-framework", "polars", "pandas"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return [
        "# What the features cost",
        "",
        f"Made by `make bench` on {os.cpu_count()} cores ({processor()}) with {memory:.0f} GB, {THREADS} threads and "
        f"{MEMORY} for the engine; Python {platform.python_version()}, {versions}.",
        "The unit is `SELECT max(account_id), max(occurred_at), max(event), sum(quantity), max(user_id)` over the same "
        "Parquet files, in order of time, by the same threads.",
        f"Medians of {RUNS} runs, each a process of its own, the tables opened before; memory is the most resident in "
        "any of them.",
    ]


def processor() -> str:
    """The processor's name, where Linux tells it."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def main() -> None:
    """Make the tables where they are missing, measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("accounts", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--usual", type=int, default=5_000, help="accounts of the usual company (default: 5000)")
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks.md"))
    asked = parser.parse_args()
    sizes = sorted(set(asked.accounts))
    middle = sizes[len(sizes) // 2]
    folders = {size: made(asked.folder / str(size), size, ROWS_EACH, LOOKBACK_DAYS) for size in sizes}
    usual = made(asked.folder / f"usual-{asked.usual}", asked.usual, USUAL_ROWS_EACH, USUAL_DAYS)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    page = "\n".join(introduction())
    for section in (
        partial(usual_company, usual, asked.usual),
        partial(rivals, folders[middle], middle, folders[sizes[0]]),
        partial(nights, folders, middle),
        partial(past_dates, folders[middle], middle),
    ):
        page += "\n\n" + "\n".join(section())
        asked.out.write_text(f"{page}\n", encoding="utf-8")  # whoever stops it has what was measured until then


if __name__ == "__main__":
    main()
