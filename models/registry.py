"""The registry: a training run with its parts and its model logged to MLflow, and the champion read back.

Works with a tracking server and with a SQLite database, see `tracking_folder`.
"""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np

from models.churn_model import ChurnModel
from models.environment import installed, lock_digest
from models.errors import CorruptModel, NoChampion, NoVersion
from models.evaluate import Evaluation
from models.tracking import ABSENT, tracking, without_password
from models.tracking_folder import ARTIFACTS, TrackingFolder, local_path

__all__ = [
    "CHAMPION",
    "PartRun",
    "Registered",
    "TrainingRun",
    "load_champion",
    "load_version",
    "register",
    "versions_trained_on",
]

CHAMPION: Final = "champion"
OUR_FILES: Final = "data/model"
LOADER: Final = Path(__file__).with_name("served_model.py")
LONGEST_PARAMETER: Final = 500
LONGEST_PARAMETER_NAME: Final = 250


@dataclass(frozen=True)
class PartRun:
    """A part of a training that is a run of its own below it: a fold of the backtest, a trial of the tuning."""

    name: str
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]
    evaluations: Mapping[str, Evaluation] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingRun:
    """What one training leaves behind.

    `settings` must hold no secrets. `tables` has `rows` and `digest` of each. `evaluations` become metrics under their
    names, `documents` JSON files under theirs; `card` is Markdown, `plots` a folder of pictures.
    """

    model: ChurnModel
    settings: Mapping[str, Any]
    tables: Mapping[str, Mapping[str, Any]]
    evaluations: Mapping[str, Evaluation] = field(default_factory=dict)
    documents: Mapping[str, Any] = field(default_factory=dict)
    card: str | None = None
    plots: Path | None = None
    parts: Sequence[PartRun] = ()


@dataclass(frozen=True)
class Registered:
    """Where a model can be found again."""

    name: str
    version: int
    run_id: str


def register(run: TrainingRun, *, uri: str, name: str, experiment: str) -> Registered:
    """Log a run with all that belongs to it and register its model as a new version of `name`, without promoting it.

    `uri` is `sqlite:////absolute/mlflow.db` or a tracking server's address.
    """
    with tracking(uri) as mlflow, tempfile.TemporaryDirectory() as folder:
        files = Path(folder)
        run.model.save(files / "model")
        client = mlflow.MlflowClient()
        with mlflow.start_run(experiment_id=_experiment(client, TrackingFolder.of(uri), experiment)) as active:
            mlflow.log_params(_parameters(run))
            mlflow.log_metrics(_metrics(run.evaluations))
            digests = {"model_digest": run.model.digest, "tree_digest": run.model.tree_digest}
            mlflow.set_tags(digests | ({} if (lock := lock_digest()) is None else {"lock_digest": lock}))
            _log_tables(mlflow, run.tables)
            mlflow.log_text(installed(), "environment.txt")
            documents = {
                "settings": run.settings,
                "tables": run.tables,
                "catalogue": [feature.as_record() for feature in run.model.catalogue],
                "evaluations": {key: evaluation.as_record() for key, evaluation in run.evaluations.items()},
                **run.documents,
            }
            for title, content in documents.items():
                text = json.dumps(content, indent=1, ensure_ascii=False, default=str)
                mlflow.log_text(text, f"{title}.json")
            if run.card is not None:
                mlflow.log_text(run.card, "model_card.md")
            if run.plots is not None:
                mlflow.log_artifacts(str(run.plots), "plots")
            for part in run.parts:
                _log_part(mlflow, client, part, active.info)
            logged = _log_model(mlflow, run.model, files / "model")
        version = _new_version(client, name, logged.model_uri, active.info.run_id, logged.model_id)
        return Registered(name, version, active.info.run_id)


