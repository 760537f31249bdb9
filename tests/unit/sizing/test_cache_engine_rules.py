"""Blocks of backends, pipeline stages, the start check, and what changed between releases."""

from typing import Any

import pytest

from genmodel_operator.sizing.cache.settings import Platform
from genmodel_operator.sizing.cache.stages import stage_layers
from genmodel_operator.sizing.shape.model import ModelShape, Unsizable
from tests import builders_cache as models
from tests.builders_cache import GIB, attention, layout_of, shape_of, uniform

HOPPER, BLACKWELL, WORKSTATION, ADA = (9, 0), (10, 0), (12, 0), (8, 9)


@pytest.mark.parametrize(
    ("shape", "version", "flags", "want"),
    [
        pytest.param(models.LLAMA_31_8B, "0.19.0", {}, 16, id="GPUs"),
        pytest.param(models.LLAMA_31_8B, "0.19.0", {"block_size": 128}, 128, id="as asked"),
        pytest.param(models.LLAMA_31_8B, "0.32.0", {"platform": Platform.CPU}, 128, id="CPU"),
        pytest.param(models.LLAMA_31_8B, "0.32.0", {"platform": Platform.XPU}, 64, id="Intel GPUs"),
        pytest.param(models.LLAMA_31_8B, "0.32.0", {"platform": Platform.ROCM}, 16, id="AMD GPUs"),
        pytest.param(models.DEEPSEEK_R1, "0.32.0", {"platform": Platform.CPU}, 16, id="latent attention on CPU"),
        pytest.param(models.DEEPSEEK_R1, "0.10.2", {}, 64, id="FlashMLA on Hopper"),
        pytest.param(models.DEEPSEEK_R1, "0.10.2", {"block_size": 16}, 64, id="FlashMLA whatever is asked"),
        pytest.param(models.DEEPSEEK_R1, "0.19.0", {}, 16, id="FlashAttention on Hopper since 0.18"),
        pytest.param(models.DEEPSEEK_R1, "0.10.2", {"compute_capability": ADA}, 16, id="Triton before Hopper"),
        pytest.param(models.DEEPSEEK_R1, "0.10.2", {"compute_capability": BLACKWELL}, 128, id="CUTLASS on Blackwell"),
        pytest.param(models.DEEPSEEK_R1, "0.16.0", {"compute_capability": BLACKWELL}, 64, id="FlashInfer on Blackwell"),
        pytest.param(models.DEEPSEEK_R1, "0.32.0", {"compute_capability": BLACKWELL}, 32, id="its smallest since 0.18"),
        pytest.param(
            models.DEEPSEEK_R1, "0.32.0", {"compute_capability": WORKSTATION}, 16, id="Triton on workstations"
        ),
        pytest.param(models.DEEPSEEK_V32_CUT, "0.28.0", {}, 64, id="an indexer needs 64"),
        pytest.param(models.DEEPSEEK_V4_FLASH, "0.32.0", {"block_size": 16}, 4, id="the compressor's"),
    ],
)
def test_tokens_of_the_smallest_block(shape: ModelShape, version: str, flags: dict[str, Any], want: int) -> None:
    assert layout_of(shape, version, **flags).block_tokens == want


@pytest.mark.parametrize(
    ("layers", "stages", "drafts", "want"),
    [
        pytest.param(32, 1, 0, [32], id="one stage"),
        pytest.param(32, 4, 0, [8, 8, 8, 8], id="even"),
        pytest.param(61, 4, 0, [15, 15, 16, 15], id="what is left to the stage before the last"),
        pytest.param(62, 4, 0, [15, 16, 16, 15], id="and the one before that"),
        pytest.param(63, 4, 0, [16, 16, 16, 15], id="never to the last"),
        pytest.param(5, 2, 0, [3, 2], id="two stages"),
        pytest.param(4, 4, 1, [1, 1, 1, 2], id="drafting layers on the last"),
    ],
)
def test_layers_of_stages(layers: int, stages: int, drafts: int, want: list[int]) -> None:
    assert [len(stage) for stage in stage_layers(layers, stages, drafts)] == want


