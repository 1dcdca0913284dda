"""Sentence embeddings by all-MiniLM-L6-v2, out of the package that carries its weights.

The package's own way needs PyTorch; six layers of a BERT encoder (Devlin et al., 2019) need a page of NumPy.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf
from tokenizers import Tokenizer

Floats = NDArray[np.float32]

AT_ONCE: Final = 32
MOST_TOKENS: Final = 256
_DTYPES: Final = {"F32": np.float32, "I64": np.int64}


class MiniLM:
    """The encoder in a folder with `config.json`, `tokenizer.json` and `model.safetensors`."""

    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.layers, self.heads = config["num_hidden_layers"], config["num_attention_heads"]
        self.tiny = config["layer_norm_eps"]
        self.file = folder / "model.safetensors"
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(MOST_TOKENS)
        self.tokenizer.enable_padding()

    @cached_property
    def weights(self) -> dict[str, Any]:
        content = self.file.read_bytes()
        start = 8 + int.from_bytes(content[:8], "little")
        head = json.loads(content[8:start])
        head.pop("__metadata__", None)
        return {
            name: np.frombuffer(
                content[start + part["data_offsets"][0] : start + part["data_offsets"][1]], _DTYPES[part["dtype"]]
            ).reshape(part["shape"])
            for name, part in head.items()
        }

    def embed(self, texts: Sequence[str]) -> Floats:
        """(texts, 384) mean of the tokens' last states, of length 1."""
        by_length = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        found = np.empty((len(texts), self.weights["embeddings.LayerNorm.weight"].size), dtype=np.float32)
        for first in range(0, len(texts), AT_ONCE):
            places = by_length[first : first + AT_ONCE]
            found[places] = self._of([texts[place] for place in places])
        return found

    def _of(self, texts: list[str]) -> Floats:
        encoded = self.tokenizer.encode_batch(texts)
        ids = np.array([each.ids for each in encoded])
        there = np.array([each.attention_mask for each in encoded], dtype=np.float32)
        w = self.weights
        state = w["embeddings.word_embeddings.weight"][ids]
        state = state + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
        state = self._normed(state + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for number in range(self.layers):
            layer = f"encoder.layer.{number}"
            heard = self._dense(self._attention(state, there, layer), f"{layer}.attention.output.dense")
            state = self._normed(state + heard, f"{layer}.attention.output.LayerNorm")
            inner = self._dense(state, f"{layer}.intermediate.dense")
            inner = inner * 0.5 * (1.0 + erf(inner / np.float32(np.sqrt(2.0))))
            state = self._normed(state + self._dense(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
        mean = (state * there[..., None]).sum(axis=1) / there.sum(axis=1, keepdims=True)
        embedded: Floats = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return embedded

    def _attention(self, state: Floats, there: Floats, layer: str) -> Floats:
        texts, tokens, width = state.shape
        query, key, value = (
            self._dense(state, f"{layer}.attention.self.{part}").reshape(texts, tokens, self.heads, -1).swapaxes(1, 2)
            for part in ("query", "key", "value")
        )
        # NumPy hands only matrices without gaps to BLAS.
        query, key, value = map(np.ascontiguousarray, (query, key.swapaxes(2, 3), value))
        scores = query @ key / np.float32(np.sqrt(width / self.heads))
        scores = scores + (there[:, None, None, :] - 1.0) * 1e4
        believed = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (believed / believed.sum(axis=-1, keepdims=True)) @ value
        return mixed.swapaxes(1, 2).reshape(texts, tokens, width)

    def _dense(self, state: Floats, name: str) -> Floats:
        weight = self.weights[f"{name}.weight"]
        flat = state.reshape(-1, state.shape[-1]) @ weight.T + self.weights[f"{name}.bias"]
        out: Floats = flat.reshape(*state.shape[:-1], len(weight))
        return out

    def _normed(self, state: Floats, name: str) -> Floats:
        centred = state - state.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self.tiny)
        out: Floats = scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]
        return out
