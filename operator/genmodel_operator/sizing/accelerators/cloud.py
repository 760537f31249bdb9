"""Devices by the labels of clouds and node provisioners, for nodes where the vendor's own labels are missing.

These labels tell the product, not what an engine sees: Karpenter's memory label of an A10G says
22888 MiB, of which 22.07 GiB can be used, and others say what is on the box. So they only choose
the product, and its memory comes from the catalogue. They are known before a node is there, which
makes them good for a pod's affinity too.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from genmodel_operator.sizing.accelerators.catalogue import Catalogue, Product
from genmodel_operator.sizing.accelerators.devices import Devices, Labels, of_product, refused
from genmodel_operator.sizing.accelerators.groups import vendor_of
from genmodel_operator.sizing.accelerators.machines import machine_of
from genmodel_operator.sizing.accelerators.nodes import Node
from genmodel_operator.sizing.accelerators.slices import profile_gib, slice_gib

AWS_PREFIXES = ("karpenter.k8s.aws/", "eks.amazonaws.com/")
"""Karpenter, and EKS Auto Mode, which is Karpenter under other keys."""
AZURE_PREFIX = "karpenter.azure.com/"
GKE_LABEL = "cloud.google.com/gke-accelerator"
GKE_CLIENTS = "cloud.google.com/gke-max-shared-clients-per-gpu"
GKE_PARTITION = "cloud.google.com/gke-gpu-partition-size"
TYPE_LABEL = "node.kubernetes.io/instance-type"
MISSING_LABEL = {"nvidia.com/gpu": "nvidia.com/gpu.product", "amd.com/gpu": "amd.com/gpu.product-name"}
_SETTER = {"nvidia.com/gpu": "GPU feature discovery", "amd.com/gpu": "AMD's node labeller"}

_GKE: Mapping[str, str] = {
    "nvidia-b200": "NVIDIA-B200",
    "nvidia-gb200": "NVIDIA-GB200",
    "nvidia-gb300": "NVIDIA-GB300",
    "nvidia-a100-80gb": "NVIDIA-A100-SXM4-80GB",
    "nvidia-h100-80gb": "NVIDIA-H100-80GB-HBM3",
    "nvidia-h100-mega-80gb": "NVIDIA-H100-80GB-HBM3",
    "nvidia-h200-141gb": "NVIDIA-H200",
    "nvidia-l4": "NVIDIA-L4",
    "nvidia-rtx-pro-6000": "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition",
    "nvidia-tesla-a100": "NVIDIA-A100-SXM4-40GB",
    "nvidia-tesla-p100": "Tesla-P100-PCIE-16GB",
    "nvidia-tesla-p4": "Tesla-P4",
    "nvidia-tesla-t4": "Tesla-T4",
    "nvidia-tesla-v100": "Tesla-V100-SXM2-16GB",
}
"""Values of GKE's label (docs "GPU machine types")."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """What one set of labels says: a product, or why it is none that is known; ``count`` 0 where it says none."""

    product: Product | None
    identity: Labels
    count: int = 0
    problem: str = ""


def identify(node: Node, resource: str, count: int, catalogue: Catalogue) -> Devices:
    """Return the devices by whatever labels there are, refused with the label to set where there are none."""
    claims = [claim for claim in _claims(node, catalogue) if _is_about(claim, resource)]
    known = next((claim for claim in claims if claim.product is not None), None)
    if known is None or known.product is None:
        return refused(resource, count, "", _why_unknown(resource, claims), claims[0].identity if claims else ())
    product, identity = known.product, known.identity
    found = of_product(product, resource=resource, count=count, memory_gib=product.memory_gib, identity=identity)
    if node.label(GKE_PARTITION):
        return _partition(found, node.label(GKE_PARTITION))
    if known.count and count > known.count and not node.label(GKE_CLIENTS):
        shares = (
            f"has {count} {resource} on {known.count} x {product.name}: parts or shares without a label that tells them"
        )
        return refused(resource, count, product.name, f"{shares} ({_label_to_set(resource)})", identity)
    return found


