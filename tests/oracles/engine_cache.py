"""A program for the real engine's Python: its own answers about caches, as JSON, for tests to compare with.

Reads cases from standard input. The engine's classes say what every layer caches, its functions
group the layers and count blocks, and its platform code chooses the block of hybrid models; only
the configuration objects around them are stand-ins.
"""

import json
import sys
from types import SimpleNamespace
from typing import Any

import torch
from vllm.config.cache import CacheConfig
from vllm.distributed.utils import get_pp_indices
from vllm.model_executor import models
from vllm.model_executor.layers.mamba.mamba_utils import MambaStateShapeCalculator as StateShapes
from vllm.platforms.interface import Platform
from vllm.v1.attention.backend import AttentionBackend
from vllm.v1.core import kv_cache_utils as engine
from vllm.v1.kv_cache_interface import (
    FullAttentionSpec,
    KVCacheSpec,
    MambaSpec,
    MLAAttentionSpec,
    SlidingWindowMLASpec,
    SlidingWindowSpec,
)

DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32, "fp8": torch.float8_e4m3fn}


class AnyMultipleOf16(AttentionBackend):
    """The block sizes of the usual GPU backends."""

    @staticmethod
    def get_name() -> str:
        return "FLASH_ATTN"


def state_shapes(case: dict[str, Any], layer: dict[str, Any]) -> tuple[tuple[int, ...], ...]:
    tensor_parallel, drafted = case["tensor_parallel"], case["num_speculative_tokens"]
    if layer["kind"] == "delta":
        return StateShapes.gated_delta_net_state_shape(tensor_parallel, *layer["sizes"], drafted)
    heads, head_dim, state, groups, kernel = layer["sizes"]
    return StateShapes.mamba2_state_shape(
        tensor_parallel, heads * head_dim, groups, heads, head_dim, state, kernel, drafted
    )


def state_spec(case: dict[str, Any], layer: dict[str, Any], cache: CacheConfig) -> MambaSpec:
    return MambaSpec(
        block_size=cache.mamba_block_size or case["max_model_len"],
        shapes=state_shapes(case, layer),
        dtypes=(DTYPES["bfloat16"], DTYPES[layer["state"]]),
        page_size_padded=cache.mamba_page_size_padded,
        mamba_cache_mode=cache.mamba_cache_mode,
        num_speculative_blocks=case["num_speculative_tokens"],
        num_prefill_checkpoint_blocks=1 if layer["kind"] == "mamba" else 0,
    )


