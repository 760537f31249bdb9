"""No plan: the reason, its values, and changes that really help."""

import re
from typing import Any

import pytest

from genmodel_operator.api.reasons import TABLE, Reason, explain
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.sizing.plan import Misfit, ServingPlan
from tests.builders_sizing import (
    LLAMA_31_8B,
    LLAMA_33_70B,
    MISTRAL_7B_V03,
    PHI_4,
    TINY_CHAT,
    a_gpu_node,
    a_misfit,
    a_node,
    facts_of,
    minilm_facts,
    planned,
)

T4 = a_gpu_node("Tesla-T4", name="t4")
L4 = a_gpu_node("NVIDIA-L4", name="l4")
H100 = a_gpu_node("NVIDIA-H100-80GB-HBM3", count=4, name="h100")
SMALL_CPU = a_node()
LLAMA, TINY = facts_of(LLAMA_31_8B), facts_of(TINY_CHAT)

MISFITS = [
    pytest.param(
        a_misfit(facts_of(TINY_CHAT | {"mamba_d_state": 16}), L4),
        {
            "architecture": "LlamaForCausalLM",
            "detail": "config.json has no layer_types; without it the memory cannot be computed: add it",
        },
        id="cache that cannot be computed",
    ),
    pytest.param(
        a_misfit(facts_of(TINY_CHAT | {"quantization_config": {"quant_method": "newquant"}}), L4),
        {
            "architecture": "LlamaForCausalLM",
            "detail": "quantization_config.quant_method in config.json is 'newquant', not read by the engine: "
            "choose a repository with another format",
        },
        id="quantisation that the engine does not know",
    ),
    pytest.param(
        a_misfit(facts_of(TINY_CHAT | {"head_dim": None, "hidden_size": 250}, tensors=()), L4),
        {
            "architecture": "LlamaForCausalLM",
            "detail": "hidden_size 250 is no multiple of num_attention_heads 4, without head_dim: correct config.json",
        },
        id="sizes that contradict each other",
    ),
    pytest.param(
        a_misfit(minilm_facts(), L4, task=ServedTask.GENERATE),
        {"architecture": "BertModel", "detail": "its layers are those of an encoder, which generates no text"},
        id="encoder that should write",
    ),
    pytest.param(
        a_misfit(TINY, L4, context={"maxModelLen": 2000}), {"wanted": "2000", "limit": "1024"}, id="context too long"
    ),
    pytest.param(
        a_misfit(TINY, L4, precision="FP8"), {"wanted": "FP8", "stored": "Float32"}, id="precision not available"
    ),
    pytest.param(
        a_misfit(TINY),
        {
            "detail": "GPUs or CPU nodes are needed, and there are no schedulable nodes",
            "change": "add a node with a GPU of at least 4 GiB of usable memory",
        },
        id="empty cluster",
    ),
    pytest.param(
        a_misfit(TINY, SMALL_CPU, accelerator={"kind": "GPU"}),
        {
            "detail": "spec.accelerator asks for GPUs, and there are only CPU nodes",
            "change": "allow CPU in spec.accelerator",
        },
        id="GPU asked for, only CPU there",
    ),
    pytest.param(
        a_misfit(LLAMA, L4, accelerator={"products": ["NVIDIA-H100-80GB-HBM3", "NVIDIA-H200"]}),
        {
            "detail": "spec.accelerator.products asks for NVIDIA-H100-80GB-HBM3, NVIDIA-H200, "
            "and there are only NVIDIA-L4 nodes",
            "change": "allow 1 x NVIDIA L4 in spec.accelerator",
        },
        id="products that are not there",
    ),
    pytest.param(
        a_misfit(TINY, a_node(unschedulable=True)),
        {
            "detail": "GPUs or CPU nodes are needed, and there are no schedulable nodes (left out: cpu-1: is cordoned)",
            "change": "add a node with a GPU of at least 4 GiB of usable memory",
        },
        id="all nodes cordoned",
    ),
    pytest.param(
        a_misfit(LLAMA, L4, context={"maxModelLen": 65536}),
        {
            "detail": "example/llamaforcausallm does not fit: 1 x NVIDIA L4: "
            "65536 tokens need 8.00 GiB of KV cache, 3.08 GiB is left",
            "change": "set spec.context.maxModelLen to 25184 or less (on 1 x NVIDIA L4); "
            "or have the platform team add FP8 to policy.allowedPrecisions, so that the weights take half "
            "(on 1 x NVIDIA L4); or add a node with 2 x NVIDIA L4 (the largest has 1); "
            "or add a node with a GPU of at least 27 GiB of usable memory",
        },
        id="request too long for the device",
    ),
    pytest.param(
        a_misfit(LLAMA, L4, context={"maxModelLen": 8192, "concurrency": 10}),
        {
            "detail": "example/llamaforcausallm does not fit: 1 x NVIDIA L4: "
            "10 x 8192 tokens need 10.00 GiB of KV cache, 3.08 GiB is left",
            "change": "set spec.context.maxModelLen to 2512 or less (on 1 x NVIDIA L4); "
            "or set spec.context.concurrency to 3 or less; "
            "or add a node with 2 x NVIDIA L4 (the largest has 1); "
            "or add a node with a GPU of at least 29 GiB of usable memory",
        },
        id="too many at once",
    ),
    pytest.param(
        a_misfit(facts_of(PHI_4), H100, accelerator={"count": 4}),
        {
            "detail": "example/phi3forcausallm does not fit: 4 x NVIDIA H100 80GB HBM3: "
            "10 is not divisible by 4: 10 key and value heads can be neither divided nor repeated evenly "
            "over tensor parallel size (4)",
            "change": "set spec.accelerator.count to 1, or leave it out",
        },
        id="number of devices that the model cannot be divided into",
    ),
    pytest.param(
        a_misfit(facts_of(MISTRAL_7B_V03), L4, accelerator={"count": 2}),
        {
            "detail": "example/mistralforcausallm does not fit: 2 x NVIDIA L4: a node has 1",
            "change": "set spec.accelerator.count to 1, or leave it out",
        },
        id="more devices than a node has",
    ),
    pytest.param(
        a_misfit(facts_of(MISTRAL_7B_V03), a_gpu_node("NVIDIA-L4", count=8), accelerator={"kind": "GPU", "count": 3}),
        {
            "detail": "example/mistralforcausallm does not fit: 3 x NVIDIA L4: "
            "Total number of attention heads (32) must be divisible by tensor parallel size (3)",
            "change": "set spec.accelerator.count to 1, or leave it out",
        },
        id="the engine's own sentence, and a way out that is told once",
    ),
    pytest.param(
        a_misfit(facts_of(LLAMA_33_70B), SMALL_CPU, accelerator={"kind": "CPU"}),
        {
            "detail": "example/llamaforcausallm does not fit: CPU: "
            "142.27 GiB without any KV cache (weights 131.45), 23.50 GiB usable",
            "change": "add a CPU node with at least 144 GiB of allocatable memory",
        },
        id="CPU node too small",
    ),
    pytest.param(
        a_misfit(TINY, a_node(labels={"kubernetes.io/arch": "arm64"})),
        {
            "detail": "example/llamaforcausallm does not fit: CPU: the CPU engine is not for arm64 processors",
            "change": "add a node with a GPU of at least 4 GiB of usable memory",
        },
        id="no node is able",
    ),
]


