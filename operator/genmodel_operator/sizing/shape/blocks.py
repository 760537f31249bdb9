"""Models whose layers were chosen one by one: ``block_configs`` of Nemotron NAS."""

from collections.abc import Mapping
from typing import Any

from genmodel_operator.sizing.shape.fields import Fields, contradiction, invalid, missing, whole
from genmodel_operator.sizing.shape.kinds import LAYERS
from genmodel_operator.sizing.shape.mixers import HEADS, HIDDEN
from genmodel_operator.sizing.shape.model import Attention, DenseMLP, Layer


def read_blocks(fields: Fields) -> tuple[Layer, ...]:
    """Return the layers; raises ``Unsizable`` where a block is not described."""
    blocks = fields.items("block_configs")
    if not blocks:
        raise missing("block_configs")
    layers = fields.size(*LAYERS, limit="layers")
    if len(blocks) != layers:
        raise contradiction(f"block_configs describes {len(blocks)} layers, and num_hidden_layers is {layers}")
    return tuple(Layer(_attention(fields, block), _mlp(fields, block)) for block in blocks)


def _part(block: object, name: str) -> Mapping[str, Any]:
    part = block.get(name) if isinstance(block, Mapping) else None
    if not isinstance(part, Mapping):
        raise invalid(f"block_configs.{name}", part, "an object")
    return part


def _attention(fields: Fields, block: object) -> Attention | None:
    """Return the attention of a block, None where it has none or a linear map in its place."""
    part = _part(block, "attention")
    if part.get("no_op") or part.get("replace_with_linear"):
        return None
    heads = fields.size(*HEADS, limit="heads")
    grouped = whole(part.get("n_heads_in_group"), "block_configs.attention.n_heads_in_group")
    dim = fields.number("head_dim") or fields.size(*HIDDEN) // heads
    return Attention(heads, heads // grouped, dim, dim)


def _mlp(fields: Fields, block: object) -> DenseMLP | None:
    part = _part(block, "ffn")
    if part.get("no_op"):
        return None
    if part.get("intermediate_size") is not None:
        return DenseMLP(whole(part["intermediate_size"], "block_configs.ffn.intermediate_size"))
    multiplier = part.get("ffn_mult")
    if isinstance(multiplier, bool) or not isinstance(multiplier, int | float) or not 0 < multiplier < 100:
        raise invalid("block_configs.ffn.ffn_mult", multiplier, "a number above 0")
    return DenseMLP(_rounded(int(2 * multiplier * fields.size(*HIDDEN) / 3)))


def _rounded(size: int) -> int:
    """Return the next multiple of 256, as the engine does."""
    return -(-size // 256) * 256
