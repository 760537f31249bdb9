"""Label sets as real nodes carry them, by who sets them; the one place where tests take them from.

Origins:

- GPU feature discovery: the README and the expected outputs of its own tests (NVIDIA/k8s-device-plugin
  at 1b826acc, docs/gpu-feature-discovery and tests/expected-output*.txt); memory is what nvidia-smi
  shows of such devices.
- AMD's labeller: README and source (ROCm/k8s-device-plugin at ed764684, cmd/k8s-node-labeller), the
  MI300X's values from AMD's documentation of the device plugin.
- Intel: node feature rules (intel-device-plugins-for-kubernetes at 94a91bc9, deployments/nfd).
- Karpenter and EKS Auto Mode: reference/instance-types.md (karpenter-provider-aws at 1d927085d), and
  the list of labels in the EKS user guide (create-node-pool).
- GKE: docs "GPUs on GKE", "GPU time-sharing", "multi-instance GPUs"; AKS: docs "GPU node pools".
"""

from collections.abc import Mapping
from typing import Any

from tests.builders_sizing import a_node

Node = dict[str, Any]

DRIVER = {
    "nvidia.com/cuda.driver-version.full": "550.107.02",
    "nvidia.com/cuda.driver-version.major": "550",
    "nvidia.com/cuda.driver-version.minor": "107",
    "nvidia.com/cuda.driver-version.revision": "02",
    "nvidia.com/cuda.driver.major": "550",
    "nvidia.com/cuda.driver.minor": "107",
    "nvidia.com/cuda.driver.rev": "02",
    "nvidia.com/cuda.runtime-version.full": "12.4",
    "nvidia.com/cuda.runtime-version.major": "12",
    "nvidia.com/cuda.runtime-version.minor": "4",
    "nvidia.com/cuda.runtime.major": "12",
    "nvidia.com/cuda.runtime.minor": "4",
    "nvidia.com/gfd.timestamp": "1724632719",
    "nvidia.com/mps.capable": "false",
    "feature.node.kubernetes.io/pci-10de.present": "true",
}


def gfd(product: str, memory: str, capability: str, *, count: int, family: str, **changes: str) -> dict[str, str]:
    """Labels of GPU feature discovery on a node with whole GPUs; ``changes`` by the name after ``nvidia.com/``."""
    major, _, minor = capability.partition(".")
    labels = DRIVER | {
        "nvidia.com/gpu.compute.major": major,
        "nvidia.com/gpu.compute.minor": minor,
        "nvidia.com/gpu.count": str(count),
        "nvidia.com/gpu.family": family,
        "nvidia.com/gpu.machine": "PowerEdge-R750xa",
        "nvidia.com/gpu.memory": memory,
        "nvidia.com/gpu.mode": "compute",
        "nvidia.com/gpu.product": product,
        "nvidia.com/gpu.replicas": "1",
        "nvidia.com/gpu.sharing-strategy": "none",
        "nvidia.com/mig.capable": "false",
        "nvidia.com/mig.strategy": "single",
    }
    return labels | {f"nvidia.com/{name}": value for name, value in changes.items()}


GFD_L4 = gfd("NVIDIA-L4", "23034", "8.9", count=8, family="ada-lovelace")
GFD_H100 = gfd("NVIDIA-H100-80GB-HBM3", "81559", "9.0", count=8, family="hopper", **{"mig.capable": "true"})
GFD_A100 = gfd("NVIDIA-A100-SXM4-40GB", "40960", "8.0", count=8, family="ampere", **{"mig.capable": "true"})

GFD_TIME_SLICED = GFD_L4 | {
    "nvidia.com/gpu.product": "NVIDIA-L4-SHARED",
    "nvidia.com/gpu.replicas": "4",
    "nvidia.com/gpu.sharing-strategy": "time-slicing",
}
"""Four shares of each L4; the node offers 32 ``nvidia.com/gpu``."""
GFD_TIME_SLICED_RENAMED = GFD_TIME_SLICED | {"nvidia.com/gpu.product": "NVIDIA-L4"}
"""With ``renameByDefault`` the node offers ``nvidia.com/gpu.shared``, and the product keeps its name."""
GFD_MPS = GFD_TIME_SLICED | {"nvidia.com/gpu.sharing-strategy": "mps", "nvidia.com/mps.capable": "true"}

