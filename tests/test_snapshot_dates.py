"""Which past dates a training learns from, and what it says when there are none or too few departures on them."""

from datetime import date, datetime, timedelta
from pathlib import Path

import ibis
import pandas as pd
import pytest

from features.timeline import ChurnRules
from features.versions import History
from pipeline.errors import RefusedError
from pipeline.settings import Settings
from pipeline.settings_file import read_settings
from pipeline.snapshot_dates import left_aside, snapshot_dates

TODAY = date(2026, 11, 2)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "churn.toml"
    file.write_text('[data]\naccounts = "a.csv"\nsubscriptions = "s.csv"\n', encoding="utf-8")
    return read_settings(file)


def past(usage_from: date | None = None, rules: ChurnRules | None = None, versioned: bool = False) -> History:
    tables = {"subscriptions": ibis.memtable(pd.DataFrame({"started_on": [pd.Timestamp("2020-01-01")]}))}
    if usage_from is not None:
        tables["usage"] = ibis.memtable(pd.DataFrame({"occurred_at": [pd.Timestamp(usage_from)]}))
    return History(tables, rules or ChurnRules(), frozenset({"subscriptions"} if versioned else ()))


def test_a_long_history_is_cut_to_the_newest_dates_and_says_so(settings: Settings) -> None:
    dates, older = snapshot_dates(past(), settings, TODAY)
    everything = (TODAY - timedelta(days=90) - date(2020, 1, 1) - timedelta(days=56)).days // 28 + 1
    assert (39, everything - 39) == (len(dates), older)
    assert TODAY - timedelta(days=90) == dates[-1]
    assert f"The newest 39 snapshots are learned from; {older} older ones are left aside." == left_aside(older)


def test_a_history_that_fits_leaves_nothing_aside(settings: Settings) -> None:
    dates, older = snapshot_dates(past(usage_from=date(2026, 1, 5)), settings, TODAY)
    assert ([date(2026, 3, 17), date(2026, 8, 4)], 0) == ([dates[0], dates[-1]], older)


def test_too_short_a_history_names_the_table_that_begins_too_late(settings: Settings) -> None:
    """Subscriptions begin years before; it is usage that is short, and no message may leave that to be guessed."""
    with pytest.raises(RefusedError) as refused:
        snapshot_dates(past(usage_from=date(2026, 9, 1)), settings, TODAY)
    assert (
        "The first could be 2026-10-27 (usage begins on 2026-09-01, eight weeks before), and its labels need 90 days"
    ) in str(refused.value)
    assert "wait until 2027-01-25" in str(refused.value)


def test_a_late_load_is_named_where_it_is_what_counts(settings: Settings) -> None:
    rules = ChurnRules(recorded_from=datetime(2026, 10, 1, 23))  # noqa: DTZ001
    with pytest.raises(RefusedError, match=r"be 2026-10-02 \(versions are kept since the load of 2026-10-01, \[data\]"):
        snapshot_dates(past(rules=rules, versioned=True), settings, TODAY)
