"""Every dialect of config.json is read into the same shape."""

from typing import Any

import pytest

from genmodel_operator.sizing.shape.model import Attention, DenseMLP, LatentAttention, Mixture
from genmodel_operator.sizing.shape.read import read_shape, served_dtype
from tests.builders_shapes import DEEPSEEK_V3, GEMMA3_27B, LLAMA_8B, PHI_4, QWEN3_5_27B, QWEN3_30B_A3B, Config


def _first(config: Config) -> Attention:
    mixer = read_shape(config).layers[0].mixer
    assert isinstance(mixer, Attention)
    return mixer


CHATGLM: Config = {
    "architectures": ["ChatGLMModel"], "model_type": "chatglm", "num_layers": 28, "hidden_size": 4096,
    "num_attention_heads": 32, "kv_channels": 128, "multi_query_attention": True, "multi_query_group_num": 2,
    "padded_vocab_size": 65024, "ffn_hidden_size": 13696, "seq_length": 8192, "torch_dtype": "float16",
}  # fmt: skip
DBRX: Config = {
    "architectures": ["DbrxForCausalLM"], "model_type": "dbrx", "d_model": 6144, "n_heads": 48, "n_layers": 40,
    "max_seq_len": 32768, "vocab_size": 100352, "attn_config": {"kv_n_heads": 8},
    "ffn_config": {"ffn_hidden_size": 10752, "moe_num_experts": 16, "moe_top_k": 4},
}  # fmt: skip
FALCON: Config = {
    "architectures": ["FalconForCausalLM"], "model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 32,
    "num_attention_heads": 71, "vocab_size": 65024, "multi_query": True, "new_decoder_architecture": False,
}  # fmt: skip
GPT2: Config = {
    "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12,
    "n_positions": 1024, "vocab_size": 50257, "n_inner": None,
}  # fmt: skip
QWEN_1: Config = {
    "architectures": ["QWenLMHeadModel"], "model_type": "qwen", "hidden_size": 4096, "intermediate_size": 22016,
    "num_hidden_layers": 32, "num_attention_heads": 32, "kv_channels": 128, "vocab_size": 151936, "seq_length": 8192,
}  # fmt: skip
STEP3P5_WINDOWS: Config = {
    "architectures": ["MiMoV2FlashForCausalLM"], "model_type": "mimo_v2_flash", "hidden_size": 4096,
    "intermediate_size": 16384, "num_hidden_layers": 4, "num_attention_heads": 64, "num_key_value_heads": 4,
    "head_dim": 192, "v_head_dim": 128, "swa_num_attention_heads": 64, "swa_num_key_value_heads": 8,
    "swa_head_dim": 192, "swa_v_head_dim": 128, "sliding_window": 128, "hybrid_layer_pattern": [0, 1, 1, 0],
    "n_routed_experts": 256, "num_experts_per_tok": 8, "moe_intermediate_size": 2048, "moe_layer_freq": [0, 1, 1, 1],
    "vocab_size": 152576,
}  # fmt: skip
MINICPM3: Config = {
    "architectures": ["MiniCPM3ForCausalLM"], "model_type": "minicpm3", "hidden_size": 2560,
    "intermediate_size": 6400, "num_hidden_layers": 62, "num_attention_heads": 40, "num_key_value_heads": 40,
    "vocab_size": 73448, "kv_lora_rank": 256, "q_lora_rank": 768, "qk_rope_head_dim": 32, "qk_nope_head_dim": 64,
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "want"),
    [
        pytest.param(LLAMA_8B, (32, 4096, 32, 8, 128, 128256, 131072), id="llama"),
        pytest.param(CHATGLM, (28, 4096, 32, 2, 128, 65024, 8192), id="chatglm, with names of its own for everything"),
        pytest.param(DBRX, (40, 6144, 48, 8, 128, 100352, 32768), id="dbrx, with sizes in nested objects"),
        pytest.param(FALCON, (32, 4544, 71, 1, 64, 65024, 2048), id="falcon, one key head without a number"),
        pytest.param(GPT2, (12, 768, 12, 12, 64, 50257, 1024), id="gpt2"),
        pytest.param(QWEN_1, (32, 4096, 32, 32, 128, 151936, 8192), id="the first qwen, all heads have keys"),
        pytest.param(PHI_4, (40, 5120, 40, 10, 128, 100352, 16384), id="phi-4, head size from the hidden size"),
        pytest.param(GEMMA3_27B, (62, 5376, 32, 16, 128, 262208, 131072), id="gemma 3, nested, defaults of the class"),
    ],
)
def test_dimensions(config: Config, want: tuple[int, ...]) -> None:
    shape, first = read_shape(config), _first(config)
    assert (
        len(shape.layers), shape.hidden, first.heads, first.kv_heads, first.head_dim, shape.vocab, shape.max_positions,
    ) == want  # fmt: skip


