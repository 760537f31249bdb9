import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import Cluster, ClusterError, HostedCluster
from tests.cluster.progress import wait_until
from tests.extra_nodes import extra_nodes

pytestmark = pytest.mark.apiserver
NAMESPACE = "cluster-tests"
H100 = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.memory": "81559"}
ON_H100 = {"nvidia.com/gpu.product": H100["nvidia.com/gpu.product"]}


@pytest.fixture(scope="module")
def cluster(control_plane: Cluster) -> Iterator[Cluster]:
    control_plane.kubectl("create", "namespace", NAMESPACE)
    yield control_plane
    control_plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def gpu_pod(name: str, *, gpus: int) -> dict[str, Any]:
    amount = {"nvidia.com/gpu": str(gpus)}
    container = {"name": "main", "image": "example.com/none:1", "resources": {"requests": amount, "limits": amount}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"test": "gpu"}},
        "spec": {"containers": [container], "nodeSelector": ON_H100},
    }


def phases(cluster: Cluster) -> list[str]:
    output = cluster.kubectl("get", "pods", "-n", NAMESPACE, "-l", "test=gpu", "-o", "json")
    return sorted(pod["status"]["phase"] for pod in json.loads(output)["items"])


def test_the_server_says_its_version(cluster: Cluster) -> None:
    version = json.loads(cluster.kubectl("version", "-o", "json"))
    assert version["serverVersion"]["gitVersion"] == "v1.37.2"
    assert (version["serverVersion"]["major"], version["serverVersion"]["minor"]) == ("1", "37")


def test_the_host_reaches_it_by_loopback(cluster: Cluster) -> None:
    args = [
        str(cluster.bin / "kubectl"),
        f"--kubeconfig={cluster.kubeconfig}",
        "get",
        "namespace",
        NAMESPACE,
        "-o",
        "name",
    ]
    done = subprocess.run(args, capture_output=True, text=True, check=True)
    assert done.stdout == f"namespace/{NAMESPACE}\n"


@pytest.fixture
def h100(cluster: Cluster) -> Iterator[str]:
    with extra_nodes(cluster, 1, prefix="h100", labels=H100, allocatable={"nvidia.com/gpu": "8"}) as names:
        yield names[0]


@pytest.fixture
def plain(cluster: Cluster) -> Iterator[str]:
    with extra_nodes(cluster, 1, prefix="plain") as names:
        yield names[0]


def test_a_fake_node_holds_as_many_pods_as_it_has_gpus(cluster: Cluster, h100: str) -> None:
    assert h100 == "h100-0"
    cluster.apply(*(gpu_pod(f"pod-{index}", gpus=4) for index in range(3)))
    wait_until("two pods", lambda: phases(cluster) == ["Pending", "Running", "Running"], timeout_seconds=30)
    waiting = cluster.kubectl("get", "pods", "-n", NAMESPACE, "--field-selector=status.phase=Pending", "-o", "json")
    (condition,) = json.loads(waiting)["items"][0]["status"]["conditions"]
    assert condition["reason"] == "Unschedulable"
    assert "Insufficient nvidia.com/gpu" in condition["message"]


def test_a_fake_node_keeps_a_lease_like_a_kubelet(cluster: Cluster, plain: str) -> None:
    """A cordon does not put its next sign of life off, as it would where kwok only writes the node's status."""

    def renewed() -> str:
        lease = cluster.kubectl("-n", "kube-node-lease", "get", "lease", plain, "-o", "json", check=False)
        return str(json.loads(lease)["spec"]["renewTime"]) if lease else ""

    wait_until("its lease", lambda: bool(renewed()), timeout_seconds=30)
    first = renewed()
    cluster.kubectl("cordon", plain)
    wait_until("its renewal", lambda: renewed() > first, timeout_seconds=30)


def test_a_deployment_becomes_available(cluster: Cluster, plain: str) -> None:
    assert plain == "plain-0"
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": gpu_pod("web", gpus=0)["spec"] | {"nodeSelector": {}}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": "web", "namespace": NAMESPACE}
    cluster.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
    cluster.kubectl("wait", "-n", NAMESPACE, "--for=condition=Available", "deployment/web", "--timeout=30s")


def test_rights_are_checked(cluster: Cluster) -> None:
    answer = cluster.kubectl(
        "auth", "can-i", "list", "nodes", "--as=system:serviceaccount:default:default", check=False
    )
    assert answer == "no\n"


def test_helm_speaks_to_it(cluster: Cluster) -> None:
    assert cluster.run(["helm", "list", "-A", "-q"]).stdout == ""
    assert cluster.run(["helm", "version", "--short"]).stdout.startswith("v3.")


SERVES = """
import http.server
handler = http.server.SimpleHTTPRequestHandler
server = http.server.HTTPServer(("10.244.0.1", 8123), handler)
print("serving", flush=True)
server.serve_forever()
"""


def test_processes_start_inside_and_a_port_leads_to_them(cluster: Cluster, tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = cluster.popen([sys.executable, "-c", SERVES], log=log, cwd=tmp_path)
    wait_until("the server", lambda: "serving" in log.read_text(), timeout_seconds=10)
    (tmp_path / "greeting").write_text("hello")
    port = cluster.forward("10.244.0.1", 8123)
    url = f"http://127.0.0.1:{port}/greeting"
    read = f"import urllib.request; print(urllib.request.urlopen({url!r}, timeout=5).read().decode())"
    done = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, check=True)
    assert done.stdout == "hello\n"
    child.terminate()
    child.wait()


def test_processes_inside_get_kubeconfig_and_no_proxy(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    found = cluster.run(["env"], env={"MINE": "1"}).stdout.splitlines()
    assert f"KUBECONFIG={cluster.inner_kubeconfig}" in found
    assert "MINE=1" in found
    assert not [line for line in found if line.lower().startswith("https_proxy=")]


@pytest.mark.parametrize(
    ("use", "want_message"),
    [
        pytest.param(lambda c: c.run(["false"]), "false ended with 1", id="a command that fails"),
        pytest.param(lambda c: c.run(["sleep", "9"], timeout=0.2), "sleep 9: no end after 0 s", id="one without end"),
        pytest.param(lambda c: c.kubectl("get", "nonsense"), 'resource type "nonsense"', id="a kubectl error"),
        pytest.param(lambda c: c.import_image(Path("image.tar")), "has no real node", id="an image without a node"),
        pytest.param(lambda c: c.start(), "runs already", id="started twice"),
    ],
)
def test_errors_say_what_went_wrong(cluster: Cluster, use: Callable[[Cluster], None], want_message: str) -> None:
    with pytest.raises(ClusterError, match=want_message):
        use(cluster)


def test_the_same_by_its_kubeconfig_alone(cluster: Cluster) -> None:
    with HostedCluster(cluster.kubeconfig, registry="registry.example") as hosted:
        metadata = {"name": "by-kubeconfig", "namespace": NAMESPACE}
        hosted.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}})
        assert hosted.kubectl("get", "configmap", "by-kubeconfig", "-n", NAMESPACE, "-o", "jsonpath={.data.a}") == "b"
        with pytest.raises(ClusterError, match=r"no Service has the address 10\.96\.9\.9"):
            hosted.forward("10.96.9.9", 80)
