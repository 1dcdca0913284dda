"""Past nights, each on the facts and by the model of then; by today's model they are marked."""

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest
from command_line import Answer, churn
from sqlalchemy import Engine, select

from models.registry import load_version, versions_trained_on
from pipeline import retention
from pipeline.settings_file import read_settings
from pipeline.store.connection import connect, reading
from pipeline.store.nights import book, night
from pipeline.store.schema import FROZEN, LEDGER, PUBLISHED, RUNS


@pytest.fixture(scope="module")
def company(trained_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company with a champion and without a store."""
    folder = tmp_path_factory.mktemp("backfill") / "company"
    shutil.copytree(trained_demo.parent, folder, ignore=shutil.ignore_patterns("churn.db*"))
    return folder / trained_demo.name


@pytest.fixture
def engine(company: Path) -> Engine:
    settings = read_settings(company)
    return connect(settings.located(settings.store.url))


def backfill(company: Path, first: date, last: date, *more: str) -> Answer:
    return churn("backfill", "-c", company, "--from", first, "--to", last, "--json", *more)


@pytest.fixture(scope="module")
def first(company: Path) -> date:
    """The fifth day of the month before the company's last."""
    today = read_settings(company).today()
    return (today.replace(day=1) - timedelta(days=1)).replace(day=5)


def test_past_nights_by_a_model_of_then(company: Path, engine: Engine, first: date) -> None:
    """Where nobody remembers who was champion it is trained as of the first of the month, once, and not promoted."""
    last = first + timedelta(days=2)
    done = backfill(company, first, last)
    assert 0 == done.exit_status, done.stderr
    registry = read_settings(company).registry()
    (version,) = versions_trained_on(first.replace(day=1), **registry)
    days = [first + timedelta(days=number) for number in range(3)]
    assert {str(day): str(version) for day in days} == done.record()["published"]
    assert str(first.replace(day=1)) == load_version(version, **registry).about["trained_on"]
    with reading(engine) as connection:
        for day in days:
            header = night(connection, day)
            assert header is not None
            assert not header.in_sample
            assert header.headline["hindsight"] is None
            assert len(list(book(connection, header))) == header.accounts > 0
        told = connection.execute(select(LEDGER.c.command, LEDGER.c.outcome)).all()
    assert [("backfill", "published")] * 3 == [tuple(each) for each in told]
    champion = churn("score", "-c", company, "--json")
    assert "1" == champion.record()["model_version"]

    kept = churn("score", "-c", company, "--as-of", first)
    assert 3 == kept.exit_status
    assert f"The night of {first} stays as it is: version {version} scored it" in kept.message

    again = backfill(company, first - timedelta(days=1), last)
    assert 0 == again.exit_status, again.stderr
    assert [str(first - timedelta(days=1))] == list(again.record()["published"])
    assert [str(day) for day in days] == again.record()["there"]
    assert [version] == list(versions_trained_on(first.replace(day=1), **registry)), "there is no second training"


@pytest.mark.slow
def test_nights_by_todays_model_are_marked_and_prove_nothing(
    company: Path, engine: Engine, first: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have no part in last scores; and a fair night takes their place when asked for, also in an old week."""
    monday = first - timedelta(days=35 + first.weekday())
    day, sunday = monday + timedelta(days=5), monday + timedelta(days=6)
    done = backfill(company, day, sunday, "--model", "today")
    assert {str(day): "1", str(sunday): "1"} == done.record()["published"]
    with reading(engine) as connection:
        marked = select(PUBLISHED.c.as_of).join(RUNS, RUNS.c.run_id == PUBLISHED.c.run_id).where(RUNS.c.in_sample)
        assert {day, sunday} == set(connection.execute(marked).scalars())
        of_marked = select(FROZEN.c.run_id).join(RUNS, RUNS.c.run_id == FROZEN.c.run_id).where(RUNS.c.in_sample)
        assert [] == connection.execute(of_marked).all()
    again = backfill(company, day, day, "--model", "today")
    assert [str(day)] == again.record()["there"]

    monkeypatch.setattr(retention, "DAILY_DAYS", 10)
    fair = backfill(company, day - timedelta(days=1), sunday)
    assert [str(sunday)] == list(fair.record()["published"])
    assert [str(day - timedelta(days=1)), str(day)] == fair.record()["thinned"]
    with reading(engine) as connection:
        header = night(connection, sunday)
        assert header is not None
        assert not header.in_sample


def test_a_refused_night_stops_no_other(company: Path, first: date) -> None:
    """Nobody was a customer before the company began; the status says that something was refused."""
    long_ago = date(2001, 1, 1)
    done = backfill(company, long_ago, long_ago + timedelta(days=9), "--model", "today")
    assert 3 == done.exit_status
    assert ["2001-01-07", "2001-01-10"] == list(done.record()["refused"]), "one of each week"
    assert {} == done.record()["published"]
    assert 8 == len(done.record()["thinned"])
    plain = churn("backfill", "-c", company, "--from", long_ago, "--to", long_ago, "--model", "today")
    assert "1 were refused:" in plain.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--from", "2026-01-02", "--to", "2026-01-01"), "--from 2026-01-02 lies after --to 2026-01-01"),
        (("--from", "2026-01-02", "--to", "2999-01-01"), "lies in the future"),
    ],
)
def test_a_range_that_is_none(company: Path, arguments: tuple[str, ...], says: str) -> None:
    answer = churn("backfill", "-c", company, *arguments)
    assert 2 == answer.exit_status
    assert says in answer.message
