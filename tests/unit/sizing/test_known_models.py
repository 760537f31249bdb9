"""Models that people know, by their published numbers of parameters: every architecture has its own traps."""

from typing import Any

import pytest

from genmodel_operator.sizing.estimate.estimate import estimate
from genmodel_operator.sizing.estimate.result import Estimate

GIB = 2**30


def described(
    architecture: str, model_type: str, sizes: tuple[int, int, int, int, int, int], positions: int, **more: Any
) -> dict[str, Any]:
    """A configuration from hidden size, MLP, layers, heads, KV heads and vocabulary."""
    names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
             "vocab_size")  # fmt: skip
    return {
        "architectures": [architecture], "model_type": model_type, **dict(zip(names, sizes, strict=True)),
        "max_position_embeddings": positions, "torch_dtype": "bfloat16", "tie_word_embeddings": False, **more,
    }  # fmt: skip


KIMI_K2 = described(
    "DeepseekV3ForCausalLM", "kimi_k2", (7168, 18432, 61, 64, 64, 163840), 131072, kv_lora_rank=512, q_lora_rank=1536,
    qk_rope_head_dim=64, qk_nope_head_dim=128, v_head_dim=128, n_routed_experts=384, n_shared_experts=1,
    num_experts_per_tok=8, moe_intermediate_size=2048, first_k_dense_replace=1, num_nextn_predict_layers=0,
    quantization_config={"quant_method": "fp8", "weight_block_size": [128, 128]},
)  # fmt: skip
KIMI_K2_THINKING = {
    **KIMI_K2,
    "quantization_config": {
        "quant_method": "compressed-tensors",
        "ignore": ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*", "re:.*mlp\\.(gate|up|gate_up|down)_proj.*"],
        "config_groups": {
            "group_0": {
                "targets": ["Linear"],
                "weights": {"num_bits": 4, "type": "int", "group_size": 32, "symmetric": True},
            }
        },
    },
}
LONGCAT = {
    "architectures": ["LongcatFlashForCausalLM"], "model_type": "longcat_flash", "hidden_size": 6144,
    "ffn_hidden_size": 12288, "expert_ffn_hidden_size": 2048, "num_layers": 28, "num_attention_heads": 64,
    "vocab_size": 131072, "max_position_embeddings": 131072, "kv_lora_rank": 512, "q_lora_rank": 1536,
    "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "n_routed_experts": 512,
    "zero_expert_num": 256, "moe_topk": 12, "torch_dtype": "bfloat16",
}  # fmt: skip
GRANITE_LAYERS = ["attention" if index in (5, 15, 25, 35) else "mamba" for index in range(40)]
GRANITE_SMALL = described(
    "GraniteMoeHybridForCausalLM", "granitemoehybrid", (4096, 768, 40, 32, 8, 100352), 131072,
    layer_types=GRANITE_LAYERS, mamba_chunk_size=256, mamba_d_conv=4, mamba_d_head=64, mamba_d_state=128,
    mamba_expand=2, mamba_n_groups=1, mamba_n_heads=128, num_experts_per_tok=10, num_local_experts=72,
    shared_intermediate_size=1536, tie_word_embeddings=True,
)  # fmt: skip
QWEN3_NEXT = described(
    "Qwen3NextForCausalLM", "qwen3_next", (2048, 5120, 48, 16, 2, 151936), 262144, head_dim=256,
    full_attention_interval=4, linear_conv_kernel_dim=4, linear_key_head_dim=128, linear_num_key_heads=16,
    linear_num_value_heads=32, linear_value_head_dim=128, moe_intermediate_size=512, num_experts=512,
    num_experts_per_tok=10, shared_expert_intermediate_size=512,
)  # fmt: skip
LFM2 = described(
    "Lfm2ForCausalLM", "lfm2", (2048, 12288, 16, 32, 8, 65536), 32768, block_auto_adjust_ff_dim=True,
    block_ffn_dim_multiplier=1.0, block_multiple_of=256, conv_L_cache=3, conv_dim=2048,
    full_attn_idxs=[2, 5, 8, 10, 12, 14], tie_word_embeddings=True,
)  # fmt: skip
JAMBA = described(
    "JambaForCausalLM", "jamba", (4096, 14336, 32, 32, 8, 65536), 262144, attn_layer_offset=4, attn_layer_period=8,
    expert_layer_offset=1, expert_layer_period=2, mamba_d_conv=4, mamba_d_state=16, mamba_dt_rank=256, mamba_expand=2,
    num_experts=16, num_experts_per_tok=2,
)  # fmt: skip
APERTUS = described("ApertusForCausalLM", "apertus", (4096, 21504, 32, 32, 8, 131072), 65536, qk_norm=True)
SMOLLM3 = described(
    "SmolLM3ForCausalLM", "smollm3", (2048, 11008, 36, 16, 4, 128256), 65536, tie_word_embeddings=True,
    no_rope_layers=[1, 1, 1, 0] * 9,
)  # fmt: skip
GLM_45_AIR = described(
    "Glm4MoeForCausalLM", "glm4_moe", (4096, 10944, 46, 96, 8, 151552), 131072, head_dim=128, first_k_dense_replace=1,
    moe_intermediate_size=1408, n_routed_experts=128, n_shared_experts=1, num_experts_per_tok=8, attention_bias=True,
    num_nextn_predict_layers=1,
)  # fmt: skip
HUNYUAN = described(
    "HunYuanMoEV1ForCausalLM", "hunyuan_v1_moe", (4096, 3072, 32, 32, 8, 128167), 32768, head_dim=128, num_experts=64,
    moe_topk=[8] * 32, moe_intermediate_size=[3072] * 32, num_shared_expert=[1] * 32, use_qk_norm=True,
    tie_word_embeddings=True,
)  # fmt: skip
ARCTIC = described(
    "ArcticForCausalLM", "arctic", (7168, 4864, 35, 56, 8, 32000), 4096, num_local_experts=128, num_experts_per_tok=2,
    parallel_attn_mlp_res=True,
)  # fmt: skip
DBRX = {
    "architectures": ["DbrxForCausalLM"], "model_type": "dbrx", "d_model": 6144, "n_heads": 48, "n_layers": 40,
    "max_seq_len": 32768, "vocab_size": 100352, "attn_config": {"kv_n_heads": 8}, "tie_word_embeddings": False,
    "ffn_config": {"ffn_hidden_size": 10752, "moe_num_experts": 16, "moe_top_k": 4}, "torch_dtype": "bfloat16",
}  # fmt: skip
BGE_M3 = described(
    "XLMRobertaModel", "xlm-roberta", (1024, 4096, 24, 16, 16, 250002), 8194, type_vocab_size=1, torch_dtype="float32"
)
OLMO3 = described(
    "Olmo3ForCausalLM", "olmo3", (4096, 11008, 32, 32, 32, 100278), 65536, sliding_window=4096,
    layer_types=[*["sliding_attention"] * 3, "full_attention"] * 8,
)  # fmt: skip


