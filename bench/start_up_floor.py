"""The floor of the start-up bench: what the cluster alone takes for a pod of the same two containers.

A plain client creates the pod by hand: the same images and volumes, one container after the other, and Python
in both that says a line and ends. No operator, no runtime, no Hub, no weights, no engine.
"""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bench.timeline import Timeline
from tests.platform import Platform

NAME = "bench-floor"
LIMIT_SECONDS = 60.0
SAYS_THAT_IT_RUNS = ["python3", "-c", "print('runs', flush=True)"]
KEPT = ("name", "image", "imagePullPolicy", "resources", "securityContext", "volumeMounts")
"""What the containers of the floor have of a model's; no probes, no environment."""


def bare(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return the pod of the floor for a model's pod: its images, volumes and rights, nothing of the model."""
    spec = pod["spec"]
    containers = {kind: [_container(each) for each in spec[kind]] for kind in ("initContainers", "containers")}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": NAME, "namespace": pod["metadata"]["namespace"]},
        "spec": {
            **containers,
            "volumes": spec["volumes"],
            "securityContext": spec["securityContext"],
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
        },
    }


def _container(container: Mapping[str, Any]) -> dict[str, Any]:
    return {key: container[key] for key in KEPT if key in container} | {"command": SAYS_THAT_IT_RUNS}


def measure(platform: Platform, pod: Mapping[str, Any]) -> float:
    """Return the seconds from the request until the last container's Python runs."""
    wanted = bare(pod)
    with Timeline(platform.cluster.kubeconfig, wanted["metadata"]["namespace"], NAME) as timeline:
        started = time.time()
        timeline.create(wanted)
        timeline.until("bound", limit_seconds=LIMIT_SECONDS)
    kubectl, last = platform.cluster.kubectl, wanted["spec"]["containers"][-1]["name"]
    ended = "--for=jsonpath={.status.phase}=Succeeded"
    kubectl("wait", f"pod/{NAME}", ended, f"--timeout={LIMIT_SECONDS:.0f}s")
    log = kubectl("logs", NAME, "--container", last, "--timestamps")
    kubectl("delete", "pod", NAME, "--wait")
    return moment_of_first_line(log) - started


def moment_of_first_line(log: str) -> float:
    """Return when the container said its line, in seconds since the epoch."""
    return datetime.fromisoformat(log.partition(" ")[0]).timestamp()
