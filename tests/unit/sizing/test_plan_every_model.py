"""Every model that the bench knows is planned or refused with a reason, and its plan is what an estimate says."""

import re
from dataclasses import replace
from typing import Any

import pytest

from genmodel_operator.api.reasons import TABLE
from genmodel_operator.sizing.accelerators import read_inventory
from genmodel_operator.sizing.estimate.estimate import estimate
from genmodel_operator.sizing.estimate.result import Estimate
from genmodel_operator.sizing.memory import GIB
from genmodel_operator.sizing.plan import Misfit, ServingPlan
from genmodel_operator.sizing.shape.engine import engine_names
from tests.builders_models import as_request, every_config, facts_of_config, group_of
from tests.builders_sizing import POLICY, a_gpu_node, planned

CONFIGS = every_config()
INVENTORY = read_inventory(
    [
        a_gpu_node("NVIDIA-L4", count=8, name="l4"),
        a_gpu_node("NVIDIA-L40S", count=8, name="l40s"),
        a_gpu_node("NVIDIA-A100-SXM4-80GB", count=8, name="a100"),
        a_gpu_node("NVIDIA-H100-80GB-HBM3", count=8, name="h100", memory="2Ti", cpu="192"),
        a_gpu_node("NVIDIA-H200", count=8, name="h200", memory="2Ti", cpu="192"),
    ]
)
WITH_FP8 = replace(POLICY, allowed_precisions=("FP8",))
models = pytest.mark.parametrize("name", sorted(CONFIGS))


def test_the_data_has_models_of_every_kind() -> None:
    assert len(CONFIGS) >= 90


@models
@pytest.mark.parametrize(
    ("policy", "asked"),
    [
        pytest.param(POLICY, {}, id="as stored"),
        pytest.param(WITH_FP8, {"kvCachePrecision": "FP8"}, id="FP8"),
    ],
)
def test_every_model_is_planned_or_refused_with_a_reason(name: str, policy: Any, asked: dict[str, Any]) -> None:
    answer = planned(facts_of_config(CONFIGS[name]), inventory=INVENTORY, policy=policy, **asked)
    if isinstance(answer, Misfit):
        values = dict(answer.values)
        assert set(values) >= TABLE[answer.reason].fields
        assert all(values.values())
        return
    memory = answer.memory
    parts = memory.weights_gib + memory.kv_cache_gib + memory.activation_gib + memory.overhead_gib + memory.margin_gib
    assert parts == memory.total_gib
    assert answer.concurrency >= 1
    assert memory.margin_gib >= 0.5
    assert_the_words_add_up(answer.explanation)


def test_what_is_refused_is_too_large_or_not_described() -> None:
    answers = {name: planned(facts_of_config(CONFIGS[name]), inventory=INVENTORY) for name in CONFIGS}
    said = {name: dict(answer.values) for name, answer in answers.items() if isinstance(answer, Misfit)}
    gaps = ("config.json has no", "headers of the files are needed", "is not known to vLLM", "not read by the engine")
    others = {name for name, values in said.items() if not any(gap in values.get("detail", "") for gap in gaps)}
    assert len(said) <= len(CONFIGS) // 4
    assert len(others) <= 6, {name: said[name] for name in others}


def assert_the_words_add_up(explanation: str) -> None:
    """Every sum in the words is right as printed."""
    sums = re.findall(r"((?:[^:+.]*? [\d.]+ \+ )+[^:+]*? [\d.]+) = ([\d.]+) GiB", explanation)
    assert sums
    for addends, total in sums:
        numbers = [float(addend.split()[-1]) for addend in addends.split(" + ")]
        assert round(100 * sum(numbers)) == round(100 * float(total)), explanation


@models
@pytest.mark.parametrize("product", ["NVIDIA-L4", "NVIDIA-A100-SXM4-80GB", "NVIDIA-H200"])
def test_a_plan_is_what_an_estimate_of_its_settings_says(name: str, product: str) -> None:
    facts = facts_of_config(CONFIGS[name])
    plan = planned(facts, inventory=INVENTORY, accelerator={"products": [product]}, policy=WITH_FP8)
    if isinstance(plan, Misfit) or facts.architecture in engine_names().removed:
        return  # a class that the engine dropped is planned, and then refused by the engine's own table
    assert_same_figures(plan, as_request(plan, facts, group_of(plan, INVENTORY), POLICY.engine_version))


def assert_same_figures(plan: ServingPlan, request: dict[str, Any]) -> None:
    """The estimate of a plan's explicit settings has the plan's figures, and starts."""
    found = estimate({**request, "kv_cache_memory_bytes": plan.kv_cache_bytes or None})
    assert isinstance(found, Estimate), found
    assert found.verdict.starts, found.verdict
    assert found.weights_bytes == plan.memory.weights_gib * GIB
    assert found.activation_bytes == plan.memory.activation_gib * GIB
    assert found.non_torch_bytes is not None
    assert found.graph_bytes is not None
    said = re.search(r"Overhead: memory outside torch ([\d.]+)(?: \+ CUDA graphs ([\d.]+))?", plan.explanation)
    assert said is not None, plan.explanation
    assert float(said[1]) == pytest.approx(found.non_torch_bytes / GIB, abs=0.015)
    assert float(said[2] or 0) == pytest.approx(found.graph_bytes / GIB, abs=0.0051)
    if plan.kv_cache_bytes:
        assert found.kv_cache_bytes == plan.kv_cache_bytes
        assert found.kv_tokens == plan.kv_tokens
        assert found.max_concurrency is not None
        assert plan.concurrency <= found.max_concurrency
    free = estimate(request)
    assert isinstance(free, Estimate)
    assert free.verdict.starts, free.verdict
    assert free.kv_cache_bytes is not None
    assert free.kv_cache_bytes >= plan.kv_cache_bytes + GIB // 2
