"""Static pools: nodes that would come when a pod asks for them, or are there and may not be read."""

from collections.abc import Iterable
from dataclasses import replace

from genmodel_operator.sizing.accelerators.catalogue import Catalogue, mig_profile
from genmodel_operator.sizing.accelerators.devices import InventoryRules, Pool
from genmodel_operator.sizing.accelerators.groups import (
    AMD,
    AMD_RESOURCE,
    CPU_PRODUCT,
    CPU_RESOURCE,
    NVIDIA_RESOURCE,
    NodeGroup,
    Taint,
    vendor_of,
)
from genmodel_operator.sizing.accelerators.nodes import Node
from genmodel_operator.sizing.accelerators.slices import profile_gib, slice_gib


def pool_groups(rules: InventoryRules, nodes: Iterable[Node]) -> list[NodeGroup]:
    """Return a group for each pool that can still grow: its size less the nodes that carry its labels.

    Where nodes are not read, each pool is a group of nodes that are there.
    """
    if not rules.reads_nodes:
        return [replace(_group(pool, rules.catalogue, pool.nodes), pool="") for pool in rules.pools]
    present = list(nodes)
    grown = ((pool, pool.nodes - sum(_is_of(pool, node) for node in present)) for pool in rules.pools)
    return [_group(pool, rules.catalogue, left) for pool, left in grown if left > 0]


def _is_of(pool: Pool, node: Node) -> bool:
    return all(node.labels.get(key) == value for key, value in pool.labels)


def parse_taint(text: str) -> Taint:
    """Return a taint written as kubectl does, ``key=value:Effect``; ``ValueError`` where it is none."""
    pair, colon, effect = text.rpartition(":")
    key, _, value = pair.partition("=")
    if not (colon and key and effect in {"NoSchedule", "NoExecute", "PreferNoSchedule"}):
        raise ValueError(f"not a taint, which is written key=value:NoSchedule: {text!r}")
    return Taint(key, value, effect)


def _group(pool: Pool, catalogue: Catalogue, nodes: int) -> NodeGroup:
    if not pool.devices_per_node:
        return _cpu_group(pool, nodes)
    part = mig_profile(pool.product)
    product = catalogue.find(part[0] if part else pool.product)
    refusal = product.refusal if product else _why_unknown(pool, catalogue)
    memory_gib = 0.0 if product is None else product.memory_gib
    if part is not None:
        gib = profile_gib(part[1])
        refusal = refusal or ("" if gib else f"is a pool of MIG slices of no known size ({pool.product})")
        memory_gib = slice_gib(gib or 0)
    return replace(
        _cpu_group(pool, nodes),
        resource=pool.resource or (AMD_RESOURCE if product and product.vendor == AMD else NVIDIA_RESOURCE),
        product=_name(pool, catalogue),
        device_memory_gib=memory_gib,
        devices_per_node=pool.devices_per_node,
        compute_capability=product.compute_capability if product else None,
        device_architecture=product.architecture if product else "",
        interconnect=product.interconnect if product and part is None else "",
        is_slice=part is not None,
        refusal=refusal,
    )


def _cpu_group(pool: Pool, nodes: int) -> NodeGroup:
    """Return the pool's nodes without devices."""
    return NodeGroup(
        resource=CPU_RESOURCE,
        product=CPU_PRODUCT,
        device_memory_gib=pool.memory_gib,
        devices_per_node=0,
        compute_capability=None,
        nodes=nodes,
        selector=tuple(sorted(pool.labels)),
        taints=_taints(pool),
        allocatable_memory_gib=pool.memory_gib,
        allocatable_cpu=pool.cores,
        architecture=pool.architecture,
        pool=pool.name,
    )


def _taints(pool: Pool) -> tuple[Taint, ...]:
    taints = (parse_taint(text) for text in pool.taints)
    return tuple(sorted((taint for taint in taints if taint.effect != "PreferNoSchedule"), key=str))


def _name(pool: Pool, catalogue: Catalogue) -> str:
    """Return the product's name as its nodes will be labelled, whatever name the settings use."""
    found = catalogue.find(pool.product)
    return found.name if found else pool.product


def _why_unknown(pool: Pool, catalogue: Catalogue) -> str:
    if vendor_of(pool.resource) not in {"", "NVIDIA", "AMD"}:
        return ""
    several = ", ".join(product.name for product in catalogue.named(pool.product))
    if several:
        return f"the pool's product {pool.product} can be {several}: its entry in pools must name one"
    return f"the catalogue does not know the pool's product {pool.product}: describe it in accelerators.products"
