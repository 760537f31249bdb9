"""Weights on one device: which tensors count, at which width, and how they are divided."""

from collections.abc import Mapping
from typing import Any

import pytest

from genmodel_operator.hub.facts import ModelFacts, Tensor
from genmodel_operator.sizing.architecture import Architecture, read_architecture
from genmodel_operator.sizing.weights import padded_vocab, read_weights
from tests.builders import a_tensor
from tests.builders_sizing import MINILM, TINY_CHAT, bert_tensors, decoder_config, decoder_tensors, facts_of

SMALL = decoder_config("Llama", hidden=64, inner=256, layers=2, heads=8, kv_heads=2, vocab=1000, positions=512)
"""heads of 8; vocabulary that is no multiple of 64."""


def architecture_of(config: Mapping[str, Any]) -> Architecture:
    architecture = read_architecture(config)
    assert isinstance(architecture, Architecture)
    return architecture


def device_bytes(facts: ModelFacts, *, width: int = 2, parallel: int = 1) -> int:
    """Bytes on one device without the table of rotary positions."""
    architecture = architecture_of(facts.config)
    weights = read_weights(facts, architecture)
    whole = weights.device_bytes(architecture, element_bytes=width, tensor_parallel=parallel)
    return whole - weights.rotary_elements * width


def with_only(*tensors: Tensor, config: Mapping[str, Any] = SMALL, **changes: Any) -> ModelFacts:
    return facts_of(config, tensors, **changes)


def test_one_device_holds_every_element_and_the_padded_vocabulary() -> None:
    facts = facts_of(SMALL)
    want_padding = 2 * (1024 - 1000) * 64 * 2
    assert device_bytes(facts) == facts.weights_bytes + want_padding


@pytest.mark.parametrize(
    ("vocab", "want_rows"),
    [
        pytest.param(64, 64, id="multiple"),
        pytest.param(65, 128, id="one more"),
        pytest.param(128256, 128256, id="Llama 3"),
        pytest.param(32003, 32064, id="three added words"),
    ],
)
def test_vocabulary_is_padded(vocab: int, want_rows: int) -> None:
    assert padded_vocab(vocab) == want_rows


@pytest.mark.parametrize(
    ("dtype", "width", "want_bytes"),
    [
        pytest.param("BF16", 2, 2 * 4096, id="as stored"),
        pytest.param("BF16", 4, 4 * 4096, id="widened to float32"),
        pytest.param("F32", 2, 2 * 4096, id="narrowed to 16 bit"),
        pytest.param("F16", 2, 2 * 4096, id="float16 to bfloat16"),
        pytest.param("I64", 2, 8 * 4096, id="integers stay"),
    ],
)
def test_unquantised_weights_are_converted(dtype: str, width: int, want_bytes: int) -> None:
    facts = with_only(a_tensor("model.layers.0.self_attn.o_proj.weight", (64, 64), dtype))
    assert device_bytes(facts, width=width) == want_bytes


def test_quantised_weights_stay_as_stored() -> None:
    facts = with_only(
        a_tensor("model.layers.0.mlp.up_proj.weight", (256, 64), "F8_E4M3"),
        a_tensor("model.layers.0.mlp.up_proj.weight_scale", (256, 1), "F32"),
        a_tensor("model.norm.weight", (64,), "BF16"),
        quantization="fp8",
    )
    assert device_bytes(facts) == 256 * 64 + 256 * 4 + 64 * 2


