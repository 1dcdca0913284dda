"""The product's own command line, run as a person would, without a process of its own for each call."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from pipeline.cli import main

CHURN = Path(sys.executable).parent / "churn"
ONE_THREAD = {"CHURN__ENGINE__THREADS": "1"}
SPARSE = {"CHURN__CHURN__SNAPSHOT_EVERY_DAYS": "112"}
"""Four months between snapshots: each costs a second or two, whatever the size of the company."""


@dataclass(frozen=True)
class Answer:
    """What a command printed, and how it ended."""

    exit_status: int
    stdout: str
    stderr: str

    @property
    def message(self) -> str:
        """Standard error without the lines of the log: what a person is told when it fails."""
        return "".join(line for line in self.stderr.splitlines(keepends=True) if not line.startswith('{"at": '))

    def record(self) -> Any:
        """The one JSON object on standard output; anything beside it there is a failure."""
        return json.loads(self.stdout)


def churn(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Answer:
    """`churn …`, in this process. An exception that the command line does not expect is raised here."""
    environment = {**ONE_THREAD, **(env or {})}
    result = CliRunner().invoke(
        main, [str(argument) for argument in arguments], env=environment, catch_exceptions=False
    )
    return Answer(result.exit_code, result.stdout, result.stderr)


def learned_demo(folder: Path, env: Mapping[str, str]) -> Answer:
    """What `churn score` says of a small demo company whose learned model is in use.

    Too few leave it for the gate to let a learned model pass, so that one is put in by force.
    """
    config = folder / "churn.toml"
    for arguments in (
        ("demo", folder, "--accounts", "250"),
        ("promote", "1", "--force", "--why", "so that the tests see a learned model", "-c", config),
        ("score", "-c", config),
    ):
        done = churn(*arguments, env=env)
        assert done.exit_status == 0, done.stderr
    return done


def churn_process(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Answer:
    """`churn …` as installed, in a process of its own."""
    ran = subprocess.run(
        [CHURN, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **ONE_THREAD, **(env or {})},
    )
    return Answer(ran.returncode, ran.stdout, ran.stderr)
