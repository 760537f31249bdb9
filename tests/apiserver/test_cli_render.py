"""``genmodel render`` plans for the nodes of a real cluster, and that cluster's API server takes what it prints."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from genmodel_operator.cli import main
from genmodel_operator.cli.facts_file import facts_text
from tests.builders import some_facts
from tests.cluster import Cluster
from tests.crd_samples import manifest
from tests.extra_nodes import extra_nodes

pytestmark = pytest.mark.apiserver

NAMESPACE = "cli-render"
LABELS = {
    "nvidia.com/gpu.product": "NVIDIA-L40S",
    "nvidia.com/gpu.memory": "46068",
    "nvidia.com/gpu.count": "2",
    "nvidia.com/gpu.compute.major": "8",
    "nvidia.com/gpu.compute.minor": "9",
}


@pytest.fixture(scope="module")
def cluster(control_plane: Cluster) -> Iterator[Cluster]:
    control_plane.kubectl("create", "namespace", NAMESPACE)
    with extra_nodes(control_plane, 1, prefix="render", labels=LABELS, allocatable={"nvidia.com/gpu": "2"}):
        yield control_plane
    control_plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def render(cluster: Cluster, folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, str]:
    model, facts = folder / "model.yaml", folder / "facts.json"
    spec = {"accelerator": {"products": ["NVIDIA-L40S"]}}
    model.write_text(yaml.safe_dump(manifest("mistral", **spec)))
    facts.write_text(facts_text(some_facts()))
    command = ["render", "-f", str(model), "--facts", str(facts), "-n", NAMESPACE, *options]
    environ = {"KUBECONFIG": str(cluster.kubeconfig)}
    with ThreadPoolExecutor(max_workers=1) as thread:
        code = thread.submit(main, command, environ).result()
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_cluster_s_own_nodes_are_planned_with(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = render(cluster, tmp_path, capsys)
    assert code == 0, err
    assert err.startswith("mistral: 1 x NVIDIA L40S per replica")
    answer = cluster.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", input=out)
    kinds = [document["kind"] for document in documents(answer)]
    assert kinds == ["ControllerRevision", "Deployment", "Service", "NetworkPolicy"]


def documents(text: str) -> list[dict[str, Any]]:
    """Split what kubectl prints for several objects: one JSON document after the other."""
    decoder, position = json.JSONDecoder(), 0
    found: list[dict[str, Any]] = []
    while position < len(text.rstrip()):
        document, position = decoder.raw_decode(text, position)
        found += document["items"] if document["kind"] == "List" else [document]
        position += len(text[position:]) - len(text[position:].lstrip())
    return found


def test_a_cluster_that_does_not_answer_is_named(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    broken = tmp_path / "kubeconfig"
    broken.write_text(yaml.safe_dump(config))
    environ = {"KUBECONFIG": str(broken)}
    model, facts = tmp_path / "model.yaml", tmp_path / "facts.json"
    model.write_text(yaml.safe_dump(manifest("mistral")))
    facts.write_text(facts_text(some_facts()))
    with ThreadPoolExecutor(max_workers=1) as thread:
        code = thread.submit(main, ["render", "-f", str(model), "--facts", str(facts)], environ).result()
    assert code == 1
    assert "the cluster's nodes cannot be read: " in capsys.readouterr().err
