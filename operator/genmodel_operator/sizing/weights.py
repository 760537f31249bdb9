"""Memory of the weights on one device, from the tensors of the files.

What the engine logs as "Model loading took" is the sum of the tensors that a rank keeps, after
conversion to the served type, and the table of rotary positions, which is in no file. For
Llama-3.1-8B in BF16: 14.9576 + 0.0313 = 14.9888 GiB, as logged.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from math import prod
from typing import Any

from genmodel_operator.hub.facts import ModelFacts, Tensor
from genmodel_operator.sizing.architecture import Architecture

VOCAB_PADDING = 64
"""The engine pads the vocabulary to a multiple of this before it divides it."""

_WIDE = frozenset({"F64", "F32", "F16", "BF16"})
"""Types that are converted to the served type."""

_SKIPPED = re.compile(r"rotary_emb\.|position_ids$|\.attn\.(masked_)?bias$|(^|\.)mtp\.")
"""Tensors that the engine does not load: it computes them itself, or needs them only for drafting."""
_LAYER_INDEX = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.")
_LEARNED_POSITIONS = re.compile(r"(^|\.)(position_embeddings|embed_positions|wpe)\.")
_POSITIONS = ("max_position_embeddings", "n_positions", "seq_length", "max_sequence_length")

_QKV = re.compile(r"\.(qkv_proj|query_key_value|c_attn|Wqkv|wqkv|qkv)\.")
_KV = re.compile(r"\.(k_proj|v_proj)\.")
_COLUMN = re.compile(
    r"\.(q_proj|gate_proj|up_proj|gate_up_proj|w1|w3|fc1|c_fc|dense_h_to_4h|fc_in|experts\.\w*up_proj)\b"
)
_ROW = re.compile(r"\.(o_proj|out_proj|down_proj|w2|fc2|c_proj|dense_4h_to_h|fc_out|wo|experts\.down_proj)\b")
_ATTENTION_OUTPUT = re.compile(r"\.(self_attn|self_attention|attention|attn)\.dense\.")


class Division(Enum):
    """How the engine divides a tensor over tensor parallel devices."""

    WHOLE = "a copy on every device"
    EVEN = "an even share"
    KEYS = "by key/value heads, at least one"
    QUERIES_AND_KEYS = "by query heads and key/value heads together"


@dataclass(frozen=True, slots=True)
class Weights:
    """All tensors of a model that the engine loads, summed by how they are divided.

    Attributes:
        elements: elements that are converted to the served type, by division.
        fixed_bytes: bytes that stay as stored (quantised checkpoints, integers), by division.
        rotary_elements: elements of the table of rotary positions.

    """

    elements: Mapping[Division, int]
    fixed_bytes: Mapping[Division, int]
    rotary_elements: int

    def device_bytes(self, architecture: Architecture, *, element_bytes: int, tensor_parallel: int = 1) -> int:
        """Return the bytes on one device; ``element_bytes`` is the width of the served type.

        Tensors of unknown names count as copies on every device, so the answer is never too small.
        """
        share = 0
        for division in Division:
            size = self.elements.get(division, 0) * element_bytes + self.fixed_bytes.get(division, 0)
            part, whole = _share(division, architecture, tensor_parallel)
            share += -(-size * part // whole)
        return share + self.rotary_elements * element_bytes


def read_weights(facts: ModelFacts, architecture: Architecture) -> Weights:
    """Sum the tensors that the engine loads by how it divides them.

    Wide tensors of an unquantised checkpoint are converted; a quantised one stays as stored.
    """
    elements: dict[Division, int] = {}
    fixed_bytes: dict[Division, int] = {}
    known: dict[str, Division] = {}
    for tensor in _kept(facts, architecture):
        pattern = f"{re.sub('[0-9]+', '#', tensor.name)}/{len(tensor.shape)}/{tensor.shape[-1:] == (1,)}"
        if pattern not in known:
            known[pattern] = _division(tensor, architecture)
        division = known[pattern]
        padded = padded_vocab(tensor.shape[0]) / tensor.shape[0] if _is_vocabulary(tensor, architecture) else 1
        if facts.quantization is None and tensor.dtype in _WIDE:
            elements[division] = elements.get(division, 0) + round(prod(tensor.shape) * padded)
        else:
            fixed_bytes[division] = fixed_bytes.get(division, 0) + round(tensor.size_bytes * padded)
    return Weights(elements, fixed_bytes, _rotary_elements(facts, architecture))


def padded_vocab(vocab: int) -> int:
    """Return the rows that the engine gives the vocabulary."""
    return -(-vocab // VOCAB_PADDING) * VOCAB_PADDING


def _kept(facts: ModelFacts, architecture: Architecture) -> Iterable[Tensor]:
    """Return the tensors that the engine loads."""
    for tensor in facts.tensors:
        index = _LAYER_INDEX.search(tensor.name)
        beyond = index is not None and int(index[1]) >= architecture.layers
        tied = architecture.tied_embeddings and tensor.name.startswith("lm_head.")
        if not (beyond or tied or _SKIPPED.search(tensor.name)):
            yield tensor


def _division(tensor: Tensor, architecture: Architecture) -> Division:
    """Return how a tensor is divided: outputs by columns, inputs by rows, words by their number.

    What a layer that is split by rows has per output (its bias, its scales) is whole everywhere.
    """
    name = f".{tensor.name}"
    if _QKV.search(name):
        return Division.QUERIES_AND_KEYS
    if _KV.search(name):
        return Division.KEYS
    if _COLUMN.search(name) or _is_vocabulary(tensor, architecture):
        return Division.EVEN
    by_row = _ROW.search(name) or _ATTENTION_OUTPUT.search(name)
    return Division.EVEN if by_row and len(tensor.shape) > 1 and tensor.shape[-1] > 1 else Division.WHOLE


def _is_vocabulary(tensor: Tensor, architecture: Architecture) -> bool:
    """Whether a tensor has one row per word: the input table or the output matrix."""
    return (
        len(tensor.shape) == 2
        and tensor.shape[0] == architecture.vocab
        and tensor.dtype in _WIDE
        and _LAYER_INDEX.search(tensor.name) is None
    )


def _share(division: Division, architecture: Architecture, parallel: int) -> tuple[int, int]:
    """Return one device's part and the whole that it is a part of."""
    heads, kv_heads = architecture.heads, architecture.kv_heads
    local_kv_heads = max(1, kv_heads // parallel)
    if division is Division.EVEN:
        return 1, parallel
    if division is Division.KEYS:
        return local_kv_heads, kv_heads
    if division is Division.QUERIES_AND_KEYS:
        return heads // parallel + 2 * local_kv_heads, heads + 2 * kv_heads
    return 1, 1


def _rotary_elements(facts: ModelFacts, architecture: Architecture) -> int:
    """Return the elements of the table of rotary positions; models with learned positions have none."""
    config = facts.config
    if config.get("alibi") or any(_LEARNED_POSITIONS.search(tensor.name) for tensor in facts.tensors):
        return 0
    positions = next((config[name] for name in _POSITIONS if isinstance(config.get(name), int)), facts.max_context)
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    partial = rope.get("partial_rotary_factor") or config.get("partial_rotary_factor") or config.get("rotary_pct") or 1
    return _rotary_rows(rope, positions) * int(architecture.head_dim * partial)


def _rotary_rows(rope: Mapping[str, Any], positions: int) -> int:
    """Return the rows of the table: stretched kinds have more than the configuration's positions."""
    kind = rope.get("rope_type") or rope.get("type") or "default"
    original = rope.get("original_max_position_embeddings") or positions
    factor = rope.get("factor") or 1
    if kind == "linear":
        return int(positions * factor)
    if kind == "yarn":
        return int(original * factor)
    if kind in {"longrope", "su"}:
        return int(positions + original)
    return int(positions)
