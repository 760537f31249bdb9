"""The Hub's counts of elements: checked against the configuration, in bytes where elements are packed."""

from typing import Any

import pytest

from genmodel_operator.sizing.shape.read import read_shape
from genmodel_operator.sizing.tensors.counts import (
    check_counts,
    described_files,
    is_rough,
    text_elements,
    tower_elements,
)
from genmodel_operator.sizing.tensors.weights import read_weights
from tests.builders_shapes import DEEPSEEK_V3, LLAMA_8B, LLAMA_70B, Config

AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}
FP8 = {"quant_method": "fp8", "weight_block_size": [128, 128]}
LLAMA_LINEAR = 80 * (2 * 8192 * 8192 + 2 * 1024 * 8192 + 3 * 8192 * 28672)
"""Elements of the linear maps of Llama-3.3-70B."""
LLAVA: Config = {
    "architectures": ["LlavaForConditionalGeneration"], "model_type": "llava", "text_config": LLAMA_8B,
    "vision_config": {"model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096,
                      "num_hidden_layers": 24, "num_attention_heads": 16},
}  # fmt: skip
TOWER = 303_507_456 + 20_979_712
"""Elements of CLIP's large tower and of LLaVA's projector."""


def quantised(config: Config, declared: dict[str, Any]) -> Config:
    return {**config, "quantization_config": declared}


def packed(linear: int, wide: int) -> dict[str, int]:
    """What the Hub counts of AWQ files: eight weights in an element, zero points too, scales in F16."""
    groups = linear // 128
    return {"I32": linear // 8 + groups // 8, "F16": wide + groups}


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        pytest.param(LLAMA_8B, {"BF16": 8030261248}, id="whole"),
        pytest.param(
            quantised(LLAMA_70B, AWQ), packed(LLAMA_LINEAR, 2 * 128256 * 8192 + 161 * 8192), id="packed"
        ),
        pytest.param(DEEPSEEK_V3, {"BF16": 3918786560, "F8_E4M3": 680571043840, "F32": 41555600}, id="8 bits"),
        pytest.param(LLAMA_8B, {"BF16": 8030261248, "I64": 32, "BOOL": 1}, id="with counters"),
        pytest.param(LLAMA_8B, {}, id="nothing"),
        pytest.param(LLAMA_8B, None, id="unknown"),
    ],
)  # fmt: skip
def test_counts_that_agree(config: Config, parameters: dict[str, int] | None) -> None:
    assert check_counts(read_shape(config), parameters) == []


@pytest.mark.parametrize(
    ("config", "parameters", "want_words"),
    [
        pytest.param(LLAMA_8B, {"BF16": 7_000_000_000}, "7.000 billion", id="another model"),
        pytest.param(LLAMA_8B, {"FOO": 5}, "counts FOO, no type of safetensors", id="an unknown type"),
        pytest.param(LLAMA_8B, {"I32": 1_000_000_000}, "no quantization_config that explains", id="packed"),
        pytest.param(LLAMA_8B, {"F8_E4M3": 8030261248}, "no quantization_config that explains", id="8 bits"),
        pytest.param(quantised(LLAMA_8B, AWQ), {"BF16": 8030261248}, "says awq", id="nothing packed"),
        pytest.param(
            quantised(LLAMA_8B, AWQ), {"I32": 100_000_000, "F16": 1050673152}, "2.33 GiB in the files", id="fewer bytes"
        ),
        pytest.param(quantised(LLAMA_8B, AWQ), packed(LLAMA_LINEAR, 2 * 128256 * 8192), "37.", id="more bytes"),
    ],
)  # fmt: skip
def test_counts_that_contradict_are_a_warning(config: Config, parameters: dict[str, int], want_words: str) -> None:
    (warning,) = check_counts(read_shape(config), parameters)
    assert want_words in warning
    assert warning in read_weights(read_shape(config), parameters=parameters).warnings


def test_a_tower_of_packed_files_is_what_is_wide_beyond_the_text() -> None:
    shape = read_shape(quantised(LLAVA, AWQ))
    linear = 32 * (2 * 4096 * 4096 + 2 * 1024 * 4096 + 3 * 4096 * 14336)
    parameters = packed(linear, 2 * 128256 * 4096 + 65 * 4096 + TOWER)
    assert tower_elements(shape, parameters) == TOWER
    assert not is_rough(shape, parameters)
    assert is_rough(shape, None)
    assert tower_elements(shape, None) == pytest.approx(TOWER, rel=0.03)


def test_a_tower_of_whole_files_is_what_is_beyond_the_text() -> None:
    shape = read_shape(LLAVA)
    assert tower_elements(shape, {"BF16": text_elements(shape) + TOWER}) == TOWER


def test_counts_that_are_not_believed_tell_no_tower() -> None:
    shape = read_shape(LLAVA)
    assert is_rough(shape, {"I32": 1_000_000_000, "F16": 1_000_000_000})


def test_the_files_of_unquantised_models_are_two_bytes_an_element() -> None:
    shape = read_shape(LLAMA_8B)
    files = described_files(shape)
    assert (files.size_bytes, files.wide_elements) == (2 * text_elements(shape), text_elements(shape))
