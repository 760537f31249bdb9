"""Our layout of caches against that of the real engine's own code, for the release that is installed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from genmodel_operator.sizing.shape.model import (
    Attention,
    CompressedAttention,
    GatedDeltaNet,
    LatentAttention,
    Mamba2,
    Mixer,
    ModelShape,
)
from tests import builders_cache as models
from tests.builders_cache import GIB, layout_of, shape_of, uniform, windowed
from tests.oracle import told_by

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

RELEASE = "0.32.0"


@dataclass(frozen=True)
class Case:
    """A model, and the flags with which it is asked for."""

    name: str
    shape: ModelShape
    available_gib: float = 8.0
    max_model_len: int = 32768
    block_size: int = 16
    flags: dict[str, Any] = field(default_factory=dict)


CASES = [
    Case("Llama-3.1-8B", models.LLAMA_31_8B),
    Case("Llama-3.1-8B that does not fit", models.LLAMA_31_8B, available_gib=1.0),
    Case("Qwen3-235B with copied heads", models.QWEN3_235B_A22B, flags={"tensor_parallel": 8}),
    Case("70B on three stages", models.LLAMA_33_70B, flags={"pipeline_parallel": 3}),
    Case("Llama-3.1-8B with FP8", models.LLAMA_31_8B, flags={"kv_cache_dtype": "fp8"}),
    Case("DeepSeek-V2-Lite", models.DEEPSEEK_V2_LITE),
    Case("DeepSeek-V3.2 with an indexer", models.DEEPSEEK_V32_CUT, block_size=64),
    Case("Gemma 3 27B", models.GEMMA_3_27B),
    Case("Gemma 3 4B, more padding", models.GEMMA_3_4B, available_gib=3.3),
    Case("Gemma 3 27B on two stages", models.GEMMA_3_27B, flags={"pipeline_parallel": 2}),
    Case("Gemma 3 27B without the manager", models.GEMMA_3_27B, flags={"hybrid_manager": False}),
    Case("gpt-oss-20b", models.GPT_OSS_20B, available_gib=2.0),
    Case("gpt-oss-120b that does not fit", models.GPT_OSS_120B, available_gib=1.7, max_model_len=131072),
    Case("a window in every layer", windowed(24, 25, 8, 128, 4096)),
    Case(
        "12 windows and 13 full layers",
        shape_of(*[models.attention(window=128), models.attention()] * 12, models.attention()),
    ),
    Case("heads of two sizes", shape_of(*[models.attention(8, 128), models.attention(4, 256)] * 6)),
    Case(
        "a window and full layers of twice the size",
        shape_of(*[*[models.attention(4, 128, window=1024)] * 5, models.attention(8, 128)] * 4),
    ),
    Case(
        "windows whose pages do not divide the largest",
        shape_of(*[*[models.attention(16, 256, window=1024)] * 5, models.attention(4, 192)] * 4),
    ),
    Case("Qwen3.6-27B", models.QWEN_27B),
    Case("Qwen3.6-27B with prefix caching", models.QWEN_27B, flags={"prefix_caching": True}),
    Case("Qwen3.6-27B, FP8, two devices", models.QWEN_27B, flags={"tensor_parallel": 2, "kv_cache_dtype": "fp8"}),
    Case(
        "Qwen3.6-27B with 3 drafted tokens",
        models.QWEN_27B,
        flags={"num_speculative_tokens": 3, "kv_cache_dtype": "fp8", "tensor_parallel": 2},
    ),
    Case("DeepSeek-V4-Flash with a drafted token", models.DEEPSEEK_V4_FLASH, flags={"num_speculative_tokens": 1}),
    Case("Qwen3.6-27B on two stages", models.QWEN_27B, flags={"pipeline_parallel": 2}),
    Case("Qwen3.6-35B-A3B", models.QWEN_35B_A3B, max_model_len=262144),
    Case("Kimi-Linear-48B", models.KIMI_LINEAR_48B),
    Case("Nemotron-3-Nano", models.NEMOTRON_3_NANO, flags={"prefix_caching": True}),
    Case("DeepSeek-V4-Flash", models.DEEPSEEK_V4_FLASH, available_gib=16.0),
    Case("DeepSeek-V4-Flash that does not fit", models.DEEPSEEK_V4_FLASH, available_gib=5.0, max_model_len=1048576),
    Case("DeepSeek-V4-Pro", models.DEEPSEEK_V4_PRO, available_gib=30.0, max_model_len=262144),
    Case("compressed attention of ratio 128 alone", shape_of(*[models.compressed(128)] * 8)),
    Case(
        "compressed attention of unlike counts",
        shape_of(*[models.compressed(ratio) for ratio in [0, 0, 0, 4, 128, 128]]),
    ),
    Case("one layer", uniform(1, 1, 64), available_gib=0.01),
]

DRAFTED: dict[ModelShape, Mixer] = {
    models.QWEN_27B: models.attention(4, 256),
    models.DEEPSEEK_V4_FLASH: models.compressed(0),
}
"""The attention of the one MTP layer that these checkpoints have."""


@pytest.fixture(scope="module")
def answers(site_packages: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the engine says to every case."""
    assert site_packages
    asked = [engine_case(case) for case in CASES]
    found: list[dict[str, Any]] = told_by("engine_cache.py", asked=asked, home=tmp_path_factory.mktemp("home"))
    return dict(zip([case.name for case in CASES], found, strict=True))


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_the_engine_lays_the_cache_out_as_we_do(case: Case, answers: dict[str, dict[str, Any]]) -> None:
    want = answers[case.name]
    layout = layout_of(case.shape, RELEASE, **case.flags)
    available_bytes = int(case.available_gib * GIB)
    assert sorted(len(group.layers) for group in layout.groups) == want["group_layers"]
    assert list(layout.checked_bytes_per_stage(case.max_model_len)) == want["needed_bytes"]
    assert layout.longest_length(available_bytes, case.max_model_len) == want["longest"]
    assert layout.starts(available_bytes, case.max_model_len) is want["starts"], want.get("error")
    if want["starts"]:
        assert layout.blocks(available_bytes) == want["blocks"]
        assert layout.max_concurrency(available_bytes, case.max_model_len) == want["concurrency"]
        assert layout.kv_tokens(available_bytes, case.max_model_len) == want["tokens"]


