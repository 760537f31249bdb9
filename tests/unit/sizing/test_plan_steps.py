"""What is given up so that a model fits, in which order, and only where somebody allows it."""

from dataclasses import replace
from typing import Any

import pytest

from genmodel_operator.configuration import load_settings
from genmodel_operator.sizing.accelerators import Inventory, read_inventory
from genmodel_operator.sizing.configured import plan_policy
from genmodel_operator.sizing.estimate.estimate import estimate
from genmodel_operator.sizing.estimate.result import Estimate
from genmodel_operator.sizing.plan import Misfit, ServingPlan
from tests.builders_models import as_request, every_config, facts_of_config
from tests.builders_sizing import (
    LLAMA_31_8B,
    LLAMA_33_70B,
    POLICY,
    TINY_CHAT,
    a_gpu_node,
    a_misfit,
    a_node,
    a_plan,
    facts_of,
    minilm_facts,
    planned,
)

L4 = a_gpu_node("NVIDIA-L4", name="l4")
T4 = a_gpu_node("Tesla-T4", name="t4")
H100 = a_gpu_node("NVIDIA-H100-80GB-HBM3", name="h100")
LLAMA = facts_of(LLAMA_31_8B)
ALLOWS_FP8 = replace(POLICY, allowed_precisions=("FP8",))
CONFIGS = every_config()
HYBRID = facts_of_config(CONFIGS["Qwen/Qwen3.5-27B"])


def limits(plan: ServingPlan) -> tuple[int, int, str]:
    return plan.max_num_seqs, plan.max_num_batched_tokens, plan.kv_cache_dtype


@pytest.mark.parametrize(
    ("length", "policy", "want_limits"),
    [
        pytest.param(8192, POLICY, (256, 2048, ""), id="nothing"),
        pytest.param(24_000, ALLOWS_FP8, (64, 2048, ""), id="fewer requests at once first"),
        pytest.param(40_000, ALLOWS_FP8, (64, 2048, "fp8"), id="then the cache's format, where the policy allows it"),
    ],
)
def test_order_on_a_small_card(length: int, policy: Any, want_limits: tuple[int, int, str]) -> None:
    assert limits(a_plan(LLAMA, L4, context={"maxModelLen": length}, policy=policy)) == want_limits


@pytest.mark.parametrize(
    ("length", "want_limits"),
    [
        pytest.param(8192, (256, 8192, ""), id="nothing"),
        pytest.param(33_000, (64, 2048, ""), id="smaller steps after fewer requests"),
    ],
)
def test_order_on_large_cards(length: int, want_limits: tuple[int, int, str]) -> None:
    two = a_gpu_node("NVIDIA-H100-80GB-HBM3", count=2)
    assert limits(a_plan(facts_of(LLAMA_33_70B), two, context={"maxModelLen": length})) == want_limits


def test_without_permission_the_length_is_cut_and_nothing_is_narrowed() -> None:
    strict, allowed = a_plan(LLAMA, L4), a_plan(LLAMA, L4, policy=ALLOWS_FP8)
    assert (strict.kv_cache_dtype, allowed.kv_cache_dtype) == ("", "fp8")
    assert allowed.max_model_len > 1.9 * strict.max_model_len
    assert "the KV cache in FP8, which the operator's policy allows" in allowed.explanation
    assert "64 requests at once instead of 256" in strict.explanation


def test_a_cache_in_fp8_holds_twice_the_tokens() -> None:
    wide = a_plan(LLAMA, L4, context={"maxModelLen": 8192})
    narrow = a_plan(LLAMA, L4, context={"maxModelLen": 8192}, kvCachePrecision="FP8")
    assert narrow.kv_tokens == pytest.approx(2 * wide.kv_tokens, rel=0.01)
    assert "KV cache in FP8: 2 x 8 heads x 128 x 1 bytes" in narrow.explanation
    assert "Given up" not in narrow.explanation


@pytest.mark.parametrize(
    ("node", "want_reason"),
    [
        pytest.param(T4, "a KV cache in FP8 needs compute capability 8.9, this is 7.5", id="Turing"),
        pytest.param(a_node(), "spec.kvCachePrecision: FP8 is served on GPUs only", id="CPU"),
    ],
)
def test_a_cache_in_fp8_is_refused_where_the_device_cannot(node: dict[str, Any], want_reason: str) -> None:
    misfit = a_misfit(facts_of(TINY_CHAT), node, kvCachePrecision="FP8")
    assert [line.reason for line in misfit.rejected] == [want_reason]


