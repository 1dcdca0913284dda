"""The models that the store keeps, so that a night needs no MLflow, and an old night can be looked at without it.

The champion is copied at its promotion, and by the first night that reads another from MLflow than the store has.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile

from sqlalchemy import Connection, Engine, func, insert, select

from models.churn_model import ChurnModel
from models.errors import CorruptModel, ModelRefusal, NoChampion, TrackingFailed
from models.registry import load_champion, load_version
from models.tracking_folder import TrackingFolder
from pipeline.errors import StoreError, StoreOutdated, UsageError
from pipeline.settings import Settings
from pipeline.store.connection import connect, reading, refuse_other_revision, retried, writing
from pipeline.store.lease import Lease
from pipeline.store.making import prepare
from pipeline.store.nights import Night
from pipeline.store.schema import CHAMPIONS, LEASE, MODELS

__all__ = ["Champion", "champion", "champion_of", "copy_champion", "model_of"]

_LAST: Final = select(func.max(CHAMPIONS.c.number))


@dataclass(frozen=True)
class Champion:
    """The model of the night and its version; `warning` where MLflow could not give it and the store's copy did."""

    model: ChurnModel
    version: int
    warning: str | None = None


def champion(lease: Lease, settings: Settings) -> Champion:
    """The champion: MLflow's, which is then kept in the store, or the store's copy where MLflow cannot give it.

    Raises
    ------
    NoChampion
        When MLflow answers that there is none; where its database is gone, when the store has no copy either.
    TrackingFailed, CorruptModel
        When MLflow does not answer or its files are damaged, and the store has no copy.
    """
    registry = settings.registry()
    failure: Exception | None = None
    before = retried(lambda: _last_number(lease.engine))
    try:
        model, version = load_champion(**registry)
    except (TrackingFailed, CorruptModel) as error:
        failure = error
    except NoChampion as error:
        folder = TrackingFolder.of(registry["uri"])
        if folder is None or folder.database.exists():
            raise
        failure = error  # there is nobody to answer: a disk that is not mounted, a machine that is new
    if failure is not None:
        kept = retried(lambda: champion_of(lease.engine, registry["name"]))
        if kept is None:
            raise failure
        return replace(kept, warning=_told(failure, kept.version))

    def keep() -> None:
        with lease.writing() as connection:
            if connection.execute(_LAST).scalar() == before:  # else a promotion has kept its own meanwhile
                _keep(connection, model, version, registry["name"])

    retried(keep)
    return Champion(model, version)


def champion_of(engine: Engine, name: str, then: datetime | None = None) -> Champion | None:
    """The last champion of that name, or who was it then, as the store remembers; None where it remembers nobody."""
    of_name = select(CHAMPIONS.c.digest, CHAMPIONS.c.version).where(CHAMPIONS.c.name == name)
    if then is not None:
        of_name = of_name.where(CHAMPIONS.c.since < then)
    with reading(engine) as connection:
        found = connection.execute(of_name.order_by(CHAMPIONS.c.number.desc()).limit(1)).first()
        model = None if found is None else _kept(connection, found.digest)
    return None if found is None or model is None else Champion(model, found.version)


def copy_champion(settings: Settings, note: Callable[[str], None]) -> None:
    """Copy the champion of MLflow into the store, which is made where there is none.

    A store that cannot be written to does not undo a promotion: `note` is told, and the next night makes the copy.
    """
    try:
        model, version = load_champion(**settings.registry())
        engine = connect(settings.located(settings.store.url))
    except (TrackingFailed, ModelRefusal, UsageError) as failure:
        note(f"The store has no copy of the champion yet; the next night makes one. {failure}")
        return
    try:
        prepare(engine)
        with writing(engine) as connection:
            refuse_other_revision(connection)
            connection.execute(select(LEASE).with_for_update())  # a night may be keeping the same one
            _keep(connection, model, version, settings.tracking.model)
    except (StoreError, StoreOutdated) as failure:
        note(f"The store has no copy of version {version} yet; the next night makes one. {failure}")
    finally:
        engine.dispose()


def model_of(of: Night, settings: Settings) -> ChurnModel:
    """The model that scored a night: the store's copy, else MLflow's version of that number.

    Raises `NoVersion`, `CorruptModel` or `TrackingFailed` where neither is to be had.
    """
    engine = connect(settings.located(settings.store.url))
    try:
        kept = retried(lambda: _read(engine, of.headline.get("model_digest")))  # absent from nights of an older churn
    finally:
        engine.dispose()
    return kept or load_version(int(of.model_version), **settings.registry())


def _last_number(engine: Engine) -> int | None:
    with reading(engine) as connection:
        return connection.execute(_LAST).scalar()


def _read(engine: Engine, digest: str | None) -> ChurnModel | None:
    with reading(engine) as connection:
        return _kept(connection, digest)


def _keep(connection: Connection, model: ChurnModel, version: int, name: str) -> None:
    """Keep the model where the store has it not yet, and that it is the champion where another was."""
    if connection.execute(select(MODELS.c.digest).where(MODELS.c.digest == model.digest)).first() is None:
        connection.execute(insert(MODELS).values(digest=model.digest, content=_packed(model)))
    of_name = select(CHAMPIONS.c.version, CHAMPIONS.c.digest).where(CHAMPIONS.c.name == name)
    newest = connection.execute(of_name.order_by(CHAMPIONS.c.number.desc()).limit(1)).first()
    if newest is None or tuple(newest) != (version, model.digest):
        now = {"name": name, "version": version, "digest": model.digest, "since": datetime.now(UTC)}
        connection.execute(insert(CHAMPIONS).values(**now))


def _packed(model: ChurnModel) -> bytes:
    """The model's files as one."""
    packed = io.BytesIO()
    with TemporaryDirectory() as folder, ZipFile(packed, "w", ZIP_DEFLATED) as files:
        model.save(Path(folder))
        for file in sorted(Path(folder).iterdir()):
            files.write(file, file.name)
    return packed.getvalue()


def _kept(connection: Connection, digest: str | None) -> ChurnModel | None:
    """The model of that digest; None where the store has none that this version can read."""
    content = connection.execute(select(MODELS.c.content).where(MODELS.c.digest == digest)).scalar()
    if content is None:
        return None
    with TemporaryDirectory() as folder, ZipFile(io.BytesIO(content)) as files:
        files.extractall(folder)
        try:
            return ChurnModel.load(Path(folder))
        except CorruptModel:
            return None


def _told(failure: Exception, version: int) -> str:
    reason = str(failure).splitlines()[0]
    return f"The champion was read from the store's copy of version {version}, for MLflow could not give it: {reason}"
