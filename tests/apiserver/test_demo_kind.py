"""The demo's cluster in kind, with a stand-in for kind itself: what it is asked to make is a control plane of ours.

The nodes are fake, so what the pods do is not seen here; that kind makes a cluster and loads images is unproven.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.demo.foreign import bring_up, start_hub
from examples.demo.steps import OPERATOR_NAMESPACE
from tests.cluster import Cluster, Environment, KindCluster
from tests.cluster.errors import ClusterError
from tests.cluster.images import OPERATOR_IMAGE

pytestmark = pytest.mark.apiserver
KIND = """#!/bin/sh
echo "$*" >> {log}
case "$1 $2" in
  "get clusters") cat {names} 2> /dev/null || echo "No kind clusters found." >&2 ;;
  "create cluster") echo "$4" >> {names}; cp {kubeconfig} "$KUBECONFIG" ;;
  "export kubeconfig") cp {kubeconfig} "$KUBECONFIG" ;;
  "load image-archive") test -f "$5" ;;
  "delete cluster") rm -f {names} "$KUBECONFIG" ;;
  *) echo "unknown command $*" >&2; exit 1 ;;
esac
"""


@pytest.fixture(scope="module")
def control_plane(environment: Environment) -> Iterator[Cluster]:
    """Yield a control plane with a fake node; the chart is installed in it, so it is not shared."""
    if environment.no_control_plane:
        pytest.skip(environment.no_control_plane)
    with Cluster(f"kind-{os.getpid()}") as started:
        started.add_kwok_nodes(1)
        yield started


@pytest.fixture
def log(control_plane: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the stand-in on PATH; return the file of the commands that it was given."""
    program, written = tmp_path / "bin" / "kind", tmp_path / "log"
    program.parent.mkdir()
    program.write_text(KIND.format(log=written, names=tmp_path / "names", kubeconfig=control_plane.kubeconfig))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return written


def verbs(log: Path) -> list[str]:
    return [" ".join(line.split()[:2]) for line in log.read_text().splitlines()]


def test_the_demo_s_cluster_is_made_once_and_found_again(log: Path, tmp_path: Path) -> None:
    kept = tmp_path / "demo"
    with KindCluster("demo", kept=kept) as first:
        bring_up(first, {"HF_ENDPOINT": "http://hub.example"}, "acme/tiny", values={"engines.cpuRequest": "300m"})
    with KindCluster("demo", kept=kept) as second:
        path = "jsonpath={.spec.template.spec.containers[0].image}"
        image = second.kubectl("get", "deployment", "genmodel", "-n", OPERATOR_NAMESPACE, "-o", path)
        settings = second.kubectl("get", "configmaps", "-n", OPERATOR_NAMESPACE, "-o", "yaml")
    assert image == OPERATOR_IMAGE
    assert "http://hub.example" in settings
    assert "300m" in settings
    reached = [str(kept / "bin/kubectl"), "--kubeconfig", str(kept / "kubeconfig"), "get", "nodes", "-o", "name"]
    assert subprocess.check_output(reached, text=True) == "node/fake-0\n"
    assert verbs(log) == ["get clusters", "create cluster", "load image-archive", "get clusters", "export kubeconfig"]
    assert "create cluster --name genmodel-demo --wait 120s" in log.read_text()
    KindCluster("demo", kept=kept).delete()
    assert verbs(log)[-1] == "delete cluster"
    assert not kept.exists()


def test_a_hub_runs_in_it_as_a_pod(log: Path) -> None:
    with KindCluster("hub") as cluster:
        cluster.kubectl("create", "namespace", "genmodel-system", check=False)
        endpoint = start_hub(cluster, "genmodel.local/hub:dev")
        address = cluster.kubectl(
            "get", "service", "genmodel-demo-hub", "-n", OPERATOR_NAMESPACE, "-o", "jsonpath={.spec.clusterIP}"
        )
    assert endpoint == f"http://{address}:8090"
    assert verbs(log)[-1] == "delete cluster"


def test_a_cluster_of_a_test_is_taken_away_whatever_happens(log: Path) -> None:
    cluster = KindCluster("test")
    with pytest.raises(RuntimeError, match="mine"), cluster:
        raise RuntimeError("mine")
    assert verbs(log) == ["get clusters", "create cluster", "delete cluster"]
    assert not cluster.kubeconfig.parent.exists()


def test_what_kind_says_is_told(log: Path, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "kind"
    program.write_text(program.read_text().replace('echo "$4"', "echo no room >&2; exit 1; echo"))
    with pytest.raises(ClusterError, match=r"kind create cluster .* ended with 1:\nno room"):
        KindCluster("full").__enter__()
    assert verbs(log)[-1] == "delete cluster"


def test_without_kind_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match="kind is not on PATH"):
        KindCluster("none").__enter__()
