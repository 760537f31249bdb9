"""Safetensors headers as tensors of the facts, and the precision that they are stored in."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from genmodel_operator.hub.facts import Tensor
from genmodel_runtime.headers import (
    DTYPE_BITS,
    HEADER_LIMIT_BYTES,
    LENGTH_BYTES,
    InvalidHeader,
    check_header,
    header_length,
    read_tensors,
)

__all__ = [
    "DTYPE_BITS",
    "HEADER_LIMIT_BYTES",
    "LENGTH_BYTES",
    "InvalidHeader",
    "decode_header",
    "header_length",
    "read_header",
    "stored_precision",
]


def decode_header(raw: bytes, file_bytes: int) -> dict[str, Any]:
    """Return a header from its JSON text; the data it describes must end where the file ends.

    Raises ``InvalidHeader``.
    """
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidHeader("its header is not JSON") from error
    return check_header(header, header_bytes=len(raw), file_bytes=file_bytes)


def read_header(header: Mapping[str, Any], file_bytes: int) -> list[Tensor]:
    """Return the tensors of a header in the order of their data; raises ``InvalidHeader``."""
    return [Tensor(*found) for found in read_tensors(header, file_bytes)]


_PRECISIONS = {
    "BF16": "BFloat16", "F16": "Float16", "F32": "Float32", "F64": "Float32",
    "F8_E4M3": "FP8", "F8_E5M2": "FP8", "F8_E4M3FNUZ": "FP8", "F8_E5M2FNUZ": "FP8",
    "I8": "INT8", "U8": "INT8", "I32": "INT4", "U32": "INT4", "F4": "INT4",
}  # fmt: skip


def stored_precision(tensors: Iterable[Tensor], quantization: Mapping[str, Any]) -> str:
    """Return the format of the weights as ``spec.precision`` names it.

    Where the repository is quantised that is the quantised format, else the most common one by
    bytes. All 4-bit formats count as INT4, integers or floats; packed ones are stored as I32.
    """
    if quantization and (declared := _declared_precision(quantization)):
        return declared
    bytes_by_precision: Counter[str] = Counter()
    for tensor in tensors:
        if precision := _PRECISIONS.get(tensor.dtype):
            bytes_by_precision[precision] += tensor.size_bytes
    return max(bytes_by_precision, key=lambda name: bytes_by_precision[name], default="Float32")


def _declared_precision(quantization: Mapping[str, Any]) -> str | None:
    names = f"{quantization.get('quant_method', '')} {quantization.get('quant_algo', '')}".lower()
    weights = _first_group_weights(quantization)
    bits = weights.get("num_bits") or quantization.get("bits") or quantization.get("w_bit")
    if bits == 4 or quantization.get("load_in_4bit") or "fp4" in names or "w4a" in names:
        return "INT4"
    if "fp8" in names or (bits == 8 and weights.get("type") == "float"):
        return "FP8"
    if bits == 8 or quantization.get("load_in_8bit"):
        return "INT8"
    return None


def _first_group_weights(quantization: Mapping[str, Any]) -> Mapping[str, Any]:
    groups = quantization.get("config_groups")
    for group in groups.values() if isinstance(groups, Mapping) else ():
        weights = group.get("weights") if isinstance(group, Mapping) else None
        if isinstance(weights, Mapping):
            return weights
    return {}
