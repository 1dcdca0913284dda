"""The command line: what a person and a scheduler can rely on."""

import csv
import json
import math
import os
import re
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import click
import pandas as pd
import pytest
from command_line import CHURN, ONE_THREAD, SPARSE, churn, churn_process
from sqlalchemy import select

from pipeline.cli import main
from pipeline.glossary import GLOSSARY
from pipeline.health import file_system
from pipeline.store.connection import connect, reading
from pipeline.store.nights import book, night
from pipeline.store.schema import PUBLISHED, RUNS, UNSCORED

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = sorted(main.commands)
NIGHT = "2026-11-02"


@pytest.fixture(scope="module")
def listed(trained_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The published night, as `churn export` writes it."""
    file = tmp_path_factory.mktemp("export") / "night.csv"
    assert churn("export", "-c", trained_demo, "--out", file).exit_status == 0
    with file.open(encoding="utf-8", newline="") as content:
        return list(csv.DictReader(content))


# --- help


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    """Its first line is a sentence, and every option says what it is for."""
    answer = churn(command, "--help")
    assert (0, "") == (answer.exit_status, answer.stderr)
    assert (main.commands[command].help or "").splitlines()[0].endswith(".")
    unsaid = [
        option.opts
        for option in main.commands[command].params
        if isinstance(option, click.Option) and not (option.help or "").strip()
    ]
    assert [] == unsaid


def test_help_lists_every_command_once() -> None:
    """A command missing from its group would be there and never be found."""
    listed = re.findall(r"^  (\w+)  +\S", churn("--help").stdout, re.MULTILINE)
    assert COMMANDS == sorted(listed)


def test_every_command_of_the_readme_exists() -> None:
    """Each `churn …` in the README names a command, and options that it has."""
    readme = ROOT / "README.md"
    if not readme.is_file():
        pytest.skip("README.md is not written yet")
    text = readme.read_text(encoding="utf-8")
    quoted = re.findall(r"`(churn [^`]+)`", text) + re.findall(r"^\s*\$? ?(churn .+)$", text, re.MULTILINE)
    assert quoted
    unknown = [line for line in quoted if not is_command(line.partition("#")[0])]
    assert [] == unknown


def is_command(line: str) -> bool:
    words = [word for word in shlex.split(line.replace("…", "x")) if word not in {"|", "\\"}][1:]
    name = next((word for word in words if word in main.commands), None)
    if name is None:
        return bool(words) and words[0] in {"--help", "--version"}
    below = getattr(main.commands[name], "commands", {})
    known = {
        opt for each in (main, main.commands[name], *below.values()) for param in each.params for opt in param.opts
    }
    return all(word.partition("=")[0] in known | {"--help"} for word in words if re.match(r"--?[a-z]", word))


# --- wrong usage


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["scores"], "No such command 'scores'"),
        (["score", "--as-of", "nonsense"], "'nonsense' is no date; write it as 2026-11-02"),
        (["score", "--nonsense"], "No such option"),
        (["score", "extra"], "unexpected extra argument (extra)"),
        (["explain"], "Missing argument 'ACCOUNT'"),
        (["export"], "Missing option '--out'"),
        (["export", "--out", "x", "--format", "xlsx"], "'xlsx' is not one of"),
        (["demo", "--accounts", "3"], "3 is not in the range"),
        (["check", "-c", "nowhere.toml"], "No settings at nowhere.toml"),
        (["train", "-c", "nowhere.toml"], "No settings at nowhere.toml"),
        (["backtest", "-c", "nowhere.toml"], "No settings at nowhere.toml"),
        (["score", "-c", "nowhere.toml"], "No settings at nowhere.toml"),
        (["explain", "A-1", "-c", "nowhere.toml"], "No settings at nowhere.toml"),
        (["export", "--out", "x.csv", "-c", "nowhere.toml"], "No settings at nowhere.toml"),
        (["doctor", "--max-age", "a day"], "'a day' is no number of hours; write 26h"),
    ],
)
def test_wrong_usage_ends_with_2_and_is_told_in_json_as_well(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message on standard error; with --json also one object on standard output, whoever found the fault."""
    monkeypatch.chdir(tmp_path)
    plain, in_json = churn(*arguments), churn(*arguments, "--json")
    assert (2, 2) == (plain.exit_status, in_json.exit_status)
    assert told in plain.message
    assert "" == plain.stdout
    assert told in in_json.record()["error"]
    assert 2 == in_json.record()["exit_status"]
    assert [] == list(tmp_path.iterdir()), "a wrong command leaves nothing behind"


def test_the_settings_may_be_named_before_the_command() -> None:
    answer = churn("-c", "nowhere.toml", "--json", "check")
    assert (2, "No settings at nowhere.toml") == (answer.exit_status, answer.record()["error"].partition(". ")[0])


def test_a_folder_that_is_no_demo_is_not_written_into(tmp_path: Path) -> None:
    """Somebody's own churn.toml and tables stand there."""
    (tmp_path / "churn.toml").write_text("[company]\n", encoding="utf-8")
    answer = churn("demo", tmp_path)
    assert 2 == answer.exit_status
    assert "is not empty and is no demo company" in answer.message
    assert ["churn.toml"] == [path.name for path in tmp_path.iterdir()]


def test_a_night_says_which_file_it_wrote(
    trained_demo: Path, listed: list[dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its rows, as `churn export` does; whoever reads the screen does not have to look for it."""
    monkeypatch.chdir(tmp_path)
    env = {"CHURN__STORE__URL": f"sqlite:///{tmp_path}/churn.db", **SPARSE}
    page = churn("score", "-c", trained_demo, "--out", "tonight.csv", env=env).stdout.splitlines()
    assert f"Wrote {len(listed):,} accounts to tonight.csv." == page[-1]
    assert page[-2].startswith("One account: ")


@pytest.mark.parametrize("out", ["nowhere/night.csv", "night.xlsx"])
def test_a_night_is_not_begun_when_its_file_could_not_be_written(out: str, trained_demo: Path, tmp_path: Path) -> None:
    """A night that was published and still ends with "wrong usage" would be run again by a careful operator."""
    store = {"CHURN__STORE__URL": f"sqlite:///{tmp_path}/churn.db"}
    answer = churn("score", "-c", trained_demo, "--out", tmp_path / out, env=store)
    assert 2 == answer.exit_status
    assert out in answer.message
    assert [] == list(tmp_path.iterdir())


# --- settings that fit no store, engine or model


@pytest.mark.parametrize(
    ("variable", "value", "status", "told"),
    [
        ("STORE__URL", "nonsense", 2, "[store] url is the address of no database"),
        ("STORE__URL", "oracle://me:s3cret@host/db", 2, "[store] url "),
        ("STORE__URL", "sqlite:////nowhere/churn.db", 1, "The store sqlite:////nowhere/churn.db cannot be used"),
        ("ENGINE__MEMORY_LIMIT", "lots", 2, "[engine] memory_limit = 'lots'"),
        ("TRACKING__MODEL", "nobody", 2, "No model 'nobody' has the alias 'champion'"),
        ("CHURN__HORIZON_DAYS", "90", 3, "[churn] horizon_days = 90, but the model was trained for 60"),
        ("CHURN__EVENT", "notice", 3, "[churn] event = 'notice', but the model was trained for 'ended'"),
        ("DATA__ENDED_ON", "last_day", 3, "[data] ended_on = 'last_day', but the model was trained for 'first_day_"),
        ("CHURN__GRACE_DAYS", "0", 3, "[churn] grace_days = 0, but the model was trained for 30"),
        ("DATA__TICKETS", "data/accounts.parquet", 3, "tickets.ticket_id  required column is missing"),
    ],
)
def test_a_night_that_cannot_be_is_refused(
    variable: str, value: str, status: int, told: str, trained_demo: Path
) -> None:
    """Exit status 1 where a retry may help, 2 for settings, 3 for a refusal; never a traceback, never a password."""
    answer = churn("score", "-c", trained_demo, env={f"CHURN__{variable}": value})
    assert (status, "") == (answer.exit_status, answer.stdout)
    assert told in answer.message
    assert "s3cret" not in answer.stderr


def test_a_date_without_customers_or_history_is_refused(trained_demo: Path) -> None:
    night = churn("score", "-c", trained_demo, "--as-of", "1999-01-01")
    assert (3, True) == (night.exit_status, "No account is active on 1999-01-01" in night.message)
    test = churn("backtest", "-c", trained_demo, "--as-of", "2024-12-01", "--json")
    assert (3, 3) == (test.exit_status, test.record()["exit_status"])
    assert "No snapshot is old enough for its labels to be known" in test.record()["error"]
    assert "The first could be 2024-12-27" in test.stderr


def test_what_is_out_of_memory_ends_with_1(trained_demo: Path) -> None:
    """More memory, or a quieter machine, may help: that is a retry, not a refusal."""
    answer = churn("check", "-c", trained_demo, env={"CHURN__ENGINE__MEMORY_LIMIT": "2MB"})
    assert 1 == answer.exit_status
    assert "Raise [engine] memory_limit" in answer.message


def test_a_fault_nobody_expected_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, trained_demo: Path) -> None:
    """What is a mistake of ours must not be dressed up as one of the user's."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("pipeline.health.examine", broken)
    with pytest.raises(ZeroDivisionError):
        churn("doctor", "-c", trained_demo)


# --- the night


@pytest.fixture(scope="module")
def own_store(trained_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A store in which no run of another test is the last one."""
    env = {"CHURN__STORE__URL": f"sqlite:///{tmp_path_factory.mktemp('own') / 'churn.db'}"}
    assert 0 == churn("score", "-c", trained_demo, env=env).exit_status
    return env


def test_json_is_all_there_is_on_standard_output(trained_demo: Path, own_store: dict[str, str], tmp_path: Path) -> None:
    """One object for each command that reads; the log stays on standard error, one object a line there."""
    files = {suffix: tmp_path / f"night.{suffix}" for suffix in ("csv", "parquet", "jsonl")}
    for arguments in (["check"], ["doctor"], *(["export", "--out", file] for file in files.values())):
        answer = churn(*arguments, "-c", trained_demo, "--json", env=own_store)
        assert 0 == answer.exit_status, answer.stderr
        assert answer.record()
        assert "" == answer.message
        assert all(json.loads(line)["run"] for line in answer.stderr.splitlines())
    assert {1} == {1 for file in files.values() if file.stat().st_size > 1000}


def test_a_rerun_gives_the_same_values_and_no_second_row(
    trained_demo: Path, listed: list[dict[str, str]], tmp_path: Path
) -> None:
    """The second night replaces the first, and readers cannot tell them apart but by its run."""
    store = Path(shutil.copy(trained_demo.parent / "churn.db", tmp_path))
    before = published(store)
    env = {"CHURN__STORE__URL": f"sqlite:///{store}", **SPARSE}
    done = churn("score", "-c", trained_demo, "--out", tmp_path / "again.csv", "--json", env=env)
    assert 0 == done.exit_status, done.stderr
    with (tmp_path / "again.csv").open(encoding="utf-8", newline="") as content:
        assert listed == list(csv.DictReader(content))
    assert (str(tmp_path / "again.csv"), len(listed)) == (done.record()["exported"], done.record()["rows_exported"])
    after = published(store)
    assert [NIGHT] == [night["as_of"] for night in after]
    differing = {key for key in after[0] if after[0][key] != before[0][key]}
    assert {"run_id", "started_at", "finished_at", "settings_digest"} == differing, "the digest knows of another store"
    record = done.record()
    assert (NIGHT, after[0]["run_id"]) == (record["as_of"], record["run_id"])
    assert len(listed) + record["states"].get("lapsed", 0) == record["accounts"]


def published(store: Path) -> list[dict[str, object]]:
    engine = connect(f"sqlite:///{store}")
    with reading(engine) as connection:
        rows = connection.execute(select(RUNS).join(PUBLISHED, PUBLISHED.c.run_id == RUNS.c.run_id)).mappings()
        found = [{**row, "as_of": str(row["as_of"])} for row in rows]
    engine.dispose()
    return found


def test_the_files_keep_the_law_of_the_export(trained_demo: Path, listed: list[dict[str, str]], tmp_path: Path) -> None:
    """log-odds = base + families = base + reasons, risk is their probability, both files say the same: to 1e-9."""
    assert 0 == churn("export", "-c", trained_demo, "--out", tmp_path / "night.parquet").exit_status
    frame = pd.read_parquet(tmp_path / "night.parquet")
    assert [row["account_id"] for row in listed] == frame["account_id"].tolist()
    scored = 0
    for row, other in zip(listed, frame.to_dict("records"), strict=True):
        if row["state"] == "leaving":
            assert ("", "", "[]") == (row["risk"], row["log_odds"], row["reasons"])
            continue
        scored += 1
        base, log_odds, risk = (float(row[name]) for name in ("base_log_odds", "log_odds", "risk"))
        assert (base, log_odds, risk) == (other["base_log_odds"], other["log_odds"], other["risk"])
        families, reasons = json.loads(row["families"]), json.loads(row["reasons"])
        assert math.isclose(log_odds, base + math.fsum(families.values()), abs_tol=1e-9)
        assert math.isclose(log_odds, base + math.fsum(each["contribution"] for each in reasons), abs_tol=1e-9)
        assert math.isclose(risk, 1 / (1 + math.exp(-log_odds)), abs_tol=1e-9)
        assert math.isclose(float(row["value_at_risk"]), risk * float(row["mrr"]), abs_tol=1e-6)
    assert scored > 200


# --- explain, export, doctor


def test_explain_shows_reasons_that_add_up(trained_demo: Path, listed: list[dict[str, str]]) -> None:
    """The column of log-odds on the screen sums to the line below it, as far as three digits go."""
    row = next(each for each in listed if each["state"] == "candidate")
    page = churn("explain", "-c", trained_demo, row["account_id"]).stdout
    assert row["account_id"] in page.splitlines()[0]
    assert re.search(rf"\({float(row['risk']) * 100:.1f}\s?%\)", page)
    shown = [float(found) for found in re.findall(r"^ +([+-]\d+\.\d{3})", page, re.MULTILINE)]
    assert math.isclose(shown[-1], sum(shown[:-1]), abs_tol=0.0005 * len(shown))
    assert math.isclose(shown[-1], float(row["log_odds"]), abs_tol=0.0006)
    record = churn("explain", "-c", trained_demo, row["account_id"], "--json").record()
    assert (row["account_id"], float(row["risk"])) == (record["account_id"], record["risk"])


def test_explain_speaks_chinese(trained_demo: Path, listed: list[dict[str, str]]) -> None:
    page = churn("explain", "-c", trained_demo, listed[0]["account_id"], "--language", "zh").stdout
    assert "主要原因" in page
    assert "main reason" not in page


@pytest.mark.parametrize("arguments", [["explain", "A-00001"], ["explain", "A-00001", "--json"], ["doctor"]])
def test_a_reader_that_has_gone_ends_the_command_quietly(arguments: list[str], trained_demo: Path) -> None:
    """`churn explain X | head -1`: no traceback, no remark of the interpreter, the status of a closed pipe."""
    reads, writes = os.pipe()
    os.close(reads)
    command = [CHURN, *arguments, "-c", trained_demo]
    ran = subprocess.run(command, stdout=writes, stderr=subprocess.PIPE, check=False, env=os.environ | ONE_THREAD)
    os.close(writes)
    assert (128 + signal.SIGPIPE, b"") == (ran.returncode, ran.stderr)


def test_what_the_words_mean_is_said_where_the_page_says_it_is(trained_demo: Path) -> None:
    """Every state, and every word that stands above a column or beside a sentence, in the help and in the README."""
    told = churn("explain", "--help").stdout
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for words, meaning in GLOSSARY.items():
        assert re.search(rf"^  {re.escape(words)} ", told, re.MULTILINE)
        assert f"| {words} | {meaning} |" in readme
    for word in (
        "at stake",
        "band",
        "log-odds",
        "without it",
        "main reason",
        "candidate",
        "payment",
        "watch",
        "new",
        *UNSCORED,
    ):
        assert any(word in words for words in GLOSSARY), word
    assert "churn explain --help" in churn("explain", "-c", trained_demo, "A-00001").stdout.splitlines()[-1]


def test_the_readme_gives_the_exit_statuses_as_the_help_does() -> None:
    [statuses] = re.findall(r"Exit status: .+?\n\n", churn("--help").stdout, re.DOTALL)
    told = " ".join(statuses.split())
    assert told in " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())


def test_explain_says_why_an_account_has_no_risk(trained_demo: Path) -> None:
    engine = connect(f"sqlite:///{trained_demo.parent / 'churn.db'}")
    with reading(engine) as connection:
        newest = night(connection)
        assert newest is not None
        lapsed = next(each for each in book(connection, newest) if each.state == "lapsed")
    engine.dispose()
    page = churn("explain", "-c", trained_demo, lapsed.account_id).stdout
    assert f"No risk is given: the account is lapsed, last day {lapsed.last_day}." in page


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["explain", "A-nobody"], f"'A-nobody' is not in the night of {NIGHT}. Ids are listed by: churn export -c "),
        (["explain", "A-00001", "--as-of", "2020-01-01"], "The night of 2020-01-01 is not published"),
        (["export", "--out", "x.csv", "--as-of", "2020-01-01"], "The night of 2020-01-01 is not published"),
        (["export", "--out", "x.xlsx"], "'x.xlsx' does not say what format to write"),
        (["export", "--out", "nowhere/x.csv"], "nowhere/x.csv cannot be written"),
        (["export", "--out", "."], ". is a folder. Name a file in it, such as night.csv"),
    ],
)
def test_what_was_never_published_cannot_be_shown(
    arguments: list[str], told: str, trained_demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = churn(*arguments, "-c", trained_demo)
    assert (2, "") == (answer.exit_status, answer.stdout)
    assert told in answer.message
    assert [] == list(tmp_path.iterdir())


def test_doctor_tells_what_ails(trained_demo: Path, own_store: dict[str, str], tmp_path: Path) -> None:
    """It goes on after each finding, and ends with 1 when one is bad: the alarm for a night that never ran."""
    well = churn("doctor", "-c", trained_demo, "--max-age", "26h", "--json", env=own_store)
    assert (0, True) == (well.exit_status, well.record()["well"])
    stale = churn("doctor", "-c", trained_demo, "--max-age", "0", "--json", env=own_store)
    assert (1, ["store"]) == (stale.exit_status, ailing(stale.record()))
    env = {
        "CHURN__DATA__USAGE": "nowhere/*.parquet",
        "CHURN__TRACKING__MODEL": "nobody",
        "CHURN__STORE__URL": f"sqlite:///{tmp_path}/nowhere.db",
    }
    ill = churn("doctor", "-c", trained_demo, "--json", env=env)
    assert (1, ["tables", "champion", "store"]) == (ill.exit_status, ailing(ill.record()))
    assert [] == list(tmp_path.iterdir()), "looking makes nothing"
    without = churn("doctor", "-c", tmp_path / "churn.toml")
    assert 1 == without.exit_status
    assert "ILL   settings" in without.stdout


def test_doctor_tells_how_the_last_run_ended(trained_demo: Path, tmp_path: Path) -> None:
    """A refused night is no missing one: the list is still that of the night before, and somebody has to know why."""
    shutil.copytree(trained_demo.parent, tmp_path / "company")
    config = tmp_path / "company" / trained_demo.name
    assert 3 == churn("score", "-c", config, env={"CHURN__DATA__USAGE": "nowhere/*.parquet"}).exit_status
    ill = churn("doctor", "-c", config)
    assert 1 == ill.exit_status
    (line,) = (line for line in ill.stdout.splitlines() if line.startswith("ILL"))
    assert re.search(r"last run +the night of 2026-11-02, begun \d{4}-\d\d-\d\d \d\d:\d\d UTC, was refused: ", line)
    assert 0 == churn("score", "-c", config).exit_status
    assert 0 == churn("doctor", "-c", config).exit_status


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/srv/churn", "nfs4"),
        ("/srv/churn of acme/store", "cifs"),
        ("/srv", "ext4"),
        ("/srv/churners", "ext4"),
        ("/opt/churn", "ext4"),
    ],
)
def test_the_kind_of_a_file_system_is_that_of_the_nearest_mount(folder: str, kind: str) -> None:
    """SQLite loses what it writes over a network, so doctor looks where its file lies."""
    mounts = (
        "/dev/sda1 / ext4 rw 0 0\nhost:/a /srv/churn nfs4 rw 0 0\n//host/b /srv/churn\\040of\\040acme cifs rw 0 0\n"
    )
    assert kind == file_system(Path(folder), mounts)


def ailing(record: dict[str, list[dict[str, object]]]) -> list[object]:
    return [finding["what"] for finding in record["findings"] if not finding["well"]]


@pytest.mark.parametrize(
    "command", [["score"], ["explain", "A-1"], ["export", "--out", "x.csv"], ["replay"], ["doctor"]]
)
def test_what_was_never_made_ends_alike_everywhere(command: list[str], trained_demo: Path, tmp_path: Path) -> None:
    """No model, no store, no night: 2, and the command to run first, so that a script can tell it from a failure."""
    env = {
        "CHURN__TRACKING__URI": f"sqlite:///{tmp_path}/mlflow.db",
        "CHURN__STORE__URL": f"sqlite:///{tmp_path}/churn.db",
    }
    answer = churn(*command, "-c", trained_demo, env=env)
    assert 2 == answer.exit_status, answer.stderr
    assert re.search(r"Run: churn (train|score)|[Ss]core it first|churn score", answer.message + answer.stdout)
    made = ["churn.db"] if command == ["score"] else []  # a refused night is on record, and nothing else is made
    assert made == [path.name for path in tmp_path.iterdir()]


def test_the_installed_command_answers(trained_demo: Path) -> None:
    """As a scheduler calls it: a process, its status, its two streams."""
    answer = churn_process("export", "-c", trained_demo, "--out", trained_demo.parent / "x.xlsx")
    assert (2, "") == (answer.exit_status, answer.stdout)
    assert answer.stderr.startswith("'x.xlsx' does not say what format to write")


def test_a_tracking_server_that_is_gone_is_told_and_may_be_retried(trained_demo: Path, tmp_path: Path) -> None:
    """Nothing listens on the discard port: a store that has no copy of the champion yet has no night."""
    env = {"CHURN__TRACKING__URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    answer = churn("score", "-c", trained_demo, env=env | {"CHURN__STORE__URL": f"sqlite:///{tmp_path}/churn.db"})
    assert answer.exit_status == 1
    assert answer.message.startswith("MLflow at http://127.0.0.1:9 failed: ")
    assert "Check [tracking] uri" in answer.message
    assert churn("explain", "-c", trained_demo, "nobody").exit_status == 2  # the night is still there to be asked


def test_the_monitor_writes_its_page_and_nothing_over_what_is_needed(trained_demo: Path, tmp_path: Path) -> None:
    before = trained_demo.read_bytes()
    refused = churn("monitor", "--html", trained_demo, "-c", trained_demo)
    assert (2, "") == (refused.exit_status, refused.stdout)
    assert "is in use here: it holds the settings. Name another file to write to." in refused.message
    assert before == trained_demo.read_bytes()
    done = churn("monitor", "--html", tmp_path / "look.html", "--json", "-c", trained_demo)
    assert 0 == done.exit_status, done.stderr
    found = done.record()
    assert {"drift", "expected", "realised", "tables"} == set(found["verdicts"])
    assert str(tmp_path / "look.html") == found["html"]
    assert "Can the nights be trusted?" in (tmp_path / "look.html").read_text(encoding="utf-8")
