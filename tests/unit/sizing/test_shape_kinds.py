"""Which kind of mixer each layer has."""

import pytest

from genmodel_operator.sizing.shape.model import (
    Attention,
    CompressedAttention,
    CrossAttention,
    EncoderAttention,
    GatedDeltaNet,
    LatentAttention,
    Layer,
    Mamba2,
    ModelShape,
)
from genmodel_operator.sizing.shape.read import read_shape
from tests.builders_shapes import DEEPSEEK_V3, GEMMA3_27B, GPT_OSS_20B, LLAMA_8B, QWEN2_7B, QWEN3_5_27B, Config


def _letter(layer: Layer) -> str:
    match layer.mixer:
        case Attention(window=None, chunk=None):
            return "F"
        case Attention(chunk=None):
            return "S"
        case Attention():
            return "C"
        case None:
            return "-"
    return {GatedDeltaNet: "L", Mamba2: "M", LatentAttention: "A", CrossAttention: "X", EncoderAttention: "E"}[
        type(layer.mixer)
    ]


def _letters(shape: ModelShape) -> str:
    return "".join(map(_letter, shape.layers))


def _plain(layers: int, **fields: object) -> Config:
    return {**LLAMA_8B, "num_hidden_layers": layers, **fields}


WINDOWED = {"sliding_window": 1024}
NEMOTRON_H: Config = {
    "architectures": ["NemotronHForCausalLM"], "model_type": "nemotron_h", "hidden_size": 2688,
    "num_attention_heads": 32, "num_key_value_heads": 2, "head_dim": 128, "vocab_size": 131072,
    "intermediate_size": 1856, "mamba_num_heads": 64, "mamba_head_dim": 64, "ssm_state_size": 128, "n_groups": 8,
    "conv_kernel": 4, "n_routed_experts": 128, "n_shared_experts": 1, "num_experts_per_tok": 6,
    "moe_intermediate_size": 1856, "moe_shared_expert_intermediate_size": 3712, "max_position_embeddings": 262144,
}  # fmt: skip
BERT: Config = {
    "architectures": ["BertModel"], "model_type": "bert", "hidden_size": 1024, "num_hidden_layers": 24,
    "num_attention_heads": 16, "intermediate_size": 4096, "vocab_size": 30522,
}  # fmt: skip
KIMI_LINEAR: Config = {
    "architectures": ["KimiLinearForCausalLM"], "model_type": "kimi_linear", "hidden_size": 2304,
    "num_hidden_layers": 4, "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 163840,
    "intermediate_size": 9216, "kv_lora_rank": 512, "q_lora_rank": None, "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64, "v_head_dim": 128, "num_experts": 256, "num_experts_per_token": 8,
    "moe_intermediate_size": 1024, "first_k_dense_replace": 1,
    "linear_attn_config": {"kda_layers": [1, 2, 3], "full_attn_layers": [4], "num_heads": 32, "head_dim": 128,
                           "short_conv_kernel_size": 4},
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "want"),
    [
        pytest.param(_plain(3), "FFF", id="plain"),
        pytest.param(_plain(3, sliding_window=None), "FFF", id="a window that is none"),
        pytest.param(_plain(3, **WINDOWED), "SSS", id="one window everywhere"),
        pytest.param(_plain(6, **WINDOWED, sliding_window_pattern=3), "SSFSSF", id="each third is full"),
        pytest.param(_plain(6, **WINDOWED, sliding_window_pattern="LLLG"), "SSSFSS", id="LLLG"),
        pytest.param(_plain(3, **WINDOWED, hybrid_layer_pattern=[0, 1, 0]), "FSF", id="hybrid_layer_pattern"),
        pytest.param(
            _plain(3, **WINDOWED, layer_types=["sliding_attention", "full_attention", "sliding_attention"]),
            "SFS",
            id="layer_types",
        ),
        pytest.param(
            _plain(2, layer_types=["sliding_attention", "full_attention"], sliding_window=None),
            "FF",
            id="layer_types names windows and there is none",
        ),
        pytest.param({**QWEN2_7B, "num_hidden_layers": 3}, "FFF", id="qwen 2 names a window and switches it off"),
        pytest.param(
            {**QWEN2_7B, "num_hidden_layers": 4, "use_sliding_window": True, "max_window_layers": 2},
            "FFSS",
            id="qwen 2 with its window on, from max_window_layers",
        ),
        pytest.param({**GPT_OSS_20B, "layer_types": None}, "SF" * 12, id="gpt-oss, from the class"),
        pytest.param(
            {**LLAMA_8B, "architectures": ["Gemma2ForCausalLM"], "model_type": "gemma2", "num_hidden_layers": 4},
            "SFSF",
            id="gemma 2, from the class",
        ),
        pytest.param(_plain(4, attention_chunk_size=8192), "CCCF", id="chunks: each fourth is full"),
        pytest.param(
            _plain(4, attention_chunk_size=8192, no_rope_layers=[1, 0, 1, 0]), "CFCF", id="chunks: no_rope_layers"
        ),
        pytest.param({**NEMOTRON_H, "hybrid_override_pattern": "M-M*E"}, "M-MF-", id="hybrid_override_pattern"),
        pytest.param(
            {**NEMOTRON_H, "layers_block_type": ["mamba", "moe", "attention"], "num_hidden_layers": 3},
            "M-F",
            id="layers_block_type",
        ),
        pytest.param(QWEN3_5_27B, "LLLF" * 16, id="full_attention_interval"),
        pytest.param(KIMI_LINEAR, "LLLA", id="linear_attn_config counts from one"),
        pytest.param(DEEPSEEK_V3, "A" * 61, id="latent attention"),
        pytest.param(
            {
                "architectures": ["BertModel"],
                "model_type": "bert",
                "hidden_size": 1024,
                "num_hidden_layers": 2,
                "num_attention_heads": 16,
                "intermediate_size": 4096,
                "vocab_size": 30522,
            },
            "EE",
            id="an encoder",
        ),
        pytest.param(_plain(2, is_causal=False), "EE", id="a decoder made an encoder"),
        pytest.param(_plain(4, cross_attention_layers=[1, 3]), "FXFX", id="cross attention"),
        pytest.param(
            _plain(4, attn_type_list=[0, 0, 1, 0], full_attn_alpha_factor=1), "LLFL", id="attn_type_list of MiniMax"
        ),
    ],
)
def test_kinds_of_layers(config: Config, want: str) -> None:
    assert _letters(read_shape(config)) == want


