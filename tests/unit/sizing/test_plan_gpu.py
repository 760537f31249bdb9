"""Plans on GPUs: which device, how many, how long, and what is said about it."""

import re
from typing import Any

import pytest

from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.sizing.accelerators import Taint
from genmodel_operator.sizing.memory import GIB
from genmodel_operator.sizing.plan import ServingPlan, accelerator_display
from tests.builders_sizing import (
    LLAMA_31_8B,
    LLAMA_33_70B,
    MISTRAL_7B_V03,
    QWEN3_8B,
    TINY_CHAT,
    a_gpu_node,
    a_misfit,
    a_node,
    a_plan,
    facts_of,
    minilm_facts,
)

T4 = a_gpu_node("Tesla-T4", name="t4")
L4 = a_gpu_node("NVIDIA-L4", count=2, name="l4")
L40S = a_gpu_node("NVIDIA-L40S", count=4, name="l40s")
A100 = a_gpu_node("NVIDIA-A100-SXM4-80GB", count=4, name="a100")
H100 = a_gpu_node("NVIDIA-H100-80GB-HBM3", count=8, name="h100")
CPU = a_node(memory="128Gi", cpu="32")
LLAMA, LLAMA_70B, MISTRAL = facts_of(LLAMA_31_8B), facts_of(LLAMA_33_70B), facts_of(MISTRAL_7B_V03)


def test_one_field_on_a_mixed_cluster() -> None:
    plan = a_plan(MISTRAL, T4, L4, A100, CPU)
    assert accelerator_display(plan) == "1 x NVIDIA L4"
    assert (plan.max_model_len, plan.dtype, plan.tensor_parallel) == (32768, "bfloat16", 1)
    assert plan.concurrency >= 1
    assert plan.node_selector == (("nvidia.com/gpu.product", "NVIDIA-L4"),)
    assert (plan.shm_gib, plan.host_memory_gib, plan.ephemeral_gib) == (1, 13, 15)
    assert plan.replicas_fit == 2


@pytest.mark.parametrize(
    ("nodes", "asked", "want_display", "want_length"),
    [
        pytest.param([T4, L4, A100], {}, "1 x NVIDIA L4", 25184, id="cheapest: small device, cut length"),
        pytest.param(
            [T4, L4, A100], {"accelerator": {"policy": "LargestContext"}}, "2 x NVIDIA L4", 131072, id="whole context"
        ),
        pytest.param(
            [L4, A100],
            {"context": {"maxModelLen": 65536}, "accelerator": {"policy": "FewestDevices"}},
            "1 x NVIDIA A100 SXM4 80GB",
            65536,
            id="fewest devices",
        ),
        pytest.param([L4, A100], {"context": {"maxModelLen": 65536}}, "2 x NVIDIA L4", 65536, id="two small are less"),
        pytest.param(
            [L4, A100], {"accelerator": {"products": ["NVIDIA-A100-SXM4-80GB"]}}, "1 x NVIDIA A100 SXM4 80GB", 131072,
            id="only this product",
        ),
        pytest.param([A100], {"accelerator": {"count": 2}}, "2 x NVIDIA A100 SXM4 80GB", 131072, id="so many devices"),
        pytest.param([CPU, L40S], {}, "1 x NVIDIA L40S", 131072, id="GPU before CPU"),
        pytest.param([L4], {"context": {"maxModelLen": 8192, "concurrency": 3}}, "1 x NVIDIA L4", 8192, id="at once"),
        pytest.param([L4], {"context": {"maxModelLen": 8192, "concurrency": 9}}, "2 x NVIDIA L4", 8192, id="many"),
    ],
)  # fmt: skip
def test_choice(nodes: list[dict[str, Any]], asked: dict[str, Any], want_display: str, want_length: int) -> None:
    plan = a_plan(LLAMA, *nodes, **asked)
    assert (accelerator_display(plan), plan.max_model_len) == (want_display, want_length)
    assert plan.concurrency >= asked.get("context", {}).get("concurrency", 1)


def test_a_cramped_device_is_not_chosen_where_a_usable_one_is_there() -> None:
    cramped = a_plan(facts_of(QWEN3_8B), a_gpu_node("NVIDIA-A10"), context={"concurrency": 4})
    assert 2048 <= cramped.max_model_len < 8192
    usable = a_plan(facts_of(QWEN3_8B), a_gpu_node("NVIDIA-A10"), L40S, context={"concurrency": 4})
    assert (usable.product, usable.max_model_len) == ("NVIDIA-L40S", 40960)


