"""Whether the files are those that the configuration describes, and all of them.

The cache is computed from ``config.json`` alone, and weights that are not listed would count as
nothing: files of another model, or a part of the right ones, must never be sized as a fact.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from genmodel_operator.hub.facts import Tensor
from genmodel_operator.sizing.shape.model import Attention, Layer, ModelShape, Unsizable
from genmodel_operator.sizing.tensors.inner import described_widths
from genmodel_operator.sizing.tensors.names import is_head, is_of_tower, is_skipped, is_word_table, layer_of

_KEYS, _VALUES, _FUSED = "self_attn.k_proj.weight", "self_attn.v_proj.weight", "self_attn.qkv_proj.weight"
_WHOLE = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I8"})
"""Types whose rows are the layer's own; packed weights have others."""
_TABLE = re.compile(
    r"(embed_tokens|wte|word_embeddings?|tok_embeddings|embed_in|embeddings?|embed|lm_head|output|head)\.weight$"
)
"""Tables themselves, not what else a module of embeddings has."""
_SHARES_LAYERS = frozenset({"albert"})
"""Types whose files hold one layer for all."""
_ROWS_BESIDE = 512
"""Rows that a table of words has beside the vocabulary at most: padding, and words that were added."""


class Disagreement(Unsizable):
    """The files are not those that the configuration describes."""

    def __init__(self, message: str) -> None:
        """Take one sentence that names the tensor."""
        super().__init__("InvalidRequest", message)


def check_agreement(shape: ModelShape, tensors: Sequence[Tensor]) -> None:
    """Raise ``Disagreement`` that names the first tensor that is twice, missing, or of another size than described."""
    if not tensors:
        return
    problem = next(_problems(shape, [tensor for tensor in tensors if not is_skipped(tensor.name)]), None)
    if problem is not None:
        raise Disagreement(f"{problem}: the files are incomplete or of another model")


def _problems(shape: ModelShape, tensors: Sequence[Tensor]) -> Iterator[str]:
    yield from _repeated(tensors)
    yield from _other_sizes(shape, tensors)
    yield from _missing_layers(shape, tensors)
    yield from _missing_words(shape, tensors)


def _repeated(tensors: Iterable[Tensor]) -> Iterator[str]:
    seen: set[str] = set()
    for tensor in tensors:
        if tensor.name in seen:
            yield f"{tensor.name} is listed twice"
        seen.add(tensor.name)


def _missing_layers(shape: ModelShape, tensors: Iterable[Tensor]) -> Iterator[str]:
    """Yield the layers without any tensor; a layer of no parts has none."""
    if shape.model_type in _SHARES_LAYERS:
        return
    found = {layer_of(tensor.name) for tensor in tensors}
    absent = [i for i, layer in enumerate(shape.layers) if i not in found and (layer.mixer or layer.mlp)]
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        yield f"no tensor of layer {absent[0]}{more}, and config.json describes {len(shape.layers)} layers"


def _missing_words(shape: ModelShape, tensors: Iterable[Tensor]) -> Iterator[str]:
    if not any(_is_table(shape, tensor) for tensor in tensors):
        yield f"no table of embeddings (embed_tokens.weight), and config.json describes {shape.vocab} words"


def _is_table(shape: ModelShape, tensor: Tensor) -> bool:
    """Whether a tensor is a table of words, by its name or its rows; one that is shared may have the output's name."""
    if is_word_table(tensor.name) and len(tensor.shape) > 1:
        return shape.tied_embeddings or not is_head(tensor.name)
    outside = layer_of(tensor.name) is None and not is_of_tower(tensor.name)
    return outside and len(tensor.shape) > 1 and tensor.shape[0] >= shape.vocab > 0


def _other_sizes(shape: ModelShape, tensors: Sequence[Tensor]) -> Iterator[str]:
    for name, rows, wanted in _projections(shape, tensors):
        if rows != wanted:
            yield (
                f"{name} has {rows} rows, and config.json describes {wanted} (num_attention_heads, "
                "num_key_value_heads and head_dim)"
            )
    yield from _other_words(shape, tensors)
    for tensor in tensors:
        layer = _layer(shape, tensor)
        wanted_width = None if layer is None or tensor.dtype not in _WHOLE else described_widths(shape, layer, tensor)
        if wanted_width is not None and wanted_width.is_other:
            yield f"{tensor.name} has the shape {list(tensor.shape)}, and config.json describes {wanted_width.words}"


def _other_words(shape: ModelShape, tensors: Sequence[Tensor]) -> Iterator[str]:
    is_projected = any("project_in" in tensor.name or "embedding_hidden_mapping" in tensor.name for tensor in tensors)
    for tensor in tensors:
        is_table = is_word_table(tensor.name) and _TABLE.search(tensor.name) is not None
        if not is_table or tensor.dtype not in _WHOLE or len(tensor.shape) != 2:
            continue
        rows, columns = tensor.shape
        if columns != shape.hidden and not is_projected and "per_layer" not in tensor.name:
            yield f"{tensor.name} has {columns} columns, and config.json describes {shape.hidden} (hidden_size)"
        is_words = not is_head(tensor.name) and "per_layer" not in tensor.name
        if is_words and shape.vocab and not _is_near(rows, shape.vocab):
            yield f"{tensor.name} has {rows} rows, and config.json describes {shape.vocab} (vocab_size)"


def _is_near(rows: int, words: int) -> bool:
    return abs(rows - words) <= _ROWS_BESIDE + words // 50


def _layer(shape: ModelShape, tensor: Tensor) -> Layer | None:
    index = layer_of(tensor.name)
    return shape.layers[index] if index is not None and index < len(shape.layers) else None


def _projections(shape: ModelShape, tensors: Iterable[Tensor]) -> Iterator[tuple[str, int, int]]:
    """Yield the name, rows and described rows of every projection of plain attention."""
    for tensor in tensors:
        if not tensor.name.endswith((_KEYS, _VALUES, _FUSED)) or tensor.dtype not in _WHOLE or len(tensor.shape) != 2:
            continue
        layer = _layer(shape, tensor)
        mixer = None if layer is None else layer.mixer
        if isinstance(mixer, Attention) and mixer.compression is None and not mixer.shares_values:
            yield tensor.name, tensor.shape[0], _rows(mixer, tensor.name)


def _rows(mixer: Attention, name: str) -> int:
    keys, values = mixer.kv_heads * mixer.head_dim, mixer.kv_heads * mixer.value_dim
    if name.endswith(_KEYS):
        return keys
    if name.endswith(_VALUES):
        return values
    return mixer.heads * mixer.head_dim * (2 if mixer.output_gate else 1) + keys + values
