"""Builders of pods and Deployments as the API server returns them."""

import json
from typing import Any

from genmodel_operator.api import labels

REVISION = "0123456789"
COMMIT = "e0bc86c23ce5aae1db576c8cca6f06f1f73af2db"


def a_pod(name: str = "mistral-a", *, revision: str = REVISION, **status: Any) -> dict[str, Any]:
    """A server pod with exactly the given status."""
    return {
        "metadata": {
            "name": name,
            "namespace": "team-a",
            "labels": labels.revision_labels("mistral", revision, COMMIT),
        },
        "spec": {
            "nodeName": "node-1",
            "initContainers": [{"name": "prepare", "resources": {"limits": {"memory": "1Gi"}}}],
            "containers": [{"name": "server", "resources": {"limits": {"memory": "6Gi"}}}],
        },
        "status": status,
    }


def scheduled() -> dict[str, str]:
    """The condition of a pod that has a node."""
    return {"type": "PodScheduled", "status": "True"}


def container(name: str, *, restarts: int = 0, last: dict[str, Any] | None = None, **state: Any) -> dict[str, Any]:
    """One container's status; ``state`` holds waiting, running or terminated."""
    found: dict[str, Any] = {
        "name": name,
        "image": f"example/{name}:1",
        "restartCount": restarts,
        "state": state,
    }
    if last is not None:
        found["lastState"] = {"terminated": last}
    return found


DONE = container("prepare", terminated={"exitCode": 0})


def in_prepare(prepare: dict[str, Any], name: str = "mistral-a") -> dict[str, Any]:
    """A placed pod whose prepare container is the one given."""
    server = container("server", waiting={"reason": "PodInitializing"})
    return a_pod(name, conditions=[scheduled()], initContainerStatuses=[prepare], containerStatuses=[server])


def in_server(server: dict[str, Any], name: str = "mistral-a", *, revision: str = REVISION) -> dict[str, Any]:
    """A placed pod with its weights, whose server container is the one given."""
    return a_pod(
        name,
        revision=revision,
        podIP="10.244.0.9",
        conditions=[scheduled(), {"type": "Ready", "status": "False"}],
        initContainerStatuses=[DONE],
        containerStatuses=[server],
    )


def a_ready_pod(name: str = "mistral-a", *, revision: str = REVISION) -> dict[str, Any]:
    """A pod that answers."""
    return a_pod(
        name,
        revision=revision,
        podIP="10.244.0.9",
        conditions=[scheduled(), {"type": "Ready", "status": "True"}],
        initContainerStatuses=[DONE],
        containerStatuses=[container("server", running={})],
    )


def a_termination(reason: str, message: str, *, code: int = 20, hint: str = "") -> dict[str, Any]:
    """How a container ended that left its words in the termination log."""
    document = {"contract": 1, "reason": reason, "message": message, "hint": hint, "exitCode": code, "log": []}
    return {"exitCode": code, "reason": "Error", "message": json.dumps(document)}


def a_deployment(*conditions: dict[str, str], replicas: int = 1) -> dict[str, Any]:
    """A Deployment with conditions."""
    return {"metadata": {"name": "d"}, "status": {"replicas": replicas, "conditions": list(conditions)}}
