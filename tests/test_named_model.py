"""A sentiment model that the settings name: whether it can be loaded is told before the night, and how to mend it."""

from pathlib import Path
from typing import Any

import pytest
from command_line import churn
from test_ticket_words import FURIOUS, company
from tiny_transformer import write_transformer


def named(folder: Path, model: str) -> Path:
    settings = company(folder, [FURIOUS])
    with settings.open("a", encoding="utf-8") as more:
        more.write(f'[sentiment]\nmodel = "{model}"\n')
    return settings


def found(settings: Path) -> dict[str, Any] | None:
    findings = churn("doctor", "-c", settings, "--json").record()["findings"]
    return next((each for each in findings if each["what"] == "sentiment"), None)


def test_the_doctor_loads_it(tmp_path: Path) -> None:
    write_transformer(tmp_path / "tiny")
    seen = found(named(tmp_path, "tiny"))
    assert seen is not None
    assert seen["well"]
    assert seen["seen"].startswith("tiny, version onnx-")


@pytest.mark.parametrize(
    ("harm", "told"),
    [("gone", "hf download"), ("cut", "cannot be read from"), ("no tokenizer", "optimum-cli export onnx")],
)
def test_the_doctor_says_what_it_lacks(harm: str, told: str, tmp_path: Path) -> None:
    """A graph that is cut off is only noticed where it is read."""
    folder = tmp_path / "tiny"
    if harm != "gone":
        write_transformer(folder)
    if harm == "cut":
        (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:200])
    if harm == "no tokenizer":
        (folder / "tokenizer.json").unlink()
    seen = found(named(tmp_path, "tiny"))
    assert seen is not None
    assert not seen["well"]
    assert told in seen["seen"]


def test_without_one_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert found(company(tmp_path, [FURIOUS])) is None


def test_a_name_that_leads_nowhere_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    """As an unknown key is one: a retry helps once they are changed."""
    answer = churn("check", "-c", named(tmp_path, "tnyi"))
    assert 2 == answer.exit_status
    assert "[sentiment] model = 'tnyi'" in answer.message
