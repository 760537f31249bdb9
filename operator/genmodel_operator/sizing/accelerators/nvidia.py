"""NVIDIA's devices by the labels of GPU feature discovery: whole GPUs, MIG slices, shares of either.

GPU feature discovery names labels after the resource: ``nvidia.com/gpu.product`` and
``nvidia.com/gpu.memory`` (MiB of one device), and for slices under names of their own
``nvidia.com/mig-3g.20gb.product`` and so on. With MIG strategy "single" slices go by
``nvidia.com/gpu``, and product and memory are theirs.
"""

import re

from genmodel_operator.sizing.accelerators.catalogue import (
    LARGEST_LABEL_MEBIBYTES,
    SMALLEST_LABEL_MEBIBYTES,
    Catalogue,
    Product,
    device_total_gib,
    is_whole_node,
    mig_profile,
)
from genmodel_operator.sizing.accelerators.cloud import GKE_CLIENTS, GKE_LABEL, identify
from genmodel_operator.sizing.accelerators.devices import Devices, InventoryRules, refused
from genmodel_operator.sizing.accelerators.groups import NVIDIA_RESOURCE
from genmodel_operator.sizing.accelerators.nodes import Node
from genmodel_operator.sizing.accelerators.sharing import SHARED_SUFFIX, apply_sharing
from genmodel_operator.sizing.accelerators.slices import is_plausible_slice, profile_gib, slice_gib

PRODUCT_LABEL = "nvidia.com/gpu.product"
MEMORY_LABEL = "nvidia.com/gpu.memory"
MAJOR_LABEL, MINOR_LABEL = "nvidia.com/gpu.compute.major", "nvidia.com/gpu.compute.minor"
VGPU_LABEL = "nvidia.com/vgpu.present"

_MIG_RESOURCE = re.compile(r"nvidia\.com/mig-(?P<profile>\d+g\.\d+gb[\w.+-]*?)(\.shared)?")


def read_nvidia(node: Node, resource: str, count: int, rules: InventoryRules) -> Devices:
    """Return the devices behind one of NVIDIA's resources."""
    base = resource.removesuffix(".shared")
    product = node.label(f"{base}.product")
    profile = _MIG_RESOURCE.fullmatch(resource)
    if profile is not None:
        found = _slice(node, resource, count, product or _slice_product(node, profile["profile"]), rules.catalogue)
    elif not product:
        found = identify(node, resource, count, rules.catalogue)
    elif mig_profile(product) is not None:
        found = _slice(node, resource, count, product, rules.catalogue)
    else:
        found = _whole(node, resource, count, product, rules)
    return apply_sharing(node, found, rules)


def _slice_product(node: Node, profile: str) -> str:
    whole = node.label(PRODUCT_LABEL)
    return f"{whole.removesuffix(SHARED_SUFFIX)}-MIG-{profile}" if whole else ""


def _capability(node: Node, product: Product | None) -> tuple[int, int] | None:
    major, minor = node.label(MAJOR_LABEL), node.label(MINOR_LABEL)
    if _is_number(major) and _is_number(minor):
        return int(major), int(minor)
    return product.compute_capability if product is not None else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _identity(node: Node, *keys: str) -> tuple[tuple[str, str], ...]:
    return tuple((key, node.labels[key]) for key in sorted(keys) if node.label(key))


