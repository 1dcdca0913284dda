"""The registry, against a real MLflow on SQLite: what is logged can be found, loaded and read without a pickle."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from known_risk import FEATURES, trained

from models.errors import CorruptModel, NoChampion, TrackingFailed
from models.evaluate import evaluate
from models.registry import Registered, TrainingRun, load_champion, register
from models.succession import promote
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
        table_digests={"accounts": "3f2a"},
        evaluations={"backtest": evaluate(known.frame, model.risk(known.frame, threads=1), capacity=20, draws=50)},
        documents={"fit": report.as_record()},
        card="# A card\n",
        plots=plots,
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


def test_other_tools_can_load_it_and_the_signature_is_float64(uri: str, registered: Registered) -> None:
    import mlflow
    import numpy as np
    import pandas as pd

    known, model, _ = trained()
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    mlflow.set_tracking_uri(uri)
    try:
        loaded = mlflow.pyfunc.load_model(f"models:/{NAME}/{registered.version}")
    finally:
        mlflow.set_tracking_uri(before)
    assert {str(column.type) for column in loaded.metadata.signature.inputs} == {"DataType.double"}
    matrix = pd.DataFrame(model.matrix(known.frame.head(5)), columns=[feature.name for feature in FEATURES])
    np.testing.assert_allclose(loaded.predict(matrix), model.booster.predict(matrix.to_numpy(), num_threads=1))


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


def test_a_damaged_artifact_is_refused(run: TrainingRun, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    promote(register(run, uri=uri, name=NAME, experiment="Acme").version, uri=uri, name=NAME, why="a test")
    (file,) = (tmp_path / "mlflow-artifacts").rglob("extra_files/model.lgb")
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
    assert len(list(there.glob("mlflow-artifacts/models/*/artifacts/extra_files/model.lgb"))) == 2


def test_a_copy_reads_its_own_files(run: TrainingRun, tmp_path: Path) -> None:
    """A copy that read the original's files would break with it, and change with it."""
    original, copy = tmp_path / "original", tmp_path / "copy"
    promote(
        register(run, uri=of(original), name=NAME, experiment="Acme").version, uri=of(original), name=NAME, why="a test"
    )
    shutil.copytree(original, copy)
    (file,) = original.rglob("extra_files/model.lgb")
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
import mlflow.lightgbm
from models.churn_model import ChurnModel
from models.registry import TrainingRun, register
folder, me = Path(sys.argv[1]), sys.argv[2]
run = TrainingRun(model=ChurnModel.load(folder / "model"), settings={}, table_digests={})
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
