"""What the Hub's count of elements says about a model whose headers are not known."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from genmodel_operator.hub.tensors import DTYPE_BITS
from genmodel_operator.sizing.shape.model import ModelShape, Quantization
from genmodel_operator.sizing.tensors.modules import MatrixFormats
from genmodel_operator.sizing.tensors.names import role_of
from genmodel_operator.sizing.tensors.scheme import WIDTH, matrix_bytes
from genmodel_operator.sizing.tensors.synthesis import Matrix, draft_matrices, ends, layer_matrices

_WIDE = frozenset({"F64", "F32", "F16", "BF16"})
_WHOLE = frozenset({*_WIDE, "F8_E4M3", "F8_E5M2", "I8"})
"""Types of which an element is a parameter: packed formats hold several in one."""
_TOLERANCE = 0.01
"""Share of the parameters by which the count may differ from what the architecture has: scales, norms, small gates."""
_BYTES_TOLERANCE = 0.04
"""Share of the bytes of packed files: formats differ in their scales and zero points."""
GIB = 1024**3


@lru_cache(maxsize=256)
def text_elements(shape: ModelShape) -> int:
    """Return the elements that the text model has, drafting layers included."""
    total = sum(matrix.elements for matrix in ends(shape))
    for layer, times in Counter(shape.layers).items():
        total += times * sum(matrix.elements for matrix in layer_matrices(shape, layer, 0))
    return total + sum(matrix.elements for n in range(shape.draft_layers) for matrix in draft_matrices(shape, n))


@dataclass(frozen=True, slots=True)
class Files:
    """What the files of a text model hold, drafting layers included: bytes, and elements of wide types."""

    size_bytes: int
    wide_elements: int


@lru_cache(maxsize=256)
def described_files(shape: ModelShape) -> Files:
    """Return what the files hold as the configuration describes them."""
    formats, width = MatrixFormats(shape.quantization), WIDTH[shape.dtype]
    size_bytes = wide = 0
    for matrix, times in _matrices(shape, formats):
        role = role_of(matrix.name, dims=1 if matrix.inputs == 1 else 2, is_vector=matrix.inputs == 1)
        scheme = formats.of(matrix, role)
        size_bytes += times * matrix.count * matrix_bytes(matrix.outputs, matrix.inputs, scheme, width)
        wide += times * (matrix.elements if scheme is None else matrix.count * _wide_scales(matrix, scheme))
    return Files(size_bytes, wide)


def _matrices(shape: ModelShape, formats: MatrixFormats) -> Iterator[tuple[Matrix, int]]:
    """Yield every tensor with how often it is there."""
    yield from ((matrix, 1) for matrix in ends(shape))
    if formats.names_layers:
        for index, layer in enumerate(shape.layers):
            yield from ((matrix, 1) for matrix in layer_matrices(shape, layer, index))
    else:
        for layer, times in Counter(shape.layers).items():
            yield from ((matrix, times) for matrix in layer_matrices(shape, layer, 0))
    yield from ((matrix, 1) for number in range(shape.draft_layers) for matrix in draft_matrices(shape, number))


def _wide_scales(matrix: Matrix, scheme: Quantization) -> int:
    """Return the scales of a matrix that are stored in a wide type; those of 4 bit floating point are not."""
    if scheme.block is not None:
        return -(-matrix.outputs // scheme.block[0]) * -(-matrix.inputs // scheme.block[1])
    if scheme.group_size is None:
        return matrix.outputs
    is_float = scheme.group_size in (16, 32) or scheme.method == "bitsandbytes"
    return 0 if is_float else -(-matrix.inputs // scheme.group_size) * matrix.outputs


def tower_elements(shape: ModelShape, parameters: Mapping[str, int] | None) -> int:
    """Return the elements of the tower and its projector; 0 where nothing tells.

    The class of the tower tells, where it is known; else what the count has beyond the text model, of
    packed files what it has in wide types.
    """
    if shape.vision is not None and shape.vision.parameters is not None:
        return shape.vision.parameters
    if not shape.is_multimodal:
        return 0
    if not parameters or not _tells_tower(shape, parameters):
        return _rough_elements(shape)
    if _is_countable(parameters):
        return max(0, sum(parameters.values()) - text_elements(shape))
    wide = sum(count for dtype, count in parameters.items() if dtype in _WIDE)
    return max(0, wide - described_files(shape).wide_elements)


def is_rough(shape: ModelShape, parameters: Mapping[str, int] | None) -> bool:
    """Whether the size of the tower is only that of its layers, or not known at all."""
    if not shape.is_multimodal or (shape.vision is not None and shape.vision.parameters is not None):
        return False
    return not parameters or not _tells_tower(shape, parameters)


def _tells_tower(shape: ModelShape, parameters: Mapping[str, int]) -> bool:
    """Whether the count leaves room for a tower: what is packed must be what the configuration packs."""
    if next(_unexplained(shape, parameters), None) is not None:
        return False
    return _is_countable(parameters) or bool(_WIDE & set(parameters))


def _rough_elements(shape: ModelShape) -> int:
    """Return the matrices of the tower's layers and of a projector of two steps."""
    tower = shape.vision
    if tower is None or tower.layers is None or tower.hidden is None:
        return 0
    inner = tower.intermediate or 4 * tower.hidden
    layers = tower.layers * (4 * tower.hidden * tower.hidden + 2 * tower.hidden * inner)
    return layers + shape.hidden * (tower.hidden + shape.hidden)


