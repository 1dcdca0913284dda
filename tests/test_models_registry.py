"""The registry, against a real MLflow on SQLite: what is logged can be found, loaded and read without a pickle."""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from known_risk import FEATURES, trained
from numpy.typing import NDArray

from models.errors import CorruptModel, NoChampion, NoVersion, TrackingFailed
from models.evaluate import evaluate
from models.registry import PartRun, Registered, TrainingRun, load_champion, register
from models.succession import champion_version, promote, roll_back
from models.tracking_folder import TrackingFolder

NAME = "churn-risk"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tracking")


@pytest.fixture(scope="module")
def uri(home: Path) -> str:
    return f"sqlite:///{home / 'mlflow.db'}"


@pytest.fixture(scope="module")
def run(home: Path) -> TrainingRun:
    known, model, report = trained()
    plots = home / "plots"
    plots.mkdir()
    (plots / "calibration.png").write_bytes(b"a picture")
    return TrainingRun(
        model=model,
        settings={"churn": {"horizon_days": 28}, "company": {"name": "Acme"}},
        tables={"accounts": {"rows": 800, "digest": "3f2a"}},
        evaluations={"backtest": evaluate(known.frame, model.risk(known.frame, threads=1), capacity=20, draws=50)},
        documents={"fit": report.as_record()},
        card="# A card\n",
        plots=plots,
        parts=[PartRun("trial 0", {"max_depth": 3}, {"log_loss": 0.25, "lookups": 800.0})],
    )


@pytest.fixture(scope="module")
def registered(run: TrainingRun, uri: str) -> Registered:
    return register(run, uri=uri, name=NAME, experiment="Acme")


def test_before_any_training_there_is_no_champion_and_no_database(tmp_path: Path) -> None:
    with pytest.raises(NoChampion, match=r"'churn-risk' has the alias 'champion'.*Run: churn train\."):
        load_champion(uri=f"sqlite:///{tmp_path / 'mlflow.db'}", name=NAME)
    assert not list(tmp_path.iterdir())


def test_a_registered_model_is_not_the_champion_until_promoted(
    run: TrainingRun, uri: str, registered: Registered
) -> None:
    assert registered.version == 1
    with pytest.raises(NoChampion):
        load_champion(uri=uri, name=NAME)
    promote(registered.version, uri=uri, name=NAME, why="a test")
    model, version = load_champion(uri=uri, name=NAME)
    assert (version, model) == (1, run.model)
    assert model.digest == run.model.digest


def test_versions_are_numbered_and_the_champion_stays(run: TrainingRun, uri: str, registered: Registered) -> None:
    promote(registered.version, uri=uri, name=NAME, why="a test")
    second = register(run, uri=uri, name=NAME, experiment="Acme")
    assert second.version == registered.version + 1
    assert load_champion(uri=uri, name=NAME)[1] == registered.version


def test_everything_is_logged(uri: str, run: TrainingRun, registered: Registered) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    logged = client.get_run(registered.run_id)
    assert logged.info.status == "FINISHED"
    assert logged.data.params["settings.churn.horizon_days"] == "28"
    assert logged.data.params["boosting.max_depth"] == str(run.model.about["fit"]["parameters"]["max_depth"])
    assert logged.data.metrics["backtest.auc"] == pytest.approx(run.evaluations["backtest"].figures["auc"].value)
    assert logged.data.metrics["backtest.auc.low"] < logged.data.metrics["backtest.auc"]
    assert logged.data.tags["tree_digest"] == run.model.tree_digest
    files = {file.path for file in client.list_artifacts(registered.run_id)}
    assert {"settings.json", "tables.json", "catalogue.json", "evaluations.json", "fit.json", "plots"} <= files
    card = Path(client.download_artifacts(registered.run_id, "model_card.md"))
    assert card.read_text(encoding="utf-8") == run.card
    folder = Path(client.download_artifacts(registered.run_id, "catalogue.json"))
    assert [feature.name for feature in FEATURES] == [record["name"] for record in json.loads(folder.read_text())]


