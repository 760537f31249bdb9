"""From node objects to groups of like nodes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from genmodel_operator.sizing.accelerators.amd import read_amd
from genmodel_operator.sizing.accelerators.devices import Devices, InventoryRules
from genmodel_operator.sizing.accelerators.groups import (
    AMD,
    CPU_PRODUCT,
    CPU_RESOURCE,
    NVIDIA,
    NVIDIA_RESOURCE,
    Inventory,
    NodeGroup,
    vendor_of,
)
from genmodel_operator.sizing.accelerators.nodes import ARCHITECTURE_LABEL, OS_LABEL, Node, read_node
from genmodel_operator.sizing.accelerators.nvidia import MEMORY_LABEL, PRODUCT_LABEL, read_nvidia
from genmodel_operator.sizing.accelerators.others import read_other
from genmodel_operator.sizing.accelerators.pools import pool_groups
from genmodel_operator.sizing.accelerators.signature import signature_of

NODES_UNREAD = "the cluster's nodes: inventory.mode is pools, so that only those count which policy.pools describes"
_NAMES_IN_NOTES = 3
_READERS: Mapping[str, Callable[[Node, str, int, InventoryRules], Devices]] = {NVIDIA: read_nvidia, AMD: read_amd}


def read_inventory(nodes: Iterable[Mapping[str, Any]], rules: InventoryRules | None = None) -> Inventory:
    """Return the groups of schedulable nodes and of pools, from raw node objects of the Kubernetes API.

    Left out, each with a note: nodes that are cordoned, not ready, leaving or not Linux. Devices
    that cannot be planned with are groups with a refusal, and noted too. Raises ``ValueError`` for
    an allocatable quantity that cannot be read, which no API server stores.
    """
    rules = rules or InventoryRules()
    listed = sorted(map(read_node, nodes), key=lambda node: node.name)
    left_out: dict[str, list[str]] = {}
    groups: list[NodeGroup] = []
    for alike in _kinds(listed, left_out):
        found = [_read(alike[0], resource, count, rules) for resource, count in alike[0].devices]
        for reason in dict.fromkeys(_notes(alike[0], found)):
            left_out.setdefault(reason, []).extend(node.name for node in alike)
        groups += [_device_group(devices, alike) for devices in found]
        groups += _cpu_groups(alike, beside_devices=bool(found) or bool(alike[0].label(PRODUCT_LABEL)))
    groups += pool_groups(rules, listed)
    merged = _merge(_tell_variants_apart(groups))
    notes = tuple(_note(reason, names) for reason, names in left_out.items())
    return Inventory(groups=merged, notes=notes if rules.reads_nodes else (NODES_UNREAD,))


def _kinds(nodes: Iterable[Node], left_out: dict[str, list[str]]) -> list[list[Node]]:
    """Return the nodes that take pods, those together that say the same of their devices."""
    kinds: dict[tuple[Any, ...], list[Node]] = {}
    for node in nodes:
        if node.why_unusable is not None:
            left_out.setdefault(node.why_unusable, []).append(node.name)
        else:
            kinds.setdefault(signature_of(node), []).append(node)
    return list(kinds.values())


def _read(node: Node, resource: str, count: int, rules: InventoryRules) -> Devices:
    return _READERS.get(vendor_of(resource), read_other)(node, resource, count, rules)


def _notes(node: Node, found: Iterable[Devices]) -> list[str]:
    product = node.label(PRODUCT_LABEL)
    missing = (
        [f"has no allocatable {NVIDIA_RESOURCE}, but a label for {product}"] if product and not node.devices else []
    )
    return missing + [devices.refusal for devices in found if devices.refusal]


def _device_group(devices: Devices, nodes: list[Node]) -> NodeGroup:
    return NodeGroup(
        resource=devices.resource,
        product=devices.product,
        device_memory_gib=devices.memory_gib,
        devices_per_node=devices.count,
        compute_capability=devices.compute_capability,
        nodes=len(nodes),
        selector=tuple(sorted(devices.identity)),
        taints=nodes[0].taints,
        allocatable_memory_gib=min(node.memory_gib for node in nodes),
        allocatable_cpu=min(node.cores for node in nodes),
        architecture=nodes[0].architecture,
        device_architecture=devices.architecture,
        interconnect=devices.interconnect,
        is_slice=devices.is_slice,
        shared_by=devices.shared_by,
        refusal=devices.refusal,
        node_names=tuple(node.name for node in nodes),
    )


def _cpu_groups(nodes: Iterable[Node], *, beside_devices: bool) -> list[NodeGroup]:
    """Return the nodes as CPU nodes: their memory counts in whole GiB."""
    by_gib: dict[int, list[Node]] = {}
    for node in nodes:
        by_gib.setdefault(int(node.memory_gib), []).append(node)
    return [_cpu_group(alike, beside_devices=beside_devices) for alike in by_gib.values()]


def _cpu_group(nodes: list[Node], *, beside_devices: bool) -> NodeGroup:
    memory_gib, first = min(node.memory_gib for node in nodes), nodes[0]
    return NodeGroup(
        resource=CPU_RESOURCE,
        product=CPU_PRODUCT,
        device_memory_gib=memory_gib,
        devices_per_node=0,
        compute_capability=None,
        nodes=len(nodes),
        selector=tuple(
            (label, first.labels[label]) for label in (ARCHITECTURE_LABEL, OS_LABEL) if label in first.labels
        ),
        taints=first.taints,
        allocatable_memory_gib=memory_gib,
        allocatable_cpu=min(node.cores for node in nodes),
        architecture=first.architecture,
        beside_devices=beside_devices,
        node_names=tuple(node.name for node in nodes),
    )


def _tell_variants_apart(groups: Iterable[NodeGroup]) -> list[NodeGroup]:
    """Drop the memory label from the selector of products that come in one size only."""
    listed = list(groups)
    sizes: dict[str, set[float]] = {}
    for group in listed:
        sizes.setdefault(group.product, set()).add(group.device_memory_gib)
    return [
        replace(group, selector=tuple(pair for pair in group.selector if pair[0] != MEMORY_LABEL))
        if len(sizes[group.product]) == 1 and not group.pool
        else group
        for group in listed
    ]


def _merge(groups: Iterable[NodeGroup]) -> tuple[NodeGroup, ...]:
    """Join groups that differ only in a few MiB or cores of the host; the smallest host counts."""
    merged: dict[tuple[Any, ...], NodeGroup] = {}
    for group in groups:
        key = _kind(group)
        known = merged.get(key)
        merged[key] = group if known is None else _join(known, group)
    return tuple(merged[key] for key in sorted(merged, key=str))


def _kind(group: NodeGroup) -> tuple[Any, ...]:
    """Return what nodes of one group share: on CPU the node's memory counts in whole GiB."""
    memory = group.device_memory_gib if group.is_gpu else int(group.device_memory_gib)
    return (
        not group.is_gpu,
        group.product,
        memory,
        group.devices_per_node,
        group.compute_capability,
        group.selector,
        group.taints,
        group.architecture,
        group.beside_devices,
        group.resource,
        group.is_slice,
        group.shared_by,
        group.refusal,
        group.pool,
        group.device_architecture,
        group.interconnect,
    )


def _join(one: NodeGroup, other: NodeGroup) -> NodeGroup:
    return replace(
        one,
        nodes=one.nodes + other.nodes,
        device_memory_gib=min(one.device_memory_gib, other.device_memory_gib),
        allocatable_memory_gib=min(one.allocatable_memory_gib, other.allocatable_memory_gib),
        allocatable_cpu=min(one.allocatable_cpu, other.allocatable_cpu),
        node_names=tuple(sorted((*one.node_names, *other.node_names))),
    )


def _note(reason: str, names: list[str]) -> str:
    """Return one sentence on the nodes that were left out for the same reason."""
    shown = ", ".join(names[:_NAMES_IN_NOTES])
    more = f" and {len(names) - _NAMES_IN_NOTES} more" if len(names) > _NAMES_IN_NOTES else ""
    return f"{shown}{more}: {reason}"