def test_an_encoder_has_no_cache_to_narrow() -> None:
    plan = a_plan(minilm_facts(), T4, kvCachePrecision="FP8", policy=ALLOWS_FP8)
    assert (plan.kv_cache_dtype, plan.kv_cache_bytes) == ("", 0)


def test_weights_are_narrowed_only_where_nothing_else_fits() -> None:
    assert a_plan(LLAMA, L4, policy=ALLOWS_FP8).quantization == ""
    small = a_gpu_node("NVIDIA-A10", name="a10")
    asked: dict[str, Any] = {"context": {"maxModelLen": 60_000}, "accelerator": {"kind": "GPU"}}
    assert isinstance(planned(LLAMA, small, **asked), Misfit)
    plan = a_plan(LLAMA, small, policy=ALLOWS_FP8, **asked)
    assert (plan.quantization, plan.dtype) == ("fp8", "bfloat16")
    assert plan.memory.weights_gib == pytest.approx(8.49, abs=0.02)
    assert "the weights in FP8, which the operator's policy allows and without which nothing fits" in plan.explanation


def test_weights_in_fp8_that_were_asked_for_need_the_policy_too() -> None:
    misfit = a_misfit(LLAMA, L4, precision="FP8")
    assert (misfit.reason, dict(misfit.values)) == ("PrecisionNotAvailable", {"wanted": "FP8", "stored": "BFloat16"})
    plan = a_plan(LLAMA, L4, precision="FP8", policy=ALLOWS_FP8, context={"maxModelLen": 8192})
    assert plan.quantization == "fp8"
    assert "weights FP8 converted from BFloat16 at start" in plan.explanation
    assert "Given up" not in plan.explanation


def test_a_stored_quantisation_is_never_widened_or_narrowed_again() -> None:
    stored = facts_of_config(CONFIGS["openai/gpt-oss-20b"])
    assert a_plan(stored, H100, policy=ALLOWS_FP8).quantization == ""
    assert a_misfit(stored, H100, precision="BFloat16").reason == "PrecisionNotAvailable"
    assert a_misfit(stored, H100, precision="FP8", policy=ALLOWS_FP8).reason == "PrecisionNotAvailable"


def test_a_hybrid_gets_no_more_requests_than_states() -> None:
    (group,) = (group for group in read_inventory([H100]).groups if group.is_gpu)
    plans = []
    for gib in range(56, 80):
        inventory = Inventory(groups=(replace(group, device_memory_gib=float(gib)),))
        plan = planned(HYBRID, inventory=inventory, context={"maxModelLen": 4096})
        plans += [plan] if isinstance(plan, ServingPlan) else []
    bounded = [plan for plan in plans if "one for each block that holds a state" in plan.explanation]
    assert bounded
    assert all(plan.max_num_seqs < 256 for plan in bounded)
    for plan, group_gib in ((plan, plan.memory.total_gib) for plan in plans):
        request = as_request(plan, HYBRID, replace(group, device_memory_gib=group_gib), POLICY.engine_version)
        found = estimate({**request, "kv_cache_memory_bytes": plan.kv_cache_bytes})
        assert isinstance(found, Estimate)
        assert found.verdict.starts, found.verdict


def test_what_would_help_names_fp8() -> None:
    change = dict(a_misfit(LLAMA, L4, context={"maxModelLen": 40_000}).values)["change"]
    assert "set spec.kvCachePrecision to FP8 (on 1 x NVIDIA L4)" in change
    assert "have the platform team add FP8 to policy.allowedPrecisions" in change
    helped = planned(LLAMA, L4, context={"maxModelLen": 40_000}, kvCachePrecision="FP8")
    assert isinstance(helped, ServingPlan)
    allowed = planned(LLAMA, L4, context={"maxModelLen": 40_000}, policy=ALLOWS_FP8)
    assert isinstance(allowed, ServingPlan)


def test_a_margin_is_kept_for_kernels_that_the_profile_does_not_see() -> None:
    inventory = read_inventory([H100])
    hybrid = planned(HYBRID, inventory=inventory, context={"maxModelLen": 8192})
    assert isinstance(hybrid, ServingPlan)
    assert hybrid.memory.margin_gib >= 2.79


@pytest.mark.parametrize(
    ("environ", "want"),
    [
        pytest.param({}, (), id="by default nothing"),
        pytest.param({"GENMODEL_OPERATOR_POLICY__ALLOWED_PRECISIONS": "FP8"}, ("FP8",), id="as the team decides"),
    ],
)
def test_what_the_platform_team_allows(environ: dict[str, str], want: tuple[str, ...]) -> None:
    assert plan_policy(load_settings(environ)).allowed_precisions == want
