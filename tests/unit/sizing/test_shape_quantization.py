"""How weights are stored, from every dialect of quantization_config."""

from typing import Any

import pytest

from genmodel_operator.sizing.shape.model import Quantization, Unsizable
from genmodel_operator.sizing.shape.read import read_shape
from tests.builders_shapes import LLAMA_8B, QWEN3_5_27B, with_scheme


def _read(declared: Any) -> Quantization | None:
    return read_shape({**LLAMA_8B, "quantization_config": declared}).quantization


NOT_LISTED = (
    "quantization_config says MIXED_PRECISION and has no quantized_layers: every linear map is taken as 8 bits "
    "wide, the widest of its formats"
)
MODELOPT = {"producer": {"name": "modelopt"}}


@pytest.mark.parametrize(
    ("declared", "want"),
    [
        pytest.param({"quant_method": "fp8"}, Quantization("fp8", 8), id="fp8"),
        pytest.param(
            {"quant_method": "fp8", "weight_block_size": [128, 128], "modules_to_not_convert": ["lm_head"]},
            Quantization("fp8", 8, block=(128, 128), wide_modules=("lm_head",)),
            id="fp8 in blocks",
        ),
        pytest.param({"quant_method": "fbgemm_fp8"}, Quantization("fbgemm_fp8", 8), id="fbgemm"),
        pytest.param(
            {"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True},
            Quantization("gptq", 4, group_size=128),
            id="gptq",
        ),
        pytest.param(
            {"quant_method": "awq", "bits": 4, "group_size": 64, "zero_point": True},
            Quantization("awq", 4, group_size=64, symmetric=False),
            id="awq, with zero points",
        ),
        pytest.param(
            {"quant_method": "gptq", "bits": 8, "group_size": -1}, Quantization("gptq", 8), id="one group for all"
        ),
        pytest.param(
            {"quant_method": "intel/auto-round", "bits": 4, "group_size": 128, "sym": True},
            Quantization("auto-round", 4, group_size=128),
            id="auto-round",
        ),
        pytest.param(
            {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_use_double_quant": True},
            Quantization("bitsandbytes", 4, group_size=64, symmetric=False),
            id="bitsandbytes, quantised twice",
        ),
        pytest.param({"quant_method": "mxfp4"}, Quantization("mxfp4", 4, group_size=32), id="mxfp4"),
        pytest.param(
            {**MODELOPT, "quant_method": "modelopt", "quant_algo": "NVFP4", "exclude_modules": ["lm_head"]},
            Quantization("modelopt", 4, group_size=16, wide_modules=("lm_head",)),
            id="nvfp4",
        ),
        pytest.param(
            {**MODELOPT, "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}},
            Quantization("modelopt", 8, cache_bits=8),
            id="modelopt, nested, with a format for the cache",
        ),
        pytest.param(
            {**MODELOPT, "quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"},
            Quantization("modelopt", 8, assumed=NOT_LISTED),
            id="each layer its own, and no list",
        ),
        pytest.param(
            {"quant_method": "compressed_tensors", "config_groups": {"g": {"weights": {"num_bits": 8}}}},
            Quantization("compressed-tensors", 8),
            id="compressed-tensors, in the older spelling",
        ),
    ],
)
def test_schemes(declared: dict[str, Any], want: Quantization) -> None:
    assert _read(declared) == want


def test_groups_of_compressed_tensors() -> None:
    config = with_scheme(LLAMA_8B, num_bits=4, type="int", group_size=128, symmetric=False, strategy="group")
    assert read_shape(config).quantization == Quantization(
        "compressed-tensors", 4, group_size=128, symmetric=False, wide_modules=("lm_head",)
    )


def test_it_may_be_in_the_text_part() -> None:
    text = {**QWEN3_5_27B["text_config"], "quantization_config": {"quant_method": "fp8"}}
    assert read_shape({**QWEN3_5_27B, "text_config": text}).quantization == Quantization("fp8", 8)


@pytest.mark.parametrize(
    ("declared", "want_reason", "want_words"),
    [
        pytest.param({"quant_method": "exl3"}, "UnsupportedQuantization", "exl3", id="unknown method"),
        pytest.param({"bits": 4}, "UnsupportedQuantization", "quant_method", id="no method"),
        pytest.param(["fp8"], "InvalidRequest", "quantization_config", id="a list"),
        pytest.param(
            {"quant_method": "fp8", "weight_block_size": 128}, "InvalidRequest", "weight_block_size", id="one number"
        ),
        pytest.param({"quant_method": "gptq", "bits": "four"}, "InvalidRequest", "bits", id="a word for a number"),
        pytest.param(
            {"quant_method": "compressed-tensors", "config_groups": 7},
            "InvalidRequest",
            "config_groups",
            id="no groups",
        ),
        pytest.param(
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"g": {"targets": 1, "weights": {"num_bits": 4}}},
                "ignore": ["lm_head"],
            },
            "InvalidRequest",
            "config_groups.targets",
            id="no targets",
        ),
        pytest.param(
            {"quant_method": "modelopt", "quant_algo": "FP5"}, "UnsupportedQuantization", "FP5", id="unknown algorithm"
        ),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(declared: Any, want_reason: str, want_words: str) -> None:
    with pytest.raises(Unsizable) as refused:
        _read(declared)
    assert refused.value.reason == want_reason
    assert want_words in refused.value.message
