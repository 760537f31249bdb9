"""Tiny repositories of models that keep other caches than plain attention: mixtures, latent attention, hybrids."""

from collections.abc import Mapping
from typing import Any

from tests.fakes.hub_models import a_repository, as_json, safetensors_file, tokenizer_files
from tests.fakes.hub_store import Repository

_COMMON: Mapping[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_attention_heads": 4,
    "vocab_size": 512,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}

MIXTURE_CONFIG: Mapping[str, Any] = {
    **_COMMON,
    "architectures": ["Qwen3MoeForCausalLM"],
    "model_type": "qwen3_moe",
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 64,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
}
LATENT_CONFIG: Mapping[str, Any] = {
    **_COMMON,
    "architectures": ["DeepseekV2ForCausalLM"],
    "model_type": "deepseek_v2",
    "num_hidden_layers": 2,
    "num_key_value_heads": 4,
    "q_lora_rank": None,
    "kv_lora_rank": 64,
    "qk_rope_head_dim": 16,
    "qk_nope_head_dim": 32,
    "v_head_dim": 32,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 64,
    "first_k_dense_replace": 1,
    "moe_layer_freq": 1,
}
HYBRID_CONFIG: Mapping[str, Any] = {
    **_COMMON,
    "architectures": ["Qwen3NextForCausalLM"],
    "model_type": "qwen3_next",
    "num_hidden_layers": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "full_attention_interval": 4,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 32,
    "linear_value_head_dim": 32,
    "linear_conv_kernel_dim": 4,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 64,
    "shared_expert_intermediate_size": 64,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
}

_Shapes = dict[str, tuple[int, ...]]


def repositories_of_kinds() -> list[Repository]:
    """One repository of each kind."""
    made = (
        ("acme/tiny-mixture", MIXTURE_CONFIG, _mixture()),
        ("acme/tiny-latent", LATENT_CONFIG, _latent()),
        ("acme/tiny-hybrid", HYBRID_CONFIG, _hybrid()),
    )
    return [a_repository(name, _files(config, layers), pipeline_tag="text-generation") for name, config, layers in made]


def _files(config: Mapping[str, Any], layers: list[_Shapes]) -> dict[str, bytes]:
    hidden, vocab = config["hidden_size"], config["vocab_size"]
    shapes: _Shapes = {
        "lm_head.weight": (vocab, hidden),
        "model.embed_tokens.weight": (vocab, hidden),
        "model.norm.weight": (hidden,),
    }
    norms: _Shapes = {"input_layernorm.weight": (hidden,), "post_attention_layernorm.weight": (hidden,)}
    for index, layer in enumerate(layers):
        shapes |= {f"model.layers.{index}.{name}": shape for name, shape in (layer | norms).items()}
    return {
        "config.json": as_json(config),
        **tokenizer_files(vocab, max_length=config["max_position_embeddings"]),
        "model.safetensors": safetensors_file({name: ("BF16", shape) for name, shape in shapes.items()}),
    }


def _mlp(name: str, hidden: int, inner: int) -> _Shapes:
    return {
        f"{name}.gate_proj.weight": (inner, hidden),
        f"{name}.up_proj.weight": (inner, hidden),
        f"{name}.down_proj.weight": (hidden, inner),
    }


def _experts(count: int = 4) -> _Shapes:
    shapes: _Shapes = {"mlp.gate.weight": (count, 128)}
    for expert in range(count):
        shapes |= _mlp(f"mlp.experts.{expert}", 128, 64)
    return shapes


def _attention(queries: int, *, keys: int = 64, head_dim: int = 32, output: int = 128) -> _Shapes:
    return {
        "self_attn.q_proj.weight": (queries, 128),
        "self_attn.k_proj.weight": (keys, 128),
        "self_attn.v_proj.weight": (keys, 128),
        "self_attn.o_proj.weight": (128, output),
        "self_attn.q_norm.weight": (head_dim,),
        "self_attn.k_norm.weight": (head_dim,),
    }


def _mixture() -> list[_Shapes]:
    return [_attention(128) | _experts()] * 2


def _latent() -> list[_Shapes]:
    attention: _Shapes = {
        "self_attn.q_proj.weight": (4 * 48, 128),
        "self_attn.kv_a_proj_with_mqa.weight": (64 + 16, 128),
        "self_attn.kv_a_layernorm.weight": (64,),
        "self_attn.kv_b_proj.weight": (4 * 64, 64),
        "self_attn.o_proj.weight": (128, 4 * 32),
    }
    return [attention | _mlp("mlp", 128, 256), attention | _experts() | _mlp("mlp.shared_experts", 128, 64)]


def _hybrid() -> list[_Shapes]:
    experts = _experts() | _mlp("mlp.shared_expert", 128, 64) | {"mlp.shared_expert_gate.weight": (1, 128)}
    linear: _Shapes = {
        "linear_attn.in_proj_qkvz.weight": (2 * 64 + 2 * 128, 128),
        "linear_attn.in_proj_ba.weight": (8, 128),
        "linear_attn.conv1d.weight": (2 * 64 + 128, 1, 4),
        "linear_attn.dt_bias": (4,),
        "linear_attn.A_log": (4,),
        "linear_attn.norm.weight": (32,),
        "linear_attn.out_proj.weight": (128, 128),
    }
    return [*[linear | experts] * 3, _attention(256) | experts]
