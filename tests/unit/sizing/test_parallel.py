"""Tensor parallel sizes: the engine's own rules."""

from typing import Any

import pytest

from genmodel_operator.sizing.architecture import Architecture, read_architecture
from genmodel_operator.sizing.parallel import why_invalid
from tests.builders_sizing import LLAMA_31_8B, PHI_4, QWEN3_30B_A3B, QWEN_25_7B


def verdict(config: dict[str, Any], parallel: int) -> str | None:
    architecture = read_architecture(config)
    assert isinstance(architecture, Architecture)
    return why_invalid(architecture, config, parallel)


@pytest.mark.parametrize(
    ("config", "parallel", "want_reason"),
    [
        pytest.param(LLAMA_31_8B, 1, None, id="one device"),
        pytest.param(LLAMA_31_8B, 3, "32 attention heads do not divide by 3", id="Llama over three (logged: refused)"),
        pytest.param(LLAMA_31_8B, 8, None, id="Llama over eight"),
        pytest.param(LLAMA_31_8B, 16, None, id="more devices than key heads"),
        pytest.param(PHI_4, 2, None, id="phi-4 over two"),
        pytest.param(PHI_4, 4, "10 key/value heads do not divide by 4", id="phi-4 over four (logged: refused)"),
        pytest.param(PHI_4, 5, "a vocabulary of 100352 rows does not divide by 5", id="phi-4 over five"),
        pytest.param(QWEN_25_7B, 4, None, id="Qwen2.5 over four"),
        pytest.param(QWEN_25_7B, 7, "4 key/value heads do not divide by 7", id="neither way"),
        pytest.param(
            LLAMA_31_8B | {"intermediate_size": 14338}, 4, "an MLP of 14338 does not divide by 4", id="odd MLP"
        ),
        pytest.param(
            QWEN3_30B_A3B | {"moe_intermediate_size": 770}, 4, "an MLP of 770 does not divide by 4", id="odd expert"
        ),
        pytest.param(
            QWEN3_30B_A3B | {"shared_expert_intermediate_size": 770},
            4,
            "an MLP of 770 does not divide by 4",
            id="odd shared expert",
        ),
        pytest.param(
            QWEN3_30B_A3B | {"quantization_config": {"weight_block_size": [128, 128]}},
            8,
            "an MLP of 768 over 8 devices does not hold whole quantisation groups of 128",
            id="blocks of FP8",
        ),
        pytest.param(QWEN3_30B_A3B | {"quantization_config": {"group_size": 128}}, 2, None, id="whole groups of GPTQ"),
        pytest.param(
            QWEN3_30B_A3B | {"quantization_config": {"config_groups": {"group_0": {"weights": {"group_size": 128}}}}},
            4,
            "an MLP of 768 over 4 devices does not hold whole quantisation groups of 128",
            id="groups of compressed-tensors",
        ),
        pytest.param(QWEN3_30B_A3B | {"quantization_config": {"group_size": -1}}, 8, None, id="one group per channel"),
    ],
)
def test_sizes(config: dict[str, Any], parallel: int, want_reason: str | None) -> None:
    assert verdict(config, parallel) == want_reason
