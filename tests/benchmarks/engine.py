"""What a night's features cost, in units of one scan of the usage it reads, and at their peak of memory.

    python tests/benchmarks/engine.py 10000 100000 --out docs/benchmarks.md

The unit is `SELECT max(account_id), max(occurred_at), max(event), sum(quantity), max(user_id)` over the same files with
the same two threads. Every measurement is a process of its own; of three the median counts. Only ratios of one run mean
anything: machines differ, and so do their neighbours.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from made_up_tables import AS_OF, PAGES, make_tables

ROWS_EACH = 280
DAYS = 224
RUNS = 3
MEMORY = "3GB"
UNIT = "SELECT max(account_id), max(occurred_at), max(event), sum(quantity), max(user_id) FROM read_parquet('{files}')"
WORK = {
    "unit": "one scan of the usage",
    "windows": "windowed sums and active days, per account",
    "night": "all families, as the night computes them",
}


def measured(what: str, folder: Path) -> dict[str, float]:
    """Seconds and peak memory of one piece of work in this process."""
    import ibis

    engine: Any = ibis.duckdb.connect(threads=2, memory_limit=MEMORY, temp_directory=str(folder / "spill"))
    engine.raw_sql("SET TimeZone = 'UTC'")
    if what == "unit":
        begun = time.monotonic()
        engine.raw_sql(UNIT.format(files=folder / "usage" / "*.parquet")).fetchall()
        return _told(begun)
    history, moment, recipe = company(engine, folder)
    begun = time.monotonic()
    from features.build import build, spine
    from features.outages import coverage
    from features.tallies import tally

    covered = coverage(history)
    if what == "windows":
        accounts = spine(history, moment, covered).cache()
        tallied = tally(history, accounts, moment, covered.recorded("usage", moment))
        engine.create_table("result", tallied.accounts)
    else:
        engine.create_table("result", build(history, moment, recipe, covered))
    return _told(begun)


def company(engine: Any, folder: Path) -> tuple[Any, Any, Any]:
    """The made-up tables as a history, the night, and every feature that they allow."""
    from features.build import Recipe, catalogue
    from features.timeline import ChurnRules
    from features.versions import History

    names = ("accounts", "subscriptions", "tickets", "page_visits", "invoices", "feedback")
    tables = {name: engine.read_parquet(str(folder / f"{name}.parquet"), table_name=name) for name in names}
    tables["usage"] = engine.read_parquet(str(folder / "usage" / "*.parquet"), table_name="usage")
    constant = frozenset({"accounts.segment", "accounts.industry", "accounts.country"})
    history = History(tables, ChurnRules(), constant=constant)
    return history, history.rules.moment(AS_OF), Recipe(catalogue(history, PAGES), PAGES)


def _told(begun: float) -> dict[str, float]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"seconds": time.monotonic() - begun, "gigabytes": peak}


def compared(folder: Path) -> dict[str, dict[str, float]]:
    """Medians of each piece of work, with the units that it costs."""
    found: dict[str, list[dict[str, float]]] = {what: [] for what in WORK}
    for _ in range(RUNS):
        for what in WORK:
            command = [sys.executable, __file__, "--measure", what, "--folder", str(folder)]
            answer = subprocess.run(command, check=True, capture_output=True, text=True)
            found[what].append(json.loads(answer.stdout))
    unit = median(run["seconds"] for run in found["unit"])
    return {
        what: {
            "units": median(run["seconds"] for run in runs) / unit,
            "gigabytes": max(run["gigabytes"] for run in runs),
        }
        for what, runs in found.items()
    }


def page(results: dict[int, dict[str, dict[str, float]]]) -> str:
    """The benchmark as a page of Markdown."""
    lines = [
        "# What a night's features cost",
        "",
        f"Made by `make bench` on {os.cpu_count()} cores ({platform.machine()}), two threads, {MEMORY} for the engine.",
        f"{ROWS_EACH} usage rows an account over {DAYS} days; medians of {RUNS} runs, in scans of these rows.",
        "",
        "| accounts | usage rows | work | units | peak memory, GB |",
        "|---:|---:|---|---:|---:|",
    ]
    for accounts, found in results.items():
        for what, figures in found.items():
            lines.append(
                f"| {accounts:,} | {accounts * ROWS_EACH:,} | {WORK[what]} | {figures['units']:.1f} | "
                f"{figures['gigabytes']:.1f} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make the tables where they are missing, measure, and write the page; or measure one thing and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("accounts", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks.md"))
    parser.add_argument("--measure", choices=WORK)
    asked = parser.parse_args()
    if asked.measure:
        sys.stdout.write(json.dumps(measured(asked.measure, asked.folder)))
        return
    results = {}
    for accounts in asked.accounts:
        folder = asked.folder / str(accounts)
        sys.stderr.write(f"{accounts:,} accounts\n")
        make_tables(folder, accounts, ROWS_EACH, DAYS)
        results[accounts] = compared(folder)
    asked.out.write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    main()
