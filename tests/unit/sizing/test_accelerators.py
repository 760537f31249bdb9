"""The inventory: what node objects say about GPUs and CPU nodes, and what is left out with a note."""

from typing import Any

import pytest

from genmodel_operator.sizing.accelerators import Inventory, NodeGroup, Taint, device_total_gib, read_inventory
from tests.builders_sizing import GPUS, a_gpu_node, a_node

NEXT = {"nvidia.com/gpu.product": "NVIDIA-Next"}
"""A product that the catalogue does not know."""


def gpu_groups(inventory: Inventory) -> list[NodeGroup]:
    return [group for group in inventory.groups if group.is_gpu]


def cpu_groups(inventory: Inventory) -> list[NodeGroup]:
    return [group for group in inventory.groups if not group.is_gpu]


@pytest.mark.parametrize(
    ("label_mebibytes", "want_seen_gib"),
    [
        pytest.param(15360, 14.56, id="T4"),
        pytest.param(23028, 22.07, id="A10"),
        pytest.param(24564, 23.5, id="RTX 4090"),
        pytest.param(40960, 39.4, id="A100 40 GB"),
        pytest.param(46068, 44.4, id="L40S"),
        pytest.param(81920, 79.25, id="A100 80 GB"),
        pytest.param(81559, 79.18, id="H100 80 GB"),
        pytest.param(97887, 94.97, id="RTX PRO 6000"),
        pytest.param(143771, 139.7, id="H200"),
    ],
)
def test_device_total_is_below_and_near_what_servers_logged(label_mebibytes: int, want_seen_gib: float) -> None:
    got_gib = device_total_gib(label_mebibytes)
    assert got_gib <= want_seen_gib
    assert got_gib >= want_seen_gib - 0.75


@pytest.mark.parametrize("product", [pytest.param(product, id=product) for product in GPUS])
def test_a_gpu_node_becomes_a_group(product: str) -> None:
    inventory = read_inventory([a_gpu_node(product, count=4)])
    (group,) = gpu_groups(inventory)
    memory, major, minor = GPUS[product]
    assert group.product == product
    assert group.resource == "nvidia.com/gpu"
    assert group.devices_per_node == 4
    assert group.compute_capability == (int(major), int(minor))
    assert group.selector == (("nvidia.com/gpu.product", product),)
    assert memory / 1024 * 0.95 < group.device_memory_gib < memory / 1024
    assert (group.allocatable_memory_gib, group.allocatable_cpu) == (512, 64)
    assert inventory.notes == ()


def test_nodes_with_devices_are_cpu_nodes_only_on_request() -> None:
    inventory = read_inventory([a_gpu_node("NVIDIA-L4"), a_node()])
    assert [(group.beside_devices, group.nodes) for group in cpu_groups(inventory)] == [(False, 1), (True, 1)]


def test_alike_nodes_are_one_group_and_the_smallest_host_counts() -> None:
    nodes = [
        a_gpu_node("NVIDIA-L4", name="a", memory="125Gi", cpu="31"),
        a_gpu_node("NVIDIA-L4", name="b", memory="124Gi", cpu="32"),
    ]
    (group,) = gpu_groups(read_inventory(nodes))
    assert (group.nodes, group.allocatable_memory_gib, group.allocatable_cpu) == (2, 124, 31)


def test_nodes_with_other_device_counts_are_other_groups() -> None:
    nodes = [a_gpu_node("NVIDIA-L4", name="a"), a_gpu_node("NVIDIA-L4", name="b", count=8)]
    assert [group.devices_per_node for group in gpu_groups(read_inventory(nodes))] == [1, 8]


def test_two_sizes_of_one_product_are_told_apart_by_memory() -> None:
    small = a_gpu_node("NVIDIA-L4", name="a", labels=NEXT | {"nvidia.com/gpu.memory": "23034"})
    large = a_gpu_node("NVIDIA-L4", name="b", labels=NEXT | {"nvidia.com/gpu.memory": "46068"})
    got_selectors = [dict(group.selector) for group in gpu_groups(read_inventory([small, large]))]
    assert got_selectors == [
        {"nvidia.com/gpu.product": "NVIDIA-Next", "nvidia.com/gpu.memory": "23034"},
        {"nvidia.com/gpu.product": "NVIDIA-Next", "nvidia.com/gpu.memory": "46068"},
    ]


