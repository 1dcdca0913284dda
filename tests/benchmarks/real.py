"""How well the model tells who leaves at companies that nobody here made up, on dates that are fixed here.

For each date the product is trained as of that date, on what was known then, and judged by what is known at the end of
the tables: `make real` writes docs/real.md.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from features.labels import labels
from features.outages import coverage
from models.baselines import logistic_risk
from models.bootstrap import Draws, Figure, figure_of_draws
from models.departures import count_departures
from models.metrics import ranking_of_draws
from models.training import fit
from pipeline.collected import collect
from pipeline.run_log import RunLog, open_log
from pipeline.settings import Settings
from pipeline.settings_file import read_settings
from pipeline.sources import history, open_sources

DATES = {
    "wholesale": (date(2011, 7, 12), date(2011, 8, 9), date(2011, 9, 6), date(2011, 10, 10)),
    "crm5": (date(2023, 8, 1), date(2023, 9, 1), date(2023, 10, 1), date(2023, 11, 1)),
}


@dataclass(frozen=True)
class Tested:
    """The customers of one date with what was foreseen of them and what came."""

    day: date
    learned_from: int
    rows: pd.DataFrame

    def auc(self, column: str, part: "pd.Series[bool] | None" = None) -> Figure:
        """The AUC of a column on a part of the rows, with its interval over root accounts."""
        rows = self.rows if part is None else self.rows[part]
        drawn = Draws.of(rows["root_id"])
        label = rows["label"].to_numpy(bool)
        return figure_of_draws(ranking_of_draws(label, rows[column].to_numpy(np.float64), drawn.root, drawn.weight)[0])


def tested_on(settings: Settings, day: date, log: RunLog) -> Tested:
    """Train as of a day, and join what came of that day's customers."""
    collected = collect(settings, day, log)
    rules, features = collected.history.rules, collected.recipe.features
    model, report = fit(
        collected.frame,
        features,
        need_days=rules.label_days,
        horizon_days=rules.horizon_days,
        lead_days=rules.lead_days,
        threads=settings.engine.threads,
    )
    customers = collected.customers
    risk = model.risk(customers, threads=settings.engine.threads)
    foreseen = customers.assign(risk=risk, logistic=logistic_risk(collected.frame, customers, features))
    opened = open_sources(settings)
    try:
        past = history(opened, settings)
        came = labels(past, day, settings.today(), covered=coverage(past)).to_pandas()
    finally:
        opened.close()
    came = came[came["left_out"].isna()][["account_id", "label", "churn_on"]]
    return Tested(day, report.departures, foreseen.merge(came.astype({"label": bool}), on="account_id"))


def page(name: str, found: list[Tested]) -> Iterator[str]:
    """The company's part of the page."""
    every = Tested(found[0].day, 0, pd.concat([each.rows for each in found], ignore_index=True))
    monthly = every.rows.get("billing_period") == "monthly" if "billing_period" in every.rows else None
    yield f"## {name}\n"
    yield "| as of | churns to learn from | customers | of them left | AUC | logistic regression |"
    yield "|---|---:|---:|---:|---|---|"
    for each in found:
        left = count_departures(each.rows)
        yield (
            f"| {each.day} | {each.learned_from:,} | {len(each.rows):,} | {left:,} | {each.auc('risk')} "
            f"| {each.auc('logistic')} |"
        )
    mean = np.mean([each.auc("risk").value for each in found])
    yield f"\nMean AUC of the dates {mean:.3f}; of all rows together {every.auc('risk')}.\n"
    if monthly is not None and monthly.any():
        left = count_departures(every.rows[monthly])
        yield f"Accounts billed monthly alone ({left:,} churns): AUC {every.auc('risk', monthly)}.\n"


def main() -> None:
    """Write the page, for the companies whose tables are here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("companies", nargs="*", default=list(DATES))
    arguments = parser.parse_args()
    companies = Path(__file__).parent.parent / "companies"
    lines = [
        "# Real companies, and one of another's making\n",
        "Made by `make real`. For each date the model is trained on what was known then, as `churn train --as-of` "
        "does. Its risks for that day's customers are held against what is known at the end of the tables. Intervals "
        "are 95 %, over draws of root accounts.\n",
    ]
    with open_log() as log:
        for name in arguments.companies:
            settings = read_settings(companies / f"{name}.toml")
            lines += page(name, [tested_on(settings, day, log) for day in DATES[name]])
    arguments.out.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    sys.stdout.write(arguments.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
