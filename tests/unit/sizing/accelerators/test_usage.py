"""What models use now ranks candidates that are equal otherwise, and refuses none."""

from dataclasses import replace
from typing import Any

import pytest

from genmodel_operator.sizing.accelerators import Inventory, NodeGroup, read_inventory, usage_of, with_usage
from tests import builders_nodes as nodes
from tests.builders_nodes import labelled
from tests.builders_sizing import TINY_CHAT, a_plan, facts_of

L4 = {"nvidia.com/gpu": "8"}


def a_pod(node: str | None, devices: str = "1", *, phase: str = "Running", resource: str = "nvidia.com/gpu") -> Any:
    requests = {"cpu": "2", "memory": "8Gi", resource: devices}
    spec = {"containers": [{"name": "server", "resources": {"requests": requests}}]}
    return {"spec": spec | ({"nodeName": node} if node else {}), "status": {"phase": phase}}


def l4_group(inventory: Inventory) -> NodeGroup:
    return next(group for group in inventory.groups if group.is_gpu)


@pytest.mark.parametrize(
    ("pods", "want_usage"),
    [
        pytest.param([a_pod("a"), a_pod("a", "2")], {"a": {"nvidia.com/gpu": 3}}, id="added up by node"),
        pytest.param([a_pod(None)], {}, id="not placed yet"),
        pytest.param([a_pod("a", phase="Succeeded"), a_pod("a", phase="Failed")], {}, id="over"),
        pytest.param([a_pod("a", phase="Pending")], {"a": {"nvidia.com/gpu": 1}}, id="placed, still pulling"),
        pytest.param([a_pod("a", resource="example.com/disk")], {"a": {}}, id="no accelerator"),
        pytest.param([{}, {"spec": {"nodeName": "a", "containers": [{}]}}], {"a": {}}, id="reduced to nothing"),
    ],
)
def test_usage_of_pods(pods: list[Any], want_usage: dict[str, dict[str, int]]) -> None:
    assert usage_of(pods) == want_usage


def test_a_group_knows_what_is_free_of_models() -> None:
    inventory = read_inventory([labelled(nodes.GFD_L4, L4, name) for name in ("a", "b", "c")])
    group = l4_group(with_usage(inventory, usage_of([a_pod("a", "7"), a_pod("b", "4"), a_pod("elsewhere", "8")])))
    assert (group.devices_in_use_by_models, group.in_use_by_node) == (11, (4, 7))
    assert [group.replicas_free_now(count) for count in (1, 2, 4, 8)] == [13, 6, 3, 1]
    assert l4_group(inventory).devices_in_use_by_models == 0


def test_nothing_in_use_changes_nothing() -> None:
    inventory = read_inventory([labelled(nodes.GFD_L4, L4)])
    assert with_usage(inventory, {}) == inventory


def test_of_equal_devices_those_that_are_free_are_chosen() -> None:
    plain = labelled(nodes.GFD_L4, L4, "busy")
    other = labelled(nodes.GKE_L4, L4 | {"nvidia.com/gpu": "2"}, "idle")
    free = read_inventory([plain, other])
    full = with_usage(free, usage_of([a_pod("busy", "8")]))
    assert dict(a_plan(facts_of(TINY_CHAT), inventory=free).node_selector) == {"nvidia.com/gpu.product": "NVIDIA-L4"}
    assert "cloud.google.com/gke-accelerator" in dict(a_plan(facts_of(TINY_CHAT), inventory=full).node_selector)


def test_a_smaller_device_is_chosen_though_models_use_all_of_them() -> None:
    listed = [labelled(nodes.GFD_L4, L4, "small"), labelled(nodes.GFD_H100, L4, "large")]
    full = with_usage(read_inventory(listed), usage_of([a_pod("small", "8")]))
    assert a_plan(facts_of(TINY_CHAT), inventory=full).product == "NVIDIA-L4"


def test_a_full_cluster_still_gives_the_same_plan() -> None:
    inventory = read_inventory([labelled(nodes.GFD_L4, L4)])
    plan = a_plan(facts_of(TINY_CHAT), inventory=inventory)
    full = with_usage(inventory, usage_of([a_pod("gpu-1", "8")]))
    assert a_plan(facts_of(TINY_CHAT), inventory=full) == replace(plan)
