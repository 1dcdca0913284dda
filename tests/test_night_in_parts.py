"""A night in small parts publishes what it publishes in one, whoever comes, goes or is forgotten meanwhile."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command_line import churn
from sqlalchemy import select

from pipeline import evidence, tonight
from pipeline.inputs import stored_inputs
from pipeline.settings_file import read_settings
from pipeline.store.connection import connect, reading
from pipeline.store.nights import night
from pipeline.store.schema import DETAILS, EVIDENCE, INPUTS, SCORES

_OF_THE_RUN = ("run_id", "root_id")  # a root that was forgotten has another pseudonym in each store


def test_a_night_in_small_parts_is_the_same_night(
    trained_demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two nights, so that the second tells what changed since the first, whose parts end elsewhere."""
    day = read_settings(trained_demo).today()
    whole = published(trained_demo, tmp_path / "whole.db", day, monkeypatch)
    monkeypatch.setattr(evidence, "_READ_AT_ONCE", 70)
    monkeypatch.setattr(evidence, "_PART_ACCOUNTS", 30)
    in_parts = published(trained_demo, tmp_path / "parts.db", day, monkeypatch, sizes=(90, 37))
    assert whole.keys() == in_parts.keys()
    assert 1 == whole["files"]
    assert in_parts.pop("files") > whole.pop("files")
    for name, rows in whole.items():
        assert len(rows) > 100, name
        pd.testing.assert_frame_equal(rows, in_parts[name], obj=name)
    moved = whole["scores"]["change_data"].notna()
    assert 0 < moved.sum() < len(moved)


def published(
    config: Path, file: Path, day: date, monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, int] | None = None
) -> dict[str, Any]:
    """What a store holds of the second of two nights, between which the account in the middle was forgotten."""
    url = f"sqlite:///{file}"
    monkeypatch.setenv("CHURN__STORE__URL", url)
    engine = connect(url)
    for place, as_of in enumerate((day - timedelta(days=7), day)):
        if sizes is not None:
            monkeypatch.setattr(tonight, "_PART_ACCOUNTS", sizes[place])
        scored = churn("score", "-c", config, "--as-of", as_of, "--json")
        assert 0 == scored.exit_status, scored.stderr
        with reading(engine) as connection:
            ids = connection.execute(select(SCORES.c.account_id).order_by(SCORES.c.account_id)).scalars().all()
        if as_of != day:
            assert 0 == churn("forget", ids[len(ids) // 2], "-c", config, "--yes").exit_status
    with reading(engine) as connection:
        of = night(connection)
        assert of is not None
        assert str(day - timedelta(days=7)) == of.headline["compared_with"]
        found: dict[str, Any] = {}
        for table in (SCORES, DETAILS):
            rows = pd.read_sql(
                select(table).where(table.c.run_id == of.run_id).order_by(table.c.account_id), connection
            )
            found[table.name] = rows.drop(columns=[name for name in _OF_THE_RUN if name in rows])
        keys = [EVIDENCE.c.night, EVIDENCE.c.account_id, EVIDENCE.c.kind, EVIDENCE.c.block]
        found["evidence"] = pd.read_sql(select(EVIDENCE).order_by(*keys), connection)
        saw = stored_inputs(connection, of)
        assert saw is not None
        found["inputs"] = saw.frame().drop(columns="root_id")
        parts = select(INPUTS.c.part).where(INPUTS.c.run_id == of.run_id)
        found["files"] = len(connection.execute(parts).all())
    engine.dispose()
    return found
