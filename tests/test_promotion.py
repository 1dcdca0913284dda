"""The gate at the command line: a training does not displace a champion that is as good, a person may, and go back."""

import json
import re
import shutil
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest
from command_line import SPARSE, Answer, churn
from mlflow import MlflowClient
from sample_people import put, user

from pipeline.people.connection import connect as connect_people
from pipeline.people.deeds import Form, NotARisk, record
from pipeline.people.schema import USERS, new_id
from pipeline.store.connection import connect, reading
from pipeline.store.nights import book, published


@pytest.fixture(scope="module")
def config(trained_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo with its learned champion, to be changed at will; rules were the champion before it."""
    folder = tmp_path_factory.mktemp("gate") / "company"
    shutil.copytree(trained_demo.parent, folder)
    return folder / "churn.toml"


@pytest.fixture(scope="module")
def again(config: Path) -> Answer:
    """A second training on the same day."""
    done = churn("train", "--json", "-c", config, env=SPARSE)
    assert done.exit_status == 0, done.stderr
    return done


def _champion(config: Path) -> int:
    from models.registry import load_champion

    return load_champion(uri=f"sqlite:///{config.parent / 'mlflow.db'}", name="churn-risk")[1]


def test_the_same_recipe_on_the_same_day_changes_nothing(config: Path, again: Answer) -> None:
    record = again.record()
    assert record["champion"] == _champion(config) == 1
    assert record["version"] == 3
    gate = record["gate"]
    assert gate["against"] == "the champion, version 1"
    assert gate["decision"]["promotes"] is False
    assert gate["comparison"]["differences"]["average_precision"]["gain"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    stability = gate["comparison"]["stability"]["challenger"]
    assert 0.0 <= stability["strict"] <= stability["kept"] <= 1.0


def test_the_decision_lies_beside_the_model(config: Path, again: Answer) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{config.parent / 'mlflow.db'}")
    kept = client.download_artifacts(again.record()["run_id"], "gate.json")
    assert json.loads(Path(kept).read_text(encoding="utf-8")) == again.record()["gate"]
    assert client.get_model_version("churn-risk", "3").tags["gate"] == "false"


def test_each_fold_of_the_backtest_is_a_run_below_the_training(config: Path, again: Answer) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{config.parent / 'mlflow.db'}")
    parent = client.get_run(again.record()["run_id"])
    below = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    runs = client.search_runs([parent.info.experiment_id], filter_string=below)
    folds = again.record()["backtest"]["folds"]
    assert len(folds) > 0
    assert {f"fold {number}" for number in range(1, len(folds) + 1)} == {run.info.run_name for run in runs}
    assert {fold["trained_to"] for fold in folds} == {run.data.params["trained_to"] for run in runs}
    assert {fold["evaluation"]["departures"] for fold in folds} == {
        run.data.metrics["model.departures"] for run in runs
    }


@pytest.mark.usefixtures("again")
def test_the_gate_refuses_and_says_why_and_how_to_go_on(config: Path) -> None:
    done = churn("promote", "-c", config, env=SPARSE)
    assert done.exit_status == 3
    for told in (
        "The gate, against the champion, version 1: ",
        "average precision",
        "of today's",
        "Version 3 is not promoted: it is not shown to be better",
        "churn promote 3 --force --why 'the reason'",
    ):
        assert told in done.stderr, done.stderr
    assert _champion(config) == 1


@pytest.mark.usefixtures("again")
def test_a_person_may_pass_it_and_go_back(config: Path) -> None:
    bare = churn("promote", "3", "--force", "-c", config, env=SPARSE)
    assert bare.exit_status == 2
    assert "--why" in bare.stderr
    forced = churn("promote", "3", "--force", "--why", "it knows the new plans", "-c", config, env=SPARSE)
    assert forced.exit_status == 0, forced.stderr
    assert "Version 3 is the champion now (version 1 was before; back by: churn rollback)" in forced.stdout
    assert _champion(config) == 3
    again = churn("promote", "3", "-c", config, env=SPARSE)
    assert (again.exit_status, again.stderr.strip()) == (2, "Version 3 is the champion already.")
    back = churn("rollback", "--why", "a mistake", "--json", "-c", config, env=SPARSE)
    assert back.record() == {"champion": 1, "former": 3, "why": "rolled back: a mistake", "gate": None}
    assert _champion(config) == 1
    further = churn("rollback", "-c", config, env=SPARSE)
    assert further.exit_status == 0, further.stderr
    assert "Version 2 is the champion now (version 1 was before; back by: churn promote 1)" in further.stdout
    assert _champion(config) == 2, "the rules, which were there first"
    rules = MlflowClient(f"sqlite:///{config.parent / 'mlflow.db'}").get_model_version("churn-risk", "2")
    assert rules.tags["gate"] == "true", "why they came into use is kept with them, too"
    nothing = churn("rollback", "-c", config, env=SPARSE)
    assert nothing.exit_status == 3
    assert "was champion before the one that is now" in nothing.stderr
    assert churn("promote", "1", "--force", "--why", "as it was", "-c", config, env=SPARSE).exit_status == 0


def test_a_version_that_is_not_there_is_told(config: Path) -> None:
    done = churn("promote", "99", "-c", config, env=SPARSE)
    assert done.exit_status == 3
    assert "There is no version 99" in done.stderr


def test_without_promotion_a_person_sees_whose_band_would_change(config: Path) -> None:
    """The rules are the champion now: a learned model sees many otherwise."""
    churn("rollback", "-c", config, env=SPARSE)
    assert _champion(config) == 2
    done = churn("train", "--no-promote", "-c", config, env=SPARSE)
    assert done.exit_status == 0, done.stderr
    assert "Nothing was promoted (--no-promote). The gate would keep the rules: " in done.stdout
    assert "too few have left to tell" in done.stdout
    changes = [line for line in done.stdout.splitlines() if " → " in line]
    assert changes
    assert len(changes) <= 20
    assert _champion(config) == 2


def test_monitor_judges_nights_that_no_model_had_seen(config: Path) -> None:
    """The rules are the champion here; they have learned from nobody, so a night of July tests them."""
    assert _champion(config) == 2
    for day in ("2026-07-06", "2026-11-02"):
        assert churn("score", "--as-of", day, "-c", config, env=SPARSE).exit_status == 0
    marked = _marked_as_no_risk(config, date(2026, 7, 6))
    done = churn("monitor", "--json", "-c", config, env=SPARSE)
    assert done.exit_status == 0, done.stderr
    found = done.record()
    assert (found["as_of"], found["model_version"], found["nights"]) == ("2026-11-02", "2", 1)
    assert not any(each["drifted"] for each in found["drift"]), "the night is the one that the model was made on"
    assert found["expected"] == {}, "rules give an order, and no probabilities to expect something of"
    realised = found["realised"]
    assert (realised["first_as_of"], realised["last_as_of"]) == ("2026-07-06", "2026-07-06")
    assert realised["departures"] > 0
    assert realised["figures"]["auc"]["value"] is not None
    (case,) = found["not_a_risk"]
    assert (marked, "2026-07-06", "seasonal") == (case["account_id"], case["as_of"], case["why"])
    assert case["stayed"] is (case["fate"] != "left")
    assert "Marked as no risk since 2025-11-02: 1 (seasonal 1); " in churn("monitor", "-c", config, env=SPARSE).stdout


def _marked_as_no_risk(config: Path, day: date) -> str:
    """The id of a customer of whom somebody said so, looking at that night."""
    url = f"sqlite:///{config.parent / 'churn.db'}"
    store, people = connect(url), connect_people(url)
    by = user()
    put(people, {USERS: [by]})
    with reading(store) as connection:
        account_id = next(book(connection, published(connection, day))).account_id
    at = datetime.combine(day, time(9), UTC)
    form = Form(new_id(), by["user_id"], account_id, day, at, day)
    record(people, form, NotARisk("seasonal"), rest_days=14, families=[])
    store.dispose()
    people.dispose()
    return account_id


def test_rules_give_bands_and_no_percentages(config: Path) -> None:
    """An order by rules is no probability, so nothing on a page may look like one."""
    assert _champion(config) == 2
    night = churn("score", "--as-of", "2026-11-02", "-c", config, env=SPARSE).stdout
    assert "Ordered by rules; " in night
    listed = night.partition("How good is this?")[0]
    wrote = churn("export", "--out", config.parent / "rules.jsonl", "-c", config, env=SPARSE)
    assert "Ordered by rules; " in wrote.stdout
    assert "There are no risks in it." in wrote.stdout
    rows = [json.loads(line) for line in (config.parent / "rules.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {(row["risk"], row["value_at_risk"]) for row in rows} == {(None, None)}
    account = rows[0]["account_id"]
    plain = churn("explain", account, "--json", "--language", "zh", "-c", config, env=SPARSE).record()
    assert (plain["ordered_by"], plain["risk"], plain["horizons"]) == ("rules", None, {})
    assert "。" in plain["sentences"][0]["text"]
    pages = [churn("explain", account, "--language", each, "-c", config, env=SPARSE).stdout for each in ("en", "zh")]
    for page in (listed, *pages):
        assert "High: " in page or "Band " in page
        assert not re.search(r"1 in \d|\d %(?! on )", page), page


def test_a_night_says_what_changed_since_an_older_one(config: Path) -> None:
    night = config.parent / "night.jsonl"
    assert churn("export", "--out", night, "-c", config, env=SPARSE).exit_status == 0
    accounts = [json.loads(line)["account_id"] for line in night.read_text(encoding="utf-8").splitlines()]
    pages = [churn("explain", account, "--json", "-c", config, env=SPARSE).record() for account in accounts[:40]]
    told = [page for page in pages if page["change_data"] is not None]
    assert told
    for page in told:
        then = churn(
            "explain", page["account_id"], "--as-of", "2026-07-06", "--json", "-c", config, env=SPARSE
        ).record()
        parts = page["change_time"] + page["change_data"] + page["change_model"]
        assert parts == pytest.approx(page["log_odds"] - then["log_odds"], abs=1e-9)
