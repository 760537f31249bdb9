from pathlib import Path
from typing import Any

import pytest
import yaml

from genmodel_operator.cli.described import Hardware, cpu_node
from genmodel_operator.cli.input import CommandError
from genmodel_operator.cli.nodes import Cluster, Surveyed, read_nodes, survey_nodes
from genmodel_operator.settings import AcceleratorProduct, AcceleratorSettings, Settings
from tests.builders_nodes import GFD_L4
from tests.builders_sizing import a_node


async def no_cluster() -> Cluster:
    raise AssertionError("nobody asked for the cluster")


async def surveyed(said: Hardware, nodes_file: Path | None = None, settings: Settings | None = None) -> Surveyed:
    named = str(nodes_file) if nodes_file else None
    return await survey_nodes(said, named, settings=settings or Settings(), read_cluster=no_cluster)


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
        await surveyed(Hardware(), file)


async def test_what_is_described_is_planned_with_and_no_cluster_is_asked() -> None:
    found = await surveyed(Hardware(gpu=["l4"], count=2, cpu_memory="64GiB"))
    shown = {(group.product, group.devices_per_node) for group in found.inventory.groups if not group.beside_devices}
    assert shown == {("NVIDIA-L4", 2), ("CPU", 0)}
    assert (found.origin, found.warnings) == ("", ())


async def test_a_file_of_nodes_and_described_ones_are_one_inventory(tmp_path: Path) -> None:
    file = tmp_path / "nodes.yaml"
    file.write_text(yaml.safe_dump(cpu_node("64:16", name="a")))
    found = await surveyed(Hardware(gpu=["l4"]), file)
    assert {group.product for group in found.inventory.groups} == {"NVIDIA-L4", "CPU"}
    assert found.origin == str(file)


async def test_without_description_the_cluster_is_read_with_what_models_use() -> None:
    node = a_node(name="n", memory="512Gi", cpu="64", devices={"nvidia.com/gpu": "8"}, labels=GFD_L4)

    async def cluster() -> Cluster:
        return Cluster([node], {"n": {"nvidia.com/gpu": 3}}, warnings=("half blind",))

    found = await survey_nodes(Hardware(), None, settings=Settings(), read_cluster=cluster)
    gpus = next(group for group in found.inventory.groups if group.is_gpu)
    assert gpus.devices_in_use_by_models == 3
    assert (found.origin, found.warnings) == ("the current cluster", ("half blind",))


@pytest.mark.parametrize("named", ["NVIDIA-L99", "l99"])
async def test_products_of_the_settings_are_known_too(named: str) -> None:
    own: dict[str, Any] = {"name": "NVIDIA-L99", "memoryGib": 90.0, "computeCapability": "12.0"}
    products = [AcceleratorProduct.model_validate(own)]
    settings = Settings(accelerators=AcceleratorSettings(products=products))
    found = await surveyed(Hardware(gpu=[named]), settings=settings)
    gpus = next(group for group in found.inventory.groups if group.is_gpu)
    assert (gpus.device_memory_gib, gpus.compute_capability) == (90.0, (12, 0))


UNREAD = Settings.model_validate(
    {
        "inventory": {"mode": "pools"},
        "policy": {"pools": [{"name": "p", "product": "NVIDIA-L40S", "devices": 4, "labels": {"pool": "p"}}]},
    }
)


async def test_where_nodes_are_not_read_the_pools_are_planned_with() -> None:
    found = await surveyed(Hardware(), settings=UNREAD)
    assert [(group.product, group.devices_per_node, group.pool) for group in found.inventory.groups] == [
        ("NVIDIA-L40S", 4, "")
    ]
    assert found.origin == "the pools of the settings"


async def test_what_is_described_still_counts_there() -> None:
    found = await surveyed(Hardware(gpu=["l4"]), settings=UNREAD)
    assert {group.product for group in found.inventory.groups if not group.pool} >= {"NVIDIA-L4"}
    assert found.origin == ""
