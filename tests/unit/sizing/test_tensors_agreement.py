"""Files that are not those of their configuration are refused by the tensor's name."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from genmodel_operator.hub.facts import Tensor
from genmodel_operator.sizing.estimate.estimate import estimate
from genmodel_operator.sizing.estimate.result import EstimateError
from genmodel_operator.sizing.plan import Misfit, ServingPlan
from genmodel_operator.sizing.shape.read import read_shape
from genmodel_operator.sizing.tensors.agreement import Disagreement, check_agreement
from tests.builders import a_tensor
from tests.builders_estimate import a_request
from tests.builders_sizing import (
    LLAMA_31_8B,
    LLAMA_32_1B,
    MISTRAL_7B_V03,
    PHI_4,
    QWEN3_8B,
    QWEN3_30B_A3B,
    TINY_CHAT,
    a_gpu_node,
    decoder_tensors,
    facts_of,
    planned,
)

H100 = a_gpu_node("NVIDIA-H100-80GB-HBM3")
KEYS = "model.layers.2.self_attn.k_proj.weight"


@pytest.mark.parametrize("config", [TINY_CHAT, LLAMA_32_1B, QWEN3_8B, PHI_4], ids=["tiny", "Llama", "Qwen3", "fused"])
def test_files_of_the_configuration(config: dict[str, Any]) -> None:
    assert isinstance(planned(facts_of(config), H100, context={"maxModelLen": 512}), ServingPlan)


def changed(config: dict[str, Any], ending: str, rows: int, dtype: str | None = None) -> tuple[Tensor, ...]:
    """The tensors of a model, with other rows in those of layer 2 that end like this."""
    return tuple(
        a_tensor(tensor.name, (rows, *tensor.shape[1:]), dtype or tensor.dtype)
        if f"layers.2.self_attn.{ending}" in tensor.name
        else tensor
        for tensor in decoder_tensors(config)
    )


@pytest.mark.parametrize(
    ("config", "ending", "rows"),
    [
        pytest.param(TINY_CHAT, "k_proj.weight", 256, id="more heads in the files"),
        pytest.param(TINY_CHAT, "v_proj.weight", 64, id="fewer heads in the files"),
        pytest.param(PHI_4, "qkv_proj.weight", 15360, id="fused, without shared heads"),
    ],
)
def test_other_files_are_refused_by_name(config: dict[str, Any], ending: str, rows: int) -> None:
    misfit = planned(facts_of(config, changed(config, ending, rows)), H100)
    assert isinstance(misfit, Misfit)
    assert misfit.reason == "MetadataInvalid"
    assert f"model.layers.2.self_attn.{ending} has {rows} rows, and config.json describes" in str(misfit.values)


def test_packed_weights_have_rows_of_their_own() -> None:
    packed = changed(TINY_CHAT, "k_proj.weight", 16, "I32")
    assert isinstance(planned(facts_of(TINY_CHAT, packed), H100), ServingPlan)


def test_layers_that_are_not_loaded_do_not_count() -> None:
    beyond = a_tensor(KEYS.replace("layers.2", "layers.9"), (999, 256))
    facts = facts_of(TINY_CHAT)
    assert isinstance(planned(replace(facts, tensors=(*facts.tensors, beyond)), H100), ServingPlan)


COUNTS: dict[str, Any] = json.loads(Path(__file__).with_name("transformers_counts.json").read_text(encoding="utf-8"))
"""Names and shapes of Transformers' own classes."""
OWN_FIELDS = {"mimo_v2_flash": {"swa_num_key_value_heads": 8}}
"""What the engine reads and Transformers computes."""


def of_class(model_type: str) -> list[Tensor]:
    return [
        a_tensor(name.replace("#", str(layer)), tuple(sides))
        for name, sides, layers in COUNTS[model_type]["tensors"]
        for layer in layers
    ]


@pytest.mark.parametrize("model_type", sorted(COUNTS))
def test_no_class_of_transformers_is_refused(model_type: str) -> None:
    config = {**COUNTS[model_type]["config"], **OWN_FIELDS.get(model_type, {})}
    check_agreement(read_shape(config, has_tensors=True), of_class(model_type))


WHOLE = decoder_tensors(LLAMA_31_8B)


@pytest.mark.parametrize(
    ("tensors", "want_words"),
    [
        pytest.param(WHOLE[:1], "no tensor of layer 0 and 31 more", id="one tensor"),
        pytest.param((*WHOLE, WHOLE[7]), f"{WHOLE[7].name} is listed twice", id="a tensor twice"),
        pytest.param(
            [one for one in WHOLE if "layers.17." not in one.name], "no tensor of layer 17,", id="a layer missing"
        ),
        pytest.param(
            [one for one in WHOLE if int((one.name.split(".") + ["0"] * 3)[2] if "layers" in one.name else 0) < 20],
            "no tensor of layer 20 and 11 more",
            id="the last shard missing",
        ),
        pytest.param(
            [one for one in WHOLE if "embed" not in one.name], "no table of embeddings", id="embeddings missing"
        ),
        pytest.param(
            [a_tensor(o.name, (128256, 2048)) if "embed" in o.name else o for o in WHOLE],
            "embed_tokens.weight has 2048 columns, and config.json describes 4096",
            id="embeddings of another width",
        ),
        pytest.param(
            [a_tensor(o.name, (32000, 4096)) if "embed" in o.name else o for o in WHOLE],
            "embed_tokens.weight has 32000 rows, and config.json describes 128256",
            id="another vocabulary",
        ),
        pytest.param(
            [a_tensor(o.name, (8192, 4096)) if "layers.3.mlp.up_proj" in o.name else o for o in WHOLE],
            r"layers.3.mlp.up_proj.weight has the shape \[8192, 4096\], and config.json describes \[14336, 4096\]",
            id="a narrower MLP",
        ),
        pytest.param(
            [a_tensor(o.name, (4096, 8192)) if "layers.3.mlp.down_proj" in o.name else o for o in WHOLE],
            r"down_proj.weight has the shape \[4096, 8192\], and config.json describes \[4096, 14336\]",
            id="a narrower way down",
        ),
    ],
)
def test_files_that_are_not_all_are_refused_by_name(tensors: Sequence[Tensor], want_words: str) -> None:
    with pytest.raises(Disagreement, match=want_words) as refused:
        check_agreement(read_shape(LLAMA_31_8B), tuple(tensors))
    assert refused.value.reason == "InvalidRequest"


