"""What each family of features is worth: skill without it, on the same rows and the same split in time.

    python tests/benchmarks/ablation.py SETTINGS --title TITLE --out docs/ablation/NAME.md
    python tests/benchmarks/ablation.py --demo 10000 --title TITLE --out docs/ablation/NAME.md

`make ablation` writes all the pages.

One model is fitted for each choice of features on the labels that were known on the first test date, and judged on the
last two fifths of the snapshots. Differences are paired: the same draws of root accounts judge both models.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalogue import Family, Feature
from models.baselines import logistic_risk
from models.bootstrap import DRAWS, INTERVAL, Figure
from models.churn_model import ChurnModel
from models.departures import count_departures, in_order
from models.metrics import ranking_of_draws
from models.training import LEAST_DEPARTURES, fit
from pipeline.collected import Collected, collect
from pipeline.learned_tone import Found
from pipeline.run_log import RunLog, open_log
from pipeline.sections import Sentiment
from pipeline.settings_file import read_settings
from pipeline.showroom import furnish

Floats = NDArray[np.float64]

TEST_SHARE = 0.4
IS = (Family.PROFILE, Family.CONTRACT)
"""What the account is and has signed, beside what it does."""
WORDS = {
    "how tickets sound": {"tickets.sentiment"},
    "what tickets speak of": {"tickets.text"},
    "any words of tickets": {"tickets.sentiment", "tickets.text"},
}
"""Features of support that are read off the text."""


UNLEARNED = "all, tickets judged by our own scorer"


@dataclass(frozen=True)
class Judged:
    """AUC and average precision of one choice of features: the sample's, then those of every draw."""

    title: str
    features: int
    auc: Floats
    precision: Floats
    seconds: float


class Trial:
    """The rows to learn from, the rows to test on, and the draws that judge every choice alike."""

    def __init__(self, collected: Collected, threads: int) -> None:
        rules = collected.history.rules
        self.days = {"need_days": rules.label_days, "horizon_days": rules.horizon_days, "lead_days": rules.lead_days}
        self.threads = threads
        frame = in_order(collected.frame)
        dates = [pd.Timestamp(date) for date in sorted(frame["as_of"].unique())]
        need = pd.Timedelta(days=rules.label_days)
        able = [d for d in dates if count_departures(frame[frame["as_of"] + need <= d]) >= LEAST_DEPARTURES]
        tested = able[-int(np.ceil(TEST_SHARE * len(dates))) :]
        self.known = frame[frame["as_of"] + need <= tested[0]]
        self.test = frame[frame["as_of"].isin(tested)].reset_index(drop=True)
        self.label = self.test["label"].to_numpy(bool)
        root, roots = pd.factorize(self.test["root_id"], sort=True)
        self.root = root.astype(np.int64)
        drawn = np.random.default_rng(7).poisson(1.0, size=(DRAWS, len(roots)))
        self.weight = np.vstack([np.ones((1, len(roots))), drawn])

    def learned(self, features: Sequence[Feature]) -> ChurnModel:
        return fit(self.known, features, **self.days, threads=self.threads)[0]

    def judged(self, title: str, features: Sequence[Feature]) -> Judged:
        begun = time.monotonic()
        risk = self.learned(features).risk(self.test, threads=self.threads)
        return self.of(title, len(features), risk, time.monotonic() - begun)

    def of(self, title: str, features: int, score: Floats, seconds: float) -> Judged:
        auc, precision = ranking_of_draws(self.label, score, self.root, self.weight)
        return Judged(title, features, auc, precision, seconds)


def choices(features: Sequence[Feature]) -> list[tuple[str, list[Feature]]]:
    """All features, then without each family, without the words of tickets, then what the account is or does alone."""
    found = [("all", list(features))]
    for family in dict.fromkeys(feature.family for feature in features):
        found.append((f"without {family.value}", [f for f in features if f.family != family]))
    for title, columns in WORDS.items():
        found.append((f"without {title}", [f for f in features if not set(f.needs) & columns]))
    found.append(("without contract and profile", [f for f in features if f.family not in IS]))
    found.append(("contract and profile alone", [f for f in features if f.family in IS]))
    return [(title, chosen) for title, chosen in found if chosen and (title == "all" or len(chosen) < len(features))]


