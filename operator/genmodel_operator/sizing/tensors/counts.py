"""What the Hub's count of parameters says about a model whose headers are not known."""

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

from genmodel_operator.sizing.shape.model import ModelShape
from genmodel_operator.sizing.tensors.synthesis import draft_matrices, ends, layer_matrices

_WHOLE = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I8"})
_TOLERANCE = 0.01
"""Share of the parameters by which the count may differ from what the architecture has: scales, norms, small gates."""


@lru_cache(maxsize=256)
def text_elements(shape: ModelShape) -> int:
    """Return the elements that the text model has, drafting layers included."""
    total = sum(matrix.elements for matrix in ends(shape))
    for layer, times in Counter(shape.layers).items():
        total += times * sum(matrix.elements for matrix in layer_matrices(shape, layer, 0))
    return total + sum(matrix.elements for n in range(shape.draft_layers) for matrix in draft_matrices(shape, n))


def tower_elements(shape: ModelShape, parameters: Mapping[str, int] | None) -> int:
    """Return the elements of the tower and its projector; 0 where nothing tells.

    The class of the tower tells, where it is known; else what the count has beyond the text model.
    """
    if shape.vision is not None and shape.vision.parameters is not None:
        return shape.vision.parameters
    if not shape.is_multimodal:
        return 0
    if parameters and _is_countable(parameters):
        return max(0, sum(parameters.values()) - text_elements(shape))
    return _rough_elements(shape)


def is_rough(shape: ModelShape, parameters: Mapping[str, int] | None) -> bool:
    """Whether the size of the tower is only that of its layers, or not known at all."""
    if not shape.is_multimodal or (shape.vision is not None and shape.vision.parameters is not None):
        return False
    return not parameters or not _is_countable(parameters)


def _rough_elements(shape: ModelShape) -> int:
    """Return the matrices of the tower's layers and of a projector of two steps."""
    tower = shape.vision
    if tower is None or tower.layers is None or tower.hidden is None:
        return 0
    inner = tower.intermediate or 4 * tower.hidden
    layers = tower.layers * (4 * tower.hidden * tower.hidden + 2 * tower.hidden * inner)
    return layers + shape.hidden * (tower.hidden + shape.hidden)


def check_counts(shape: ModelShape, parameters: Mapping[str, int] | None) -> list[str]:
    """Return a warning where the count contradicts the architecture."""
    if not parameters or not _is_countable(parameters):
        return []
    counted = sum(parameters.values())
    expected = text_elements(shape) + tower_elements(shape, parameters)
    if abs(counted - expected) <= _TOLERANCE * counted:
        return []
    found, wanted = f"{counted / 1e9:.3f} billion", f"{expected / 1e9:.3f} billion"
    return [f"the Hub counts {found} parameters, config.json describes {wanted}: computed from config.json"]


def _is_countable(parameters: Mapping[str, int]) -> bool:
    """Whether an element is a parameter: packed formats hold several in one."""
    return set(parameters) <= _WHOLE
