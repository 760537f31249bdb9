"""The tensors of the files that the engine loads, and the bytes that each has after conversion."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from genmodel_operator.hub.facts import Tensor
from genmodel_operator.sizing.shape.model import Attention, LatentAttention, ModelShape, Quantization
from genmodel_operator.sizing.tensors.names import Role, is_head, is_skipped, is_word_table, layer_of, role_of
from genmodel_operator.sizing.tensors.scheme import matrix_bytes

_WIDE = frozenset({"F64", "F32", "F16", "BF16"})
_SCALE = re.compile(r"scale|absmax|quant_map|quant_state|zero_point|scales|qzeros")
_MISTRAL = re.compile(
    r"^(layers\.\d+\.(attention|feed_forward|attention_norm|ffn_norm|experts|gate)|tok_embeddings|output|norm)\b"
)
_HUGGING_FACE = re.compile(r"(^|\.)(embed_tokens|lm_head)\.weight$")
_DROPPED_BY_BITSANDBYTES = re.compile(r"\.(quant_map|nested_quant_map|quant_state\S*)$")
_PADDING = 64


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor of the files with its role. ``copies``: how often the engine keeps it."""

    tensor: Tensor
    role: Role
    copies: int = 1

    @property
    def layer(self) -> int | None:
        """Index of its layer."""
        return self.role.layer

    def size_bytes(self, width: int, scheme: Quantization | None, *, is_online: bool) -> int:
        """Return the bytes after conversion; ``width``: of a wide element as served."""
        return self.copies * _converted(self.tensor, self.role, width, scheme, is_online=is_online)


def kept_tensors(tensors: Sequence[Tensor], shape: ModelShape, *, with_draft: bool) -> Iterator[Stored]:
    """Yield the tensors that the engine loads, each name once."""
    has_two_formats = _has_two_formats(tensors)
    limit = len(shape.layers) + (shape.draft_layers if with_draft else 0)
    for tensor, alike in _folded(tensors):
        name = tensor.name
        index = layer_of(name)
        if (index is not None and index >= limit) or (has_two_formats and _MISTRAL.search(name)):
            continue
        is_draft = with_draft and re.search(r"(^|\.)mtp\.", name)
        if (is_skipped(name) and not is_draft) or (shape.tied_embeddings and is_head(name)):
            continue
        shape_of = tensor.shape
        is_vector = len(shape_of) < 2 or shape_of[-1] == 1
        role = role_of(
            name.replace("mtp.layers.", "mtp.") if is_draft else name, dims=len(shape_of), is_vector=is_vector
        )
        yield Stored(tensor, role, alike * _copies(name, index, shape))


def _folded(tensors: Sequence[Tensor]) -> Iterator[tuple[Tensor, int]]:
    """Yield each tensor once, with how often it is there: experts of a layer that are alike count as one.

    A large mixture has a hundred thousand tensors, nearly all of them in experts.
    """
    found: dict[object, tuple[Tensor, int]] = {}
    seen: set[str] = set()
    for tensor in tensors:
        name = tensor.name
        if name in seen:
            continue
        seen.add(name)
        before, is_expert, after = name.partition(".experts.")
        number, _, rest = after.partition(".")
        key = (before, rest, tensor.dtype, tensor.shape) if is_expert and number.isdigit() else name
        first, count = found.get(key, (tensor, 0))
        found[key] = (first, count + 1)
    yield from found.values()


def _has_two_formats(tensors: Sequence[Tensor]) -> bool:
    """Whether the same weights are there in Mistral's format as well, which the engine then leaves alone."""
    names = [tensor.name for tensor in tensors]
    return any(name == "tok_embeddings.weight" for name in names) and any(_HUGGING_FACE.search(name) for name in names)


def _copies(name: str, index: int | None, shape: ModelShape) -> int:
    """Return 2 for keys that are loaded as values too."""
    if index is None or index >= len(shape.layers) or ".k_proj." not in name:
        return 1
    mixer = shape.layers[index].mixer
    return 2 if isinstance(mixer, Attention) and mixer.shares_values else 1


def _converted(tensor: Tensor, role: Role, width: int, scheme: Quantization | None, *, is_online: bool) -> int:
    elements = prod(tensor.shape)
    if is_word_table(tensor.name) and len(tensor.shape) == 2 and tensor.dtype in _WIDE:
        return -(-tensor.shape[0] // _PADDING) * _PADDING * tensor.shape[1] * width
    if _SCALE.search(tensor.name):
        return _scale_bytes(tensor, elements, scheme)
    if tensor.dtype not in _WIDE:
        return tensor.size_bytes
    if is_online and scheme is not None and role.is_linear and len(tensor.shape) >= 2 and tensor.shape[-1] > 1:
        rows, columns = tensor.shape[-2], tensor.shape[-1]
        return elements // (rows * columns) * matrix_bytes(rows, columns, scheme, width)
    return elements * width


def _scale_bytes(tensor: Tensor, elements: int, scheme: Quantization | None) -> int:
    """Return the bytes of scales and zero points as the engine keeps them."""
    name = tensor.name
    if _DROPPED_BY_BITSANDBYTES.search(name):
        return 0
    if name.endswith(".absmax"):
        return tensor.size_bytes
    if scheme is not None and scheme.bits == 8 and tensor.dtype in _WIDE:
        return 4 * elements
    if (
        scheme is not None
        and scheme.symmetric
        and scheme.method in ("gptq", "auto-round", "compressed-tensors")
        and re.search(r"qzeros|zero_point", name)
    ):
        return 0
    return tensor.size_bytes


def has_latent_attention(shape: ModelShape) -> bool:
    """Whether any layer has latent attention."""
    return any(isinstance(layer.mixer, LatentAttention) for layer in shape.layers)
