"""Nodes that are not read are known by the pods on them."""

from typing import Any

import pytest

from genmodel_operator.sizing.accelerators import Inventory, NodeGroup, place_of, with_places, with_usage

PRODUCT = {"nvidia.com/gpu.product": "NVIDIA-L4"}


def requires(*terms: list[dict[str, Any]]) -> dict[str, Any]:
    rule = {"nodeSelectorTerms": [{"matchExpressions": term} for term in terms]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": rule}}


def one_of(key: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": list(values)}


def absent(key: str) -> dict[str, Any]:
    return {"key": key, "operator": "DoesNotExist"}


@pytest.mark.parametrize(
    ("spec", "want"),
    [
        pytest.param({}, {}, id="no node yet"),
        pytest.param({"nodeName": "n"}, {"n": {}}, id="any node would have done"),
        pytest.param({"nodeName": "n", "affinity": requires([one_of("a", "b")])}, {"n": {"a": "b"}}, id="a label"),
        pytest.param({"nodeName": "n", "nodeSelector": {"a": "b"}}, {"n": {"a": "b"}}, id="a selector"),
        pytest.param(
            {"nodeName": "n", "nodeSelector": {"c": "d"}, "affinity": requires([one_of("a", "b")])},
            {"n": {"a": "b", "c": "d"}},
            id="both",
        ),
        pytest.param({"nodeName": "n", "affinity": requires([one_of("a", "b", "c")])}, {"n": {}}, id="one of two"),
        pytest.param(
            {"nodeName": "n", "affinity": requires([one_of("a", "b")], [one_of("a", "c")])}, {"n": {}}, id="two ways"
        ),
        pytest.param({"nodeName": "n", "affinity": requires([absent("a")])}, {"n": {}}, id="a label that is not there"),
        pytest.param({"affinity": requires([one_of("a", "b")])}, {}, id="asked for, and not placed"),
    ],
)
def test_a_placed_pod_tells_the_labels_of_its_node(spec: dict[str, Any], want: dict[str, Any]) -> None:
    assert place_of({"spec": spec}) == want


def a_group(*, nodes: int = 2) -> NodeGroup:
    return NodeGroup(
        resource="nvidia.com/gpu",
        product="NVIDIA-L4",
        device_memory_gib=21.9,
        devices_per_node=4,
        compute_capability=(8, 9),
        nodes=nodes,
        selector=tuple(PRODUCT.items()),
        taints=(),
        allocatable_memory_gib=64,
        allocatable_cpu=8,
    )


def seen(**used: int) -> NodeGroup:
    """The group where models use so many devices of the nodes by these names."""
    places = {name: {**PRODUCT, "more": "x"} for name in used} | {"other": {"nvidia.com/gpu.product": "Tesla-T4"}}
    known = with_places(Inventory(groups=(a_group(),)), places)
    (found,) = with_usage(known, {name: {"nvidia.com/gpu": count} for name, count in used.items()}).groups
    return found


@pytest.mark.parametrize(
    ("used", "want_free"),
    [
        pytest.param({}, 4, id="no pod anywhere"),
        pytest.param({"b": 4}, 2, id="one is full"),
        pytest.param({"b": 3, "a": 1}, 1, id="both in part"),
        pytest.param({"b": 4, "a": 4}, 0, id="all full"),
        pytest.param({"a": 4, "b": 4, "c": 4}, 0, id="more nodes than were described"),
    ],
)
def test_what_models_use_of_nodes_that_nobody_listed(used: dict[str, int], want_free: int) -> None:
    found = seen(**used)
    assert found.node_names == tuple(sorted(used))
    assert found.replicas_free_now(2) == want_free