@pytest.mark.parametrize(("misfit", "want_values"), MISFITS)
def test_values(misfit: Misfit, want_values: dict[str, str]) -> None:
    assert dict(misfit.values) == want_values


@pytest.mark.parametrize(("misfit", "want_values"), MISFITS)
def test_values_are_those_of_the_reason(misfit: Misfit, want_values: dict[str, str]) -> None:
    entry = TABLE[misfit.reason]
    named = set(re.findall(r"{(\w+)}", entry.message + entry.remedy))
    assert {name for name, _ in misfit.values} == named == set(want_values)
    assert "{" not in explain(Reason(misfit.reason), **dict(misfit.values))


@pytest.mark.parametrize(
    ("asked", "helped"),
    [
        pytest.param({"context": {"maxModelLen": 65536}}, {"context": {"maxModelLen": 25184}}, id="shorter"),
        pytest.param(
            {"context": {"maxModelLen": 8192, "concurrency": 10}},
            {"context": {"maxModelLen": 8192, "concurrency": 3}},
            id="fewer at once",
        ),
        pytest.param({"accelerator": {"count": 2}}, {"accelerator": {"count": 1}}, id="another number of devices"),
        pytest.param(
            {"accelerator": {"products": ["NVIDIA-H200"]}}, {"accelerator": {"products": ["NVIDIA-L4"]}}, id="a product"
        ),
    ],
)
def test_what_is_proposed_helps(asked: dict[str, Any], helped: dict[str, Any]) -> None:
    assert isinstance(planned(LLAMA, L4, **asked), Misfit)
    assert isinstance(planned(LLAMA, L4, **helped), ServingPlan)


def test_the_proposed_length_is_the_longest() -> None:
    assert isinstance(planned(LLAMA, L4, context={"maxModelLen": 25184 + 16}), Misfit)


def test_the_nearest_candidate_is_named() -> None:
    misfit = a_misfit(LLAMA, T4, L4, context={"maxModelLen": 65536})
    assert "does not fit: 1 x NVIDIA L4" in dict(misfit.values)["detail"]
    assert [line.product for line in misfit.rejected] == ["NVIDIA-L4", "Tesla-T4"]


def test_lengths_below_what_the_planner_chooses_are_proposed() -> None:
    crowded = a_misfit(LLAMA, L4, context={"concurrency": 20})
    assert "set spec.context.maxModelLen to 1248 or less" in dict(crowded.values)["change"]