def test_seventy_billion_parameters_are_divided() -> None:
    plan = a_plan(LLAMA_70B, H100, A100, L4)
    assert (plan.tensor_parallel, plan.count, plan.resource) == (2, 2, "nvidia.com/gpu")
    assert plan.memory.weights_gib == pytest.approx(65.74, abs=0.01)
    assert plan.shm_gib == 3


def test_bfloat16_becomes_float16_on_turing() -> None:
    plan = a_plan(facts_of(TINY_CHAT | {"torch_dtype": "bfloat16"}), T4)
    assert (plan.product, plan.dtype) == ("Tesla-T4", "float16")
    assert "Float16 converted from BFloat16" in plan.explanation


def test_the_cache_is_no_larger_than_all_requests_can_use() -> None:
    plan = a_plan(facts_of(TINY_CHAT), A100)
    assert plan.max_num_seqs == 256
    assert plan.kv_tokens == 256 * 1024 + 16
    assert plan.memory.margin_gib > 60


def test_memory_is_given_back_by_smaller_batches_before_the_length_is_cut() -> None:
    roomy = a_plan(LLAMA, L4, context={"maxModelLen": 16384})
    tight = a_plan(LLAMA, L4, context={"maxModelLen": 24000})
    assert (roomy.max_num_seqs, tight.max_num_seqs) == (256, 64)


def test_batch_limits_follow_the_wanted_concurrency() -> None:
    plan = a_plan(facts_of(TINY_CHAT), A100, context={"concurrency": 1000})
    assert plan.max_num_seqs == 1000
    assert plan.max_num_batched_tokens >= plan.max_num_seqs
    assert plan.concurrency >= 1000


def test_embedding_with_a_decoder_takes_a_whole_input_in_one_step() -> None:
    plan = a_plan(facts_of(QWEN3_8B), A100, task=ServedTask.EMBED, context={"maxModelLen": 16384})
    assert plan.max_num_batched_tokens == 16384
    assert plan.kv_cache_bytes > 0


def test_an_encoder_on_a_gpu_keeps_no_cache() -> None:
    plan = a_plan(minilm_facts(), T4)
    assert (plan.kv_cache_bytes, plan.kv_tokens, plan.max_model_len) == (0, 0, 512)
    assert plan.concurrency == 4
    assert "An encoder keeps no KV cache." in plan.explanation


GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
TEAM_TAINT = {"key": "dedicated", "value": "team-b", "effect": "NoSchedule"}


def test_the_taint_of_gpu_nodes_is_tolerated() -> None:
    plan = a_plan(MISTRAL, a_gpu_node("NVIDIA-L4", taints=[GPU_TAINT]))
    assert plan.tolerations == (Taint("nvidia.com/gpu", "present", "NoSchedule"),)


def test_nodes_reserved_for_others_are_left_alone() -> None:
    plan = a_plan(MISTRAL, a_gpu_node("NVIDIA-L4", name="theirs", taints=[TEAM_TAINT]), L40S)
    assert plan.product == "NVIDIA-L40S"
    assert [(line.product, line.reason) for line in plan.rejected if line.product == "NVIDIA-L4"] == [
        ("NVIDIA-L4", "its nodes are reserved by the taint dedicated=team-b:NoSchedule")
    ]


@pytest.mark.parametrize(
    ("nodes", "asked", "want_replicas"),
    [
        pytest.param([a_gpu_node("NVIDIA-L4", count=8)], {}, 8, id="one device each"),
        pytest.param([a_gpu_node("NVIDIA-L4", count=8)], {"accelerator": {"count": 4}}, 2, id="four devices each"),
        pytest.param([a_gpu_node("NVIDIA-L4", count=8, memory="48Gi")], {}, 3, id="host memory is the limit"),
        pytest.param([a_gpu_node("NVIDIA-L4", count=8, cpu="9")], {}, 4, id="cores are the limit"),
        pytest.param(
            [a_gpu_node("NVIDIA-L4", count=2, name="a"), a_gpu_node("NVIDIA-L4", count=8, name="b")],
            {},
            10,
            id="nodes of two sizes",
        ),
        pytest.param(
            [a_gpu_node("NVIDIA-L4", name="a"), a_gpu_node("NVIDIA-L4", name="b", taints=[TEAM_TAINT])],
            {},
            1,
            id="nodes of others do not count",
        ),
        pytest.param(
            [a_gpu_node("NVIDIA-L4", name="a"), a_gpu_node("NVIDIA-L40S", name="b", count=8)],
            {},
            1,
            id="other products do not count",
        ),
    ],
)
def test_replicas_by_capacity(nodes: list[dict[str, Any]], asked: dict[str, Any], want_replicas: int) -> None:
    assert a_plan(MISTRAL, *nodes, **asked).replicas_fit == want_replicas