def permuted(trial: Trial, features: Sequence[Feature]) -> pd.DataFrame:
    """For each feature its share of all contributions, and the AUC that is lost when its values are dealt anew.

    Values are dealt among the accounts of the same date, so that nothing moves through time.
    """
    model = trial.learned(features)
    explained = np.abs(model.explain(trial.test, threads=trial.threads).contributions).mean(axis=0)
    whole = trial.of("all", len(features), model.risk(trial.test, threads=trial.threads), 0.0)
    order = np.random.default_rng(11)
    places = trial.test.groupby("as_of").indices.values()
    rows = []
    for position, feature in enumerate(model.features):
        dealt = trial.test.copy()
        values = dealt[feature.name].to_numpy(copy=True)
        for place in places:
            values[place] = values[order.permutation(place)]
        dealt[feature.name] = values
        without = trial.of(feature.name, 1, model.risk(dealt, threads=trial.threads), 0.0)
        rows.append(
            {
                "feature": feature.name,
                "family": feature.family.value,
                "share": explained[position] / explained.sum(),
                "lost": _figure(whole.auc - without.auc),
            }
        )
    return pd.DataFrame(rows).sort_values("share", ascending=False, ignore_index=True)


def _figure(draws: Floats) -> Figure:
    low, high = np.quantile(draws[1:], INTERVAL)
    return Figure(float(draws[0]), float(low), float(high))


def page(title: str, trial: Trial, judged: Sequence[Judged], singles: pd.DataFrame, compared: Found | None) -> str:
    """The ablation as a page of Markdown."""
    dates = trial.test["as_of"]
    whole = judged[0]
    lines = [
        f"# Ablation: {title}",
        "",
        "Made by `make ablation`.",
        f"{len(trial.known):,} rows with {count_departures(trial.known):,} churns to learn from;",
        f"tested on {len(trial.test):,} rows of {trial.test['account_id'].nunique():,} accounts with "
        f"{count_departures(trial.test):,} churns, {dates.min().date()} to {dates.max().date()}.",
        "In brackets: 95 % intervals over draws of root accounts; differences are paired.",
        *([] if compared is None else [str(compared)]),
        "",
        "| features | number | AUC | against all | average precision | against all |",
        "|---|---:|---|---|---|---|",
    ]
    for one in judged:
        same = one is whole
        lines.append(
            f"| {one.title} | {one.features or '–'} | {_figure(one.auc)} | "
            f"{'' if same else _signed(one.auc - whole.auc)} | {_figure(one.precision)} | "
            f"{'' if same else _signed(one.precision - whole.precision)} |"
        )
    lines += [
        "",
        "Each feature of the whole model: its share of all contributions (in size), and the AUC lost when its values",
        "are dealt anew among the accounts of a date.",
        "",
        "| feature | family | share | AUC lost |",
        "|---|---|---:|---|",
    ]
    lines += [
        f"| {row.feature} | {row.family} | {100 * row.share:.1f} % | {_signed_figure(row.lost)} |"
        for row in singles.itertuples()
    ]
    return "\n".join(lines) + "\n"


def _signed(draws: Floats) -> str:
    return _signed_figure(_figure(draws))


def _signed_figure(figure: Figure) -> str:
    return f"{figure.value:+.3f} ({figure.low:+.3f} to {figure.high:+.3f})".replace("-", "−")


def demo(accounts: int, seed: int, log: RunLog) -> Path:
    """The settings of a demo company of that size, made up where there is none yet."""
    folder = Path("build") / f"demo-{accounts}-{seed}"
    settings = folder / "churn.toml"
    return settings if settings.exists() else furnish(folder, accounts, seed, log)


def main() -> None:
    """Collect once, then fit and judge every choice of features."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("settings", type=Path, nargs="?")
    source.add_argument("--demo", type=int, metavar="ACCOUNTS", help="a demo company of that size, under build/")
    parser.add_argument("--seed", type=int, default=7, help="of the demo company (default: 7)")
    parser.add_argument("--title", required=True)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    with open_log() as log:
        settings = read_settings(asked.settings or demo(asked.demo, asked.seed, log))
        collected = collect(settings, None, log)
        trial = Trial(collected, settings.engine.threads)
        features = [feature for feature in collected.recipe.features if feature.learned]
        judged = []
        for place, (title, chosen) in enumerate(options := choices(features)):
            log.step("ablation", place, len(options))
            judged.append(trial.judged(title, chosen))
        if collected.tone is not None:
            log.note("once more, without learning from ratings")
            plain = settings.model_copy(update={"sentiment": Sentiment(learn=False)})
            judged.append(Trial(collect(plain, None, log), settings.engine.threads).judged(UNLEARNED, features))
        score = logistic_risk(trial.known, trial.test, features)
        judged.append(trial.of("all, in a logistic regression", len(features), score, 0.0))
        log.step("each feature by itself")
        singles = permuted(trial, features)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(page(asked.title, trial, judged, singles, collected.compared), encoding="utf-8")


if __name__ == "__main__":
    main()