def check_counts(shape: ModelShape, parameters: Mapping[str, int] | None) -> list[str]:
    """Return a warning for each way in which the count contradicts the configuration."""
    if not parameters:
        return []
    unexplained = list(_unexplained(shape, parameters))
    if unexplained:
        return unexplained
    if not _is_countable(parameters):
        return _other_bytes(shape, parameters)
    counted = sum(parameters.values())
    expected = text_elements(shape) + tower_elements(shape, parameters)
    if abs(counted - expected) <= _TOLERANCE * counted:
        return []
    found, wanted = f"{counted / 1e9:.3f} billion", f"{expected / 1e9:.3f} billion"
    return [f"the Hub counts {found} parameters, config.json describes {wanted}: computed from config.json"]


def _unexplained(shape: ModelShape, parameters: Mapping[str, int]) -> Iterator[str]:
    """Yield what is wrong with the types of the count."""
    unknown = sorted(set(parameters) - set(DTYPE_BITS))
    if unknown:
        yield f"model.parameters counts {_shown(unknown)}, no type of safetensors: ignored"
    narrow = sorted(name for name in set(parameters) - _WIDE - {"BOOL", "I64"} - set(unknown) if parameters[name])
    if narrow and shape.quantization is None:
        yield (
            f"model.parameters counts {_shown(narrow)}, and config.json has no quantization_config that explains "
            "them: computed from config.json, as if nothing were quantised"
        )
    if shape.quantization is not None and not narrow and not unknown and any(parameters.values()):
        yield (
            f"model.parameters counts {_shown(sorted(parameters))} only, and quantization_config says "
            f"{shape.quantization.method}: computed from config.json"
        )


def _other_bytes(shape: ModelShape, parameters: Mapping[str, int]) -> list[str]:
    """Compare bytes where an element is no parameter."""
    counted = sum(count * DTYPE_BITS[dtype] // 8 for dtype, count in parameters.items())
    tower = tower_elements(shape, parameters)
    expected = described_files(shape).size_bytes + tower * WIDTH[shape.dtype]
    if abs(counted - expected) <= _BYTES_TOLERANCE * counted:
        return []
    found, wanted = f"{counted / GIB:.2f} GiB", f"{expected / GIB:.2f} GiB"
    return [f"the Hub counts {found} in the files, config.json describes {wanted}: computed from config.json"]


def _shown(names: list[str]) -> str:
    return ", ".join(name[:40] for name in names[:5])


def _is_countable(parameters: Mapping[str, int]) -> bool:
    """Whether an element is a parameter: packed formats hold several in one."""
    return set(parameters) <= _WHOLE
