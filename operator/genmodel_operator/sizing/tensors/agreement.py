"""Whether the files are those that the configuration describes, as far as the cache depends on it.

The cache is computed from ``config.json`` alone; the projections of keys and values in the files
show how large it will really be.
"""

from collections.abc import Iterable, Iterator

from genmodel_operator.hub.facts import Tensor
from genmodel_operator.sizing.shape.model import Attention, ModelShape, Unsizable
from genmodel_operator.sizing.tensors.names import layer_of

_KEYS, _VALUES, _FUSED = "self_attn.k_proj.weight", "self_attn.v_proj.weight", "self_attn.qkv_proj.weight"
_WHOLE = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I8"})
"""Types whose rows are the layer's own; packed weights have others."""


def check_agreement(shape: ModelShape, tensors: Iterable[Tensor]) -> None:
    """Raise ``Unsizable`` (InvalidRequest) that names the first projection that the configuration contradicts."""
    for name, rows, wanted in _projections(shape, tensors):
        if rows != wanted:
            raise Unsizable(
                "InvalidRequest",
                f"{name} has {rows} rows, and config.json describes {wanted} (num_attention_heads, "
                "num_key_value_heads and head_dim): one of them is wrong",
            )


def _projections(shape: ModelShape, tensors: Iterable[Tensor]) -> Iterator[tuple[str, int, int]]:
    """Yield the name, rows and described rows of every projection of plain attention."""
    for tensor in tensors:
        if not tensor.name.endswith((_KEYS, _VALUES, _FUSED)) or tensor.dtype not in _WHOLE or len(tensor.shape) != 2:
            continue
        index = layer_of(tensor.name)
        if index is None or index >= len(shape.layers):
            continue
        mixer = shape.layers[index].mixer
        if isinstance(mixer, Attention) and mixer.compression is None and not mixer.shares_values:
            yield tensor.name, tensor.shape[0], _rows(mixer, tensor.name)


def _rows(mixer: Attention, name: str) -> int:
    keys, values = mixer.kv_heads * mixer.head_dim, mixer.kv_heads * mixer.value_dim
    if name.endswith(_KEYS):
        return keys
    if name.endswith(_VALUES):
        return values
    return mixer.heads * mixer.head_dim * (2 if mixer.output_gate else 1) + keys + values
