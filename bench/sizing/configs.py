"""The configurations of the models: put back into the form that ``config.json`` has on the Hub."""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
_DATA_FIELDS = {
    "repo_id", "revision", "parameters_by_dtype", "safetensors_bytes", "safetensors_bytes_note", "kaito_source",
    "parameters_source", "from_memory", "from_memory_fields", "from_memory_note", "alias_of", "head_dim_derived",
    "layer_types_count", "source", "fields_confirmed_by", "nested_under", "text_model_type", "license", "gated",
    "pipeline_tag", "note",
}  # fmt: skip
"""What ``model_configs.json`` adds to a configuration."""
_AROUND = ("architectures", "model_type", "torch_dtype", "quantization_config", "vision_config")
"""Fields that a multimodal configuration has around the text model's."""
_BUILD = re.compile(r"-(?:fp8|awq|gptq-int[48]|nvfp4|mxfp4|int[48]|\d{4})$", re.IGNORECASE)
"""How builds of a model, and its later revisions, are named after it."""
_SCHEME = re.compile(r"-(?:fp8-dynamic|quantized\.w\d+a\d+)$", re.IGNORECASE)
"""How builds of one publisher are named after the model and its scheme."""


@dataclass(frozen=True, slots=True)
class KnownConfig:
    """A model's configuration.

    Attributes:
        exact: every field was read from a file, of this repository or of one with the same architecture.
        parameters: elements by type as the Hub reports them; None where no source gave them.

    """

    config: dict[str, Any]
    parameters: dict[str, int] | None
    exact: bool


def find_config(model: str, scheme: str) -> KnownConfig | None:
    """Return the configuration of a row's model; ``scheme`` is its weight format. None where it is not known.

    A build that is named after its model and a scheme of compressed-tensors has the model's
    configuration with that scheme. A model of which only the FP8 build is known has the build's
    without the scheme.
    """
    name = re.sub(r"\s*[(\[].*", "", model).strip()
    found = _entries().get(_key(name))
    if found is not None:
        return _known(_completed(found), found.get("quantization_config"))
    base = _entries().get(_key(_SCHEME.sub("", name)))
    if base is not None and _SCHEME.search(name):
        quantization = declared_scheme(scheme)
        return None if quantization is None else _known(base, quantization)
    build = _entries().get(_key(f"{name}-FP8"))
    return None if build is None else _known(build, None)


def _completed(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry that has only a catalogue's fields with the others of the model that it is a build of.

    A model of the same name without format and date, whose every size that both state is the same.
    """
    if "vocab_size" in entry:
        return entry
    base = _BUILD.sub("", _key(entry["repo_id"]))
    for key, other in _entries().items():
        if "vocab_size" in other and base in (key, _BUILD.sub("", key)) and _agree(entry, other):
            own = {name: value for name, value in entry.items() if value is not None}
            taken = {name: value for name, value in other.items() if name not in _OF_A_BUILD}
            return {**taken, **own, "from_memory": entry["from_memory"] or other["from_memory"]}
    return entry


_OF_A_BUILD = {"quantization_config", "parameters_by_dtype", "safetensors_bytes", "safetensors_bytes_note"}


def _agree(entry: dict[str, Any], other: dict[str, Any]) -> bool:
    shared = (entry.keys() & other.keys()) - _OF_A_BUILD
    sizes = [(entry[name], other[name]) for name in shared if isinstance(entry[name], int)]
    return all(value == theirs for value, theirs in sizes if not isinstance(value, bool) and theirs is not None)


def declared_scheme(scheme: str) -> dict[str, Any] | None:
    """Return the ``quantization_config`` that publishers write for a scheme; None for others."""
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "fp8-dynamic": ("float-quantized", {"num_bits": 8, "type": "float", "strategy": "channel"}),
        "w8a8-int8": ("int-quantized", {"num_bits": 8, "type": "int", "strategy": "channel"}),
        "gptq-w4a16": ("pack-quantized", {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128}),
    }
    words = scheme.split()
    if not words or words[0] not in kinds:
        return None
    layout, weights = kinds[words[0]]
    inputs = None if weights["num_bits"] == 4 else {"num_bits": 8, "type": weights["type"], "strategy": "token"}
    group = {"targets": ["Linear"], "weights": {**weights, "symmetric": True}, "input_activations": inputs}
    return {
        "quant_method": "compressed-tensors",
        "format": layout,
        "ignore": ["lm_head"],
        "config_groups": {"group_0": group},
    }


def _known(entry: dict[str, Any], quantization: dict[str, Any] | None) -> KnownConfig:
    exact = not entry.get("from_memory_fields") and (not entry["from_memory"] or "alias_of" in entry)
    parameters = entry.get("parameters_by_dtype") if quantization == entry.get("quantization_config") else None
    return KnownConfig(_config({**entry, "quantization_config": quantization}), parameters, exact)


def _config(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of ``config.json``, those of the text model nested as they were."""
    config = {name: value for name, value in entry.items() if name not in _DATA_FIELDS and value is not None}
    nested = entry.get("nested_under")
    if not nested:
        return config
    text = {name: value for name, value in config.items() if name not in _AROUND}
    if entry.get("text_model_type"):
        text["model_type"] = entry["text_model_type"]
    return {**{name: config[name] for name in _AROUND if name in config}, nested: text}


@cache
def _entries() -> dict[str, dict[str, Any]]:
    models = json.loads((DATA / "model_configs.json").read_text())["models"]
    entries: dict[str, dict[str, Any]] = {}
    for entry in models:
        if "hidden_size" in entry:
            entries.setdefault(_key(entry["repo_id"]), entry)
    return entries


def _key(name: str) -> str:
    """Return the name without publisher: builds and mirrors of a model share it."""
    return name.rsplit("/", maxsplit=1)[-1].lower().removeprefix("meta-")
