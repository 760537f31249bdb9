"""The parts of the demo on somebody else's cluster, on a control plane of its own: it installs the chart there.

The nodes are fake, so what the pods do is not seen here.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.demo.foreign import chart_values, claim_namespace, down, is_wanted, remove, start_hub, up
from examples.demo.screen import DemoError
from examples.demo.steps import OPERATOR_NAMESPACE, install_chart
from tests.cluster import Cluster, Environment, HostedCluster
from tests.cluster.errors import ClusterError

pytestmark = pytest.mark.apiserver
DIGEST = "sha256:" + "a" * 64
WITHOUT_WEIGHTS = """
apiVersion: genmodel.dev/v1alpha1
kind: GenerativeModel
metadata: {name: %s, namespace: %s}
spec: {model: acme/tiny, suspend: true}
"""


@pytest.fixture(scope="module")
def hosted(environment: Environment) -> Iterator[HostedCluster]:
    if environment.no_control_plane:
        pytest.skip(environment.no_control_plane)
    with Cluster(f"foreign-{os.getpid()}") as started:
        started.add_kwok_nodes(1)
        with HostedCluster(started.kubeconfig, registry="registry.example") as cluster:
            yield cluster


@pytest.fixture
def demo(hosted: HostedCluster) -> Iterator[HostedCluster]:
    claim_namespace(hosted)
    yield hosted
    remove(hosted)


def names(cluster: HostedCluster, *kinds: str) -> list[str]:
    return cluster.kubectl("get", ",".join(kinds), "-n", OPERATOR_NAMESPACE, "-o", "name").split()


def test_the_chart_is_installed_with_the_image_by_its_digest_and_the_hub_of_the_demo(demo: HostedCluster) -> None:
    endpoint = start_hub(demo, f"registry.example/hub@{DIGEST}")
    install_chart(demo, chart_values(f"registry.example/team/operator@{DIGEST}", endpoint))
    path = "jsonpath={.spec.template.spec.containers[0].image}"
    image = demo.kubectl("get", "deployment", "genmodel", "-n", OPERATOR_NAMESPACE, "-o", path)
    assert image == f"registry.example/team/operator@{DIGEST}"
    settings = demo.kubectl("get", "configmaps", "-n", OPERATOR_NAMESPACE, "-o", "yaml")
    assert endpoint in settings


def test_the_hub_has_an_address_for_pods_and_both_of_its_ports(demo: HostedCluster) -> None:
    endpoint = start_hub(demo, f"registry.example/hub@{DIGEST}")
    ports = demo.kubectl(
        "get", "service", "genmodel-demo-hub", "-n", OPERATOR_NAMESPACE, "-o", "jsonpath={.spec.ports[*].port}"
    )
    address = demo.kubectl(
        "get", "service", "genmodel-demo-hub", "-n", OPERATOR_NAMESPACE, "-o", "jsonpath={.spec.clusterIP}"
    )
    assert endpoint == f"http://{address}:8090"
    assert ports == "8090 8091"
    assert len(names(demo, "pods")) == 1


def test_nothing_of_the_demo_is_left(hosted: HostedCluster) -> None:
    claim_namespace(hosted)
    endpoint = start_hub(hosted, f"registry.example/hub@{DIGEST}")
    install_chart(hosted, chart_values(f"registry.example/operator@{DIGEST}", endpoint))
    hosted.kubectl("apply", "-f", "-", input=WITHOUT_WEIGHTS % ("fables", "default"))
    remove(hosted)
    assert "genmodel" not in hosted.kubectl("get", "crd,clusterrole,clusterrolebinding,namespace", "-o", "name")


def test_models_of_other_people_stay_with_their_definition(hosted: HostedCluster) -> None:
    claim_namespace(hosted)
    install_chart(hosted, chart_values(f"registry.example/operator@{DIGEST}", "http://hub:8090"))
    hosted.kubectl("apply", "-f", "-", input=WITHOUT_WEIGHTS % ("theirs", "default"))
    remove(hosted)
    assert hosted.kubectl("get", "gm", "--all-namespaces", "-o", "name").split() == [
        "generativemodel.genmodel.dev/theirs"
    ]
    hosted.kubectl("delete", "gm", "theirs")
    remove(hosted)
    assert "genmodel" not in hosted.kubectl("get", "crd", "-o", "name")


def test_an_operator_of_somebody_else_is_left_alone(hosted: HostedCluster) -> None:
    hosted.kubectl("create", "namespace", OPERATOR_NAMESPACE)
    environ = {"KUBECONFIG": str(hosted.kubeconfig), "IMAGE_REGISTRY": "registry.example"}
    try:
        with pytest.raises(DemoError, match="that is not the demo's; it stays as it is"):
            up(environ, None)
        down(environ)
        assert hosted.kubectl("get", "namespace", OPERATOR_NAMESPACE, "-o", "name")
    finally:
        hosted.kubectl("delete", "namespace", OPERATOR_NAMESPACE)


@pytest.mark.parametrize(
    ("environ", "want"),
    [
        pytest.param({"IMAGE_REGISTRY": "registry.example"}, True, id="a registry to push to"),
        pytest.param({"IMAGE_REGISTRY": ""}, False, id="an empty registry"),
        pytest.param({"KUBECONFIG": "/kube/config"}, False, id="only the kubeconfig that people have set anyway"),
    ],
)
def test_another_cluster_is_used_only_where_it_is_asked_for(environ: dict[str, str], want: bool) -> None:
    assert is_wanted(environ) is want


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({}, id="no kubeconfig"),
        pytest.param({"KUBECONFIG": "no-such-file"}, id="a kubeconfig that is not there"),
    ],
)
def test_without_a_kubeconfig_the_demo_says_what_is_missing(environ: dict[str, str]) -> None:
    with pytest.raises(DemoError, match="let KUBECONFIG name its kubeconfig"):
        up({"IMAGE_REGISTRY": "registry.example", **environ}, None)


def test_a_cluster_that_does_not_answer_is_an_error_with_its_words(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("apiVersion: v1\nkind: Config\n")
    with pytest.raises(ClusterError, match="kubectl get"):
        down({"IMAGE_REGISTRY": "registry.example", "KUBECONFIG": str(kubeconfig)})
