"""Requests are read strictly: what is wrong is named with its path and value."""

import copy
import json
import sys
from typing import Any

import pytest

from genmodel_operator.sizing.budget.device import Interconnect
from genmodel_operator.sizing.estimate.request import parse_request
from genmodel_operator.sizing.shape.model import Unsizable
from tests.builders_estimate import a_request

HUGE = int("9" * 4000)


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return a good request with one field set, or removed with ``...``."""
    document = copy.deepcopy(a_request())
    *parents, name = path.split(".")
    place = document
    for parent in parents:
        place = place[parent]
    if value is ...:
        del place[name]
    else:
        place[name] = value
    return document


def test_a_good_request() -> None:
    request = parse_request(a_request())
    assert (request.id, request.gpu_memory_gib, request.interconnect) == ("r1", 79.19, Interconnect.NVLINK)
    assert (request.max_num_seqs, request.max_num_batched_tokens, request.max_model_len) == (1024, 8192, 8192)
    assert (request.dtype, request.block_size, request.enable_prefix_caching) == (None, None, None)
    assert request.parameters == {"BF16": 8190735360}
    assert request.unknown_fields == ()


def test_absent_fields_are_the_engines_defaults() -> None:
    document = a_request()
    least = {name: document[name] for name in ("id", "model", "gpu", "vllm_version")}
    request = parse_request(least)
    assert (request.tensor_parallel_size, request.pipeline_parallel_size, request.data_parallel_size) == (1, 1, 1)
    assert (request.enable_expert_parallel, request.enforce_eager, request.num_speculative_tokens) == (False, False, 0)
    assert request.gpu_memory_utilization is None


@pytest.mark.parametrize("name", ["tensor_parallel_size", "enforce_eager", "num_speculative_tokens", "dtype"])
def test_null_is_absent(name: str) -> None:
    assert parse_request(changed(name, None)) == parse_request(changed(name, ...)) or name == "dtype"


def test_unknown_fields_are_named() -> None:
    document = changed("gpu.count", 8) | {"swap_space": 4}
    document["model"]["revision"] = "main"
    assert set(parse_request(document).unknown_fields) == {"gpu.count", "swap_space", "model.revision"}


@pytest.mark.parametrize(
    ("path", "value", "want"),
    [
        pytest.param("id", ..., "id: is missing", id="no id"),
        pytest.param("id", 7, "id: 7 is not a string", id="a number as id"),
        pytest.param("model", ..., "model: is missing", id="no model"),
        pytest.param("model", "Qwen/Qwen3-8B", "model: 'Qwen/Qwen3-8B' is not an object", id="a name as model"),
        pytest.param("model.id", None, "model.id: is missing", id="no model id"),
        pytest.param("model.config", ..., "model.config: is missing", id="no config"),
        pytest.param("model.config", [1], "model.config: a list is not an object", id="a list as config"),
        pytest.param("gpu", None, "gpu: is missing", id="no gpu"),
        pytest.param("gpu.product", ..., "gpu.product: is missing", id="no product"),
        pytest.param("gpu.memory_gib", ..., "gpu.memory_gib: is missing", id="no memory"),
        pytest.param("gpu.memory_gib", "80GB", "gpu.memory_gib: '80GB' is not a number", id="memory as text"),
        pytest.param("gpu.memory_gib", True, "gpu.memory_gib: true is not a number", id="memory as truth"),
        pytest.param("gpu.memory_gib", 0, "gpu.memory_gib: 0 is not above 0", id="no memory at all"),
        pytest.param("gpu.memory_gib", -80, "gpu.memory_gib: -80 is not above 0", id="negative memory"),
        pytest.param("gpu.memory_gib", float("nan"), "gpu.memory_gib: nan is not above 0", id="NaN"),
        pytest.param("gpu.memory_gib", float("inf"), "gpu.memory_gib: inf is not above 0", id="infinity"),
        pytest.param("gpu.memory_gib", HUGE, "more than 40 digits is not above 0", id="thousands of digits"),
        pytest.param("gpu.interconnect", "infiniband", "is not one of nvlink, pcie", id="another interconnect"),
        pytest.param("gpu.interconnect", 5, "gpu.interconnect: 5 is not a string", id="interconnect as number"),
        pytest.param("vllm_version", ..., "vllm_version: is missing", id="no release"),
        pytest.param("vllm_version", 0.19, "vllm_version: 0.19 is not a string", id="release as number"),
        pytest.param("dtype", "fp16", "dtype: 'fp16' is not one of bfloat16", id="a type that vLLM does not know"),
        pytest.param("quantization", {}, "quantization: an object is not a string", id="quantization as object"),
        pytest.param("kv_cache_dtype", 8, "kv_cache_dtype: 8 is not a string", id="kv_cache_dtype as number"),
        pytest.param("tensor_parallel_size", 0, "tensor_parallel_size: 0 is not between 1 and", id="no device"),
        pytest.param("tensor_parallel_size", 2.0, "tensor_parallel_size: 2.0 is not a whole number", id="a fraction"),
        pytest.param("tensor_parallel_size", "2", "tensor_parallel_size: '2' is not a whole number", id="text"),
        pytest.param("tensor_parallel_size", True, "tensor_parallel_size: true is not a whole number", id="truth"),
        pytest.param("tensor_parallel_size", HUGE, "more than 40 digits is not between", id="endless devices"),
        pytest.param("pipeline_parallel_size", -1, "pipeline_parallel_size: -1 is not between", id="minus one stage"),
        pytest.param("enable_expert_parallel", "yes", "'yes' is neither true nor false", id="yes"),
        pytest.param("enforce_eager", 1, "enforce_eager: 1 is neither true nor false", id="one as truth"),
        pytest.param("gpu_memory_utilization", 95, "95 is not above 0 and at most 1", id="per cent"),
        pytest.param("gpu_memory_utilization", 0.0, "gpu_memory_utilization: 0.0 is not above 0", id="nothing"),
        pytest.param("kv_cache_memory_bytes", -1, "kv_cache_memory_bytes: -1 is not between", id="negative cache"),
        pytest.param("kv_cache_memory_bytes", "4GiB", "is not a whole number", id="a cache with unit"),
        pytest.param("max_model_len", 0, "max_model_len: 0 is not between 1", id="no length"),
        pytest.param("max_num_seqs", [], "max_num_seqs: a list is not a whole number", id="a list of requests"),
        pytest.param("num_speculative_tokens", -1, "num_speculative_tokens: -1 is not between 0", id="minus one draft"),
        pytest.param("model.parameters", [], "model.parameters: a list is not an object", id="parameters as list"),
        pytest.param("model.parameters", {"BF16": "8B"}, "model.parameters.BF16: '8B' is not", id="8B"),
        pytest.param("model.tensors", {}, "model.tensors: an object is not a list", id="tensors as object"),
        pytest.param("model.tensors", [5], "model.tensors[0]: 5 is not an object", id="a number as tensor"),
        pytest.param("model.tensors", [{"name": "a", "dtype": "BF16"}], "model.tensors[0].shape: null", id="no shape"),
        pytest.param(
            "model.tensors",
            [{"name": "a", "dtype": "BF16", "shape": [2, -2]}],
            "model.tensors[0].shape: a list is not a list of whole numbers from 0 on",
            id="a negative dimension",
        ),
        pytest.param(
            "model.tensors",
            [{"name": "a", "dtype": "BF16", "shape": [2**40, 2**40]}],
            "model.tensors[0].shape: a list has more elements than any file",
            id="a tensor beyond all files",
        ),
        pytest.param("model.tensors", [{"dtype": "BF16"}], "model.tensors[0].name: is missing", id="no name"),
    ],
)  # fmt: skip
def test_wrong_fields(path: str, value: Any, want: str) -> None:
    with pytest.raises(Unsizable) as refused:
        parse_request(changed(path, value))
    assert refused.value.reason == "InvalidRequest"
    assert want in refused.value.message


def test_long_values_are_cut() -> None:
    with pytest.raises(Unsizable) as refused:
        parse_request(changed("dtype", "x" * 10_000))
    assert len(refused.value.message) < 300


def test_deep_values_are_no_trouble() -> None:
    deep: Any = {}
    for _ in range(sys.getrecursionlimit() // 2):
        deep = {"a": deep}
    with pytest.raises(Unsizable):
        parse_request(changed("quantization", deep))
    assert json.dumps(parse_request(a_request() | {"x": deep}).unknown_fields) == '["x"]'
