"""A warehouse as the source of the nights: a real PostgreSQL, read by a role that may only select."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
import warehouse
from command_line import ONE_THREAD, churn
from warehouse import SCHEMA

from pipeline.settings_file import read_settings
from pipeline.sources import digests, open_sources

GROWING = {"usage", "page_visits"}


def files(config: Path) -> dict[str, str]:
    return {name: str(source) for name, source in read_settings(config).data.sources.items()}


def told(stderr: str) -> dict[str, dict[str, Any]]:
    """What the run log tells of each table: rows read from the warehouse, rows in the copy."""
    lines = [json.loads(line) for line in stderr.splitlines() if line.startswith('{"at": ')]
    return {line["table"]: line for line in lines if "rows_read" in line}


def companion(config: Path, folder: Path, owner: str | None = None) -> Path:
    """The same company in another folder, with its champion and store; its tables in the warehouse, if there is one."""
    folder.mkdir(exist_ok=True)
    for name in ("mlflow.db", "mlflow-artifacts", "churn.db"):
        place = config.parent / name
        (shutil.copytree if place.is_dir() else shutil.copy)(place, folder / name)
    text = config.read_text(encoding="utf-8")
    if owner is not None:
        for name, source in files(config).items():
            assert f'{name} = "{source}"' in text
            text = text.replace(f'{name} = "{source}"', f'{name} = "{SCHEMA}.{name}"')
        text = text.replace("[data]", f'[data]\nconnection = "{warehouse.as_reader(owner)}"')
    (folder / "churn.toml").write_text(text, encoding="utf-8")
    return folder / "churn.toml"


def night(config: Path) -> tuple[bytes, dict[str, dict[str, Any]]]:
    """The book of a night that is run now, and what its log tells of the tables."""
    scored = churn("score", "-c", config, "--out", config.parent / "night.csv")
    assert 0 == scored.exit_status, scored.stderr
    return (config.parent / "night.csv").read_bytes(), told(scored.stderr)


def test_the_night_is_the_same_as_from_files(trained_demo: Path, postgres: str, tmp_path: Path) -> None:
    """Every row arrives as it is, every score is equal, nothing is written there, a second night reads what is new."""
    owner = warehouse.database(postgres, "demo")
    tables = {name: f"'{trained_demo.parent / source}'" for name, source in files(trained_demo).items()}
    warehouse.load(owner, tables, tmp_path)
    company = companion(trained_demo, tmp_path / "company", owner)
    before = warehouse.written(owner)
    book, rows = night(company)
    assert before == warehouse.written(owner)
    exported = churn("export", "-c", trained_demo, "--out", tmp_path / "files.csv")
    assert 0 == exported.exit_status, exported.stderr
    assert (tmp_path / "files.csv").read_bytes() == book
    opened = [open_sources(read_settings(config)) for config in (trained_demo, company)]
    try:
        assert digests(opened[0]) == digests(opened[1])
    finally:
        for each in opened:
            each.close()
    assert tables.keys() == rows.keys()
    assert all(each["rows_read"] == each["rows"] > 0 for each in rows.values())
    again, second = night(company)
    assert book == again
    for name, first in rows.items():
        assert first["rows"] == second[name]["rows"]
        assert (second[name]["rows_read"] < first["rows"] / 10) == (name in GROWING)


@pytest.mark.slow
def test_five_million_rows_of_use(trained_demo: Path, postgres: str, tmp_path: Path) -> None:
    """Scores as from files, memory that does not grow with the rows, and a second night that reads only new ones."""
    files_only = companion(trained_demo, tmp_path / "files")
    shutil.copytree(trained_demo.parent / "data", tmp_path / "files" / "data")
    use = tmp_path / "files" / "data" / "usage"
    with duckdb.connect() as engine:
        (count,) = engine.execute(f"SELECT count(*) FROM '{use}/*.parquet'").fetchone() or (0,)
        times = -(-5_000_000 // count)
        more = f"SELECT u.* REPLACE (occurred_at - i * INTERVAL 1 SECOND AS occurred_at) FROM '{use}/*.parquet' u"
        engine.execute(f"COPY ({more}, range({times}) r(i)) TO '{tmp_path}/usage.parquet'")
    for file in use.iterdir():
        file.unlink()
    shutil.move(tmp_path / "usage.parquet", use / "all.parquet")
    owner = warehouse.database(postgres, "large")
    tables = {name: f"'{tmp_path / 'files' / source}'" for name, source in files(trained_demo).items()}
    warehouse.load(owner, tables, tmp_path)
    company = companion(trained_demo, tmp_path / "company", owner)
    before = warehouse.written(owner)
    book, rows = night(company)
    assert before == warehouse.written(owner)
    assert count * times == rows["usage"]["rows_read"] >= 5_000_000
    assert night(files_only)[0] == book

    with psycopg.connect(owner) as connection:
        arrived = f"SELECT max(recorded_at) FROM {SCHEMA}.usage"
        again = connection.execute(
            f"SELECT count(*) FROM {SCHEMA}.usage WHERE recorded_at >= date_trunc('day', ({arrived})) - interval '7 d'"
        ).fetchone()
    assert again is not None
    same, second = night(company)
    assert book == same
    assert (again[0], count * times) == (second["usage"]["rows_read"], second["usage"]["rows"])
    assert again[0] < count * times / 20

    tenth = {"CHURN__DATA__USAGE": f'{{"sql": "SELECT * FROM {SCHEMA}.usage LIMIT 500000"}}'}
    of_tenth, of_all = peak_mb(company, tmp_path / "tenth", tenth), peak_mb(company, tmp_path / "all", {})
    assert of_all < of_tenth + 60, (of_tenth, of_all)


def peak_mb(config: Path, cache: Path, env: dict[str, str]) -> float:
    """The most memory that a process holds while it copies all tables."""
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom pipeline.settings_file import read_settings\n"
        "from pipeline.warehouse.copies import local_copy\nlocal_copy(read_settings(Path(sys.argv[1])))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)\n"
    )
    env = {**os.environ, **ONE_THREAD, **env, "CHURN__DATA__CACHE": str(cache)}
    ran = subprocess.run([sys.executable, "-c", code, config], env=env, capture_output=True, text=True, check=True)
    return float(ran.stdout)
