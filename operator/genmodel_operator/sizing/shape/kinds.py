"""Which kind of mixer each layer has, from the many ways to say so."""

from collections.abc import Mapping, Sequence
from typing import Any

from genmodel_operator.sizing.shape.fields import Fields, contradiction, invalid, missing, whole
from genmodel_operator.sizing.shape.model import Unsizable

FULL, SLIDING, CHUNKED, CROSS, NONE = "full", "sliding", "chunked", "cross", "none"
DELTA, KIMI_DELTA, LIGHTNING = "gated delta net", "kimi delta attention", "lightning"
MAMBA, MAMBA_1, CONVOLUTION = "mamba", "mamba 1", "convolution"

_NAMES = {
    "full_attention": FULL,
    "attention": FULL,
    "global": FULL,
    "global_attention": FULL,
    "indexed_attention": FULL,
    "sliding_attention": SLIDING,
    "local_attention": SLIDING,
    "sliding_window": SLIDING,
    "swa": SLIDING,
    "chunked_attention": CHUNKED,
    "linear_attention": "linear",
    "mamba": MAMBA,
    "mamba2": MAMBA,
    "conv": CONVOLUTION,
    "mlp": NONE,
    "moe": NONE,
}
"""Names in ``layer_types`` and ``layers_block_type``."""

_LETTERS = {"M": MAMBA, "*": FULL, "-": NONE, "E": NONE}
"""Letters of ``hybrid_override_pattern``."""

_STATES = ("mamba_num_heads", "mamba_n_heads", "mamba_d_state", "ssm_state_size", "conv_L_cache", "state_size")
"""Sizes of states: a model that has them has layers with states, and must say which."""

LAYERS = ("num_hidden_layers", "num_layers", "n_layer", "n_layers")
WINDOW = ("sliding_window", "sliding_window_size", "attention_window_size", "window_size")


def count_layers(fields: Fields) -> int:
    """Return the number of layers; hybrids may say it only by the length of their pattern."""
    pattern = block_letters(fields) or fields.stated("layers_block_type") or fields.stated("block_configs")
    if not fields.says(*LAYERS) and isinstance(pattern, str | list):
        return len(pattern)
    return fields.size(*LAYERS, limit="layers")


def block_letters(fields: Fields) -> str | None:
    """Return ``hybrid_override_pattern``; raises ``Unsizable`` for letters that have no meaning."""
    pattern = fields.stated("hybrid_override_pattern")
    if pattern is None:
        return None
    if not isinstance(pattern, str) or not pattern or set(pattern) - set(_LETTERS):
        raise invalid("hybrid_override_pattern", pattern, "a text of M, *, - and E")
    return pattern


def layer_kinds(fields: Fields, layers: int, drafts: int) -> list[str]:
    """Return the kind of each layer; raises ``Unsizable`` where it cannot be known."""
    kinds = _said(fields, layers, drafts) or _by_window(fields, layers)
    if len(kinds) not in (layers, layers + drafts):
        raise contradiction(
            f"the configuration describes {len(kinds)} layers one by one, and num_hidden_layers is {layers}"
        )
    return [_resolved(kind, fields) for kind in kinds[:layers]]


def _said(fields: Fields, layers: int, drafts: int) -> list[str] | None:
    """Return the kinds where layers of another kind than attention, or each single one, are named."""
    letters = block_letters(fields)
    if letters is not None:
        return [_LETTERS[letter] for letter in letters]
    for name in ("layers_block_type", "layer_types"):
        listed = fields.items(name) if fields.says(name) else None
        if listed:
            return [_named(kind, name) for kind in listed]
    return (
        _kimi(fields, layers)
        or _by_number(fields, "attn_type_list", {1: FULL, 0: LIGHTNING})
        or _by_number(fields, "hybrid_layer_pattern", {0: FULL, 1: SLIDING})
        or _every_other(fields, layers)
    )


def _named(kind: object, field: str) -> str:
    if not isinstance(kind, str) or kind not in _NAMES:
        raise Unsizable(
            "UnsupportedArchitecture", f"{field} in config.json has {kind!r}, a kind of layer not known here"
        )
    return _NAMES[kind]


def _by_number(fields: Fields, name: str, meaning: Mapping[int, str]) -> list[str] | None:
    listed = fields.items(name)
    if not listed:
        return None
    if any(isinstance(value, bool) or not isinstance(value, int) or value not in meaning for value in listed):
        raise invalid(name, listed, f"a list of {' and '.join(map(str, sorted(meaning)))}")
    return [meaning[value] for value in listed]


def _kimi(fields: Fields, layers: int) -> list[str] | None:
    """Return the kinds of ``linear_attn_config``, which counts its layers from one."""
    declared = fields.mapping("linear_attn_config")
    full = declared.get("full_attn_layers")
    if not isinstance(full, list):
        return None
    return [FULL if index + 1 in full else KIMI_DELTA for index in range(layers)]


