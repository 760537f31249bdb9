"""What the cluster has to serve on: accelerator kinds and CPU nodes, read from node objects."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from genmodel_operator.api.quantity import parse_quantity

CPU_RESOURCE = "cpu"
CPU_PRODUCT = "CPU"
NVIDIA_RESOURCE = "nvidia.com/gpu"

ARCHITECTURE_LABEL = "kubernetes.io/arch"
OS_LABEL = "kubernetes.io/os"
PRODUCT_LABEL = "nvidia.com/gpu.product"
MEMORY_LABEL = "nvidia.com/gpu.memory"

_GIB = 1024**3
_LATER_DEVICES = (
    "amd.com/gpu",
    "aws.amazon.com/neuron",
    "google.com/tpu",
    "gpu.intel.com/",
    "habana.ai/",
    "nvidia.com/gpu.shared",
    "nvidia.com/mig-",
)
"""Prefixes of extended resources that a later version plans with."""
_CONDITION_TAINTS = ("node.kubernetes.io/",)
"""Taints that mirror a node's condition: they come and go, and a plan outlives them."""
_LEAVING_TAINTS = (
    "DeletionCandidateOfClusterAutoscaler",
    "ToBeDeletedByClusterAutoscaler",
    "karpenter.sh/disrupted",
    "node.cloudprovider.kubernetes.io/shutdown",
    "node.cloudprovider.kubernetes.io/uninitialized",
)
"""Taints of nodes that are on their way in or out of the cluster."""
_NAMES_IN_NOTES = 3


@dataclass(frozen=True, slots=True)
class Taint:
    """A node's taint that a pod must tolerate to be placed there."""

    key: str
    value: str
    effect: str

    def __str__(self) -> str:
        """Return the taint as kubectl writes it."""
        return f"{self.key}={self.value}:{self.effect}" if self.value else f"{self.key}:{self.effect}"


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Nodes that are alike for the planner.

    Attributes:
        resource: extended resource of the devices (``nvidia.com/gpu``), or ``cpu``.
        product: value of the product label, or ``CPU``.
        device_memory_gib: memory of one device as the engine sees it; on CPU: allocatable memory of the node.
        devices_per_node: allocatable devices; 0 on CPU.
        compute_capability: (major, minor), None where unknown or on CPU.
        nodes: how many such nodes there are.
        selector: node labels that every node of the group carries and that tell it from others.
        taints: taints of the group's nodes that the pod has to tolerate.
        allocatable_memory_gib, allocatable_cpu: smallest allocatable host memory and cores of the group.
        architecture: of the nodes' processors (``amd64``, ``arm64``), empty where unknown.
        beside_devices: on CPU groups: the nodes have accelerators. They serve on CPU only where
            ``spec.accelerator.kind`` is CPU: a CPU server takes the host memory and cores that
            the servers on these accelerators need.

    """

    resource: str
    product: str
    device_memory_gib: float
    devices_per_node: int
    compute_capability: tuple[int, int] | None
    nodes: int
    selector: tuple[tuple[str, str], ...]
    taints: tuple[Taint, ...]
    allocatable_memory_gib: float
    allocatable_cpu: float
    architecture: str = ""
    beside_devices: bool = False

    @property
    def is_gpu(self) -> bool:
        """Whether the group's nodes have devices."""
        return self.resource != CPU_RESOURCE


