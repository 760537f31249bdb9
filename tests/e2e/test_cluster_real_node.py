import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.cluster import Cluster, HostedCluster
from tests.cluster.binaries import acquire
from tests.cluster.cgroups import hierarchies
from tests.cluster.images.layers import Files
from tests.cluster.images.oci import write_archive
from tests.cluster.progress import wait_until

pytestmark = pytest.mark.e2e
NAMESPACE = "node-tests"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
LABELS = {"app": "greeter"}
SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = acquire(["greeter"]).programs["greeter"].read_bytes()
    path = tmp_path_factory.mktemp("greeter") / "greeter.tar"
    layer = Files((("greeter", program),), frozenset({"greeter"}))
    write_archive(path, "genmodel.local/greeter:1", [layer], {"Entrypoint": ["/greeter"], "User": "10001:10001"})
    return path


@pytest.fixture(scope="module")
def address(real_node: Cluster | HostedCluster, archive: Path) -> Iterator[str]:
    """Yield the cluster address of a Service before two restricted pods."""
    image = real_node.import_image(archive)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": RESTRICTED}}
    real_node.apply(namespace)
    real_node.apply(deployment(image), service())
    real_node.kubectl("rollout", "status", "deployment/greeter", "-n", NAMESPACE, "--timeout=120s")
    found = real_node.kubectl("get", "service", "greeter", "-n", NAMESPACE, "-o", "jsonpath={.spec.clusterIP}")
    wait_until("both pods in the Service", lambda: len(ready_addresses(real_node)) == 2, timeout_seconds=120)
    # The node writes its rules for the Service a while after that, on a busy machine some seconds.
    port = real_node.forward(found, 80)
    wait_until("the Service to answer", lambda: answers(port), timeout_seconds=120)
    yield found
    real_node.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def deployment(image: str) -> dict[str, Any]:
    probe = {"httpGet": {"port": 8080, "path": "/"}, "periodSeconds": 1}
    container = {
        "name": "greeter",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "securityContext": SECURITY,
        "readinessProbe": probe,
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
    }
    pod = {
        "containers": [container],
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    }
    template = {"metadata": {"labels": LABELS}, "spec": pod}
    spec = {"replicas": 2, "selector": {"matchLabels": LABELS}, "template": template}
    metadata = {"name": "greeter", "namespace": NAMESPACE}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def service() -> dict[str, Any]:
    spec = {"selector": LABELS, "ports": [{"port": 80, "targetPort": 8080}]}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "greeter", "namespace": NAMESPACE},
        "spec": spec,
    }


def greeting(port: int) -> str:
    with urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
        content: bytes = answer.read()
    return content.decode()


def answers(port: int) -> bool:
    try:
        return bool(greeting(port))
    except OSError:
        return False


def ready_addresses(cluster: Cluster | HostedCluster) -> set[str]:
    """Return the addresses that the Service leads to."""
    selector = "kubernetes.io/service-name=greeter"
    printed = cluster.kubectl("get", "endpointslices", "-n", NAMESPACE, "-l", selector, "-o", "json")
    endpoints = [endpoint for found in json.loads(printed)["items"] for endpoint in found["endpoints"] or []]
    return {address for one in endpoints if one["conditions"]["ready"] for address in one["addresses"]}


def greeter_process(cluster: Cluster) -> str:
    """Return the number of a process that runs in one of our pods."""
    files = [file for top in hierarchies() for file in (top / f"genmodel-{cluster.name}").rglob("cgroup.procs")]
    pids = {pid for file in files for pid in file.read_text().split()}
    return next(pid for pid in pids if Path(f"/proc/{pid}/comm").read_text() == "greeter\n")


def asking(address: str) -> list[str]:
    """Return a command that prints what the address answers."""
    url = f"http://{address}/"
    script = f"import urllib.request; print(urllib.request.urlopen({url!r}, timeout=5).read().decode())"
    return [sys.executable, "-c", script]


def own_cluster(cluster: Cluster | HostedCluster) -> Cluster:
    if not isinstance(cluster, Cluster):
        pytest.skip("another cluster is used instead of a node of our own")
    return cluster


def test_the_node_is_ready(real_node: Cluster | HostedCluster) -> None:
    node = json.loads(real_node.kubectl("get", "node", real_node.node_name, "-o", "json"))
    assert {one["type"]: one["status"] for one in node["status"]["conditions"]}["Ready"] == "True"


def test_a_service_reaches_restricted_pods_from_the_host(real_node: Cluster | HostedCluster, address: str) -> None:
    assert greeting(real_node.forward(address, 80)).startswith("greetings from greeter-")


def test_a_service_spreads_over_its_pods(real_node: Cluster | HostedCluster, address: str) -> None:
    cluster = own_cluster(real_node)
    seen: set[str] = set()

    def both() -> bool:
        seen.add(cluster.run(asking(address)).stdout)
        return len(seen) == 2

    # Each connection goes to either pod by chance: 64 that all go to one happen once in 2 ** 63 runs.
    assert any(both() for _ in range(64)), seen


def test_a_pod_reaches_a_pod_through_the_service(real_node: Cluster | HostedCluster, address: str) -> None:
    # Both are on one bridge: without care the answer would go past the translation and be thrown away.
    cluster = own_cluster(real_node)
    pod = greeter_process(cluster)
    for _ in range(6):
        done = cluster.run(["nsenter", f"--target={pod}", "--net", "--", *asking(address)])
        assert done.stdout.startswith("greetings from greeter-")


def test_logs_are_read_through_the_kubelet(real_node: Cluster | HostedCluster, address: str) -> None:
    assert address
    real_node.kubectl("logs", "deployment/greeter", "-n", NAMESPACE)


def test_an_image_is_imported_once(
    real_node: Cluster | HostedCluster, address: str, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert address
    own_cluster(real_node).import_image(archive)
    assert "importing" not in capsys.readouterr().err


def test_the_same_through_a_kubeconfig_alone(real_node: Cluster | HostedCluster, address: str) -> None:
    with HostedCluster(real_node.kubeconfig, registry="registry.example") as hosted:
        assert greeting(hosted.forward(address, 80)).startswith("greetings from greeter-")
        assert hosted.node_name == real_node.node_name


def test_a_pod_that_ends_is_taken_away(real_node: Cluster | HostedCluster, address: str) -> None:
    assert address
    before = real_node.kubectl("get", "pods", "-n", NAMESPACE, "-l", "app=greeter", "-o", "name").split()
    real_node.kubectl("delete", before[0], "-n", NAMESPACE, "--wait=true")
    pods = ["get", "pods", "-n", NAMESPACE, "-l", "app=greeter", "-o", "name"]
    wait_until("a new pod", lambda: len(set(real_node.kubectl(*pods).split()) - {before[0]}) == 2, timeout_seconds=120)
