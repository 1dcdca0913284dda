"""The benchmarks are run by hand, and must not break meanwhile."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "tests" / "benchmarks"


def test_every_benchmark_finds_what_it_imports() -> None:
    names = sorted(script.stem for script in BENCHMARKS.glob("*.py"))
    assert {"engine", "skill", "scoring"} <= set(names)
    program = f"import importlib\nfor name in {names!r}: importlib.import_module(name)"
    path = {"PYTHONPATH": f"{ROOT}:{BENCHMARKS}", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", program], env=path, capture_output=True, text=True, check=False)
    assert "" == done.stderr
    assert 0 == done.returncode
