"""What a user's part of the pod template may change, and what it may not."""

from typing import Any

import pytest

from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.resources.pod_patch import PodTemplateError
from genmodel_operator.resources.revision import Revision, freeze
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.plan import ServingPlan
from tests.builders import a_cpu_plan, a_gpu_plan, a_model, some_facts

AT = "spec.podTemplate"
SERVER, PREPARE = f"{AT}.spec.containers[server]", f"{AT}.spec.initContainers[prepare]"


def frozen(template: dict[str, Any], plan: ServingPlan | None = None) -> Revision:
    model = a_model(podTemplate=template)
    return freeze(model, some_facts(), ServedTask.GENERATE, plan or a_gpu_plan(), Settings(), number=1)


def server(**changes: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "server", **changes}]}}


def prepare(**changes: Any) -> dict[str, Any]:
    return {"spec": {"initContainers": [{"name": "prepare", **changes}]}}


@pytest.mark.parametrize(
    "template",
    [
        pytest.param({"metadata": {"labels": {"team": "a"}, "annotations": {"sidecar": "no"}}}, id="metadata"),
        pytest.param({"spec": {"priorityClassName": "high", "nodeSelector": {"zone": "a"}}}, id="placement"),
        pytest.param({"spec": {"tolerations": [{"key": "team", "operator": "Exists"}]}}, id="tolerations"),
        pytest.param({"spec": {"containers": [{"name": "proxy", "image": "p:1"}]}}, id="a sidecar"),
        pytest.param(server(resources={"requests": {"cpu": "8"}}), id="cores"),
        pytest.param(server(env=[{"name": "TZ", "value": "UTC"}]), id="a variable"),
        pytest.param(server(startupProbe={"failureThreshold": 9999}), id="patience of a probe"),
        pytest.param(server(ports=[{"name": "debug", "containerPort": 9000}]), id="one port more"),
        pytest.param(server(volumeMounts=[{"name": "tmp", "mountPath": "/scratch"}]), id="one mount more"),
        pytest.param(
            {"spec": {"volumes": [{"name": "cache", "emptyDir": {"sizeLimit": "50Gi"}}]}}, id="size of a cache"
        ),
        pytest.param({"spec": {"securityContext": {"runAsUser": None}}}, id="a user that the platform chooses"),
        pytest.param(prepare(resources={"limits": {"memory": "8Gi"}}), id="memory of prepare"),
        pytest.param(prepare(env=[{"name": "SSL_CERT_FILE", "value": "/ca.pem"}]), id="a variable of prepare"),
    ],
)
def test_allowed(template: dict[str, Any]) -> None:
    plain, found = frozen({}), frozen(template)
    assert found.id != plain.id, "it is another revision"
    assert found.template != plain.template


def test_the_api_keys_are_not_to_be_replaced() -> None:
    other = {"spec": {"volumes": [{"name": "api-keys", "secret": {"secretName": "other"}}]}}
    model = a_model(access={"apiKeysSecretRef": {"name": "keys"}}, podTemplate=other)
    with pytest.raises(PodTemplateError) as refused:
        freeze(model, some_facts(), ServedTask.GENERATE, a_gpu_plan(), Settings(), number=1)
    assert refused.value.path == f"{AT}.spec.volumes[api-keys]"


@pytest.mark.parametrize(
    ("template", "want_path"),
    [
        pytest.param(server(command=["sh"]), f"{SERVER}.command", id="command of server"),
        pytest.param(server(args=["--x"]), f"{SERVER}.args", id="arguments of server"),
        pytest.param(server(workingDir="/"), f"{SERVER}.workingDir", id="working directory"),
        pytest.param(server(image="other"), f"{SERVER}.image", id="engine image"),
        pytest.param(prepare(command=["sh"]), f"{PREPARE}.command", id="command of prepare"),
        pytest.param(prepare(image="other"), f"{PREPARE}.image", id="runtime image"),
        pytest.param(prepare(args=["x"]), f"{PREPARE}.args", id="arguments of prepare"),
        pytest.param(
            {"metadata": {"labels": {"genmodel.dev/revision": "x"}}},
            f"{AT}.metadata.labels[genmodel.dev/revision]",
            id="label that the Service selects by",
        ),
        pytest.param(
            {"metadata": {"labels": {"app.kubernetes.io/component": "web"}}},
            f"{AT}.metadata.labels[app.kubernetes.io/component]",
            id="component",
        ),
        pytest.param(
            server(ports=[{"name": "web", "containerPort": 8000}]), f"{SERVER}.ports", id="another name of a port"
        ),
        pytest.param(server(ports=None), f"{SERVER}.ports", id="no ports"),
        pytest.param(
            {"spec": {"containers": [{"name": "proxy", "image": "p", "ports": [{"containerPort": 8001}]}]}},
            f"{AT}.spec.containers[proxy].ports",
            id="a sidecar on our port",
        ),
        pytest.param(server(readinessProbe={"httpGet": {"path": "/"}}), f"{SERVER}.readinessProbe", id="readiness"),
        pytest.param(server(livenessProbe=None), f"{SERVER}.livenessProbe", id="no liveness"),
        pytest.param(
            server(volumeMounts=[{"mountPath": "/models", "name": "tmp"}]),
            f"{SERVER}.volumeMounts[/models]",
            id="other weights",
        ),
        pytest.param(
            prepare(volumeMounts=[{"mountPath": "/genmodel", "readOnly": True}]),
            f"{PREPARE}.volumeMounts[/genmodel]",
            id="a runtime that cannot be copied",
        ),
        pytest.param(
            {"spec": {"volumes": [{"name": "runtime", "hostPath": {"path": "/x"}}]}},
            f"{AT}.spec.volumes[runtime]",
            id="volume of the runtime",
        ),
        pytest.param({"spec": {"volumes": None}}, f"{AT}.spec.volumes[runtime]", id="no volumes"),
        pytest.param({"spec": {"containers": None}}, SERVER, id="no containers"),
        pytest.param({"spec": {"initContainers": None}}, PREPARE, id="no init containers"),
        pytest.param(
            server(env=[{"name": "GENMODEL_COMMIT", "value": "x"}]), f"{SERVER}.env[GENMODEL_COMMIT]", id="a contract's"
        ),
        pytest.param(
            server(env=[{"name": "HF_HUB_OFFLINE", "value": "0"}]), f"{SERVER}.env[HF_HUB_OFFLINE]", id="the network"
        ),
        pytest.param(server(env=None), f"{SERVER}.env[GENMODEL_CONTRACT]", id="no variables"),
        pytest.param(server(env="x"), f"{SERVER}.env[GENMODEL_CONTRACT]", id="a list of the wrong type"),
        pytest.param(
            server(resources={"limits": {"nvidia.com/gpu": "2"}}), f"{SERVER}.resources", id="number of devices"
        ),
        pytest.param(server(resources=None), f"{SERVER}.resources", id="no resources"),
    ],
)
def test_refused_with_its_path(template: dict[str, Any], want_path: str) -> None:
    with pytest.raises(PodTemplateError) as refused:
        frozen(template)
    assert refused.value.path == want_path
    assert refused.value.why


def test_on_cpu_the_cores_are_the_users() -> None:
    found = frozen(server(resources={"requests": {"cpu": "7"}}), a_cpu_plan())
    assert found.template["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "7"
