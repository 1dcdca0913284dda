"""Small companies: whether the recipe for few churns beats the one for many there, and whether a bag beats one model.

    python tests/benchmarks/small.py --draws 20 --out docs/small.md

Root accounts are drawn from a demo company as if they were all that a company has; each recipe learns from them what
was known on the first of the newest mature dates, and is judged on accounts that were not drawn, by the true risk. A
bag is the mean log-odds of models that differ by their seed. How much an order owes to its seed is the rank correlation
with a second one, from other seeds.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from unittest.mock import patch

import numpy as np
import pandas as pd
from company import TRUE_DATES, KnownCompany, known_company
from numpy.typing import NDArray

from models.calibration import probability
from models.departures import count_departures
from models.training import fit
from pipeline.run_log import open_log

Floats = NDArray[np.float64]

SIZES: Final = (150, 600)
JUDGED: Final = 5_000
SEEDS: Final = (7, 8, 9)
OTHER_SEEDS: Final = (17, 18, 19)
ONE, MANY, BAG = "for few", "for many", "three seeds"
FIGURES: Final = ("AUC", "average precision", "log loss", "rank correlation with other seeds")


def drawn(company: KnownCompany, accounts: int, draws: int, threads: int) -> tuple[dict[str, Floats], list[int]]:
    """By recipe (draws, figures), and how many departures each draw had to learn from."""
    frame, days = company.frame, company.days
    newest = np.sort(frame["as_of"].unique())[-TRUE_DATES:]
    known = frame[frame["as_of"] + pd.Timedelta(days=days["need_days"]) <= newest[0]]
    test = frame[frame["as_of"].isin(newest)]
    roots = np.sort(frame["root_id"].unique())
    share = accounts / known.groupby("as_of")["account_id"].nunique().mean()
    order = np.random.default_rng([accounts, 1])
    figures: dict[str, list[list[float]]] = {ONE: [], MANY: [], BAG: []}
    departures = []
    for _ in range(draws):
        mine = order.permutation(roots)
        edge = round(share * len(roots))
        few = known[known["root_id"].isin(mine[:edge])]
        others = test[test["root_id"].isin(mine[edge : edge + JUDGED])]
        truth = others["truth"].to_numpy(np.float64)
        departures.append(count_departures(few))
        first = log_odds(company, few, others, SEEDS, threads)
        second = log_odds(company, few, others, OTHER_SEEDS, threads)
        with patch("models.boosting.FEW_DEPARTURES", 0):
            many = log_odds(company, few, others, SEEDS[:1], threads)
        for name, (own, other) in {
            ONE: (first[0], second[0]),
            BAG: (first.mean(axis=0), second.mean(axis=0)),
            MANY: (many[0], None),
        }.items():
            agreed = np.nan if other is None else float(pd.Series(own).corr(pd.Series(other), method="spearman"))
            figures[name].append([*expected(truth, probability(own)), agreed])
    return {name: np.array(rows) for name, rows in figures.items()}, departures


def log_odds(
    company: KnownCompany, few: pd.DataFrame, others: pd.DataFrame, seeds: Sequence[int], threads: int
) -> Floats:
    """(seeds, accounts) what models of these seeds make of the others, by the recipe for few."""
    models = [fit(few, company.features, **company.days, seed=seed, threads=threads)[0] for seed in seeds]
    return np.array([model.log_odds(others, threads=threads) for model in models])


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


def page(rows: Mapping[int, tuple[Mapping[str, Floats], list[int]]], seed: int, draws: int) -> str:
    """The figures of every size as a page of Markdown."""
    return "\n".join(
        [
            "# Small companies",
            "",
            f"Made by `make small`: {draws} draws of accounts from the demo company of 20,000 with seed {seed}, each "
            "as if they were all that a company has,",
            f"judged on {JUDGED:,} root accounts that were not drawn, by the figures that their true risks let expect. "
            "Differences are paired, with 95 % intervals of their mean over the draws.",
            "",
            "## The recipe for few churns, and that for many",
            "",
            *_table(rows, ONE, MANY),
            "",
            "## A bag of three seeds, and one model",
            "",
            "The mean log-odds of three models of the recipe for few. It costs three trainings, and three times as",
            "many trees to explain each night.",
            "",
            *_table(rows, BAG, ONE),
            "",
        ]
    )


def _table(rows: Mapping[int, tuple[Mapping[str, Floats], list[int]]], first: str, second: str) -> list[str]:
    lines = [
        f"| accounts | churns to learn from | figure | {first} | {second} | difference "
        f"| draws in which {first} is better |",
        "|---:|---:|---|---:|---:|---|---:|",
    ]
    for accounts, (figures, departures) in rows.items():
        for place, name in enumerate(FIGURES):
            ours, theirs = figures[first][:, place], figures[second][:, place]
            off = ours - theirs
            if np.isnan(off).any():
                continue
            half = 1.96 * off.std(ddof=1) / np.sqrt(len(off))
            better = int((off < 0).sum() if name == "log loss" else (off > 0).sum())
            interval = f"{off.mean():+.4f} ({off.mean() - half:+.4f} to {off.mean() + half:+.4f})".replace("-", "−")
            lines.append(
                f"| {accounts:,} | {np.mean(departures):.0f} | {name} | {ours.mean():.4f} | {theirs.mean():.4f} | "
                f"{interval} | {better} of {len(off)} |"
            )
    return lines


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
