"""From the API server's words to the user's field, and from our template to what is stored."""

from typing import Any

import pytest

from genmodel_operator.resources.pod_paths import as_stored, refused_field

TEMPLATE: dict[str, Any] = {
    "spec": {
        "initContainers": [{"name": "prepare"}],
        "containers": [
            {"name": "server", "env": [{"name": "A"}, {"name": "B"}], "volumeMounts": [{"mountPath": "/x"}]},
            {"name": "proxy"},
        ],
        "volumes": [{"name": "runtime"}, {"name": "mine"}],
    }
}
INVALID = 'Deployment.apps "tiny-0123456789-check" is invalid: '


@pytest.mark.parametrize(
    ("message", "want_path", "want_detail"),
    [
        pytest.param(
            INVALID + "spec.template.spec.containers[1].image: Required value",
            "spec.podTemplate.spec.containers[proxy].image",
            "Required value",
            id="a container by its name",
        ),
        pytest.param(
            INVALID + 'spec.template.spec.containers[0].env[1].name: Invalid value: "b-c": no',
            "spec.podTemplate.spec.containers[server].env[B].name",
            'Invalid value: "b-c": no',
            id="a variable by its name",
        ),
        pytest.param(
            INVALID + 'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "gone"',
            "spec.podTemplate.spec.containers[server].volumeMounts[/x].name",
            'Not found: "gone"',
            id="a mount by its path",
        ),
        pytest.param(
            INVALID + "spec.template.spec.volumes[1].hostPath.path: Required value",
            "spec.podTemplate.spec.volumes[mine].hostPath.path",
            "Required value",
            id="a volume",
        ),
        pytest.param(
            INVALID + "spec.template.spec.tolerations[3].operator: Invalid value",
            "spec.podTemplate.spec.tolerations[3].operator",
            "Invalid value",
            id="an entry that is not there",
        ),
        pytest.param(
            INVALID + "[spec.template.spec.dnsPolicy: Invalid value, spec.template.spec.priority: Forbidden]",
            "spec.podTemplate.spec.dnsPolicy",
            "Invalid value, spec.podTemplate.spec.priority: Forbidden]",
            id="the first of two",
        ),
        pytest.param(
            'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: '
            'unknown field "spec.template.spec.nodeSelectr"',
            "spec.podTemplate.spec.nodeSelectr",
            'unknown field "spec.podTemplate.spec.nodeSelectr"',
            id="a misspelt field",
        ),
        pytest.param(
            'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go '
            "struct field PodSpec.spec.template.spec.priority of type int32",
            "spec.podTemplate.spec.priority",
            'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go '
            "struct field PodSpec.spec.podTemplate.spec.priority of type int32",
            id="a field of the wrong type",
        ),
        pytest.param("no path in it", "spec.podTemplate", "no path in it", id="no path"),
    ],
)
def test_refused_field(message: str, want_path: str, want_detail: str) -> None:
    assert refused_field(message, TEMPLATE) == (want_path, want_detail)


@pytest.mark.parametrize(
    ("desired", "stored", "want"),
    [
        pytest.param({"cpu": "1000m"}, {"cpu": "1"}, {"cpu": "1"}, id="a quantity as the server writes it"),
        pytest.param({"a": 1}, {"a": 1, "b": 2}, {"a": 1}, id="nothing that we did not mean"),
        pytest.param({"a": 1, "hostNetwork": False}, {"a": 1}, {"a": 1}, id="what the server leaves out"),
        pytest.param(
            {"containers": [{"name": "s", "cpu": "1000m"}]},
            {"containers": [{"name": "injected"}, {"name": "s", "cpu": "1", "x": 1}]},
            {"containers": [{"name": "s", "cpu": "1"}]},
            id="entries by their names",
        ),
        pytest.param({"args": ["a", "b"]}, {"args": ["a", "b"]}, {"args": ["a", "b"]}, id="texts"),
        pytest.param({"args": ["a"]}, {"args": ["a", "b"]}, {"args": ["a", "b"]}, id="a list of another length"),
    ],
)
def test_as_stored(desired: Any, stored: Any, want: Any) -> None:
    assert as_stored(desired, stored) == want
