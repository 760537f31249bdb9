"""Dimensions from the many names of config.json."""

from typing import Any

import pytest

from genmodel_operator.sizing.architecture import Architecture, CacheNotComputable, read_architecture
from tests.builders_sizing import LLAMA_31_8B, QWEN3_30B_A3B

GPT_2 = {"n_layer": 12, "n_embd": 768, "n_head": 12, "vocab_size": 50257, "n_positions": 1024, "n_inner": None}
CHATGLM = {
    "num_layers": 28,
    "hidden_size": 4096,
    "ffn_hidden_size": 13696,
    "num_attention_heads": 32,
    "multi_query_attention": True,
    "multi_query_group_num": 2,
    "kv_channels": 128,
    "padded_vocab_size": 65024,
}


def test_llama() -> None:
    assert read_architecture(LLAMA_31_8B) == Architecture(
        layers=32, hidden=4096, intermediate=14336, vocab=128256, heads=32, kv_heads=8, head_dim=128
    )


def test_mixture_of_experts() -> None:
    got = read_architecture(QWEN3_30B_A3B)
    assert isinstance(got, Architecture)
    assert (got.experts, got.experts_per_token, got.expert_intermediate) == (128, 8, 768)


@pytest.mark.parametrize(
    ("config", "want"),
    [
        pytest.param(
            GPT_2,
            Architecture(layers=12, hidden=768, intermediate=3072, vocab=50257, heads=12, kv_heads=12, head_dim=64),
            id="GPT-2's names and its default MLP",
        ),
        pytest.param(
            CHATGLM,
            Architecture(layers=28, hidden=4096, intermediate=13696, vocab=65024, heads=32, kv_heads=2, head_dim=128),
            id="ChatGLM's names",
        ),
        pytest.param(
            GPT_2 | {"multi_query": True},
            Architecture(layers=12, hidden=768, intermediate=3072, vocab=50257, heads=12, kv_heads=1, head_dim=64),
            id="multi-query attention",
        ),
        pytest.param(
            GPT_2 | {"num_local_experts": 0},
            Architecture(layers=12, hidden=768, intermediate=3072, vocab=50257, heads=12, kv_heads=12, head_dim=64),
            id="dense member of a mixed family",
        ),
    ],
)
def test_other_names(config: dict[str, Any], want: Architecture) -> None:
    assert read_architecture(config) == want


@pytest.mark.parametrize(
    ("change", "want_detail"),
    [
        pytest.param({"num_hidden_layers": None}, "no num_hidden_layers", id="no layers"),
        pytest.param({"hidden_size": None}, "no hidden_size", id="no hidden size"),
        pytest.param({"intermediate_size": None}, "no intermediate_size", id="no MLP size"),
        pytest.param({"vocab_size": None}, "no vocab_size", id="no vocabulary"),
        pytest.param({"num_key_value_heads": [8, 4]}, "is [8, 4], not one positive number", id="differs by layer"),
        pytest.param({"num_hidden_layers": "32"}, "is '32', not one positive number", id="text"),
        pytest.param({"num_hidden_layers": True}, "is True, not one positive number", id="boolean"),
        pytest.param({"num_attention_heads": -1}, "is -1, not one positive number", id="negative"),
        pytest.param({"num_attention_heads": 33}, "no multiple of 33 heads", id="head size that is no whole number"),
        pytest.param({"num_experts": 8}, "no num_experts_per_tok", id="mixture without its width"),
        pytest.param({"vision_config": {"depth": 32}}, "has vision_config", id="vision tower"),
        pytest.param({"text_config": {"num_hidden_layers": 32}}, "has text_config", id="text part of several"),
    ],
)
def test_what_is_missing_is_named(change: dict[str, Any], want_detail: str) -> None:
    got = read_architecture(LLAMA_31_8B | change)
    assert isinstance(got, CacheNotComputable)
    assert want_detail in got.detail
