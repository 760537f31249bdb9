"""A node that nobody may read, as its pool describes it. Pure."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from genmodel_operator.resources.placement import Object, Site, requests_of
from genmodel_operator.sizing.accelerators import CPU_RESOURCE, NodeGroup

_GIB = 1024**3


def described_site(group: NodeGroup, name: str, pods: Sequence[Object]) -> Site:
    """Return the node with the models' own pods on it.

    What a pool does not describe, such as its disks, is taken for just what these pods ask for: then nobody is stopped
    for a successor that asks for more of it.
    """
    asked: dict[str, Decimal] = {}
    for pod in pods:
        for resource, amount in requests_of(pod["spec"]).items():
            asked[resource] = asked.get(resource, Decimal(0)) + amount
    allocatable = {resource: str(amount) for resource, amount in asked.items()} | _described(group)
    taints = [{"key": taint.key, "value": taint.value, "effect": taint.effect} for taint in group.taints]
    node: dict[str, Any] = {
        "metadata": {"name": name, "labels": dict(group.selector)},
        "spec": {"taints": taints},
        "status": {"allocatable": allocatable},
    }
    return Site(node, pods)


def _described(group: NodeGroup) -> dict[str, str]:
    devices = {group.resource: str(group.devices_per_node)} if group.is_gpu else {}
    memory_bytes = int(group.allocatable_memory_gib * _GIB)
    return {CPU_RESOURCE: f"{group.allocatable_cpu:f}", "memory": str(memory_bytes), **devices}