GFD_MIG_SINGLE = GFD_A100 | {
    "nvidia.com/gpu.count": "16",
    "nvidia.com/gpu.engines.copy": "3",
    "nvidia.com/gpu.memory": "19968",
    "nvidia.com/gpu.multiprocessors": "42",
    "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB-MIG-3g.20gb",
    "nvidia.com/gpu.slices.ci": "3",
    "nvidia.com/gpu.slices.gi": "3",
}
GFD_MIG_MIXED = GFD_A100 | {
    "nvidia.com/mig.strategy": "mixed",
    "nvidia.com/mig-1g.5gb.count": "8",
    "nvidia.com/mig-1g.5gb.memory": "4864",
    "nvidia.com/mig-1g.5gb.product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb",
    "nvidia.com/mig-1g.5gb.replicas": "1",
    "nvidia.com/mig-1g.5gb.sharing-strategy": "none",
    "nvidia.com/mig-3g.20gb.count": "4",
    "nvidia.com/mig-3g.20gb.memory": "19968",
    "nvidia.com/mig-3g.20gb.multiprocessors": "42",
    "nvidia.com/mig-3g.20gb.product": "NVIDIA-A100-SXM4-40GB-MIG-3g.20gb",
    "nvidia.com/mig-3g.20gb.replicas": "1",
    "nvidia.com/mig-3g.20gb.sharing-strategy": "none",
    "nvidia.com/mig-3g.20gb.slices.gi": "3",
}
MIG_MIXED_DEVICES = {"nvidia.com/gpu": "4", "nvidia.com/mig-1g.5gb": "8", "nvidia.com/mig-3g.20gb": "4"}
GFD_MIG_INVALID = GFD_A100 | {
    "nvidia.com/gpu.count": "0",
    "nvidia.com/gpu.memory": "0",
    "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB-MIG-INVALID",
    "nvidia.com/gpu.replicas": "0",
    "nvidia.com/gpu.sharing-strategy": "",
}

AMD_MI300X = {
    "amd.com/gpu.compute-memory-partition": "spx_nps1",
    "amd.com/gpu.compute-partitioning-supported": "true",
    "amd.com/gpu.cu-count": "304",
    "amd.com/gpu.device-id": "74a1",
    "amd.com/gpu.driver-version": "6.10.5",
    "amd.com/gpu.family": "AI",
    "amd.com/gpu.memory-partitioning-supported": "true",
    "amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM",
    "amd.com/gpu.simd-count": "1216",
    "amd.com/gpu.vram": "192G",
    "beta.amd.com/gpu.cu-count": "304",
    "beta.amd.com/gpu.cu-count.304": "8",
    "beta.amd.com/gpu.device-id": "74a1",
    "beta.amd.com/gpu.device-id.74a1": "8",
    "beta.amd.com/gpu.family": "AI",
    "beta.amd.com/gpu.family.AI": "8",
    "beta.amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM",
    "beta.amd.com/gpu.product-name.AMD_Instinct_MI300X_OAM": "8",
    "beta.amd.com/gpu.vram": "192G",
    "beta.amd.com/gpu.vram.192G": "8",
}
AMD_OLD_STYLE = {
    "beta.amd.com/gpu.cu-count.104": "4",
    "beta.amd.com/gpu.device-id.740f": "4",
    "beta.amd.com/gpu.family.AI": "4",
    "beta.amd.com/gpu.simd-count.416": "4",
    "beta.amd.com/gpu.vram.64G": "4",
}
"""Labels that count: four MI210."""

INTEL_MAX = {
    "gpu.intel.com/device-id.0380-0bd5.count": "2",
    "gpu.intel.com/device-id.0380-0bd5.present": "true",
    "gpu.intel.com/device.count": "2",
    "gpu.intel.com/family": "Max_Series",
    "gpu.intel.com/product": "Max_1550",
}
INTEL_ARC = {"gpu.intel.com/device-id.0300-56a0.count": "1", "gpu.intel.com/device-id.0300-56a0.present": "true"}