@dataclass(frozen=True, slots=True)
class Inventory:
    """All groups of schedulable nodes, in a stable order.

    ``notes`` says in words what was left out and why (a node with GPUs but without labels, ...).
    """

    groups: tuple[NodeGroup, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Node:
    """The part of a node object that counts."""

    name: str
    labels: Mapping[str, str]
    allocatable: Mapping[str, str]
    taints: tuple[Taint, ...]
    cordoned: bool
    ready: bool
    operating_system: str
    architecture: str

    def devices(self, resource: str) -> int:
        return int(parse_quantity(self.allocatable.get(resource, "0")))

    @property
    def memory_gib(self) -> float:
        return float(parse_quantity(self.allocatable.get("memory", "0")) / _GIB)

    @property
    def cores(self) -> float:
        return float(parse_quantity(self.allocatable.get("cpu", "0")))

    @property
    def later_devices(self) -> tuple[str, ...]:
        """Devices of the node that this version does not plan with."""
        present = (name for name, count in self.allocatable.items() if parse_quantity(count) > 0)
        return tuple(sorted(name for name in present if name.startswith(_LATER_DEVICES)))


def read_inventory(nodes: Iterable[Mapping[str, Any]]) -> Inventory:
    """Return the groups of schedulable nodes, from raw node objects of the Kubernetes API.

    Left out, each with a note: nodes that are cordoned, not ready, leaving or not Linux, and GPUs
    that cannot be told from their labels. Raises ``ValueError`` for an allocatable quantity that
    cannot be read, which no API server stores.
    """
    groups: list[NodeGroup] = []
    left_out: dict[str, list[str]] = {}
    for node in sorted(map(_read_node, nodes), key=lambda node: node.name):
        reason = _why_unusable(node)
        if reason is not None:
            left_out.setdefault(reason, []).append(node.name)
            continue
        gpu = _gpu_group(node)
        if isinstance(gpu, NodeGroup):
            groups.append(gpu)
        elif gpu is not None:
            left_out.setdefault(gpu, []).append(node.name)
        groups.append(_cpu_group(node, beside_devices=gpu is not None))
    merged = _merge(_tell_variants_apart(groups))
    return Inventory(groups=merged, notes=tuple(_note(reason, names) for reason, names in left_out.items()))


def device_total_gib(label_mebibytes: int) -> float:
    """Return what the engine sees of a device whose label says this many MiB, in GiB.

    The label is the memory on the box. Every logged total lies below it, by 0.5 to 1.4 % and by up
    to 0.6 GiB on small cards (T4 15.0 -> 14.56, A10 22.49 -> 22.07, L40S 44.99 -> 44.4, A100 40 ->
    39.4, H100 79.65 -> 79.19): 1 %, at least 0.6 GiB, is at or below all of them.
    """
    label_gib = label_mebibytes / 1024
    return label_gib - max(0.01 * label_gib, 0.6)


def _read_node(node: Mapping[str, Any]) -> _Node:
    metadata, spec, status = (node.get(part) or {} for part in ("metadata", "spec", "status"))
    labels = metadata.get("labels") or {}
    info = status.get("nodeInfo") or {}
    return _Node(
        name=metadata.get("name", ""),
        labels=labels,
        allocatable=status.get("allocatable") or {},
        taints=tuple(
            Taint(taint["key"], taint.get("value") or "", taint["effect"])
            for taint in spec.get("taints") or []
            if taint["effect"] != "PreferNoSchedule"
        ),
        cordoned=bool(spec.get("unschedulable")),
        ready=any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for condition in status.get("conditions") or []
        ),
        operating_system=labels.get(OS_LABEL) or info.get("operatingSystem") or "linux",
        architecture=labels.get(ARCHITECTURE_LABEL) or info.get("architecture") or "",
    )


def _why_unusable(node: _Node) -> str | None:
    if node.operating_system != "linux":
        return f"runs {node.operating_system}"
    if node.cordoned:
        return "is cordoned"
    if not node.ready:
        return "is not ready"
    if any(taint.key in _LEAVING_TAINTS for taint in node.taints):
        return "is joining or leaving the cluster"
    return None


def _gpu_group(node: _Node) -> NodeGroup | str | None:
    """Return the node's GPUs, or why they cannot be used, or None where it has no device."""
    count = node.devices(NVIDIA_RESOURCE)
    if count == 0:
        return _why_no_devices(node)
    product, memory = node.labels.get(PRODUCT_LABEL), node.labels.get(MEMORY_LABEL)
    if not product or not memory:
        missing = PRODUCT_LABEL if not product else MEMORY_LABEL
        return f"has {NVIDIA_RESOURCE} but no label {missing} (GPU feature discovery sets it)"
    if not memory.isdecimal():
        return f"has the label {MEMORY_LABEL}={memory}, which is not a number of MiB"
    shared = _why_shared(node, product)
    if shared is not None:
        return shared
    return NodeGroup(
        resource=NVIDIA_RESOURCE,
        product=product,
        device_memory_gib=device_total_gib(int(memory)),
        devices_per_node=count,
        compute_capability=_compute_capability(node.labels),
        nodes=1,
        selector=((MEMORY_LABEL, memory), (PRODUCT_LABEL, product)),
        taints=_lasting(node.taints),
        allocatable_memory_gib=node.memory_gib,
        allocatable_cpu=node.cores,
        architecture=node.architecture,
    )


