"""The gate where a learned model passes it: a company in which the plan decides who leaves, which no rule reads."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from command_line import Answer, churn
from mlflow import MlflowClient

from models.succession import champion_version

FIRST, TODAY = date(2024, 1, 1), date(2026, 1, 5)
MONTHLY_RATE = {"fleeting": 0.12, "usual": 0.03, "steady": 0.005}

SETTINGS = f"""
[data]
accounts = "accounts.parquet"
subscriptions = "subscriptions.parquet"

[churn]
snapshot_every_days = 56
horizons = []

[gate]
tolerance = 0.1

[engine]
threads = 1

[run]
as_of = {TODAY}
"""


def subscriptions() -> pd.DataFrame:
    """Each week twenty customers come, on a plan by lot; each month they leave at the rate of their plan."""
    draw, rows = np.random.default_rng(5), []
    for week in range((TODAY - FIRST).days // 7):
        for _ in range(20):
            plan = str(draw.choice(list(MONTHLY_RATE)))
            started = FIRST + timedelta(days=7 * week + int(draw.integers(7)))
            stays = timedelta(days=int(30 * draw.geometric(MONTHLY_RATE[plan])) - int(draw.integers(30)))
            ended = started + stays
            rows.append((started, ended if ended <= TODAY else None, plan, float(draw.integers(1, 60) * 50)))
    frame = pd.DataFrame(rows, columns=["started_on", "ended_on", "plan", "mrr"])
    return frame.assign(account_id=[f"C-{number:04}" for number in range(len(frame))])


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plans")
    terms = subscriptions()
    terms.to_parquet(folder / "subscriptions.parquet")
    accounts = terms[["account_id"]].assign(created_at=pd.to_datetime(terms["started_on"]))
    accounts.to_parquet(folder / "accounts.parquet")
    (folder / "churn.toml").write_text(SETTINGS, encoding="utf-8")
    return folder / "churn.toml"


def registry(config: Path) -> dict[str, str]:
    return {"uri": f"sqlite:///{config.parent / 'mlflow.db'}", "name": "churn-risk"}


def trained(config: Path, *more: str) -> dict[str, Any]:
    done = churn("train", "--json", "-c", config, *more)
    assert done.exit_status == 0, done.stderr
    record: dict[str, Any] = done.record()
    return record


@pytest.fixture(scope="module")
def first(config: Path) -> dict[str, Any]:
    """The first training, half a year before today."""
    return trained(config, "--as-of", str(TODAY - timedelta(days=180)))


def test_a_first_model_that_beats_the_rules_is_the_champion(config: Path, first: dict[str, Any]) -> None:
    gate = first["gate"]
    assert gate["against"] == "the rules"
    assert gate["decision"]["promotes"], gate["decision"]
    assert gate["comparison"]["differences"]["average_precision"]["gain"]["low"] > 0.0
    assert first["champion"] == champion_version(**registry(config))
    assert first["champion"] == first["version"] + int(gate["twin"])


@pytest.fixture(scope="module")
def second(config: Path, first: dict[str, Any]) -> dict[str, Any]:
    """The same recipe with what was learned in the half year since."""
    assert first["champion"]
    return trained(config)


def test_one_that_is_as_good_takes_the_place_of_an_old_champion(config: Path, second: dict[str, Any]) -> None:
    gate = second["gate"]
    assert gate["against"].startswith("the champion, version ")
    (reason,) = gate["decision"]["reasons"]
    assert "the champion is 180 days old" in reason or reason.startswith("it is better")
    assert gate["decision"]["promotes"]
    assert second["champion"] == champion_version(**registry(config))


def test_what_goes_live_can_score_a_night(config: Path, second: dict[str, Any]) -> None:
    """Also where it is a gate twin, which remembers how accounts are to be seen."""
    done: Answer = churn("score", "-c", config, "--json")
    assert done.exit_status == 0, done.stderr
    assert done.record()["model_version"] == str(second["champion"])


def test_the_model_before_is_back_after_a_rollback(config: Path, first: dict[str, Any], second: dict[str, Any]) -> None:
    assert churn("rollback", "-c", config, "--json").record() == {
        "champion": first["champion"],
        "former": second["champion"],
        "why": "rolled back",
        "gate": None,
    }
    done = churn("promote", str(second["version"]), "-c", config, "--json")
    assert done.exit_status == 0, done.stderr
    found = done.record()
    assert found["former"] == first["champion"]
    assert found["gate"]["decision"]["promotes"]


def test_what_was_tested_goes_live_where_the_refit_ranks_otherwise(
    config: Path, first: dict[str, Any], second: dict[str, Any]
) -> None:
    """The agreement is set here: how it comes about is told in tests/test_models_gate.py."""
    churn("promote", str(first["champion"]), "--force", "--why", "to begin with", "-c", config)
    with patch("pipeline.contest._agreement", return_value=(0.5, 0.9)):
        done = churn("promote", str(second["version"]), "-c", config, "--json")
    assert done.exit_status == 0, done.stderr
    found = done.record()
    assert found["gate"]["twin"]
    assert found["champion"] > second["version"]
    run_id = MlflowClient(registry(config)["uri"]).get_model_version("churn-risk", str(found["champion"])).run_id
    papers = config.parent / "mlflow-artifacts" / run_id / "artifacts"
    assert json.loads((papers / "gate.json").read_text(encoding="utf-8"))["decision"]["promotes"]
    card = (papers / "model_card.md").read_text(encoding="utf-8")
    assert f"This is the gate twin of version {second['version']}: the same recipe, without the labels" in card
    assert "has not been tested" not in card
    assert "was refitted on all known labels" not in card
    assert churn("score", "-c", config).exit_status == 0
    watched = churn("monitor", "--json", "-c", config).record()
    assert not any(each["drifted"] for each in watched["drift"])
    assert watched["expected"]["departures"]["low"] <= watched["expected"]["departures"]["value"]


def test_a_version_that_answers_another_question_is_refused(config: Path, second: dict[str, Any]) -> None:
    shorter = {"CHURN__CHURN__HORIZON_DAYS": "30"}
    done = churn("promote", str(second["version"]), "-c", config, env=shorter)
    assert done.exit_status == 3
    assert "no night could use it: [churn] horizon_days = 30, but the model was trained for 60" in done.message
    assert churn("monitor", "--json", "-c", config, env=shorter).record()["nights"] == 0


def _model_file(config: Path, version: int | None) -> Path:
    client = MlflowClient(registry(config)["uri"])
    model_id = str(client.get_model_version("churn-risk", str(version)).source).removeprefix("models:/")
    (file,) = config.parent.rglob(f"{model_id}/**/model.json")
    return file


def test_a_champion_that_cannot_be_read_may_be_replaced(config: Path, second: dict[str, Any]) -> None:
    """That is when a person most needs to."""
    champion = champion_version(**registry(config))
    broken = _model_file(config, champion)
    whole = broken.read_text(encoding="utf-8")
    broken.write_text(whole.replace('"format"', '"no_format"'), encoding="utf-8")
    other = str(second["version"] if champion != second["version"] else 1)
    done = churn("promote", other, "--force", "--why", "the files are damaged", "-c", config)
    broken.write_text(whole, encoding="utf-8")
    assert done.exit_status == 0, done.stderr
    assert str(champion_version(**registry(config))) == other
