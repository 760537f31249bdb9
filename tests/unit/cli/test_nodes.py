from pathlib import Path

import pytest
import yaml

from genmodel_operator.cli.input import CommandError
from genmodel_operator.cli.nodes import (
    COMPUTE_CAPABILITIES,
    cpu_node,
    described_nodes,
    gpu_node,
    inventory_of,
    read_nodes,
    with_kubeconfig,
)
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.accelerators import read_inventory


def test_a_node_in_words_is_a_node_of_the_inventory() -> None:
    inventory = read_inventory(described_nodes(["NVIDIA-L4:22.5:2"], ["64:16"]))
    gpu = next(group for group in inventory.groups if group.is_gpu)
    assert (gpu.product, gpu.devices_per_node, gpu.compute_capability) == ("NVIDIA-L4", 2, (8, 9))
    assert gpu.device_memory_gib == pytest.approx(22.5, rel=0.04)
    cpu = next(group for group in inventory.groups if not group.is_gpu and group.allocatable_cpu == 16)
    assert cpu.allocatable_memory_gib == 64
    assert inventory.notes == ()


@pytest.mark.parametrize(
    ("words", "want"),
    [
        pytest.param("NVIDIA-A100-SXM4-80GB:80:8", ("8", "0"), id="known by its name"),
        pytest.param("NVIDIA-A10G:22:1", ("8", "6"), id="a name that begins like another"),
        pytest.param("NVIDIA-H100-80GB-HBM3:79.6:8", ("9", "0"), id="a name of several parts"),
        pytest.param("Next-GPU:192:8:12.1", ("12", "1"), id="said"),
        pytest.param("Next-GPU:192:8:12", ("12", "0"), id="said without a minor version"),
        pytest.param("NVIDIA-L4:22.5:1:9.0", ("9", "0"), id="what is said wins"),
    ],
)
def test_compute_capability(words: str, want: tuple[str, str]) -> None:
    labels = gpu_node(words, name="n")["metadata"]["labels"]
    assert (labels["nvidia.com/gpu.compute.major"], labels["nvidia.com/gpu.compute.minor"]) == want


def test_the_known_capabilities_are_numbers() -> None:
    assert all(float(capability) >= 7 for _, capability in COMPUTE_CAPABILITIES)


@pytest.mark.parametrize(
    ("words", "want"),
    [
        pytest.param("NVIDIA-L4", "must be PRODUCT:GIB:COUNT", id="only a product"),
        pytest.param(":24:1", "must be PRODUCT:GIB:COUNT", id="no product"),
        pytest.param("L4:24:1:8.9:x", "must be PRODUCT:GIB:COUNT", id="too many parts"),
        pytest.param("L4:24GB:1", "must be a number of GiB, not '24GB'", id="a unit"),
        pytest.param("L4:0:1", "must be a number of GiB above 0, not '0'", id="no memory"),
        pytest.param("L4:NaN:1", "must be a number of GiB", id="not a number"),
        pytest.param("L4:24:0", "must be a whole number from 1 to 4096, not '0'", id="no GPU"),
        pytest.param("L4:24:1.5", "must be a whole number", id="half a GPU"),
        pytest.param("L4:24:1:new", "must be a compute capability such as 8.9", id="no capability"),
        pytest.param("Next:24:1", "must be Next:24:1:COMPUTE", id="an unknown product"),
    ],
)
def test_wrong_words_for_a_gpu_are_named(words: str, want: str) -> None:
    with pytest.raises(CommandError) as refused:
        gpu_node(words, name="n")
    assert str(refused.value).startswith(f"--gpu {words}: ")
    assert want in str(refused.value)


@pytest.mark.parametrize("words", ["64", "64:", "a:1", "64:0", "64:1:1"])
def test_wrong_words_for_a_cpu_are_named(words: str) -> None:
    with pytest.raises(CommandError, match=f"--cpu {words}: must be"):
        cpu_node(words, name="n")


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda nodes: yaml.safe_dump({"kind": "List", "items": nodes}), id="a list of kubectl"),
        pytest.param(yaml.safe_dump_all, id="documents"),
        pytest.param(yaml.safe_dump, id="a plain list"),
    ],
)
def test_nodes_from_a_file(tmp_path: Path, form: object) -> None:
    nodes = [cpu_node("64:16", name="a"), cpu_node("32:8", name="b")]
    file = tmp_path / "nodes.yaml"
    file.write_text(form(nodes))  # type: ignore[operator]
    assert read_nodes(str(file)) == nodes


@pytest.mark.parametrize("text", ["", "a: 1\n", "kind: List\nitems: []\n", "- kind: Pod\n", "kind: Pod\n"])
def test_a_file_without_nodes_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "nodes.yaml"
    file.write_text(text)
    with pytest.raises(CommandError, match="must hold nodes, as kubectl get nodes -o yaml prints them"):
        read_nodes(str(file))


async def test_nodes_with_unreadable_quantities_are_named(tmp_path: Path) -> None:
    node = cpu_node("64:16", name="a")
    node["status"]["allocatable"]["memory"] = "much"
    file = tmp_path / "nodes.yaml"
    file.write_text(yaml.safe_dump(node))
    with pytest.raises(CommandError, match=r"nodes.yaml: .*much"):
        await inventory_of(nodes_file=str(file), gpus=[], cpus=[], settings=Settings(), environ={})


async def test_without_nodes_and_cluster_the_ways_out_are_named() -> None:
    with pytest.raises(CommandError, match=r"no cluster to plan for: .*or name nodes with --gpu, --cpu or --nodes"):
        await inventory_of(nodes_file=None, gpus=[], cpus=[], settings=Settings(), environ={"HOME": "/nowhere"})


def test_kubectl_s_own_default_is_taken(tmp_path: Path) -> None:
    config = tmp_path / ".kube" / "config"
    assert with_kubeconfig({"HOME": str(tmp_path)}) == {"HOME": str(tmp_path)}
    config.parent.mkdir()
    config.touch()
    assert with_kubeconfig({"HOME": str(tmp_path)})["KUBECONFIG"] == str(config)
    assert with_kubeconfig({"HOME": str(tmp_path), "KUBECONFIG": "mine"})["KUBECONFIG"] == "mine"
