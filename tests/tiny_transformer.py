"""A transformer's files as Hugging Face keeps them, made here: tiny, with known answers, run by the real libraries."""

import json
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save
from tokenizers import Tokenizer, models, pre_tokenizers

__all__ = ["write_transformer"]

WORDS = {"[PAD]": 0, "[UNK]": 1, "schrecklich": 2, "wunderbar": 3}
LOGITS = np.array([[0, 0, 0], [0, 2, 0], [6, 0, 0], [0, 0, 6]], dtype=np.float32)
"""What each word adds to negative, neutral and positive."""


def write_transformer(folder: Path, labels: tuple[str, ...] = ("NEGATIVE", "neutral", "Positive")) -> Path:
    """Knows one German word of either mood; all others are neutral. Padding adds nothing."""
    folder.mkdir(parents=True)
    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {str(place): label for place, label in enumerate(labels)}
    (folder / "config.json").write_text(json.dumps({"id2label": names}), encoding="utf-8")
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    nodes = [
        helper.make_node("Gather", ["logits_of_words", "input_ids"], ["each"], axis=0),
        helper.make_node("Cast", ["attention_mask"], ["is_there"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["is_there", "last"], ["weight"]),
        helper.make_node("Mul", ["each", "weight"], ["counted"]),
        helper.make_node("ReduceSum", ["counted", "tokens"], ["logits"], keepdims=0),
    ]
    constants = {"logits_of_words": LOGITS, "last": np.array([2]), "tokens": np.array([1])}
    graph = helper.make_graph(
        nodes,
        "tiny",
        inputs,
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["texts", len(labels)])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    save(model, str(folder / "model.onnx"))
    return folder
