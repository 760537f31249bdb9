"""Weights per device against figures that real servers logged, and against the rules of the split."""

from typing import Any

import pytest

from genmodel_operator.sizing.shape.model import ModelShape, Unsizable
from genmodel_operator.sizing.shape.read import read_shape
from genmodel_operator.sizing.tensors.model import Layout, Part
from genmodel_operator.sizing.tensors.weights import read_weights
from tests.builders_shapes import (
    DEEPSEEK_V3,
    GEMMA3_27B,
    GPT_OSS_20B,
    GPT_OSS_120B,
    LLAMA_8B,
    LLAMA_70B,
    PHI_4,
    QWEN2_7B,
    QWEN3_8B,
    QWEN3_30B_A3B,
    Config,
    with_scheme,
)

GIB = 2**30
EIGHT = {"num_bits": 8, "type": "int", "strategy": "channel"}
FLOAT = {"num_bits": 8, "type": "float", "strategy": "channel"}
FOUR = {"num_bits": 4, "type": "int", "group_size": 128, "strategy": "group"}
FP8_BLOCKS = {"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}
AWQ = {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}}
GPTQ = {"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True}}
QWEN3_32B = {**QWEN3_8B, "hidden_size": 5120, "intermediate_size": 25600, "num_hidden_layers": 64,
             "num_attention_heads": 64}  # fmt: skip
QWEN2_72B = {**QWEN2_7B, "hidden_size": 8192, "intermediate_size": 29568, "num_hidden_layers": 80,
             "num_attention_heads": 64, "num_key_value_heads": 8}  # fmt: skip
QWEN3_4B = {**QWEN3_8B, "hidden_size": 2560, "intermediate_size": 9728, "tie_word_embeddings": True}
EXAONE_4 = {
    "architectures": ["Exaone4ForCausalLM"], "model_type": "exaone4", "hidden_size": 5120, "intermediate_size": 27392,
    "num_hidden_layers": 64, "num_attention_heads": 40, "num_key_value_heads": 8, "head_dim": 128,
    "vocab_size": 102400, "sliding_window": 4096, "sliding_window_pattern": "LLLG", "torch_dtype": "bfloat16",
    "max_position_embeddings": 131072, **FP8_BLOCKS,
}  # fmt: skip


def _gib(config: Config, layout: Layout | None = None, **served: Any) -> float:
    return read_weights(read_shape(config), **served).on_device(layout or Layout()).total_bytes / GIB


@pytest.mark.parametrize(
    ("config", "layout", "served", "logged", "digits"),
    [
        pytest.param(LLAMA_8B, Layout(), {}, 14.9888, 4, id="Llama-3.1-8B"),
        pytest.param(LLAMA_8B, Layout(), {"dtype": "float32"}, 29.98, 2, id="Llama-3.1-8B in float32"),
        pytest.param(LLAMA_8B, Layout(4), {}, 3.77, 2, id="Llama-3.1-8B on 4"),
        pytest.param(LLAMA_8B, Layout(1, 2), {}, 7.51, 2, id="Llama-3.1-8B in 2 stages"),
        pytest.param(LLAMA_8B, Layout(), {"quantization": "fp8"}, 8.49, 2, id="Llama-3.1-8B, fp8 at start"),
        pytest.param(with_scheme(LLAMA_8B, **EIGHT), Layout(), {}, 8.49, 2, id="Llama-3.1-8B, int8"),
        pytest.param(with_scheme(LLAMA_70B, **EIGHT), Layout(), {}, 67.7229, 3, id="Llama-3.1-70B, int8"),
        pytest.param(with_scheme(LLAMA_70B, **FLOAT), Layout(2), {}, 33.88, 2, id="Llama-3.3-70B, fp8, on 2"),
        pytest.param(with_scheme(LLAMA_70B, **FLOAT), Layout(4), {}, 16.96, 2, id="Llama-3.3-70B, fp8, on 4"),
        pytest.param(QWEN2_7B, Layout(), {}, 14.2488, 3, id="Qwen2.5-7B, 57 MiB of it lost in segments"),
        pytest.param(with_scheme(QWEN2_7B, **FLOAT), Layout(), {}, 8.14, 2, id="Qwen2.5-7B, fp8"),
        pytest.param(QWEN2_72B, Layout(4), {}, 33.98, 2, id="Qwen2.5-72B on 4"),
        pytest.param(QWEN3_4B, Layout(), {}, 7.555, 3, id="Qwen3-4B, tied"),
        pytest.param(QWEN3_8B, Layout(), {}, 15.27, 2, id="Qwen3-8B"),
        pytest.param({**QWEN3_8B, **FP8_BLOCKS}, Layout(), {}, 8.80, 2, id="Qwen3-8B, fp8 in blocks"),
        pytest.param(QWEN3_32B, Layout(2), {}, 30.59, 2, id="Qwen3-32B on 2"),
        pytest.param(QWEN3_30B_A3B, Layout(), {}, 56.88, 2, id="Qwen3-30B-A3B"),
        pytest.param(EXAONE_4, Layout(), {}, 30.99, 2, id="EXAONE-4.0-32B-FP8"),
        pytest.param(PHI_4, Layout(), {}, 27.39, 2, id="phi-4"),
        pytest.param(GPT_OSS_120B, Layout(), {"engine": (0, 14)}, 64.38, 2, id="gpt-oss-120b, Triton"),
    ],
)
def test_as_logged(config: Config, layout: Layout, served: dict[str, Any], logged: float, digits: int) -> None:
    assert _gib(config, layout, **served) == pytest.approx(logged, abs=0.75 * 10**-digits)


@pytest.mark.parametrize(
    ("config", "layout", "served", "logged", "share"),
    [
        pytest.param(with_scheme(LLAMA_8B, **FOUR), Layout(), {}, 5.38, 0.01, id="Llama-3.1-8B, 4 bits"),
        pytest.param(LLAMA_8B, Layout(), {"quantization": "bitsandbytes"}, 5.3541, 0.002, id="Llama-3.1-8B, nf4"),
        pytest.param({**QWEN3_8B, **AWQ}, Layout(), {}, 5.71, 0.005, id="Qwen3-8B-AWQ"),
        pytest.param({**PHI_4, **GPTQ}, Layout(), {}, 8.5107, 0.002, id="phi-4, GPTQ"),
        pytest.param(GEMMA3_27B, Layout(), {}, 51.45, 0.002, id="Gemma 3 with its tower and a long rotary table"),
        pytest.param(QWEN3_30B_A3B, Layout(4), {}, 14.247, 0.001, id="Qwen3-30B-A3B on 4"),
        pytest.param(GPT_OSS_20B, Layout(), {"engine": (0, 11)}, 13.47, 0.002, id="gpt-oss-20b, 0.11"),
        pytest.param(GPT_OSS_20B, Layout(), {"engine": (0, 19)}, 13.64, 0.002, id="gpt-oss-20b, 0.19, padded"),
        pytest.param(GPT_OSS_20B, Layout(2), {"engine": (0, 19)}, 7.01, 0.01, id="gpt-oss-20b on 2"),
        pytest.param(GPT_OSS_20B, Layout(4), {"engine": (0, 19)}, 3.63, 0.01, id="gpt-oss-20b on 4"),
        pytest.param(GPT_OSS_120B, Layout(), {"engine": (0, 10)}, 65.9651, 0.001, id="gpt-oss-120b, Marlin"),
        pytest.param(
            QWEN3_30B_A3B, Layout(1, 1, 2, expert_parallel=True), {}, 29.88, 0.005, id="Qwen3-30B-A3B, 2 replicas"
        ),
    ],
)
def test_close_to_logged(config: Config, layout: Layout, served: dict[str, Any], logged: float, share: float) -> None:
    assert _gib(config, layout, **served) == pytest.approx(logged, rel=share)


def _shape(**fields: object) -> ModelShape:
    return read_shape({**LLAMA_8B, **fields})


def test_the_parts_make_the_whole() -> None:
    found = read_weights(_shape()).on_device(Layout(2))
    assert sum(found.parts.values()) == found.total_bytes
    assert {Part.EMBEDDINGS, Part.ATTENTION, Part.MLP, Part.ROTARY, Part.OTHER} == set(found.parts)
    assert found.parts[Part.ROTARY] == 131072 * 128 * 2


def test_stages_share_the_layers_and_hold_one_end_each() -> None:
    stages = read_weights(_shape(num_hidden_layers=10)).on_device(Layout(1, 4)).stages
    assert [(stage.first, stage.end) for stage in stages] == [(0, 2), (2, 5), (5, 8), (8, 10)]
    ends = [stage.parts.get(Part.EMBEDDINGS, 0) for stage in stages]
    assert ends[0] == ends[3] > 0
    assert ends[1] == ends[2] == 0


def test_a_tied_table_is_on_the_first_and_on_the_last_stage() -> None:
    table = read_weights(_shape(tie_word_embeddings=True))
    alone, split = table.on_device(Layout()), table.on_device(Layout(1, 2))
    words = alone.parts[Part.EMBEDDINGS]
    assert [stage.parts[Part.EMBEDDINGS] for stage in split.stages] == [words, words]


def test_the_vocabulary_is_padded_before_it_is_divided() -> None:
    odd, even = _shape(vocab_size=128001), _shape(vocab_size=128064)
    assert (
        read_weights(odd).on_device(Layout(8)).parts[Part.EMBEDDINGS]
        == (read_weights(even).on_device(Layout(8)).parts[Part.EMBEDDINGS])
    )


def test_keys_are_repeated_where_there_are_more_devices_than_key_heads() -> None:
    table = read_weights(_shape(num_key_value_heads=2, num_hidden_layers=1))
    heads = 128 * 4096 * 2
    attention = [table.on_device(Layout(size)).parts[Part.ATTENTION] for size in (2, 4, 8)]
    want = [(16 + 2 + 16) * heads, (8 + 2 + 8) * heads, (4 + 2 + 4) * heads]
    assert all(0 <= found - least <= 2 << 20 for found, least in zip(attention, want, strict=True))


def test_experts_are_dealt_out_over_replicas_and_the_rest_is_repeated() -> None:
    table = read_weights(read_shape(QWEN3_30B_A3B))
    one, two = table.on_device(Layout()).parts, table.on_device(Layout(1, 1, 2, expert_parallel=True)).parts
    assert two[Part.EXPERTS] == pytest.approx(one[Part.EXPERTS] / 2, rel=1e-3)
    assert two[Part.ATTENTION] == one[Part.ATTENTION]


def test_experts_that_do_not_divide_leave_one_device_with_more() -> None:
    table = read_weights(read_shape({**QWEN3_30B_A3B, "num_experts": 10, "num_hidden_layers": 1}))
    four = table.on_device(Layout(4, expert_parallel=True)).parts[Part.EXPERTS]
    assert four == pytest.approx(table.on_device(Layout()).parts[Part.EXPERTS] * 3 / 10, rel=0.1)


def test_latent_attention_has_copies_of_its_projections() -> None:
    plain = {**DEEPSEEK_V3, "quantization_config": None}
    table = read_weights(read_shape(plain))
    copies = 61 * 128 * 256 * 512 * 2
    tensors = sum(
        2 * rows * columns for rows, columns in ((1536, 7168), (24576, 1536), (576, 7168), (32768, 512), (7168, 16384))
    )
    attention = table.on_device(Layout()).parts[Part.ATTENTION]
    assert attention == pytest.approx(61 * tensors + copies, rel=0.002)


def test_drafting_layers_count_only_when_they_are_used() -> None:
    shape = read_shape(DEEPSEEK_V3)
    without, with_draft = read_weights(shape), read_weights(shape, with_draft=True)
    more = with_draft.on_device(Layout(8)).total_bytes - without.on_device(Layout(8)).total_bytes
    assert 1.2 * GIB < more < 1.7 * GIB


def test_a_tower_that_the_configuration_does_not_describe_is_what_the_count_has_more() -> None:
    llava = {
        "architectures": ["LlavaForConditionalGeneration"], "model_type": "llava",
        "text_config": {"model_type": "llama", "vocab_size": 32064, "max_position_embeddings": 4096},
        "vision_config": {"model_type": "clip_vision_model", "hidden_size": 1024, "num_hidden_layers": 24,
                          "intermediate_size": 4096, "num_attention_heads": 16, "image_size": 336, "patch_size": 14},
    }  # fmt: skip
    shape = read_shape(llava)
    counted = read_weights(shape, parameters={"F16": 7063427072}).on_device(Layout())
    assert counted.parts[Part.VISION] == pytest.approx(2 * 324_487_168, rel=0.001)
    rough = read_weights(shape)
    assert rough.on_device(Layout()).parts[Part.VISION] == pytest.approx(counted.parts[Part.VISION], rel=0.03)
    assert any("estimate" in warning for warning in rough.warnings)


def test_a_count_that_contradicts_the_configuration_is_a_warning() -> None:
    assert read_weights(_shape(), parameters={"BF16": 8030261248}).warnings == ()
    warnings = read_weights(_shape(), parameters={"BF16": 7_000_000_000}).warnings
    assert "7.000 billion" in warnings[0]
    assert "8.030 billion" in warnings[0]


@pytest.mark.parametrize(
    ("config", "quantization", "want_words"),
    [
        pytest.param(LLAMA_8B, "awq", "needs a checkpoint in that format", id="a format that is made offline"),
        pytest.param({**LLAMA_8B, **FP8_BLOCKS}, "awq", "does not match", id="another than the files have"),
    ],
)
def test_formats_that_cannot_be_served_or_sized(config: Config, quantization: str | None, want_words: str) -> None:
    with pytest.raises(Unsizable, match=want_words) as refused:
        read_weights(read_shape(config), quantization=quantization)
    assert refused.value.reason == "UnsupportedQuantization"


def test_another_name_of_the_same_format_is_fine() -> None:
    config = {**LLAMA_8B, **AWQ}
    assert _gib(config, quantization="awq_marlin") == _gib(config)


@pytest.mark.parametrize(
    ("pattern", "want_share"),
    [
        pytest.param("model.layers.0.mlp", 1, id="a module of one layer"),
        pytest.param("model.layers.*.mlp.*", 32, id="a wildcard"),
        pytest.param("re:.*\\.(gate|up|down)_proj$", 32, id="an expression"),
        pytest.param("mlp", 32, id="a part of a name"),
    ],
)
def test_wide_modules(pattern: str, want_share: int) -> None:
    def mlp(*patterns: str) -> int:
        declared = {"quant_method": "fp8", "modules_to_not_convert": list(patterns)}
        found = read_weights(_shape(quantization_config=declared)).on_device(Layout())
        return found.parts[Part.MLP]

    of_one_layer = 3 * 4096 * 14336
    assert (mlp(pattern) - mlp()) / of_one_layer == pytest.approx(want_share, rel=0.01)


def test_fp8_of_405_billion_keeps_its_attention_wide() -> None:
    wide = ["lm_head", *(f"model.layers.{index}.self_attn" for index in range(126))]
    big = {**LLAMA_8B, "hidden_size": 16384, "intermediate_size": 53248, "num_hidden_layers": 126,
           "num_attention_heads": 128,
           "quantization_config": {"quant_method": "fbgemm_fp8", "modules_to_not_convert": wide}}  # fmt: skip
    everything_narrow = {**big, "quantization_config": {"quant_method": "fbgemm_fp8"}}
    assert 54 < _gib(big, Layout(8)) < 58
    assert 46 < _gib(everything_narrow, Layout(8)) < 49
