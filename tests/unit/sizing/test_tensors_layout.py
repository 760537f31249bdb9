"""Which layouts the engine accepts, and what it says about the others."""

import pytest

from genmodel_operator.sizing.shape.read import read_shape
from genmodel_operator.sizing.tensors.layout import why_invalid_layout
from genmodel_operator.sizing.tensors.model import Layout
from genmodel_operator.sizing.tensors.table import stage_layers
from tests.builders_shapes import (
    DEEPSEEK_V3,
    GPT_OSS_20B,
    LLAMA_8B,
    PHI_4,
    QWEN3_5_27B,
    QWEN3_30B_A3B,
    Config,
    with_scheme,
)

TENSOR, PIPELINE = "InvalidTensorParallelSize", "InvalidPipelineParallelSize"
FP8_BLOCKS = {"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}
QWEN3_235B: Config = {
    **QWEN3_30B_A3B, **FP8_BLOCKS, "hidden_size": 4096, "num_attention_heads": 64, "moe_intermediate_size": 1536,
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "layout", "want_reason", "want_words"),
    [
        pytest.param(
            LLAMA_8B, Layout(3), TENSOR,
            "Total number of attention heads (32) must be divisible by tensor parallel size (3).", id="32 heads over 3",
        ),
        pytest.param(PHI_4, Layout(4), TENSOR, "10 is not divisible by 4", id="phi-4: 10 key heads over 4"),
        pytest.param(
            {**LLAMA_8B, "intermediate_size": 14340}, Layout(8), TENSOR, "14340 is not divisible by 8", id="14340"
        ),
        pytest.param(QWEN3_235B, Layout(8), TENSOR, "192 is not divisible", id="blocks of 128 in slices of 192"),
        pytest.param(
            with_scheme({**LLAMA_8B, "intermediate_size": 14400}, num_bits=4, group_size=128), Layout(2), TENSOR,
            "group_size=128", id="groups of 128 in slices of 7200",
        ),
        pytest.param(LLAMA_8B, Layout(1, 33), PIPELINE, "Number of layers (32)", id="33 stages of 32 layers"),
        pytest.param(
            LLAMA_8B, Layout(2, expert_parallel=True), TENSOR, "Number of experts", id="experts of a model without any"
        ),
        pytest.param(
            {**QWEN3_30B_A3B, "num_experts": 8}, Layout(16, expert_parallel=True), TENSOR, "8 experts", id="8 experts"
        ),
        pytest.param(QWEN3_5_27B, Layout(16), TENSOR, "attention heads (24)", id="24 heads over 16"),
    ],
)  # fmt: skip
def test_refused(config: Config, layout: Layout, want_reason: str, want_words: str) -> None:
    found = why_invalid_layout(read_shape(config), layout)
    assert found is not None
    assert found.reason == want_reason
    assert want_words in found.message


@pytest.mark.parametrize(
    ("config", "layout"),
    [
        pytest.param(LLAMA_8B, Layout(), id="one device"),
        pytest.param(LLAMA_8B, Layout(32), id="each key head four times"),
        pytest.param(LLAMA_8B, Layout(1, 32), id="as many stages as layers"),
        pytest.param(PHI_4, Layout(2), id="phi-4 over 2"),
        pytest.param(QWEN3_235B, Layout(8, expert_parallel=True), id="whole experts need no slices"),
        pytest.param(GPT_OSS_20B, Layout(8), id="mxfp4 rounds its slices up"),
        pytest.param(DEEPSEEK_V3, Layout(16), id="latent attention over 16"),
        pytest.param(QWEN3_5_27B, Layout(8), id="a hybrid over 8"),
    ],
)
def test_accepted(config: Config, layout: Layout) -> None:
    assert why_invalid_layout(read_shape(config), layout) is None


def test_states_must_divide_too() -> None:
    text = {**QWEN3_5_27B["text_config"], "linear_num_value_heads": 12}
    found = why_invalid_layout(read_shape({**QWEN3_5_27B, "text_config": text}), Layout(8))
    assert found is not None
    assert "12 linear value heads" in found.message


def test_heads_of_the_tower_must_divide_too() -> None:
    vision = {**QWEN3_5_27B["vision_config"], "num_heads": 12}
    found = why_invalid_layout(read_shape({**QWEN3_5_27B, "vision_config": vision}), Layout(8))
    assert found is not None
    assert "--language-model-only" in found.message


@pytest.mark.parametrize(
    ("layers", "stages", "want"),
    [
        pytest.param(32, 1, [32], id="one stage"),
        pytest.param(61, 2, [31, 30], id="the rest goes before the last stage"),
        pytest.param(62, 4, [15, 16, 16, 15], id="to several of them"),
        pytest.param(3, 3, [1, 1, 1], id="one layer each"),
    ],
)
def test_layers_of_stages(layers: int, stages: int, want: list[int]) -> None:
    assert [end - start for start, end in stage_layers(layers, stages)] == want
