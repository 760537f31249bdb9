"""Plain attention is proven by the configuration and by the tensors, or refused with what stands against it."""

from dataclasses import replace
from typing import Any

import pytest

from genmodel_operator.hub.facts import ModelFacts, Tensor
from genmodel_operator.sizing.architecture import Architecture, CacheNotComputable, read_architecture
from genmodel_operator.sizing.evidence import Attention, prove_plain_attention
from tests.builders import a_tensor
from tests.builders_sizing import (
    LLAMA_31_8B,
    LLAMA_32_1B,
    MINILM,
    MISTRAL_7B_V03,
    PHI_4,
    QWEN3_8B,
    QWEN3_30B_A3B,
    QWEN_25_7B,
    TINY_CHAT,
    bert_tensors,
    decoder_tensors,
    facts_of,
    minilm_facts,
)

FULL = Attention(has_cache=True)


def proof(facts: ModelFacts) -> Attention | CacheNotComputable:
    architecture = read_architecture(facts.config)
    assert isinstance(architecture, Architecture)
    return prove_plain_attention(facts, architecture)


def objection(facts: ModelFacts) -> str:
    refused = proof(facts)
    assert isinstance(refused, CacheNotComputable)
    return refused.detail


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(LLAMA_31_8B, id="Llama 3.1"),
        pytest.param(LLAMA_32_1B, id="Llama 3.2"),
        pytest.param(MISTRAL_7B_V03, id="Mistral v0.3, window null"),
        pytest.param(QWEN3_8B, id="Qwen3"),
        pytest.param(QWEN3_30B_A3B, id="mixture of experts"),
        pytest.param(PHI_4, id="fused projections"),
        pytest.param(TINY_CHAT, id="tiny chat model"),
    ],
)
def test_plain_attention(config: dict[str, Any]) -> None:
    assert proof(facts_of(config)) == FULL


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"use_cache": True, "pretraining_tp": 1}, id="ordinary fields"),
        pytest.param({"attention_dropout": 0.1, "attention_bias": True, "mlp_bias": False}, id="dropout and biases"),
        pytest.param({"layer_types": ["full_attention"] * 4}, id="layer types, all full"),
        pytest.param({"layer_types": ["full_attention"] * 4, "sliding_window": None}, id="layer types and no window"),
        pytest.param({"sliding_window": 0}, id="window of zero"),
        pytest.param({"cross_attention_layers": [], "kv_lora_rank": None}, id="features switched off"),
        pytest.param({"quantization_config": {"quant_method": "fp8"}}, id="quantised weights"),
        pytest.param({"num_nextn_predict_layers": 1}, id="drafting layers, which are not loaded"),
        pytest.param({"unsloth_fixed": True, "transformers.js_config": {}}, id="marks of tools"),
        pytest.param({"rms_norm_eps": 1e-5, "qk_layernorm": True, "router_aux_loss_coef": 0.1}, id="other parts"),
    ],
)
def test_fields_that_change_nothing(more: dict[str, Any]) -> None:
    assert proof(facts_of(TINY_CHAT | more, decoder_tensors(TINY_CHAT, "F32"))) == FULL


@pytest.mark.parametrize(
    ("more", "want_detail"),
    [
        pytest.param({"kv_lora_rank": 512}, "has kv_lora_rank", id="latent attention"),
        pytest.param({"layer_types": ["full_attention", "linear_attention"]}, "has linear_attention", id="hybrid"),
        pytest.param({"layer_types": ["full_attention", "sliding_attention"]}, "has sliding_attention", id="mixed"),
        pytest.param({"full_attention_interval": 4}, "has full_attention_interval", id="hybrid by interval"),
        pytest.param({"hybrid_override_pattern": "M-M*"}, "has hybrid_override_pattern", id="Mamba pattern"),
        pytest.param({"attention_chunk_size": 8192}, "has attention_chunk_size", id="chunked attention"),
        pytest.param({"num_kv_shared_layers": 20}, "has num_kv_shared_layers", id="layers that share a cache"),
        pytest.param({"cross_attention_layers": [3, 8]}, "has cross_attention_layers", id="cross attention"),
        pytest.param({"index_topk": 2048}, "has index_topk", id="sparse attention"),
        pytest.param({"sliding_window_pattern": 6}, "has sliding_window_pattern", id="window pattern"),
        pytest.param({"ssm_state_size": 128}, "has ssm_state_size", id="state space"),
        pytest.param({"is_encoder_decoder": True}, "has is_encoder_decoder", id="encoder and decoder"),
        pytest.param({"add_cross_attention": True}, "has add_cross_attention", id="decoder that looks elsewhere"),
        pytest.param({"is_causal": False}, "is_causal in config.json is false", id="both directions"),
        pytest.param({"use_bidirectional_attention": True}, "has use_bidirectional_attention", id="both ways"),
        pytest.param({"magic_kv_reuse": 2}, "has magic_kv_reuse", id="unknown field about the cache"),
        pytest.param(
            {"quantization_config": {"kv_cache_scheme": {"num_bits": 8}}}, "has kv_cache_scheme", id="cache format"
        ),
        pytest.param(
            {"quantization_config": {"kv_cache_quant_algo": "FP8"}}, "has kv_cache_quant_algo", id="another format"
        ),
    ],
)
def test_fields_that_speak_against_it(more: dict[str, Any], want_detail: str) -> None:
    assert want_detail in objection(facts_of(TINY_CHAT | more, decoder_tensors(TINY_CHAT, "F32")))