def test_gemma_3_has_five_windows_to_one_full_layer() -> None:
    shape = read_shape(GEMMA3_27B)
    assert _letters(shape) == "SSSSSF" * 10 + "SS"
    assert shape.layers[0].mixer == Attention(32, 16, 128, 128, window=1024)


def test_the_last_layers_of_gemma_4_reuse_the_caches_before_them() -> None:
    shape = read_shape({
        "architectures": ["Gemma4ForCausalLM"], "model_type": "gemma4_text", "hidden_size": 1536,
        "num_hidden_layers": 6, "num_attention_heads": 8, "num_key_value_heads": 1, "head_dim": 256,
        "intermediate_size": 6144, "global_head_dim": 512, "num_kv_shared_layers": 2, "sliding_window": 512,
        "layer_types": ["sliding_attention", "full_attention"] * 3,
    })  # fmt: skip
    assert [layer.cache_of for layer in shape.layers] == [None, None, None, None, 2, 3]
    assert shape.layers[1].mixer == Attention(8, 1, 512, 512)


def test_states_of_gated_delta_net_are_wide_in_qwen_3_5() -> None:
    mixer = read_shape(QWEN3_5_27B).layers[0].mixer
    assert mixer == GatedDeltaNet(16, 48, 128, 128, 4, state_element_bytes=4)


def test_a_state_type_of_the_configuration_wins() -> None:
    text = {**QWEN3_5_27B["text_config"], "mamba_ssm_dtype": "bfloat16"}
    mixer = read_shape({**QWEN3_5_27B, "text_config": text}).layers[0].mixer
    assert isinstance(mixer, GatedDeltaNet)
    assert mixer.state_element_bytes == 2


def test_mamba_of_both_generations() -> None:
    second = read_shape({**NEMOTRON_H, "hybrid_override_pattern": "M*"}).layers[0].mixer
    assert second == Mamba2(64, 64, 128, 8, 4, state_element_bytes=4)
    jamba = read_shape({
        "architectures": ["JambaForCausalLM"], "model_type": "jamba", "hidden_size": 4096, "num_hidden_layers": 8,
        "num_attention_heads": 32, "intermediate_size": 14336, "attn_layer_period": 8, "attn_layer_offset": 4,
    })  # fmt: skip
    assert _letters(jamba) == "MMMMFMMM"
    assert jamba.layers[0].mixer == Mamba2(8192, 1, 16, 0, 4, state_element_bytes=2, step_rank=256)


def test_compressed_attention_of_deepseek_v4() -> None:
    shape = read_shape({
        "architectures": ["DeepseekV4ForCausalLM"], "model_type": "deepseek_v4", "hidden_size": 4096,
        "num_hidden_layers": 3, "num_attention_heads": 64, "num_key_value_heads": 1, "head_dim": 512,
        "sliding_window": 128, "q_lora_rank": 1024, "qk_rope_head_dim": 64, "index_n_heads": 64, "index_head_dim": 128,
        "o_groups": 8, "o_lora_rank": 1024, "compress_ratios": [0, 4, 128, 0], "num_nextn_predict_layers": 1,
        "n_routed_experts": 256, "num_experts_per_tok": 6, "moe_intermediate_size": 2048, "vocab_size": 129280,
    })  # fmt: skip
    mixers = [layer.mixer for layer in shape.layers]
    assert all(isinstance(mixer, CompressedAttention) for mixer in mixers)
    assert [mixer.ratio for mixer in mixers if isinstance(mixer, CompressedAttention)] == [0, 4, 128]
    assert [mixer.index_heads for mixer in mixers if isinstance(mixer, CompressedAttention)] == [0, 64, 0]


def test_blocks_chosen_one_by_one() -> None:
    shape = read_shape({
        "architectures": ["DeciLMForCausalLM"], "model_type": "nemotron-nas", "hidden_size": 8192,
        "num_hidden_layers": 2, "num_attention_heads": 64, "vocab_size": 128256,
        "block_configs": [
            {"attention": {"n_heads_in_group": 8}, "ffn": {"ffn_mult": 5.25}},
            {"attention": {"no_op": True}, "ffn": {"ffn_mult": 1.3125}},
        ],
    })  # fmt: skip
    assert shape.layers[0].mixer == Attention(64, 8, 128, 128)
    assert shape.layers[1].mixer is None
    assert [layer.mlp.intermediate for layer in shape.layers if layer.mlp is not None] == [28672, 7168]