def karpenter(domain: str, kind: str, **gpu: str) -> dict[str, str]:
    """Labels of a node that Karpenter (``karpenter.k8s.aws``) or EKS Auto Mode (``eks.amazonaws.com``) made."""
    family, _, size = kind.partition(".")
    labels = {
        f"{domain}/instance-category": family[0],
        f"{domain}/instance-family": family,
        f"{domain}/instance-size": size,
        f"{domain}/instance-gpu-manufacturer": "nvidia",
        "karpenter.sh/capacity-type": "on-demand",
        "karpenter.sh/nodepool": "gpu",
        "node.kubernetes.io/instance-type": kind,
        "topology.kubernetes.io/zone": "eu-central-1a",
    }
    return labels | {f"{domain}/instance-gpu-{name}": value for name, value in gpu.items()}


KARPENTER_A10G = karpenter("karpenter.k8s.aws", "g5.12xlarge", name="a10g", count="4", memory="22888")
KARPENTER_A100 = karpenter("karpenter.k8s.aws", "p4de.24xlarge", name="a100", count="8", memory="81920")
KARPENTER_PART_OF_L4 = karpenter("karpenter.k8s.aws", "g6f.2xlarge", name="l4", count="0", memory="5722")
AUTO_MODE_L40S = karpenter("eks.amazonaws.com", "g6e.xlarge", name="l40s", count="1", memory="45776") | {
    "eks.amazonaws.com/compute-type": "auto"
}

GKE_L4 = {
    "cloud.google.com/gke-accelerator": "nvidia-l4",
    "cloud.google.com/gke-boot-disk": "pd-balanced",
    "cloud.google.com/gke-gpu-driver-version": "latest",
    "cloud.google.com/gke-nodepool": "l4-pool",
    "cloud.google.com/machine-family": "g2",
    "node.kubernetes.io/instance-type": "g2-standard-24",
    "topology.kubernetes.io/zone": "europe-west4-a",
}
GKE_TIME_SHARED = GKE_L4 | {
    "cloud.google.com/gke-gpu-sharing-strategy": "time-sharing",
    "cloud.google.com/gke-max-shared-clients-per-gpu": "4",
}
GKE_PARTITIONED = GKE_L4 | {
    "cloud.google.com/gke-accelerator": "nvidia-tesla-a100",
    "cloud.google.com/gke-gpu-partition-size": "3g.20gb",
    "cloud.google.com/machine-family": "a2",
    "node.kubernetes.io/instance-type": "a2-highgpu-1g",
}
GKE_TPU = {
    "cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice",
    "cloud.google.com/gke-tpu-topology": "2x4",
    "node.kubernetes.io/instance-type": "ct5lp-hightpu-4t",
}
GAUDI_2 = {
    "feature.node.kubernetes.io/pci-1200_1da3.present": "true",
    "feature.node.kubernetes.io/pci-1200_1da3.sriov.capable": "true",
    "habana.ai/product.name": "HL-225B",
}
"""Intel's Gaudi: the device class of node feature discovery, and the card's name."""

AKS_A100 = {
    "accelerator": "nvidia",
    "agentpool": "gpu",
    "kubernetes.azure.com/accelerator": "nvidia",
    "kubernetes.azure.com/agentpool": "gpu",
    "kubernetes.azure.com/mode": "user",
    "node.kubernetes.io/instance-type": "Standard_NC48ads_A100_v4",
}
AKS_TAINT = {"key": "sku", "value": "gpu", "effect": "NoSchedule"}
GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}


def labelled(labels: Mapping[str, str], devices: Mapping[str, str], name: str = "gpu-1", **changes: Any) -> Node:
    """A roomy ready node with these labels and allocatable devices; ``changes`` as for ``a_node``."""
    roomy: dict[str, Any] = {"memory": "512Gi", "cpu": "64"}
    return a_node(name=name, labels=labels, devices=devices, **(roomy | changes))