def test_each_part_is_a_run_below_it(uri: str, registered: Registered) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    parent = client.get_run(registered.run_id)
    (child,) = client.search_runs(
        [parent.info.experiment_id], filter_string=f"tags.`mlflow.parentRunId` = '{registered.run_id}'"
    )
    assert ("trial 0", "FINISHED") == (child.info.run_name, child.info.status)
    assert {"max_depth": "3"} == child.data.params
    assert {"log_loss": 0.25, "lookups": 800.0} == child.data.metrics


def test_the_tables_are_inputs_by_their_digests_alone(uri: str, registered: Registered) -> None:
    from mlflow import MlflowClient

    (table,) = MlflowClient(tracking_uri=uri).get_run(registered.run_id).inputs.dataset_inputs
    assert ("accounts", "3f2a") == (table.dataset.name, table.dataset.digest)
    assert {"mlflow.data.context": "training", "rows": "800"} == {tag.key: tag.value for tag in table.tags}
    assert '{"tags": {}}' == table.dataset.source
    assert not table.dataset.schema
    assert not table.dataset.profile


def test_what_it_was_made_with_is_logged(uri: str, registered: Registered) -> None:
    from importlib.metadata import version

    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    lines = Path(client.download_artifacts(registered.run_id, "environment.txt")).read_text().splitlines()
    assert lines[0].startswith("# Python 3.11.")
    assert {f"lightgbm=={version('lightgbm')}", f"mlflow=={version('mlflow')}"} <= set(lines)
    lock = Path(__file__).parent.parent / "requirements.lock"
    tags = client.get_run(registered.run_id).data.tags
    assert hashlib.sha256(lock.read_bytes()).hexdigest() == tags["lock_digest"]


LOADED_ELSEWHERE = """
import sys
import mlflow, numpy, pandas
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(f"models:/churn-risk/{sys.argv[2]}")
risk = model.predict(pandas.read_parquet(sys.argv[3]))
assert not {"models", "features", "pipeline"} & set(sys.modules), "the product is not needed"
numpy.save(sys.argv[4], risk)
"""


def _loaded_elsewhere(uri: str, version: int, accounts: pd.DataFrame, folder: Path) -> NDArray[np.float64]:
    """The risk that another tool gets from MLflow, in a process of its own, away from our sources."""
    accounts.to_parquet(folder / "accounts.parquet")
    code = [sys.executable, "-c", LOADED_ELSEWHERE, uri, str(version), folder / "accounts.parquet", folder / "risk.npy"]
    ran = subprocess.run(code, cwd=folder, capture_output=True, text=True, check=False)
    assert 0 == ran.returncode, ran.stderr
    return np.asarray(np.load(folder / "risk.npy"))


def test_other_tools_get_the_calibrated_risk(uri: str, registered: Registered, tmp_path: Path) -> None:
    """From named columns: numbers as they are, words as words; what is missing or was never seen is unknown."""
    known, model, _ = trained()
    accounts = known.frame[[feature.name for feature in FEATURES]].head(300).copy()
    accounts["plan"] = accounts["plan"].where(accounts.index % 7 > 0, None).replace("plus", "a new plan")
    accounts.loc[::5, "use_change"] = np.nan
    seen = _loaded_elsewhere(uri, registered.version, accounts, tmp_path)
    np.testing.assert_allclose(seen, model.risk(accounts, threads=1), rtol=0, atol=1e-9)
    assert 0.0 < seen.min() < seen.max() < 1.0


def test_a_column_that_is_absent_is_named(uri: str, registered: Registered) -> None:
    import mlflow

    known, _, _ = trained()
    (files,) = _files_of(uri, registered)
    loaded = mlflow.pyfunc.load_model(str(files))
    types = {column.name: str(column.type) for column in loaded.metadata.signature.inputs}
    assert {"DataType.string"} == {types.pop("plan")}
    assert {"DataType.double"} == set(types.values())
    with pytest.raises(mlflow.MlflowException, match="use_usual"):
        loaded.predict(known.frame[[feature.name for feature in FEATURES if feature.name != "use_usual"]])


def _files_of(uri: str, registered: Registered) -> list[Path]:
    from mlflow import MlflowClient

    found = MlflowClient(tracking_uri=uri).get_model_version("churn-risk", str(registered.version))
    artifacts = TrackingFolder(Path(uri.removeprefix("sqlite:///"))).artifacts
    return [file.parent for file in artifacts.glob(f"models/{found.source.rsplit('/', 1)[-1]}/artifacts/MLmodel")]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A tracking server on the loopback, with artifacts of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).parent / "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}"]
    command += ["--artifacts-destination", str(tmp_path / "served")]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", process, tmp_path / "server.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)  # with the workers that it started
            process.wait(timeout=60)


