"""`churn demo` as a newcomer meets it: one screen, and the same values for the same seed on any machine."""

import re
import tomllib
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from command_line import SPARSE, Answer, churn, learned_demo

from pipeline.store.connection import connect, reading
from pipeline.store.nights import book, published

NIGHT = re.compile(
    r"Demo, night of Mon 2 Nov 2026 · (?P<accounts>[\d,]+) accounts(, besides ((?P<leaving>\d+) leaving)?( and )?"
    r"(\d+ lapsed)?)? · \d+ in 100 leave in 60 days\n"
    r"Accounts at high risk \(\d+ % or more\): (?P<high>\d+) · "
    r"at medium risk \(\d+(\.\d)? % or more\): (?P<medium>\d+)"
)
ORDER = re.compile(
    r"Most MRR at stake first \(risk × MRR, USD\)\. Not listed: accounts at low risk(, \d+ new)?"
    r"(, \d+ to be reminded of payment)?\."
)
ENTRY = re.compile(
    r" (?P<place>\d)  \S.+?  +(1 in \d+|\d in \d+) +(high|medium)  MRR +[\d,]+  at stake +(?P<at_stake>[\d,]+)"
    r"  CSM \w+@example\.com +A-\d+"
)
GROUP = re.compile(
    r"    (?P<accounts>\d+) accounts, one call: MRR and at stake are of (both|all \d+); odds and reasons are those of "
    r".+\."
)
REASON = re.compile(r"    [A-Z\d].*\.")
SKILL = re.compile(r"How good is this\? .+   churn backtest(\nSimple lists found: by MRR \d+ %, by .+\.)?")
NEXT = re.compile(
    r"One account: churn explain (?P<account>A-\d+) -c (?P<config>\S+) · Your own data: churn init FOLDER"
)


@pytest.fixture(scope="module")
def two_threads(tmp_path_factory: pytest.TempPathFactory) -> tuple[Answer, Path]:
    """The same demo as `trained_demo`, made, trained and scored with two threads: its screen, its settings."""
    folder = tmp_path_factory.mktemp("demo_two_threads") / "company"
    shown = learned_demo(folder, {**SPARSE, "CHURN__ENGINE__THREADS": "2"})
    return shown, folder / "churn.toml"


def exported(config: Path, folder: Path) -> pd.DataFrame:
    file = folder / f"{config.parent.parent.name}.parquet"
    assert churn("export", "-c", config, "--out", file).exit_status == 0
    return pd.read_parquet(file)


def test_the_same_seed_gives_the_same_values_at_any_thread_count(
    trained_demo: Path, two_threads: tuple[Answer, Path], tmp_path: Path
) -> None:
    """Every column of every account, to the last bit: sums run in fixed point, frames are sorted by key."""
    one, two = exported(trained_demo, tmp_path), exported(two_threads[1], tmp_path)
    assert len(one) == 250
    pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_no_horizon_contradicts_the_risk_of_a_night(trained_demo: Path) -> None:
    """Of every account, as published: within more days never less, and the risk itself among them."""
    engine = connect(f"sqlite:///{trained_demo.parent / 'churn.db'}")
    with reading(engine) as connection:
        accounts = [each for each in book(connection, published(connection, None)) if each.risk is not None]
    engine.dispose()
    assert len(accounts) > 200
    for each in accounts:
        days, risks = [int(days) for days in each.horizons], list(each.horizons.values())
        assert (days, risks) == (sorted(days), sorted(risks))
        assert each.horizons[60] == each.risk
        assert 0 <= risks[0] <= risks[-1] <= 1


def test_the_screen_is_a_list_with_reasons(two_threads: tuple[Answer, Path], tmp_path: Path) -> None:
    """The night, up to five calls by what is at stake, two sentences each, the skill, and where to go on."""
    top, calls, closing = two_threads[0].stdout.rstrip("\n").split("\n\n")
    heading, _, order = top.rpartition("\n")
    entries = calls.split("\n")
    night = NIGHT.fullmatch(heading)
    assert night, heading
    assert ORDER.fullmatch(order), order
    assert 250 == int(night["accounts"]) + int(night["leaving"] or 0)
    shown = [ENTRY.fullmatch(line) for line in entries if not line.startswith("    ")]
    assert all(shown), entries
    book = exported(two_threads[1], tmp_path)
    assert int(night["high"]) + int(night["medium"]) == book["band"].isin(["high", "medium"]).sum()
    calls = book[book["state"] == "candidate"].drop_duplicates(["owner", "rank"])
    assert min(5, len(calls)) == len(shown), "a group is one call"
    places = [int(entry["place"]) for entry in shown if entry]
    at_stake = [int(entry["at_stake"].replace(",", "")) for entry in shown if entry]
    assert (list(range(1, len(shown) + 1)), sorted(at_stake, reverse=True)) == (places, at_stake)
    reasons = [line for line in entries if line.startswith("    ") and not GROUP.fullmatch(line)]
    assert all(REASON.fullmatch(line) for line in reasons), reasons
    assert len(shown) <= len(reasons) <= 2 * len(shown)
    skill, _, onward = closing.rpartition("\n")
    assert SKILL.fullmatch(skill), skill
    following = NEXT.fullmatch(onward)
    assert following, onward
    assert 0 == churn("explain", following["account"], "-c", following["config"]).exit_status


def test_the_settings_say_that_this_is_a_demo(two_threads: tuple[Answer, Path]) -> None:
    """By this its folder may be written over, and a fixed night is not warned of as old."""
    run = tomllib.loads(two_threads[1].read_text(encoding="utf-8"))["run"]
    assert {"as_of": date(2026, 11, 2), "demo": True} == run
