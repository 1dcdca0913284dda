"""The demo company with its settings, ready to be trained on."""

from importlib import resources
from pathlib import Path
from typing import Final

from pipeline.demo.company import write_company
from pipeline.errors import UsageError
from pipeline.run_log import RunLog

__all__ = ["furnish"]

_CONFIG: Final = "churn.toml"


def furnish(folder: Path, accounts: int, seed: int, log: RunLog) -> Path:
    """Write the demo company into a folder and return its settings file.

    Raises
    ------
    UsageError
        When the folder holds something that is no demo company: nothing of it would be kept safe.
    """
    config = folder / _CONFIG
    template = resources.files("pipeline.demo").joinpath(_CONFIG).read_text(encoding="utf-8")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not _is_ours(config):
        raise UsageError(f"{folder} is not empty and is no demo company. Name another folder: churn demo FOLDER")
    folder.mkdir(parents=True, exist_ok=True)
    log.step("make up a company")
    write_company(folder, accounts=accounts, seed=seed)
    config.write_text(template, encoding="utf-8")
    return config


def _is_ours(config: Path) -> bool:
    return config.is_file() and "demo = true" in config.read_text(encoding="utf-8")
