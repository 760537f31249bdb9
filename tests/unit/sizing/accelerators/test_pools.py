"""Pools that scale from zero are candidates, after nodes that are there."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from genmodel_operator.settings import AcceleratorSettings
from genmodel_operator.sizing.accelerators import (
    Inventory,
    NodeGroup,
    parse_taint,
    read_inventory,
    usage_of,
    with_places,
    with_usage,
)
from genmodel_operator.sizing.accelerators.configured import inventory_rules
from tests import builders_nodes as nodes
from tests.builders_nodes import labelled
from tests.builders_sizing import LLAMA_31_8B, TINY_CHAT, a_misfit, a_plan, facts_of
from tests.builders_sizing import POLICY as SIZING

POOL_LABELS = {"cloud.google.com/gke-nodepool": "l4-pool"}
POOL = {
    "name": "spare", "product": "NVIDIA-L4", "devices": 2, "nodes": 3, "labels": POOL_LABELS,
    "taints": ["team=models:NoSchedule"], "memory": "96Gi", "cpu": "24",
}  # fmt: skip
L4 = labelled(nodes.GFD_L4, {"nvidia.com/gpu": "1"}, "real")


def with_pools(
    *listed: Mapping[str, Any], pools: list[dict[str, Any]], reads_nodes: bool = True, **more: Any
) -> Inventory:
    settings = AcceleratorSettings.model_validate({"pools": pools} | more)
    return read_inventory(listed, inventory_rules(settings, reads_nodes=reads_nodes))


def pool_group(*listed: Mapping[str, Any], **changes: Any) -> NodeGroup:
    (group,) = (group for group in with_pools(*listed, pools=[POOL | changes]).groups if group.pool)
    return group


def test_a_pool_is_a_group_of_nodes_that_are_not_there() -> None:
    group = pool_group()
    assert (group.product, group.resource, group.devices_per_node, group.nodes) == ("NVIDIA-L4", "nvidia.com/gpu", 2, 3)
    assert dict(group.selector) == POOL_LABELS
    assert [str(taint) for taint in group.taints] == ["team=models:NoSchedule"]
    assert (group.allocatable_memory_gib, group.allocatable_cpu, group.node_names) == (96, 24, ())
    assert group.device_memory_gib == pytest.approx(21.89, abs=0.01)
    assert group.replicas_free_now(1) == 0


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        pytest.param({"product": "l4"}, ("NVIDIA-L4", "nvidia.com/gpu", ""), id="a short name"),
        pytest.param({"product": "AMD_Instinct_MI300X"}, ("AMD_Instinct_MI300X_OAM", "amd.com/gpu", ""), id="AMD"),
        pytest.param(
            {"product": "NVIDIA-A100-SXM4-40GB-MIG-3g.20gb", "resource": "nvidia.com/mig-3g.20gb"},
            ("NVIDIA-A100-SXM4-40GB-MIG-3g.20gb", "nvidia.com/mig-3g.20gb", ""),
            id="slices",
        ),
        pytest.param(
            {"product": "a100"},
            (
                "a100",
                "nvidia.com/gpu",
                (
                    "the pool's product a100 can be NVIDIA-A100-SXM4-40GB, NVIDIA-A100-SXM4-80GB: "
                    "its entry in pools must name one"
                ),
            ),
            id="a name of two products",
        ),
        pytest.param(
            {"product": "NVIDIA-Next"},
            (
                "NVIDIA-Next",
                "nvidia.com/gpu",
                "the catalogue does not know the pool's product NVIDIA-Next: describe it in accelerators.products",
            ),
            id="an unknown product",
        ),
    ],
)
def test_products_of_pools(changes: dict[str, Any], want: tuple[str, str, str]) -> None:
    group = pool_group(**changes)
    assert (group.product, group.resource, group.refusal) == want
    assert group.is_slice == ("-MIG-" in group.product)


def test_a_described_product_makes_a_pool_usable() -> None:
    described = [{"name": "NVIDIA-Next", "memoryGib": 46.5, "computeCapability": "9.0"}]
    inventory = with_pools(pools=[POOL | {"product": "NVIDIA-Next"}], products=described)
    plan = a_plan(facts_of(LLAMA_31_8B), inventory=inventory)
    assert (plan.product, round(plan.memory.total_gib, 2)) == ("NVIDIA-Next", 46.5)


def test_a_plan_on_a_pool_says_that_its_node_has_to_come_and_carries_what_the_autoscaler_reads() -> None:
    plan = a_plan(facts_of(LLAMA_31_8B), inventory=with_pools(pools=[POOL]))
    assert "The pool spare has no such node yet: the autoscaler has to add one." in plan.explanation
    assert dict(plan.node_selector) == POOL_LABELS
    assert [str(taint) for taint in plan.tolerations] == ["team=models:NoSchedule"]
    assert plan.replicas_fit == 6


def test_nodes_that_are_there_come_first() -> None:
    plan = a_plan(facts_of(TINY_CHAT), inventory=with_pools(L4, pools=[POOL]))
    assert dict(plan.node_selector) == {"nvidia.com/gpu.product": "NVIDIA-L4"}
    assert "autoscaler" not in plan.explanation


def test_a_cheaper_pool_comes_before_dearer_nodes() -> None:
    h100 = labelled(nodes.GFD_H100, {"nvidia.com/gpu": "8"}, "real")
    assert a_plan(facts_of(TINY_CHAT), inventory=with_pools(h100, pools=[POOL])).product == "NVIDIA-L4"


def test_a_pool_comes_before_nodes_that_models_have_filled() -> None:
    pod = {"spec": {"nodeName": "real", "containers": [{"resources": {"requests": {"nvidia.com/gpu": "1"}}}]}}
    full = with_usage(with_pools(L4, pools=[POOL]), usage_of([pod]))
    assert dict(a_plan(facts_of(TINY_CHAT), inventory=full).node_selector) == POOL_LABELS


@pytest.mark.parametrize(
    ("present", "want_left"),
    [
        pytest.param(0, 3, id="none is there"),
        pytest.param(2, 1, id="two are there"),
        pytest.param(3, None, id="all are there"),
        pytest.param(5, None, id="more than the settings say"),
    ],
)
def test_a_pool_shrinks_by_the_nodes_that_have_come(present: int, want_left: int | None) -> None:
    grown = [labelled(nodes.GFD_L4 | POOL_LABELS, {"nvidia.com/gpu": "2"}, f"n{index}") for index in range(present)]
    left = [group.nodes for group in with_pools(*grown, pools=[POOL]).groups if group.pool]
    assert left == ([] if want_left is None else [want_left])


def test_a_pool_that_is_too_small_is_rejected_like_nodes() -> None:
    misfit = a_misfit(facts_of(LLAMA_31_8B), inventory=with_pools(pools=[POOL | {"product": "t4", "devices": 1}]))
    assert (misfit.reason, misfit.rejected[0].product) == ("NoFit", "Tesla-T4")


@pytest.mark.parametrize("text", ["", "team", "team=a", ":NoSchedule", "team=a:Sometimes"])
def test_a_wrong_taint_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="not a taint, which is written key=value:NoSchedule"):
        parse_taint(text)


CPU_POOL = {"name": "large", "product": "CPU", "devices": 0, "nodes": 2, "labels": {"pool": "cpu"}, "cpu": "16"}


def test_a_pool_of_nodes_without_devices() -> None:
    (group,) = with_pools(pools=[CPU_POOL | {"memory": "32Gi"}]).groups
    assert (group.is_gpu, group.product, group.devices_per_node, group.nodes) == (False, "CPU", 0, 2)
    assert (group.device_memory_gib, group.allocatable_memory_gib, group.allocatable_cpu) == (32, 32, 16)
    plan = a_plan(facts_of(TINY_CHAT), inventory=Inventory(groups=(group,)))
    assert (plan.count, dict(plan.node_selector), plan.replicas_fit >= 2) == (0, {"pool": "cpu"}, True)
    assert "The pool large has no such node yet" in plan.explanation


def test_where_nodes_are_not_read_pools_are_what_is_there() -> None:
    found = with_pools(pools=[POOL, CPU_POOL], reads_nodes=False)
    assert [(group.product, group.nodes, group.pool) for group in found.groups] == [
        ("NVIDIA-L4", 3, ""),
        ("CPU", 2, ""),
    ]
    policy = replace(SIZING, tolerated_taints=("team=models",))
    plan = a_plan(facts_of(LLAMA_31_8B), inventory=found, policy=policy)
    assert (dict(plan.node_selector), plan.replicas_fit) == (POOL_LABELS, 6)
    assert [str(taint) for taint in plan.tolerations] == ["team=models:NoSchedule"]
    assert "autoscaler" not in plan.explanation


def test_a_misfit_says_that_nodes_are_not_read() -> None:
    misfit = a_misfit(
        facts_of(TINY_CHAT),
        inventory=with_pools(pools=[CPU_POOL], reads_nodes=False),
        accelerator={"kind": "GPU"},
    )
    assert misfit.reason == "NoCandidateNodes"
    assert "inventory.mode is pools, so that only those count which policy.pools describes" in str(misfit.values)


def test_a_pool_that_models_have_filled_comes_after_one_with_room() -> None:
    one = POOL | {"nodes": 1, "taints": []}
    both = with_pools(pools=[one, one | {"name": "other", "labels": {"pool": "other"}}], reads_nodes=False)
    first = dict(a_plan(facts_of(TINY_CHAT), inventory=both).node_selector)
    full = with_usage(with_places(both, {"n": first}), {"n": {"nvidia.com/gpu": 2}})
    then = dict(a_plan(facts_of(TINY_CHAT), inventory=full).node_selector)
    assert {str(first), str(then)} == {str(POOL_LABELS), str({"pool": "other"})}
