"""Wrong tables: a night stops with one message that can be acted on, and what readers see stays as it was."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from command_line import Answer, churn, churn_process


def cases(name: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))["case"]
    return listed


CASES, ODD, COMPANIES = cases("bad_tables.toml"), cases("odd_tables.toml"), cases("odd_companies.toml")
KINDS = ("csv", "parquet")
CSV_SETTINGS = """
[company]
name = "Plain tables"

[data]
accounts = "accounts.csv"
subscriptions = "subscriptions.csv"
usage = "usage.csv"
tickets = "tickets.csv"

[churn]
snapshot_every_days = 168

[run]
as_of = 2026-11-02
"""


@pytest.fixture(scope="module")
def csv_company(trained_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo as a company that keeps four plain CSV files and no versions; trained, one night published."""
    folder = tmp_path_factory.mktemp("csv_company")
    for table, key in {"accounts": "account_id", "subscriptions": "subscription_id", "tickets": "ticket_id"}.items():
        newest = f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY recorded_at DESC) = 1"
        more = ", 'USD' AS currency" if table == "subscriptions" else ""
        source = trained_demo.parent / "data" / f"{table}.parquet"
        write(f"SELECT * EXCLUDE (recorded_at){more} FROM '{source}' {newest} ORDER BY {key}", folder / f"{table}.csv")
    usage = f"FROM '{trained_demo.parent}/data/usage/*.parquet' WHERE event = 'shift_published'"
    write(f"SELECT * EXCLUDE (recorded_at) {usage}", folder / "usage.csv")
    settings = folder / "churn.toml"
    settings.write_text(CSV_SETTINGS, encoding="utf-8")
    for command in ("train", "score"):
        done = churn(command, "-c", settings)
        assert done.exit_status == 0, done.stderr
    return settings


def write(query: str, path: Path) -> None:
    duckdb.connect().execute(f"COPY ({query}) TO '{path}' ({'HEADER' if path.suffix == '.csv' else 'FORMAT parquet'})")


@pytest.fixture
def company(request: pytest.FixtureRequest) -> Path:
    """The settings of the company that a case is for."""
    return request.getfixturevalue({"csv": "csv_company", "parquet": "trained_demo"}[request.param])


def published(settings: Path, folder: Path) -> str:
    """The night that readers see."""
    file = folder / "published.jsonl"
    done = churn("export", "-c", settings, "--out", file)
    assert done.exit_status == 0, done.stderr
    return file.read_text(encoding="utf-8")


def broken(case: dict[str, Any], settings: Path, folder: Path) -> dict[str, str]:
    """The case's table in `folder`, and the environment variable that puts it in the place of the right one."""
    table, kind = case["table"], "csv" if settings.parent.name.startswith("csv_company") else "parquet"
    file = folder / f"{table}.{kind}"
    right = settings.parent / (f"{table}.csv" if kind == "csv" else f"data/{table}.parquet")
    source = f"read_csv('{right}', all_varchar = true)" if kind == "csv" else f"'{right}'"
    if kind == "parquet" and table == "usage":
        source = f"'{settings.parent}/data/usage/*.parquet'"
    if "missing" in case:
        file = folder / case["missing"]
    elif "content" in case:
        file.write_bytes(case["content"].encode(case.get("encoding", "utf-8")))
    elif "bytes" in case:
        write(f"FROM {source}", file)
        file.write_bytes(file.read_bytes()[: case["bytes"]])
    elif "sql" in case:
        write(f"WITH source AS (FROM {source}) {case['sql']}", file)
    elif "delimiter" in case:
        duckdb.connect().execute(f"COPY (FROM {source}) TO '{file}' (HEADER, DELIMITER '{case['delimiter']}')")
    else:
        engine = duckdb.connect()
        engine.execute(f"CREATE TABLE wrong AS FROM {source}")
        for row in case["add"]:
            engine.execute(
                f"INSERT INTO wrong ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", [*row.values()]
            )
        engine.execute(f"COPY wrong TO '{file}' ({'HEADER' if kind == 'csv' else 'FORMAT parquet'})")
        with file.open("a", encoding="utf-8") as more:
            more.write(case.get("append", ""))
    return {f"CHURN__DATA__{table.upper()}": str(file)}


def each() -> Iterator[Any]:
    for case in CASES:
        wanted = case.get("company", "csv")
        for kind in KINDS if wanted == "both" else [wanted]:
            yield pytest.param(case, kind, id=f"{case['name']}, {kind}")


