"""Headers of the files: which tensors are loaded, how each is divided, and what it becomes."""

import json
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import pytest

from genmodel_operator.hub.facts import Tensor
from genmodel_operator.sizing.shape.read import read_shape
from genmodel_operator.sizing.tensors.counts import text_elements
from genmodel_operator.sizing.tensors.layout import why_invalid_layout
from genmodel_operator.sizing.tensors.model import Layout, Part
from genmodel_operator.sizing.tensors.names import Division, Role, role_of
from genmodel_operator.sizing.tensors.weights import read_weights
from tests.builders_shapes import DEEPSEEK_V3, LLAMA_8B, Config, tensor

COUNTS: dict[str, Any] = json.loads(Path(__file__).with_name("transformers_counts.json").read_text(encoding="utf-8"))
"""Written by scripts/class_counts.py from Transformers' own classes."""
SMALL: Config = {**LLAMA_8B, "num_hidden_layers": 1, "rope_scaling": None, "max_position_embeddings": 2048}


def _headers(entry: dict[str, Any]) -> list[Tensor]:
    return [
        tensor(name.replace("#", str(layer)), *sides) for name, sides, layers in entry["tensors"] for layer in layers
    ]


@pytest.mark.parametrize("model_type", sorted(COUNTS))
def test_the_architecture_has_the_parameters_that_transformers_counts(model_type: str) -> None:
    entry = COUNTS[model_type]
    shape = replace(read_shape(entry["config"]), draft_layers=0)  # which the classes leave out
    assert text_elements(shape) == pytest.approx(entry["parameters"], rel=0.0008)


LAYOUTS = {"1": Layout(), "2": Layout(2), "4 x 2": Layout(4, 2), "8": Layout(8)}
VALID = [
    pytest.param(model_type, layout, id=f"{model_type}, {name}")
    for model_type in sorted(COUNTS)
    for name, layout in LAYOUTS.items()
    if why_invalid_layout(read_shape(COUNTS[model_type]["config"]), layout) is None
]


@pytest.mark.parametrize(("model_type", "layout"), VALID)
def test_headers_and_architecture_agree(model_type: str, layout: Layout) -> None:
    entry = COUNTS[model_type]
    shape = read_shape(entry["config"], has_tensors=True)
    from_headers = read_weights(shape, _headers(entry)).on_device(layout)
    from_shape = read_weights(shape).on_device(layout)
    assert from_headers.total_bytes == pytest.approx(from_shape.total_bytes, rel=0.004)


def _layer(index: int = 0, prefix: str = "model.") -> list[Tensor]:
    base = f"{prefix}layers.{index}."
    return [
        tensor(f"{base}self_attn.q_proj.weight", 4096, 4096),
        tensor(f"{base}self_attn.k_proj.weight", 1024, 4096),
        tensor(f"{base}self_attn.v_proj.weight", 1024, 4096),
        tensor(f"{base}self_attn.o_proj.weight", 4096, 4096),
        tensor(f"{base}mlp.gate_proj.weight", 14336, 4096),
        tensor(f"{base}mlp.up_proj.weight", 14336, 4096),
        tensor(f"{base}mlp.down_proj.weight", 4096, 14336),
        tensor(f"{base}input_layernorm.weight", 4096),
        tensor(f"{base}post_attention_layernorm.weight", 4096),
    ]


def _ends() -> list[Tensor]:
    return [
        tensor("model.embed_tokens.weight", 128256, 4096),
        tensor("model.norm.weight", 4096),
        tensor("lm_head.weight", 128256, 4096),
    ]


def _total(tensors: list[Tensor], config: Config = SMALL, layout: Layout | None = None, **served: Any) -> int:
    return read_weights(read_shape(config), tensors, **served).on_device(layout or Layout()).total_bytes


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param(
            [tensor("model.layers.0.self_attn.rotary_emb.inv_freq", 64, dtype="F32")], id="rotary frequencies"
        ),
        pytest.param(_layer(1), id="a layer beyond the last: for drafting"),
        pytest.param([tensor("mtp.layers.0.mlp.up_proj.weight", 14336, 4096)], id="mtp"),
        pytest.param([tensor("model.layers.0.self_attn.k_scale", 1, dtype="F32")], id="a scale of the cache"),
        pytest.param(_layer() + _ends(), id="every name twice"),
        pytest.param(
            [
                tensor("tok_embeddings.weight", 128256, 4096),
                tensor("output.weight", 128256, 4096),
                tensor("layers.0.attention.wq.weight", 4096, 4096),
                tensor("layers.0.feed_forward.w1.weight", 14336, 4096),
                tensor("norm.weight", 4096),
            ],
            id="the same weights in Mistral's format",
        ),
    ],
)
def test_what_is_not_loaded_counts_nothing(extra: list[Tensor]) -> None:
    assert _total(_layer() + _ends() + extra) == _total(_layer() + _ends())


