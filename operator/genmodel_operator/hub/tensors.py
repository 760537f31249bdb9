"""Safetensors headers: checked as strictly as the engine checks them, then read."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from math import prod
from typing import Any, TypeGuard

from genmodel_operator.hub.facts import Tensor

LENGTH_BYTES = 8
"""A safetensors file starts with the length of its header, little-endian."""
HEADER_LIMIT_BYTES = 100_000_000
"""Longest header that the format allows."""

DTYPE_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64,
}  # fmt: skip
"""Bits per element of every type that the format knows."""


class InvalidHeader(Exception):
    """A header is not one that the engine would load; the text says which tensor and why."""


def header_length(start: bytes, file_bytes: int) -> int:
    """Return the header's length in bytes, from the first bytes of a file of ``file_bytes``.

    Raises ``InvalidHeader`` where no such header can be in the file.
    """
    if len(start) < LENGTH_BYTES or file_bytes < LENGTH_BYTES:
        raise InvalidHeader(f"a file of {file_bytes} bytes has no safetensors header")
    length = int.from_bytes(start[:LENGTH_BYTES], "little")
    if length > min(HEADER_LIMIT_BYTES, file_bytes - LENGTH_BYTES):
        raise InvalidHeader(f"its header would be {length} bytes long, in a file of {file_bytes} bytes")
    return length


def decode_header(raw: bytes, file_bytes: int) -> dict[str, Any]:
    """Return a header from its JSON text; the data it describes must end where the file ends.

    Raises ``InvalidHeader``.
    """
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidHeader("its header is not JSON") from error
    if not isinstance(header, dict):
        raise InvalidHeader("its header is not a JSON object")
    data_bytes = sum(tensor.size_bytes for tensor in read_header(header, file_bytes))
    if LENGTH_BYTES + len(raw) + data_bytes != file_bytes:
        described = LENGTH_BYTES + len(raw) + data_bytes
        raise InvalidHeader(f"its header describes {described} bytes, but the file has {file_bytes}")
    return header


def read_header(header: Mapping[str, Any], file_bytes: int) -> list[Tensor]:
    """Return the tensors of a header in the order of their data.

    The data must follow each other without a gap or overlap and lie within ``file_bytes``.
    Raises ``InvalidHeader`` that names the first tensor for which that does not hold.
    """
    spans = [(*_offsets(name, entry), name, entry) for name, entry in header.items() if name != "__metadata__"]
    expected, tensors = 0, []
    for begin, end, name, entry in sorted(spans, key=lambda span: span[:3]):
        if begin != expected:
            problem = "overlaps the tensor before it" if begin < expected else "leaves a gap before it"
            raise InvalidHeader(f"tensor {name}: its data at offset {begin} {problem}")
        tensors.append(_tensor(name, entry, end - begin))
        expected = end
    if expected > file_bytes - LENGTH_BYTES:
        raise InvalidHeader(f"tensor {tensors[-1].name}: its data ends after the file's {file_bytes} bytes")
    return tensors


def _offsets(name: str, entry: object) -> tuple[int, int]:
    offsets = entry.get("data_offsets") if isinstance(entry, Mapping) else None
    if not _are_counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise InvalidHeader(f"tensor {name}: data_offsets {_short(offsets)} are not two offsets in order")
    return offsets[0], offsets[1]


def _tensor(name: str, entry: Mapping[str, Any], size_bytes: int) -> Tensor:
    dtype, shape = entry.get("dtype"), entry.get("shape")
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
        raise InvalidHeader(f"tensor {name}: {_short(dtype)} is not a known dtype")
    if not _are_counts(shape):
        raise InvalidHeader(f"tensor {name}: {_short(shape)} is not a shape")
    bits = prod(shape) * DTYPE_BITS[dtype]
    if bits != size_bytes * 8:
        wanted = f"{bits // 8} bytes" if bits % 8 == 0 else f"{bits} bits"
        raise InvalidHeader(f"tensor {name}: {dtype} of shape {shape} needs {wanted}, its data has {size_bytes}")
    return Tensor(name=name, dtype=dtype, shape=tuple(shape), size_bytes=size_bytes)


def _are_counts(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _short(value: object) -> str:
    return repr(value)[:60]


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