@pytest.mark.parametrize(
    ("name", "shape", "parallel", "want_elements"),
    [
        pytest.param("self_attn.q_proj.weight", (64, 64), 4, 1024, id="queries by head"),
        pytest.param("self_attn.q_proj.bias", (64,), 4, 16, id="bias of the queries too"),
        pytest.param("self_attn.k_proj.weight", (16, 64), 2, 512, id="keys by head"),
        pytest.param("self_attn.k_proj.weight", (16, 64), 8, 512, id="one key head each where devices are more"),
        pytest.param("self_attn.qkv_proj.weight", (96, 64), 2, 48 * 64, id="fused projections"),
        pytest.param("self_attn.qkv_proj.weight", (96, 64), 8, 24 * 64, id="fused, with copies of the keys"),
        pytest.param("self_attn.o_proj.weight", (64, 64), 4, 1024, id="output by rows"),
        pytest.param("self_attn.o_proj.bias", (64,), 4, 64, id="bias of the output is whole"),
        pytest.param("self_attn.dense.weight", (64, 64), 4, 1024, id="output under another name"),
        pytest.param("mlp.gate_proj.weight", (256, 64), 4, 4096, id="gate by columns"),
        pytest.param("mlp.down_proj.weight", (64, 256), 4, 4096, id="down by rows"),
        pytest.param("mlp.down_proj.weight_scale", (64, 1), 4, 64, id="scales per output are whole"),
        pytest.param("mlp.experts.3.up_proj.weight", (256, 64), 4, 4096, id="expert"),
        pytest.param("mlp.experts.gate_up_proj", (8, 64, 512), 4, 65536, id="experts in one tensor"),
        pytest.param("mlp.gate.weight", (8, 64), 4, 512, id="router is whole"),
        pytest.param("input_layernorm.weight", (64,), 4, 64, id="norm is whole"),
        pytest.param("self_attn.new_thing.weight", (64, 64), 4, 4096, id="unknown names are whole"),
    ],
)
def test_how_a_tensor_is_divided(name: str, shape: tuple[int, ...], parallel: int, want_elements: int) -> None:
    facts = with_only(a_tensor(f"model.layers.1.{name}", shape))
    assert device_bytes(facts, parallel=parallel) == 2 * want_elements


@pytest.mark.parametrize("name", ["model.embed_tokens.weight", "lm_head.weight", "transformer.wte.weight"])
def test_words_are_divided_after_padding(name: str) -> None:
    facts = with_only(a_tensor(name, (1000, 64)))
    assert device_bytes(facts, parallel=4) == 256 * 64 * 2


@pytest.mark.parametrize(
    "tensor",
    [
        pytest.param(a_tensor("model.layers.2.mlp.up_proj.weight", (256, 64)), id="layer for drafting"),
        pytest.param(a_tensor("mtp.fc.weight", (64, 64)), id="drafting head"),
        pytest.param(a_tensor("model.layers.0.self_attn.rotary_emb.inv_freq", (4,), "F32"), id="rotary frequencies"),
        pytest.param(a_tensor("embeddings.position_ids", (1, 512), "I64"), id="position numbers"),
        pytest.param(a_tensor("h.0.attn.bias", (1, 1, 1024, 1024), "F32"), id="causal mask"),
    ],
)
def test_tensors_that_are_not_loaded(tensor: Tensor) -> None:
    assert device_bytes(with_only(tensor)) == 0


def test_tied_output_matrix_counts_once() -> None:
    tied = decoder_config(
        "Llama", hidden=64, inner=256, layers=2, heads=8, kv_heads=2, vocab=1000, positions=512,
        tie_word_embeddings=True,
    )  # fmt: skip
    stored_anyway = (*decoder_tensors(tied), a_tensor("lm_head.weight", (1000, 64)))
    assert device_bytes(facts_of(tied, stored_anyway)) == device_bytes(facts_of(tied))


@pytest.mark.parametrize(
    ("more", "want_elements"),
    [
        pytest.param({}, 512 * 8, id="plain"),
        pytest.param({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, 512 * 8, id="Llama 3 keeps its rows"),
        pytest.param({"rope_scaling": {"type": "linear", "factor": 4.0}}, 4 * 512 * 8, id="linear"),
        pytest.param(
            {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}},
            512 * 8,
            id="yarn",
        ),
        pytest.param(
            {"rope_parameters": {"rope_type": "longrope", "original_max_position_embeddings": 128}},
            (512 + 128) * 8,
            id="two tables",
        ),
        pytest.param({"partial_rotary_factor": 0.5}, 512 * 4, id="half of each head"),
        pytest.param({"alibi": True}, 0, id="none with ALiBi"),
    ],
)
def test_table_of_rotary_positions(more: dict[str, Any], want_elements: int) -> None:
    facts = facts_of(SMALL | more, decoder_tensors(SMALL))
    assert read_weights(facts, architecture_of(facts.config)).rotary_elements == want_elements


def test_learned_positions_need_no_table() -> None:
    facts = facts_of(MINILM, bert_tensors())
    assert read_weights(facts, architecture_of(MINILM)).rotary_elements == 0


def test_float32_takes_twice_of_everything() -> None:
    facts = facts_of(TINY_CHAT)
    architecture = architecture_of(TINY_CHAT)
    weights = read_weights(facts, architecture)
    narrow = weights.device_bytes(architecture, element_bytes=2)
    assert weights.device_bytes(architecture, element_bytes=4) == 2 * narrow
