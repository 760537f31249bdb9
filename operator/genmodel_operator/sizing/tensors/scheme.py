"""Bytes of a matrix as the engine keeps it, under each way to store weights."""

from genmodel_operator.sizing.shape.model import Quantization, Unsizable

WIDTH = {"bfloat16": 2, "float16": 2, "float32": 4}
_PACKED = frozenset({"awq", "gptq", "auto-round", "compressed-tensors", "moe_wna16", "modelopt"})
_SCALE_BYTES = 4  # the engine keeps scales of 8 bit formats in float32
_ONLINE = {
    "fp8": Quantization("fp8", 8),
    "fp8_per_tensor": Quantization("fp8", 8),
    "fp8_per_block": Quantization("fp8", 8, block=(128, 128)),
    "mxfp8": Quantization("mxfp8", 8, group_size=32),
    "experts_int8": Quantization("experts_int8", 8),
    "int8_per_channel": Quantization("experts_int8", 8),
    "bitsandbytes": Quantization("bitsandbytes", 4, group_size=64, symmetric=False),
}
"""What ``--quantization`` makes of weights that are stored wide."""

_SAME = {
    "awq_marlin": "awq",
    "auto_awq": "awq",
    "gptq_marlin": "gptq",
    "auto_gptq": "gptq",
    "inc": "auto-round",
    "gpt_oss_mxfp4": "mxfp4",
    "modelopt_fp4": "modelopt",
    "modelopt_mixed": "modelopt",
}
"""Names of one format."""


def scheme_of(stored: Quantization | None, wanted: str | None) -> Quantization | None:
    """Return how weights are kept: as stored, or quantised at start where ``--quantization`` says so.

    Raises ``Unsizable`` (UnsupportedQuantization) where the two exclude each other.
    """
    if wanted is None:
        return stored
    if stored is not None:
        if _SAME.get(wanted, wanted) == _SAME.get(stored.method, stored.method) or wanted == "moe_wna16":
            return stored
        raise Unsizable(
            "UnsupportedQuantization",
            f"Quantization method specified in the model config ({stored.method}) does not match the quantization "
            f"method specified in the `quantization` argument ({wanted}): leave --quantization out",
        )
    if wanted not in _ONLINE:
        raise Unsizable(
            "UnsupportedQuantization",
            f"--quantization {wanted} needs a checkpoint in that format, and config.json declares none: "
            "leave it out or use fp8",
        )
    return _ONLINE[wanted]


def matrix_bytes(outputs: int, inputs: int, scheme: Quantization | None, width: int) -> int:
    """Return the bytes of a matrix with its scales and zero points; ``width``: of a wide element."""
    elements = outputs * inputs
    if scheme is None:
        return elements * width
    stored = -(-int(elements * scheme.bits) // 8)
    if scheme.block is not None:
        rows, columns = scheme.block
        return stored + -(-outputs // rows) * -(-inputs // columns) * _SCALE_BYTES
    if scheme.group_size is None:
        return stored + outputs * (_SCALE_BYTES if scheme.bits == 8 else 2)
    groups = -(-inputs // scheme.group_size) * outputs
    return stored + groups * _group_bytes(scheme) // 8


def _group_bytes(scheme: Quantization) -> int:
    """Return the bits that each group has beside its weights."""
    if scheme.method in ("mxfp4", "mxfp8") or (
        scheme.group_size in (16, 32) and scheme.bits in (4, 8) and _is_float(scheme)
    ):
        return 8
    if scheme.method == "bitsandbytes":
        return 32 if scheme.symmetric else 8  # double quantisation keeps its scales in 8 bits
    return 16 + (0 if scheme.symmetric else int(scheme.bits))


def _is_float(scheme: Quantization) -> bool:
    """Whether the format is one of floating point with scales of 8 bits (NVFP4, MXFP8)."""
    return scheme.method.startswith("modelopt") or scheme.group_size == 16