def test_weights_only_in_mistrals_format_are_loaded() -> None:
    names = {
        "self_attn.q_proj": "attention.wq", "self_attn.k_proj": "attention.wk", "self_attn.v_proj": "attention.wv",
        "self_attn.o_proj": "attention.wo", "mlp.gate_proj": "feed_forward.w1", "mlp.up_proj": "feed_forward.w3",
        "mlp.down_proj": "feed_forward.w2", "model.embed_tokens": "tok_embeddings", "lm_head": "output",
        "model.norm": "norm", "model.layers": "layers",
    }  # fmt: skip
    other = []
    for one in _layer() + _ends():
        name = one.name
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        other.append(Tensor(name, one.dtype, one.shape, one.size_bytes))
    for layout in (Layout(), Layout(8)):
        assert _total(other, layout=layout) == _total(_layer() + _ends(), layout=layout)


def test_the_output_of_a_tied_model_is_the_table_of_words() -> None:
    tied = {**SMALL, "tie_word_embeddings": True}
    assert _total(_layer() + _ends(), tied) == _total(_layer() + _ends()[:2], tied)


def test_wide_tensors_are_converted_to_the_served_type() -> None:
    stored = [Tensor(one.name, "F32", one.shape, 4 * prod(one.shape)) for one in _layer() + _ends()]
    assert _total(stored, dtype="bfloat16") == _total(_layer() + _ends())
    assert _total(stored, dtype="float32") > 1.9 * _total(stored, dtype="bfloat16")


def test_fp8_at_start_halves_linear_maps_only() -> None:
    wide, narrow = _total(_layer() + _ends()), _total(_layer() + _ends(), quantization="fp8")
    linear = sum(one.size_bytes for one in _layer() if "proj" in one.name)
    assert wide - narrow == pytest.approx(linear / 2, rel=0.01)