@pytest.mark.parametrize(
    ("config", "want"),
    [
        pytest.param(LLAMA_8B, DenseMLP(14336), id="three matrices"),
        pytest.param(GPT2, DenseMLP(3072, gated=False), id="gpt2: two matrices, four times the hidden size"),
        pytest.param(FALCON, DenseMLP(18176, gated=False), id="falcon: four times the hidden size"),
        pytest.param(QWEN_1, DenseMLP(11008), id="the first qwen: half of what is written"),
        pytest.param(CHATGLM, DenseMLP(13696), id="ffn_hidden_size"),
        pytest.param(DBRX, Mixture(16, 4, 10752), id="dbrx: experts in ffn_config"),
        pytest.param(QWEN3_30B_A3B, Mixture(128, 8, 768), id="moe_intermediate_size"),
    ],
)
def test_mlp_of_the_first_layer(config: Config, want: DenseMLP | Mixture) -> None:
    assert read_shape(config).layers[0].mlp == want


@pytest.mark.parametrize(
    ("fields", "want_sparse"),
    [
        pytest.param({}, [0, 1, 2, 3], id="all of them"),
        pytest.param({"mlp_only_layers": [0, 2]}, [1, 3], id="mlp_only_layers"),
        pytest.param({"decoder_sparse_step": 2}, [1, 3], id="decoder_sparse_step"),
        pytest.param({"first_k_dense_replace": 1}, [1, 2, 3], id="first_k_dense_replace"),
        pytest.param({"first_k_dense_replace": 1, "moe_layer_freq": 2}, [2], id="moe_layer_freq as a step"),
        pytest.param({"moe_layer_freq": [0, 0, 1, 0]}, [2], id="moe_layer_freq as a list"),
        pytest.param({"interleave_moe_layer_step": 2}, [1, 3], id="interleave_moe_layer_step"),
        pytest.param({"mlp_layer_types": ["dense", "sparse", "dense", "sparse"]}, [1, 3], id="mlp_layer_types"),
        pytest.param({"moe_layers_enum": "2,3"}, [2, 3], id="moe_layers_enum"),
        pytest.param({"expert_layer_period": 2, "expert_layer_offset": 1}, [1, 3], id="expert_layer_period"),
        pytest.param({"moe_layer_start_index": 1, "moe_layer_end_index": 2}, [1, 2], id="moe_layer_start_index"),
    ],
)
def test_which_layers_are_mixtures(fields: Config, want_sparse: list[int]) -> None:
    shape = read_shape({**QWEN3_30B_A3B, "num_hidden_layers": 4, **fields})
    assert [index for index, layer in enumerate(shape.layers) if isinstance(layer.mlp, Mixture)] == want_sparse


@pytest.mark.parametrize(
    ("fields", "want"),
    [
        pytest.param({"n_shared_experts": 2}, 1536, id="count x size of an expert"),
        pytest.param({"shared_expert_intermediate_size": 512}, 512, id="a size of its own"),
        pytest.param({"share_expert_dim": 640}, 640, id="share_expert_dim"),
        pytest.param(
            {"n_shared_experts": 1, "moe_shared_expert_intermediate_size": 900}, 900, id="a size for each shared expert"
        ),
        pytest.param({}, 0, id="none"),
    ],
)
def test_shared_experts(fields: Config, want: int) -> None:
    mlp = read_shape({**QWEN3_30B_A3B, **fields}).layers[0].mlp
    assert isinstance(mlp, Mixture)
    assert mlp.shared_intermediate == want


