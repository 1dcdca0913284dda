"""What scoring costs: a million accounts with reasons for all, and contributions by other means.

    PYTHONPATH=.:build/scorers python tests/benchmarks/scoring.py --out docs/scoring.md

The model is the one that a demo company teaches; its rows are drawn again until there are as many as wanted. Accounts
come in parts, as a night too large for memory would read them, and each size is a process of its own. Only ratios of
one run mean anything: machines differ, and so do their neighbours.
"""

import argparse
import contextlib
import io
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from company import known_company
from numpy.typing import NDArray

from models.churn_model import ChurnModel
from models.contributions import PathTables
from models.reasons import Reasons
from models.training import fit
from pipeline.packing import packed
from pipeline.run_log import RunLog, open_log

Floats = NDArray[np.float64]

PART = 20_000
SIZES = (10_000, 100_000, 1_000_000)
COMPARED = 10_000
RUNS = 3
NUMBERS = "numbers"
STEPS = ("draw", "contributions", "reasons")


def prepared(folder: Path, accounts: int, seed: int, threads: int, log: RunLog) -> None:
    """Two models of a demo company, as it is and without words, and the rows of its newest snapshots."""
    if (folder / NUMBERS / "model.json").exists():
        return
    company = known_company(accounts, seed, log)
    log.step("learn")
    model, _ = fit(company.frame, company.features, **company.days, threads=threads)
    model.save(folder)
    numbers = [feature for feature in company.features if feature.kind == "number"]
    fit(company.frame, numbers, **company.days, threads=threads)[0].save(folder / NUMBERS)
    newest = np.sort(company.frame["as_of"].unique())[-3:]
    rows = company.frame[company.frame["as_of"].isin(newest)]
    facts = {fact.name: np.nan for fact in model.facts if fact.name not in rows}
    rows.assign(**facts).reset_index(drop=True).to_parquet(folder / "rows.parquet")


def streamed(folder: Path, accounts: int, threads: int) -> dict[str, float]:
    """Seconds of each step and peak memory of scoring so many accounts, reasons, families and facts for all."""
    model, rows = ChurnModel.load(folder), pd.read_parquet(folder / "rows.parquet")
    model.explain(rows.head(100), threads=threads)
    held = _held()
    seconds = dict.fromkeys(STEPS, 0.0)
    order = np.random.default_rng(5)
    listed = 0
    for first in range(0, accounts, PART):
        begun = time.perf_counter()
        part = rows.iloc[order.integers(0, len(rows), min(PART, accounts - first))].reset_index(drop=True)
        drawn = time.perf_counter()
        explanation = model.explain(part, threads=threads)
        explained = time.perf_counter()
        reasons = Reasons.of(model, part, explanation)
        listed += sum(map(len, packed(reasons)))
        ended = time.perf_counter()
        for step, spent in zip(STEPS, (drawn - begun, explained - drawn, ended - explained), strict=True):
            seconds[step] += spent
    return {**seconds, "held": held, "gigabytes": _held(), "listed": listed}


def _held() -> float:
    """Peak memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def ways(model: ChurnModel, matrix: Floats, threads: int) -> dict[str, Callable[[], Floats]]:
    """Contributions to the margin by each means that is installed here; (rows, features)."""
    import shap

    names = [feature.name for feature in model.features]
    tables = PathTables.of(model.booster)
    found: dict[str, Callable[[], Floats]] = {
        "LightGBM, `pred_contrib`": lambda: np.asarray(
            model.booster.predict(matrix, pred_contrib=True, num_threads=threads)
        )[:, :-1],
        "ours, tables of paths": lambda: tables.contributions(matrix, threads),
        "`shap.TreeExplainer`": lambda: shap.TreeExplainer(model.booster).shap_values(matrix),
    }
    try:
        from woodelf.explainer import WoodelfExplainer
    except ImportError:
        return found

    def woodelf() -> Floats:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints as it goes
            values = WoodelfExplainer(model.booster).shap_values(pd.DataFrame(matrix, columns=names), verbose=False)
        return np.asarray(values)

    return {**found, "woodelf": woodelf}


def compared(folder: Path, threads: int) -> list[str]:
    """The table of the means: rows a second, against LightGBM, and the largest difference."""
    rows = pd.read_parquet(folder / "rows.parquet").head(COMPARED)
    lines = [
        f"| model | means, {len(rows):,} rows | rows a second | against `pred_contrib` | largest difference from it |",
        "|---|---|---:|---:|---:|",
    ]
    for title, model in {"as it is": ChurnModel.load(folder), "no words": ChurnModel.load(folder / NUMBERS)}.items():
        matrix = model.matrix(rows)
        alone = partial(model.booster.predict, matrix, raw_score=True, num_threads=threads)
        spent = median(_timed(alone)[0] for _ in range(RUNS))
        lines.append(f"| {title}, {model.booster.num_trees()} trees | risk alone | {len(rows) / spent:,.0f} | | |")
        reference, seconds = None, 0.0
        for name, way in ways(model, matrix, threads).items():
            try:
                runs = [_timed(way) for _ in range(RUNS)]
            except ValueError as refusal:
                lines.append(f"| | {name} | refuses: {refusal} | | |")
                continue
            spent, values = median(run[0] for run in runs), runs[0][1]
            reference, seconds = (values, spent) if reference is None else (reference, seconds)
            off = np.abs(values - reference).max()
            lines.append(f"| | {name} | {len(rows) / spent:,.0f} | {seconds / spent:.2f} | {off:.1e} |")
    return lines


def _timed(way: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    found = way()
    return time.perf_counter() - begun, found


def page(folder: Path, sizes: Sequence[int], threads: int) -> str:
    """Everything measured, as a page of Markdown."""
    model = ChurnModel.load(folder)
    lines = [
        "# What scoring costs",
        "",
        f"Made by `make scoring` on {os.cpu_count()} cores, {threads} threads: LightGBM {version('lightgbm')}, "
        f"shap {version('shap')}. The model of a demo company: {model.booster.num_trees()} trees, "
        f"{len(model.features)} features.",
        f"Accounts are drawn from its newest snapshots and scored in parts of {PART:,}: risk, contributions of every "
        "feature, and of every account its reasons, its families and what their sentences speak of.",
        "",
        "| accounts | seconds | accounts a second | contributions | reasons | peak GB | of it before the first |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for size in sizes:
        command = [sys.executable, __file__, "--folder", str(folder), "--threads", str(threads), "--stream", str(size)]
        cost = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        whole = cost["contributions"] + cost["reasons"]
        lines.append(
            f"| {size:,} | {whole:.1f} | {size / whole:,.0f} | {cost['contributions']:.1f} s | "
            f"{cost['reasons']:.1f} s | {cost['gigabytes']:.2f} | {cost['held']:.2f} |"
        )
    lines += ["", "Contributions by other means, medians of three runs:", "", *compared(folder, threads)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Teach the model where there is none, measure each size in its own process, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=20_000, help="of the demo company that teaches the model")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("build/scoring"))
    parser.add_argument("--stream", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    if asked.stream:
        sys.stdout.write(json.dumps(streamed(asked.folder, asked.stream, asked.threads)))
        return
    with open_log() as log:
        prepared(asked.folder, asked.accounts, asked.seed, asked.threads, log)
        log.step("score")
        asked.out.write_text(page(asked.folder, asked.sizes, asked.threads), encoding="utf-8")


if __name__ == "__main__":
    main()
