"""The form of answers: the interface's own example, order, units, warnings, errors, and no traceback ever."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genmodel_operator.sizing.estimate.estimate import estimate
from genmodel_operator.sizing.estimate.result import Estimate, EstimateError, to_line
from tests.builders_estimate import QWEN35_27B, a_request, with_config

WANT_EXAMPLE = (
    '{"id": "r1", "weights_gib_per_gpu": 15.266, "activation_gib": 2.197, "non_torch_gib": 0.25, '
    '"cuda_graph_gib": 0.9, "kv_cache_gib": 57.517, "kv_tokens": 418816, "max_concurrency": 51.125, '
    '"starts": true, "reason": null, "message": null, "warnings": []}'
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=20,
)
QUICK = settings(max_examples=150)


def test_the_example_comes_out_as_documented() -> None:
    """The order of fields exactly; weights within the 2 MiB by which the allocator rounds a large tensor up."""
    got, want = json.loads(to_line(estimate(a_request()))), json.loads(WANT_EXAMPLE)
    assert list(got) == list(want)
    for name, figure in want.items():
        if name in ("weights_gib_per_gpu", "kv_cache_gib"):
            assert got[name] == pytest.approx(figure, abs=0.0025)
        elif name in ("kv_tokens", "max_concurrency"):
            assert got[name] == pytest.approx(figure, rel=0.0001)
        else:
            assert got[name] == figure


def test_the_model_id_decides_nothing() -> None:
    other = copy.deepcopy(a_request())
    other["model"]["id"] = "acme/renamed-AWQ-int4-405B"
    assert to_line(estimate(other)) == to_line(estimate(a_request()))


def test_parameters_change_no_class() -> None:
    other = copy.deepcopy(a_request())
    other["model"]["parameters"] = None
    assert to_line(estimate(other)) == to_line(estimate(a_request()))


def test_unknown_fields_are_ignored_and_named() -> None:
    answer = estimate(a_request(swap_space=4))
    assert isinstance(answer, Estimate)
    assert answer.warnings == ("ignored, not part of the interface: swap_space",)
    assert answer.document() | {"warnings": []} == json.loads(to_line(estimate(a_request())))


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        pytest.param(
            {"max_model_len": 100_000}, "greater than the model's own maximum (40960)", id="too long a length"
        ),
        pytest.param(
            {"max_num_batched_tokens": 512}, "smaller than max_num_seqs (1024)", id="more requests than tokens"
        ),
        pytest.param(
            {"tensor_parallel_size": 2, "gpu": {"product": "NVIDIA-L4", "memory_gib": 22.03}, "max_num_seqs": 64},
            "gpu.interconnect is not given: taken as pcie",
            id="an interconnect that is taken from the product",
        ),
        pytest.param(
            {"gpu": {"product": "Tesla-T4", "memory_gib": 40.0}}, "bfloat16 needs compute capability 8.0", id="T4"
        ),
        pytest.param({"num_speculative_tokens": 3}, "describes no drafting layers", id="drafting without drafts"),
        pytest.param({"block_size": 17}, "block_size (17) is no multiple of 16", id="an odd block"),
        pytest.param({"vllm_version": "0.33.0"}, "vllm_version 0.33.0 is newer than 0.32.0", id="a release to come"),
        pytest.param({"vllm_version": "1.0"}, "vllm_version 1.0 is newer than 0.32.0", id="a far release"),
        pytest.param(
            {"kv_cache_memory_bytes": 1_300_000_000}, "close: the KV cache holds 1.0", id="hardly one request fits"
        ),
    ],
)
def test_warnings(changes: dict[str, Any], want: str) -> None:
    answer = estimate(a_request(**changes))
    assert isinstance(answer, Estimate)
    assert want in " | ".join(answer.warnings)


@pytest.mark.parametrize(
    "changes", [{"vllm_version": "0.32.0"}, {"vllm_version": "0.19.0+cu128"}, {"block_size": 64}], ids=str
)
def test_nothing_is_said_of_what_is_known(changes: dict[str, Any]) -> None:
    answer = estimate(a_request(**changes))
    assert isinstance(answer, Estimate)
    assert not any("newer" in warning or "block_size" in warning for warning in answer.warnings)


def test_drafting_layers_that_are_there_need_no_word() -> None:
    request = a_request(num_speculative_tokens=1, tensor_parallel_size=2)
    answer = estimate({**request, "model": {**request["model"], "config": QWEN35_27B, "parameters": None}})
    assert isinstance(answer, Estimate)
    assert not any("drafting" in warning for warning in answer.warnings)


@pytest.mark.parametrize(
    ("request_changes", "config_changes", "want_reason", "want_part"),
    [
        pytest.param({"vllm_version": "0.7.3"}, {}, "UnsupportedVersion", "0.7.3", id="an old release"),
        pytest.param({"vllm_version": "newest"}, {}, "UnsupportedVersion", "newest", id="no release"),
        pytest.param({}, {"architectures": ["FooForCausalLM"]}, "UnsupportedArchitecture", "FooForCausalLM", id="foo"),
        pytest.param(
            {}, {"architectures": ["Foo"]}, "UnsupportedArchitecture", "not known to vLLM 0.19.0", id="its release"
        ),
        pytest.param(
            {"vllm_version": "0.26.0"}, {"architectures": ["XverseForCausalLM"]}, "UnsupportedArchitecture",
            "XverseForCausalLM is not known to vLLM 0.26.0: 0.23.0 was the last", id="a class that was dropped",
        ),
        pytest.param({}, {"hidden_size": 3}, "InvalidRequest", "hidden_size in config.json is 3", id="three wide"),
        pytest.param({}, {"architectures": ...}, "MissingConfigField", "architectures", id="no architecture"),
        pytest.param({}, {"num_hidden_layers": ...}, "MissingConfigField", "num_hidden_layers", id="no layers"),
        pytest.param({}, {"hidden_size": "big"}, "InvalidRequest", "hidden_size", id="a size in words"),
        pytest.param({}, {"vocab_size": -5}, "InvalidRequest", "vocab_size", id="a negative vocabulary"),
        pytest.param({}, {"num_hidden_layers": 10**30}, "InvalidRequest", "num_hidden_layers", id="endless layers"),
        pytest.param({}, {"num_key_value_heads": 1.5}, "InvalidRequest", "num_key_value_heads", id="half a head"),
        pytest.param(
            {}, {"quantization_config": {"quant_method": "magic"}}, "UnsupportedQuantization", "magic", id="magic"
        ),
        pytest.param({}, {"quantization_config": "fp8"}, "InvalidRequest", "quantization_config", id="text"),
    ],
)  # fmt: skip
def test_errors(
    request_changes: dict[str, Any], config_changes: dict[str, Any], want_reason: str, want_part: str
) -> None:
    answer = estimate(with_config(a_request(**request_changes), **config_changes))
    assert isinstance(answer, EstimateError), answer
    assert (answer.id, answer.reason) == ("r1", want_reason)
    assert want_part in answer.message


def test_an_error_has_its_own_form() -> None:
    document = json.loads(to_line(estimate({"id": "r7"})))
    assert document == {"id": "r7", "error": {"reason": "InvalidRequest", "message": "model: is missing"}}
    assert json.loads(to_line(estimate({"id": 7})))["id"] is None


def test_a_class_that_was_dropped_later_is_answered() -> None:
    answer = estimate(with_config(a_request(vllm_version="0.23.1"), architectures=["XverseForCausalLM"]))
    assert isinstance(answer, Estimate)


def test_an_empty_list_of_tensors_is_refused() -> None:
    request = a_request()
    answer = estimate({**request, "model": {**request["model"], "tensors": []}})
    assert isinstance(answer, EstimateError)
    assert "model.tensors: is an empty list" in answer.message


def nested(depth: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(depth):
        made = [made]
    return made


def test_a_deep_configuration_is_answered() -> None:
    check(with_config(a_request(), hidden_size=nested(5000)))


def test_numbers_of_thousands_of_digits_are_answered() -> None:
    check(with_config(a_request(max_model_len=10**6000), hidden_size=10**6000))
    check(with_config(a_request(), hidden_size=-(10**6000)))


def check(document: dict[str, Any]) -> None:
    """An answer of the fixed form, whatever was asked."""
    answer = json.loads(to_line(estimate(document)))
    if "error" in answer:
        assert set(answer) == {"id", "error"}
        assert set(answer["error"]) == {"reason", "message"}
    else:
        assert list(answer) == list(json.loads(WANT_EXAMPLE))
        assert (answer["reason"] is None) == answer["starts"]


@QUICK
@given(document=st.dictionaries(st.text(max_size=10), JSON, max_size=5))
def test_any_object_is_answered(document: dict[str, Any]) -> None:
    check(document)


REQUEST_FIELDS = sorted(name for name in a_request() if name not in ("model", "gpu"))
CONFIG_FIELDS = sorted({*a_request()["model"]["config"], "quantization_config", "rope_scaling", "layer_types",
                        "sliding_window", "text_config", "vision_config", "num_experts", "kv_lora_rank"})  # fmt: skip


@QUICK
@given(name=st.sampled_from(REQUEST_FIELDS), value=JSON)
def test_any_value_of_any_field_is_answered(name: str, value: Any) -> None:
    check(a_request(**{name: value}))


@QUICK
@given(name=st.sampled_from(CONFIG_FIELDS), value=JSON)
def test_any_value_of_any_config_field_is_answered(name: str, value: Any) -> None:
    check(with_config(a_request(), **{name: value}))


@QUICK
@given(config=JSON, tensors=JSON, parameters=JSON)
def test_any_model_is_answered(config: Any, tensors: Any, parameters: Any) -> None:
    check(a_request(model={"id": "m", "config": config, "tensors": tensors, "parameters": parameters}))


@QUICK
@given(
    memory=st.floats(1, 200),
    more=st.floats(0, 200),
    utilization=st.floats(0.05, 1),
    length=st.integers(1, 40960),
    requests=st.integers(1, 1024),
    tensor_parallel=st.sampled_from([1, 2, 4, 8]),
    version=st.sampled_from(["0.8.5", "0.11.0", "0.19.0", "0.23.0", "0.26.0", "0.32.0"]),
)
def test_more_memory_never_stops_a_start(
    memory: float, more: float, utilization: float, length: int, requests: int, tensor_parallel: int, version: str
) -> None:
    common = {
        "gpu_memory_utilization": utilization,
        "max_model_len": length,
        "max_num_seqs": requests,
        "tensor_parallel_size": tensor_parallel,
        "vllm_version": version,
    }
    small, large = (
        estimate(a_request(gpu={"product": "NVIDIA-H100", "memory_gib": size}, **common))
        for size in (memory, memory + more)
    )
    assert isinstance(small, Estimate)
    assert isinstance(large, Estimate)
    assert large.verdict.starts or not small.verdict.starts


@QUICK
@given(memory=st.floats(1, 300), utilization=st.floats(0.05, 1), version=st.sampled_from(["0.8.5", "0.19.0", "0.32.0"]))
def test_parts_add_up(memory: float, utilization: float, version: str) -> None:
    gpu = {"product": "NVIDIA-H100", "memory_gib": memory}
    answer = estimate(a_request(gpu=gpu, gpu_memory_utilization=utilization, vllm_version=version))
    assert isinstance(answer, Estimate)
    figures = answer.document()
    graphs = figures["cuda_graph_gib"] if version == "0.32.0" else 0
    parts = (figures[name] for name in ("weights_gib_per_gpu", "activation_gib", "non_torch_gib", "kv_cache_gib"))
    assert sum(parts) + graphs == pytest.approx(memory * utilization, abs=0.004)


@QUICK
@given(length=st.integers(1, 40960), more=st.integers(0, 40960))
def test_a_longer_length_never_holds_more_requests(length: int, more: int) -> None:
    short, long = (estimate(a_request(max_model_len=size)) for size in (length, length + more))
    assert isinstance(short, Estimate)
    assert isinstance(long, Estimate)
    assert (short.max_concurrency or 0) >= (long.max_concurrency or 0)
