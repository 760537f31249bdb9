"""A user's part of the pod template, laid over ours: objects merged, lists joined, the rest replaced."""

from typing import Any

import pytest

from genmodel_operator.resources.pod_patch import PodTemplateError, patched

SERVER: dict[str, Any] = {
    "name": "server",
    "image": "engine:1",
    "args": ["--a"],
    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
    "resources": {"requests": {"cpu": "2"}},
    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
}
TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "x"}},
    "spec": {
        "containers": [SERVER],
        "volumes": [{"name": "cache", "emptyDir": {"sizeLimit": "10Gi"}}],
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "securityContext": {"runAsUser": 10001, "fsGroup": 10001},
    },
}


def server(**changes: Any) -> dict[str, Any]:
    return {"containers": [{"name": "server", **changes}]}


def spec_after(spec: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = patched(TEMPLATE, {"spec": spec})["spec"]
    return found


@pytest.mark.parametrize(
    ("spec", "field", "want"),
    [
        pytest.param({"priorityClassName": "high"}, "priorityClassName", "high", id="a field that was not there"),
        pytest.param(
            {"securityContext": {"runAsUser": 7}},
            "securityContext",
            {"runAsUser": 7, "fsGroup": 10001},
            id="an object is merged",
        ),
        pytest.param(
            {"securityContext": {"runAsUser": None}}, "securityContext", {"fsGroup": 10001}, id="null takes away"
        ),
        pytest.param(
            {"tolerations": [{"key": "team", "operator": "Exists"}]},
            "tolerations",
            [{"key": "gpu", "operator": "Exists"}, {"key": "team", "operator": "Exists"}],
            id="tolerations are added",
        ),
        pytest.param(
            {"tolerations": [{"key": "gpu", "operator": "Exists"}]},
            "tolerations",
            [{"key": "gpu", "operator": "Exists"}],
            id="but not twice",
        ),
        pytest.param(
            {"tolerations": [{"operator": "Exists"}]},
            "tolerations",
            [{"key": "gpu", "operator": "Exists"}, {"operator": "Exists"}],
            id="a toleration of everything has no key",
        ),
        pytest.param(
            {"imagePullSecrets": [{"name": "mine"}]}, "imagePullSecrets", [{"name": "mine"}], id="the first of a list"
        ),
        pytest.param(
            {"volumes": [{"name": "cache", "emptyDir": {"sizeLimit": "20Gi"}}]},
            "volumes",
            [{"name": "cache", "emptyDir": {"sizeLimit": "20Gi"}}],
            id="a volume's size",
        ),
        pytest.param(
            {"volumes": [{"name": "cache", "hostPath": {"path": "/fast"}}]},
            "volumes",
            [{"name": "cache", "hostPath": {"path": "/fast"}}],
            id="another source takes the place of a volume's",
        ),
        pytest.param(
            {"volumes": [{"name": "more", "emptyDir": {}}]},
            "volumes",
            [{"name": "cache", "emptyDir": {"sizeLimit": "10Gi"}}, {"name": "more", "emptyDir": {}}],
            id="a volume more; an empty object is a choice",
        ),
    ],
)
def test_the_pod(spec: dict[str, Any], field: str, want: Any) -> None:
    assert spec_after(spec)[field] == want


@pytest.mark.parametrize(
    ("changes", "field", "want"),
    [
        pytest.param({"image": "engine:2"}, "image", "engine:2", id="a value is replaced"),
        pytest.param({"args": ["--b"]}, "args", ["--b"], id="a list of texts is one value"),
        pytest.param(
            {"env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]},
            "env",
            [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}, {"name": "C", "value": "4"}],
            id="variables by name",
        ),
        pytest.param(
            {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]},
            "env",
            [
                {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                {"name": "B", "value": "2"},
            ],
            id="a variable has one source",
        ),
        pytest.param(
            {"resources": {"requests": {"cpu": "8"}, "limits": {"cpu": "8"}}},
            "resources",
            {"requests": {"cpu": "8"}, "limits": {"cpu": "8"}},
            id="nested objects",
        ),
        pytest.param(
            {"volumeMounts": [{"name": "data", "mountPath": "/data"}]},
            "volumeMounts",
            [{"name": "tmp", "mountPath": "/tmp"}, {"name": "data", "mountPath": "/data"}],
            id="mounts by path",
        ),
    ],
)
def test_a_container(changes: dict[str, Any], field: str, want: Any) -> None:
    (found,) = spec_after(server(**changes))["containers"]
    assert found[field] == want
    assert {key: value for key, value in found.items() if key != field} == {
        key: value for key, value in SERVER.items() if key != field
    }


def test_a_sidecar_is_added() -> None:
    names = [one["name"] for one in spec_after({"containers": [{"name": "proxy", "image": "p:1"}]})["containers"]]
    assert names == ["server", "proxy"]


def test_labels_and_annotations_are_added() -> None:
    found = patched(TEMPLATE, {"metadata": {"labels": {"team": "a"}, "annotations": {"note": "b"}}})
    assert found["metadata"] == {"labels": {"app": "x", "team": "a"}, "annotations": {"note": "b"}}


def test_what_it_is_laid_over_stays_as_it_was() -> None:
    before = repr(TEMPLATE)
    spec_after(server(env=[{"name": "A", "value": "9"}], resources={"requests": {"cpu": "1"}}))
    assert repr(TEMPLATE) == before


def test_nothing_changes_nothing() -> None:
    assert patched(TEMPLATE, {}) == TEMPLATE


@pytest.mark.parametrize(
    ("spec", "want_path"),
    [
        pytest.param({"containers": [{"image": "x"}]}, "spec.podTemplate.spec.containers[0]", id="without a name"),
        pytest.param({"containers": ["server"]}, "spec.podTemplate.spec.containers[0]", id="no object"),
        pytest.param(
            server(volumeMounts=[{"name": "x"}]),
            "spec.podTemplate.spec.containers[server].volumeMounts[0]",
            id="a mount without a path",
        ),
        pytest.param({"$patch": "replace"}, "spec.podTemplate.spec.$patch", id="a directive"),
        pytest.param(
            server(**{"$setElementOrder/env": []}),
            "spec.podTemplate.spec.containers[server].$setElementOrder/env",
            id="a nested directive",
        ),
    ],
)
def test_what_cannot_be_joined_is_refused_with_its_path(spec: dict[str, Any], want_path: str) -> None:
    with pytest.raises(PodTemplateError) as refused:
        spec_after(spec)
    assert refused.value.path == want_path
