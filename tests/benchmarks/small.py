"""Small companies: whether the recipe for few churns beats the one for many there, and from where on.

    python tests/benchmarks/small.py --draws 20 --out docs/small.md

Root accounts are drawn from a demo company as if they were all that a company has; each recipe learns from them what
was known on the first of the newest mature dates, and is judged on accounts that were not drawn, by the true risk.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from unittest.mock import patch

import numpy as np
import pandas as pd
from company import TRUE_DATES, KnownCompany, known_company
from numpy.typing import NDArray

from models.departures import count_departures
from models.training import fit
from pipeline.run_log import open_log

Floats = NDArray[np.float64]

SIZES: Final = (150, 300, 600, 1200)
JUDGED: Final = 5_000
RECIPES: Final[Mapping[str, float]] = {"for few": np.inf, "for many": 0}
"""By recipe, below how many departures `boosting_parameters` takes the one for few."""
FIGURES: Final = ("AUC", "average precision", "log loss")


def drawn(company: KnownCompany, accounts: int, draws: int, threads: int) -> tuple[Floats, list[int]]:
    """(draws, recipes, figures), and how many departures each draw had to learn from."""
    frame, days = company.frame, company.days
    newest = np.sort(frame["as_of"].unique())[-TRUE_DATES:]
    known = frame[frame["as_of"] + pd.Timedelta(days=days["need_days"]) <= newest[0]]
    test = frame[frame["as_of"].isin(newest)]
    roots = np.sort(frame["root_id"].unique())
    share = accounts / known.groupby("as_of")["account_id"].nunique().mean()
    order = np.random.default_rng([accounts, 1])
    figures, departures = [], []
    for _ in range(draws):
        mine = order.permutation(roots)
        edge = round(share * len(roots))
        few = known[known["root_id"].isin(mine[:edge])]
        others = test[test["root_id"].isin(mine[edge : edge + JUDGED])]
        departures.append(count_departures(few))
        figures.append([_judged(company, few, others, below, threads) for below in RECIPES.values()])
    return np.array(figures), departures


def _judged(company: KnownCompany, few: pd.DataFrame, others: pd.DataFrame, below: float, threads: int) -> list[float]:
    with patch("models.boosting.FEW_DEPARTURES", below):
        model, _ = fit(few, company.features, **company.days, threads=threads)
    return expected(others["truth"].to_numpy(np.float64), model.risk(others, threads=threads))


def expected(truth: Floats, risk: Floats) -> list[float]:
    """AUC, average precision and log loss that are to be expected of such risks, given the true ones."""
    order = np.argsort(-risk, kind="stable")
    leave = truth[order]
    stayed_above = np.cumsum(1.0 - leave)
    found = np.cumsum(leave)
    auc = 1.0 - float(leave @ (stayed_above - (1.0 - leave) / 2)) / (leave.sum() * stayed_above[-1])
    precision = float(leave @ (found / np.arange(1, len(leave) + 1))) / leave.sum()
    loss = -float(np.mean(truth * np.log(risk) + (1.0 - truth) * np.log1p(-risk)))
    return [auc, precision, loss]


def page(rows: Mapping[int, tuple[Floats, list[int]]], seed: int, draws: int) -> str:
    """The figures of every size as a page of Markdown."""
    lines = [
        "# Small companies",
        "",
        f"Made by `make small`: {draws} draws of accounts from the demo company of 20,000 with seed {seed}, each as if "
        "they were all that a company has,",
        f"judged on {JUDGED:,} root accounts that were not drawn, by the figures that their true risks let expect. "
        "Differences are those of the recipe for few against the one for many, paired,",
        "with 95 % intervals of the mean over the draws.",
        "",
        "| accounts | churns to learn from | figure | for few | for many | difference | draws in which few is better |",
        "|---:|---:|---|---:|---:|---|---:|",
    ]
    for accounts, (figures, departures) in rows.items():
        for place, name in enumerate(FIGURES):
            few, many = figures[:, 0, place], figures[:, 1, place]
            off = few - many
            half = 1.96 * off.std(ddof=1) / np.sqrt(len(off))
            better = int((off < 0).sum() if name == "log loss" else (off > 0).sum())
            interval = f"{off.mean():+.4f} ({off.mean() - half:+.4f} to {off.mean() + half:+.4f})".replace("-", "−")
            lines.append(
                f"| {accounts:,} | {np.mean(departures):.0f} | {name} | {few.mean():.4f} | {many.mean():.4f} | "
                f"{interval} | {better} of {len(off)} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Draw, learn and judge size by size, and write the page after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    rows = {}
    with open_log() as log:
        company = known_company(20_000, asked.seed, log)
        for size in asked.sizes:
            log.step(f"{asked.draws} draws of {size} accounts")
            rows[size] = drawn(company, size, asked.draws, asked.threads)
            asked.out.write_text(page(rows, asked.seed, asked.draws), encoding="utf-8")


if __name__ == "__main__":
    main()