@pytest.mark.parametrize(("layers", "stages"), [(4, 5), (0, 2), (4, 0), (4, -1)])
def test_impossible_stages(layers: int, stages: int) -> None:
    with pytest.raises(Unsizable, match="pipeline_parallel_size"):
        stage_layers(layers, stages)


def test_the_stage_with_least_room_decides() -> None:
    layout = layout_of(uniform(5, 8), pipeline_parallel=2)
    page = 16 * 4096
    assert layout.stage_block_bytes == (3 * page, 2 * page)
    assert layout.blocks(60 * page) == 20
    assert layout.blocks((60 * page, 30 * page)) == 15
    assert layout.needed_bytes_per_stage(160) == (11 * 3 * page, 11 * 2 * page)
    assert layout.needed_bytes(160) == 11 * 3 * page


def test_a_stage_without_caches_asks_for_nothing() -> None:
    layout = layout_of(shape_of(None, attention()), pipeline_parallel=2)
    assert layout.stage_block_bytes == (0, 16 * 4096)
    assert layout.blocks((0, 16 * 4096 * 7)) == 7
    assert layout.starts((0, 16 * 4096 * 7), 112)


@pytest.mark.parametrize(
    ("version", "starts"),
    [
        pytest.param("0.28.0", True, id="all blocks count"),
        pytest.param("0.29.0", False, id="one is reserved since 0.29"),
    ],
)
def test_a_cache_of_exactly_one_request(version: str, starts: bool) -> None:
    layout = layout_of(uniform(2, 8), version)
    memory = 10 * layout.stage_block_bytes[0]
    assert layout.starts(memory, 160) is starts
    assert layout.longest_length(memory, 4096) == (160 if starts else 144)
    assert layout.longest_promised(memory, 4096) == 144
    assert layout.needed_bytes(160) == 11 * layout.stage_block_bytes[0]


@pytest.mark.parametrize(
    ("version", "want"),
    [
        pytest.param("0.13.0", (3, 2), id="own layers"),
        pytest.param("0.16.0", (5, 5), id="the whole model"),
        pytest.param("0.17.0", (3, 2), id="own stage"),
    ],
)
def test_what_the_start_check_counts_on_two_stages(version: str, want: tuple[int, int]) -> None:
    layout = layout_of(uniform(5, 8), version, pipeline_parallel=2)
    assert layout.checked_bytes_per_stage(160) == tuple(10 * 16 * 4096 * layers for layers in want)


def test_the_oldest_check_counts_no_padding() -> None:
    layers = 22 * 33 + 4 * 128
    assert layout_of(models.GEMMA_3_1B, "0.13.0", max_num_batched_tokens=1).checked_bytes(2048) == layers * 16 * 1024
    padded = (6 * 33 + 128) * 4
    assert layout_of(models.GEMMA_3_1B, "0.17.0", max_num_batched_tokens=1).checked_bytes(2048) == padded * 16 * 1024