def load_champion(*, uri: str, name: str) -> tuple[ChurnModel, int]:
    """The champion and its version. Raises `NoChampion` where none was promoted, `CorruptModel` where its files are."""
    missing = NoChampion(f"No model {name!r} has the alias {CHAMPION!r} in {without_password(uri)}. Run: churn train.")
    folder = TrackingFolder.of(uri)
    if folder is not None and not folder.database.exists():
        raise missing  # asking MLflow would create the database
    with tracking(uri) as mlflow:
        try:
            found = mlflow.MlflowClient().get_model_version_by_alias(name, CHAMPION)
        except mlflow.MlflowException as error:
            if error.error_code in ABSENT:
                raise missing from error
            raise
        return _load(mlflow, folder, name, int(found.version)), int(found.version)


def load_version(version: int, *, uri: str, name: str) -> ChurnModel:
    """One registered version. Raises `NoVersion` where there is none, `CorruptModel` where its files are damaged."""
    missing = NoVersion(
        f"There is no version {version} of the model {name!r} in {without_password(uri)}. Was it deleted, or the "
        "registry set up anew? Set [tracking] uri and model to the registry that holds it."
    )
    folder = TrackingFolder.of(uri)
    if folder is not None and not folder.database.exists():
        raise missing
    with tracking(uri) as mlflow:
        client = mlflow.MlflowClient()
        try:
            client.get_model_version(name, str(version))
        except mlflow.MlflowException as error:
            if error.error_code not in ABSENT:
                raise
            there = sorted(int(each.version) for each in client.search_model_versions(f"name = '{name}'"))
            listed = f" The newest there: {', '.join(map(str, there[-10:]))}." if there else ""
            raise NoVersion(f"{missing}{listed}") from error
        return _load(mlflow, folder, name, version)


def versions_trained_on(day: date, *, uri: str, name: str) -> Iterator[int]:
    """The versions that were trained as of that day, newest first; each is asked for when it is wanted."""
    folder = TrackingFolder.of(uri)
    if folder is not None and not folder.database.exists():
        return
    with tracking(uri) as mlflow:
        client = mlflow.MlflowClient()
        versions = client.search_model_versions(f"name = '{name}'")
    for version, run_id in sorted(((int(each.version), each.run_id) for each in versions), reverse=True):
        with tracking(uri) as mlflow:
            trained_on = mlflow.MlflowClient().get_run(run_id).data.params.get("trained_on")
        if trained_on == str(day):
            yield version


def _load(mlflow: ModuleType, folder: TrackingFolder | None, name: str, version: int) -> ChurnModel:
    moved = None if folder is None else _beside(mlflow.MlflowClient(), folder, name, version)
    return _download(mlflow, name, version) if moved is None else ChurnModel.load(moved / OUR_FILES)


def _beside(client: Any, folder: TrackingFolder, name: str, version: int) -> Path | None:
    """The version's files beside the database, wherever that lies today; None where MLflow has to be asked for them.

    Raises `CorruptModel` where they are nowhere.
    """
    location = client.get_model_version_download_uri(name, str(version))
    beside, written = folder.beside(location), local_path(location)
    if beside is None or beside.is_dir():
        return beside
    if written is not None and written.is_dir():
        return None
    raise CorruptModel(
        f"The files of {name} version {version} are neither in {beside} nor where they were written, {written}. Put "
        f"the folder {ARTIFACTS} back beside {folder.database.name}, or train again: churn train."
    )


def _download(mlflow: ModuleType, name: str, version: int) -> ChurnModel:
    with tempfile.TemporaryDirectory() as folder:
        path = mlflow.artifacts.download_artifacts(artifact_uri=f"models:/{name}/{version}", dst_path=folder)
        return ChurnModel.load(Path(path) / OUR_FILES)


def _log_tables(mlflow: ModuleType, tables: Mapping[str, Mapping[str, Any]]) -> None:
    """Each table as an input of the run: its digest and rows. No address goes with it, for one may hold a password."""
    nowhere = mlflow.data.code_dataset_source.CodeDatasetSource(tags={})
    for name, table in tables.items():
        known = mlflow.data.meta_dataset.MetaDataset(nowhere, name=name, digest=str(table["digest"]))
        mlflow.log_input(known, context="training", tags={"rows": str(table["rows"])})


