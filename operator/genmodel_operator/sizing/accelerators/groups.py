"""Groups of like nodes: what the planner chooses from."""

from dataclasses import dataclass
from functools import cache

CPU_RESOURCE = "cpu"
CPU_PRODUCT = "CPU"
NVIDIA_RESOURCE = "nvidia.com/gpu"
AMD_RESOURCE = "amd.com/gpu"

NVIDIA, AMD, INTEL, GOOGLE, AWS = "NVIDIA", "AMD", "Intel", "Google", "AWS"

_VENDORS = (
    ("nvidia.com/", NVIDIA),
    ("amd.com/", AMD),
    ("gpu.intel.com/", INTEL),
    ("habana.ai/", INTEL),
    ("google.com/tpu", GOOGLE),
    ("aws.amazon.com/neuron", AWS),
)
"""Maker of the devices by the beginning of their resource's name."""


@cache
def vendor_of(resource: str) -> str:
    """Return who makes the devices of an extended resource; empty for anything that is no accelerator."""
    return next((vendor for prefix, vendor in _VENDORS if resource.startswith(prefix)), "")


def taint_key(resource: str) -> str:
    """Return the key of the taint that keeps other pods off such devices: slices and shares have that of whole ones."""
    return NVIDIA_RESOURCE if resource.startswith("nvidia.com/") else resource


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
        product: value of the product label, else the catalogue's name of the product, or ``CPU``.
        device_memory_gib: memory of one device as the engine sees it, of a slice or share: its part;
            on CPU: allocatable memory of the node.
        devices_per_node: allocatable devices; 0 on CPU.
        compute_capability: (major, minor) of NVIDIA's devices, None where unknown and on others.
        nodes: how many such nodes there are; in a pool: how many can still be added.
        selector: node labels that every node of the group carries and that tell it from others; an empty
            value stands for nodes that do not have the label.
        taints: taints of the group's nodes that the pod has to tolerate.
        allocatable_memory_gib, allocatable_cpu: smallest allocatable host memory and cores of the group.
        architecture: of the nodes' processors (``amd64``, ``arm64``), empty where unknown.
        beside_devices: on CPU groups: the nodes have accelerators. They serve on CPU only where
            ``spec.accelerator.kind`` is CPU: a CPU server takes the host memory and cores that
            the servers on these accelerators need.
        device_architecture: ``gfx942`` and the like of AMD's devices, empty where unknown and on others.
        interconnect: ``nvlink``, ``xgmi`` or ``pcie`` between the devices of a node, empty where unknown.
        is_slice: one device is a part of a GPU with memory of its own (MIG).
        shared_by: pods that share one GPU by time slices; nothing keeps each to its part of the memory.
        refusal: why these devices are never planned with, empty where they are.
        pool: name of the static pool that the nodes would come from; they are not there yet.
        in_use_by_node: devices that models use now, one entry for each node where they use any.
        node_names: the group's nodes, in order; none in a pool. Of nodes that are not read: those that are known by
            the pods on them.

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
    device_architecture: str = ""
    interconnect: str = ""
    is_slice: bool = False
    shared_by: int = 1
    refusal: str = ""
    pool: str = ""
    in_use_by_node: tuple[int, ...] = ()
    node_names: tuple[str, ...] = ()

    @property
    def is_gpu(self) -> bool:
        """Whether the group's nodes have devices."""
        return self.resource != CPU_RESOURCE

    @property
    def vendor(self) -> str:
        """Who makes the devices; empty on CPU."""
        return vendor_of(self.resource)

    @property
    def most_per_replica(self) -> int:
        """Devices that one replica can use together: slices and shares of GPUs cannot be joined."""
        return min(self.devices_per_node, 1) if self.is_slice or self.shared_by > 1 else self.devices_per_node

    @property
    def devices_in_use_by_models(self) -> int:
        """Devices that pods of models hold now; other pods are not seen."""
        return sum(self.in_use_by_node)

    def replicas_free_now(self, count: int) -> int:
        """Return how many replicas of ``count`` devices find them free of other models now; 0 in a pool."""
        if self.pool or count == 0:
            return 0
        # Of nodes that are not read there may be more than were described.
        untouched = max(0, self.nodes - len(self.in_use_by_node))
        partly = sum((self.devices_per_node - used) // count for used in self.in_use_by_node)
        return untouched * (self.devices_per_node // count) + partly


@dataclass(frozen=True, slots=True)
class Inventory:
    """All groups of schedulable nodes, in a stable order.

    ``notes`` says in words what was left out and why (a node with GPUs but without labels, ...).
    """

    groups: tuple[NodeGroup, ...]
    notes: tuple[str, ...] = ()
