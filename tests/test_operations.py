"""The files under docs/operations: what they call exists, and what they rely on is what the product does."""

import configparser
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from pipeline.cli import main
from pipeline.errors import RefusedError, UsageError
from pipeline.settings_file import read_settings

ROOT = Path(__file__).resolve().parent.parent
OPERATIONS = ROOT / "docs" / "operations"
NO_RETRY = {UsageError.exit_status, RefusedError.exit_status}


def unit(name: str) -> configparser.RawConfigParser:
    parsed = configparser.RawConfigParser(strict=False, comment_prefixes=("#",), delimiters=("=",))
    parsed.optionxform = str  # type: ignore[assignment]  # systemd's names have capitals
    parsed.read(OPERATIONS / "systemd" / name, encoding="utf-8")
    return parsed


JOBS = ("kubernetes", "kubernetes-digest")


def job(name: str = "kubernetes") -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((OPERATIONS / f"{name}.yaml").read_text(encoding="utf-8"))
    return loaded


def pod(name: str = "kubernetes") -> dict[str, Any]:
    spec: dict[str, Any] = job(name)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return spec


def cron_lines() -> list[str]:
    lines = (OPERATIONS / "crontab").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if re.match(r"\d", line)]


def calls() -> list[list[str]]:
    """The arguments of every call of `churn` in the files."""
    services = [unit(f"churn-{name}.service")["Service"]["ExecStart"] for name in ("night", "digest", "alarm")]
    in_cron = [call for line in cron_lines() for call in re.findall(r"\$CHURN (.*?) >", line)]
    in_airflow = re.findall(r"run\((\"[^)]*\")\)", (OPERATIONS / "airflow_dag.py").read_text(encoding="utf-8"))
    return [
        *(shlex.split(command)[1:] for command in services),
        *(shlex.split(call) for call in in_cron),
        *([word.strip(' "') for word in call.split(",")] for call in in_airflow),
        *([str(word) for word in pod(name)["containers"][0]["args"]] for name in JOBS),
    ]


def test_what_they_call_exists() -> None:
    """Each calls night and digest, and each but the containers its alarm, with options that the commands have."""
    for name, *arguments in calls():
        command = main.commands[name]
        with click.Context(command, info_name=name) as context:
            command.parse_args(context, arguments)
    systemd, cron = ["score", "digest", "doctor"], ["score", "digest", "doctor", "score", "digest", "doctor"]
    assert [*systemd, *cron, "score", "digest", "doctor", "score", "digest"] == [name for name, *_ in calls()]


def test_what_no_retry_helps_is_not_tried_again() -> None:
    for name in ("night", "digest"):
        service = unit(f"churn-{name}.service")["Service"]
        assert NO_RETRY == {int(status) for status in service["RestartPreventExitStatus"].split()}
    for name in JOBS:
        (refused, _) = job(name)["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
        assert ("FailJob", NO_RETRY) == (refused["action"], set(refused["onExitCodes"]["values"]))
        assert pod(name)["containers"][0]["name"] == refused["onExitCodes"]["containerName"]
    assert f"in {NO_RETRY}" in (OPERATIONS / "airflow_dag.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "written"), zip(JOBS, [{"/srv/churn", "/tmp"}, {"/tmp"}], strict=True))
def test_the_container_may_write_only_where_it_must(name: str, written: set[str]) -> None:
    (container,) = pod(name)["containers"]
    assert job(name)["spec"]["concurrencyPolicy"] == "Forbid"
    assert pod(name)["restartPolicy"] == "Never", "a failure policy needs it"
    assert pod(name)["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert written == writable
    assert {volume["name"] for volume in pod(name)["volumes"]} == {mount["name"] for mount in container["volumeMounts"]}


def test_the_digest_follows_the_night() -> None:
    """A night that was published starts it; in Kubernetes it waits for one, by trying again."""
    assert "churn-digest.service" == unit("churn-night.service")["Unit"]["OnSuccess"]
    assert cron_lines()[0].index("$CHURN score") < cron_lines()[0].index("&& $CHURN digest")
    assert "score() >> digest()" in (OPERATIONS / "airflow_dag.py").read_text(encoding="utf-8")
    assert job("kubernetes-digest")["spec"]["jobTemplate"]["spec"]["backoffLimit"] >= 20


def test_its_memory_is_twice_what_the_engine_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the variables that say so are ones that the settings know."""
    (container,) = pod()["containers"]
    for variable in container["env"]:
        monkeypatch.setenv(variable["name"], variable["value"])
    (tmp_path / "a.csv").write_text("account_id\n", encoding="utf-8")
    config = tmp_path / "churn.toml"
    config.write_text('[data]\naccounts = "a.csv"\nsubscriptions = "a.csv"\n', encoding="utf-8")
    engine = read_settings(config).engine
    assert f"{2 * int(engine.memory_limit.removesuffix('GB'))}Gi" == container["resources"]["limits"]["memory"]
    assert str(engine.threads) == container["resources"]["requests"]["cpu"]
    assert "8G" == unit("churn-night.service")["Service"]["MemoryMax"]


def test_a_stop_leaves_time_for_the_way_out() -> None:
    """Ten seconds, and as many again."""
    assert "20s" == unit("churn-night.service")["Service"]["TimeoutStopSec"]
    assert 20 == pod()["terminationGracePeriodSeconds"]


def test_the_image_has_what_the_environment_has() -> None:
    dockerfile = (OPERATIONS / "Dockerfile").read_text(encoding="utf-8")
    copied = [source for line in re.findall(r"^COPY (.*) \S+$", dockerfile, re.MULTILINE) for source in line.split()]
    assert [] == [source for source in copied if not (ROOT / source).exists()]
    assert {"features", "models", "pipeline", "requirements.lock"} <= set(copied)
    assert "FROM python:3.11-" in dockerfile
    assert re.search(r"^USER \d+:\d+$", dockerfile, re.MULTILINE), "not root"


def test_the_airflow_file_is_python() -> None:
    compile((OPERATIONS / "airflow_dag.py").read_text(encoding="utf-8"), "airflow_dag.py", "exec")


def test_all_of_them_start_at_the_same_time() -> None:
    assert "*-*-* 06:10:00 UTC" == unit("churn-night.timer")["Timer"]["OnCalendar"]
    assert "10 6 * * *" == job()["spec"]["schedule"]
    assert cron_lines()[0].startswith("10 6 * * *")
    assert 'schedule="10 6 * * *"' in (OPERATIONS / "airflow_dag.py").read_text(encoding="utf-8")


def test_the_page_of_failures_names_tests_that_are_there() -> None:
    page = (OPERATIONS / "failures.md").read_text(encoding="utf-8")
    named = re.findall(r"`(?:tests/)?(test_\w+\.py)`", page)
    assert len(named) == 9
    assert [] == [name for name in named if not (ROOT / "tests" / name).is_file()]