def _claims(node: Node, catalogue: Catalogue) -> Iterator[_Claim]:
    readers: tuple[Callable[[Node, Catalogue], _Claim | None], ...] = (_aws, _gke, _machine, _azure)
    for reader in readers:
        claim = reader(node, catalogue)
        if claim is not None:
            yield claim


def _is_about(claim: _Claim, resource: str) -> bool:
    return claim.product is None or claim.product.vendor == vendor_of(resource)


def _label_to_set(resource: str) -> str:
    label = MISSING_LABEL.get(resource, f"{resource}.product")
    return f"no label {label} ({_SETTER.get(resource, 'the device plugin')} sets it)"


def _why_unknown(resource: str, claims: list[_Claim]) -> str:
    problems = "".join(f", and {claim.problem}" for claim in claims if claim.problem)
    return f"has {resource} but {_label_to_set(resource)}{problems}"


def _identity(node: Node, *keys: str) -> Labels:
    return tuple((key, node.labels[key]) for key in sorted(keys) if node.label(key))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _aws(node: Node, catalogue: Catalogue) -> _Claim | None:
    for prefix in AWS_PREFIXES:
        name_label, memory_label = f"{prefix}instance-gpu-name", f"{prefix}instance-gpu-memory"
        count_label = f"{prefix}instance-gpu-count"
        if node.label(name_label):
            identity = _identity(node, name_label, memory_label)
            count = _number(node.label(count_label))
            product = catalogue.find(node.label(name_label), _number(node.label(memory_label)))
            said = ", ".join(f"{key}={value}" for key, value in identity)
            if product is None or count == 0:
                return _Claim(None, identity, problem=f"{said} is no whole product that is known")
            return _Claim(product, identity, count or 0)
    return None


def _azure(node: Node, catalogue: Catalogue) -> _Claim | None:
    label = f"{AZURE_PREFIX}sku-gpu-name"
    if not node.label(label):
        return None
    product = catalogue.find(node.label(label))
    problem = "" if product else f"{label}={node.label(label)} leaves the memory open or is not known"
    return _Claim(product, _identity(node, label), _number(node.label(f"{AZURE_PREFIX}sku-gpu-count")) or 0, problem)


def _gke(node: Node, catalogue: Catalogue) -> _Claim | None:
    value = node.label(GKE_LABEL)
    if not value:
        return None
    product = catalogue.find(_GKE.get(value, value))
    problem = "" if product else f"{GKE_LABEL}={value} is not known"
    count = _number(node.label("cloud.google.com/gke-accelerator-count")) or 0
    # Nodes whose GPUs are shared or divided carry the same product label as those with whole ones.
    told_apart = tuple((key, node.label(key)) for key in (GKE_LABEL, GKE_PARTITION, GKE_CLIENTS))
    return _Claim(product, tuple(sorted(told_apart)), count, problem)


def _machine(node: Node, catalogue: Catalogue) -> _Claim | None:
    value = node.label(TYPE_LABEL)
    if not value:
        return None
    machine = machine_of(value)
    product = catalogue.find(machine.product) if machine else None
    problem = "" if product else f"the machine type {TYPE_LABEL}={value} is not known"
    return _Claim(product, _identity(node, TYPE_LABEL), machine.count if machine else 0, problem)


def _partition(whole: Devices, partition: str) -> Devices:
    """Return the slices that GKE made of GPUs: ``partition`` is its label's value, such as ``1g.5gb``."""
    gib = profile_gib(partition)
    if gib is None:
        problem = f"has the label {GKE_PARTITION}={partition}, which is no MIG profile"
        return refused(whole.resource, whole.count, whole.product, problem, whole.identity)
    name = f"{whole.product}-MIG-{partition}"
    return replace(whole, product=name, memory_gib=slice_gib(gib), interconnect="", is_slice=True)
