"""What must hold of every cache, whatever the model, the release and the flags."""

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from genmodel_operator.sizing.cache.layout import CacheLayout
from genmodel_operator.sizing.shape.model import ModelShape, Unsizable
from tests import builders_cache as models
from tests.builders_cache import GIB, attention, hybrid, layout_of, shape_of, windowed

VERSIONS = ("0.8.5", "0.9.2", "0.11.0", "0.13.0", "0.16.0", "0.19.0", "0.22.0", "0.25.0", "0.27.0", "0.29.0", "0.32.0")
KNOWN = (
    models.LLAMA_31_8B,
    models.DEEPSEEK_R1,
    models.DEEPSEEK_V32_CUT,
    models.GEMMA_3_27B,
    models.GPT_OSS_20B,
    models.LLAMA_4_SCOUT,
    models.MLLAMA_11B,
    models.NEMOTRON_3_NANO,
    models.KIMI_LINEAR_48B,
    models.DEEPSEEK_V4_FLASH,
)
LENGTHS = st.integers(1, 1 << 20)
MEMORY = st.integers(0, 300 * GIB)


@st.composite
def shapes(draw: st.DrawFn) -> ModelShape:
    """A known model, or one of random sizes."""
    kv_heads, head_dim = draw(st.sampled_from([1, 2, 4, 8])), draw(st.sampled_from([64, 128, 256]))
    layers, every = draw(st.integers(1, 40)), draw(st.integers(1, 8))
    window = draw(st.sampled_from([128, 1024, 4096]))
    return draw(
        st.sampled_from(
            [
                *KNOWN,
                windowed(layers, every, kv_heads, head_dim, window),
                hybrid(models.DELTA_27B, attention(kv_heads, head_dim), layers, every),
                shape_of(*[attention(kv_heads, head_dim)] * layers),
            ]
        )
    )


@st.composite
def layouts(draw: st.DrawFn) -> CacheLayout:
    """The layout of such a model in an engine that can serve it."""
    flags: dict[str, Any] = {
        "tensor_parallel": draw(st.sampled_from([1, 2, 4, 8])),
        "kv_cache_dtype": draw(st.sampled_from([None, "fp8"])),
        "max_num_batched_tokens": draw(st.sampled_from([512, 2048, 8192, 16384])),
        "prefix_caching": draw(st.sampled_from([None, True, False])),
    }
    shape = draw(shapes())
    flags["pipeline_parallel"] = draw(st.integers(1, min(3, len(shape.layers))))
    try:
        return layout_of(shape, draw(st.sampled_from(VERSIONS)), **flags)
    except Unsizable:
        assume(False)
        raise


COMMON = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


@COMMON
@given(layouts(), LENGTHS, LENGTHS)
def test_a_longer_context_never_needs_less(layout: CacheLayout, one: int, other: int) -> None:
    short, long = sorted((one, other))
    assert layout.pages(short) <= layout.pages(long)
    assert layout.needed_bytes(short) <= layout.needed_bytes(long)
    assert layout.checked_bytes(short) <= layout.checked_bytes(long)


@COMMON
@given(layouts(), MEMORY, MEMORY, LENGTHS)
def test_more_memory_never_holds_fewer_tokens(layout: CacheLayout, one: int, other: int, length: int) -> None:
    little, much = sorted((one, other))
    assert layout.blocks(little) <= layout.blocks(much)
    assert layout.kv_tokens(little, length) <= layout.kv_tokens(much, length)
    assert layout.max_concurrency(little, length) <= layout.max_concurrency(much, length)
    assert layout.longest_promised(little, length) <= layout.longest_promised(much, length)
    assert layout.starts(much, length) or not layout.starts(little, length)


@COMMON
@given(layouts(), MEMORY, LENGTHS, st.integers(1, 64))
def test_what_is_promised_fits(layout: CacheLayout, memory: int, limit: int, requests: int) -> None:
    longest = layout.longest_promised(memory, limit, requests)
    assert 0 <= longest <= limit
    if longest:
        assert layout.needed_bytes(longest, requests) <= memory
    if longest < limit:
        assert layout.needed_bytes(longest + 1, requests) > memory


@COMMON
@given(layouts(), MEMORY, LENGTHS)
def test_the_estimated_length_starts_and_one_more_token_does_not(layout: CacheLayout, memory: int, limit: int) -> None:
    longest = layout.longest_length(memory, limit)
    assert longest == 0 or layout.starts(memory, longest)
    assert longest == limit or not layout.starts(memory, longest + 1)


@COMMON
@given(layouts(), LENGTHS, st.integers(1, 64))
def test_requests_that_are_given_their_memory_are_held_at_once(layout: CacheLayout, length: int, requests: int) -> None:
    memory = layout.needed_bytes_per_stage(length, requests)
    assert layout.blocks(memory) > requests * layout.pages(length) - 1
    assert layout.starts(memory, length) or not any(memory)


@COMMON
@given(shapes(), st.sampled_from(VERSIONS))
def test_more_devices_never_need_more_of_one(shape: ModelShape, version: str) -> None:
    try:
        sizes = [layout_of(shape, version, tensor_parallel=devices).token_bytes for devices in (1, 2, 4, 8)]
    except Unsizable:
        assume(False)
        raise
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_blocks_hold_a_page_of_every_layer_of_the_largest_group(version: str) -> None:
    layout = layout_of(models.GEMMA_3_27B, version)
    assert layout.stage_block_bytes == (max(group.page_bytes for group in layout.groups),)
