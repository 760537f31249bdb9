"""Plans in revisions and in status."""

import json
from dataclasses import replace

import pytest

from genmodel_operator.sizing.accelerators import Taint
from genmodel_operator.sizing.plan import (
    RejectedCandidate,
    ServingPlan,
    accelerator_display,
    plan_from_json,
    plan_status,
    plan_to_json,
)
from tests.builders import a_cpu_plan, a_gpu_plan
from tests.builders_sizing import LLAMA_31_8B, TINY_CHAT, a_gpu_node, a_node, a_plan, facts_of, minilm_facts

L4 = a_gpu_node("NVIDIA-L4", taints=[{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}])

PLANS = [
    pytest.param(a_plan(facts_of(LLAMA_31_8B), L4, a_gpu_node("Tesla-T4", name="t4")), id="on a GPU, with others"),
    pytest.param(a_plan(facts_of(TINY_CHAT), a_node()), id="on CPU"),
    pytest.param(a_plan(minilm_facts(), a_node()), id="without a cache"),
    pytest.param(a_gpu_plan(rejected=(RejectedCandidate("CPU", 0, "no"),)), id="as other tests build it"),
    pytest.param(a_gpu_plan(tolerations=(Taint("a", "", "NoExecute"),)), id="with a toleration"),
]


@pytest.mark.parametrize("plan", PLANS)
def test_round_trip_through_text(plan: ServingPlan) -> None:
    text = json.dumps(plan_to_json(plan), sort_keys=True)
    assert plan_from_json(json.loads(text)) == plan
    assert json.dumps(plan_to_json(plan_from_json(json.loads(text))), sort_keys=True) == text


def test_fields_of_a_newer_version_are_ignored() -> None:
    plan = a_gpu_plan()
    document = plan_to_json(plan)
    document |= {"novelty": 1, "memory": document["memory"] | {"spare_gib": 2}}
    assert plan_from_json(document) == plan


def test_a_missing_field_is_an_error() -> None:
    document = plan_to_json(a_gpu_plan())
    del document["max_model_len"]
    with pytest.raises(TypeError, match="max_model_len"):
        plan_from_json(document)


@pytest.mark.parametrize("plan", PLANS)
def test_status_adds_up(plan: ServingPlan) -> None:
    memory = plan_status(plan).memory
    cents = [round(100 * part) for part in (
        memory.weights_gib, memory.kv_cache_gib, memory.activation_gib, memory.overhead_gib, memory.margin_gib,
    )]  # fmt: skip
    assert sum(cents) == round(100 * memory.total_gib)


def test_status_of_a_plan() -> None:
    plan = a_gpu_plan(rejected=(RejectedCandidate("Tesla-T4", 1, "too small"),))
    shown = plan_status(plan, ["args[0]: --port"]).model_dump(by_alias=True)
    assert shown["accelerator"] == {"resource": "nvidia.com/gpu", "product": "NVIDIA-L4", "count": 1}
    assert (shown["maxModelLen"], shown["concurrency"], shown["replicasFit"]) == (16384, 2.0, 4)
    assert shown["rejected"] == [{"product": "Tesla-T4", "count": 1, "reason": "too small"}]
    assert shown["overridden"] == ["args[0]: --port"]
    assert shown["explanation"] == plan.explanation


@pytest.mark.parametrize(
    ("plan", "want_text"),
    [
        pytest.param(a_gpu_plan(), "1 x NVIDIA L4", id="one GPU"),
        pytest.param(
            replace(a_gpu_plan(), product="NVIDIA-A100-SXM4-80GB", count=8), "8 x NVIDIA A100 SXM4 80GB", id="several"
        ),
        pytest.param(a_cpu_plan(), "CPU", id="CPU"),
    ],
)
def test_display(plan: ServingPlan, want_text: str) -> None:
    assert accelerator_display(plan) == want_text


def test_measured_figures_are_frozen_by_name_and_an_older_plan_stays_as_it_was_written() -> None:
    learnt = a_gpu_plan(measured=("weights", "KV cache"))

    assert plan_from_json(json.loads(json.dumps(plan_to_json(learnt)))) == learnt
    assert "measured" not in plan_to_json(a_gpu_plan()), "data that was written without it can never be changed"


def test_formats_that_were_narrowed_are_frozen_and_plans_from_before_have_none() -> None:
    narrowed = a_gpu_plan(quantization="fp8", kv_cache_dtype="fp8")
    assert plan_from_json(json.loads(json.dumps(plan_to_json(narrowed)))) == narrowed
    older = plan_to_json(a_gpu_plan())
    assert {"quantization", "kv_cache_dtype"}.isdisjoint(older)
    assert plan_from_json(older) == a_gpu_plan()