def test_headers_of_a_quantised_checkpoint_are_taken_as_they_are() -> None:
    config = {**SMALL, "quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True}}
    packed = [one for one in _layer() if "proj" not in one.name]
    for one in _layer():
        if "proj" in one.name:
            (out, inner), base = one.shape, one.name.removesuffix("weight")
            packed += [
                tensor(f"{base}qweight", inner // 8, out, dtype="I32"),
                tensor(f"{base}scales", inner // 128, out, dtype="F16"),
                tensor(f"{base}qzeros", inner // 128, out // 8, dtype="I32"),
                tensor(f"{base}g_idx", inner, dtype="I32"),
            ]
    for layout in (Layout(), Layout(2), Layout(8)):
        from_headers = _total(packed + _ends(), config, layout)
        from_shape = read_weights(read_shape(config)).on_device(layout).total_bytes
        assert from_headers == pytest.approx(from_shape, rel=0.002)


def test_experts_of_a_checkpoint_in_fp8_blocks() -> None:
    config = {
        **DEEPSEEK_V3, "num_hidden_layers": 4, "n_routed_experts": 8, "num_experts_per_tok": 2, "hidden_size": 1024,
        "moe_intermediate_size": 256, "intermediate_size": 2048, "first_k_dense_replace": 0, "vocab_size": 1024,
        "n_shared_experts": 0,
    }  # fmt: skip
    names = {"gate_proj": (256, 1024), "up_proj": (256, 1024), "down_proj": (1024, 256)}
    experts = [
        made
        for layer in range(4)
        for expert in range(8)
        for name, (out, inner) in names.items()
        for base in [f"model.layers.{layer}.mlp.experts.{expert}.{name}"]
        for made in (
            tensor(f"{base}.weight", out, inner, dtype="F8_E4M3"),
            tensor(f"{base}.weight_scale_inv", -(-out // 128), -(-inner // 128), dtype="F32"),
        )
    ]
    shape = read_shape(config)
    for layout in (Layout(), Layout(2), Layout(2, expert_parallel=True)):
        headers = read_weights(shape, experts).on_device(layout).parts[Part.EXPERTS]
        assert headers == pytest.approx(read_weights(shape).on_device(layout).parts[Part.EXPERTS], rel=0.001)


@pytest.mark.parametrize(
    ("name", "want"),
    [
        pytest.param("model.layers.3.self_attn.q_proj.weight", Division.EVEN, id="queries"),
        pytest.param("model.layers.3.self_attn.k_proj.weight", Division.KEYS, id="keys"),
        pytest.param("transformer.h.3.attn.c_attn.weight", Division.QUERIES_AND_KEYS, id="gpt2, fused"),
        pytest.param(
            "transformer.blocks.3.norm_attn_norm.attn.Wqkv.weight", Division.QUERIES_AND_KEYS, id="dbrx, fused"
        ),
        pytest.param("transformer.encoder.layers.3.self_attention.dense.weight", Division.EVEN, id="chatglm, output"),
        pytest.param("model.layers.3.mlp.gate.weight", Division.WHOLE, id="the router"),
        pytest.param("model.layers.3.mlp.gate_proj.weight", Division.EVEN, id="a gate, which is no router"),
        pytest.param("model.layers.3.mlp.experts.7.w1.weight", Division.EXPERTS, id="an expert"),
        pytest.param("model.layers.3.block_sparse_moe.input_linear.weight", Division.EXPERTS, id="granite's experts"),
        pytest.param("model.layers.3.mlp.shared_experts.up_proj.weight", Division.EVEN, id="a shared expert"),
        pytest.param("model.layers.3.self_attn.q_a_proj.weight", Division.WHOLE, id="a compressed query"),
        pytest.param("model.layers.3.self_attn.kv_a_proj_with_mqa.weight", Division.WHOLE, id="compressed keys"),
        pytest.param("model.layers.3.self_attn.kv_b_proj.weight", Division.EVEN, id="expanded keys"),
        pytest.param("model.layers.3.self_attn.indexer.wk.weight", Division.WHOLE, id="an indexer"),
        pytest.param("model.layers.3.linear_attn.in_proj_qkvz.weight", Division.EVEN, id="linear attention"),
        pytest.param("backbone.layers.3.mixer.in_proj.weight", Division.EVEN, id="a state space"),
        pytest.param("encoder.layer.3.attention.self.key.weight", Division.KEYS, id="bert, keys"),
        pytest.param("encoder.layer.3.intermediate.dense.weight", Division.EVEN, id="bert, first matrix"),
        pytest.param(
            "model.layers.3.something.new.weight", Division.WHOLE, id="an unknown name: whole, never too small"
        ),
    ],
)
def test_divisions(name: str, want: Division) -> None:
    role = role_of(name, dims=2, is_vector=False)
    assert (role.division, role.layer) == (want, 3)


@pytest.mark.parametrize(
    ("name", "want"),
    [
        pytest.param("model.visual.blocks.3.attn.qkv.weight", Division.EVEN, id="of a tower: divided"),
        pytest.param("vision_tower.vision_model.encoder.layers.3.mlp.fc1.weight", Division.EVEN, id="of another"),
        pytest.param("vision_encoder.transformer.layers.3.attention.wq.weight", Division.WHOLE, id="Mistral's: whole"),
        pytest.param("multi_modal_projector.linear_1.weight", Division.WHOLE, id="a projector: whole"),
    ],
)
def test_towers_are_no_layers_of_the_text(name: str, want: Division) -> None:
    role: Role = role_of(name, dims=2, is_vector=False)
    assert (role.part, role.division, role.layer) == (Part.VISION, want, None)


def test_a_bias_behind_a_row_split_is_whole() -> None:
    assert role_of("model.layers.0.self_attn.o_proj.bias", dims=1, is_vector=True).division is Division.WHOLE
    assert role_of("model.layers.0.self_attn.q_proj.bias", dims=1, is_vector=True).division is Division.EVEN
