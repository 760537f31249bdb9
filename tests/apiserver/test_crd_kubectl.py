"""What kubectl shows and does with models on the real API server."""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from genmodel_operator.api.crd import root_schema
from genmodel_operator.api.structural import nodes
from tests.cluster import Cluster, Environment
from tests.crd_cluster import install_crd
from tests.crd_samples import manifest

pytestmark = pytest.mark.apiserver

STATUS = {
    "observedGeneration": 1,
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Serving",
            "message": "1 of 1 replicas answer",
            "lastTransitionTime": "2026-11-24T00:00:00Z",
        }
    ],
    "model": {"precision": "BFloat16"},
    "plan": {"maxModelLen": 32768},
    "endpoint": {"url": "http://mistral.crd-kubectl.svc/v1"},
    "revision": {"current": "0123456789"},
    "display": {"commit": "e0bc86c", "accelerator": "1 x NVIDIA L4", "replicas": "1/1"},
    "replicas": 1,
    "selector": "genmodel.dev/model=mistral",
}
NAMESPACE = "crd-kubectl"


@pytest.fixture(scope="module")
def api(environment: Environment) -> Iterator[Cluster]:
    """Yield a control plane of its own: an operator beside would write another status."""
    if environment.no_control_plane:
        pytest.skip(environment.no_control_plane)
    with Cluster(f"kubectl-{os.getpid()}") as cluster:
        install_crd(cluster)
        cluster.kubectl("create", "namespace", NAMESPACE)
        write(cluster, manifest("mistral"), "user")
        write(cluster, {**manifest("mistral"), "spec": None, "status": STATUS}, "genmodel-operator", "status")
        yield cluster


def write(api: Cluster, document: dict[str, Any], manager: str, subresource: str = "") -> None:
    options = [f"--subresource={subresource}"] if subresource else []
    body = json.dumps({key: value for key, value in document.items() if value is not None})
    api.kubectl(
        "-n", NAMESPACE, "apply", "--server-side", f"--field-manager={manager}", *options, "-f", "-", input=body
    )


def read(api: Cluster) -> dict[str, Any]:
    found = json.loads(api.kubectl("-n", NAMESPACE, "get", "gm", "mistral", "-o", "json"))
    assert isinstance(found, dict)
    return found


def columns(text: str) -> list[dict[str, str]]:
    """Cut the table at the places of its heads, since cells hold spaces."""
    head, *lines = text.splitlines()
    names = head.split()
    starts = [head.index(name) for name in names] + [None]
    return [{name: line[starts[i] : starts[i + 1]].strip() for i, name in enumerate(names)} for line in lines]


def test_columns_of_kubectl_get(api: Cluster) -> None:
    (row,) = columns(api.kubectl("-n", NAMESPACE, "get", "gm"))
    assert row.pop("AGE")
    assert row == {
        "NAME": "mistral",
        "MODEL": "mistralai/Mistral-7B-Instruct-v0.3",
        "COMMIT": "e0bc86c",
        "ACCELERATOR": "1 x NVIDIA L4",
        "REPLICAS": "1/1",
        "READY": "True",
        "REASON": "Serving",
        "URL": "http://mistral.crd-kubectl.svc/v1",
    }


def test_wide_columns(api: Cluster) -> None:
    (row,) = columns(api.kubectl("-n", NAMESPACE, "get", "gm", "-o", "wide"))
    assert (row["PRECISION"], row["CONTEXT"], row["REVISION"]) == ("BFloat16", "32768", "0123456789")


@pytest.mark.parametrize(
    "name",
    ["gm", "generativemodel", "generativemodels", "generativemodels.genmodel.dev", "all", "ai"],
)
def test_the_kind_is_found_by_all_its_names(api: Cluster, name: str) -> None:
    assert "mistral" in api.kubectl("-n", NAMESPACE, "get", name)


def test_models_are_selected_by_the_repository(api: Cluster) -> None:
    selector = "--field-selector=spec.model={}"
    found = api.kubectl("get", "gm", "-A", "-o", "name", selector.format("mistralai/Mistral-7B-Instruct-v0.3"))
    assert found.strip() == "generativemodel.genmodel.dev/mistral"
    assert not api.kubectl("get", "gm", "-A", "-o", "name", selector.format("another/model")).strip()


def test_the_scale_subresource_reads_and_writes(api: Cluster) -> None:
    path = f"/apis/genmodel.dev/v1alpha1/namespaces/{NAMESPACE}/generativemodels/mistral/scale"
    scale = json.loads(api.kubectl("get", "--raw", path))
    assert scale["status"] == {"replicas": 1, "selector": "genmodel.dev/model=mistral"}
    api.kubectl("-n", NAMESPACE, "scale", "gm/mistral", "--replicas=3")
    assert read(api)["spec"]["replicas"] == 3
    api.kubectl("-n", NAMESPACE, "scale", "gm/mistral", "--replicas=1")
    assert read(api)["spec"]["replicas"] == 1


def test_writing_the_status_leaves_the_generation(api: Cluster) -> None:
    before = read(api)
    write(api, {**manifest("mistral"), "spec": None, "status": STATUS}, "genmodel-operator", "status")
    after = read(api)
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_a_dropped_field_falls_back_to_its_default(api: Cluster) -> None:
    write(api, manifest("mistral", context={"maxModelLen": 4096, "concurrency": 8}), "user")
    assert read(api)["spec"]["context"] == {"maxModelLen": 4096, "concurrency": 8}
    write(api, manifest("mistral"), "user")
    assert read(api)["spec"]["context"] == {"concurrency": 1}


def _plain(path: str) -> str:
    return f"gm{path.replace('[]', '')}"


EXPLAINED = [
    (path, node)
    for path, node in nodes(root_schema())
    if path.startswith((".spec", ".status")) and "properties" in node
]


@pytest.mark.parametrize(("path", "node"), EXPLAINED, ids=[_plain(path) for path, _ in EXPLAINED])
def test_kubectl_explains_every_field(api: Cluster, path: str, node: dict[str, Any]) -> None:
    text = " ".join(api.kubectl("explain", _plain(path)).split())
    for name, member in node["properties"].items():
        assert f" {name} <" in text
        assert " ".join(member["description"].split()) in text
