"""What every test stands on: one computing thread for each worker, no library that reports to its makers, and
cases that are the same in every run.

The variables are read when the libraries are first imported, so they are set here, before any test module is.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import settings
from postgres_server import running_server
from sqlalchemy import Engine

from pipeline.people.connection import connect as connect_people
from pipeline.people.schema import PEOPLE_STORE
from pipeline.store.connection import connect
from pipeline.store.schema import PUBLISHED_STORE

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

# A deadline on shared cores measures what else they were doing. A gate must not turn red by the luck of a draw; new
# cases are drawn by `pytest --hypothesis-profile default`.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


MANY_NIGHTS = {"test_bad_tables.py", "test_failures.py", "test_torture.py"}
LONGEST = ("trained_demo", "test_leaks.py", "many nights", "test_readme.py", "test_companies.py")
"""What runs first, lest it be left to one worker at the end. The second gives the first time to train the demo."""


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file stays with one worker, and so do the files that look at the trained demo; those that run most nights are a
    group of their own, for together they would outlast all other tests.
    """
    shared = {item.path for item in items if "trained_demo" in getattr(item, "fixturenames", ())}

    def group(item: pytest.Item) -> str:
        if item.path not in shared:
            return item.path.name
        return "many nights" if item.path.name in MANY_NIGHTS else "trained_demo"

    items.sort(key=lambda item: LONGEST.index(group(item)) if group(item) in LONGEST else len(LONGEST))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Versions of pytest and xdist that do not agree forget the groups in silence, and each worker trains its own."""
    if getattr(session.config.option, "loadgroup", False):
        alone = [item.nodeid for item in session.items if "@" not in item.nodeid]
        assert not alone, f"xdist keeps no groups together: {alone[:3]}"


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    """An empty engine for small companies."""
    from engine_companies import connect

    from pipeline.sources import Opened

    opened = connect()
    yield opened
    Opened(opened).close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a database in a PostgreSQL server of this worker's own."""
    with running_server() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store that is not there yet, in either database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'churn.db'}"
    address: str = request.getfixturevalue("postgres")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        connection.execute(f"DROP SCHEMA IF EXISTS {PUBLISHED_STORE.schema}, {PEOPLE_STORE.schema} CASCADE")
    return address


@pytest.fixture
def store(store_url: str) -> Iterator[Engine]:
    """The same as an engine."""
    engine = connect(store_url)
    yield engine
    engine.dispose()


@pytest.fixture
def people(store_url: str) -> Iterator[Engine]:
    """The people store beside it, which is not there yet either."""
    engine = connect_people(store_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def trained_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The settings of a small demo company, its learned model in use, its last night published.

    Nobody may change anything in it. The worker that comes first trains it, and each works on a copy of its own.
    """
    from command_line import SPARSE, learned_demo

    own = tmp_path_factory.mktemp("demo") / "company"
    if "PYTEST_XDIST_WORKER" not in os.environ:
        learned_demo(own, SPARSE)
        return own / "churn.toml"
    of_all = tmp_path_factory.getbasetemp().parent
    trained, is_done = of_all / "trained_demo", of_all / "trained_demo.done"
    with (of_all / "trained_demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_done.exists():
            shutil.rmtree(trained, ignore_errors=True)  # what failed before would be trained into
            learned_demo(trained, SPARSE)
            is_done.touch()
        shutil.copytree(trained, own)
    return own / "churn.toml"