def _every_other(fields: Fields, layers: int) -> list[str] | None:
    """Return the kinds of hybrids that say how often attention comes."""
    if fields.get("linear_num_value_heads"):
        interval = fields.number("full_attention_interval") or 4
        return [FULL if (index + 1) % interval == 0 else DELTA for index in range(layers)]
    if fields.get("attn_layer_period"):
        period, offset = fields.required("attn_layer_period"), fields.number("attn_layer_offset", least=0) or 0
        return [FULL if index % period == offset else MAMBA_1 for index in range(layers)]
    for name, listed, other in _BY_INDEX:
        indices = fields.items(name)
        if indices is not None:
            return [listed if index in indices else other for index in range(layers)]
    if fields.get("state_size") and not fields.says("num_attention_heads"):
        return [MAMBA if fields.get("n_groups") else MAMBA_1] * layers
    return None


_BY_INDEX = (
    ("attn_layer_indices", FULL, MAMBA),
    ("cross_attention_layers", CROSS, FULL),
    ("full_attn_idxs", FULL, CONVOLUTION),
)
"""Fields that number the layers of one kind, that kind, and what the others are."""


def _by_window(fields: Fields, layers: int) -> list[str]:
    """Return the kinds of plain models: full attention, or a window in all or some layers."""
    if fields.get("attention_chunk_size"):
        return _chunked(fields, layers)
    if fields.get(*_STATES):
        raise missing("hybrid_override_pattern" if fields.get("mamba_num_heads") else "layer_types")
    if not has_window(fields):
        pattern = [
            _named(kind, "layer_types") for kind in fields.defaults.get("layer_types_pattern", ["full_attention"])
        ]
        return [FULL if kind == SLIDING else kind for kind in _repeated(pattern, layers)]
    pattern_of_windows = _window_pattern(fields, layers)
    if pattern_of_windows is None and fields.says("use_sliding_window") and fields.says("max_window_layers"):
        first = fields.required("max_window_layers", least=0)
        return [SLIDING if index >= first else FULL for index in range(layers)]
    if pattern_of_windows is not None:
        return pattern_of_windows
    if fields.defaults.get("layer_types_pattern"):
        return _repeated([_named(kind, "layer_types") for kind in fields.defaults["layer_types_pattern"]], layers)
    if fields.mapping("rope_parameters").get("sliding_attention"):
        raise missing("layer_types")
    return [SLIDING] * layers


def has_window(fields: Fields) -> bool:
    """Whether a sliding window is in use; Qwen names one and switches it off."""
    return bool(fields.get(*WINDOW)) and fields.flag("use_sliding_window", otherwise=True)


def _window_pattern(fields: Fields, layers: int) -> list[str] | None:
    """Return the kinds of ``sliding_window_pattern``: each n-th layer is full, or a text such as LLLG."""
    pattern = fields.get("sliding_window_pattern", "_sliding_window_pattern")
    if pattern is None:
        return None
    if isinstance(pattern, str):
        if not pattern or set(pattern) - set("LG"):
            raise invalid("sliding_window_pattern", pattern, "a number or a text of L and G")
        return _repeated([FULL if letter == "G" else SLIDING for letter in pattern], layers)
    every = whole(pattern, "sliding_window_pattern")
    return [FULL if (index + 1) % every == 0 else SLIDING for index in range(layers)]


def _chunked(fields: Fields, layers: int) -> list[str]:
    """Return the kinds of Llama 4: layers without rotary positions see everything."""
    listed = fields.items("no_rope_layers")
    if listed:
        return [CHUNKED if rotary else FULL for rotary in listed]
    interval = fields.number("no_rope_layer_interval") or 4
    return [FULL if (index + 1) % interval == 0 else CHUNKED for index in range(layers)]


def _repeated(pattern: Sequence[Any], layers: int) -> list[Any]:
    return [pattern[index % len(pattern)] for index in range(layers)]


def _resolved(kind: str, fields: Fields) -> str:
    """Return what "linear attention" and a window mean in this model."""
    if kind == SLIDING:
        return SLIDING if has_window(fields) else FULL
    if kind == CHUNKED:
        return CHUNKED if fields.get("attention_chunk_size") else FULL
    return _linear(fields) if kind == "linear" else kind


def _linear(fields: Fields) -> str:
    """Return what "linear attention" is in this model, by the sizes that it has."""
    signs = (
        (DELTA, fields.get("linear_num_value_heads")),
        (KIMI_DELTA, fields.mapping("linear_attn_config")),
        (MAMBA, fields.get("mamba_num_heads", "mamba_n_heads")),
        (LIGHTNING, fields.says("full_attn_alpha_factor", "linear_attn_alpha_factor")),
    )
    found = next((kind for kind, sign in signs if sign), None)
    if found is not None:
        return found
    raise Unsizable("MissingConfigField", "config.json has layers of linear attention and no linear_num_value_heads")