def test_cpu_groups_follow_whole_gibibytes_of_memory() -> None:
    nodes = [
        a_node(name="a", memory="24567Mi"),
        a_node(name="b", memory="24570Mi"),
        a_node(name="c", memory="64Gi"),
    ]
    got_groups = cpu_groups(read_inventory(nodes))
    assert [(group.nodes, round(group.device_memory_gib, 2)) for group in got_groups] == [(2, 23.99), (1, 64)]
    assert got_groups[0].selector == (("kubernetes.io/arch", "amd64"), ("kubernetes.io/os", "linux"))
    assert got_groups[0].architecture == "amd64"


def test_the_order_of_nodes_does_not_matter() -> None:
    nodes = [a_node(name="a"), a_gpu_node("NVIDIA-L4", name="b"), a_gpu_node("Tesla-T4", name="c")]
    assert read_inventory(nodes) == read_inventory(reversed(nodes))


@pytest.mark.parametrize(
    ("node", "want_note"),
    [
        pytest.param(a_node(unschedulable=True), "cpu-1: is cordoned", id="cordoned"),
        pytest.param(a_node(ready="False"), "cpu-1: is not ready", id="not ready"),
        pytest.param(a_node(ready="Unknown"), "cpu-1: is not ready", id="lost"),
        pytest.param({"metadata": {"name": "new"}}, "new: is not ready", id="registered a moment ago"),
        pytest.param(
            a_node(labels={"kubernetes.io/os": "windows"}), "cpu-1: runs windows", id="another operating system"
        ),
        pytest.param(
            a_node(taints=[{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}]),
            "cpu-1: is joining or leaving the cluster",
            id="about to be removed",
        ),
    ],
)
def test_nodes_that_take_no_pods_are_left_out_with_a_note(node: dict[str, Any], want_note: str) -> None:
    assert read_inventory([node]) == Inventory(groups=(), notes=(want_note,))


@pytest.mark.parametrize(
    ("node", "want_note"),
    [
        pytest.param(
            a_node(devices={"nvidia.com/gpu": "2"}),
            "has nvidia.com/gpu but no label nvidia.com/gpu.product (GPU feature discovery sets it)",
            id="GPUs without labels",
        ),
        pytest.param(
            a_node(devices={"nvidia.com/gpu": "2"}, labels=NEXT),
            "no label nvidia.com/gpu.memory (GPU feature discovery sets it), "
            "and accelerators.products does not name NVIDIA-Next",
            id="unknown GPUs without a memory label",
        ),
        pytest.param(
            a_gpu_node("NVIDIA-L4", labels={"nvidia.com/gpu.memory": "23Gi"}),
            "has the label nvidia.com/gpu.memory=23Gi, which is not a number of MiB",
            id="memory label that is no number",
        ),
        pytest.param(
            a_gpu_node("NVIDIA-L4", count=4, labels={"nvidia.com/gpu.memory": "92136"}),
            "nvidia.com/gpu.memory=92136, the memory of all 4 GPUs together; one NVIDIA-L4 has 23034 MiB",
            id="memory of the whole node",
        ),
        pytest.param(
            a_gpu_node("NVIDIA-L4", labels={"nvidia.com/gpu.memory": "46068"}),
            "nvidia.com/gpu.memory=46068, but one NVIDIA-L4 has 23034 MiB",
            id="memory of another product",
        ),
        pytest.param(
            a_gpu_node("NVIDIA-L4", labels={"nvidia.com/gpu.memory": "22"}),
            "nvidia.com/gpu.memory=22, but one NVIDIA-L4 has 23034 MiB",
            id="memory in GiB",
        ),
        pytest.param(
            a_gpu_node("NVIDIA-L4", labels=NEXT | {"nvidia.com/gpu.memory": "640000"}),
            "nvidia.com/gpu.memory=640000, which is not the memory of one GPU in MiB",
            id="absurd memory of an unknown product",
        ),
        pytest.param(
            a_gpu_node("NVIDIA-L4", labels=NEXT | {"nvidia.com/gpu.memory": "0"}),
            "nvidia.com/gpu.memory=0, which is not the memory of one GPU in MiB",
            id="no memory",
        ),
        pytest.param(
            a_gpu_node("NVIDIA-L4", count=4, labels={"nvidia.com/gpu.count": "2"}),
            "has 4 nvidia.com/gpu, but nvidia.com/gpu.count=2: of different GPUs in one node the labels name one",
            id="two kinds of GPUs in one node",
        ),
        pytest.param(
            a_gpu_node("NVIDIA-L4", devices={"nvidia.com/gpu": "0"}),
            "has no allocatable nvidia.com/gpu, but a label for NVIDIA-L4",
            id="device plugin that is down",
        ),
        pytest.param(
            a_gpu_node("NVIDIA-L4", labels={"nvidia.com/gpu.product": "NVIDIA-GB10", "nvidia.com/gpu.memory": ""}),
            "its memory is the host's too",
            id="memory shared with the host",
        ),
    ],
)
def test_devices_that_cannot_be_planned_with_give_a_note_and_a_cpu_node(node: dict[str, Any], want_note: str) -> None:
    inventory = read_inventory([node])
    assert all(group.refusal for group in gpu_groups(inventory))
    assert [group.beside_devices for group in cpu_groups(inventory)] == [True]
    assert want_note in inventory.notes[0]
    assert all(
        inventory.notes == (f"gpu-1: {group.refusal}",) or inventory.notes == (f"cpu-1: {group.refusal}",)
        for group in gpu_groups(inventory)
    )


