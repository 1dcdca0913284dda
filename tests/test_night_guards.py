"""When a night may be run at all, and what it says of itself when it is no ordinary one."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from command_line import ONE_THREAD, Answer, churn

from pipeline.errors import FailedError, RefusedError
from pipeline.health import examine
from pipeline.morning import list_page
from pipeline.nightly import run_night
from pipeline.run_log import RunLog
from pipeline.settings import Settings
from pipeline.settings_file import read_settings
from pipeline.sources import open_sources
from pipeline.store.connection import connect

PAST = date(2026, 6, 1)
LEARNS = [["train"], ["backtest"], ["check"]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "churn.toml"
    file.write_text('[data]\naccounts = "a.csv"\nsubscriptions = "s.csv"\narrival_hours = 7\n', encoding="utf-8")
    return read_settings(file)


# --- the clock


def test_tonight_may_not_start_before_its_rows_are_in(settings: Settings) -> None:
    """At 06:59 the load of yesterday may still be under way; a minute later the night goes on to read the tables."""
    day, early = date(2026, 11, 2), datetime(2026, 11, 2, 6, 59, tzinfo=UTC)
    with pytest.raises(FailedError) as refused:
        run_night(settings, day, early, None, RunLog("run"))
    assert str(refused.value) == (
        "The night of 2026-11-02 may start at 07:00 UTC, for what arrives until then belongs to it ([data] "
        "arrival_hours = 7); it is 06:59. Run again then, or score the night before: churn score --as-of 2026-11-01."
    )
    assert 1 == refused.value.exit_status, "a retry helps"
    for past_the_clock in (run_at(settings, day, early + timedelta(minutes=1)), run_at(settings, PAST, early)):
        assert past_the_clock.startswith("The tables break 2 rules")


def run_at(settings: Settings, day: date, now: datetime) -> str:
    with pytest.raises(RefusedError) as refused:
        run_night(settings, day, now, None, RunLog("run"))
    return str(refused.value)


@pytest.mark.parametrize("command", [["score"], *LEARNS])
def test_a_day_to_come_is_refused(command: list[str], trained_demo: Path) -> None:
    answer = churn(*command, "-c", trained_demo, "--as-of", "9999-01-01")
    assert (2, "") == (answer.exit_status, answer.stdout)
    assert "--as-of 9999-01-01 lies in the future: today is " in answer.message


# --- the memory


def test_what_does_not_fit_into_memory_goes_to_disk(settings: Settings) -> None:
    """Beside the settings, in a folder that is made when it must be and goes with the engine."""
    small = settings.engine.model_copy(update={"memory_limit": "100MB", "threads": 1})
    opened = open_sources(settings.model_copy(update={"engine": small}))
    try:
        opened.engine.raw_sql(
            "CREATE TEMP TABLE big AS SELECT hash(range) || repeat('x', 40) AS t FROM range(4_000_000)"
        )
        assert [True] == [folder.is_dir() for folder in settings.folder.glob(".spill-*")]
    finally:
        opened.close()
    assert [] == list(settings.folder.glob(".spill-*"))


# --- the end of the tables


@pytest.mark.parametrize("command", [["score"], *LEARNS])
def test_far_behind_the_newest_row_nothing_is_scored_or_learned(
    command: list[str], trained_demo: Path, tmp_path: Path
) -> None:
    """Seen from December every account of the demo has been silent for a month: all of them would be called high."""
    env = {"CHURN__RUN__AS_OF": "2026-12-01", "CHURN__STORE__URL": f"sqlite:///{tmp_path}/churn.db"}
    answer = churn(*command, "-c", trained_demo, env=env)
    assert 3 == answer.exit_status, answer.stderr
    assert (
        "usage.occurred_at  has its newest row on 2026-11-01, 30 days before 2026-12-01; usually one comes every day\n"
        "    If rows of the days since are missing, load them. If there were none, look from the day after the newest "
        "row: --as-of 2026-11-02."
    ) in answer.message + answer.stdout
    made = ["churn.db"] if command == ["score"] else []  # a refused night is on record, and nothing else is made
    assert made == [path.name for path in tmp_path.iterdir()]


# --- a night that is no ordinary one


@pytest.fixture(scope="module")
def old_night(trained_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], Answer]:
    """A past night by a model of later days, with settings changed since its training, and no demo."""
    env = {
        "CHURN__STORE__URL": f"sqlite:///{tmp_path_factory.mktemp('old')}/churn.db",
        "CHURN__RUN__DEMO": "false",
        "CHURN__PAGES__PRICING": '["/prices*"]',
        "CHURN__PAGES__BLOG": '["/blog*"]',
        "CHURN__BOOK__MEDIUM": "3",
    }
    done = churn("score", "-c", trained_demo, "--as-of", str(PAST), "--json", env=env)
    assert 0 == done.exit_status, done.stderr
    return env, done


def test_a_night_says_what_its_model_cannot_honour(old_night: tuple[dict[str, str], Answer]) -> None:
    """Stored with the run, and said while it works."""
    _, done = old_night
    told = [line for line in done.record()["warnings"] if not line.startswith(" ") and "[" in line]
    assert told[-2:] == [
        "[pages] blog, pricing: changed since the champion was trained. This night still goes by the groups of the "
        "training. Train again: churn train.",
        next(line for line in told if line.startswith("[book] medium = 3, high = 4: changed since the champion was ")),
    ]
    assert "warning: [pages] blog, pricing" in done.stderr


def test_a_past_night_says_that_its_model_has_seen_what_came(
    old_night: tuple[dict[str, str], Answer], trained_demo: Path
) -> None:
    env, done = old_night
    seen = "The champion has seen what happened from 2026-06-01 to 2026-11-02, so the figures of this night flatter it."
    assert 1 == sum(line.startswith(seen) for line in done.record()["warnings"])
    account = done.record()["list"][0]["worst"]["account_id"]
    assert seen in churn("explain", "-c", trained_demo, account, env=env).stdout
    assert "has seen" not in churn("explain", "-c", trained_demo, account).stdout


def test_json_holds_the_list_that_is_printed(old_night: tuple[dict[str, str], Answer]) -> None:
    env, done = old_night
    page, entries = shown(env, now=datetime(2026, 6, 2, tzinfo=UTC)), done.record()["list"]
    assert 0 < len(entries) <= 5
    places = [page.index(entry["worst"]["account_id"]) for entry in entries]
    assert sorted(places) == places
    sentences = [sentence for entry in entries for sentence in entry["sentences"]]
    assert sentences
    assert [] == [sentence for sentence in sentences if sentence not in page]
    assert all(0 < entry["worst"]["risk"] < 1 for entry in entries)


def shown(env: dict[str, str], now: datetime) -> str:
    engine = connect(env["CHURN__STORE__URL"])
    try:
        return list_page(engine, "", now=now, arrival_hours=6)
    finally:
        engine.dispose()


@pytest.mark.parametrize(
    ("hours", "told"),
    [(32, "Night of Mon 1 Jun 2026 ·"), (33, "2026 (1 day old) ·"), (24 * 174 + 8, "2026 (5 months old) ·")],
)
def test_the_headline_says_when_the_night_is_old(
    hours: int, told: str, old_night: tuple[dict[str, str], Answer]
) -> None:
    """Last Friday's list looks like today's, and the accounts on it may have left since."""
    page = shown(old_night[0], datetime(2026, 6, 1, tzinfo=UTC) + timedelta(hours=hours))
    assert told in page.splitlines()[0]


def test_the_demo_is_as_old_as_it_is(trained_demo: Path) -> None:
    env = {"CHURN__STORE__URL": f"sqlite:///{trained_demo.parent / 'churn.db'}"}
    assert " old)" not in shown(env, datetime(2030, 1, 1, tzinfo=UTC))


def test_doctor_minds_an_old_night_though_it_was_published_a_minute_ago(
    old_night: tuple[dict[str, str], Answer], trained_demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A schedule with a fixed date publishes the same night every day."""
    stored = store_finding(churn("doctor", "-c", trained_demo, "--max-age", "26h", "--json", env=old_night[0]))
    assert not stored["well"]
    assert stored["seen"].endswith("more than 26 hours. Did the night run?")
    for name, value in {**ONE_THREAD, **old_night[0]}.items():
        monkeypatch.setenv(name, value)
    fresh = examine(
        trained_demo, "26h", datetime(2026, 6, 2, 7, 59, tzinfo=UTC)
    )  # it could start at 06:00 the day before
    assert fresh.is_well, fresh.told()
    assert not examine(trained_demo, "26h", datetime(2026, 6, 2, 8, 1, tzinfo=UTC)).is_well
    for moment, told in (
        (datetime(2026, 6, 3, tzinfo=UTC), "42.0 hours"),
        (datetime(2026, 8, 1, tzinfo=UTC), "8 weeks"),
    ):
        seen = [each.seen for each in examine(trained_demo, "26h", moment).findings if each.what == "store"]
        assert f"({told} since it could start)" in seen[0]


