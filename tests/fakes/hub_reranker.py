"""A small cross-encoder as a repository: a BERT with one label, which scores pairs of texts."""

import random
from array import array
from collections.abc import Mapping
from math import prod
from typing import Any

from tests.fakes.hub_models import BERT_CONFIG, Shapes, as_json, bert_shapes, bert_words, framed_header

RERANKER_CONFIG: Mapping[str, Any] = {
    **BERT_CONFIG,
    "architectures": ["BertForSequenceClassification"],
    "id2label": {"0": "LABEL_0"},
    "label2id": {"LABEL_0": 0},
    # Heads of 64: the engine's attention on CPU takes no smaller ones.
    "hidden_size": 128,
    "intermediate_size": 128,
}


def reranker_files() -> dict[str, bytes]:
    """The repository, with weights large enough that its scores differ."""
    return {
        "README.md": b"# Tiny reranker\n",
        "config.json": as_json(RERANKER_CONFIG),
        "vocab.txt": bert_words(),
        "tokenizer_config.json": as_json({"tokenizer_class": "BertTokenizer", "model_max_length": 64}),
        "model.safetensors": _weights(),
    }


def reranker_shapes() -> Shapes:
    """The tensors: the encoder, its pooler and one number."""
    hidden = RERANKER_CONFIG["hidden_size"]
    head: Shapes = {
        "bert.pooler.dense.weight": ("F32", (hidden, hidden)),
        "bert.pooler.dense.bias": ("F32", (hidden,)),
        "classifier.weight": ("F32", (1, hidden)),
        "classifier.bias": ("F32", (1,)),
    }
    return {**{f"bert.{name}": shape for name, shape in bert_shapes(RERANKER_CONFIG).items()}, **head}


def _weights() -> bytes:
    chance = random.Random(0)
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = bytearray()
    for name, (dtype, shape) in reranker_shapes().items():
        is_scale = name.endswith("LayerNorm.weight")
        numbers = array("f", (1.0 if is_scale else chance.gauss(0, 0.15) for _ in range(prod(shape)))).tobytes()
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(data), len(data) + len(numbers)]}
        data += numbers
    return framed_header(header) + bytes(data)