def _wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + 240
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.2)
    raise AssertionError(f"no answer from {url}: {log.read_text()}")


def test_a_tracking_server_does_as_well(run: TrainingRun, server: str, tmp_path: Path) -> None:
    """The same through HTTP: registered, made the champion, read back by us and by another tool."""
    registered = register(run, uri=server, name=NAME, experiment="Acme")
    promote(registered.version, uri=server, name=NAME, why="a test")
    assert load_champion(uri=server, name=NAME) == (run.model, 1)
    accounts = trained()[0].frame[[feature.name for feature in FEATURES]].head(50)
    seen = _loaded_elsewhere(server, registered.version, accounts, tmp_path)
    np.testing.assert_allclose(seen, run.model.risk(accounts, threads=1), rtol=0, atol=1e-9)


def test_artifacts_lie_beside_the_database_and_none_is_a_pickle(home: Path, registered: Registered) -> None:
    artifacts = home / "mlflow-artifacts"
    files = [file for file in artifacts.rglob("*") if file.is_file()]
    assert {"model.lgb", "model.json", "MLmodel", "calibration.png"} <= {file.name for file in files}
    assert not [file for file in files if file.suffix in {".pkl", ".pickle", ".skops", ".joblib"}]
    assert not [file for file in files if file.read_bytes()[:1] == b"\x80"]  # how every binary pickle begins


def test_mlflow_reports_to_nobody_and_prints_nothing(
    run: TrainingRun, uri: str, capfd: pytest.CaptureFixture[str]
) -> None:
    register(run, uri=uri, name=NAME, experiment="Acme")
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    from mlflow.telemetry.utils import is_telemetry_disabled

    assert is_telemetry_disabled()


