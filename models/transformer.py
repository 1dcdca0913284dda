"""A sentiment model of Hugging Face, exported to ONNX, that a company names in its settings.

It is read from a folder, or from the cache that `hf download` fills; nothing is fetched while a command runs. Three
files are needed: `config.json`, `tokenizer.json`, and `model.onnx` (or `onnx/model.onnx`).
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from features.sentiment import SCORER
from models.errors import UnusableScorer

__all__ = ["Transformer"]

Floats = NDArray[np.float64]

_MOST_TOKENS: Final = 256
"""Whoever writes more has said how they feel by then; the time goes with the square of it."""

_AT_ONCE: Final = 32
_FILES: Final = ("config.json", "tokenizer.json", "onnx/model.onnx")
_MOODS: Final = {"neg": -1.0, "neu": 0.0, "pos": 1.0}
_VERY: Final = "very "
_STARS: Final = re.compile(r"([1-5])\s*stars?")


@dataclass(frozen=True)
class Transformer:
    """A classifier of texts whose classes are moods. `mood` is the polarity of each class, −1 to 1.

    `version` is another one wherever the files that decide a judgement are others. They are read when there is
    something to judge: where all is judged already, the model takes no memory.
    """

    name: str
    folder: Path
    graph: Path
    version: str
    mood: tuple[float, ...]
    threads: int = 0

    @classmethod
    def load(cls, name: str, folder: Path, threads: int = 0) -> Self:
        """Read a model by the path of its folder, seen from `folder`, or by its name on Hugging Face.

        Raises `UnusableScorer` where it is not on this machine, is no classifier of moods, or cannot be read.
        """
        try:
            import onnxruntime  # noqa: F401
            import tokenizers  # noqa: F401
        except ImportError as error:
            raise UnusableScorer(
                f"[sentiment] model = {name!r} needs {error.name}. Install what it takes: "
                "pip install huggingface-hub onnxruntime tokenizers"
            ) from error
        here = folder / name if (folder / name).is_dir() else _downloaded(name)
        graph = next((here / file for file in ("model.onnx", "onnx/model.onnx") if (here / file).is_file()), None)
        missing = [file for file in _FILES[:2] if not (here / file).is_file()]
        if graph is None or missing:
            absent = ", ".join([*missing, *(["model.onnx"] if graph is None else [])])
            raise UnusableScorer(
                f"[sentiment] model = {name!r}: {here} has no {absent}. Export the model: "
                "optimum-cli export onnx --model NAME --task text-classification FOLDER, and name that FOLDER."
            )
        try:
            config = json.loads((here / "config.json").read_text(encoding="utf-8"))
        except ValueError as error:
            raise UnusableScorer(
                f"[sentiment] model = {name!r} cannot be read: config.json is no JSON ({error})."
            ) from error
        weights = graph.with_name(f"{graph.name}_data")  # beside the graph where it has grown beyond 2 GB
        parts = (here / "config.json", here / "tokenizer.json", graph, *([weights] if weights.is_file() else []))
        return cls(name, here, graph, f"onnx-{_digest(parts)}", _moods(name, config), threads)

    @cached_property
    def _tokenizer(self) -> Any:
        import tokenizers

        try:
            tokenizer = tokenizers.Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        except Exception as error:  # the library raises bare Exceptions
            raise self._unreadable(error) from error
        tokenizer.enable_truncation(_MOST_TOKENS)
        tokenizer.enable_padding()
        return tokenizer

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        try:
            return onnxruntime.InferenceSession(self.graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the library has a dozen kinds of its own
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> UnusableScorer:
        first = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        return UnusableScorer(f"[sentiment] model = {self.name!r} cannot be read from {self.folder}: {first}")

    def polarity(self, texts: Sequence[str]) -> Floats:
        """(texts,) the mean of the classes' moods, each weighing what the model believes in it; −1 to 1.

        In thousandths, for beyond these it depends on which texts were looked at together. A model whose numbers are
        quantised while it runs depends on them further; take one that is not, or is so in its weights alone.
        """
        polarity = np.empty(len(texts))
        by_length = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        for first in range(0, len(texts), _AT_ONCE):
            places = by_length[first : first + _AT_ONCE]
            polarity[places] = self._of([texts[place] for place in places])
        return np.round(polarity, 3)

    def _of(self, texts: Sequence[str]) -> Floats:
        encoded = self._tokenizer.encode_batch(list(texts))
        given = {
            "input_ids": [each.ids for each in encoded],
            "attention_mask": [each.attention_mask for each in encoded],
            "token_type_ids": [each.type_ids for each in encoded],
        }
        wanted = {each.name for each in self._session.get_inputs()}
        inputs = {name: np.array(rows, dtype=np.int64) for name, rows in given.items() if name in wanted}
        try:
            logits = np.asarray(self._session.run(None, inputs)[0], dtype=np.float64)
        except Exception as error:  # as above
            raise self._unreadable(error) from error
        if logits.shape != (len(texts), len(self.mood)) or not np.isfinite(logits).all():
            raise UnusableScorer(
                f"[sentiment] model = {self.name!r} gives {logits.shape} numbers for {len(texts)} texts, and its "
                f"config.json names {len(self.mood)} classes. Export it for the task text-classification."
            )
        believed = np.exp(logits - logits.max(axis=1, keepdims=True))
        weighed: Floats = (believed / believed.sum(axis=1, keepdims=True)) @ np.array(self.mood)
        return weighed


def _downloaded(name: str) -> Path:
    """The folder into which `hf download` has put the model."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError) as error:
        raise UnusableScorer(
            f"[sentiment] model = {name!r} is no folder here, and nothing of that name was downloaded to this machine. "
            f"Correct the folder; a model of Hugging Face is fetched by: hf download {name} {' '.join(_FILES)}"
        ) from error


def _moods(name: str, config: Mapping[str, Any]) -> tuple[float, ...]:
    labels = [str(label).lower() for _, label in sorted(config.get("id2label", {}).items(), key=lambda it: int(it[0]))]
    is_graded = any(label.startswith(_VERY) for label in labels)
    moods = [_mood(label, is_graded) for label in labels]
    if None in moods or len(set(moods)) < 2:
        raise UnusableScorer(
            f"[sentiment] model = {name!r} names {labels or 'no classes'}, which are no moods. Its config.json must "
            "have id2label with negative, neutral and positive, or with 1 to 5 stars."
        )
    return tuple(mood for mood in moods if mood is not None)


def _mood(label: str, is_graded: bool) -> float | None:
    """Where others are very negative, negative is half as much."""
    stars = _STARS.fullmatch(label)
    if stars is not None:
        return (int(stars[1]) - 3) / 2
    plain = label.removeprefix(_VERY)
    mood = next((mood for start, mood in _MOODS.items() if plain.startswith(start)), None)
    return mood / 2 if mood is not None and is_graded and plain == label else mood


def _digest(parts: Sequence[Path]) -> str:
    """Of the files and of what is done with them here."""
    whole = hashlib.sha256(f"{SCORER} {_MOST_TOKENS}".encode())  # the scorer's version tells what own words are
    for file in parts:
        with file.open("rb") as content:
            whole.update(hashlib.file_digest(content, "sha256").digest())
    return whole.hexdigest()[:12]
