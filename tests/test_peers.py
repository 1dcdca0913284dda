"""The middle values of a night's customers, against which an account is held."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import select

from features.catalogue import read_catalogue
from pipeline.peers import peers
from pipeline.settings_file import read_settings
from pipeline.store.connection import connect, reading
from pipeline.store.evidence import evidence_of
from pipeline.store.nights import catalogue, published
from pipeline.store.schema import SCORES

FEATURES = [each for each in read_catalogue("usage") if each.name in {"active_days_28", "active_days_7"}]


def saw(**columns: Any) -> pd.DataFrame:
    """Fifty customers: thirty are small, nineteen medium, of one it is not known; and ten who gave notice."""
    segments = [*["Small"] * 30, *["Medium"] * 19, None, *["Small"] * 10]
    frame = {"state": [*["active"] * 50, *["leaving"] * 10], "accounts.segment": segments}
    return pd.DataFrame(frame | {"active_days_28": np.arange(60.0), "active_days_7": 1.0} | columns)


def in_files(frame: pd.DataFrame, rows: int = 17) -> Iterator[pd.DataFrame]:
    """As a night keeps them, so many accounts each."""
    return (frame.iloc[start : start + rows] for start in range(0, len(frame), rows))


def test_of_all_and_of_each_segment_of_twenty() -> None:
    """Who gave notice is nobody's peer, and nineteen are too few to be spoken of."""
    of_all, small = peers(in_files(saw()), 50, FEATURES)
    assert {"segment": None, "accounts": 50, "middle": {"active_days_28": 24.5, "active_days_7": 1.0}} == of_all
    assert {"segment": "Small", "accounts": 30, "middle": {"active_days_28": 14.5, "active_days_7": 1.0}} == small


def test_a_value_that_few_have_has_no_middle() -> None:
    """It would tell of those few; unknown values are no zeros."""
    known = [*[3.0] * 19, *[np.nan] * 30, 3.0, *[9.0] * 10]
    of_all, small = peers(in_files(saw(active_days_28=known)), 50, FEATURES)
    assert 3.0 == of_all["middle"]["active_days_28"]
    assert {"active_days_7": 1.0} == small["middle"]


def test_without_segments_there_are_only_all() -> None:
    assert [None] == [each["segment"] for each in peers(in_files(saw().drop(columns="accounts.segment")), 50, FEATURES)]


def test_of_very_many_a_part_is_looked_at() -> None:
    """The count is of all, and the middle as near as fifty thousand tell it."""
    many = pd.concat([saw().iloc[:30]] * 10_000, ignore_index=True).assign(active_days_28=np.arange(300_000.0))
    of_all, small = peers(in_files(many, 70_001), 300_000, FEATURES)
    assert 300_000 == of_all["accounts"] == small["accounts"]
    assert abs(of_all["middle"]["active_days_28"] - 150_000) < 10


def test_a_night_keeps_them_with_its_evidence(trained_demo: Path) -> None:
    """For every number of the catalogue that twenty have, also where no reason speaks of it."""
    settings = read_settings(trained_demo)
    engine = connect(settings.located(settings.store.url))
    with reading(engine) as connection:
        newest = published(connection, None)
        account_id = connection.execute(select(SCORES.c.account_id).where(SCORES.c.run_id == newest.run_id)).scalar()
        seen = evidence_of(connection, newest, str(account_id))
        numbers = {name for name, each in catalogue(connection, newest)["features"].items() if each["kind"] == "number"}
    engine.dispose()
    assert seen is not None
    of_all, *by_segment = seen.peers
    assert newest.headline["customers"] == of_all.accounts
    assert of_all.middle.keys() <= numbers
    assert len(of_all.middle) > 0.8 * len(numbers)
    assert by_segment
    assert sum(each.accounts for each in by_segment) <= of_all.accounts
    days = [each.middle["active_days_28"] for each in by_segment]
    assert min(days) <= of_all.middle["active_days_28"] <= max(days)
    assert 0 <= median(days) <= 28