@pytest.mark.parametrize(
    ("version", "flags", "want_tokens"),
    [
        pytest.param("0.25.0", {}, 1000, id="one step before 0.26"),
        pytest.param("0.26.0", {}, 2000, id="two steps with asynchronous scheduling"),
        pytest.param("0.26.0", {"async_scheduling": False}, 1000, id="one without"),
        pytest.param("0.32.0", {"pipeline_parallel": 4}, 5000, id="one per stage and one"),
        pytest.param("0.32.0", {"platform": Platform.CPU}, 1000, id="one on CPU"),
    ],
)
def test_windows_reserve_for_the_steps_in_flight(version: str, flags: dict[str, Any], want_tokens: int) -> None:
    shape = shape_of(*[attention(window=128), attention()] * 4)
    layout = layout_of(shape, version, max_num_batched_tokens=1000, **flags)
    window = next(group for group in layout.groups if group.spec.limit is not None)
    assert window.spec.limit == 127 + want_tokens
    assert window.pages(100000) == -(-(127 + want_tokens) // window.block_tokens) + 1


@pytest.mark.parametrize(
    ("version", "want"),
    [
        pytest.param("0.20.2", 20 // 2 * 16, id="blocks of every group before 0.21"),
        pytest.param("0.20.2rc1", int(20 / 21 * 160), id="a build from main counts like the next release"),
        pytest.param("0.21.0", int(20 / 21 * 160), id="requests of full length since"),
    ],
)
def test_the_logged_size_of_a_model_with_windows(version: str, want: int) -> None:
    layout = layout_of(shape_of(*[attention(window=128), attention()] * 4), version, max_num_batched_tokens=128)
    assert layout.pages(160) == 10 + 11
    assert layout.kv_tokens(20 * layout.stage_block_bytes[0], 160) == want


@pytest.mark.parametrize(
    ("version", "capability", "want_bytes"),
    [
        pytest.param("0.29.0", BLACKWELL, 576 + 132, id="Blackwell since 0.29"),
        pytest.param("0.28.0", BLACKWELL, 1152 + 132, id="not before"),
        pytest.param("0.29.0", HOPPER, 1152 + 132, id="not on Hopper"),
    ],
)
def test_glm_caches_fp8_by_default(version: str, capability: tuple[int, int], want_bytes: int) -> None:
    shape = shape_of(models.SPARSE_LATENT, architecture="GlmMoeDsaForCausalLM")
    assert layout_of(shape, version, compute_capability=capability).token_bytes == want_bytes


@pytest.mark.parametrize(
    ("flags", "want"),
    [
        pytest.param({"tensor_parallel": 0}, "tensor_parallel_size: 0", id="no devices"),
        pytest.param({"pipeline_parallel": 33}, "33 stages for 32 layers", id="more stages than layers"),
        pytest.param({"block_size": -16}, "block_size: -16", id="a negative block"),
        pytest.param({"max_num_batched_tokens": 0}, "max_num_batched_tokens: 0", id="steps without tokens"),
        pytest.param({"num_speculative_tokens": -1}, "num_speculative_tokens: -1", id="fewer than no drafts"),
    ],
)
def test_absurd_flags_are_named(flags: dict[str, Any], want: str) -> None:
    with pytest.raises(Unsizable, match=want) as caught:
        layout_of(models.LLAMA_31_8B, **flags)
    assert caught.value.reason == "InvalidRequest"


def test_a_ratio_that_the_engine_has_no_compressor_for() -> None:
    with pytest.raises(Unsizable, match="compress_ratios: 7"):
        layout_of(shape_of(models.compressed(7)), "0.32.0")


@pytest.mark.parametrize("version", ["0.22.0", "0.28.0"])
@pytest.mark.parametrize(
    ("ratios", "want"),
    [pytest.param([0, 0], "no layer compresses", id="windows alone"), pytest.param([0, 128], "do not fit", id="no 4")],
)
def test_compressed_attention_that_old_releases_cannot_pack(version: str, ratios: list[int], want: str) -> None:
    with pytest.raises(Unsizable, match=want):
        layout_of(shape_of(*[models.compressed(ratio) for ratio in ratios]), version)


def test_drafting_needs_a_layer_that_keeps_every_token() -> None:
    with pytest.raises(Unsizable, match="num_speculative_tokens"):
        layout_of(shape_of(*[models.MAMBA] * 4), num_speculative_tokens=1)


def test_drafting_layers_have_caches_of_their_own() -> None:
    shape = uniform(28, 4, draft_layers=1)
    assert layout_of(shape, num_speculative_tokens=2).token_bytes == 29 * 2048


def test_memory_of_nothing_or_less_holds_nothing() -> None:
    layout = layout_of(models.LLAMA_31_8B)
    assert [layout.blocks(memory) for memory in (-GIB, 0, 1)] == [0, 0, 0]
    assert not layout.starts(-GIB, 1)
    assert layout.longest_length(0, 4096) == 0
    assert layout.longest_promised(0, 4096) == 0
