"""What the cluster has to serve on: accelerator kinds and CPU nodes, read from node objects."""

from dataclasses import dataclass

CPU_RESOURCE = "cpu"
CPU_PRODUCT = "CPU"


@dataclass(frozen=True, slots=True)
class Taint:
    """A node's taint that a pod must tolerate to be placed there."""

    key: str
    value: str
    effect: str


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
