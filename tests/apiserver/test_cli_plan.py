"""``genmodel plan`` against a real API server: its nodes, the user's rights, and the operator's own status."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml

from tests import builders_nodes as nodes
from tests.extra_nodes import extra_nodes
from tests.operator_world import HUB, OperatorWorld

pytestmark = pytest.mark.apiserver

MODEL = "acme/tiny-llama"
H100 = "NVIDIA-H100-80GB-HBM3"


def plan(world: OperatorWorld, *options: str, kubeconfig: Path | None = None) -> CompletedProcess[str]:
    """Run the command in the cluster's namespace, as a person with this kubeconfig."""
    environ = {"HF_ENDPOINT": HUB, "HF_TOKEN": "", "COLUMNS": "100"}
    if kubeconfig is not None:
        environ["KUBECONFIG"] = str(kubeconfig)
    command = [sys.executable, "-m", "genmodel_operator.cli", "plan", *options]
    return world.cluster.run(command, check=False, env=environ)


def a_user(world: OperatorWorld, namespace: str, folder: Path, *resources: str) -> Path:
    """Return the kubeconfig of somebody who may list these resources, and nothing else."""
    world.cluster.kubectl("-n", namespace, "create", "serviceaccount", "user")
    name = f"{namespace}-user"
    if resources:
        world.cluster.kubectl("create", "clusterrole", name, "--verb=list", f"--resource={','.join(resources)}")
        world.cluster.kubectl(
            "create", "clusterrolebinding", name, f"--clusterrole={name}", f"--serviceaccount={namespace}:user"
        )
    token = world.cluster.kubectl("-n", namespace, "create", "token", "user").strip()
    config: dict[str, Any] = yaml.safe_load(world.cluster.inner_kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    return file


@pytest.fixture(scope="module")
def h100(world: OperatorWorld) -> Iterator[str]:
    devices = {"nvidia.com/gpu": "8"}
    with extra_nodes(world.cluster, 1, prefix="plan", labels=nodes.GFD_H100, allocatable=devices) as (name,):
        yield name


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({}, id="the defaults"),
        pytest.param({"context": {"maxModelLen": 256, "concurrency": 4}}, id="a context"),
        pytest.param({"precision": "Float16", "accelerator": {"policy": "FewestDevices"}}, id="a format and a policy"),
        pytest.param({"accelerator": {"kind": "CPU"}}, id="on CPU"),
        pytest.param({"accelerator": {"products": [H100], "count": 2}}, id="two of a product"),
    ],
)
def test_the_plan_is_what_the_operator_s_status_shows(
    world: OperatorWorld, h100: str, team: str, tmp_path: Path, spec: dict[str, Any]
) -> None:
    assert h100
    manifest = {"apiVersion": "genmodel.dev/v1alpha1", "kind": "GenerativeModel", "metadata": {"name": "tiny"}}
    file = tmp_path / "model.yaml"
    file.write_text(yaml.safe_dump({**manifest, "spec": {"model": MODEL, **spec}}))
    said = plan(world, "-f", str(file), "-o", "json")
    assert (said.returncode, said.stderr) == (0, "")
    answer = json.loads(said.stdout)
    world.wish(team, "tiny", MODEL, **spec)
    world.until(lambda: "plan" in world.get(team, "gm", "tiny").get("status", {}), "there is a plan")
    status = world.get(team, "gm", "tiny")["status"]
    assert answer["plan"] == status["plan"]
    assert {name: answer["model"][name] for name in status["model"]} == status["model"]


def test_the_text_names_the_cluster_s_nodes(world: OperatorWorld, h100: str) -> None:
    assert h100
    said = plan(world, MODEL, "--policy", "LargestContext")
    assert said.returncode == 0, said.stderr
    assert " per replica; " in said.stdout
    assert "(the current cluster)" in said.stdout


def test_a_user_who_may_list_only_nodes_gets_a_plan_and_a_warning(
    world: OperatorWorld, team: str, tmp_path: Path
) -> None:
    said = plan(world, MODEL, kubeconfig=a_user(world, team, tmp_path, "nodes"))
    assert said.returncode == 0, said.stderr
    assert "warning: the pods of models may not be listed" in said.stdout


def test_a_user_without_rights_is_told_the_ways_out(world: OperatorWorld, team: str, tmp_path: Path) -> None:
    said = plan(world, MODEL, kubeconfig=a_user(world, team, tmp_path))
    assert (said.returncode, said.stdout) == (1, "")
    assert "the cluster's nodes cannot be read: " in said.stderr
    assert 'cannot list resource "nodes"' in said.stderr
    assert "ask for the right to list nodes, or name nodes with --gpu l4 --count 2" in said.stderr


def test_a_token_that_is_not_accepted_is_told(world: OperatorWorld, team: str, tmp_path: Path) -> None:
    kubeconfig = a_user(world, team, tmp_path)
    config = yaml.safe_load(kubeconfig.read_text())
    config["users"][0]["user"] = {"token": "forged"}
    kubeconfig.write_text(yaml.safe_dump(config))
    said = plan(world, MODEL, kubeconfig=kubeconfig)
    assert said.returncode == 1
    assert "log in again, or name nodes with --gpu" in said.stderr
    assert "forged" not in said.stderr


def test_a_cluster_that_does_not_answer_is_told(world: OperatorWorld, tmp_path: Path) -> None:
    config = yaml.safe_load(world.cluster.inner_kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    said = plan(world, MODEL, kubeconfig=kubeconfig)
    assert (said.returncode, said.stdout) == (1, "")
    assert "check the current context of kubectl, or name nodes with --gpu" in said.stderr
