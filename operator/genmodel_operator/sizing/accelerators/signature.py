"""What nodes must have in common to be read as one: in a cluster of a thousand nodes there are a dozen kinds."""

from typing import Any

from genmodel_operator.sizing.accelerators.groups import AMD, vendor_of
from genmodel_operator.sizing.accelerators.nodes import ARCHITECTURE_LABEL, OS_LABEL, Node

_ALWAYS = (ARCHITECTURE_LABEL, OS_LABEL, "nvidia.com/gpu.product")
_READ = (
    "nvidia.com/gpu.memory",
    "nvidia.com/gpu.count",
    "nvidia.com/gpu.replicas",
    "nvidia.com/gpu.sharing-strategy",
    "nvidia.com/gpu.compute.major",
    "nvidia.com/gpu.compute.minor",
    "nvidia.com/vgpu.present",
    "node.kubernetes.io/instance-type",
    "cloud.google.com/gke-accelerator",
    "cloud.google.com/gke-accelerator-count",
    "cloud.google.com/gke-gpu-partition-size",
    "cloud.google.com/gke-gpu-sharing-strategy",
    "cloud.google.com/gke-max-shared-clients-per-gpu",
    "cloud.google.com/gke-tpu-accelerator",
    "gpu.intel.com/product",
    "gpu.intel.com/family",
    "habana.ai/product.name",
    *(
        f"{domain}/instance-{kind}"
        for domain in ("karpenter.k8s.aws", "eks.amazonaws.com")
        for kind in ("gpu-name", "gpu-memory", "gpu-count", "accelerator-name")
    ),
    "karpenter.azure.com/sku-gpu-name",
    "karpenter.azure.com/sku-gpu-count",
)
"""Every label of fixed name that a reader asks for."""
_PER_RESOURCE = ("product", "memory", "count", "replicas", "sharing-strategy")
_AMD_PREFIXES = ("amd.com/gpu.", "beta.amd.com/gpu.")


def signature_of(node: Node) -> tuple[Any, ...]:
    """Return everything of a node that its groups depend on, but its host's memory and cores."""
    get = node.labels.get
    common = (node.devices, node.taints, node.architecture, *map(get, _ALWAYS))
    if not node.devices:
        return common
    return (*common, *map(get, _READ), _per_resource(node), _of_amd(node))


def _per_resource(node: Node) -> tuple[str | None, ...]:
    """Return the labels that are named after resources of their own, such as those of MIG profiles."""
    own = [name.removesuffix(".shared") for name, _ in node.devices if name.startswith("nvidia.com/mig-")]
    return tuple(node.labels.get(f"{name}.{kind}") for name in own for kind in _PER_RESOURCE)


def _of_amd(node: Node) -> tuple[tuple[str, str], ...]:
    if not any(vendor_of(name) == AMD for name, _ in node.devices):
        return ()
    return tuple(sorted(pair for pair in node.labels.items() if pair[0].startswith(_AMD_PREFIXES)))
