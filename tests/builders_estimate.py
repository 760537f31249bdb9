"""Requests for an estimate: the interface's own example, and others like it."""

import copy
from typing import Any

_EXAMPLE: dict[str, Any] = {
    "id": "r1",
    "model": {
        "id": "Qwen/Qwen3-8B",
        "config": {
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            "hidden_size": 4096,
            "intermediate_size": 12288,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "vocab_size": 151936,
            "max_position_embeddings": 40960,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
        },
        "parameters": {"BF16": 8190735360},
        "tensors": None,
    },
    "gpu": {"product": "NVIDIA-H100-80GB-HBM3", "memory_gib": 79.19, "interconnect": "nvlink"},
    "vllm_version": "0.19.0",
    "dtype": None,
    "quantization": None,
    "kv_cache_dtype": None,
    "tensor_parallel_size": 1,
    "pipeline_parallel_size": 1,
    "data_parallel_size": 1,
    "enable_expert_parallel": False,
    "gpu_memory_utilization": 0.95,
    "kv_cache_memory_bytes": None,
    "max_model_len": 8192,
    "max_num_seqs": 1024,
    "max_num_batched_tokens": 8192,
    "block_size": None,
    "enforce_eager": False,
    "enable_prefix_caching": None,
    "num_speculative_tokens": 0,
}


def a_request(**changes: Any) -> dict[str, Any]:
    """Return the example of the interface (a logged start of Qwen3-8B), with fields replaced."""
    return {**copy.deepcopy(_EXAMPLE), **changes}


def with_config(request: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a request whose configuration has fields replaced, or removed with ``...``."""
    changed = copy.deepcopy(request)
    config = {**changed["model"]["config"], **changes}
    changed["model"]["config"] = {name: value for name, value in config.items() if value is not ...}
    return changed


QWEN35_27B: dict[str, Any] = {
    "architectures": ["Qwen3_5ForConditionalGeneration"],
    "model_type": "qwen3_5",
    "torch_dtype": "bfloat16",
    "vision_config": {"hidden_size": 1152, "intermediate_size": 4304, "depth": 27, "num_heads": 16, "patch_size": 16},
    "text_config": {
        "model_type": "qwen3_5_text",
        "hidden_size": 5120,
        "intermediate_size": 17408,
        "num_hidden_layers": 64,
        "num_attention_heads": 24,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "vocab_size": 248320,
        "max_position_embeddings": 262144,
        "full_attention_interval": 4,
        "tie_word_embeddings": False,
        "linear_num_key_heads": 16,
        "linear_num_value_heads": 48,
        "linear_key_head_dim": 128,
        "linear_value_head_dim": 128,
        "linear_conv_kernel_dim": 4,
        "attn_output_gate": True,
        "mtp_num_hidden_layers": 1,
    },
}
"""A hybrid of linear and full attention that reads images."""