def engine_case(case: Case) -> dict[str, Any]:
    """Return the case in the oracle's words: what each layer caches, and which stage has it."""
    drafted = case.flags.get("num_speculative_tokens", 0)
    mixers = [layer.mixer for layer in case.shape.layers if layer.mixer is not None]
    layers = [list(_caches(mixer)) for mixer in [*mixers, *([DRAFTED[case.shape]] if drafted else [])]]
    stages = case.flags.get("pipeline_parallel", 1)
    return {
        "layers": [cache for caches in layers for cache in caches],
        "caches_of_layers": [len(caches) for caches in layers],
        "stages": stages,
        "tensor_parallel": case.flags.get("tensor_parallel", 1),
        "num_speculative_tokens": drafted,
        "cache_dtype": case.flags.get("kv_cache_dtype", "bfloat16"),
        "block_size": case.block_size,
        "prefix_caching": case.flags.get("prefix_caching", True),
        "without_manager": case.flags.get("hybrid_manager") is False,
        "max_model_len": case.max_model_len,
        "max_in_flight_tokens": 8192 * (stages + 1),
        "available_bytes": int(case.available_gib * GIB),
    }


def _caches(mixer: Mixer) -> Iterator[dict[str, Any]]:
    match mixer:
        case Attention():
            size = {"kv_heads": mixer.kv_heads, "head_dim": mixer.head_dim}
            yield {"kind": "window", "window": mixer.window, **size} if mixer.window else {"kind": "full", **size}
        case LatentAttention():
            yield {"kind": "latent", "elements": mixer.kv_rank + mixer.rope_dim}
            if mixer.index_dim:
                yield {"kind": "index", "bytes": 132}
        case GatedDeltaNet():
            sizes = [mixer.key_heads, mixer.value_heads, mixer.key_dim, mixer.value_dim, mixer.conv_kernel]
            yield {"kind": "delta", "sizes": sizes, "state": "float32"}
        case Mamba2():
            sizes = [mixer.heads, mixer.head_dim, mixer.state, mixer.groups, mixer.conv_kernel]
            yield {"kind": "mamba", "sizes": sizes, "state": "float32"}
        case CompressedAttention():
            yield from _compressed(mixer.ratio)
        case _:
            raise AssertionError(mixer)


def _compressed(ratio: int) -> Iterator[dict[str, Any]]:
    """The rows and states of ``DeepseekV4Attention``, its indexer and their compressors."""
    yield {"kind": "pending", "block": 64, "elements": 584, "window": 128}
    if ratio == 128:
        yield {"kind": "rows", "bytes": 584, "ratio": 128}
        yield {"kind": "pending", "block": 8, "elements": 2 * 512, "window": 128}
    if ratio == 4:
        yield {"kind": "rows", "bytes": 584, "ratio": 4}
        yield {"kind": "rows", "bytes": 132, "ratio": 4}
        yield {"kind": "pending", "block": 4, "elements": 2 * 2 * 512, "window": 8}
        yield {"kind": "pending", "block": 4, "elements": 2 * 2 * 128, "window": 8}
