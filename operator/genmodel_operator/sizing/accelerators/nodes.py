"""The part of a node object that the planner reads, and whether the node takes pods at all."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from genmodel_operator.api.quantity import parse_quantity
from genmodel_operator.sizing.accelerators.groups import Taint, vendor_of

ARCHITECTURE_LABEL = "kubernetes.io/arch"
OS_LABEL = "kubernetes.io/os"
_NOT_DEVICES = ("gpu.intel.com/monitoring", "gpu.intel.com/i915_monitoring", "gpu.intel.com/xe_monitoring")
"""Resources of device plugins that stand for access to all devices, not for one."""

_CONDITION_TAINTS = ("node.kubernetes.io/",)
"""Taints that mirror a node's condition: they come and go, and a plan outlives them."""
_LEAVING_TAINTS = frozenset(
    {
        "DeletionCandidateOfClusterAutoscaler",
        "ToBeDeletedByClusterAutoscaler",
        "karpenter.sh/disrupted",
        "karpenter.sh/unregistered",
        "node.cloudprovider.kubernetes.io/shutdown",
        "node.cloudprovider.kubernetes.io/uninitialized",
    }
)
"""Taints of nodes that are on their way in or out of the cluster."""

_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Node:
    """The part of a node object that counts; ``devices`` are the allocatable accelerators, by resource."""

    name: str
    labels: Mapping[str, str]
    devices: tuple[tuple[str, int], ...]
    taints: tuple[Taint, ...]
    memory_gib: float
    cores: float
    architecture: str
    why_unusable: str | None

    def label(self, key: str) -> str:
        """Return a label's value, empty where the node has no such label."""
        return self.labels.get(key) or ""


def read_node(node: Mapping[str, Any]) -> Node:
    """Return a raw node object of the Kubernetes API, reduced.

    Raises ``ValueError`` for an allocatable quantity that cannot be read, which no API server stores.
    """
    metadata, spec, status = node.get("metadata") or {}, node.get("spec") or {}, node.get("status") or {}
    labels = metadata.get("labels") or {}
    info = status.get("nodeInfo") or {}
    allocatable = status.get("allocatable") or {}
    taints = [
        Taint(taint["key"], taint.get("value") or "", taint["effect"])
        for taint in spec.get("taints") or []
        if taint["effect"] != "PreferNoSchedule"
    ]
    return Node(
        name=metadata.get("name", ""),
        labels=labels,
        devices=_devices(allocatable),
        taints=_lasting(taints),
        memory_gib=_number(allocatable.get("memory", "0")) / _GIB,
        cores=_number(allocatable.get("cpu", "0")),
        architecture=labels.get(ARCHITECTURE_LABEL) or info.get("architecture") or "",
        why_unusable=_why_unusable(labels, info, spec, status, taints),
    )


@lru_cache(maxsize=4096)
def _number(quantity: str) -> float:
    return float(parse_quantity(quantity))


def _devices(allocatable: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    found = [
        (name, count)
        for name, quantity in allocatable.items()
        if "/" in name and vendor_of(name) and name not in _NOT_DEVICES and (count := int(_number(quantity))) > 0
    ]
    return tuple(sorted(found))


def _lasting(taints: list[Taint]) -> tuple[Taint, ...]:
    if not taints:
        return ()
    kept = (taint for taint in taints if not taint.key.startswith(_CONDITION_TAINTS))
    return tuple(sorted(kept, key=str))


def _why_unusable(
    labels: Mapping[str, str],
    info: Mapping[str, Any],
    spec: Mapping[str, Any],
    status: Mapping[str, Any],
    taints: list[Taint],
) -> str | None:
    operating_system = labels.get(OS_LABEL) or info.get("operatingSystem") or "linux"
    if operating_system != "linux":
        return f"runs {operating_system}"
    if spec.get("unschedulable"):
        return "is cordoned"
    if not _is_ready(status.get("conditions") or []):
        return "is not ready"
    if taints and any(taint.key in _LEAVING_TAINTS for taint in taints):
        return "is joining or leaving the cluster"
    return None


def _is_ready(conditions: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the node says that it is ready, and nowhere that it is not."""
    said = [condition["status"] for condition in conditions if condition["type"] == "Ready"]
    return bool(said) and all(status == "True" for status in said)
