"""A warehouse as the source: a real PostgreSQL, read by a role that may only select."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import warehouse
from command_line import churn

from pipeline.settings import read_settings
from pipeline.sources import digests, open_sources


@pytest.fixture(scope="module")
def owner(postgres: str, trained_demo: Path) -> str:
    """The demo company's tables in a warehouse: the address for who owns it."""
    address = warehouse.database(postgres, "demo")
    warehouse.load(address, {name: str(trained_demo.parent / source) for name, source in files(trained_demo).items()})
    return address


def files(config: Path) -> dict[str, str]:
    return {name: str(source) for name, source in read_settings(config).data.sources.items()}


@pytest.fixture
def company(owner: str, trained_demo: Path, tmp_path: Path) -> Path:
    """The settings of the demo company, whose tables lie in the warehouse, with its champion and an own store."""
    for name in ("mlflow.db", "mlflow-artifacts", "churn.db"):
        place = trained_demo.parent / name
        (shutil.copytree if place.is_dir() else shutil.copy)(place, tmp_path / name)
    text = trained_demo.read_text(encoding="utf-8")
    for name, source in files(trained_demo).items():
        assert f'{name} = "{source}"' in text
        text = text.replace(f'{name} = "{source}"', f'{name} = "{warehouse.SCHEMA}.{name}"')
    text = text.replace("[data]", f'[data]\nconnection = "{warehouse.as_reader(owner)}"')
    (tmp_path / "churn.toml").write_text(text, encoding="utf-8")
    return tmp_path / "churn.toml"


def told(stderr: str) -> dict[str, dict[str, Any]]:
    """What the run log tells of each table: rows read from the warehouse, rows in the copy."""
    lines = [json.loads(line) for line in stderr.splitlines() if line.startswith('{"at": ')]
    return {line["table"]: line for line in lines if "rows_read" in line}


def test_the_night_is_the_same_as_from_files(company: Path, trained_demo: Path, owner: str) -> None:
    """Every row arrives as it is, every score is equal, and nothing is written there."""
    before = warehouse.written(owner)
    scored = churn("score", "-c", company, "--out", company.parent / "night.csv")
    assert 0 == scored.exit_status, scored.stderr
    exported = churn("export", "-c", trained_demo, "--out", company.parent / "files.csv")
    assert 0 == exported.exit_status, exported.stderr
    assert (company.parent / "files.csv").read_bytes() == (company.parent / "night.csv").read_bytes()
    assert before == warehouse.written(owner)
    opened = [open_sources(read_settings(config)) for config in (trained_demo, company)]
    try:
        assert digests(opened[0]) == digests(opened[1])
    finally:
        for each in opened:
            each.close()
    rows = told(scored.stderr)
    assert rows.keys() == files(trained_demo).keys()
    assert all(each["rows_read"] == each["rows"] > 0 for each in rows.values())
    again = churn("score", "-c", company, "--out", company.parent / "again.csv")
    assert 0 == again.exit_status, again.stderr
    assert (company.parent / "again.csv").read_bytes() == (company.parent / "night.csv").read_bytes()
    for name, first in rows.items():
        second = told(again.stderr)[name]
        assert first["rows"] == second["rows"]
        assert (second["rows_read"] < first["rows"] / 10) == (name in {"usage", "page_visits"})
