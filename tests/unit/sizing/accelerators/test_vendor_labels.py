"""Each vendor's and cloud's real labels become groups that say what a pod would get, or why it gets nothing."""

from collections.abc import Mapping
from typing import Any

import pytest

from genmodel_operator.sizing.accelerators import NodeGroup, device_total_gib, read_inventory
from tests import builders_nodes as nodes
from tests.builders_nodes import labelled

A100 = "NVIDIA-A100-SXM4-40GB"
GKE_APART = {"cloud.google.com/gke-gpu-partition-size": "", "cloud.google.com/gke-max-shared-clients-per-gpu": ""}
"""Nodes with whole GPUs are those without these labels."""


def groups_of(*listed: Mapping[str, Any]) -> list[NodeGroup]:
    return [group for group in read_inventory(listed).groups if group.is_gpu]


WHOLE = [
    pytest.param(
        nodes.GFD_L4, {"nvidia.com/gpu": "8"},
        "NVIDIA-L4", 21.89, {"nvidia.com/gpu.product": "NVIDIA-L4"}, id="GPU feature discovery, L4",
    ),
    pytest.param(
        nodes.GFD_H100, {"nvidia.com/gpu": "8"},
        "NVIDIA-H100-80GB-HBM3", 79.19, {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"},
        id="GPU feature discovery, H100",
    ),
    pytest.param(
        nodes.GFD_L4 | {"nvidia.com/gpu.memory": ""}, {"nvidia.com/gpu": "8"},
        "NVIDIA-L4", 21.89, {"nvidia.com/gpu.product": "NVIDIA-L4"}, id="no memory label, a known product",
    ),
    pytest.param(
        nodes.GFD_L4 | {"nvidia.com/gpu.product": "NVIDIA-A40-24Q", "nvidia.com/vgpu.present": "true",
                        "nvidia.com/gpu.memory": "24576"}, {"nvidia.com/gpu": "1"},
        "NVIDIA-A40-24Q", 23.4, {"nvidia.com/gpu.product": "NVIDIA-A40-24Q"}, id="virtual GPU",
    ),
    pytest.param(
        nodes.KARPENTER_A10G, {"nvidia.com/gpu": "4"}, "NVIDIA-A10G", 21.89,
        {"karpenter.k8s.aws/instance-gpu-name": "a10g", "karpenter.k8s.aws/instance-gpu-memory": "22888"},
        id="Karpenter",
    ),
    pytest.param(
        nodes.KARPENTER_A100, {"nvidia.com/gpu": "8"}, "NVIDIA-A100-SXM4-80GB", 79.25,
        {"karpenter.k8s.aws/instance-gpu-name": "a100", "karpenter.k8s.aws/instance-gpu-memory": "81920"},
        id="Karpenter, a name that leaves the memory open",
    ),
    pytest.param(
        nodes.AUTO_MODE_L40S, {"nvidia.com/gpu": "1"}, "NVIDIA-L40S", 44.4,
        {"eks.amazonaws.com/instance-gpu-name": "l40s", "eks.amazonaws.com/instance-gpu-memory": "45776"},
        id="EKS Auto Mode",
    ),
    pytest.param(
        nodes.GKE_L4, {"nvidia.com/gpu": "2"}, "NVIDIA-L4", 21.89,
        GKE_APART | {"cloud.google.com/gke-accelerator": "nvidia-l4"}, id="GKE",
    ),
    pytest.param(
        nodes.AKS_A100, {"nvidia.com/gpu": "2"}, "NVIDIA-A100-80GB-PCIe", 79.25,
        {"node.kubernetes.io/instance-type": "Standard_NC48ads_A100_v4"}, id="AKS, by the machine type",
    ),
    pytest.param(
        {"karpenter.azure.com/sku-gpu-name": "T4", "karpenter.azure.com/sku-gpu-count": "1"}, {"nvidia.com/gpu": "1"},
        "Tesla-T4", 14.56, {"karpenter.azure.com/sku-gpu-name": "T4"}, id="AKS node auto-provisioning",
    ),
    pytest.param(
        {"node.kubernetes.io/instance-type": "p3.8xlarge"}, {"nvidia.com/gpu": "4"},
        "Tesla-V100-SXM2-16GB", 15.77, {"node.kubernetes.io/instance-type": "p3.8xlarge"}, id="only a machine type",
    ),
    pytest.param(
        nodes.AMD_MI300X, {"amd.com/gpu": "8"}, "AMD_Instinct_MI300X_OAM", 191.7,
        {"amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM"}, id="AMD",
    ),
    pytest.param(
        nodes.AMD_OLD_STYLE, {"amd.com/gpu": "4"}, "AMD_Instinct_MI210", 63.36,
        {"beta.amd.com/gpu.device-id.740f": "4"}, id="AMD, labels that count",
    ),
    pytest.param(
        {"amd.com/gpu.product-name": "AMD_Instinct_MI999", "amd.com/gpu.vram": "256G"}, {"amd.com/gpu": "1"},
        "AMD_Instinct_MI999", 252.94, {"amd.com/gpu.product-name": "AMD_Instinct_MI999"}, id="AMD, a new product",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("labels", "devices", "want_product", "want_gib", "want_selector"), WHOLE)
def test_whole_devices(
    labels: dict[str, str],
    devices: dict[str, str],
    want_product: str,
    want_gib: float,
    want_selector: dict[str, str],
) -> None:
    (group,) = groups_of(labelled(labels, devices))
    assert (group.product, group.refusal, group.shared_by, group.is_slice) == (want_product, "", 1, False)
    assert group.device_memory_gib == pytest.approx(want_gib, abs=0.01)
    assert dict(group.selector) == want_selector
    assert {group.resource: str(group.devices_per_node)} == devices
    assert group.most_per_replica == group.devices_per_node
    assert (group.compute_capability is None) == (group.vendor == "AMD")


@pytest.mark.parametrize(
    ("labels", "devices", "want_groups"),
    [
        pytest.param(
            nodes.GFD_MIG_SINGLE, {"nvidia.com/gpu": "16"},
            [("nvidia.com/gpu", f"{A100}-MIG-3g.20gb", 16, 19.3, True)], id="MIG, all slices alike",
        ),
        pytest.param(
            nodes.GFD_MIG_MIXED, nodes.MIG_MIXED_DEVICES,
            [
                ("nvidia.com/gpu", A100, 4, 39.4, False),
                ("nvidia.com/mig-1g.5gb", f"{A100}-MIG-1g.5gb", 8, 4.7, True),
                ("nvidia.com/mig-3g.20gb", f"{A100}-MIG-3g.20gb", 4, 19.3, True),
            ],
            id="MIG, slices under names of their own beside whole GPUs",
        ),
        pytest.param(
            nodes.GFD_A100, {"nvidia.com/mig-2g.10gb": "3"},
            [("nvidia.com/mig-2g.10gb", f"{A100}-MIG-2g.10gb", 3, 8.5, True)],
            id="MIG, slices without labels of their own: the least that such a slice has",
        ),
        pytest.param(
            {}, {"nvidia.com/mig-1g.10gb.me": "1"},
            [("nvidia.com/mig-1g.10gb.me", "nvidia.com/mig-1g.10gb.me", 1, 8.5, True)], id="MIG, nothing but slices",
        ),
        pytest.param(
            nodes.GKE_PARTITIONED, {"nvidia.com/gpu": "2"},
            [("nvidia.com/gpu", f"{A100}-MIG-3g.20gb", 2, 17.0, True)], id="GKE, divided GPUs",
        ),
    ],
)  # fmt: skip
def test_slices(labels: dict[str, str], devices: dict[str, str], want_groups: list[tuple[Any, ...]]) -> None:
    found = sorted(groups_of(labelled(labels, devices)), key=lambda group: group.resource)
    assert [
        (group.resource, group.product, group.devices_per_node, round(group.device_memory_gib, 1), group.is_slice)
        for group in found
    ] == want_groups
    assert [group.refusal for group in found] == [""] * len(found)
    assert {group.most_per_replica for group in found if group.is_slice} == {1}
    assert all(group.compute_capability == (8, 0) for group in found if group.product.startswith(A100))


REFUSED = [
    pytest.param(nodes.GFD_MIG_INVALID, {"nvidia.com/gpu": "1"}, "MIG slices of no known size", id="invalid MIG"),
    pytest.param(
        nodes.GFD_MIG_SINGLE | {"nvidia.com/gpu.memory": "40960"}, {"nvidia.com/gpu": "16"},
        "nvidia.com/gpu.memory=40960, which is not the memory of one slice of 20 GB", id="a slice with a GPU's memory",
    ),
    pytest.param(
        nodes.GFD_MIG_MIXED | {"nvidia.com/mig-1g.5gb.memory": "5 GB"}, {"nvidia.com/mig-1g.5gb": "8"},
        "nvidia.com/mig-1g.5gb.memory=5 GB, which is not a number of MiB", id="a slice's memory that is no number",
    ),
    pytest.param(
        nodes.KARPENTER_PART_OF_L4, {"nvidia.com/gpu": "1"},
        "karpenter.k8s.aws/instance-gpu-memory=5722, karpenter.k8s.aws/instance-gpu-name=l4 is no whole product",
        id="Karpenter, part of a GPU",
    ),
    pytest.param(
        nodes.KARPENTER_A10G, {"nvidia.com/gpu": "16"},
        "has 16 nvidia.com/gpu on 4 x NVIDIA-A10G: parts or shares without a label that tells them",
        id="shares without labels",
    ),
    pytest.param(
        {"node.kubernetes.io/instance-type": "x9.metal"}, {"nvidia.com/gpu": "1"},
        "no label nvidia.com/gpu.product (GPU feature discovery sets it), "
        "and the machine type node.kubernetes.io/instance-type=x9.metal is not known",
        id="unknown machine type",
    ),
    pytest.param(
        {"karpenter.azure.com/sku-gpu-name": "A100"}, {"nvidia.com/gpu": "1"},
        "karpenter.azure.com/sku-gpu-name=A100 leaves the memory open or is not known", id="A100 of either memory",
    ),
    pytest.param(
        nodes.GKE_L4 | {"cloud.google.com/gke-accelerator": "nvidia-next", "node.kubernetes.io/instance-type": "n9"},
        {"nvidia.com/gpu": "1"}, "cloud.google.com/gke-accelerator=nvidia-next is not known", id="new on GKE",
    ),
    pytest.param(
        nodes.GKE_PARTITIONED | {"cloud.google.com/gke-gpu-partition-size": "half"}, {"nvidia.com/gpu": "1"},
        "cloud.google.com/gke-gpu-partition-size=half, which is no MIG profile", id="unknown partition",
    ),
    pytest.param({}, {"amd.com/gpu": "1"}, "no label amd.com/gpu.product-name (AMD's node labeller sets it)",
                 id="AMD without labels"),
    pytest.param(
        nodes.AMD_MI300X | {"amd.com/gpu.vram": "1536G"}, {"amd.com/gpu": "8"},
        "amd.com/gpu.vram=1536G, but one AMD_Instinct_MI300X_OAM has 192 GiB", id="AMD, memory of the whole node",
    ),
    pytest.param(
        nodes.AMD_MI300X | {"amd.com/gpu.vram": "plenty"}, {"amd.com/gpu": "8"},
        "amd.com/gpu.vram=plenty, which is no memory in whole GiB such as 192G", id="AMD, memory that is no number",
    ),
    pytest.param(
        {"amd.com/gpu.product-name": "AMD_Next"}, {"amd.com/gpu": "8"}, "no label amd.com/gpu.vram",
        id="AMD, unknown and without memory",
    ),
    pytest.param(
        nodes.AMD_OLD_STYLE | {"beta.amd.com/gpu.device-id.6860": "1"}, {"amd.com/gpu": "5"},
        "has different GPUs under amd.com/gpu (beta.amd.com/gpu.device-id.6860, beta.amd.com/gpu.device-id.740f)",
        id="AMD, two kinds in one node",
    ),
    pytest.param(
        nodes.AMD_MI300X | {"amd.com/gpu.compute-memory-partition": "cpx_nps4"}, {"amd.com/gpu": "64"},
        "amd.com/gpu.compute-memory-partition=cpx_nps4, which is not planned with", id="AMD, divided GPUs",
    ),
    pytest.param(
        {}, {"amd.com/cpx_nps4": "64"}, "has amd.com/cpx_nps4 with it is no whole GPU", id="AMD, parts by name",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("labels", "devices", "want_reason"), REFUSED)
def test_devices_that_are_refused(labels: dict[str, str], devices: dict[str, str], want_reason: str) -> None:
    inventory = read_inventory([labelled(labels, devices)])
    (group,) = (group for group in inventory.groups if group.is_gpu)
    assert want_reason in group.refusal
    assert inventory.notes == (f"gpu-1: {group.refusal}",)


@pytest.mark.parametrize(
    ("labels", "devices", "want_product", "want_vendor"),
    [
        pytest.param(nodes.INTEL_MAX, {"gpu.intel.com/i915": "2"}, "Max_1550", "Intel", id="Intel, i915"),
        pytest.param(nodes.INTEL_ARC, {"gpu.intel.com/xe": "1"}, "gpu.intel.com/xe", "Intel", id="Intel, xe"),
        pytest.param({}, {"habana.ai/gaudi": "8"}, "habana.ai/gaudi", "Intel", id="Gaudi, without its name"),
        pytest.param(nodes.GAUDI_2, {"habana.ai/gaudi": "8"}, "HL-225B", "Intel", id="Gaudi"),
        pytest.param(nodes.GKE_TPU, {"google.com/tpu": "4"}, "tpu-v5-lite-podslice", "Google", id="TPU"),
        pytest.param({}, {"aws.amazon.com/neuron": "1"}, "aws.amazon.com/neuron", "AWS", id="Neuron"),
    ],
)
def test_devices_that_no_engine_serves_are_shown(
    labels: dict[str, str], devices: dict[str, str], want_product: str, want_vendor: str
) -> None:
    (group,) = groups_of(labelled(labels, devices))
    assert (group.product, group.vendor, group.refusal) == (want_product, want_vendor, "")


def test_a_monitoring_resource_is_no_device() -> None:
    (group,) = groups_of(labelled(nodes.INTEL_MAX, {"gpu.intel.com/i915": "2", "gpu.intel.com/monitoring": "1"}))
    assert group.resource == "gpu.intel.com/i915"


def test_a_heterogeneous_cluster_has_one_group_for_each_kind() -> None:
    listed = [
        labelled(nodes.GFD_L4, {"nvidia.com/gpu": "8"}, "a"),
        labelled(nodes.GFD_L4 | {"nvidia.com/gfd.timestamp": "1"}, {"nvidia.com/gpu": "8"}, "b"),
        labelled(nodes.GFD_H100, {"nvidia.com/gpu": "8"}, "c"),
        labelled(nodes.AMD_MI300X, {"amd.com/gpu": "8"}, "d"),
        labelled(nodes.GFD_MIG_SINGLE, {"nvidia.com/gpu": "16"}, "e"),
        labelled(nodes.GKE_L4, {"nvidia.com/gpu": "2"}, "f"),
    ]
    found = {group.node_names: group.product for group in groups_of(*listed)}
    assert found == {
        ("a", "b"): "NVIDIA-L4",
        ("c",): "NVIDIA-H100-80GB-HBM3",
        ("d",): "AMD_Instinct_MI300X_OAM",
        ("e",): f"{A100}-MIG-3g.20gb",
        ("f",): "NVIDIA-L4",
    }


def test_a_refused_node_is_told_apart_from_good_ones_of_its_product() -> None:
    good = labelled(nodes.GFD_L4, {"nvidia.com/gpu": "8"}, "good")
    wrong = labelled(nodes.GFD_L4 | {"nvidia.com/gpu.memory": "184272"}, {"nvidia.com/gpu": "8"}, "wrong")
    selectors = {group.node_names: dict(group.selector) for group in groups_of(good, wrong)}
    assert selectors[("good",)] == {"nvidia.com/gpu.product": "NVIDIA-L4", "nvidia.com/gpu.memory": "23034"}


def test_an_unknown_product_is_what_its_label_says() -> None:
    labels = nodes.GFD_L4 | {"nvidia.com/gpu.product": "NVIDIA-Next", "nvidia.com/gpu.memory": "49152"}
    (group,) = groups_of(labelled(labels, {"nvidia.com/gpu": "8"}))
    assert (group.device_memory_gib, group.interconnect) == (device_total_gib(49152), "")
