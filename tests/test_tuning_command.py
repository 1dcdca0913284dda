"""`churn train --tune`: what was tried is said, kept in MLflow and in the cache, and remembered by the model."""

from pathlib import Path

import pytest
from command_line import churn

from pipeline.run_log import RunLog
from pipeline.showroom import furnish

EVERY_SIX_WEEKS = {"CHURN__CHURN__SNAPSHOT_EVERY_DAYS": "42"}


def test_the_default_alone_is_no_tuning() -> None:
    done = churn("train", "--tune", "1")
    assert done.exit_status == 2
    assert "--tune" in done.stderr


@pytest.mark.slow
def test_a_tuned_training_says_what_it_tried_and_does_not_try_it_again(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    config = furnish(tmp_path / "company", 500, 7, RunLog("test"))
    arguments = ("train", "--tune", "2", "-c", config)
    first = churn(*arguments, "--json", env=EVERY_SIX_WEEKS)
    assert first.exit_status == 0, first.stderr
    record = first.record()
    assert [0, 1] == [trial["number"] for trial in record["tuning"]["trials"]]
    chosen = record["tuning"]["trials"][record["tuning"]["chosen"]]["parameters"]
    if record["tuning"]["chosen"]:
        assert chosen.items() <= record["fit"]["parameters"].items()
    client = MlflowClient(tracking_uri=f"sqlite:///{config.parent / 'mlflow.db'}")
    below = f"tags.`mlflow.parentRunId` = '{record['run_id']}'"
    runs = client.search_runs([client.get_run(record["run_id"]).info.experiment_id], filter_string=below)
    assert {"trial 0", "trial 1", "fold 1"} <= {run.info.run_name for run in runs}
    assert (config.parent / ".churn-cache" / "tuning.db").is_file()

    again = churn(*arguments, env=EVERY_SIX_WEEKS)
    assert again.exit_status == 0, again.stderr
    assert "Tuned by 2 trials on " in again.stdout
    assert "trial 1 of 2" not in again.stderr, "it was tried before"
