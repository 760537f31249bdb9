"""Safetensors headers: checked as strictly as the engine checks them, then read.

The operator reads them over the Hub's ranges and the runtime from a volume, so both use this module.
It is pure, needs only the standard library and runs on Python 3.10.
"""

from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple, TypeGuard

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


class HeaderTensor(NamedTuple):
    """One tensor as a header names it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size_bytes: int


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


def check_header(header: object, *, header_bytes: int, file_bytes: int) -> dict[str, Any]:
    """Return a header, parsed from ``header_bytes`` of JSON; the data it describes must end where the file ends.

    Raises ``InvalidHeader``.
    """
    if not isinstance(header, dict):
        raise InvalidHeader("its header is not a JSON object")
    described = LENGTH_BYTES + header_bytes + sum(tensor.size_bytes for tensor in read_tensors(header, file_bytes))
    if described != file_bytes:
        raise InvalidHeader(f"its header describes {described} bytes, but the file has {file_bytes}")
    return header


def read_tensors(header: Mapping[str, Any], file_bytes: int) -> list[HeaderTensor]:
    """Return the tensors of a header in the order of their data.

    The data must follow each other without a gap or overlap and lie within ``file_bytes``.
    Raises ``InvalidHeader`` that names the first tensor for which that does not hold.
    """
    spans = [(*_offsets(name, entry), name, entry) for name, entry in header.items() if name != "__metadata__"]
    expected = 0
    tensors: list[HeaderTensor] = []
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


def _tensor(name: str, entry: Mapping[str, Any], size_bytes: int) -> HeaderTensor:
    dtype, shape = entry.get("dtype"), entry.get("shape")
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
        raise InvalidHeader(f"tensor {name}: {_short(dtype)} is not a known dtype")
    if not _are_counts(shape):
        raise InvalidHeader(f"tensor {name}: {_short(shape)} is not a shape")
    bits = prod(shape) * DTYPE_BITS[dtype]
    if bits != size_bytes * 8:
        wanted = f"{bits // 8} bytes" if bits % 8 == 0 else f"{bits} bits"
        raise InvalidHeader(f"tensor {name}: {dtype} of shape {shape} needs {wanted}, its data has {size_bytes}")
    return HeaderTensor(name, dtype, tuple(shape), size_bytes)


def _are_counts(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _short(value: object) -> str:
    return repr(value)[:60]
