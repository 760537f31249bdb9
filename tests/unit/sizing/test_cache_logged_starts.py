"""From the logged memory of real servers to the tokens that they logged.

The memory is logged with two decimals, so what was logged must lie between the tokens of 0.005 GiB
less and more. Sources: issues of vllm-project/vllm and logs in public repositories, as ``gtNNN``.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest

from genmodel_operator.sizing.cache.layout import CacheLayout
from genmodel_operator.sizing.shape.model import ModelShape
from tests import builders_cache as models
from tests.builders_cache import GIB, layout_of, uniform


@dataclass(frozen=True)
class Start:
    """A start of a real server: what it had for its cache and what it made of it."""

    row: str
    shape: ModelShape
    version: str
    kv_gib: float
    tokens: int
    max_model_len: int = 8192
    flags: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        flags = ", ".join(f"{name} {value}" for name, value in self.flags.items())
        return f"{self.row} {self.version} {flags}".strip()


FP8 = {"kv_cache_dtype": "fp8"}
ALIGNED = {"prefix_caching": True}

UNIFORM = [
    Start("gt070 CodeLlama-7B", models.CODELLAMA_7B, "0.19.0", 61.66, 126256),
    Start("gt081 Gemma-7B", models.GEMMA_7B, "0.19.0", 55.44, 129760),
    Start("gt087 Llama-3.1-8B", models.LLAMA_31_8B, "0.19.0", 58.11, 476000),
    Start("gt086 Llama-3.1-8B", models.LLAMA_31_8B, "0.19.0", 58.11, 952032, flags=FP8),
    Start("gt090 Llama-3.1-8B", models.LLAMA_31_8B, "0.19.0", 42.8, 175296, flags={"dtype": "float32"}),
    Start("gt099 Llama-3.1-8B", models.LLAMA_31_8B, "0.19.0", 67.44, 2209792, flags={"tensor_parallel": 4}),
    Start("gt201 Llama-3.1-8B", models.LLAMA_31_8B, "0.10.1.1", 19.25, 157648, 131072),
    Start("gt202 Llama-3.1-8B", models.LLAMA_31_8B, "0.10.0", 85.79, 702800, 131072),
    Start("gt072 Llama-3.3-70B", models.LLAMA_33_70B, "0.19.0", 37.28, 244304, flags={"tensor_parallel": 2}),
    Start("gt073 Llama-3.3-70B", models.LLAMA_33_70B, "0.19.0", 54.09, 708992, flags={"tensor_parallel": 4}),
    Start("gt134 Llama-3.3-70B", models.LLAMA_33_70B, "0.19.0", 5.01, 16416),
    Start("gt101 phi-4", models.PHI_4, "0.19.0", 46.08, 241568),
    Start("gt117 Qwen2.5-7B", models.QWEN25_7B, "0.19.0", 58.53, 1096000),
    Start("gt121 Qwen3-8B", models.QWEN3_8B, "0.19.0", 57.5, 418688),
    Start("gt205 Qwen3-8B-AWQ", models.QWEN3_8B, "0.20.0", 4.79, 34848, 4096),
    Start("gt029 Qwen3-8B-FP8", models.QWEN3_8B, "0.10.2", 8.6, 62608, 1024),
    Start("gt120 Qwen3-30B-A3B", models.QWEN3_30B_A3B, "0.19.0", 15.41, 168288),
    Start("gt169 Qwen3-30B-A3B", models.QWEN3_30B_A3B, "0.10.2", 25.91, 566016, 32768, {"tensor_parallel": 2}),
    Start("gt036 Qwen3-235B-A22B", models.QWEN3_235B_A22B, "0.27.0", 27.85, 621392, 32768, {"tensor_parallel": 4}),
    Start("gt146 Mistral-Small", models.MISTRAL_SMALL, "0.11.0", 28.2, 184832, 16000, {"block_size": 128}),
    Start("gt133 Mistral-Small", models.MISTRAL_SMALL, "0.19.0", 59.18, 1551344, flags={"tensor_parallel": 4}),
    Start("gt071 DeepSeek-V2-Lite", models.DEEPSEEK_V2_LITE, "0.19.0", 43.61, 1505552),
    Start("gt128 DeepSeek-V2-Lite", models.DEEPSEEK_V2_LITE, "0.19.0", 63.73, 2199888, flags={"tensor_parallel": 4}),
    Start("gt130 Llama-4-Scout", models.LLAMA_4_SCOUT, "0.19.0", 16.75, 365968, flags={"tensor_parallel": 4}),
    Start("gt242 gpt-oss-120b", models.GPT_OSS_120B, "0.11.0", 5.38, 78384, flags={"hybrid_manager": False}),
    Start("gt061 Qwen3 of 0.9 GiB", uniform(24, 2, 64), "0.27.0", 20.52, 1793232),
]
MIXED = [
    Start("gt076 Gemma-2-2B", models.GEMMA_2_2B, "0.19.0", 66.47, 670160),
    Start("gt077 Gemma-2-9B", models.GEMMA_2_9B, "0.19.0", 54.12, 168880),
    Start("gt079 Gemma-3-27B", models.GEMMA_3_27B, "0.19.0", 19.53, 36560),
    Start("gt080 Gemma-3-4B", models.GEMMA_3_4B, "0.19.0", 62.51, 468144),
    Start("gt199 Gemma-3-1B", models.GEMMA_3_1B, "0.14.0", 25.39, 950864, 2048),
    Start("gt108 gpt-oss-20b", models.GPT_OSS_20B, "0.19.0", 58.47, 1277184),
    Start("gt109 gpt-oss-20b", models.GPT_OSS_20B, "0.19.0", 63.28, 2764768, flags={"tensor_parallel": 2}),
    Start("gt129 gpt-oss-20b", models.GPT_OSS_20B, "0.19.0", 66.57, 5817056, flags={"tensor_parallel": 4}),
    Start("gt167 EXAONE-4-32B", models.EXAONE_4_32B, "0.11.0", 10.31, 42224, 4096),
]
HYBRID = [
    Start("gt012 Qwen3.6-35B-A3B", models.QWEN_35B_A3B, "0.24.0", 5.98, 567978, 131072, FP8 | ALIGNED),
    Start("gt013 Qwen3.6-35B-A3B", models.QWEN_35B_A3B, "0.24.0", 6.01, 569878, 131072, FP8 | ALIGNED),
    Start("gt018 Qwen3.8-27B", models.QWEN_27B, "0.21.0", 2.67, 75776, 16384, {"tensor_parallel": 2}),
    Start(
        "gt217 Qwen3.6-27B", models.QWEN_27B, "0.20.2rc1", 9.84, 619202, 262144, FP8 | ALIGNED | {"tensor_parallel": 2}
    ),
    Start(
        "gt218 Qwen3.6-27B",
        models.QWEN_27B,
        "0.20.2rc1.dev129",
        11.08,
        623873,
        262144,
        FP8 | ALIGNED | {"tensor_parallel": 2, "num_speculative_tokens": 3},
    ),
    Start(
        "gt049 Qwen3.6-27B",
        models.QWEN_27B,
        "0.24.0",
        11.05,
        623873,
        262144,
        ALIGNED | {"kv_cache_dtype": "fp8_e5m2", "tensor_parallel": 2, "num_speculative_tokens": 3},
    ),
]


def labelled(starts: list[Start]) -> list[object]:
    return [pytest.param(start, id=start.label) for start in starts]


@pytest.mark.parametrize("start", labelled(UNIFORM + MIXED + HYBRID))
def test_the_logged_memory_holds_the_logged_tokens(start: Start) -> None:
    layout = layout_of(start.shape, start.version, **start.flags)
    least = layout.kv_tokens(int((start.kv_gib - 0.005) * GIB), start.max_model_len)
    most = layout.kv_tokens(int((start.kv_gib + 0.005) * GIB), start.max_model_len)
    assert least <= start.tokens <= most


@pytest.mark.parametrize("start", labelled(UNIFORM + MIXED))
def test_the_error_is_that_of_the_logged_decimals(start: Start) -> None:
    layout = layout_of(start.shape, start.version, **start.flags)
    got = layout.kv_tokens(int(start.kv_gib * GIB), start.max_model_len)
    assert got == pytest.approx(start.tokens, rel=0.0011)


@pytest.mark.parametrize(
    ("start", "want_blocks", "want_pages", "want_block_tokens"),
    [
        pytest.param(HYBRID[1], 300, 69, 2096, id="gt013: 300 / 69"),
        pytest.param(HYBRID[3], 411, 174, 1568, id="gt217: 411 / 174"),
        pytest.param(HYBRID[4], 426, 179, 1600, id="gt218: 426 / 179 with 3 drafted tokens"),
    ],
)
def test_blocks_and_pages_of_hybrid_models(
    start: Start, want_blocks: int, want_pages: int, want_block_tokens: int
) -> None:
    layout = layout_of(start.shape, start.version, **start.flags)
    assert layout.block_tokens == want_block_tokens
    assert layout.pages(start.max_model_len) == want_pages
    assert want_blocks in {layout.blocks(int((start.kv_gib + step * 0.0025) * GIB)) for step in range(-2, 3)}


def test_gt237_states_make_blocks_of_784_tokens() -> None:
    layout = layout_of(models.QWEN_27B, "0.19.0", max_num_batched_tokens=16384)
    memory = 1487 * layout.stage_block_bytes[0]
    assert (layout.block_tokens, layout.pages(32768)) == (784, 45)
    assert layout.max_concurrency(memory, 32768) == pytest.approx(33.04, abs=0.005)
    assert layout.kv_tokens(memory, 32768) == 290864


def test_gt238_the_states_that_fit_into_41_gib() -> None:
    layout = layout_of(models.QWEN_27B, "0.19.0")
    assert layout.stage_block_bytes == (49 * 1024**2,)
    assert layout.state_blocks(856 * 49 * 1024**2) == 856


@pytest.mark.parametrize(
    ("layout", "max_model_len", "want_gib"),
    [
        pytest.param(
            layout_of(models.GPT_OSS_120B, "0.11.0", max_num_batched_tokens=1024), 131072, 4.54, id="gt007 gpt-oss-120b"
        ),
        pytest.param(
            layout_of(models.QWEN3_30B_A3B, "0.15.2rc1", pipeline_parallel=2),
            262144,
            24.0,
            id="gt177 all stages at once",
        ),
        pytest.param(
            layout_of(models.DEEPSEEK_V4_FLASH, "0.22.0", max_num_batched_tokens=16384, kv_cache_dtype="fp8"),
            30000,
            6.66,
            id="gt250 DeepSeek-V4-Flash",
        ),
        pytest.param(
            layout_of(models.DEEPSEEK_V4_PRO, "0.29.0", max_num_batched_tokens=16384, kv_cache_dtype="fp8"),
            1048576,
            23.32,
            id="gt252 DeepSeek-V4-Pro",
        ),
    ],
)
def test_what_the_engine_said_one_request_needs(layout: CacheLayout, max_model_len: int, want_gib: float) -> None:
    assert layout.checked_bytes(max_model_len) / GIB == pytest.approx(want_gib, abs=0.006)


@pytest.mark.parametrize(
    ("row", "limit", "kv_gib", "want"),
    [
        pytest.param("V4", 30000, 5.44, 13528, id="gt250 DeepSeek-V4-Flash"),
        pytest.param("PP", 262144, 3.18, 34736, id="gt177 the smaller stage against the whole model"),
    ],
)
def test_the_length_that_the_engine_estimated(row: str, limit: int, kv_gib: float, want: int) -> None:
    layout = {
        "V4": layout_of(models.DEEPSEEK_V4_FLASH, "0.22.0", max_num_batched_tokens=16384),
        "PP": layout_of(models.QWEN3_30B_A3B, "0.15.2rc1", pipeline_parallel=2),
    }[row]
    lengths = [layout.longest_length(int((kv_gib + error) * GIB), limit) for error in (-0.005, 0.005)]
    assert lengths[0] <= want <= lengths[1]


def test_gt181_compressed_attention_holds_far_fewer_tokens_than_its_rows_suggest() -> None:
    layout = layout_of(models.DEEPSEEK_V4_FLASH, "0.26.0", tensor_parallel=2)
    assert layout.kv_tokens(int(7.7 * GIB), 121344) == pytest.approx(150000, rel=0.01)
