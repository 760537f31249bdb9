"""A configuration that is missing something, contradicts itself or is absurd is refused by the field's name."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.sizing.configs import find_config
from genmodel_operator.sizing.shape.model import Unsizable
from genmodel_operator.sizing.shape.read import read_shape
from genmodel_operator.sizing.tensors.layout import why_invalid_layout
from genmodel_operator.sizing.tensors.model import Layout
from genmodel_operator.sizing.tensors.weights import read_weights
from tests.builders_shapes import (
    DEEPSEEK_V3,
    GEMMA3_27B,
    GPT_OSS_20B,
    LLAMA_8B,
    QWEN3_5_27B,
    QWEN3_30B_A3B,
    Config,
    with_scheme,
)

DATA = Path(__file__).parents[3] / "bench/sizing/data/model_configs.json"


def _without(config: Config, *names: str) -> Config:
    return {name: value for name, value in config.items() if name not in names}


@pytest.mark.parametrize(
    ("config", "want_reason", "want_words"),
    [
        pytest.param(_without(LLAMA_8B, "architectures"), "MissingConfigField", "architectures", id="no architecture"),
        pytest.param(_without(LLAMA_8B, "hidden_size"), "MissingConfigField", "hidden_size", id="no hidden size"),
        pytest.param(
            _without(LLAMA_8B, "num_hidden_layers"), "MissingConfigField", "num_hidden_layers", id="no layers"
        ),
        pytest.param(
            _without(LLAMA_8B, "num_attention_heads"), "MissingConfigField", "num_attention_heads", id="no heads"
        ),
        pytest.param(
            {**LLAMA_8B, "architectures": ["FooForCausalLM"]},
            "UnsupportedArchitecture",
            "FooForCausalLM is not known to vLLM",
            id="unknown architecture",
        ),
        pytest.param(
            {**LLAMA_8B, "architectures": ["EagleLlamaForCausalLM"]},
            "UnsupportedArchitecture",
            "draft",
            id="a draft model",
        ),
        pytest.param({**LLAMA_8B, "architectures": "Llama"}, "InvalidRequest", "architectures", id="a name for a list"),
        pytest.param(
            {**LLAMA_8B, "hidden_size": "4096"}, "InvalidRequest", "hidden_size in config.json is '4096'", id="text"
        ),
        pytest.param({**LLAMA_8B, "num_hidden_layers": -1}, "InvalidRequest", "num_hidden_layers", id="negative"),
        pytest.param(
            {**LLAMA_8B, "num_hidden_layers": 10**9}, "InvalidRequest", "num_hidden_layers", id="a billion layers"
        ),
        pytest.param({**LLAMA_8B, "num_attention_heads": True}, "InvalidRequest", "num_attention_heads", id="a switch"),
        pytest.param({**LLAMA_8B, "vocab_size": 1e30}, "InvalidRequest", "vocab_size", id="larger than any vocabulary"),
        pytest.param(
            {**LLAMA_8B, "num_key_value_heads": 7}, "InvalidRequest", "num_key_value_heads 7", id="7 of 32 heads"
        ),
        pytest.param(
            {**LLAMA_8B, "hidden_size": 4097}, "InvalidRequest", "hidden_size 4097", id="no multiple of the heads"
        ),
        pytest.param(
            {**LLAMA_8B, "layer_types": ["full_attention"] * 31}, "InvalidRequest", "describes 31 layers", id="31 of 32"
        ),
        pytest.param(
            {**LLAMA_8B, "layer_types": ["telepathy"] * 32}, "UnsupportedArchitecture", "telepathy", id="unknown kind"
        ),
        pytest.param({**LLAMA_8B, "torch_dtype": "int3"}, "InvalidRequest", "int3", id="unknown type"),
        pytest.param(
            {**QWEN3_30B_A3B, "num_experts_per_tok": 129},
            "InvalidRequest",
            "more than the 128 experts",
            id="129 of 128",
        ),
        pytest.param(
            {**LLAMA_8B, "rope_scaling": {"type": "linear", "factor": -8}},
            "InvalidRequest",
            "factor",
            id="negative factor",
        ),
        pytest.param(
            {**LLAMA_8B, "partial_rotary_factor": 3}, "InvalidRequest", "partial_rotary_factor", id="three heads"
        ),
        pytest.param({**LLAMA_8B, "text_config": 5}, "InvalidRequest", "text_config", id="a number for a part"),
        pytest.param(
            {**LLAMA_8B, "mamba_d_state": 16}, "MissingConfigField", "layer_types", id="states without saying where"
        ),
        pytest.param(
            {**LLAMA_8B, "rwkv_head_size": 64}, "UnsupportedArchitecture", "rwkv_head_size", id="a state not known here"
        ),
        pytest.param(
            {**LLAMA_8B, "architectures": ["NemotronHForCausalLM"], "model_type": "nemotron_h"},
            "MissingConfigField",
            "hybrid_override_pattern",
            id="a hybrid without its pattern",
        ),
        pytest.param(
            {**LLAMA_8B, "architectures": ["FalconH1ForCausalLM"], "model_type": "falcon_h1"},
            "UnsupportedArchitecture",
            "side by side",
            id="two mixers in one layer",
        ),
        pytest.param([], "InvalidRequest", "JSON object", id="a list for everything"),
    ],
)
def test_refused_by_name(config: Any, want_reason: str, want_words: str) -> None:
    with pytest.raises(Unsizable) as refused:
        read_shape(config)
    assert refused.value.reason == want_reason
    assert want_words in refused.value.message


def test_sizes_that_only_weights_need_may_be_absent_for_the_cache() -> None:
    shape = read_shape(_without(LLAMA_8B, "intermediate_size", "model_type") | {"num_hidden_layers": 40})
    assert shape.unknown == ("intermediate_size",)
    with pytest.raises(Unsizable, match="intermediate_size"):
        read_weights(shape)


REASONS = {"MissingConfigField", "UnsupportedArchitecture", "UnsupportedQuantization", "InvalidRequest"}


def _total_or_reason(config: Config, parameters: dict[str, int] | None) -> Any:
    """Return the bytes on one device, or the reason why they cannot be computed."""
    try:
        shape = read_shape(config)
        table = read_weights(shape, parameters=parameters)
    except Unsizable as refused:
        return refused.reason if refused.message else None
    for layout in (Layout(8), Layout(2, 2)):
        if why_invalid_layout(shape, layout) is None:
            table.on_device(layout)
    return table.on_device(Layout()).total_bytes


def _entries() -> list[str]:
    return [entry["repo_id"] for entry in json.loads(DATA.read_text(encoding="utf-8"))["models"]]


@pytest.mark.parametrize("repository", _entries())
def test_every_known_configuration_is_read_or_refused_with_a_reason(repository: str) -> None:
    known = find_config(repository, "")  # None where only a count of parameters is known
    config, parameters = (known.config, known.parameters) if known is not None else ({}, None)
    assert _total_or_reason(config, parameters) in REASONS or _total_or_reason(config, parameters) > 0


_BASES = [LLAMA_8B, QWEN3_30B_A3B, DEEPSEEK_V3, GEMMA3_27B, QWEN3_5_27B, GPT_OSS_20B, with_scheme(LLAMA_8B, num_bits=4)]
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


def _paths(config: Config, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, value in config.items():
        found.append((*before, name))
        if isinstance(value, dict):
            found += _paths(value, (*before, name))
    return found


def _put(config: Config, path: tuple[str, ...], value: object) -> Config:
    head, *rest = path
    return {**config, head: _put(config[head], tuple(rest), value) if rest else value}


@given(data=st.data())
@settings(max_examples=400)
def test_any_value_in_any_field_is_sized_or_refused(data: st.DataObject) -> None:
    base = data.draw(st.sampled_from(_BASES))
    path = data.draw(st.sampled_from(_paths(base)))
    assert _total_or_reason(_put(base, path, data.draw(_ANYTHING)), None)