def attention_spec(case: dict[str, Any], layer: dict[str, Any], block: int) -> KVCacheSpec:
    dtype = DTYPES[case["cache_dtype"]]
    match layer["kind"]:
        case "latent":
            return MLAAttentionSpec(block_size=block, num_kv_heads=1, head_size=layer["elements"], dtype=dtype)
        case "index":
            return MLAAttentionSpec(block_size=block, num_kv_heads=1, head_size=layer["bytes"], dtype=torch.uint8)
        case "rows":
            return MLAAttentionSpec(
                block_size=256,
                num_kv_heads=1,
                head_size=layer["bytes"],
                dtype=torch.uint8,
                tokens_per_state=layer["ratio"],
                alignment=576,
            )
        case "pending":
            return SlidingWindowMLASpec(
                block_size=layer["block"],
                num_kv_heads=1,
                head_size=layer["elements"],
                dtype=torch.uint8 if layer["block"] == 64 else torch.float32,
                sliding_window=layer["window"],
                alignment=576,
            )
    heads = max(1, layer["kv_heads"] // case["tensor_parallel"])
    sizes = {"block_size": block, "num_kv_heads": heads, "head_size": layer["head_dim"], "dtype": dtype}
    if layer["kind"] == "window":
        return SlidingWindowSpec(sliding_window=layer["window"], **sizes)
    return FullAttentionSpec(**sizes)


def aligned(case: dict[str, Any], cache: CacheConfig) -> None:
    """Let the engine choose the block of a hybrid model."""
    states = [layer for layer in case["layers"] if layer["kind"] in ("delta", "mamba")]
    if not states:
        return
    attention = next(layer for layer in case["layers"] if layer["kind"] in ("full", "latent"))
    largest = max(states, key=lambda layer: state_spec(case, layer, CacheConfig()).page_size_bytes)
    model = SimpleNamespace(
        dtype=torch.bfloat16,
        use_mla=attention["kind"] == "latent",
        architecture="Hybrid",
        get_num_kv_heads=lambda _: max(1, attention.get("kv_heads", 1) // case["tensor_parallel"]),
        get_head_size=lambda: attention.get("head_dim") or attention["elements"],
    )
    model_class = SimpleNamespace(
        get_mamba_state_shape_from_config=lambda _: state_shapes(case, largest),
        get_mamba_state_dtype_from_config=lambda _: (torch.bfloat16, DTYPES[largest["state"]]),
    )
    platform: Any = type(
        "OnePlatform", (Platform,), {"_find_non_ssm_backends": classmethod(lambda *_: [AnyMultipleOf16])}
    )
    models.ModelRegistry.resolve_model_cls = lambda *_, **__: (model_class, "Hybrid")
    config = SimpleNamespace(cache_config=cache, model_config=model, parallel_config=None, compilation_config=None)
    platform._align_hybrid_block_size(config, AnyMultipleOf16)


def caches_of_stages(case: dict[str, Any]) -> list[tuple[int, int]]:
    """Return the first cache of each stage and that of the next, the layers split by the engine."""
    counts, stages = case["caches_of_layers"], case["stages"]
    layers = [get_pp_indices(len(counts), stage, stages) for stage in range(stages)]
    return [(sum(counts[:first]), sum(counts[:end])) for first, end in layers]


def answer(case: dict[str, Any]) -> dict[str, Any]:
    cache = CacheConfig(block_size=case["block_size"], cache_dtype="fp8" if case["cache_dtype"] == "fp8" else "auto")
    cache.mamba_cache_mode = "align" if case["prefix_caching"] else "none"
    cache.kv_cache_layout = "BLHNC" if any(layer["kind"] == "pending" for layer in case["layers"]) else "LBNHC"
    aligned(case, cache)
    specs = [
        state_spec(case, layer, cache)
        if layer["kind"] in ("delta", "mamba")
        else attention_spec(case, layer, cache.block_size)
        for layer in case["layers"]
    ]
    model = SimpleNamespace(max_model_len=case["max_model_len"], original_max_model_len=None)
    config = SimpleNamespace(
        cache_config=cache,
        model_config=model,
        parallel_config=SimpleNamespace(
            decode_context_parallel_size=1,
            tensor_parallel_size=case["tensor_parallel"],
            pipeline_parallel_size=case["stages"],
        ),
        scheduler_config=SimpleNamespace(disable_hybrid_kv_cache_manager=case["without_manager"]),
        attention_config=SimpleNamespace(hisparse_config=None),
        speculative_config=None,
        max_in_flight_tokens=case["max_in_flight_tokens"],
        num_prefill_lookahead_tokens=0,
    )
    named = [{f"cache.{index}": specs[index] for index in range(*stage)} for stage in caches_of_stages(case)]
    memory = [case["available_bytes"]] * len(named)
    merged = {name: spec for stage in named for name, spec in stage.items()}
    groups = engine.get_kv_cache_groups(config, dict(merged))
    projected = [engine._project_kv_cache_groups_to_worker(groups, stage) for stage in named]
    needed = [engine._max_memory_usage_bytes_from_groups(config, stage) for stage in projected]
    checked = [case["available_bytes"] - engine._pool_bytes_per_block(config, stage) for stage in projected]
    lengths = [
        engine._estimate_max_model_len_from_groups(config, stage, memory_left)
        for stage, memory_left in zip(projected, checked, strict=True)
    ]
    result = {
        "group_layers": sorted(len(group.layer_names) for group in groups),
        "block_tokens": sorted(group.kv_cache_spec.block_size for group in groups),
        "needed_bytes": needed,
        "longest": min(lengths),
    }
    try:
        configs = engine.get_kv_cache_configs(config, named, memory)
    except ValueError as error:
        return result | {"starts": False, "error": str(error)}
    tokens, concurrency = engine.get_kv_cache_capacity(config, engine.generate_scheduler_kv_cache_config(configs))
    return result | {"starts": True, "blocks": configs[0].num_blocks, "tokens": tokens, "concurrency": concurrency}


if __name__ == "__main__":
    json.dump([answer(case) for case in json.load(sys.stdin)], sys.stdout)