def assert_refused(answer: Answer) -> None:
    assert answer.exit_status == 3, answer.stderr
    assert answer.stdout == ""
    assert "Traceback" not in answer.stderr
    assert answer.message.startswith("The tables break ")


@pytest.mark.parametrize(("case", "company"), each(), indirect=["company"])
def test_a_wrong_table_is_told_and_nothing_is_written(case: dict[str, Any], company: Path, tmp_path: Path) -> None:
    """Place, rule, count, example keys and remedy in one message; exit status 3; the published night as before."""
    before = published(company, tmp_path)
    answer = churn("score", "-c", company, env=broken(case, company, tmp_path))
    assert_refused(answer)
    assert "break 1 rule of" in answer.message
    assert f"\n{case['place']}  " in answer.message
    assert [] == [words for words in case["says"] if words not in answer.message]
    assert before == published(company, tmp_path)


def named(*names: str) -> list[dict[str, Any]]:
    return [case for name in names for case in CASES if case["name"] == name]


def test_all_that_is_wrong_is_told_at_once(csv_company: Path, tmp_path: Path) -> None:
    """Nobody mends five tables in five nights because each night told one of them."""
    wrong = named("duplicate account", "negative MRR", "use without an account", "half a reopening")
    env = {name: value for case in wrong for name, value in broken(case, csv_company, tmp_path).items()}
    answer = churn("score", "-c", csv_company, env=env)
    assert_refused(answer)
    assert "break 4 rules of" in answer.message
    assert [] == [case["place"] for case in wrong if f"\n{case['place']}  " not in answer.message]
    assert [] == [words for case in wrong for words in case["says"] if words not in answer.message]


@pytest.mark.parametrize("command", ["train", "backtest"])
def test_what_learns_refuses_as_the_night_does(command: str, csv_company: Path, tmp_path: Path) -> None:
    """A model of wrong tables would be wrong for a month."""
    answer = churn(command, "-c", csv_company, env=broken(*named("negative MRR"), csv_company, tmp_path))
    assert_refused(answer)
    assert "subscriptions.mrr  is below 0" in answer.message


def test_check_answers_with_what_is_wrong(csv_company: Path, tmp_path: Path) -> None:
    """`churn check` is asked for the violations: they are its answer, and the exit status says that a night stops."""
    env = broken(*named("negative MRR"), csv_company, tmp_path)
    answer, in_json = churn("check", "-c", csv_company, env=env), churn("check", "-c", csv_company, "--json", env=env)
    assert (3, 3) == (answer.exit_status, in_json.exit_status)
    assert answer.stdout.startswith("STOPS THE RUN: subscriptions.mrr  is below 0\n")
    (violation,) = in_json.record()["violations"]
    assert ("subscriptions.mrr", 1, "fatal") == tuple(violation[key] for key in ("place", "failing", "severity"))
    assert ["S-wrong (-49.5)"] == violation["examples"]


def test_a_real_process_says_no_more(csv_company: Path, tmp_path: Path) -> None:
    """What a scheduler catches on the two streams: log lines and the message, and nothing on standard output."""
    answer = churn_process("score", "-c", csv_company, env=broken(*named("duplicate account"), csv_company, tmp_path))
    assert_refused(answer)
    assert "accounts.account_id  is not unique" in answer.message


@pytest.fixture(scope="module")
def right(csv_company: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[str]]:
    """What the night of the right tables says: band, money and reasons of each account, and the warnings."""
    found, warnings = scored(csv_company, {}, tmp_path_factory.mktemp("right"))
    assert {"low", "medium", "high"} == {band for band, *_ in found.values()} - {"None"}
    assert len({reasons for *_, reasons in found.values()}) > 100
    return found, warnings


def stored_in(folder: Path) -> str:
    return f"sqlite:///{folder / 'churn.db'}"


def scored(settings: Path, env: dict[str, str], folder: Path) -> tuple[dict[str, Any], list[str]]:
    env = env | {"CHURN__STORE__URL": stored_in(folder)}
    done = churn("score", "-c", settings, "--json", "--out", folder / "night.jsonl", env=env)
    assert done.exit_status == 0, done.stderr
    rows = [json.loads(line) for line in (folder / "night.jsonl").read_text(encoding="utf-8").splitlines()]
    what = ("band", "state", "mrr", "families", "reasons")
    return {row["account_id"]: tuple(str(row[name]) for name in what) for row in rows}, done.record()["warnings"]