def _log_part(mlflow: ModuleType, client: Any, part: PartRun, parent: Any) -> None:
    tags = {"mlflow.parentRunId": parent.run_id, "mlflow.runName": part.name, "mlflow.user": parent.user_id}
    child = client.create_run(parent.experiment_id, tags=tags).info
    metrics = {**part.metrics, **_metrics(part.evaluations)}
    client.log_batch(
        child.run_id,
        metrics=[mlflow.entities.Metric(name, value, child.start_time, 0) for name, value in metrics.items()],
        params=[mlflow.entities.Param(name, str(value)) for name, value in part.parameters.items()],
    )
    client.set_terminated(child.run_id)


def _log_model(mlflow: ModuleType, model: ChurnModel, files: Path) -> Any:
    """Our own files, which are what we read, and beside them the one file that makes of them a risk for other tools."""
    from importlib.metadata import version

    types, column = mlflow.types.DataType, mlflow.types.ColSpec
    kinds = {"category": types.string}
    inputs = [column(kinds.get(feature.kind, types.double), feature.name) for feature in model.features]
    schema = mlflow.types.Schema
    return mlflow.pyfunc.log_model(
        name="model",
        loader_module=LOADER.stem,
        code_paths=[str(LOADER)],
        data_path=str(files),
        signature=mlflow.models.ModelSignature(inputs=schema(inputs), outputs=schema([column(types.double)])),
        pip_requirements=[f"{package}=={version(package)}" for package in ("lightgbm", "numpy", "pandas")],
    )


def _new_version(client: Any, name: str, source: str, run_id: str, model_id: str) -> int:
    if not client.search_registered_models(filter_string=f"name = '{name}'"):
        client.create_registered_model(name)
    return int(client.create_model_version(name, source, run_id=run_id, model_id=model_id).version)


def _experiment(client: Any, folder: TrackingFolder | None, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None and folder is not None and folder.has_left(found.artifact_location):
        # MLflow cannot change where an experiment writes. Under its old name it would go on writing where the database
        # once lay, perhaps into a copy of it.
        old = f"{name} (experiment {found.experiment_id}, written to {found.artifact_location})"
        client.rename_experiment(found.experiment_id, old)
        found = None
    if found is not None:
        return str(found.experiment_id)
    # A server knows where its artifacts belong. Without one MLflow would put them into the working directory.
    location = None if folder is None else folder.artifacts.as_uri()
    return str(client.create_experiment(name, artifact_location=location))


def _parameters(run: TrainingRun) -> dict[str, str]:
    """What can be compared between runs: short values under names that MLflow takes. `settings.json` has all."""
    about = run.model.about
    fit = about.get("fit", {})
    plain = {
        key: value for key, value in about.items() if isinstance(value, str | int | float | bool) and key != "note"
    }
    boosting = {f"boosting.{key}": value for key, value in fit.get("parameters", {}).items()}
    settings = {f"settings.{key}": value for key, value in _flat(run.settings).items()}
    calibration = {"calibration.a": run.model.calibration.a, "calibration.b": run.model.calibration.b}
    every = plain | boosting | calibration | settings
    return {
        key: text
        for key, value in every.items()
        if len(text := str(value)) <= LONGEST_PARAMETER
        and len(key) <= LONGEST_PARAMETER_NAME
        and re.fullmatch(r"[\w.\- ]+", key)
    }


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted names."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _metrics(evaluations: Mapping[str, Evaluation]) -> dict[str, float]:
    """Value and interval of each figure, and how many departures it rests on. MLflow stores no NaN."""
    metrics: dict[str, float] = {}
    for title, evaluation in evaluations.items():
        metrics[f"{title}.departures"] = float(evaluation.departures)
        for name, figure in evaluation.figures.items():
            ends = {"": figure.value, ".low": figure.low, ".high": figure.high}
            metrics |= {f"{title}.{name}{end}": number for end, number in ends.items() if np.isfinite(number)}
    return metrics