def _whole(node: Node, resource: str, count: int, product: str, rules: InventoryRules) -> Devices:
    """Return whole GPUs whose product is labelled; their memory comes from its label, else from the catalogue."""
    memory = node.label(MEMORY_LABEL)
    identity = _identity(node, PRODUCT_LABEL, MEMORY_LABEL)
    if node.label(GKE_LABEL):
        # GKE shares GPUs without telling the vendor's labels.
        identity = (*identity, (GKE_CLIENTS, node.label(GKE_CLIENTS)))
    known = rules.catalogue.named(product.removesuffix(SHARED_SUFFIX))
    problem = _why_mixed(node, resource, count) or _why_wrong_memory(node, memory, known)
    if problem is None and not memory and len(known) != 1:
        problem = (
            f"has {resource} but no label {MEMORY_LABEL} (GPU feature discovery sets it), "
            f"and accelerators.products does not name {product}"
        )
    if problem is not None:
        return refused(resource, count, product, problem, identity)
    mebibytes = int(memory) if memory else known[0].label_mebibytes
    found = rules.catalogue.find(product.removesuffix(SHARED_SUFFIX), mebibytes)
    is_virtual = node.label(VGPU_LABEL) == "true"
    return Devices(
        resource=resource,
        count=count,
        product=product,
        memory_gib=found.seen_gib(mebibytes) if found and not is_virtual else device_total_gib(mebibytes),
        compute_capability=_capability(node, found),
        interconnect=found.interconnect if found else "",
        identity=identity,
        refusal=found.refusal if found else "",
    )


def _why_mixed(node: Node, resource: str, count: int) -> str | None:
    """Return that a node holds more devices than its labels speak of: they name one product of several."""
    said, replicas = node.label(f"{NVIDIA_RESOURCE}.count"), node.label(f"{NVIDIA_RESOURCE}.replicas")
    shares = int(replicas) if _is_number(replicas) else 1
    if not _is_number(said) or count <= int(said) * max(1, shares):
        return None
    return (
        f"has {count} {resource}, but {NVIDIA_RESOURCE}.count={said}: of different GPUs in one node the labels name one"
    )


def _why_wrong_memory(node: Node, memory: str, known: tuple[Product, ...]) -> str | None:
    """Return why the memory label cannot be that of one device, in MiB."""
    said = f"has the label {MEMORY_LABEL}={memory}"
    if not memory:
        return None
    if not _is_number(memory):
        return f"{said}, which is not a number of MiB"
    if known and node.label(VGPU_LABEL) != "true":
        return _why_not_of_product(said, int(memory), node.label(f"{NVIDIA_RESOURCE}.count"), known)
    if SMALLEST_LABEL_MEBIBYTES <= int(memory) <= LARGEST_LABEL_MEBIBYTES:
        return None
    return f"{said}, which is not the memory of one GPU in MiB"


def _why_not_of_product(said: str, mebibytes: int, count: str, known: tuple[Product, ...]) -> str | None:
    if any(product.is_plausible(mebibytes) for product in known):
        return None
    sizes = " or ".join(str(product.label_mebibytes) for product in known)
    if is_whole_node(mebibytes, int(count) if _is_number(count) else 1, known):
        return f"{said}, the memory of all {count} GPUs together; one {known[0].name} has {sizes} MiB"
    return f"{said}, but one {known[0].name} has {sizes} MiB"


def _slice(node: Node, resource: str, count: int, product: str, catalogue: Catalogue) -> Devices:
    """Return MIG slices; each has memory of its own, and no two can be joined."""
    base = resource.removesuffix(".shared")
    label = f"{base}.memory"
    memory = node.label(label)
    identity = _identity(node, PRODUCT_LABEL, *((label,) if base == NVIDIA_RESOURCE else ()))
    problem = _why_wrong_slice(label, memory, product or resource)
    if problem is not None:
        return refused(resource, count, product, problem, identity)
    whole = mig_profile(product)
    parent = catalogue.named(whole[0]) if whole else ()
    return Devices(
        resource=resource,
        count=count,
        product=product or resource,
        memory_gib=slice_gib(profile_gib(product or resource) or 0, int(memory) if memory else None),
        compute_capability=_capability(node, parent[0] if parent else None),
        identity=identity,
        is_slice=True,
    )


def _why_wrong_slice(label: str, memory: str, named: str) -> str | None:
    gib = profile_gib(named)
    if gib is None:
        return f"has MIG slices of no known size ({named})"
    if not memory:
        return None
    said = f"has the label {label}={memory}"
    if not _is_number(memory):
        return f"{said}, which is not a number of MiB"
    return None if is_plausible_slice(int(memory), gib) else f"{said}, which is not the memory of one slice of {gib} GB"