@pytest.mark.parametrize(
    ("config", "want"),
    [
        pytest.param(QWEN_25_7B, Attention(has_cache=True, is_windowed=True), id="window declared but switched off"),
        pytest.param(
            PHI_4 | {"sliding_window": 262144},
            Attention(has_cache=True, is_windowed=True),
            id="longer than the context",
        ),
        pytest.param(
            MISTRAL_7B_V03 | {"sliding_window": 4096},
            "sliding_window in config.json is 4096, less than the context of 32768 tokens",
            id="in use",
        ),
        pytest.param(
            QWEN_25_7B | {"use_sliding_window": True, "sliding_window": 4096},
            "sliding_window in config.json is 4096, less than the context of 32768 tokens",
            id="switched on",
        ),
        pytest.param(
            QWEN_25_7B | {"use_sliding_window": True, "sliding_window": None},
            "use_sliding_window in config.json is true",
            id="switched on without a size",
        ),
        pytest.param(
            {key: value for key, value in MISTRAL_7B_V03.items() if key != "sliding_window"},
            "config.json does not say whether this mistral model has a sliding window",
            id="silent where the class has a default",
        ),
    ],
)
def test_sliding_windows(config: dict[str, Any], want: Attention | str) -> None:
    facts = facts_of(config)
    assert (proof(facts) if isinstance(want, Attention) else objection(facts)) == want


def changed(**tensors: Tensor | None) -> ModelFacts:
    """The tiny model with tensors replaced, added or (None) removed, by the end of their names in layer 2."""
    facts = facts_of(TINY_CHAT)
    kept = {tensor.name: tensor for tensor in facts.tensors}
    for name, tensor in tensors.items():
        full = f"model.layers.2.{name.replace('__', '.')}"
        if tensor is None:
            del kept[full]
        else:
            kept[full] = replace(tensor, name=full)
    return replace(facts, tensors=tuple(kept.values()))


@pytest.mark.parametrize(
    ("facts", "want_detail"),
    [
        pytest.param(
            changed(self_attn__k_proj__weight=None),
            "layer 2 of 4 has no key and value projections of its own that are known here",
            id="layer without keys",
        ),
        pytest.param(
            changed(self_attn__v_proj__weight=a_tensor("", (64, 256), "F32")),
            "layer 2 of 4 has a v_proj of shape [64, 256], where the configuration asks for 128",
            id="layer with fewer heads",
        ),
        pytest.param(
            changed(linear_attn__A_log=a_tensor("", (8,), "F32")),
            "layer 2 of 4 has the tensor model.layers.2.linear_attn.A_log, which plain attention does not have",
            id="layer with a state",
        ),
        pytest.param(
            changed(self_attn__kv_a_proj_with_mqa__weight=a_tensor("", (8, 8), "F32")),
            "layer 2 of 4 has the tensor model.layers.2.self_attn.kv_a_proj_with_mqa.weight, "
            "which plain attention does not have",
            id="latent projection",
        ),
        pytest.param(
            facts_of(TINY_CHAT | {"num_hidden_layers": 5}, decoder_tensors(TINY_CHAT)),
            "layer 4 of 5 has no key and value projections of its own that are known here",
            id="fewer layers than declared",
        ),
        pytest.param(
            facts_of(TINY_CHAT | {"num_key_value_heads": 4}, decoder_tensors(TINY_CHAT)),
            "layer 0 of 4 has a k_proj of shape [128, 256], where the configuration asks for 256",
            id="configuration and tensors differ",
        ),
    ],
)
def test_tensors_that_speak_against_it(facts: ModelFacts, want_detail: str) -> None:
    assert objection(facts) == want_detail


def test_packed_weights_need_not_have_the_layer_s_shape() -> None:
    packed = [
        a_tensor(tensor.name.replace(".weight", ".qweight"), (32, 256), "I32") if "_proj." in tensor.name else tensor
        for tensor in decoder_tensors(TINY_CHAT)
    ]
    assert proof(facts_of(TINY_CHAT, packed, quantization="gptq", stored_precision="INT4")) == FULL


def test_bert_is_an_encoder_and_keeps_nothing() -> None:
    assert proof(minilm_facts()) == Attention(has_cache=False)


@pytest.mark.parametrize(
    ("more", "want_detail"),
    [
        pytest.param({"is_decoder": True}, "no key and value projections", id="BERT as a decoder"),
        pytest.param({"relative_attention_buckets": 32}, "has relative_attention_buckets", id="unknown attention"),
    ],
)
def test_bert_that_is_not_plain(more: dict[str, Any], want_detail: str) -> None:
    assert want_detail in objection(facts_of(MINILM | more, bert_tensors()))
