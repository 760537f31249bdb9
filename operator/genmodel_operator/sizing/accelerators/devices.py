"""What one node has to offer under one resource, as the readers of the vendors' labels give it."""

from dataclasses import dataclass

from genmodel_operator.sizing.accelerators.catalogue import Catalogue, Product
from genmodel_operator.sizing.accelerators.products import DEFAULT_CATALOGUE

Labels = tuple[tuple[str, str], ...]
"""Pairs of label and value, that a pod's node affinity can ask for."""


@dataclass(frozen=True, slots=True)
class Devices:
    """Like devices of one node.

    Attributes:
        resource: what a pod asks for.
        count: allocatable devices.
        product: name for people and for ``spec.accelerator.products``.
        memory_gib: of one device as the engine sees it, 0 where refused.
        compute_capability, architecture, interconnect: as in ``Product``.
        identity: labels that tell these nodes from others.
        is_slice, shared_by, refusal: as in ``NodeGroup``.

    """

    resource: str
    count: int
    product: str
    memory_gib: float = 0.0
    compute_capability: tuple[int, int] | None = None
    architecture: str = ""
    interconnect: str = ""
    identity: Labels = ()
    is_slice: bool = False
    shared_by: int = 1
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Pool:
    """Nodes that an autoscaler would add, or that are there unread: a static pool of the platform team's settings.

    Attributes:
        name: for people.
        product: product of the devices.
        devices_per_node, nodes: devices of one node, 0 on CPU, and how many nodes there can be at most.
        labels: what the pod's node affinity asks for; the autoscaler knows the pool by them.
        taints: as ``key=value:Effect``.
        memory_gib, cores: allocatable host memory and cores of one node.
        architecture: of the processors.
        resource: extended resource, empty for that of the product's vendor.

    """

    name: str
    product: str
    devices_per_node: int
    nodes: int
    labels: Labels
    taints: tuple[str, ...]
    memory_gib: float
    cores: float
    architecture: str = "amd64"
    resource: str = ""


@dataclass(frozen=True, slots=True)
class InventoryRules:
    """What the platform team decided about accelerators.

    Attributes:
        catalogue: the products, with the team's own ones.
        pools: nodes that are not there yet.
        plan_time_slices: time-sliced GPUs are planned with, each with its part of the memory.
        reads_nodes: the cluster's nodes are known; else those that pools describe count as there.

    """

    catalogue: Catalogue = DEFAULT_CATALOGUE
    pools: tuple[Pool, ...] = ()
    plan_time_slices: bool = False
    reads_nodes: bool = True


def of_product(product: Product, *, resource: str, count: int, memory_gib: float, identity: Labels) -> Devices:
    """Return devices of a product that the catalogue knows."""
    return Devices(
        resource=resource,
        count=count,
        product=product.name,
        memory_gib=memory_gib,
        compute_capability=product.compute_capability,
        architecture=product.architecture,
        interconnect=product.interconnect,
        identity=identity,
        refusal=product.refusal,
    )


def refused(resource: str, count: int, product: str, reason: str, identity: Labels = ()) -> Devices:
    """Return devices that are never planned with, and why; a product without a name is called by its resource."""
    return Devices(resource=resource, count=count, product=product or resource, identity=identity, refusal=reason)
