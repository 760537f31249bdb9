"""Checkpoints whose modules have formats of their own: read from each dialect, and weighed module by module."""

from typing import Any

import pytest

from genmodel_operator.sizing.shape.model import Quantization, Unsizable
from genmodel_operator.sizing.shape.read import read_shape
from genmodel_operator.sizing.tensors.model import Layout, Part
from genmodel_operator.sizing.tensors.weights import read_weights
from tests.builders_shapes import LLAMA_8B, QWEN3_5_27B, QWEN3_30B_A3B, Config

LAYERS = 32
QUERY, KEY, WIDE_MLP = 4096 * 4096, 1024 * 4096, 14336 * 4096
ATTENTION, MLP = LAYERS * 2 * (QUERY + KEY), LAYERS * 3 * WIDE_MLP
"""Elements of Llama-3.1-8B."""
FP8, NVFP4, INT4, WIDE = 1.0, 0.5 + 1 / 16, 0.5 + 2 / 128, 2.0
"""Bytes of one element with its scales, those of whole rows left out."""


def parts(declared: Any, config: Config = LLAMA_8B) -> dict[Part, int]:
    shape = read_shape({**config, "quantization_config": declared})
    return dict(read_weights(shape).on_device(Layout()).parts)


def modelopt(layers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": layers}


def by_layer(leaf: str, algorithm: str, prefix: str = "model.layers") -> dict[str, dict[str, Any]]:
    return {f"{prefix}.{index}.{leaf}": {"quant_algo": algorithm} for index in range(LAYERS)}


def compressed(*groups: tuple[list[str], int, int | None], ignore: tuple[str, ...] = ("lm_head",)) -> dict[str, Any]:
    return {
        "quant_method": "compressed-tensors",
        "ignore": list(ignore),
        "config_groups": {
            f"group_{number}": {"targets": targets, "weights": {"num_bits": bits, "group_size": size}}
            for number, (targets, bits, size) in enumerate(groups)
        },
    }


ATTENTION_LEAVES = ("q_proj", "k_proj", "v_proj", "o_proj")
MLP_LEAVES = ("gate_proj", "up_proj", "down_proj")
LISTED = {
    **{name: said for leaf in ATTENTION_LEAVES for name, said in by_layer(f"self_attn.{leaf}", "FP8").items()},
    **{name: said for leaf in MLP_LEAVES for name, said in by_layer(f"mlp.{leaf}", "NVFP4").items()},
}
ROUND = {"quant_method": "auto-round", "bits": 4, "group_size": 128, "sym": True}


@pytest.mark.parametrize(
    ("declared", "want_attention", "want_mlp"),
    [
        pytest.param(modelopt(LISTED), FP8, NVFP4, id="ModelOpt, every layer listed"),
        pytest.param(modelopt({n: s for n, s in LISTED.items() if "mlp" in n}), WIDE, NVFP4, id="ModelOpt, rest wide"),
        pytest.param(
            modelopt({n.replace("model.", "model.language_model.", 1): s for n, s in LISTED.items()}),
            FP8, NVFP4, id="ModelOpt, names of a multimodal class",
        ),
        pytest.param(
            modelopt({**by_layer("self_attn.qkv_proj", "FP8"), **by_layer("self_attn.o_proj", "FP8"),
                      **by_layer("mlp", "NVFP4")}),
            FP8, NVFP4, id="ModelOpt, fused names and whole parts",
        ),
        pytest.param(
            compressed((["re:.*self_attn.*"], 8, None), (["re:.*mlp.*"], 4, 16)), FP8, 0.5 + 1 / 16, id="two groups",
        ),
        pytest.param(
            compressed((["Linear"], 4, 128), (["re:.*\\.self_attn\\..*"], 8, None)),
            FP8, INT4, id="a group for all, and one for some",
        ),
        pytest.param(compressed((["re:.*mlp.*"], 4, 128), (["re:.*nothing.*"], 8, None)), WIDE, INT4, id="no target"),
        pytest.param(
            {**ROUND, "extra_config": {f"model.layers.{i}.self_attn.{leaf}": {"bits": 8, "group_size": -1}
                                       for i in range(LAYERS) for leaf in ATTENTION_LEAVES}},
            FP8, INT4, id="AutoRound, single modules",
        ),
        pytest.param(
            {**ROUND, "extra_config": {".*self_attn.*": {"bits": 16}}}, WIDE, INT4, id="AutoRound, an expression, wide"
        ),
        pytest.param({**ROUND, "block_name_to_quantize": "model.layers"}, INT4, INT4, id="AutoRound, blocks"),
    ],
)  # fmt: skip
def test_each_module_has_the_bytes_of_its_format(
    declared: dict[str, Any], want_attention: float, want_mlp: float
) -> None:
    found = parts(declared)
    # Within the 2 MiB by which the allocator rounds each tensor up.
    assert found[Part.ATTENTION] / ATTENTION == pytest.approx(want_attention, rel=0.02)
    assert found[Part.MLP] / MLP == pytest.approx(want_mlp, rel=0.02)


def test_embeddings_and_output_stay_wide() -> None:
    assert parts(modelopt(LISTED))[Part.EMBEDDINGS] == 2 * 2 * 128256 * 4096


@pytest.mark.parametrize(
    "spelled", ["mlp.experts.0.gate_proj", "mlp.experts", "mlp.experts.5.w1", "block_sparse_moe.experts.0.up_proj"]
)
def test_experts_are_found_by_every_spelling(spelled: str) -> None:
    listed = {f"model.layers.{index}.{spelled}": {"quant_algo": "NVFP4"} for index in range(48)}
    down = {f"model.layers.{index}.mlp.experts.0.down_proj": {"quant_algo": "NVFP4"} for index in range(48)}
    found = parts(modelopt({**listed, **down}), QWEN3_30B_A3B)
    assert found[Part.EXPERTS] == pytest.approx(48 * 128 * 3 * 2048 * 768 * NVFP4, rel=0.003)


def test_linear_attention_has_a_name_of_its_own() -> None:
    base = "model.language_model.layers"
    listed = {f"{base}.{i}.linear_attn.{leaf}": {"quant_algo": "FP8"} for i in range(64)
              for leaf in ("in_proj_qkv", "in_proj_z", "out_proj")}  # fmt: skip
    narrow, wide = parts(modelopt(listed), QWEN3_5_27B), parts(modelopt({"x": {"quant_algo": "FP8"}}), QWEN3_5_27B)
    of_linear = 48 * 5120 * (2 * 16 * 128 + 48 * 128 + 48 * 128 + 48 * 128)
    assert wide[Part.ATTENTION] - narrow[Part.ATTENTION] == pytest.approx(of_linear, rel=0.01)


def test_a_list_that_is_elsewhere_is_taken_as_the_widest_format_and_said() -> None:
    shape = read_shape({**LLAMA_8B, "quantization_config": {**modelopt({}), "quantized_layers": None}})
    table = read_weights(shape)
    assert table.on_device(Layout()).parts[Part.MLP] / MLP == pytest.approx(FP8, rel=0.003)
    assert "no quantized_layers" in table.warnings[0]


def test_one_width_in_all_groups_is_one_format() -> None:
    declared = compressed((["re:.*self_attn.*"], 4, 128), (["re:.*mlp.*"], 4, 128))
    shape = read_shape({**LLAMA_8B, "quantization_config": declared})
    assert shape.quantization == Quantization("compressed-tensors", 4, 128, wide_modules=("lm_head",))


@pytest.mark.parametrize(
    ("declared", "want_words"),
    [
        pytest.param(modelopt({"a": {"quant_algo": "FP5"}}), "'FP5'", id="an unknown algorithm"),
        pytest.param({**modelopt({}), "quantized_layers": ["a"]}, "quantized_layers", id="a list of layers"),
        pytest.param({**ROUND, "extra_config": ["a"]}, "extra_config", id="a list of extras"),
        pytest.param({**ROUND, "extra_config": {"a": 4}}, "extra_config.a", id="a number for a module"),
        pytest.param({**ROUND, "extra_config": {"a": {"bits": "x"}}}, "extra_config.a.bits", id="a word for bits"),
        pytest.param({**ROUND, "extra_config": {"(": {"bits": 8}}}, "cannot be read", id="no expression"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(declared: dict[str, Any], want_words: str) -> None:
    with pytest.raises(Unsizable, match=want_words.replace("(", "\\(")):
        parts(declared)
