"""The same commands on tables that nobody here wrote: a wholesaler, a CRM company, and one without departures."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command_line import Answer, churn

COMPANIES = Path(__file__).parent / "companies"
DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"

pytestmark = pytest.mark.real


@dataclass(frozen=True)
class Company:
    """One company's settings, with its store and models in a folder of the test's own."""

    name: str
    folder: Path
    changed: dict[str, str]

    def run(self, *arguments: str | Path) -> Answer:
        env = {
            "CHURN__STORE__URL": f"sqlite:///{self.folder / 'churn.db'}",
            "CHURN__TRACKING__URI": f"sqlite:///{self.folder / 'mlflow.db'}",
        }
        return churn(*arguments, "-c", COMPANIES / f"{self.name}.toml", env=env | self.changed)

    def trained(self) -> dict[str, Any]:
        """What `churn train` answers, once it has a champion."""
        done = self.run("train", "--json")
        assert done.exit_status == 0, done.stderr
        return done.record()

    def scored(self) -> pd.DataFrame:
        """The published night."""
        done = self.run("score", "--json", "--out", self.folder / "night.parquet")
        assert done.exit_status == 0, done.stderr
        return pd.read_parquet(self.folder / "night.parquet")


def company(name: str, folder: Path, **changed: object) -> Company:
    data = DATA / name.partition("_")[0]
    if not data.is_dir():
        pytest.skip(f"the tables of {name} are not here: ../shared/data/{data.name} is absent")
    return Company(name, folder, {f"CHURN__CHURN__{key.upper()}": str(value) for key, value in changed.items()})


def auc(trained: dict[str, Any]) -> tuple[float, float, float]:
    figure = trained["backtest"]["model"]["figures"]["auc"]
    return figure["low"], figure["value"], figure["high"]


def assert_adds_up(night: pd.DataFrame, *, by_rules: bool = False) -> None:
    """The law of the export: log-odds are the base and the families, and the risk is their probability.

    Rules give an order and no probability.
    """
    scored = night[night["log_odds"].notna()]
    assert len(scored)
    for row in scored.to_dict("records"):
        families = math.fsum(json.loads(row["families"]).values())
        assert math.isclose(row["log_odds"], row["base_log_odds"] + families, abs_tol=1e-9)
        if not by_rules:
            assert math.isclose(row["risk"], 1 / (1 + math.exp(-row["log_odds"])), abs_tol=1e-9)
    assert night["risk"].isna().all() or not by_rules


def test_wholesale_is_predicted_on_few_snapshots(tmp_path: Path) -> None:
    """Real behaviour without subscriptions: 60 days without an order. Order counts alone reach an AUC near 0.73."""
    assert_wholesale(company("wholesale", tmp_path, snapshot_every_days=56))


@pytest.mark.slow
def test_wholesale_is_predicted(tmp_path: Path) -> None:
    """The same on every snapshot."""
    assert_wholesale(company("wholesale", tmp_path))


def assert_wholesale(wholesale: Company) -> None:
    trained = wholesale.trained()
    assert trained["departures"] > 2000
    low, value, high = auc(trained)
    assert 0.70 < low < value < high < 0.85
    night = wholesale.scored()
    assert set(night["state"]) <= {"candidate", "watch", "new", "payment"}
    assert 0.25 < night["risk"].mean() < 0.60, "near half of them buy nothing in the next 60 days"
    words = " ".join(each.get("words") or "" for reasons in night["reasons"] for each in json.loads(reasons))
    assert ("GBP" in words, "actions" in words) == (True, False), "a quantity of money is said as money"
    assert_adds_up(night)


@pytest.mark.slow
def test_crm_is_predicted(tmp_path: Path) -> None:
    """4.8 million rows of use. Above 0.95 something would know the future: who leaves next month is drawn by chance."""
    crm = company("crm5", tmp_path)
    trained = crm.trained()
    low, value, high = auc(trained)
    assert 0.70 < value < 0.95
    assert low < value < high
    night = crm.scored()
    assert 0.005 < night["risk"].mean() < 0.06, "one in forty leaves a month"
    assert_adds_up(night)


def test_ravenstack_has_too_few_departures_to_learn_from(tmp_path: Path) -> None:
    """The first day of a company that nobody has left: rules order the accounts, and every page says so."""
    ravenstack = company("ravenstack", tmp_path, snapshot_every_days=168)
    trained = ravenstack.trained()
    assert (True, 2, None) == (trained["starter"], trained["departures"], trained["fit"])
    checked = ravenstack.run("check", "--json").record()
    assert (False, 2, False) == (checked["fatal"], checked["departures"], checked["departures_suffice"])
    assert_adds_up(ravenstack.scored(), by_rules=True)
    night = ravenstack.run("score").stdout
    assert "Ordered by rules; " in night
    assert " of the 100 departures needed have been seen." in night
    assert "%" not in night.partition("How good is this?")[0].replace(" % on ", "")


@pytest.mark.slow
def test_ravenstack_with_its_churn_dates_shows_no_skill(tmp_path: Path) -> None:
    """The negative control: nothing in these tables announces who leaves, and the backtest must say so."""
    ravenstack = company("ravenstack_departed", tmp_path, snapshot_every_days=56)
    trained = ravenstack.trained()
    assert 169 == trained["departures"]
    assert trained["gate"]["decision"]["promotes"] is False, "no model of these tables is better than rules"
    assert trained["champion"] != trained["version"]
    assert "It has shown no skill on your data" in ravenstack.run("score").stdout
    low, value, high = auc(trained)
    assert low < 0.55, "skill is claimed where there is none"
    assert high > 0.45
    assert abs(value - 0.5) < 0.12
    assert_adds_up(ravenstack.scored(), by_rules=True)
