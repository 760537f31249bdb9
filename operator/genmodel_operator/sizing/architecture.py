"""The dimensions of a model, from the many names that ``config.json`` has for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CacheNotComputable:
    """Why the memory of a model cannot be computed; it is then refused, never guessed."""

    detail: str


@dataclass(frozen=True, slots=True)
class Architecture:
    """Dimensions of a transformer.

    Attributes:
        layers, hidden, intermediate, vocab: sizes; ``intermediate`` of the dense MLP.
        heads, kv_heads, head_dim: of the attention.
        experts, experts_per_token, expert_intermediate: of the mixture; 0 for dense models.
        tied_embeddings: the input table is the output matrix too.

    """

    layers: int
    hidden: int
    intermediate: int
    vocab: int
    heads: int
    kv_heads: int
    head_dim: int
    experts: int = 0
    experts_per_token: int = 0
    expert_intermediate: int = 0
    tied_embeddings: bool = False


_LAYERS = ("num_hidden_layers", "num_layers", "n_layer", "n_layers")
_HIDDEN = ("hidden_size", "n_embd", "d_model")
_HEADS = ("num_attention_heads", "n_head", "n_heads")
_KV_HEADS = ("num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num")
_HEAD_DIM = ("head_dim", "kv_channels")
_INTERMEDIATE = ("intermediate_size", "ffn_hidden_size", "n_inner")
_VOCAB = ("vocab_size", "padded_vocab_size")
_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")
_EXPERTS_PER_TOKEN = ("num_experts_per_tok", "num_experts_per_token")


class _Missing(Exception):
    """A dimension is absent or is not one number for all layers."""


def read_architecture(config: Mapping[str, Any]) -> Architecture | CacheNotComputable:
    """Return the dimensions that a ``config.json`` declares, or which one is missing.

    Models of several parts (vision, audio) have a configuration for each and are refused.
    """
    part = next((name for name, value in config.items() if _is_part(name, value)), None)
    if part is not None:
        return CacheNotComputable(f"config.json has {part}: models of several parts come with a later version")
    try:
        return _read(config)
    except _Missing as error:
        return CacheNotComputable(str(error))


def _is_part(name: str, value: object) -> bool:
    return name.endswith("_config") and name != "quantization_config" and isinstance(value, Mapping) and bool(value)


def _read(config: Mapping[str, Any]) -> Architecture:
    hidden, heads = _required(config, _HIDDEN), _required(config, _HEADS)
    intermediate = _optional(config, _INTERMEDIATE)
    experts = _experts(config)
    return Architecture(
        layers=_required(config, _LAYERS),
        hidden=hidden,
        intermediate=intermediate if intermediate is not None else _default_intermediate(config, hidden),
        vocab=_required(config, _VOCAB),
        heads=heads,
        kv_heads=_kv_heads(config, heads),
        head_dim=_head_dim(config, hidden, heads),
        experts=experts,
        experts_per_token=_required(config, _EXPERTS_PER_TOKEN) if experts else 0,
        expert_intermediate=_expert_intermediate(config, intermediate) if experts else 0,
        tied_embeddings=config.get("tie_word_embeddings") is True,
    )


def _kv_heads(config: Mapping[str, Any], heads: int) -> int:
    """Return the key/value heads: one with multi-query attention, all heads where nothing is said."""
    declared = _optional(config, _KV_HEADS)
    if declared is not None:
        return declared
    return 1 if config.get("multi_query") is True else heads


def _head_dim(config: Mapping[str, Any], hidden: int, heads: int) -> int:
    declared = _optional(config, _HEAD_DIM)
    if declared is not None:
        return declared
    if hidden % heads:
        raise _Missing(f"config.json has no head_dim, and hidden_size {hidden} is no multiple of {heads} heads")
    return hidden // heads


def _experts(config: Mapping[str, Any]) -> int:
    """Return the number of routed experts; dense members of a mixed family write 0."""
    declared = {name: config[name] for name in _EXPERTS if config.get(name) not in (None, 0)}
    return _optional(declared, _EXPERTS) or 0


def _default_intermediate(config: Mapping[str, Any], hidden: int) -> int:
    """Return four times the hidden size where the configuration asks for that default by name."""
    if "n_inner" in config or "n_embd" in config:
        return 4 * hidden
    raise _Missing("config.json has no intermediate_size")


def _expert_intermediate(config: Mapping[str, Any], intermediate: int | None) -> int:
    size = _optional(config, ("moe_intermediate_size",)) or intermediate
    if size is None:
        raise _Missing("config.json has no moe_intermediate_size")
    return size


def _required(config: Mapping[str, Any], names: tuple[str, ...]) -> int:
    value = _optional(config, names)
    if value is None:
        raise _Missing(f"config.json has no {names[0]}")
    return value


def _optional(config: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    for name in names:
        value = config.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise _Missing(f"{name} in config.json is {value!r}, not one positive number")
        return value
    return None
