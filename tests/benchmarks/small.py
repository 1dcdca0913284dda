"""Small companies: whether the recipe for few churns beats the one for many there, and whether three seeds beat one.

    python tests/benchmarks/small.py --draws 20 --out docs/small.md

Root accounts are drawn from a demo company as if they were all that a company has; each recipe learns from them what
was known on the first of the newest mature dates, and is judged on accounts that were not drawn, by the true risk. How
much an order owes to its seed, and to the newest labels, is told by its rank correlation with that of another model.
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

from models.boosting import SEEDS_WHERE_FEW
from models.departures import count_departures
from models.training import fit
from pipeline.run_log import open_log

Floats = NDArray[np.float64]

SIZES: Final = (150, 600)
JUDGED: Final = 5_000
FEW, MANY, ONE = "for few", "for many", "one seed"
RECIPES: Final[Mapping[str, Mapping[str, float]]] = {
    FEW: {"SEEDS_WHERE_FEW": SEEDS_WHERE_FEW},
    MANY: {"FEW_DEPARTURES": 0},
    ONE: {"SEEDS_WHERE_FEW": 1},
}
"""By name, what `models.boosting` has in place of its own figures."""
FIGURES: Final = (
    "AUC",
    "average precision",
    "log loss",
    "rank correlation with another seed",
    "rank correlation with three snapshots less",
)
SEED, OTHER_SEED = 7, 17


def drawn(company: KnownCompany, accounts: int, draws: int, threads: int) -> tuple[dict[str, Floats], list[int]]:
    """By recipe (draws, figures), and how many departures each draw had to learn from."""
    frame, days = company.frame, company.days
    newest = np.sort(frame["as_of"].unique())[-TRUE_DATES:]
    known = frame[frame["as_of"] + pd.Timedelta(days=days["need_days"]) <= newest[0]]
    test = frame[frame["as_of"].isin(newest)]
    roots = np.sort(frame["root_id"].unique())
    share = accounts / known.groupby("as_of")["account_id"].nunique().mean()
    order = np.random.default_rng([accounts, 1])
    figures: dict[str, list[list[float]]] = {name: [] for name in RECIPES}
    departures = []
    for _ in range(draws):
        mine = order.permutation(roots)
        edge = round(share * len(roots))
        few = known[known["root_id"].isin(mine[:edge])]
        others = test[test["root_id"].isin(mine[edge : edge + JUDGED])]
        departures.append(count_departures(few))
        for name in RECIPES:
            figures[name].append(_judged(company, few, others, name, threads))
    return {name: np.array(rows) for name, rows in figures.items()}, departures


def _judged(company: KnownCompany, few: pd.DataFrame, others: pd.DataFrame, recipe: str, threads: int) -> list[float]:
    older = few[few["as_of"] < np.sort(few["as_of"].unique())[-3]]
    with patch.multiple("models.boosting", **RECIPES[recipe]):
        first, *further = (
            pd.Series(fit(rows, company.features, **company.days, seed=seed, threads=threads)[0].risk(others))
            for rows, seed in ((few, SEED), (few, OTHER_SEED), (older, SEED))
        )
    agreed = [float(first.corr(each, method="spearman")) for each in further]
    return [*expected(others["truth"].to_numpy(np.float64), first.to_numpy()), *agreed]


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
            *_table(rows, FEW, MANY),
            "",
            "## Three seeds, and one",
            "",
            "The recipe for few takes the mean of trees from three seeds. It costs three trainings, and as many times",
            "the trees to explain.",
            "",
            *_table(rows, FEW, ONE),
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
