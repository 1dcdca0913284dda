"""The models that the store keeps: a night without MLflow is scored by the copy of the champion, and says so."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from known_risk import trained
from sample_nights import NIGHT
from sqlalchemy import Engine, select

from models.calibration import Calibration
from models.churn_model import ChurnModel
from models.errors import CorruptModel, NoChampion, TrackingFailed
from models.registry import TrainingRun, register
from models.succession import promote
from pipeline.kept_models import champion, copy_champion, model_of
from pipeline.settings import Settings
from pipeline.settings_file import read_settings
from pipeline.store.connection import reading
from pipeline.store.lease import leased
from pipeline.store.nights import Night
from pipeline.store.schema import CHAMPIONS, MODELS

NOWHERE = "http://127.0.0.1:9"
Company = Callable[..., Settings]


@pytest.fixture
def company(tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch) -> Company:
    """Settings with that store and a MLflow of their own, or another one."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    (tmp_path / "a.csv").write_text("account_id\n", encoding="utf-8")

    def settings(uri: str = "sqlite:///mlflow.db") -> Settings:
        text = f'[data]\naccounts = "a.csv"\nsubscriptions = "a.csv"\n[store]\nurl = "{store_url}"\n'
        (tmp_path / "churn.toml").write_text(f'{text}[tracking]\nuri = "{uri}"\n', encoding="utf-8")
        return read_settings(tmp_path / "churn.toml")

    return settings


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a registry that has two versions, of which the first is the champion."""
    home = tmp_path_factory.mktemp("registry")
    kept = {"uri": f"sqlite:///{home / 'mlflow.db'}", "name": "churn-risk"}
    for each in models():
        register(TrainingRun(each, settings={}, tables={}), experiment="Acme", **kept)
    promote(1, **kept, why="a test")
    return home


def models() -> tuple[ChurnModel, ChurnModel]:
    _, model, _ = trained()
    return model, replace(model, calibration=Calibration(a=0.5, b=0.0))


@pytest.fixture
def tracked(registry: Path, tmp_path: Path) -> None:
    shutil.copytree(registry, tmp_path, dirs_exist_ok=True)


def champions(store: Engine) -> list[Any]:
    with reading(store) as connection:
        return list(connection.execute(select(CHAMPIONS.c.version, CHAMPIONS.c.digest).order_by(CHAMPIONS.c.number)))


@pytest.mark.usefixtures("tracked")
def test_the_champion_is_kept_once(company: Company, store: Engine) -> None:
    """And again when another takes its place; a former one that comes back is no other model."""
    settings, (first, second) = company(), models()
    for _ in range(2):
        with leased(store) as lease:
            found = champion(lease, settings)
    assert (first, 1, None) == (found.model, found.version, found.warning)
    promote(2, **settings.registry(), why="a test")
    copy_champion(settings, pytest.fail)
    promote(1, **settings.registry(), why="a test")
    with leased(store) as lease:
        champion(lease, settings)
    assert [(1, first.digest), (2, second.digest), (1, first.digest)] == champions(store)
    with reading(store) as connection:
        assert {first.digest, second.digest} == set(connection.execute(select(MODELS.c.digest)).scalars())


@pytest.mark.usefixtures("tracked")
def test_without_mlflow_the_night_has_the_copy_and_says_so(company: Company, store: Engine) -> None:
    copy_champion(company(), pytest.fail)
    with leased(store) as lease:
        found = champion(lease, company(NOWHERE))
    assert (models()[0], 1) == (found.model, found.version)
    assert found.warning is not None
    assert found.warning.startswith("The champion was read from the store's copy of version 1, for MLflow could not")


@pytest.mark.usefixtures("tracked")
def test_a_corrupt_booster_is_replaced_by_the_copy(company: Company, store: Engine, tmp_path: Path) -> None:
    settings = company()
    copy_champion(settings, pytest.fail)
    for file in tmp_path.rglob("model.lgb"):
        file.write_text(file.read_text().replace("leaf_value=", "leaf_value=9", 1))
    with leased(store) as lease:
        found = champion(lease, settings)
    assert models()[0] == found.model
    assert "was changed after it was saved" in (found.warning or "")


def test_without_mlflow_and_without_a_copy_there_is_no_night(company: Company, store: Engine) -> None:
    with leased(store) as lease, pytest.raises(TrackingFailed):
        champion(lease, company(NOWHERE))


@pytest.mark.usefixtures("tracked")
def test_a_corrupt_booster_without_a_copy_is_refused(company: Company, store: Engine, tmp_path: Path) -> None:
    settings = company()
    for file in tmp_path.rglob("model.lgb"):
        file.write_text("tree\n")
    with leased(store) as lease, pytest.raises(CorruptModel):
        champion(lease, settings)


@pytest.mark.usefixtures("tracked")
def test_where_mlflow_says_that_there_is_no_champion_there_is_none(company: Company, store: Engine) -> None:
    """Somebody took it away: the copy must not bring it back."""
    from mlflow import MlflowClient

    settings = company()
    copy_champion(settings, pytest.fail)
    MlflowClient(settings.registry()["uri"]).delete_registered_model_alias("churn-risk", "champion")
    with leased(store) as lease, pytest.raises(NoChampion):
        champion(lease, settings)


@pytest.mark.usefixtures("tracked")
def test_a_database_of_mlflow_that_is_gone_is_nobody_who_answers(
    company: Company, store: Engine, tmp_path: Path
) -> None:
    """A disk that is not mounted, a machine that is new."""
    settings = company()
    (tmp_path / "mlflow.db").rename(tmp_path / "away.db")
    with leased(store) as lease, pytest.raises(NoChampion):
        champion(lease, settings)
    (tmp_path / "away.db").rename(tmp_path / "mlflow.db")
    copy_champion(settings, pytest.fail)
    (tmp_path / "mlflow.db").unlink()
    with leased(store) as lease:
        assert 1 == champion(lease, settings).version


def test_what_mlflow_says_is_told_without_its_password(company: Company, store: Engine) -> None:
    secret = company("http://ann:hunter2@127.0.0.1:9")
    with leased(store) as lease, pytest.raises(TrackingFailed) as failed:
        champion(lease, secret)
    assert "hunter2" not in str(failed.value)


@pytest.mark.usefixtures("tracked")
def test_a_promotion_stands_where_the_store_cannot_be_written_to(company: Company, store: Engine) -> None:
    """The next night makes the copy."""
    settings = company()
    told: list[str] = []
    away = settings.model_copy(update={"store": settings.store.model_copy(update={"url": "sqlite:////nowhere/a.db"})})
    copy_champion(away, told.append)
    assert 1 == len(told)
    assert "The store has no copy of version 1 yet; the next night makes one." in told[0]


@pytest.mark.usefixtures("tracked")
def test_an_old_night_finds_its_model_in_the_store(company: Company, store: Engine) -> None:
    copy_champion(company(), pytest.fail)
    of = night_scored_by(models()[0].digest)
    assert models()[0] == model_of(of, company(NOWHERE))
    with pytest.raises(TrackingFailed):
        model_of(night_scored_by("another"), company(NOWHERE))


def night_scored_by(digest: str) -> Night:
    from sample_nights import NOW

    headline = {"model_digest": digest}
    return Night("r1", NIGHT, "1", "c", NOW, NOW, 1, "0", headline, (), in_sample=False)
