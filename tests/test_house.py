"""The house: where the packages lie, which arrows they keep, what start-up costs, what the repository may not say."""

import importlib.util
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = ("features", "models", "pipeline")
BIN = Path(sys.executable).parent
CHURN = BIN / "churn"

LONGEST_FILE = 300
LONG_FOR_A_REASON = {
    "features/contract.py": "every table and column of the contract, one after another: data, read in one place",
    "pipeline/demo/life.py": "one step of the simulated weeks, whose order is its meaning",
}
"""Files of the packages past 300 lines, and why each may be."""

HEAVY = ("lightgbm", "mlflow", "shap", "pandas", "ibis", "duckdb", "sklearn", "matplotlib", "pyarrow")


def repository_files() -> list[Path]:
    """The files git tracks or would add, as a clone sees them."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("this copy is no git repository, so what belongs to it cannot be listed")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def package_sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_lies_in_this_repository(package: str) -> None:
    """A package of the same name installed elsewhere would be tested in our stead."""
    # A fresh interpreter away from the sources: here pytest's own path would hide a wrong installation.
    code = f"import importlib.util as u; print(u.find_spec({package!r}).origin)"
    found = subprocess.run([sys.executable, "-c", code], cwd=BIN, capture_output=True, text=True, check=True)
    assert str(ROOT / package / "__init__.py") == found.stdout.strip()


def test_every_folder_with_code_is_a_listed_package() -> None:
    """A folder missing from the list is missing from an installation, which is noticed last by those who need it."""
    on_disk = {path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in package_sources()}
    assert on_disk == set(PROJECT["tool"]["setuptools"]["packages"])


def test_no_package_takes_the_name_of_another_distribution() -> None:
    """`features` and `models` are common words: no locked dependency may bring a module called so."""
    others = [
        path
        for folder in {Path(entry) for entry in sys.path if entry.endswith("site-packages")}
        for package in PACKAGES
        for path in folder.glob(f"{package}*")
        if path.name in {package, f"{package}.py"}
    ]
    assert [] == others


def test_project_cannot_be_uploaded() -> None:
    """Package indexes refuse what carries this classifier."""
    assert "Private :: Do Not Upload" in PROJECT["project"]["classifiers"]


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-uv.lock"])
def test_lock_pins_every_package_by_hash_and_names_no_index(name: str) -> None:
    """Each requirement is one exact version with hashes; where it is fetched from is the machine's business."""
    lock = (ROOT / name).read_text(encoding="utf-8")
    requirements = re.split(r"\n(?=\S)", "\n".join(line for line in lock.splitlines() if "#" not in line))
    requirements = [requirement for requirement in requirements if requirement.strip()]
    assert requirements
    assert [] == [each for each in requirements if not re.match(r"[A-Za-z0-9._-]+==\S+", each)]
    assert [] == [each for each in requirements if "--hash=sha256:" not in each]
    assert [] == re.findall(r"^\s*(?:--(?:extra-)?index-url|-i|--find-links|-f)\b.*$|\w+://\S+", lock, re.MULTILINE)


def test_lock_has_every_declared_dependency() -> None:
    """A dependency added to pyproject.toml without `make lock` would be missing from a clean clone."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([a-z0-9._-]+)==", lock, re.MULTILINE))
    declared = PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]
    names = {re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower() for requirement in declared}
    assert set() == names - locked


def test_imports_point_one_way() -> None:
    """Every contract of [tool.importlinter] holds, and every file stands in a layer."""
    linted = subprocess.run(
        [BIN / "lint-imports", "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert 0 == linted.returncode, linted.stdout + linted.stderr


def test_no_file_outgrows_its_noun() -> None:
    """A file past 300 lines holds a second noun, unless a reason stands in the list above."""
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in package_sources()
    }
    too_long = {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE}
    assert {} == {name: lines for name, lines in too_long.items() if name not in LONG_FOR_A_REASON}
    assert [] == [name for name in LONG_FOR_A_REASON if name not in too_long], "these need their reason no longer"


def test_no_file_names_a_machine_or_a_package_index() -> None:
    """A path of one machine works nowhere else; an index address overrides the one a company has chosen."""
    # In pieces, so that this file does not find itself.
    folders = ["/" + name + "/" for name in ("home", "root", "work", "Users", "private", "tmp")]
    hosts = ["pypi" + ".org", "python" + "hosted", "npm" + "js.org", "conda" + ".anaconda", "piwheels" + ".org"]
    forbidden = re.compile(
        "|".join([rf"(?<![\w.<}}-]){re.escape(folder)}\w" for folder in folders] + [re.escape(host) for host in hosts])
    )
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for path in repository_files()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="ignore").splitlines(), start=1)
        if forbidden.search(line)
    ]
    assert [] == found


def test_data_in_packages_is_installed_with_them() -> None:
    """A text or settings file beside the code is listed as package data, so that an installation has it too."""
    package_data = PROJECT["tool"]["setuptools"]["package-data"]
    missing = [
        path.relative_to(ROOT).as_posix()
        for path in repository_files()
        if path.relative_to(ROOT).parts[0] in PACKAGES and path.suffix not in {".py", ".md"}
        if not any(
            inside.match(pattern)
            for folder in path.parents
            if folder.is_relative_to(ROOT)
            for inside in [path.relative_to(folder)]
            for pattern in package_data.get(".".join(folder.relative_to(ROOT).parts), [])
            if pattern.count("/") == len(inside.parts) - 1
        )
    ]
    assert [] == missing


needs_command = pytest.mark.skipif(
    importlib.util.find_spec("pipeline.cli") is None, reason="pipeline/cli.py does not exist yet"
)


@needs_command
def test_help_imports_nothing_heavy() -> None:
    """What takes seconds to import is imported by the command that needs it."""
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from pipeline.cli import main\n"
        "result = CliRunner().invoke(main, ['--help'])\n"
        "assert result.exit_code == 0, result.output\n"
        f"print(*sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (0, []) == (ran.returncode, ran.stdout.split()), ran.stderr


@needs_command
def test_help_answers_within_half_a_second() -> None:
    """The best of several runs: the others measure what else the machine was doing."""
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([CHURN, "--help"], cwd=ROOT, capture_output=True, check=True)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.5