def answered(config: dict[str, Any], **changes: Any) -> Estimate:
    request = {"id": "r", "model": {"id": "m", "config": config}, "vllm_version": "0.22.0",
               "gpu": {"product": "NVIDIA-H200", "memory_gib": 140, "interconnect": "nvlink"}}  # fmt: skip
    answer = estimate({**request, **changes})
    assert isinstance(answer, Estimate), answer
    return answer


@pytest.mark.parametrize(
    ("config", "billions"),
    [
        pytest.param(QWEN3_NEXT, 79.7, id="Qwen3-Next-80B-A3B, without its drafting layer"),
        pytest.param(LONGCAT, 560, id="LongCat-Flash: two attentions and two MLPs in each layer"),
        pytest.param(LFM2, 1.17, id="LFM2-1.2B: the class makes its MLP narrower"),
        pytest.param(JAMBA, 51.6, id="Jamba"),
        pytest.param(GRANITE_SMALL, 32.2, id="Granite-4.0-h-small"),
        pytest.param(APERTUS, 8.05, id="Apertus-8B: an MLP without a gate"),
        pytest.param(SMOLLM3, 3.08, id="SmolLM3-3B"),
        pytest.param(GLM_45_AIR, 106.9, id="GLM-4.5-Air, without its drafting layer"),
        pytest.param(HUNYUAN, 80.4, id="Hunyuan-A13B"),
        pytest.param(ARCTIC, 479, id="Arctic: an MLP beside its experts"),
        pytest.param(DBRX, 131.6, id="DBRX"),
        pytest.param(BGE_M3, 0.568, id="bge-m3"),
        pytest.param(OLMO3, 7.3, id="OLMo-3-7B"),
    ],
)
def test_parameters(config: dict[str, Any], billions: float) -> None:
    weights = answered(config).weights_bytes
    assert weights is not None
    assert weights / 2e9 == pytest.approx(billions, rel=0.012)