@pytest.mark.parametrize(
    ("name", "sides", "want_words"),
    [
        pytest.param("experts.5.gate_proj.weight", (1536, 2048), r"describes \[768, 2048\]", id="wider experts"),
        pytest.param("experts.5.down_proj.weight", (2048, 1536), r"describes \[2048, 768\]", id="the way down"),
        pytest.param("experts.gate_up_proj", (64, 2048, 1536), "describes 128 experts of", id="fewer, in one tensor"),
        pytest.param("experts.down_proj", (128, 512, 2048), "describes 128 experts of", id="narrower, in one tensor"),
    ],
)
def test_experts_of_other_sizes_are_refused_by_name(name: str, sides: tuple[int, ...], want_words: str) -> None:
    other = a_tensor(f"model.layers.4.mlp.{name}", sides)
    kept = [one for one in decoder_tensors(QWEN3_30B_A3B) if one.name != other.name]
    with pytest.raises(Disagreement, match=want_words):
        check_agreement(read_shape(QWEN3_30B_A3B), (*kept, other))


@pytest.mark.parametrize(
    ("name", "sides", "dtype"),
    [
        pytest.param("model.embed_tokens.weight", (128512, 4096), "BF16", id="padded words"),
        pytest.param("model.layers.3.mlp.up_proj.weight", (1792, 4096), "I32", id="packed weights"),
        pytest.param("model.layers.3.mlp.shared_experts.up_proj.weight", (99, 4096), "BF16", id="a shared expert"),
        pytest.param("mtp.layers.0.mlp.up_proj.weight", (99, 4096), "BF16", id="a drafting layer"),
        pytest.param("vision_tower.layers.0.mlp.up_proj.weight", (99, 99), "BF16", id="a tower"),
        pytest.param("model.embeddings.projection.weight", (99, 99), "BF16", id="a projection of embeddings"),
    ],
)
def test_what_may_be_otherwise(name: str, sides: tuple[int, ...], dtype: str) -> None:
    others = [one for one in WHOLE if one.name != name]
    check_agreement(read_shape(LLAMA_31_8B), (*others, a_tensor(name, sides, dtype)))


def test_shared_words_may_have_the_name_of_the_output() -> None:
    tensors = [
        a_tensor("lm_head.weight", one.shape) if "embed" in one.name else one for one in decoder_tensors(LLAMA_32_1B)
    ]
    check_agreement(read_shape(LLAMA_32_1B), tuple(tensors))


def test_the_names_of_mistral_are_read() -> None:
    names = {
        "model.layers": "layers", "model.embed_tokens": "tok_embeddings", "lm_head": "output", "model.norm": "norm",
        "self_attn.q_proj": "attention.wq", "self_attn.k_proj": "attention.wk", "self_attn.v_proj": "attention.wv",
        "self_attn.o_proj": "attention.wo", "mlp.gate_proj": "feed_forward.w1", "mlp.down_proj": "feed_forward.w2",
        "mlp.up_proj": "feed_forward.w3",
    }  # fmt: skip
    made = []
    for one in decoder_tensors(MISTRAL_7B_V03):
        name = one.name
        for theirs, ours in names.items():
            name = name.replace(theirs, ours)
        made.append(a_tensor(name, one.shape))
    check_agreement(read_shape(MISTRAL_7B_V03), tuple(made))


@pytest.mark.parametrize("dropped", ["layers.2.", "embed_tokens"])
def test_the_plan_names_what_is_missing(dropped: str) -> None:
    kept = tuple(one for one in decoder_tensors(TINY_CHAT) if dropped not in one.name)
    misfit = planned(facts_of(TINY_CHAT, kept), H100)
    assert isinstance(misfit, Misfit)
    assert misfit.reason == "MetadataInvalid"
    assert dict(misfit.values)["file"] == "model*.safetensors"


def test_an_estimate_from_one_tensor_is_refused() -> None:
    tensors = [{"name": "model.embed_tokens.weight", "dtype": "BF16", "shape": [151936, 4096]}]
    request = a_request()
    answer = estimate({**request, "model": {**request["model"], "tensors": tensors}})
    assert isinstance(answer, EstimateError)
    assert (answer.reason, "no tensor of layer 0 and 35 more" in answer.message) == ("InvalidRequest", True)
