"""Class defaults of Transformers: what a configuration means where it is silent.

The table beside this module is written from Transformers itself (scripts/class_defaults.py). It
knows types of models, never models.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class ClassDefaults:
    """The table.

    Attributes:
        architectures: model type of a class that can be named under ``architectures``.
        text_types: type of the text part of a multimodal type; ``vision_types``: of its tower.
        classes: fields and their defaults by model type. Fields that Transformers derives from others
            (``head_dim`` of Llama) are not among them.

    """

    architectures: Mapping[str, str]
    text_types: Mapping[str, str]
    vision_types: Mapping[str, str]
    classes: Mapping[str, Mapping[str, Any]]


@cache
def class_defaults() -> ClassDefaults:
    """Return the table; read once."""
    table = json.loads(files(__package__).joinpath("class_defaults.json").read_text(encoding="utf-8"))
    return ClassDefaults(table["architectures"], table["text_types"], table["vision_types"], table["classes"])


_ENGINE_TYPES: Mapping[str, Mapping[str, Any]] = {
    # Types that the engine has classes of its own for, and Transformers does not.
    "baichuan": {"tie_word_embeddings": False},
    "chatglm": {"max_position_embeddings": 2048, "tie_word_embeddings": False},
    "deepseek_ref": {"tie_word_embeddings": False, "head_dim": 512, "hc_mult": 4},
    "deepseek_v4": {"hc_mult": 4},
    "gemma4_text": {"global_head_dim": 512},
    "internlm2": {"tie_word_embeddings": False},
    "kimi_k2": {"tie_word_embeddings": False, "first_k_dense_replace": 0, "moe_layer_freq": 1},
    "minicpm": {"tie_word_embeddings": True},
    "nemotron-nas": {"tie_word_embeddings": False},
    "phi3small": {"tie_word_embeddings": True},
    "qwen": {"tie_word_embeddings": False},
    "xverse": {"tie_word_embeddings": False},
}


def defaults_of(model_type: str) -> Mapping[str, Any]:
    """Return the defaults of a model type; empty where nobody states any."""
    known = class_defaults()
    text_type = known.text_types.get(model_type, model_type)
    return {
        **known.classes.get(model_type, {}),
        **known.classes.get(text_type, {}),
        **_ENGINE_TYPES.get(model_type, {}),
    }


def type_of(architecture: str) -> str | None:
    """Return the model type of a class, for a configuration without ``model_type``."""
    return class_defaults().architectures.get(architecture)


def text_type_of(model_type: str) -> str:
    """Return the type of the text part."""
    return class_defaults().text_types.get(model_type, model_type)
