"""A model of Hugging Face that the settings name: read, run, and refused where it is none."""

import json
import shutil
from pathlib import Path

import pytest
from tiny_transformer import write_transformer

from models.errors import UnusableScorer
from models.transformer import Transformer

BAD, GOOD, PLAIN = "Das ist schrecklich", "wunderbar wunderbar", "Wie drucke ich den Plan"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_transformer(tmp_path_factory.mktemp("hub") / "tiny")


def test_a_text_sounds_as_the_classes_believe(folder: Path) -> None:
    model = Transformer.load("tiny", folder.parent)
    bad, good, plain = model.polarity([BAD, GOOD, PLAIN]).tolist()
    assert bad < -0.5
    assert good == pytest.approx(1.0, abs=0.01)
    assert plain == 0.0


def test_a_text_sounds_alike_in_any_company(folder: Path) -> None:
    """Texts are looked at by length, many at once, and padded: none of it may be heard."""
    model = Transformer.load(str(folder), Path("/"), threads=1)
    texts = [BAD + " und" * number for number in range(70)] + [GOOD, PLAIN]
    together = model.polarity(texts).tolist()
    assert [model.polarity([text])[0] for text in texts] == together
    assert [] == model.polarity([]).tolist()


def test_the_version_is_that_of_all_files_that_decide(folder: Path, tmp_path: Path) -> None:
    """Weights, also those beside the graph; classes; tokens. Not the place they lie in."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    versions = [Transformer.load("tiny", folder.parent).version]
    assert versions == [Transformer.load("copy", tmp_path).version]
    (copy / "onnx").mkdir()
    (copy / "model.onnx").rename(copy / "onnx" / "model.onnx")
    assert versions == [Transformer.load("copy", tmp_path).version]
    for changed in ("onnx/model.onnx", "onnx/model.onnx_data", "tokenizer.json", "config.json"):
        file = copy / changed
        file.write_bytes((file.read_bytes() if file.exists() else b"") + b"\n")
        versions.append(Transformer.load("copy", tmp_path).version)
    assert len(versions) == len(set(versions))


def test_a_model_that_judges_no_texts_is_refused(folder: Path, tmp_path: Path) -> None:
    """Two classes named, three numbers given, as in an export for another task."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "config.json").write_text(json.dumps({"id2label": {"0": "negative", "1": "positive"}}), encoding="utf-8")
    with pytest.raises(UnusableScorer, match=r"\(1, 3\) numbers for 1 texts.*2 classes.*text-classification"):
        Transformer.load("copy", tmp_path).polarity([GOOD])


@pytest.mark.parametrize(
    ("labels", "mood"),
    [
        (("1 star", "3 stars", "5 stars"), (-1.0, 0.0, 1.0)),
        (("Very Negative", "Neutral", "Positive"), (-1.0, 0.0, 0.5)),
        (("NEG", "NEU", "POS"), (-1.0, 0.0, 1.0)),
    ],
)
def test_classes_are_moods_by_their_names(labels: tuple[str, ...], mood: tuple[float, ...], tmp_path: Path) -> None:
    write_transformer(tmp_path / "tiny", labels)
    assert mood == Transformer.load("tiny", tmp_path).mood


def test_a_name_is_looked_up_among_what_was_downloaded(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The layout in which `hf download` keeps its files."""
    kept = tmp_path / "models--someone--tiny"
    shutil.copytree(folder, kept / "snapshots" / "abc")
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text("abc", encoding="utf-8")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert Transformer.load("someone/tiny", tmp_path).polarity([GOOD])[0] > 0.9


@pytest.mark.parametrize("name", ["nobody/has-this", "../no folder at all"])
def test_what_is_not_there_is_not_fetched(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UnusableScorer, match="hf download"):
        Transformer.load(name, tmp_path)


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.onnx"])
@pytest.mark.parametrize("harm", ["gone", "garbage"])
def test_files_that_do_not_serve_are_named(folder: Path, tmp_path: Path, file: str, harm: str) -> None:
    harmed = shutil.copytree(folder, tmp_path / "harmed") / file
    harmed.unlink() if harm == "gone" else harmed.write_bytes(b"\x00 no such file")
    with pytest.raises(UnusableScorer, match=rf"\[sentiment\] model = 'harmed'.*({file}|cannot be read)"):
        Transformer.load("harmed", tmp_path).polarity([GOOD])


@pytest.mark.parametrize("labels", [("LABEL_0", "LABEL_1", "LABEL_2"), ("toxic", "neutral", "positive"), ()])
def test_classes_that_are_no_moods_are_refused(labels: tuple[str, ...], folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    names = {str(place): label for place, label in enumerate(labels)}
    (copy / "config.json").write_text(json.dumps({"id2label": names}), encoding="utf-8")
    with pytest.raises(UnusableScorer, match="no moods"):
        Transformer.load("copy", tmp_path)
