"""Hybrid models: the size of states, the blocks they force, and how many a request keeps."""

from typing import Any

import pytest

from genmodel_operator.sizing.cache.settings import Platform
from genmodel_operator.sizing.shape.model import GatedDeltaNet, Mamba2, ModelShape
from tests import builders_cache as models
from tests.builders_cache import GIB, attention, hybrid, layout_of, shape_of

LIGHTNING = GatedDeltaNet(key_heads=64, value_heads=64, key_dim=96, value_dim=96, conv_kernel=1, state_element_bytes=4)
CONVOLUTION = Mamba2(heads=2048, head_dim=1, state=0, groups=0, conv_kernel=3, state_element_bytes=2)
MAMBA_1 = Mamba2(heads=8192, head_dim=1, state=16, groups=0, conv_kernel=4, state_element_bytes=2)
ONE_GROUP = Mamba2(heads=64, head_dim=64, state=128, groups=1, conv_kernel=4, state_element_bytes=2)


@pytest.mark.parametrize(
    ("mixer", "flags", "want_bytes"),
    [
        pytest.param(models.DELTA_27B, {}, 48 * 128 * 128 * 4 + 3 * 10240 * 2, id="delta net"),
        pytest.param(
            models.DELTA_27B, {"tensor_parallel": 2}, (48 * 128 * 128 * 4 + 3 * 10240 * 2) // 2, id="on two devices"
        ),
        pytest.param(
            models.DELTA_27B, {"state_dtype": "bfloat16"}, 48 * 128 * 128 * 2 + 3 * 10240 * 2, id="16 bits asked"
        ),
        pytest.param(models.MAMBA, {}, 64 * 64 * 128 * 4 + 3 * (4096 + 2 * 8 * 128) * 2, id="Mamba-2"),
        pytest.param(
            ONE_GROUP,
            {"tensor_parallel": 4},
            64 * 64 * 128 // 4 * 2 + 3 * (4096 + 2 * 4 * 128) // 4 * 2,
            id="copied groups",
        ),
        pytest.param(MAMBA_1, {}, 8192 * 16 * 2 + 3 * 8192 * 2, id="Mamba-1"),
        pytest.param(CONVOLUTION, {}, 2 * 2048 * 2, id="a convolution alone"),
        pytest.param(LIGHTNING, {}, 64 * 96 * 96 * 4, id="no convolution"),
        pytest.param(models.KIMI_DELTA, {}, 32 * 128 * 128 * 4 + 3 * 3 * 4096 * 2, id="Kimi's delta attention"),
    ],
)
def test_bytes_of_a_state(mixer: GatedDeltaNet | Mamba2, flags: dict[str, Any], want_bytes: int) -> None:
    layout = layout_of(shape_of(mixer, mixer), "0.19.0", **flags)
    assert layout.groups[0].spec.token_bytes == want_bytes


def test_drafted_tokens_lengthen_the_convolution() -> None:
    shape = hybrid(models.DELTA_27B, attention(4, 256), 16, draft_layers=1)
    plain, drafting = (layout_of(shape, "0.24.0", num_speculative_tokens=count) for count in (0, 3))
    grown = drafting.groups[0].spec.token_bytes - plain.groups[0].spec.token_bytes
    assert grown == 3 * 10240 * 2