def _why_no_devices(node: _Node) -> str | None:
    """Return what a node without allocatable NVIDIA GPUs has instead, None where it has no device at all."""
    if node.later_devices:
        return f"has {', '.join(node.later_devices)}, which this version does not plan with"
    if PRODUCT_LABEL in node.labels:
        return f"has no allocatable {NVIDIA_RESOURCE}, but a label for {node.labels[PRODUCT_LABEL]}"
    return None


def _why_shared(node: _Node, product: str) -> str | None:
    """Return why a device is not a whole GPU: a slice or a share has less memory than its label tells."""
    if "-MIG-" in product:
        return f"has MIG slices ({product}), which this version does not plan with"
    strategy = node.labels.get("nvidia.com/gpu.sharing-strategy", "none")
    replicas = node.labels.get("nvidia.com/gpu.replicas", "1")
    if product.endswith("-SHARED") or strategy != "none" or replicas not in {"0", "1"}:
        return f"shares its GPUs ({product}), which this version does not plan with"
    return None


def _compute_capability(labels: Mapping[str, str]) -> tuple[int, int] | None:
    major = labels.get("nvidia.com/gpu.compute.major", "")
    minor = labels.get("nvidia.com/gpu.compute.minor", "")
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None


def _cpu_group(node: _Node, *, beside_devices: bool) -> NodeGroup:
    return NodeGroup(
        resource=CPU_RESOURCE,
        product=CPU_PRODUCT,
        device_memory_gib=node.memory_gib,
        devices_per_node=0,
        compute_capability=None,
        nodes=1,
        selector=tuple((label, node.labels[label]) for label in (ARCHITECTURE_LABEL, OS_LABEL) if label in node.labels),
        taints=_lasting(node.taints),
        allocatable_memory_gib=node.memory_gib,
        allocatable_cpu=node.cores,
        architecture=node.architecture,
        beside_devices=beside_devices,
    )


def _lasting(taints: Iterable[Taint]) -> tuple[Taint, ...]:
    kept = (taint for taint in taints if not taint.key.startswith(_CONDITION_TAINTS))
    return tuple(sorted(kept, key=str))


def _tell_variants_apart(groups: Iterable[NodeGroup]) -> list[NodeGroup]:
    """Drop the memory label from the selector of products that come in one size only."""
    listed = list(groups)
    sizes: dict[str, set[float]] = {}
    for group in listed:
        sizes.setdefault(group.product, set()).add(group.device_memory_gib)
    return [
        replace(group, selector=tuple(pair for pair in group.selector if pair[0] != MEMORY_LABEL))
        if len(sizes[group.product]) == 1
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
    )


def _join(one: NodeGroup, other: NodeGroup) -> NodeGroup:
    return replace(
        one,
        nodes=one.nodes + other.nodes,
        device_memory_gib=min(one.device_memory_gib, other.device_memory_gib),
        allocatable_memory_gib=min(one.allocatable_memory_gib, other.allocatable_memory_gib),
        allocatable_cpu=min(one.allocatable_cpu, other.allocatable_cpu),
    )


def _note(reason: str, names: list[str]) -> str:
    """Return one sentence on the nodes that were left out for the same reason."""
    shown = ", ".join(names[:_NAMES_IN_NOTES])
    more = f" and {len(names) - _NAMES_IN_NOTES} more" if len(names) > _NAMES_IN_NOTES else ""
    return f"{shown}{more}: {reason}"