@pytest.mark.parametrize(
    ("node", "want_reason"),
    [
        pytest.param(a_gpu_node("NVIDIA-L4", cpu="1"), "the server asks for 2 cores, a node has 1", id="too few cores"),
        pytest.param(
            a_gpu_node("NVIDIA-L4", memory="12Gi"),
            "it needs 13 GiB of host memory, a node has 12.0 GiB",
            id="small host",
        ),
        pytest.param(
            a_gpu_node(
                "NVIDIA-L4", labels={"nvidia.com/gpu.compute.minor": "", "nvidia.com/gpu.product": "NVIDIA-Next"}
            ),
            "its compute capability is unknown: the label nvidia.com/gpu.compute.major is missing",
            id="unknown capability",
        ),
    ],
)
def test_nodes_that_will_not_do(node: dict[str, Any], want_reason: str) -> None:
    assert [line.reason for line in a_misfit(MISTRAL, node).rejected] == [want_reason]


def test_rejected_candidates_say_why() -> None:
    plan = a_plan(LLAMA, T4, L4, CPU, context={"maxModelLen": 16384})
    assert [(line.product, line.count) for line in plan.rejected] == [("NVIDIA-L4", 2), ("CPU", 0), ("Tesla-T4", 1)]
    second, cpu, small = (line.reason for line in plan.rejected)
    assert second == (
        "fits with 16384 tokens per request and 43.8 GiB; 1 x NVIDIA L4 has 16384 and 21.9 GiB (policy Cheapest)"
    )
    assert cpu == "fits, but a GPU is preferred to CPU"
    assert small == "18.60 GiB without any KV cache (weights 14.99), 14.56 GiB usable"


def parts(plan: ServingPlan) -> tuple[list[float], float]:
    """The memory sentence's addends and its sum, as printed."""
    match = re.search(r"weights ([\d.]+) \+ KV cache ([\d.]+) \+ activation ([\d.]+) \+ overhead ([\d.]+) "
                      r"\+ margin ([\d.]+) = ([\d.]+) GiB", plan.explanation)  # fmt: skip
    assert match is not None, plan.explanation
    *addends, total = map(float, match.groups())
    return addends, total


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(a_plan(MISTRAL, L4), id="Mistral on an L4"),
        pytest.param(a_plan(LLAMA, L4), id="Llama on an L4"),
        pytest.param(a_plan(LLAMA_70B, H100), id="Llama 70B on two H100"),
        pytest.param(a_plan(minilm_facts(), T4), id="MiniLM on a T4"),
        pytest.param(a_plan(facts_of(TINY_CHAT), CPU), id="tiny model on CPU"),
    ],
)
def test_the_explanation_adds_up_as_printed(plan: ServingPlan) -> None:
    addends, total = parts(plan)
    assert round(100 * sum(addends)) == round(100 * total)
    assert total == pytest.approx(plan.memory.total_gib, abs=0.005)


def test_the_explanation_can_be_recomputed() -> None:
    plan = a_plan(MISTRAL, L4)
    said = re.search(r"2 x (\d+) heads x (\d+) x (\d+) bytes x (\d+) layers = (\d+) bytes per token; (\d+) blocks of "
                     r"(\d+) are (\d+) tokens", plan.explanation)  # fmt: skip
    assert said is not None, plan.explanation
    heads, size, width, layers, token_bytes, blocks, block, tokens = map(int, said.groups())
    assert 2 * heads * size * width * layers == token_bytes == 131_072
    assert blocks * block == tokens == plan.kv_tokens
    assert tokens * token_bytes == plan.kv_cache_bytes
    assert plan.memory.kv_cache_gib == plan.kv_cache_bytes / GIB


@pytest.mark.parametrize(
    ("asked", "want_sentence"),
    [
        pytest.param(
            {},
            "up to 25184 tokens, the most that fits; the model's own limit is 131072: "
            "spec.accelerator.policy LargestContext looks for more.",
            id="cut",
        ),
        pytest.param(
            {"accelerator": {"policy": "LargestContext", "count": 1}},
            "up to 25184 tokens, the most that fits; the model's own limit is 131072.",
            id="cut, and nothing larger",
        ),
        pytest.param({"context": {"maxModelLen": 4096}}, "up to 4096 tokens, as asked", id="asked for"),
    ],
)
def test_the_explanation_says_where_the_length_comes_from(asked: dict[str, Any], want_sentence: str) -> None:
    assert want_sentence in a_plan(LLAMA, L4, **asked).explanation