def test_llama_4_has_experts_and_dense_layers_of_different_sizes() -> None:
    shape = read_shape({
        "architectures": ["Llama4ForConditionalGeneration"], "model_type": "llama4",
        "text_config": {"model_type": "llama4_text", "num_hidden_layers": 4, "interleave_moe_layer_step": 2,
                        "num_local_experts": 128, "max_position_embeddings": 1048576},
    })  # fmt: skip
    assert shape.layers[0].mlp == DenseMLP(16384)
    assert shape.layers[1].mlp == Mixture(128, 1, 8192, shared_intermediate=8192)


def test_latent_attention_of_deepseek() -> None:
    shape = read_shape(DEEPSEEK_V3)
    assert shape.layers[0].mixer == LatentAttention(128, 512, 64, 128, 128, query_rank=1536)
    assert isinstance(shape.layers[2].mlp, DenseMLP)
    assert shape.layers[3].mlp == Mixture(256, 8, 2048, shared_intermediate=2048)
    assert shape.draft_layers == 1


def test_an_indexer_is_part_of_latent_attention() -> None:
    v32 = {**DEEPSEEK_V3, "architectures": ["DeepseekV32ForCausalLM"], "model_type": "deepseek_v32",
           "index_n_heads": 64, "index_head_dim": 128}  # fmt: skip
    mixer = read_shape(v32).layers[0].mixer
    assert isinstance(mixer, LatentAttention)
    assert (mixer.index_heads, mixer.index_dim) == (64, 128)


def test_minicpm3_has_compressed_projections_and_a_plain_cache() -> None:
    mixer = _first(MINICPM3)
    assert (mixer.heads, mixer.kv_heads, mixer.head_dim) == (40, 40, 96)
    assert mixer.compression is not None


def test_windowed_layers_may_have_heads_of_their_own() -> None:
    layers = read_shape(STEP3P5_WINDOWS).layers
    assert layers[0].mixer == Attention(64, 4, 192, 128)
    assert layers[1].mixer == Attention(64, 8, 192, 128, window=128)
    assert isinstance(layers[0].mlp, DenseMLP)


@pytest.mark.parametrize(
    ("config", "want"),
    [
        pytest.param({**LLAMA_8B, "torch_dtype": "float16"}, "float16", id="torch_dtype"),
        pytest.param({**LLAMA_8B, "torch_dtype": None, "dtype": "bfloat16"}, "bfloat16", id="dtype"),
        pytest.param({**LLAMA_8B, "torch_dtype": "float32"}, "bfloat16", id="float32 is served in half of it"),
        pytest.param(QWEN3_5_27B, "bfloat16", id="in the text part"),
        pytest.param({k: v for k, v in LLAMA_8B.items() if k != "torch_dtype"}, "bfloat16", id="absent"),
    ],
)
def test_type_of_the_weights(config: Config, want: str) -> None:
    assert served_dtype(read_shape(config)) == want


def test_a_nested_field_wins_over_the_same_field_outside() -> None:
    outer = {**QWEN3_5_27B, "hidden_size": 1, "tie_word_embeddings": True, "num_attention_heads": 7}
    shape = read_shape(outer)
    assert (shape.hidden, shape.tied_embeddings) == (5120, False)


@pytest.mark.parametrize("part", ["text_config", "llm_config", "language_config"])
def test_names_of_the_text_part(part: str) -> None:
    config = {**{k: v for k, v in QWEN3_5_27B.items() if k != "text_config"}, part: QWEN3_5_27B["text_config"]}
    assert read_shape(config).hidden == 5120


def test_the_model_type_follows_from_the_class_where_it_is_missing() -> None:
    config: dict[str, Any] = {k: v for k, v in QWEN3_30B_A3B.items() if k != "model_type"}
    assert read_shape(config) == read_shape(QWEN3_30B_A3B)


def test_a_tower_is_read() -> None:
    vision = read_shape(QWEN3_5_27B).vision
    assert vision is not None
    assert (vision.layers, vision.hidden, vision.heads, vision.intermediate) == (27, 1152, 16, 4304)
    assert read_shape(QWEN3_5_27B).is_multimodal
    assert not read_shape(LLAMA_8B).is_multimodal
