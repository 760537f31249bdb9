"""The tensors that a repository would hold, from its ``config.json`` alone."""

from collections.abc import Iterator, Mapping
from typing import Any

from genmodel_operator.hub.facts import Tensor
from genmodel_operator.sizing.shape.model import ModelShape, Unsizable
from genmodel_operator.sizing.shape.read import read_shape
from genmodel_operator.sizing.tensors.counts import tower_elements
from genmodel_operator.sizing.tensors.modules import MatrixFormats
from genmodel_operator.sizing.tensors.names import role_of
from genmodel_operator.sizing.tensors.scheme import WIDTH, matrix_bytes
from genmodel_operator.sizing.tensors.synthesis import Matrix, ends, layer_matrices

_DTYPES = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}


def assumed_tensors(config: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """Return the tensors of the architecture in the format that the configuration declares.

    A quantised matrix is one tensor whose bytes include its scales. Raises ``Unsizable`` where the
    configuration does not tell all sizes.
    """
    shape = read_shape(config)
    if shape.unknown:
        missing = " and ".join(shape.unknown)
        raise Unsizable("MissingConfigField", f"has no {missing}, without which the weights cannot be computed")
    formats = MatrixFormats(shape.quantization)
    return tuple(_tensor(matrix, shape, formats) for matrix in _matrices(shape))


def _matrices(shape: ModelShape) -> Iterator[Matrix]:
    yield from ends(shape)
    for index, layer in enumerate(shape.layers):
        yield from layer_matrices(shape, layer, index)
    tower = tower_elements(shape, None)
    if tower:
        yield Matrix("vision_tower.weight", tower)


def _tensor(matrix: Matrix, shape: ModelShape, formats: MatrixFormats) -> Tensor:
    sides = (matrix.outputs,) if matrix.inputs == 1 else (matrix.outputs, matrix.inputs)
    sides = sides if matrix.count == 1 else (matrix.count, *sides)
    role = role_of(matrix.name, dims=1 if matrix.inputs == 1 else 2, is_vector=matrix.inputs == 1)
    scheme = formats.of(matrix, role)
    width = matrix.element_bytes or WIDTH[shape.dtype]
    if scheme is None:
        dtype = _DTYPES[shape.dtype] if matrix.element_bytes is None else "F32"
        return Tensor(matrix.name, dtype, sides, matrix.elements * width)
    size_bytes = matrix.count * matrix_bytes(matrix.outputs, matrix.inputs, scheme, width)
    return Tensor(matrix.name, "F8_E4M3" if scheme.bits == 8 else "U8", sides, size_bytes)
