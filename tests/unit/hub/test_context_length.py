"""The longest context."""

from typing import Any

import pytest

from genmodel_operator.hub.context_length import NoLength, context_length, text_config


def length(
    config: dict[str, Any], tokenizer: dict[str, Any] | None = None, sentence: dict[str, Any] | None = None
) -> tuple[int, str]:
    found = context_length(config, tokenizer=tokenizer or {}, sentence=sentence or {})
    return found.tokens, found.source


BASE: dict[str, Any] = {"max_position_embeddings": 4096}


@pytest.mark.parametrize(
    ("config", "want"),
    [
        pytest.param(BASE, 4096, id="plain"),
        pytest.param({"n_positions": 1024}, 1024, id="GPT-2"),
        pytest.param({"seq_length": 8192, "max_position_embeddings": 32768}, 8192, id="the smallest of several"),
        pytest.param({**BASE, "model_max_length": 131072}, 131072, id="model_max_length goes first"),
        pytest.param({"text_config": {"max_position_embeddings": 2048}, **BASE}, 2048, id="the language model's part"),
        pytest.param({"thinker_config": {"text_config": BASE}}, 4096, id="a part of a part"),
        pytest.param({**BASE, "rope_scaling": {"type": "linear", "factor": 4.0}}, 16384, id="linear scaling"),
        pytest.param({**BASE, "rope_scaling": {"rope_type": "dynamic", "factor": 2}}, 8192, id="dynamic scaling"),
        pytest.param(
            {**BASE, "rope_scaling": {"type": "yarn", "factor": 4.0}}, 4096, id="yarn states the scaled length"
        ),
        pytest.param({**BASE, "rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, 4096, id="so does llama3"),
        pytest.param({**BASE, "rope_scaling": {"type": "longrope"}}, 4096, id="so does longrope"),
        pytest.param({**BASE, "rope_parameters": {"rope_type": "linear", "factor": 2.0}}, 8192, id="the new field"),
        pytest.param(
            {
                **BASE,
                "rope_parameters": {
                    "full_attention": {"rope_type": "linear", "factor": 2.0},
                    "sliding_attention": {"rope_type": "default"},
                },
            },
            8192,
            id="per kind of layer",
        ),
        pytest.param(
            {**BASE, "model_type": "gemma3_text", "rope_scaling": {"rope_type": "linear", "factor": 8.0}},
            4096,
            id="Gemma 3 states the scaled length",
        ),
        pytest.param({**BASE, "rope_scaling": {"type": "linear", "factor": None}}, 4096, id="a null factor"),
        pytest.param({**BASE, "rope_scaling": None, "n_positions": None}, 4096, id="null fields"),
    ],
)
def test_the_length_is_derived_as_the_engine_derives_it(config: dict[str, Any], want: int) -> None:
    assert length(config)[0] == want


@pytest.mark.parametrize(
    ("tokenizer", "sentence", "want"),
    [
        pytest.param({"model_max_length": 512}, {}, (512, "tokenizer_config.json: model_max_length"), id="tokenizer"),
        pytest.param({"model_max_length": 1e30}, {}, (4096, "config.json: max_position_embeddings"), id="no limit"),
        pytest.param(
            {"model_max_length": 10**30}, {}, (4096, "config.json: max_position_embeddings"), id="no limit, whole"
        ),
        pytest.param(
            {"model_max_length": "512"}, {}, (4096, "config.json: max_position_embeddings"), id="not a number"
        ),
        pytest.param(
            {"model_max_length": 512},
            {"max_seq_length": 256},
            (256, "sentence-transformers: max_seq_length"),
            id="sentence-transformers",
        ),
        pytest.param({}, {"max_seq_length": None}, (4096, "config.json: max_position_embeddings"), id="null"),
    ],
)
def test_the_smallest_limit_wins(tokenizer: dict[str, Any], sentence: dict[str, Any], want: tuple[int, str]) -> None:
    assert length(BASE, tokenizer, sentence) == want


def test_the_source_says_where_a_factor_came_in() -> None:
    scaled = {**BASE, "rope_scaling": {"type": "linear", "factor": 2.5}}
    assert length(scaled) == (10240, "config.json: max_position_embeddings x rope factor 2.5")


@pytest.mark.parametrize(
    ("config", "want"),
    [
        pytest.param({}, "max_position_embeddings is missing", id="missing"),
        pytest.param({"max_position_embeddings": "4096"}, "max_position_embeddings is '4096', not a number", id="text"),
        pytest.param({"max_position_embeddings": 0}, "max_position_embeddings is 0, not a number", id="zero"),
        pytest.param({"max_position_embeddings": True}, "max_position_embeddings is True, not a number", id="truth"),
    ],
)
def test_a_missing_or_wrong_length_is_named(config: dict[str, Any], want: str) -> None:
    with pytest.raises(NoLength, match=want):
        length(config)


def test_a_text_model_is_its_own_text_part() -> None:
    assert text_config(BASE) is BASE
