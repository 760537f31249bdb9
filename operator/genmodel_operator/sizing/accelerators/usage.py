"""Which devices models use now, as far as the operator sees: its own pods, and nobody else's."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from genmodel_operator.api.quantity import parse_quantity
from genmodel_operator.sizing.accelerators.groups import Inventory, NodeGroup, vendor_of

_OVER = frozenset({"Succeeded", "Failed"})

Usage = Mapping[str, Mapping[str, int]]
"""Devices in use by node name and resource."""


def usage_of(pods: Iterable[Mapping[str, Any]]) -> Usage:
    """Return what pods use that are placed and not over yet; a pod that cannot be read uses nothing."""
    used: dict[str, dict[str, int]] = {}
    for pod in pods:
        spec, phase = pod.get("spec") or {}, (pod.get("status") or {}).get("phase")
        node = spec.get("nodeName")
        if not node or phase in _OVER:
            continue
        of_node = used.setdefault(node, {})
        for container in spec.get("containers") or []:
            for resource, count in ((container.get("resources") or {}).get("requests") or {}).items():
                if vendor_of(resource):
                    of_node[resource] = of_node.get(resource, 0) + int(parse_quantity(str(count)))
    return used


def total_usage(usages: Iterable[Usage]) -> Usage:
    """Return the sum of what several use."""
    total: dict[str, dict[str, int]] = {}
    for usage in usages:
        for node, counts in usage.items():
            of_node = total.setdefault(node, {})
            for resource, count in counts.items():
                of_node[resource] = of_node.get(resource, 0) + count
    return total


def with_usage(inventory: Inventory, used: Usage) -> Inventory:
    """Return the inventory with what models use now; the groups stay what they are."""
    return replace(inventory, groups=tuple(_with_usage(group, used) for group in inventory.groups))


def _with_usage(group: NodeGroup, used: Usage) -> NodeGroup:
    if not group.is_gpu or not used:
        return group
    counts = (used[name].get(group.resource, 0) for name in group.node_names if name in used)
    return replace(group, in_use_by_node=tuple(sorted(count for count in counts if count)))
