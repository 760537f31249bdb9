"""Each way a start can fail, with the engine's words and the numbers."""

import pytest

from genmodel_operator.sizing.estimate.estimate import estimate
from genmodel_operator.sizing.estimate.result import Estimate
from tests.builders_estimate import QWEN35_27B, a_request, with_config

GPT_OSS = {
    "architectures": ["GptOssForCausalLM"],
    "model_type": "gpt_oss",
    "hidden_size": 2880,
    "intermediate_size": 2880,
    "num_hidden_layers": 24,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "vocab_size": 201088,
    "max_position_embeddings": 131072,
    "sliding_window": 128,
    "layer_types": ["sliding_attention", "full_attention"] * 12,
    "attention_bias": True,
    "num_local_experts": 32,
    "num_experts_per_tok": 4,
    "quantization_config": {
        "quant_method": "mxfp4",
        "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router", "lm_head"],
    },
}
L4 = {"product": "NVIDIA-L4", "memory_gib": 22.03}


def answered(**changes: object) -> Estimate:
    answer = estimate(a_request(**changes))
    assert isinstance(answer, Estimate), answer
    return answer


def refused(want_reason: str, **changes: object) -> str:
    """Return the message of a start that must be refused for this reason."""
    verdict = answered(**changes).verdict
    assert (verdict.starts, verdict.reason) == (False, want_reason), verdict
    assert verdict.message
    return verdict.message


def test_a_start() -> None:
    verdict = answered().verdict
    assert (verdict.starts, verdict.reason, verdict.message) == (True, None, None)


def test_invalid_tensor_parallel_size_has_no_figures() -> None:
    answer = answered(tensor_parallel_size=3)
    assert answer.verdict.reason == "InvalidTensorParallelSize"
    assert answer.verdict.message is not None
    assert "32" in answer.verdict.message
    assert "(3)" in answer.verdict.message
    document = answer.document()
    names = [name for name in document if name.endswith(("gib", "gpu", "tokens", "concurrency"))]
    assert len(names) == 7
    assert {document[name] for name in names} == {None}


def test_more_stages_than_layers() -> None:
    refused("InvalidPipelineParallelSize", pipeline_parallel_size=37)


def test_weights_do_not_fit() -> None:
    message = refused("WeightsDoNotFit", gpu={"product": "Tesla-T4", "memory_gib": 14.56}, max_num_seqs=32)
    assert "15.27 GiB per GPU" in message
    answer = answered(gpu={"product": "Tesla-T4", "memory_gib": 14.56})
    assert answer.kv_cache_bytes is not None
    assert answer.kv_cache_bytes < 0
    assert answer.kv_tokens == 0


def test_nothing_is_left_for_the_cache() -> None:
    message = refused(
        "NoMemoryForKVCache", gpu={"product": "NVIDIA-L4", "memory_gib": 17.0}, gpu_memory_utilization=0.92
    )
    assert message.startswith("No available memory for the cache blocks.")


def test_one_request_does_not_fit() -> None:
    message = refused("KVCacheTooSmall", gpu=L4, max_num_seqs=64, max_num_batched_tokens=2048, max_model_len=40960)
    assert "the model's max seq len (40960), (5.62 GiB KV cache is needed" in message
    assert "the estimated maximum model length is " in message


def test_the_named_length_is_the_largest_that_starts() -> None:
    small = {"gpu": L4, "max_num_seqs": 64, "max_num_batched_tokens": 2048}
    message = refused("KVCacheTooSmall", **small, max_model_len=40960)
    longest = int(message.split("maximum model length is ")[1].split(".")[0])
    assert answered(**small, max_model_len=longest).verdict.starts
    assert not answered(**small, max_model_len=longest + 16).verdict.starts


def test_hybrid_needs_a_state_block_per_request() -> None:
    hybrid = {"model": {"id": "Qwen/Qwen3.5-27B", "config": QWEN35_27B}, "vllm_version": "0.19.0"}
    message = refused("TooFewStateBlocks", **hybrid)
    assert message.startswith("max_num_seqs (1024) exceeds available Mamba cache blocks (")
    most = int(message.split("lower max_num_seqs to at most ")[1].split(" ")[0])
    assert 100 < most < 1024
    assert answered(**hybrid, enforce_eager=True).verdict.starts


def test_warm_up_needs_a_reserve() -> None:
    sparse = {"model": {"id": "openai/gpt-oss-20b", "config": GPT_OSS}}
    message = refused("ReserveTooSmall", **sparse)  # gt108
    assert "CUDA out of memory occurred when warming up sampler with 1024 dummy requests" in message
    assert answered(**sparse, gpu_memory_utilization=0.9).verdict.starts


def test_the_whole_device_is_never_free() -> None:
    message = refused("ReserveTooSmall", gpu_memory_utilization=1.0)
    assert message.startswith("Free memory on device (78.69/79.19 GiB) on startup is less than desired GPU memory")


def test_a_given_cache_is_taken_as_it_is() -> None:
    answer = answered(kv_cache_memory_bytes=4 * 1024**3, gpu_memory_utilization=0.1)
    assert answer.verdict.starts
    assert answer.document()["kv_cache_gib"] == 4.0
    assert answer.kv_tokens == 4 * 1024**3 // (16 * 147456) * 16


def test_a_given_cache_beside_weights_that_are_too_large() -> None:
    small = {"product": "NVIDIA-L4", "memory_gib": 15.0}
    refused("WeightsDoNotFit", gpu=small, kv_cache_memory_bytes=4 * 1024**3)
    message = refused("NoMemoryForKVCache", gpu=L4, kv_cache_memory_bytes=8 * 1024**3)
    assert "8.00 GiB of KV cache and 15.27 GiB of weights" in message
    refused("KVCacheTooSmall", kv_cache_memory_bytes=1024**3)


@pytest.mark.parametrize("version", ["0.8.5", "0.10.2", "0.19.0", "0.23.0", "0.26.0", "0.32.0"])
def test_every_supported_release_is_answered(version: str) -> None:
    assert answered(vllm_version=version).verdict.starts


def test_what_is_not_stored_in_the_config_is_missing() -> None:
    answer = estimate(with_config(a_request(), intermediate_size=...))
    assert not isinstance(answer, Estimate)
    assert answer.reason == "MissingConfigField"
    assert "intermediate_size" in answer.message


def test_a_given_cache_needs_no_weights() -> None:
    answer = estimate(with_config(a_request(kv_cache_memory_bytes=4 * 1024**3), intermediate_size=...))
    assert isinstance(answer, Estimate)
    document = answer.document()
    assert (document["weights_gib_per_gpu"], document["activation_gib"]) == (None, None)
    assert document["kv_tokens"] > 0
    assert "intermediate_size" in " ".join(answer.warnings)