@pytest.mark.parametrize(
    ("config", "gib"),
    [pytest.param(KIMI_K2, 959, id="Kimi-K2, fp8"), pytest.param(KIMI_K2_THINKING, 554, id="Kimi-K2-Thinking, int4")],
)
def test_files_of_known_size(config: dict[str, Any], gib: float) -> None:
    weights = answered(config).weights_bytes
    assert weights is not None
    assert weights / GIB == pytest.approx(gib, rel=0.01)


def test_two_attentions_in_a_layer_have_two_caches() -> None:
    cache = 8 * GIB
    twice = answered(LONGCAT, kv_cache_memory_bytes=cache, tensor_parallel_size=8).kv_tokens or 0
    assert twice == pytest.approx(cache / (2 * 28 * (512 + 64) * 2), rel=0.01)


def test_a_wider_mlp_in_layers_that_share_a_cache() -> None:
    config: dict[str, Any] = {
        "architectures": ["Gemma4ForConditionalGeneration"], "model_type": "gemma4", "torch_dtype": "bfloat16",
        "text_config": {
            "model_type": "gemma4_text", "hidden_size": 1536, "intermediate_size": 6144, "num_hidden_layers": 35,
            "num_attention_heads": 8, "num_key_value_heads": 1, "head_dim": 256, "vocab_size": 262144,
            "layer_types": [*["sliding_attention"] * 4, "full_attention"] * 7, "max_position_embeddings": 131072,
            "sliding_window": 512, "num_kv_shared_layers": 20,
        },
    }  # fmt: skip

    def weights(**text: Any) -> int:
        return answered({**config, "text_config": {**config["text_config"], **text}}).weights_bytes or 0

    assert weights(use_double_wide_mlp=True) - weights(use_double_wide_mlp=False) == pytest.approx(
        2 * 20 * 3 * 1536 * 6144, rel=0.06
    )


def test_a_tower_that_is_described_by_a_name_is_said_to_be_left_out() -> None:
    config = {
        "architectures": ["DeepseekOCRForCausalLM"], "model_type": "deepseek_vl_v2", "torch_dtype": "bfloat16",
        "language_config": {
            "model_type": "deepseek_v2", "hidden_size": 1280, "intermediate_size": 6848, "num_hidden_layers": 12,
            "num_attention_heads": 10, "num_key_value_heads": 10, "vocab_size": 129280, "kv_lora_rank": None,
            "max_position_embeddings": 8192, "n_routed_experts": 64, "n_shared_experts": 2, "num_experts_per_tok": 6,
            "moe_intermediate_size": 896, "first_k_dense_replace": 1, "v_head_dim": 0, "qk_nope_head_dim": 0,
        },
        "vision_config": {"model_type": "vision", "width": {"clip-l-14-224": {"layers": 24}}},
    }  # fmt: skip
    assert any("is not counted" in warning for warning in answered(config).warnings)
