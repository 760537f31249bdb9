from pathlib import Path

import pytest

from tests.cluster import controlplane, realnode
from tests.cluster.folders import RunFolder
from tests.cluster.golang import STAGES
from tests.cluster.namespace import NetworkNamespace
from tests.cluster.nodes import ROOMY, kwok_node

FOLDER = RunFolder(name="unit", root=Path("/runs/unit"))


def test_api_server_has_the_authorisers_of_a_real_cluster() -> None:
    args = controlplane.apiserver(FOLDER, audit=False).args
    assert "--authorization-mode=Node,RBAC" in args
    assert not [arg for arg in args if arg.startswith("--audit")]


def test_audit_log_is_never_rotated_away() -> None:
    args = controlplane.apiserver(FOLDER, audit=True).args
    assert f"--audit-log-path={controlplane.audit_log(FOLDER)}" in args
    assert "--audit-log-maxsize=0" in args


def test_controllers_are_not_what_a_bench_measures() -> None:
    args = controlplane.controller_manager(FOLDER).args
    assert "--kube-api-qps=1000" in args
    assert "--concurrent-deployment-syncs=20" in args


def test_kwok_plays_only_the_nodes_with_its_annotation() -> None:
    args = controlplane.kwok(FOLDER, stages=Path("stages.yaml")).args
    assert "--manage-all-nodes=false" in args
    assert "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake" in args


def test_kwok_s_nodes_live_by_a_lease_which_no_change_of_the_node_puts_off() -> None:
    assert "--node-lease-duration-seconds=40" in controlplane.kwok(FOLDER, stages=Path("stages.yaml")).args
    assert [pattern for pattern in STAGES if "heartbeat" in pattern] == ["node/heartbeat-with-lease/node-*.yaml"]


@pytest.mark.parametrize(
    "component",
    [
        pytest.param(controlplane.etcd(FOLDER), id="etcd"),
        pytest.param(controlplane.scheduler(FOLDER), id="scheduler"),
        pytest.param(realnode.kubelet(FOLDER), id="kubelet"),
        pytest.param(realnode.kube_proxy(FOLDER), id="kube-proxy"),
    ],
)
def test_components_write_below_the_run_folder_only(component: controlplane.Component) -> None:
    paths = [arg.partition("=")[2] for arg in component.args if arg.partition("=")[2].startswith("/")]
    assert all(path.startswith("/runs/unit/") for path in paths)


def test_entering_keeps_the_mounts_of_the_host() -> None:
    want = ["nsenter", "--net=/run/netns/genmodel-x", "--", "ls", "-l"]
    assert NetworkNamespace("genmodel-x").entering(["ls", "-l"]) == want


def test_fake_node_carries_what_it_was_given() -> None:
    taint = {"key": "nvidia.com/gpu", "effect": "NoSchedule"}
    node = kwok_node(
        "gpu-0",
        labels={"nvidia.com/gpu.product": "NVIDIA-L4"},
        allocatable={"nvidia.com/gpu": "8", "cpu": "4"},
        taints=[taint],
    )
    assert node["metadata"]["labels"]["nvidia.com/gpu.product"] == "NVIDIA-L4"
    assert node["metadata"]["annotations"] == {"kwok.x-k8s.io/node": "fake"}
    assert node["spec"]["taints"] == [taint]
    assert node["status"]["allocatable"] == {**ROOMY, "cpu": "4", "nvidia.com/gpu": "8"}
    assert node["status"]["capacity"] == node["status"]["allocatable"]