def test_a_promotion_that_dies_half_way_leaves_a_champion_and_the_way_back(run: TrainingRun, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    kept = {"uri": f"sqlite:///{tmp_path / 'mlflow.db'}", "name": "risk"}
    for version in (1, 2, 3):
        assert register(run, experiment="Demo", **kept).version == version
    promote(1, **kept, why="first")
    dies = patch.object(MlflowClient, "set_registered_model_tag", side_effect=KeyboardInterrupt)
    with dies, pytest.raises(KeyboardInterrupt):
        promote(2, **kept, why="second")
    assert champion_version(**kept) == 2
    promote(3, **kept, why="third")
    MlflowClient(kept["uri"]).delete_model_version("risk", "2")
    assert roll_back(**kept, why="2 is gone") == (3, 1)
    assert champion_version(**kept) == 1
    with pytest.raises(NoVersion, match="that could be used was champion before"):
        roll_back(**kept, why="further")


def test_a_damaged_artifact_is_refused(run: TrainingRun, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    promote(register(run, uri=uri, name=NAME, experiment="Acme").version, uri=uri, name=NAME, why="a test")
    (file,) = (tmp_path / "mlflow-artifacts").rglob("data/model/model.lgb")
    file.write_text(file.read_text().replace("leaf_value=", "leaf_value=1", 1))
    with pytest.raises(CorruptModel, match=r"model\.lgb was changed"):
        load_champion(uri=uri, name=NAME)


def test_a_moved_folder_keeps_its_champion_and_writes_the_next_one_beside_it(run: TrainingRun, tmp_path: Path) -> None:
    """MLflow records absolute paths. The company's folder was renamed, or restored from a backup elsewhere."""
    here, there = tmp_path / "here", tmp_path / "there is room"
    promote(register(run, uri=of(here), name=NAME, experiment="Acme").version, uri=of(here), name=NAME, why="a test")
    here.rename(there)
    assert load_champion(uri=of(there), name=NAME) == (run.model, 1)
    promote(register(run, uri=of(there), name=NAME, experiment="Acme").version, uri=of(there), name=NAME, why="a test")
    assert load_champion(uri=of(there), name=NAME) == (run.model, 2)
    assert not here.exists(), "nothing is written where the folder once was"
    assert len(list(there.glob("mlflow-artifacts/models/*/artifacts/data/model/model.lgb"))) == 2


def test_a_copy_reads_its_own_files(run: TrainingRun, tmp_path: Path) -> None:
    """A copy that read the original's files would break with it, and change with it."""
    original, copy = tmp_path / "original", tmp_path / "copy"
    promote(
        register(run, uri=of(original), name=NAME, experiment="Acme").version, uri=of(original), name=NAME, why="a test"
    )
    shutil.copytree(original, copy)
    (file,) = original.rglob("data/model/model.lgb")
    file.write_text("damaged")
    assert load_champion(uri=of(copy), name=NAME) == (run.model, 1)


def test_a_database_without_its_artifacts_says_where_they_were_looked_for(run: TrainingRun, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    promote(register(run, uri=of(here), name=NAME, experiment="Acme").version, uri=of(here), name=NAME, why="a test")
    there.mkdir()
    (here / "mlflow.db").rename(there / "mlflow.db")
    assert load_champion(uri=of(there), name=NAME) == (run.model, 1)
    shutil.rmtree(here)
    with pytest.raises(CorruptModel) as refused:
        load_champion(uri=of(there), name=NAME)
    assert f"neither in {there / 'mlflow-artifacts'}" in str(refused.value)
    assert f"where they were written, {here / 'mlflow-artifacts'}" in str(refused.value)
    assert "Put the folder mlflow-artifacts back beside mlflow.db, or train again" in str(refused.value)


def of(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def test_settings_of_any_length_and_name_are_logged(run: TrainingRun, tmp_path: Path) -> None:
    """A company names its own columns: MLflow takes neither every sign in a parameter's name nor any length of it."""
    from mlflow import MlflowClient

    columns = {f"Größe ({number} m²)": "x" for number in range(150)} | {"说明": "y" * 7000, "n" * 300: "z", "a//b": "q"}
    settings = {"churn": {"horizon_days": 28}, "data": {"columns": {"accounts": columns}}}
    client = MlflowClient(tracking_uri=of(tmp_path))
    uri = of(tmp_path)
    registered = register(replace(run, settings=settings), uri=uri, name=NAME, experiment="Acme")
    logged = client.get_run(registered.run_id)
    assert "28" == logged.data.params["settings.churn.horizon_days"]
    assert not [key for key in logged.data.params if key.startswith("settings.data")]
    assert settings == json.loads(Path(client.download_artifacts(registered.run_id, "settings.json")).read_text())


TWO_AT_ONCE = """
import sys, time
from pathlib import Path
import mlflow.pyfunc
from models.churn_model import ChurnModel
from models.registry import TrainingRun, register
folder, me = Path(sys.argv[1]), sys.argv[2]
run = TrainingRun(model=ChurnModel.load(folder / "model"), settings={}, tables={})
(folder / f"ready_{me}").touch()
while len(list(folder.glob("ready_*"))) < 2:
    time.sleep(0.001)
print(register(run, uri=f"sqlite:///{folder / 'mlflow.db'}", name="churn-risk", experiment="Acme").version)
"""


def test_two_first_trainings_at_once_both_arrive(run: TrainingRun, tmp_path: Path) -> None:
    """MLflow sets its database up table by table, and the second to begin used to find half of them."""
    run.model.save(tmp_path / "model")
    both = [
        subprocess.Popen(
            [sys.executable, "-c", TWO_AT_ONCE, tmp_path, name],
            cwd=Path(__file__).parent.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "other")
    ]
    ended = [process.communicate(timeout=300) for process in both]
    assert [0, 0] == [process.returncode for process in both], ended
    assert ["1", "2"] == sorted(out.strip() for out, _ in ended)


def test_whoever_waits_too_long_for_the_database_is_told(tmp_path: Path) -> None:
    folder = TrackingFolder(tmp_path / "mlflow.db")
    with (
        folder.locked(),
        pytest.raises(TrackingFailed, match=r"Another run has held .*mlflow\.db\.lock.*Run again when it is done\."),
        TrackingFolder(tmp_path / "mlflow.db").locked(patience=0.2),
    ):
        raise AssertionError("two held it at once")
    with folder.locked(patience=0.0):
        pass