UNPRINTABLE = {chr(code) for code in (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F))}


@pytest.mark.parametrize("case", ODD, ids=[case["name"] for case in ODD])
def test_an_odd_table_stops_no_night(
    case: dict[str, Any], csv_company: Path, right: tuple[dict[str, Any], list[str]], tmp_path: Path
) -> None:
    """Where it is worth a warning, that stands beside the night; where it means nothing, nothing has moved."""
    usual, warnings = right
    found, told = scored(csv_company, broken(case, csv_company, tmp_path), tmp_path)
    more = [each for each in told if each not in warnings]
    assert [] == [words for words in case.get("warns", []) if not any(words in each for each in more)]
    assert bool(case.get("warns")) == bool(more), more
    assert usual.keys() == found.keys()
    if case.get("same"):
        assert usual == found
    if case["table"] == "accounts":  # whose names are shown
        shown = churn("score", "-c", csv_company, env={"CHURN__STORE__URL": stored_in(tmp_path)}).stdout
        assert not set(shown) & UNPRINTABLE, "nothing that a terminal would obey"
        assert max(map(len, shown.splitlines())) < 500


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case["name"], marks=[pytest.mark.slow] if "slow" in case else []) for case in COMPANIES],
)
def test_an_odd_company_is_answered(case: dict[str, Any], csv_company: Path, tmp_path: Path) -> None:
    """Nobody is left with a traceback, or with percentages that nothing stands behind."""
    env = {"CHURN__STORE__URL": stored_in(tmp_path), "CHURN__TRACKING__URI": f"sqlite:///{tmp_path / 'mlflow.db'}"}
    for table, sql in case.get("sql", {}).items():
        env |= broken({"table": table, "sql": sql}, csv_company, tmp_path)
    for command in ("train", "score"):
        expected, answer = case[command], churn(command, "-c", csv_company, env=env | case.get("env", {}))
        told = answer.stdout + answer.message
        assert expected["status"] == answer.exit_status, told
        assert [] == [words for words in expected["says"] if words not in told], told
        assert "Traceback" not in answer.stderr


def test_there_are_sixty_kinds_of_odd_and_wrong_tables() -> None:
    names = [case["name"] for case in (*CASES, *ODD, *COMPANIES)]
    assert len(set(names)) == len(names) >= 60


# --- tables that are kept otherwise than when the champion was trained


def test_a_table_that_no_longer_keeps_versions_is_refused(trained_demo: Path, tmp_path: Path) -> None:
    """The champion believes columns that nobody can date any more; readers keep the night they have."""
    before = published(trained_demo, tmp_path)
    newest = "QUALIFY row_number() OVER (PARTITION BY ticket_id ORDER BY recorded_at DESC) = 1"
    write(
        f"SELECT * EXCLUDE (recorded_at) FROM '{trained_demo.parent}/data/tickets.parquet' {newest}",
        tmp_path / "tickets.parquet",
    )
    env = {"CHURN__DATA__TICKETS": str(tmp_path / "tickets.parquet")}
    answer = churn("score", "-c", trained_demo, env=env)
    assert (3, "") == (answer.exit_status, answer.stdout)
    assert answer.message.startswith("The champion learned from versions of tickets, but tonight the table has no ")
    assert before == published(trained_demo, tmp_path)


def test_tables_that_began_to_keep_versions_are_read_at_their_newest(
    csv_company: Path, trained_demo: Path, tmp_path: Path
) -> None:
    """The champion knows of none, and sees the customers it saw before: each once, in the state and at the price."""
    env = {"CHURN__STORE__URL": f"sqlite:///{tmp_path / 'churn.db'}"}
    for table in ("accounts", "subscriptions"):
        write(f"FROM '{trained_demo.parent}/data/{table}.parquet'", tmp_path / f"{table}.csv")
        env[f"CHURN__DATA__{table.upper()}"] = str(tmp_path / f"{table}.csv")
    done = churn("score", "-c", csv_company, "--out", tmp_path / "versions.jsonl", env=env)
    assert done.exit_status == 0, done.stderr

    def standing(night: str) -> list[tuple[Any, ...]]:
        rows = [json.loads(line) for line in night.splitlines()]
        return sorted((row["account_id"], row["state"], row["mrr"], row["owner"]) for row in rows)

    with_versions = standing((tmp_path / "versions.jsonl").read_text(encoding="utf-8"))
    assert with_versions == standing(published(csv_company, tmp_path))
    assert len(with_versions) > 100
