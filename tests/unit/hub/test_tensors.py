"""Safetensors headers."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genmodel_operator.hub.facts import Tensor
from genmodel_operator.hub.tensors import (
    HEADER_LIMIT_BYTES,
    InvalidHeader,
    decode_header,
    header_length,
    read_header,
    stored_precision,
)
from tests.fakes.hub_models import framed_header, llama_shapes, safetensors_file


def entry(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_tensors_come_in_the_order_of_their_data() -> None:
    header = {"b": entry("F32", [2], 4, 12), "__metadata__": {"format": "pt"}, "a": entry("BF16", [2, 1], 0, 4)}
    assert read_header(header, 1000) == [Tensor("a", "BF16", (2, 1), 4), Tensor("b", "F32", (2,), 8)]


@pytest.mark.parametrize(
    ("dtype", "shape", "size_bytes"),
    [
        pytest.param("F64", [3], 24, id="double"),
        pytest.param("F8_E4M3", [4, 4], 16, id="FP8"),
        pytest.param("F4", [2, 3], 3, id="two elements in a byte"),
        pytest.param("F6_E2M3", [4], 3, id="four elements in three bytes"),
        pytest.param("BOOL", [5], 5, id="truth values"),
        pytest.param("F32", [], 4, id="a scalar"),
        pytest.param("BF16", [0, 7], 0, id="nothing"),
    ],
)
def test_every_dtype_has_its_width(dtype: str, shape: list[int], size_bytes: int) -> None:
    (tensor,) = read_header({"t": entry(dtype, shape, 0, size_bytes)}, 1000)
    assert tensor.size_bytes == size_bytes


@pytest.mark.parametrize(
    ("header", "want"),
    [
        pytest.param(
            {"t": entry("BF16", [2], 0, 5)},
            "tensor t: BF16 of shape [2] needs 4 bytes, its data has 5",
            id="wrong size",
        ),
        pytest.param({"t": entry("F4", [3], 0, 2)}, "tensor t: F4 of shape [3] needs 12 bits", id="half a byte"),
        pytest.param({"t": entry("BF8", [2], 0, 2)}, "tensor t: 'BF8' is not a known dtype", id="unknown dtype"),
        pytest.param(
            {"t": {"shape": [2], "data_offsets": [0, 2]}}, "tensor t: None is not a known dtype", id="no dtype"
        ),
        pytest.param({"t": entry("I8", [-2], 0, 2)}, "tensor t: [-2] is not a shape", id="negative side"),
        pytest.param({"t": entry("I8", [True], 0, 1)}, "tensor t: [True] is not a shape", id="a truth value as side"),
        pytest.param(
            {"t": entry("I8", [2], 2, 0)},
            "tensor t: data_offsets [2, 0] are not two offsets in order",
            id="offsets swapped",
        ),
        pytest.param({"t": {"dtype": "I8", "shape": [1]}}, "tensor t: data_offsets None are not", id="no offsets"),
        pytest.param({"t": [1, 2]}, "tensor t: data_offsets None are not", id="not an object"),
        pytest.param(
            {"a": entry("I8", [4], 0, 4), "b": entry("I8", [4], 2, 6)},
            "tensor b: its data at offset 2 overlaps the tensor before it",
            id="overlap",
        ),
        pytest.param(
            {"a": entry("I8", [4], 0, 4), "b": entry("I8", [4], 6, 10)},
            "tensor b: its data at offset 6 leaves a gap before it",
            id="gap",
        ),
        pytest.param(
            {"a": entry("I8", [995], 0, 995)}, "tensor a: its data ends after the file's 1000 bytes", id="too long"
        ),
    ],
)
def test_a_header_that_the_engine_would_refuse_is_refused(header: dict[str, Any], want: str) -> None:
    with pytest.raises(InvalidHeader) as error:
        read_header(header, 1000)
    assert str(error.value).startswith(want)


def test_a_whole_file_is_read() -> None:
    file = safetensors_file(llama_shapes())
    length = header_length(file[:8], len(file))
    header = decode_header(file[8 : 8 + length], len(file))
    assert {tensor.name: (tensor.dtype, tensor.shape) for tensor in read_header(header, len(file))} == llama_shapes()


@pytest.mark.parametrize(
    ("start", "file_bytes", "want"),
    [
        pytest.param(b"", 0, "a file of 0 bytes has no safetensors header", id="empty"),
        pytest.param(b"\x01\0\0", 3, "a file of 3 bytes has no safetensors header", id="three bytes"),
        pytest.param((93).to_bytes(8, "little"), 100, "its header would be 93 bytes long", id="longer than the file"),
        pytest.param(b"<html><b", 10**12, "its header would be", id="a page of HTML"),
        pytest.param((HEADER_LIMIT_BYTES + 1).to_bytes(8, "little"), 10**12, "its header would be", id="a bomb"),
    ],
)
def test_an_impossible_length_is_refused(start: bytes, file_bytes: int, want: str) -> None:
    with pytest.raises(InvalidHeader, match=want):
        header_length(start, file_bytes)


@pytest.mark.parametrize(
    ("raw", "want"),
    [
        pytest.param(b"{", "its header is not JSON", id="cut off"),
        pytest.param(b"[" * 100_000, "its header is not JSON", id="deeply nested"),
        pytest.param(b"\xff\xfe", "its header is not JSON", id="not text"),
        pytest.param(b"[]", "its header is not a JSON object", id="a list"),
        pytest.param(b"{}", "its header describes 10 bytes, but the file has 100", id="data that nobody describes"),
    ],
)
def test_a_broken_header_is_refused(raw: bytes, want: str) -> None:
    with pytest.raises(InvalidHeader, match=want):
        decode_header(raw, 100)


@given(content=st.binary(max_size=400))
def test_random_bytes_never_raise_anything_else(content: bytes) -> None:
    with contextlib.suppress(InvalidHeader):
        length = header_length(content[:8], len(content))
        decode_header(content[8 : 8 + length], len(content))


@given(
    header=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["t", "dtype", "shape", "data_offsets"]), inner)
        ),
        max_leaves=12,
    )
)
def test_random_json_never_raises_anything_else(header: object) -> None:
    raw = json.dumps({"t": header}).encode()
    with contextlib.suppress(InvalidHeader):
        decode_header(raw, len(raw) + 8)


def test_headers_of_the_builders_are_framed_as_the_format_says() -> None:
    assert framed_header({})[:8] == (8).to_bytes(8, "little")


def tensors(**bytes_by_dtype: int) -> list[Tensor]:
    return [Tensor(dtype, dtype, (size,), size) for dtype, size in bytes_by_dtype.items()]


@pytest.mark.parametrize(
    ("stored", "quantization", "want"),
    [
        pytest.param(tensors(BF16=10, F32=9), {}, "BFloat16", id="the most common by bytes"),
        pytest.param(tensors(F16=10), {}, "Float16", id="half"),
        pytest.param(tensors(F64=10), {}, "Float32", id="double counts as float"),
        pytest.param(tensors(F8_E4M3=10, BF16=3), {}, "FP8", id="FP8 without settings"),
        pytest.param(tensors(I64=10), {}, "Float32", id="only indices"),
        pytest.param(tensors(F8_E4M3=10, BF16=3), {"quant_method": "fp8"}, "FP8", id="fp8"),
        pytest.param(tensors(I32=10, F16=3), {"quant_method": "awq", "bits": 4}, "INT4", id="awq"),
        pytest.param(tensors(I32=10, F16=30), {"quant_method": "gptq", "bits": 8}, "INT8", id="gptq with 8 bits"),
        pytest.param(tensors(U8=10, BF16=30), {"quant_method": "mxfp4"}, "INT4", id="mxfp4 under large embeddings"),
        pytest.param(tensors(U8=10), {"quant_method": "modelopt", "quant_algo": "NVFP4"}, "INT4", id="nvfp4"),
        pytest.param(tensors(F8_E4M3=10), {"quant_method": "modelopt", "quant_algo": "FP8"}, "FP8", id="modelopt fp8"),
        pytest.param(
            tensors(I8=10),
            {"quant_method": "compressed-tensors", "config_groups": {"g": {"weights": {"num_bits": 8, "type": "int"}}}},
            "INT8",
            id="compressed-tensors int8",
        ),
        pytest.param(
            tensors(F8_E4M3=10),
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"g": {"weights": {"num_bits": 8, "type": "float"}}},
            },
            "FP8",
            id="compressed-tensors fp8",
        ),
        pytest.param(tensors(I8=10, BF16=2), {"quant_method": "new"}, "INT8", id="an unknown method: as stored"),
    ],
)
def test_the_stored_precision_is_named(stored: list[Tensor], quantization: dict[str, Any], want: str) -> None:
    assert stored_precision(stored, quantization) == want
