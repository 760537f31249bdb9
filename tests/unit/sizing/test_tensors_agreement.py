"""Files that are not those of their configuration are refused by the tensor's name."""

from dataclasses import replace
from typing import Any

import pytest

from genmodel_operator.hub.facts import Tensor
from genmodel_operator.sizing.plan import Misfit, ServingPlan
from tests.builders import a_tensor
from tests.builders_sizing import (
    LLAMA_32_1B,
    PHI_4,
    QWEN3_8B,
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
    assert misfit.reason == "CacheNotComputable"
    assert f"model.layers.2.self_attn.{ending} has {rows} rows, and config.json describes" in str(misfit.values)


def test_packed_weights_have_rows_of_their_own() -> None:
    packed = changed(TINY_CHAT, "k_proj.weight", 16, "I32")
    assert isinstance(planned(facts_of(TINY_CHAT, packed), H100), ServingPlan)


def test_layers_that_are_not_loaded_do_not_count() -> None:
    beyond = a_tensor(KEYS.replace("layers.2", "layers.9"), (999, 256))
    facts = facts_of(TINY_CHAT)
    assert isinstance(planned(replace(facts, tensors=(*facts.tensors, beyond)), H100), ServingPlan)
