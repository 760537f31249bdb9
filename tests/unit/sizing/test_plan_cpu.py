"""Plans on CPU: small models, whole GiB of cache, containers that fit beside others."""

from dataclasses import replace
from typing import Any

import pytest

from genmodel_operator.sizing.memory import GIB
from genmodel_operator.sizing.plan import accelerator_display
from tests.builders_sizing import (
    LLAMA_31_8B,
    LLAMA_32_1B,
    POLICY,
    TINY_CHAT,
    a_gpu_node,
    a_misfit,
    a_node,
    a_plan,
    facts_of,
    minilm_facts,
)

SMALL_NODE = a_node(memory="24Gi", cpu="2")
LARGE_NODE = a_node(memory="128Gi", cpu="32")
UNLABELLED = a_gpu_node("NVIDIA-L4", labels={"nvidia.com/gpu.product": ""})
"""A node with GPUs that cannot be planned with."""
ONE_B = facts_of(LLAMA_32_1B)


def test_a_tiny_chat_model() -> None:
    plan = a_plan(facts_of(TINY_CHAT), SMALL_NODE)
    assert accelerator_display(plan) == "CPU"
    assert (plan.resource, plan.product, plan.count, plan.tensor_parallel) == ("cpu", "CPU", 0, 1)
    assert (plan.max_model_len, plan.dtype) == (1024, "float32")
    assert plan.kv_cache_bytes == GIB
    assert 4 <= plan.host_memory_gib <= 6
    assert plan.host_memory_gib == plan.memory.total_gib
    assert plan.node_selector == (("kubernetes.io/arch", "amd64"), ("kubernetes.io/os", "linux"))
    assert not plan.is_gpu


def test_minilm() -> None:
    plan = a_plan(minilm_facts(), SMALL_NODE)
    assert (plan.max_model_len, plan.dtype, plan.kv_cache_bytes) == (512, "float32", 0)
    assert plan.max_num_batched_tokens >= plan.max_model_len
    assert plan.memory.weights_gib == pytest.approx(22_713_216 * 4 / GIB, rel=0.01)
    assert 4 <= plan.host_memory_gib <= 6


def test_both_fit_on_one_small_node() -> None:
    together = [a_plan(facts, SMALL_NODE).host_memory_gib for facts in (facts_of(TINY_CHAT), minilm_facts())]
    assert sum(together) <= 12


@pytest.mark.parametrize(
    ("asked", "want_cache_gib"),
    [
        pytest.param({}, 5, id="the model's own limit: 4 GiB and a placeholder block"),
        pytest.param({"context": {"maxModelLen": 2048}}, 2, id="all that 32 requests can use"),
        pytest.param({"context": {"maxModelLen": 8192}}, 4, id="preferred: 4 GiB"),
        pytest.param({"context": {"maxModelLen": 65536, "concurrency": 3}}, 7, id="three long requests"),
    ],
)
def test_cache_in_whole_gib(asked: dict[str, Any], want_cache_gib: int) -> None:
    plan = a_plan(ONE_B, LARGE_NODE, **asked)
    assert plan.kv_cache_bytes == want_cache_gib * GIB
    assert plan.concurrency >= asked.get("context", {}).get("concurrency", 1)


def test_a_small_node_gets_only_the_cache_that_is_needed() -> None:
    plan = a_plan(ONE_B, a_node(memory="12Gi"), context={"maxModelLen": 8192})
    assert plan.kv_cache_bytes == GIB


def test_the_length_is_cut_to_what_the_node_holds() -> None:
    plan = a_plan(ONE_B, a_node(memory="10Gi"))
    assert plan.kv_cache_bytes == 2 * GIB
    assert plan.max_model_len % 16 == 0
    assert 2048 <= plan.max_model_len < 131072
    assert plan.concurrency >= 1


def test_some_memory_stays_for_the_system_s_pods() -> None:
    plan = a_plan(ONE_B, a_node(memory="10Gi"))
    assert plan.memory.total_gib <= 9.5


def test_large_models_go_to_cpu_only_when_asked() -> None:
    facts = facts_of(LLAMA_31_8B)
    strict = replace(POLICY, cpu_max_model_gib=8)
    assert a_misfit(facts, LARGE_NODE, policy=strict).reason == "NoFit"
    assert a_plan(facts, LARGE_NODE, policy=strict, accelerator={"kind": "CPU"}).product == "CPU"


@pytest.mark.parametrize(
    ("asked", "want_products"),
    [
        pytest.param({}, [], id="not by themselves"),
        pytest.param({"accelerator": {"kind": "CPU"}}, ["CPU"], id="where CPU is asked for"),
    ],
)
def test_nodes_with_devices_serve_on_cpu_only_when_asked(asked: dict[str, Any], want_products: list[str]) -> None:
    if want_products:
        assert [a_plan(facts_of(TINY_CHAT), UNLABELLED, **asked).product] == want_products
    else:
        assert a_misfit(facts_of(TINY_CHAT), UNLABELLED).reason == "NoCandidateNodes"


@pytest.mark.parametrize(
    ("node", "facts", "want_reason"),
    [
        pytest.param(
            a_node(labels={"kubernetes.io/arch": "arm64"}),
            facts_of(TINY_CHAT),
            "the CPU engine is not for arm64 processors",
            id="another processor",
        ),
        pytest.param(
            a_node(cpu="1"), facts_of(TINY_CHAT), "the server asks for 2 cores, a node has 1", id="too few cores"
        ),
        pytest.param(
            a_node(),
            facts_of(TINY_CHAT | {"head_dim": 72, "num_attention_heads": 4}),
            "the CPU engine has no attention with heads of 72",
            id="heads that the engine starts with and dies on",
        ),
        pytest.param(
            a_node(memory="4Gi"),
            facts_of(TINY_CHAT),
            "4.34 GiB without any KV cache (weights 0.02), 3.50 GiB usable",
            id="too little memory",
        ),
    ],
)
def test_nodes_that_will_not_do(node: dict[str, Any], facts: Any, want_reason: str) -> None:
    misfit = a_misfit(facts, node)
    assert [line.reason for line in misfit.rejected] == [want_reason]


@pytest.mark.parametrize(
    ("nodes", "want_replicas"),
    [
        pytest.param([a_node(memory="24Gi", cpu="2")], 1, id="cores are the limit"),
        pytest.param([a_node(memory="24Gi", cpu="32")], 4, id="memory is the limit"),
        pytest.param([a_node(name="a", cpu="4"), a_node(name="b", memory="64Gi", cpu="8")], 6, id="two kinds of nodes"),
        pytest.param([a_node(cpu="4"), UNLABELLED], 2, id="nodes with GPUs do not count"),
    ],
)  # fmt: skip
def test_replicas_by_capacity(nodes: list[dict[str, Any]], want_replicas: int) -> None:
    assert a_plan(facts_of(TINY_CHAT), *nodes).replicas_fit == want_replicas


def test_a_server_that_asks_for_no_cores_is_bound_by_memory() -> None:
    assert a_plan(facts_of(TINY_CHAT), SMALL_NODE, policy=replace(POLICY, cpu_request_cores=0)).replicas_fit == 4


def test_an_encoder_holds_the_inputs_that_must_fit_at_once() -> None:
    plan = a_plan(minilm_facts(), LARGE_NODE, context={"concurrency": 8})
    assert plan.max_num_batched_tokens == 8 * 512
    assert plan.concurrency == 8
