"""What a whole night costs, from tables on disk to published, step by step, into SQLite and into PostgreSQL.

    python tests/benchmarks/whole_night.py 10000 100000 1000000

The tables are those of `make bench`. Nobody leaves them for a reason, so the model learns departures drawn from
a risk of our own making: its trees are as many and as deep as a company's. Each night is a process of its own, `churn
score`, whose steps and memory its ledger tells.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from engine import ROWS_EACH, USUAL_DAYS, USUAL_ROWS_EACH
from made_up_tables import MEMORY, THREADS, make_tables
from rivals import LOOKBACK_DAYS
from sqlalchemy import func, select

from models.succession import promote
from pipeline.collected import Collected, collect
from pipeline.fitted import learned
from pipeline.promotion import registered
from pipeline.run_log import open_log
from pipeline.settings_file import read_settings
from pipeline.store.connection import connect, reading
from pipeline.store.schema import DETAILS, EVIDENCE, LEDGER, SCORES

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from postgres_server import running_server

CHURN = Path(sys.executable).with_name("churn")
TAUGHT_ON = 10_000
_WRITTEN = (SCORES, DETAILS, EVIDENCE)
USUAL = 5_000
STEPS = (
    "read and check the tables",
    "load the champion",
    "features of tonight",
    "evidence",
    "risk and reasons",
    "publish",
)


@dataclass(frozen=True)
class Night:
    """What one night took: seconds by step, gigabytes at the most; what it stored: rows, bytes of reasons and facts of
    an account.
    """

    title: str
    accounts: int
    store: str
    seconds: dict[str, float]
    rows: int
    gigabytes: float
    packed: float

    def line(self) -> str:
        """It as a row of the table."""
        steps = " | ".join(f"{self.seconds[step]:.1f}" for step in STEPS)
        rate = self.rows / self.seconds["publish"]
        return (
            f"| {self.title} | {self.store} | {sum(self.seconds.values()):.0f} | {steps} | {self.rows:,} | "
            f"{rate:,.0f} | {self.gigabytes:.1f} | {self.packed:.0f} |"
        )


def taught(folder: Path) -> str:
    """The address of a registry whose champion learned from the tables of a folder; made where it is missing."""
    registry = f"sqlite:///{(folder / 'mlflow.db').resolve()}"
    if not (folder / "taught").exists():
        os.environ["CHURN__TRACKING__URI"] = registry
        settings = read_settings(folder / "churn.toml")
        with open_log() as log:
            collected = with_departures(collect(settings, None, log))
            made = registered(learned(collected, settings, log), collected, settings)
        promote(made.version, why="the benchmark's", **settings.registry())
        (folder / "taught").touch()
    return registry


def with_departures(collected: Collected) -> Collected:
    """The same snapshots, with departures drawn by a risk that depends on ten of the features."""
    rng = np.random.default_rng(1)
    frame = collected.frame.copy()
    numbers = [feature.name for feature in collected.recipe.features if feature.kind == "number"]
    varied = [name for name in numbers if name in frame and frame[name].nunique() > 20]
    log_odds = np.full(len(frame), -3.2)
    for name in rng.choice(varied, 10, replace=False):
        log_odds += rng.normal(0, 1.5) * (frame[name].rank(pct=True).fillna(0.5).to_numpy(np.float64) - 0.5)
    frame["label"] = rng.random(len(frame)) < 1 / (1 + np.exp(-log_odds))
    days = pd.to_timedelta(rng.integers(0, collected.history.rules.horizon_days, len(frame)), unit="D")
    frame["churn_on"] = (pd.to_datetime(frame["as_of"]) + days).where(frame["label"])
    return replace(collected, frame=frame, known_churns=int(frame["label"].sum()))


def scored(title: str, folder: Path, accounts: int, kind: str, url: str, registry: str) -> Night:
    """One night of the tables of a folder into a store."""
    environment = {**os.environ, "CHURN__STORE__URL": url, "CHURN__TRACKING__URI": registry}
    command = [CHURN, "score", "-c", folder / "churn.toml", "--json"]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    engine = connect(url)
    with reading(engine) as connection:
        steps = json.loads(connection.execute(select(LEDGER.c.steps)).scalar_one())
        rows = sum(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in _WRITTEN)
        some = connection.execute(select(DETAILS.c.packed).limit(10_000)).scalars().all()
    engine.dispose()
    seconds = {step["name"]: step["seconds"] for step in steps}
    packed = float(np.mean([len(each) for each in some]))
    night = Night(title, accounts, kind, seconds, rows, max(step["peak_gb"] for step in steps), packed)
    sys.stderr.write(f"{night.line()}\n")
    return night


@contextmanager
def store(kind: str, folder: Path) -> Iterator[str]:
    """The address of a new store."""
    if kind == "PostgreSQL":
        with running_server() as url:
            yield url
        return
    file = folder / "night.db"
    for each in folder.glob("night.db*"):
        each.unlink()
    yield f"sqlite:///{file.resolve()}"


def page(nights: Sequence[Night]) -> str:
    """The page, so far."""
    names = " | ".join(STEPS)
    return "\n".join(
        [
            "# What a whole night costs",
            "",
            f"Made by `make nights` on {os.cpu_count()} cores, {THREADS} threads and {MEMORY} for the engine; Python "
            f"{platform.python_version()}. From tables on disk to published, first nights into an empty store; "
            "each is a process of its own. 280 rows of use an account over 224 days, and all other tables; the usual "
            "company has 5,000 accounts with 20 million rows over two years. Seconds by step; `publish` stages scores, "
            "reasons and evidence with their keys, checks what was stored, and flips; its rows a second are of these "
            "three tables.",
            "",
            f"| accounts | store | seconds | {names} | rows stored | rows a second | peak GB | bytes of reasons each |",
            f"|---|---|{'---:|' * (len(STEPS) + 5)}",
            *(night.line() for night in nights),
            "",
        ]
    )


def main() -> None:
    """Make the tables and the model where they are missing, run the nights, write the page after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("accounts", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--out", type=Path, default=Path("docs/nights.md"))
    asked = parser.parse_args()
    sizes = {f"{size:,}": (asked.folder / str(size), size, ROWS_EACH, LOOKBACK_DAYS) for size in asked.accounts}
    usual = (asked.folder / f"usual-{USUAL}", USUAL, USUAL_ROWS_EACH, USUAL_DAYS)
    teacher = (asked.folder / str(TAUGHT_ON), TAUGHT_ON, ROWS_EACH, LOOKBACK_DAYS)
    for tables in (teacher, usual, *sizes.values()):
        make_tables(*tables)
    registry = taught(teacher[0])
    nights: list[Night] = []
    for title, (folder, accounts, _, _) in {"the usual company": usual, **sizes}.items():
        for kind in ("SQLite", "PostgreSQL"):
            with store(kind, asked.folder) as url:
                nights.append(scored(title, folder, accounts, kind, url, registry))
            asked.out.write_text(page(nights), encoding="utf-8")


if __name__ == "__main__":
    main()
