"""Programs of a few lines in processes of their own, for what only a process can be: stopped, killed, told to end."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def begun(program: str, *arguments: str, says: str) -> Iterator["subprocess.Popen[str]"]:
    """The program, at work since it has said so; ended on leaving, also where it is stopped."""
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{says}\n"
        try:
            yield process
        finally:
            process.kill()
