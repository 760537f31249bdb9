"""The tables of rotary positions and the longest input."""

import pytest

from genmodel_operator.sizing.shape.model import RotaryTable
from genmodel_operator.sizing.shape.read import read_shape
from tests.builders_shapes import DEEPSEEK_V3, GEMMA3_27B, GPT_OSS_20B, LLAMA_8B, QWEN3_5_27B, Config


def _rope(**scaling: object) -> Config:
    return {**LLAMA_8B, "max_position_embeddings": 4096, "rope_scaling": scaling or None}


LONG = {"short_factor": [1.0], "long_factor": [1.0], "original_max_position_embeddings": 4096}
LLAMA_4: Config = {
    "architectures": ["Llama4ForConditionalGeneration"], "model_type": "llama4",
    "text_config": {"model_type": "llama4_text", "max_position_embeddings": 10485760},
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "want"),
    [
        pytest.param(_rope(), [RotaryTable(4096, 128)], id="no scaling"),
        pytest.param(LLAMA_8B, [RotaryTable(131072, 128)], id="llama 3: as many rows as positions"),
        pytest.param(_rope(type="linear", factor=8.0), [RotaryTable(32768, 128)], id="linear: times the factor"),
        pytest.param(
            _rope(rope_type="yarn", factor=4.0, original_max_position_embeddings=2048),
            [RotaryTable(8192, 128)],
            id="yarn: the original times the factor",
        ),
        pytest.param(
            {**_rope(rope_type="longrope", **LONG), "max_position_embeddings": 131072},
            [RotaryTable(135168, 128)],
            id="longrope: both tables in one",
        ),
        pytest.param({**_rope(), "partial_rotary_factor": 0.25}, [RotaryTable(4096, 32)], id="a part of each head"),
        pytest.param(
            {**LLAMA_8B, "rope_scaling": None, "rope_parameters": {"rope_type": "linear", "factor": 2.0}},
            [RotaryTable(262144, 128)],
            id="rope_parameters",
        ),
        pytest.param(
            GEMMA3_27B, [RotaryTable(131072, 128), RotaryTable(1048576, 128)], id="gemma 3: windows have their own"
        ),
        pytest.param(LLAMA_4, [RotaryTable(10485760, 128)], id="llama 4: ten million rows"),
        pytest.param(QWEN3_5_27B, [RotaryTable(262144, 64, fourfold_before=(0, 32))], id="three axes"),
        pytest.param(DEEPSEEK_V3, [RotaryTable(163840, 64, 4)], id="deepseek: in float32"),
        pytest.param(GPT_OSS_20B, [RotaryTable(131072, 64, 4)], id="gpt-oss: in float32"),
        pytest.param(
            {**LLAMA_8B, "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"}, [], id="learned positions: none"
        ),
        pytest.param({**LLAMA_8B, "position_embedding_type": "nope"}, [], id="no positions at all"),
    ],
)
def test_tables(config: Config, want: list[RotaryTable]) -> None:
    assert list(read_shape(config).rotary) == want


@pytest.mark.parametrize(
    ("config", "want"),
    [
        pytest.param(_rope(), 4096, id="as written"),
        pytest.param(_rope(type="linear", factor=8.0), 32768, id="linear scaling makes it longer"),
        pytest.param(_rope(type="dynamic", factor=2.0), 8192, id="so does dynamic scaling"),
        pytest.param(_rope(type="yarn", factor=4.0), 4096, id="yarn is in the number already"),
        pytest.param(GEMMA3_27B, 131072, id="gemma 3 too"),
        pytest.param({**_rope(), "model_max_length": 2048}, 2048, id="the smallest of several"),
    ],
)
def test_longest_input(config: Config, want: int) -> None:
    assert read_shape(config).max_positions == want