@pytest.mark.parametrize(
    ("shape", "version", "flags", "want"),
    [
        pytest.param(models.QWEN_27B, "0.19.0", {}, 784, id="Qwen3.5-27B"),
        pytest.param(models.QWEN_27B, "0.24.0", {"kv_cache_dtype": "fp8"}, 1568, id="half the bytes: twice the tokens"),
        pytest.param(models.QWEN_35B_A3B, "0.24.0", {}, 1056, id="Qwen3.6-35B-A3B"),
        pytest.param(models.QWEN_35B_A3B, "0.24.0", {"kv_cache_dtype": "fp8"}, 2096, id="Qwen3.6-35B-A3B with FP8"),
        pytest.param(models.QWEN_27B, "0.17.0", {"compute_capability": (10, 0)}, 800, id="32 on Blackwell before 0.18"),
        pytest.param(
            models.QWEN_27B, "0.19.0", {"block_size": 128}, 784, id="before 0.20 steps of 16 whatever is asked"
        ),
        pytest.param(models.QWEN_27B, "0.21.0", {"block_size": 128}, 896, id="since in steps of the asked block"),
        pytest.param(models.QWEN_27B, "0.19.0", {"block_size": 1024}, 1024, id="an asked block that is large enough"),
        pytest.param(models.KIMI_LINEAR_48B, "0.12.0", {}, 1920, id="latent attention: steps of 64"),
        pytest.param(models.KIMI_LINEAR_48B, "0.32.0", {}, 1920, id="and of 128 since 0.28"),
        pytest.param(models.KIMI_LINEAR_48B, "0.32.0", {"tensor_parallel": 8}, 256, id="a share of the state"),
        pytest.param(models.QWEN_27B, "0.32.0", {"platform": Platform.CPU}, 896, id="CPU: steps of its block of 128"),
        pytest.param(
            models.NEMOTRON_3_NANO, "0.19.0", {"prefix_caching": True}, 2176, id="a state per block: whole chunks"
        ),
        pytest.param(models.NEMOTRON_3_NANO, "0.32.0", {}, 2096, id="no longer"),
    ],
)
def test_tokens_of_a_block(shape: ModelShape, version: str, flags: dict[str, Any], want: int) -> None:
    assert layout_of(shape, version, **flags).block_tokens == want


@pytest.mark.parametrize(
    ("shape", "version", "flags", "want"),
    [
        pytest.param(models.QWEN_27B, "0.19.0", {}, 1, id="prefix caching is off by default"),
        pytest.param(models.QWEN_27B, "0.25.0", {}, 1, id="still in 0.25"),
        pytest.param(models.QWEN_27B, "0.26.0", {}, 2, id="and on since 0.26"),
        pytest.param(models.QWEN_27B, "0.32.0", {"prefix_caching": False}, 1, id="turned off"),
        pytest.param(models.QWEN_27B, "0.19.0", {"prefix_caching": True}, 2, id="turned on"),
        pytest.param(models.QWEN_27B, "0.14.0", {"prefix_caching": True}, 1, id="not possible before 0.15"),
        pytest.param(models.QWEN_27B, "0.24.0", {"num_speculative_tokens": 3}, 4, id="one per drafted token"),
        pytest.param(models.QWEN_27B, "0.14.0", {"num_speculative_tokens": 3}, 1, id="not counted before 0.15"),
        pytest.param(models.NEMOTRON_3_NANO, "0.28.0", {}, 2, id="Mamba-2 aligned since 0.28"),
        pytest.param(models.NEMOTRON_3_NANO, "0.29.0", {}, 3, id="and one from inside a prefill since 0.29"),
        pytest.param(
            models.NEMOTRON_3_NANO, "0.19.0", {"prefix_caching": True}, 16, id="one per block of 2176 in between"
        ),
    ],
)
def test_states_of_a_request_of_32768_tokens(shape: ModelShape, version: str, flags: dict[str, Any], want: int) -> None:
    layout = layout_of(shape, version, **flags)
    states = next(group for group in layout.groups if group.spec.kind.value == "state")
    assert states.pages(32768) == want


def test_the_states_bound_the_requests_of_hybrid_models_alone() -> None:
    assert layout_of(models.QWEN_27B).state_blocks(GIB) == GIB // (49 * 1024**2)
    assert layout_of(models.LLAMA_31_8B).state_blocks(GIB) is None


def test_a_model_of_states_alone_holds_requests_of_any_length() -> None:
    layout = layout_of(shape_of(*[models.MAMBA] * 4), "0.19.0")
    assert layout.pages(16) == layout.pages(1048576) == 1
    assert layout.max_concurrency(GIB, 8192) == layout.blocks(GIB)
    assert layout.kv_tokens(GIB, 8192) == layout.blocks(GIB) * 8192
    assert layout.token_bytes == 0
