"""Which tensor parallel sizes a model can be divided into."""

from collections.abc import Mapping
from typing import Any

from genmodel_operator.sizing.architecture import Architecture
from genmodel_operator.sizing.weights import padded_vocab


def why_invalid(architecture: Architecture, config: Mapping[str, Any], parallel: int) -> str | None:
    """Return why the model cannot be divided over this many devices, or None where it can.

    The rules are the engine's own start-up checks, for example phi-4: 40 heads divide by 4, its 10
    key/value heads do not, so that 4 devices are refused.
    """
    if parallel == 1:
        return None
    heads, kv_heads = architecture.heads, architecture.kv_heads
    if heads % parallel:
        return f"{heads} attention heads do not divide by {parallel}"
    if kv_heads % parallel and parallel % kv_heads:
        return f"{kv_heads} key/value heads do not divide by {parallel}"
    if padded_vocab(architecture.vocab) % parallel:
        return f"a vocabulary of {padded_vocab(architecture.vocab)} rows does not divide by {parallel}"
    return _why_mlp_invalid(architecture, config, parallel)


def _why_mlp_invalid(architecture: Architecture, config: Mapping[str, Any], parallel: int) -> str | None:
    """Return why a slice of an MLP would not be whole, or not hold whole groups of a quantisation."""
    group = _quantization_group(config)
    shared = config.get("shared_expert_intermediate_size") or 0
    for size in (architecture.intermediate, architecture.expert_intermediate, shared):
        if size % parallel:
            return f"an MLP of {size} does not divide by {parallel}"
        if group and (size // parallel) % group:
            return f"an MLP of {size} over {parallel} devices does not hold whole quantisation groups of {group}"
    return None


def _quantization_group(config: Mapping[str, Any]) -> int:
    """Return the elements that share a quantisation scale along the divided side, 0 where none do."""
    declared = config.get("quantization_config")
    if not isinstance(declared, Mapping):
        return 0
    block = declared.get("weight_block_size")
    if isinstance(block, list) and block:
        return max(int(side) for side in block)
    groups = [declared.get("group_size"), *_compressed_groups(declared)]
    return max((size for size in groups if isinstance(size, int) and size > 0), default=0)


def _compressed_groups(declared: Mapping[str, Any]) -> list[Any]:
    """Return the group sizes of the compressed-tensors format, one per group of layers."""
    schemes = declared.get("config_groups")
    if not isinstance(schemes, Mapping):
        return []
    weights = [scheme.get("weights") for scheme in schemes.values() if isinstance(scheme, Mapping)]
    return [weight.get("group_size") for weight in weights if isinstance(weight, Mapping)]
