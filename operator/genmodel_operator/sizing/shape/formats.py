"""One format of weights, from the words that its dialect has for it."""

from collections.abc import Mapping
from typing import Any

from genmodel_operator.sizing.shape.fields import invalid, whole
from genmodel_operator.sizing.shape.model import Quantization, Unsizable

_ALGORITHMS: Mapping[str, tuple[float, int | None, tuple[int, int] | None]] = {
    # bits, group, block
    "FP8": (8, None, None),
    "FP8_PER_CHANNEL_PER_TOKEN": (8, None, None),
    "FP8_PB_WO": (8, None, (128, 128)),
    "FP8_BLOCK_SCALES": (8, None, (128, 128)),
    "NVFP4": (4, 16, None),
    "W4A16_NVFP4": (4, 16, None),
    "MXFP8": (8, 32, None),
    "W4A8_MXFP4_FP8": (4, 32, None),
    "NVFP4_AWQ": (4, 16, None),
    "W4A16_AWQ": (4, 128, None),
}
"""Values of ModelOpt's ``quant_algo``."""

_BITS = "quantization_config.config_groups.weights.num_bits"
_STRUCTURE = "quantization_config.config_groups.weights.block_structure"


def of_algorithm(method: str, algorithm: object, group_size: object = None) -> Quantization:
    """Return the format of one ``quant_algo``; raises ``Unsizable`` for one that is not known."""
    name = str(algorithm or "").upper()
    if name not in _ALGORITHMS:
        raise Unsizable(
            "UnsupportedQuantization", f"quantization_config.quant_algo in config.json is {name!r}, not known here"
        )
    bits, group, block = _ALGORITHMS[name]
    has_group = isinstance(group_size, int) and group_size > 0 and block is None and group is not None
    return Quantization(method, bits, int(str(group_size)) if has_group else group, block)


def of_weights(method: str, weights: Mapping[str, Any]) -> Quantization:
    """Return the format of the ``weights`` of one of ``config_groups``."""
    structure, size = weights.get("block_structure"), weights.get("group_size")
    return Quantization(
        method,
        whole(weights.get("num_bits", 8), _BITS),
        size if isinstance(size, int) and size > 0 else None,
        pair(structure, _STRUCTURE) if structure else None,
        bool(weights.get("symmetric", True)),
    )


def pair(value: object, name: str) -> tuple[int, int]:
    """Return rows and columns of a block."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise invalid(name, value, "two numbers")
    return whole(value[0], name), whole(value[1], name)
