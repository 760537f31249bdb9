"""A real node that was killed with pods on it leaves the machine as it was."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.cluster import ClusterError, Environment
from tests.cluster.cgroups import hierarchies
from tests.cluster.cleanup import clean_abandoned
from tests.cluster.containerd import image_store
from tests.cluster.folders import RunFolder
from tests.cluster.nodelock import take_node_lock
from tests.cluster.processes import ProcessId
from tests.cluster.state import read_state
from tests.machine import machine

pytestmark = [pytest.mark.e2e, pytest.mark.own_node]
HOLDS_NODE = """
import sys, time
from tests.cluster import Cluster
volume = {"name": "memory", "emptyDir": {"medium": "Memory"}}
container = {"name": "main", "image": "genmodel.local/pause:1", "imagePullPolicy": "IfNotPresent",
             "volumeMounts": [{"name": "memory", "mountPath": "/memory"}]}
pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
       "spec": {"containers": [container], "volumes": [volume]}}
with Cluster(sys.argv[1], real_node=True) as cluster:
    cluster.apply(pod)
    cluster.kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=60s")
    print("up", flush=True)
    time.sleep(600)
"""
NAME = f"killed-{os.getpid()}"


@pytest.fixture
def killed_node(environment: Environment) -> Iterator[list[ProcessId]]:
    """Yield what still runs of a node whose owner and containerd were killed while a pod ran."""
    if environment.rung != "node":
        pytest.skip(environment.no_real_node or "another cluster is used instead of a node of our own")
    with subprocess.Popen([sys.executable, "-c", HOLDS_NODE, NAME], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "up\n"
        state = read_state(RunFolder.of(NAME).state)
        assert state is not None
        containerd = next(one.process for one in state.started if one.name == "containerd")
        processes = [*(one.process for one in state.alive()), *in_our_groups()]
        owner.kill()
    os.kill(containerd.pid, 9)
    yield processes
    clean_abandoned()


def in_our_groups() -> set[ProcessId]:
    files = [file for top in hierarchies() for file in (top / f"genmodel-{NAME}").rglob("cgroup.procs")]
    return {ProcessId.of(int(pid)) for file in files for pid in file.read_text().split()}


@pytest.fixture
def machine_before(environment: Environment) -> dict[str, object]:
    del environment
    clean_abandoned()
    return machine(NAME)


def test_a_killed_node_leaves_nothing(machine_before: dict[str, object], killed_node: list[ProcessId]) -> None:
    # Eight components, the forwarder, the pod's sandbox and its container.
    assert len(killed_node) >= 11
    assert machine(NAME) != machine_before
    with pytest.raises(ClusterError, match=f"cluster {NAME} is still in use"):
        take_node_lock("another", clean_dead=lambda: None, wait_seconds=1)
    os.close(take_node_lock("another", clean_dead=clean_abandoned, wait_seconds=60))
    assert [process for process in killed_node if process.is_alive()] == []
    assert machine(NAME) == machine_before
    assert not (image_store() / "io.containerd.grpc.v1.cri").exists()
