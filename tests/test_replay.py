"""Replay: a night built again from today's tables finds what was written into the past since, and nothing else."""

import json
import shutil
import sqlite3
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from command_line import Answer, churn
from sample_nights import CATALOGUE, NOW, booked, inputs_of, publish, run

from models.errors import NoVersion
from models.registry import load_version
from pipeline.differences import differences
from pipeline.inputs import stored_inputs
from pipeline.replay import replay
from pipeline.replay_page import replay_page
from pipeline.run_log import RunLog
from pipeline.settings_file import read_settings
from pipeline.store.connection import connect, reading
from pipeline.store.nights import night

NIGHT = date(2026, 6, 1)
TODAY = date(2026, 11, 2)

# ---------------------------------------------------------------------------------------------------------------------
# A company that overwrites its rows


def _year_later(day: date) -> date:
    return day.replace(year=day.year + 1)


def renewal(started: date, until: date) -> date:
    """The next renewal of a yearly contract as a row says it that was moved on in place until some day."""
    while (started := _year_later(started)) < until:
        pass
    return started


def subscriptions(until: date) -> pd.DataFrame:
    """One contract for each account; a third of the plans was never entered. The rows are those of `until`."""
    rng = np.random.default_rng(5)
    rows = []
    for number in range(240):
        started = date(2024, 3, 2) + timedelta(days=number * 975 // 240)
        lasts = 180 + int(rng.exponential(900))
        ended = started + timedelta(days=lasts)
        gone = ended if ended < until else None
        rows.append(
            {
                "subscription_id": f"S-{number:03}",
                "account_id": f"A-{number:03}",
                "started_on": started,
                "ended_on": gone,
                "mrr": float(rng.integers(1, 60) * 50),
                "plan": (None, "basic", "plus")[number % 3],
                "seats": float(rng.integers(2, 90)),
                "term_months": 12.0,
                "renews_on": renewal(started, gone or until),
            }
        )
    return pd.DataFrame(rows)


def accounts(terms: pd.DataFrame) -> pd.DataFrame:
    segments = ("small", "middle", "large")
    return pd.DataFrame(
        {
            "account_id": terms["account_id"],
            "created_at": pd.to_datetime(terms["started_on"]),
            "name": [f"Secret {number} Ltd" for number in range(len(terms))],
            "owner": "priya@example.com",
            "segment": [segments[number % 3] for number in range(len(terms))],
        }
    )


def tickets(terms: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(6)
    rows = []
    for number, term in enumerate(terms.itertuples()):
        days = ((term.ended_on or TODAY) - term.started_on).days
        opened = np.sort(rng.integers(0, days, days // 60))
        rows += [
            (f"T-{number:03}-{place}", term.account_id, term.started_on, int(at)) for place, at in enumerate(opened)
        ]
    frame = pd.DataFrame(rows, columns=["ticket_id", "account_id", "opened_at", "_after"])
    frame["opened_at"] = pd.to_datetime(frame["opened_at"]) + pd.to_timedelta(frame.pop("_after") * 24 + 9, unit="h")
    return frame.assign(text="please call 0171 555")


@dataclass(frozen=True)
class Company:
    """A folder with its settings, and one night published."""

    folder: Path

    def write(self, name: str, frame: pd.DataFrame) -> None:
        frame.to_parquet(self.folder / f"{name}.parquet")

    def read(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.folder / f"{name}.parquet")

    def replay(self, *more: str) -> Answer:
        return churn("replay", "-c", self.folder / "churn.toml", *more)


SETTINGS = f"""
[data]
accounts = "accounts.parquet"
subscriptions = "subscriptions.parquet"
tickets = "tickets.parquet"
constant = ["accounts.segment"]

[churn]
snapshot_every_days = 84

[engine]
threads = 1

[run]
as_of = {TODAY}
"""


@pytest.fixture(scope="module")
def overwritten(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company without versions, a night of it published from what its tables said then."""
    company = Company(tmp_path_factory.mktemp("overwritten"))
    (company.folder / "churn.toml").write_text(SETTINGS, encoding="utf-8")
    terms = subscriptions(TODAY)
    for name, frame in (("accounts", accounts(terms)), ("subscriptions", terms), ("tickets", tickets(terms))):
        company.write(name, frame)
    trained = churn("train", "-c", company.folder / "churn.toml")
    assert 0 == trained.exit_status, trained.message
    # Nothing announces who leaves here, and the gate says so; a replay is of a night by a model that reads everything.
    forced = churn("promote", "1", "--force", "--why", "a test", "-c", company.folder / "churn.toml")
    assert 0 == forced.exit_status, forced.message
    then = subscriptions(NIGHT)
    company.write("subscriptions", then[then["started_on"] < NIGHT])
    scored = churn("score", "-c", company.folder / "churn.toml", "--as-of", str(NIGHT))
    assert 0 == scored.exit_status, scored.message
    # Since then contracts have begun and ended, and renewal dates stayed as they were first entered for that night.
    frozen = terms.assign(renews_on=then["renews_on"].where(terms["started_on"] < NIGHT, terms["renews_on"]))
    company.write("subscriptions", frozen)
    return company.folder


@pytest.fixture
def company(overwritten: Path, tmp_path: Path) -> Company:
    """A copy that may be changed; the model stays where it is."""
    shutil.copytree(overwritten, tmp_path / "copy")
    return Company(tmp_path / "copy")


def left_since(terms: pd.DataFrame) -> set[str]:
    """Accounts that were customers that night and are none today."""
    ended = terms["ended_on"].notna() & (terms["started_on"] < NIGHT)
    return set(terms[ended & (terms["ended_on"].map(str) >= str(NIGHT))]["account_id"])


def replayed(company: Company) -> tuple[dict[str, Any], str]:
    """The newest night built again: its record, and the page that a person reads."""
    done = replay(read_settings(company.folder / "churn.toml"), None, TODAY, RunLog("replay"))
    return done.as_record(), replay_page(done)


def column(record: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in record["columns"] if each["column"] == name)


# ---------------------------------------------------------------------------------------------------------------------
# Silent where nothing was changed


def test_what_only_grew_since_is_equal_in_one_line(company: Company) -> None:
    """Departures, new customers and tickets of later days change nothing of a past night."""
    before = {path: path.read_bytes() for path in company.folder.glob("*.*") if path.is_file()}
    answer = company.replay()
    assert 0 == answer.exit_status, answer.message
    head, line = answer.stdout.splitlines()
    assert head.startswith(f"Night of {NIGHT}, scored ")
    assert line.startswith("Nothing differs: ")
    assert before == {path: path.read_bytes() for path in company.folder.glob("*.*") if path.is_file()}, "it only reads"


@pytest.fixture(scope="module")
def versioned(trained_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night of the demo company, published from those rows alone that had arrived by then."""
    folder = tmp_path_factory.mktemp("versioned")
    (folder / "then" / "usage").mkdir(parents=True)
    data = trained_demo.parent / "data"
    with duckdb.connect() as engine:
        for path in sorted(data.rglob("*.parquet")):
            rows = f"SELECT * FROM '{path}' WHERE recorded_at < TIMESTAMP '{NIGHT} 06:00:00'"
            engine.execute(f"COPY ({rows}) TO '{folder / 'then' / path.relative_to(data)}'")
    for path in (folder / "then").rglob("*.parquet"):
        if not len(pd.read_parquet(path)):
            path.unlink()
    settings = trained_demo.read_text(encoding="utf-8").replace('"data/', '"then/')
    (folder / "then.toml").write_text(settings, encoding="utf-8")
    (folder / "now.toml").write_text(settings.replace('"then/', f'"{data}/'), encoding="utf-8")
    scored = churn("score", "-c", folder / "then.toml", "--as-of", str(NIGHT), env=tracked(trained_demo))
    assert 0 == scored.exit_status, scored.message
    return folder


def tracked(trained_demo: Path) -> dict[str, str]:
    return {"CHURN__TRACKING__URI": f"sqlite:///{trained_demo.parent / 'mlflow.db'}"}


@pytest.mark.slow
def test_a_company_that_keeps_versions_is_equal(versioned: Path, trained_demo: Path) -> None:
    """Every feature of every family, on tables of which five further months have arrived."""
    answer = churn("replay", "-c", versioned / "now.toml", env=tracked(trained_demo))
    assert 0 == answer.exit_status, answer.message
    assert answer.stdout.splitlines()[1].startswith("Nothing differs: "), answer.stdout
    assert 2 == len(answer.stdout.splitlines())


def test_a_version_entered_before_its_time_is_told(versioned: Path, trained_demo: Path, tmp_path: Path) -> None:
    """A table that keeps versions and whose past changes all the same has a recorded_at that is none."""
    terms = pd.read_parquet(trained_demo.parent / "data" / "subscriptions.parquet")
    forged = terms[terms["ended_on"].isna() & (terms["mrr"] > 0)].groupby("subscription_id").tail(1).head(40)
    forged = forged.assign(recorded_at=datetime(2026, 5, 31), plan="Gold")  # noqa: DTZ001
    pd.concat([terms, forged]).to_parquet(tmp_path / "subscriptions.parquet")
    env = tracked(trained_demo) | {"CHURN__DATA__SUBSCRIPTIONS": str(tmp_path / "subscriptions.parquet")}
    answer = churn("replay", "-c", versioned / "now.toml", env=env)
    assert "subscriptions.plan was rewritten since, for " in answer.stdout
    assert "one was edited, removed, or entered with a recorded_at before its time" in answer.stdout


def test_a_night_replays_from_either_database(trained_demo: Path, store_url: str) -> None:
    """What it saw comes out of the store as it went in, to the last digit."""
    env = {"CHURN__STORE__URL": store_url}
    scored = churn("score", "-c", trained_demo, env=env)
    assert 0 == scored.exit_status, scored.message
    answer = churn("replay", "-c", trained_demo, env=env)
    assert 0 == answer.exit_status, answer.message
    assert answer.stdout.splitlines()[1].startswith("Nothing differs: "), answer.stdout


# ---------------------------------------------------------------------------------------------------------------------
# The planted leaks


def test_a_segment_rewritten_on_leaving_is_a_leak(company: Company) -> None:
    gone = left_since(company.read("subscriptions"))
    rewritten = company.read("accounts")
    rewritten.loc[rewritten["account_id"].isin(gone), "segment"] = "former"
    company.write("accounts", rewritten)
    record, page = replayed(company)
    segment = column(record, "accounts.segment")
    assert (len(gone), len(gone), 0) == (segment["accounts"], segment["left"], segment["others_left"])
    assert len(gone) > 10
    assert ("left", True, "former") == (segment["marks"], segment["leak"], segment["example"]["now"])
    assert f"accounts.segment was rewritten since, for {len(gone)} of " in page
    assert "It marks those who left: a leak." in page
    assert "Take it out of [data] constant, or keep versions of accounts" in page
    effect = record["risk"]
    assert 0 < effect["accounts"] <= effect["scored"]
    assert effect["largest"]["account_id"] in page.splitlines()[-2]


def test_a_renewal_date_moved_on_in_place_is_a_leak(company: Company) -> None:
    """Only who stayed has a renewal date of next year: those due who still have the old one have left."""
    company.write("subscriptions", subscriptions(TODAY))
    record, page = replayed(company)
    renews_on = column(record, "subscriptions.renews_on")
    assert ("stayed", True) == (renews_on["marks"], renews_on["leak"])
    assert renews_on["left"] < renews_on["accounts"] / 10, "some renewed and left all the same"
    assert renews_on["others"] == renews_on["others_left"] >= 3
    assert renews_on["example"]["then"] < str(TODAY) < renews_on["example"]["now"]
    assert f"subscriptions.renews_on was moved on since, for {renews_on['accounts']} of " in page
    assert "It marks those who stayed: a leak to whatever reads it." in page
    assert "only a term's first renewal is believed" in page


def test_a_plan_filled_in_later_is_a_leak(company: Company) -> None:
    """It marks nobody, and yet a training on today's table would read in the past what nobody knew then."""
    terms = company.read("subscriptions")
    company.write("subscriptions", terms.assign(plan=terms["plan"].fillna("plus")))
    record, page = replayed(company)
    plan = column(record, "subscriptions.plan")
    assert (True, None, plan["accounts"]) == (plan["leak"], plan["marks"], plan["filled"])
    assert (None, "plus") == (plan["example"]["then"], plan["example"]["now"])
    assert "plan" in plan["read_by"]
    assert f"subscriptions.plan was filled in since, for {plan['accounts']} of " in page
    assert "Nobody knew it that night, and the model reads it: a leak." in page
    assert "set [data] subscription_history = false" in page


# ---------------------------------------------------------------------------------------------------------------------
# Late rows, late ends


def test_late_rows_are_called_that_and_no_leak(company: Company) -> None:
    """Tickets that were opened before the night and delivered after it."""
    terms, known = company.read("subscriptions"), company.read("tickets")
    running = terms[(terms["started_on"] < NIGHT) & ~(terms["ended_on"].map(str) < str(NIGHT))]["account_id"].head(30)
    late = pd.DataFrame({"ticket_id": "late-" + running, "account_id": running, "text": "hello"})
    company.write("tickets", pd.concat([known, late.assign(opened_at=datetime(2026, 5, 20))]))  # noqa: DTZ001
    record, page = replayed(company)
    assert json.loads(json.dumps(record, default=str)) == company.replay("--json").record()
    counts = record["rows_known"]["tickets"]
    assert 30 == counts["now"] - counts["then"]
    assert (("tickets",), 30) == (column(record, "tickets_28")["tables"], column(record, "tickets_28")["accounts"])
    assert [] == [each["column"] for each in record["columns"] if each["leak"]]
    assert "30 more. They came late, after the night." in page
    assert "a leak" not in page


def test_accounts_that_were_there_only_then_are_named(company: Company) -> None:
    """An end that is entered months after its day takes the account out of a night in which it was scored."""
    terms = company.read("subscriptions")
    late = terms.index[(terms["started_on"] < date(2025, 6, 1)) & terms["ended_on"].isna()][:2]
    terms.loc[late, "ended_on"] = date(2026, 1, 15)
    company.write("subscriptions", terms)
    record, page = replayed(company)
    assert (tuple(terms.loc[late, "account_id"]), ()) == (record["only_then"], record["only_now"])
    assert f"2 accounts only then: {', '.join(record['only_then'])}" in page


# ---------------------------------------------------------------------------------------------------------------------
# What cannot be replayed


GONE = "UPDATE runs SET model_version = '7'; DELETE FROM champions; DELETE FROM models"
"""As where the store's copy of a model was removed, and a registry was set up anew."""


@pytest.mark.parametrize(
    ("sql", "arguments", "status", "told"),
    [
        ("", ["--as-of", "2020-01-01"], 2, "The night of 2020-01-01 is not published"),
        ("DELETE FROM inputs", [], 2, f"What the night of {NIGHT} saw is kept no longer."),
        (GONE, [], 3, "There is no version 7 of the model 'churn-risk' in "),
        ("UPDATE scores SET log_odds = log_odds + 1", [], 3, "is not the model that scored the night of"),
    ],
)
def test_what_cannot_be_replayed_is_told(
    sql: str, arguments: list[str], status: int, told: str, company: Company
) -> None:
    with sqlite3.connect(company.folder / "churn.db") as store:
        store.executescript(sql)
    answer = company.replay(*arguments)
    assert (status, "") == (answer.exit_status, answer.stdout), answer.message
    assert told in answer.message
    assert 1 == len(answer.message.splitlines())


def test_a_night_by_other_settings_than_its_models_is_refused(company: Company) -> None:
    settings = company.folder / "churn.toml"
    settings.write_text(SETTINGS.replace("[churn]", "[churn]\nhorizon_days = 90"), encoding="utf-8")
    answer = company.replay()
    assert 3 == answer.exit_status
    assert f"The night of {NIGHT} cannot be built again for its model version 1" in answer.message


def test_a_registry_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(NoVersion, match="There is no version 1"):
        load_version(1, uri=f"sqlite:///{tmp_path / 'mlflow.db'}", name="churn-risk")
    assert [] == list(tmp_path.iterdir())


# ---------------------------------------------------------------------------------------------------------------------
# What is kept


def test_what_a_night_saw_holds_nothing_personal(company: Company) -> None:
    """Neither by name of a column nor by value."""
    with sqlite3.connect(company.folder / "churn.db") as store:
        contents = [content for (content,) in store.execute("SELECT content FROM inputs")]
    assert contents
    for content in contents:
        (company.folder / "part.parquet").write_bytes(content)
        frame = pd.read_parquet(company.folder / "part.parquet")
        text = frame.to_csv()
        assert not any(secret in text for secret in ("Secret", "priya", "0171", "T-"))
        assert {"name", "owner", "text"}.isdisjoint(frame.columns)
        assert {"accounts.segment", "subscriptions.renews_on", "tickets_28", "state"} <= set(frame.columns)


def test_what_a_night_saw_reads_back_from_its_parts(tmp_path: Path) -> None:
    """To the last bit, also where a column is empty in one of the parts."""
    frame = pd.DataFrame(
        {
            "state": ["active", "active", "lapsed"],
            "since": [date(2025, 1, 1), date(2025, 2, 1), date(2025, 3, 1)],
            "last_day": [None, None, date(2026, 10, 30)],
            "tickets_28": [0.1 + 0.2, np.nan, np.nan],
            "subscriptions.plan": [None, None, "basic"],
        },
        index=pd.Index(["A-1", "A-2", "A-3"], name="account_id"),
    )
    files = list(inputs_of(frame, {"accounts": 7}, rows=2).files())
    assert 2 == len(files)
    engine = connect(f"sqlite:///{tmp_path / 'churn.db'}")
    publish(engine, run("r1"), booked(3), CATALOGUE, finished_at=NOW, inputs=files)
    publish(engine, run("r2", as_of=NIGHT), booked(3), CATALOGUE, finished_at=NOW)
    with reading(engine) as connection:
        newest, other = night(connection), night(connection, NIGHT)
        assert newest is not None
        assert other is not None
        seen = stored_inputs(connection, newest)
        assert stored_inputs(connection, other) is None
    engine.dispose()
    assert seen is not None
    assert {"accounts": 7} == seen.rows_known
    assert [] == list(differences(frame, seen.frame(), [], TODAY))
    assert frame.columns.tolist() == seen.frame().columns.tolist()
    assert frame["tickets_28"].tolist()[0] == seen.frame()["tickets_28"].tolist()[0]


# ---------------------------------------------------------------------------------------------------------------------
# Differences by themselves


def picture(values: list[Any], column: str = "x") -> pd.DataFrame:
    return pd.DataFrame({column: values}, index=[f"A-{number:03}" for number in range(len(values))])


@pytest.mark.parametrize(
    ("then", "now", "differing"),
    [
        ([1.0, 1e9], [1.0 + 1e-12, 1e9 + 0.1], 0),
        ([1.0, 0.0], [1.0 + 1e-8, 1e-12], 2),
        ([np.nan, 1.0], [np.nan, np.nan], 1),
        ([None, "a"], [None, "b"], 1),
        ([None, None], [np.nan, "b"], 1),
        ([date(2026, 1, 1), None], [date(2026, 1, 1), date(2026, 1, 1)], 1),
    ],
)
def test_what_counts_as_different(then: list[Any], now: list[Any], differing: int) -> None:
    seen = list(differences(picture(then), picture(now), [], TODAY))
    assert differing == sum(each.accounts for each in seen)


@pytest.mark.parametrize(
    ("differing", "left_of_them", "others", "left_of_others", "marks"),
    [
        (10, 10, 190, 0, "left"),
        (3, 3, 197, 10, "left"),
        (2, 2, 198, 0, None),  # two may be chance
        (40, 3, 160, 8, None),  # nearly as many as of the others
        (100, 40, 100, 5, None),  # more than of the others, but most of them are here
        (40, 0, 10, 10, "stayed"),
        (100, 0, 100, 20, "stayed"),
        (100, 2, 100, 2, None),
        (200, 20, 0, 0, None),
    ],
)
def test_whom_a_difference_marks(
    differing: int, left_of_them: int, others: int, left_of_others: int, marks: str | None
) -> None:
    then = picture(["a"] * (differing + others))
    now = picture(["b"] * differing + ["a"] * others)
    left = [*then.index[:left_of_them], *then.index[differing : differing + left_of_others]]
    (seen,) = differences(then, now, left, TODAY)
    assert (differing, left_of_them, others, left_of_others) == (
        seen.accounts,
        seen.left,
        seen.others,
        seen.others_left,
    )
    assert marks == seen.marks
