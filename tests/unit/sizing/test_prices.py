"""Prices of the policy in the choice between candidates."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from genmodel_operator.policy.document import Policy
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.configured import plan_policy
from genmodel_operator.sizing.plan import accelerator_display
from tests.builders_sizing import LLAMA_31_8B, POLICY, a_gpu_node, a_node, a_plan, facts_of

LLAMA = facts_of(LLAMA_31_8B)
L4 = a_gpu_node("NVIDIA-L4", count=2, name="l4")
L40S = a_gpu_node("NVIDIA-L40S", count=4, name="l40s")
A100 = a_gpu_node("NVIDIA-A100-SXM4-80GB", count=4, name="a100")
CPU = a_node(memory="128Gi", cpu="32")


@pytest.mark.parametrize(
    ("prices", "asked", "want"),
    [
        pytest.param({}, {}, "1 x NVIDIA L4", id="none: the smallest device"),
        pytest.param({"NVIDIA-L4": 2, "NVIDIA-L40S": 1, "NVIDIA-A100-SXM4-80GB": 3}, {}, "1 x NVIDIA L40S", id="least"),
        pytest.param({"nvidia-l4": 2, "l40s": 1}, {}, "1 x NVIDIA L40S", id="by names that people and clouds use"),
        pytest.param({"NVIDIA-A100-SXM4-80GB": 9}, {}, "1 x NVIDIA A100 SXM4 80GB", id="the only one with a price"),
        pytest.param({"NVIDIA-L4": 1, "NVIDIA-L40S": 1}, {}, "1 x NVIDIA L4", id="the same price: the smaller device"),
        pytest.param({"NVIDIA-L40S": 0}, {}, "1 x NVIDIA L40S", id="for nothing"),
        pytest.param(
            {"NVIDIA-L4": 0.5, "NVIDIA-L40S": 1.2},
            {"accelerator": {"count": 2}},
            "2 x NVIDIA L4",
            id="two of the cheaper ones",
        ),
        pytest.param(
            {"NVIDIA-L4": 0.7, "NVIDIA-L40S": 1.2},
            {"context": {"maxModelLen": 65536}},
            "1 x NVIDIA L40S",
            id="one dear device costs less than two cheap ones",
        ),
        pytest.param(
            {"NVIDIA-L4": 0.7, "NVIDIA-L40S": 1.2},
            {"accelerator": {"policy": "LargestContext"}, "context": {"maxModelLen": 8192}},
            "1 x NVIDIA L4",
            id="another policy of the user's: memory counts",
        ),
    ],
)
def test_the_cheapest_candidate(prices: Mapping[str, float], asked: Mapping[str, object], want: str) -> None:
    policy = replace(POLICY, prices=tuple(prices.items()))
    assert accelerator_display(a_plan(LLAMA, L4, L40S, A100, CPU, policy=policy, **asked)) == want


def test_the_price_is_said_of_the_chosen_and_of_those_that_were_not() -> None:
    policy = replace(POLICY, prices=(("NVIDIA-L4", 0.7), ("NVIDIA-L40S", 1.25)))
    plan = a_plan(LLAMA, L4, L40S, A100, policy=policy)
    assert "1 x NVIDIA L4 per replica (policy Cheapest, 0.70 per hour), weights" in plan.explanation
    told = {(one.product, one.count): one.reason for one in plan.rejected}
    assert told["NVIDIA-L40S", 1].endswith("(policy Cheapest, 1.25 per hour against 0.70 per hour)")
    assert told["NVIDIA-A100-SXM4-80GB", 1].endswith("(policy Cheapest, no price against 0.70 per hour)")


def test_without_prices_nothing_is_said_of_them() -> None:
    plan = a_plan(LLAMA, L4, L40S)
    assert "per hour" not in f"{plan.explanation} {plan.rejected}"
    assert "price" not in f"{plan.explanation} {plan.rejected}"


def test_the_policy_that_holds_now_wins_over_that_of_the_settings() -> None:
    settings = Settings(policy=Policy(prices={"a": 1.0}, allowed_precisions=["FP8"]))
    assert plan_policy(settings).prices == (("a", 1.0),)
    now = plan_policy(settings, Policy(prices={"b": 2.0}))
    assert (now.prices, now.allowed_precisions) == ((("b", 2.0),), ())
