"""The containers of a model's pod: ``prepare`` fetches the weights, ``server`` runs the engine."""

from typing import Any

from genmodel_operator.api.quantity import canonical_quantity, format_gib
from genmodel_operator.engines.environment import startup_seconds
from genmodel_operator.resources.environment import prepare_env, server_env
from genmodel_operator.resources.literal import literal
from genmodel_operator.resources.pod_inputs import PodInputs
from genmodel_operator.resources.volumes import (
    ephemeral_limit_gib,
    ephemeral_request_gib,
    prepare_mounts,
    server_mounts,
)
from genmodel_operator.settings import Settings
from genmodel_runtime.contract import (
    HTTP_PORT,
    HTTP_PORT_NAME,
    PREPARE_CONTAINER,
    RUNTIME_DIR,
    RUNTIME_PORT,
    RUNTIME_PORT_NAME,
    SERVER_CONTAINER,
    STARTUP_PATH,
    STARTUP_PROBE_SLACK_SECONDS,
)

PREPARE_COMMAND = ("python3", "-m", "genmodel_runtime", "prepare")
SERVER_COMMAND = ("python3", "-m", "genmodel_runtime", "serve", "--")
"""Found in the working directory, where ``prepare`` copied it: an image's own PYTHONPATH stays as it is."""

FETCH_COMMAND = ("python3", "-m", "genmodel_runtime", "fetch")
"""Of the Job that fills a claim."""

PREPARE_CPU = "200m"
PREPARE_MEMORY_GIB = 0.5
PREPARE_MEMORY_LIMIT_GIB = 2
GPU_CORES_PER_DEVICE = 2
"""Each device has a worker that keeps one core busy; the API server and the scheduler share the rest."""


def prepare_container(pod: PodInputs) -> dict[str, Any]:
    """Return the init container: it brings the runtime and the weights, and reports its progress.

    It listens on the runtime's port too, undeclared: a name of a port belongs to one container only.
    """
    return {
        "name": PREPARE_CONTAINER,
        "image": pod.settings.runtime_image,
        "command": list(PREPARE_COMMAND),
        "env": prepare_env(pod),
        "resources": _prepare_resources(pod),
        "volumeMounts": prepare_mounts(pod),
        **container_defaults(pod.settings),
    }


def server_container(pod: PodInputs) -> dict[str, Any]:
    """Return the container that serves: the engine's own image, started by our runtime."""
    return {
        "name": SERVER_CONTAINER,
        "image": pod.engine_image,
        "command": list(SERVER_COMMAND),
        "workingDir": RUNTIME_DIR,
        "args": [literal(argument) for argument in pod.engine_args],
        "env": server_env(pod),
        "ports": [_port(HTTP_PORT_NAME, HTTP_PORT), _port(RUNTIME_PORT_NAME, RUNTIME_PORT)],
        "resources": _server_resources(pod),
        "volumeMounts": server_mounts(pod),
        **probes(startup_seconds(pod.facts, pod.settings)),
        **container_defaults(pod.settings),
    }


def container_defaults(settings: Settings) -> dict[str, Any]:
    """Return what all our containers have: the restricted Pod Security Standard, and their last words."""
    return {
        "imagePullPolicy": settings.engines.pull_policy,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
        },
    }


def _port(name: str, number: int) -> dict[str, Any]:
    return {"name": name, "containerPort": number, "protocol": "TCP"}


def _prepare_resources(pod: PodInputs) -> dict[str, Any]:
    return {
        "requests": {"cpu": PREPARE_CPU, "memory": format_gib(PREPARE_MEMORY_GIB), **_disk_request(pod)},
        "limits": {"memory": format_gib(PREPARE_MEMORY_LIMIT_GIB), **_disk_limit(pod)},
    }


def _server_resources(pod: PodInputs) -> dict[str, Any]:
    """Return requests and limits; no CPU limit, because throttling makes a busy engine look hung."""
    plan = pod.plan
    memory = {"memory": format_gib(plan.host_memory_gib)}
    cpu = str(GPU_CORES_PER_DEVICE * plan.count) if plan.is_gpu else pod.settings.engines.cpu_request
    devices = {plan.resource: canonical_quantity(str(plan.count))} if plan.is_gpu else {}
    return {
        "requests": {"cpu": canonical_quantity(cpu), **memory, **_disk_request(pod), **devices},
        "limits": {**memory, **_disk_limit(pod), **devices},
    }


def _disk_request(pod: PodInputs) -> dict[str, str]:
    return {"ephemeral-storage": format_gib(ephemeral_request_gib(pod))}


def _disk_limit(pod: PodInputs) -> dict[str, str]:
    return {"ephemeral-storage": format_gib(ephemeral_limit_gib(pod))}


def probes(start_seconds: int) -> dict[str, Any]:
    """Return the three probes, all answered by the runtime.

    The startup probe asks all the time, so that a pod takes requests as soon as it can: the runtime
    holds each answer until it is ready or the next probe is near. Its end is the backstop of the
    supervisor's own. Liveness is forward progress, decided in the runtime: its
    own grace period is short, because an engine that hangs does not drain.
    """
    budget_seconds = start_seconds + STARTUP_PROBE_SLACK_SECONDS
    return {
        "startupProbe": _probe(STARTUP_PATH, period=1, failures=budget_seconds, timeout=2),
        "readinessProbe": _probe("/readyz", period=5, failures=3, timeout=5),
        "livenessProbe": {
            **_probe("/livez", period=10, failures=2, timeout=5),
            "terminationGracePeriodSeconds": 5,
        },
    }


def _probe(path: str, *, period: int, failures: int, timeout: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": RUNTIME_PORT_NAME, "scheme": "HTTP"},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
    }