def test_doctor_says_what_it_holds_a_night_against(
    old_night: tuple[dict[str, str], Answer], trained_demo: Path
) -> None:
    """A demo's day stands still and so may [run] as_of, by intention or by mistake."""
    demo = churn("doctor", "-c", trained_demo, "--max-age", "26h").stdout
    assert "judged by its publication alone, for a demo's day stands still" in demo
    fixed = store_finding(churn("doctor", "-c", trained_demo, "--max-age", "26h", "--json", env=old_night[0]))
    assert "judged by the longer of the two, though [run] as_of = 2026-11-02 holds the day" in fixed["seen"]
    assert "judged" not in churn("doctor", "-c", trained_demo).stdout


def test_doctor_says_how_large_the_tables_are(trained_demo: Path) -> None:
    """Of all files of a table together; a query has no size that could be read without asking it."""
    data = trained_demo.parent / "data"
    env = {"CHURN__DATA__TICKETS": f'{{"sql": "FROM \'{data}/tickets.parquet\'"}}'}
    findings = churn("doctor", "-c", trained_demo, "--json", env=env).record()["findings"]
    told = next(finding["seen"] for finding in findings if finding["what"] == "tables")
    usage = sum(file.stat().st_size for file in (data / "usage").glob("*.parquet")) / 1e6
    assert f", usage {usage:.1f} MB," in told
    assert ", tickets by sql" in told


def store_finding(answer: Answer) -> Any:
    assert 1 == answer.exit_status
    return next(finding for finding in answer.record()["findings"] if finding["what"] == "store")


def test_check_says_which_setting_does_nothing_yet(trained_demo: Path) -> None:
    """Whoever set it would wait for accounts to rest."""
    told = "[book] rest_days = 21 does nothing yet"
    answer = churn("check", "-c", trained_demo, env={"CHURN__BOOK__REST_DAYS": "21"})
    assert (0, 1) == (answer.exit_status, answer.stdout.count(told))
    assert "rest_days" not in churn("check", "-c", trained_demo).stdout