def test_one_note_for_all_nodes_with_the_same_cause() -> None:
    nodes = [a_node(name=f"n{index}", unschedulable=True) for index in range(5)]
    assert read_inventory(nodes).notes == ("n0, n1, n2 and 2 more: is cordoned",)


@pytest.mark.parametrize(
    ("labels", "want_capability"),
    [
        pytest.param({}, (8, 9), id="the catalogue knows it"),
        pytest.param(NEXT, None, id="nobody knows it"),
    ],
)
def test_capability_without_its_labels(labels: dict[str, str], want_capability: tuple[int, int] | None) -> None:
    node = a_gpu_node("NVIDIA-L4", labels=labels | {"nvidia.com/gpu.compute.major": ""})
    (group,) = gpu_groups(read_inventory([node]))
    assert group.compute_capability == want_capability


@pytest.mark.parametrize(
    ("taints", "want_taints"),
    [
        pytest.param([], (), id="none"),
        pytest.param(
            [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}],
            (Taint("nvidia.com/gpu", "present", "NoSchedule"),),
            id="GPU nodes of a cloud",
        ),
        pytest.param(
            [{"key": "dedicated", "effect": "NoExecute"}], (Taint("dedicated", "", "NoExecute"),), id="without a value"
        ),
        pytest.param([{"key": "spot", "effect": "PreferNoSchedule"}], (), id="only a preference"),
        pytest.param(
            [{"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}], (), id="condition of the node"
        ),
        pytest.param(
            [{"key": "b", "effect": "NoSchedule"}, {"key": "a", "effect": "NoSchedule"}],
            (Taint("a", "", "NoSchedule"), Taint("b", "", "NoSchedule")),
            id="in a stable order",
        ),
    ],
)
def test_taints_that_last_are_kept(taints: list[dict[str, str]], want_taints: tuple[Taint, ...]) -> None:
    (group,) = read_inventory([a_node(taints=taints)]).groups
    assert group.taints == want_taints


@pytest.mark.parametrize(
    ("taint", "want_text"),
    [
        pytest.param(Taint("a", "b", "NoSchedule"), "a=b:NoSchedule", id="with a value"),
        pytest.param(Taint("a", "", "NoExecute"), "a:NoExecute", id="without a value"),
    ],
)
def test_taints_are_written_as_kubectl_does(taint: Taint, want_text: str) -> None:
    assert str(taint) == want_text
