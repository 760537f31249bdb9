"""A node whose kubelet is the test: pods are placed on it for real, and the test writes what a kubelet would.

kwok plays nothing here, as the node lacks its annotation. Like a kubelet it renews the node's lease and
lets pods go that were deleted; ``die`` ends that, and the cluster then gives the node up by itself.
"""

import json
import threading
import time
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from tests.api_connection import ApiConnection
from tests.cluster import Cluster
from tests.cluster.nodes import ROOMY

RENEW_SECONDS = 10.0
"""As a kubelet does."""
LOOK_SECONDS = 2.0
LEASES = "kube-node-lease"


class HandNode:
    """One node with devices, as a context manager."""

    def __init__(self, cluster: Cluster, name: str, *, labels: dict[str, str], devices: int) -> None:
        self._cluster, self.name = cluster, name
        self._connection = ApiConnection(cluster.kubeconfig)
        self._labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **labels}
        self._devices = devices
        self._alive = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"kubelet of {name}")

    def __enter__(self) -> Self:
        resources = {**ROOMY, "nvidia.com/gpu": str(self._devices)}
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": self._labels},
            "status": {"allocatable": resources, "capacity": resources, "conditions": [_node_condition()]},
        }
        self._cluster.kubectl("create", "-f", "-", input=json.dumps(node))
        self._alive.set()
        self._renew()
        self._thread.start()
        self._cluster.kubectl("wait", "--for=condition=Ready", "--timeout=60s", f"node/{self.name}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._let_go()
        self._cluster.kubectl("delete", "node", self.name, "--ignore-not-found")

    def die(self) -> None:
        """Stop answering; the cluster notices by itself after its grace period."""
        self._alive.clear()

    def revive(self) -> None:
        """Answer again."""
        self._alive.set()
        self._renew()
        self.patch(conditions=[_node_condition()])

    def patch(self, **status: Any) -> None:
        """Write fields of the node's status, such as ``allocatable``."""
        self._cluster.kubectl("patch", "node", self.name, "--subresource=status", "-p", json.dumps({"status": status}))

    def write(self, namespace: str, pod: str, status: dict[str, Any]) -> None:
        """Write a pod's status as its kubelet; conditions that are not named stay."""
        patch = json.dumps({"status": status})
        self._cluster.kubectl("-n", namespace, "patch", "pod", pod, "--subresource=status", "-p", patch)

    def say(self, namespace: str, pod: dict[str, Any], reason: str, message: str) -> None:
        """Post an Event about a pod as its kubelet."""
        post_event(self._cluster, namespace, pod, reason, message, by="kubelet")

    def _beat(self) -> None:
        renewed = time.monotonic()
        while not self._ended.wait(LOOK_SECONDS):
            if not self._alive.is_set():
                continue
            if time.monotonic() - renewed > RENEW_SECONDS:
                renewed = time.monotonic()
                self._renew()
            self._let_go()

    def _renew(self) -> None:
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name, "namespace": LEASES},
            "spec": {
                "holderIdentity": self.name,
                "leaseDurationSeconds": 40,
                "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            },
        }
        self._cluster.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(lease))

    def _let_go(self) -> None:
        """End deleted pods, as a kubelet does when their containers have ended."""
        selector = f"spec.nodeName={self.name}"
        for pod in self._connection.list(None, "pods", "--field-selector", selector):
            metadata = pod["metadata"]
            if "deletionTimestamp" in metadata:
                which = ("-n", metadata["namespace"], "delete", "pod", metadata["name"])
                self._cluster.kubectl(*which, "--force", "--grace-period=0", "--ignore-not-found", "--wait=false")


def post_event(cluster: Cluster, namespace: str, pod: dict[str, Any], reason: str, message: str, *, by: str) -> None:
    """Post an Event about a pod with the API that kubelets and autoscalers use."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    about = {"kind": "Pod", "namespace": namespace, "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": "by-hand-", "namespace": namespace},
        "involvedObject": {"apiVersion": "v1", **about},
        "reason": reason,
        "message": message,
        "type": "Normal" if by != "kubelet" else "Warning",
        "source": {"component": by},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
    cluster.kubectl("create", "-f", "-", input=json.dumps(event))


def _node_condition() -> dict[str, str]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }


def container(name: str, *, restarts: int = 0, last: dict[str, Any] | None = None, **state: Any) -> dict[str, Any]:
    """One container's status as a kubelet writes it; ``state`` holds waiting, running or terminated."""
    return {
        "name": name,
        "image": f"example/{name}:1",
        "imageID": f"example/{name}@sha256:{'0' * 64}" if "waiting" not in state else "",
        "ready": False,
        "restartCount": restarts,
        "state": state,
        "lastState": {"terminated": last} if last else {},
    }


def pod_status(address: str, prepare: dict[str, Any], server: dict[str, Any], *, ready: bool = False) -> dict[str, Any]:
    """A pod's status as a kubelet writes it."""
    truth = "True" if ready else "False"
    prepared = prepare["state"].get("terminated", {}).get("exitCode") == 0
    return {
        "phase": "Running" if prepared else "Pending",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [
            {"type": "Initialized", "status": "True" if prepared else "False"},
            {"type": "ContainersReady", "status": truth},
            {"type": "Ready", "status": truth},
        ],
        "initContainerStatuses": [prepare],
        "containerStatuses": [{**server, "ready": ready}],
    }


DONE = container("prepare", terminated={"exitCode": 0, "reason": "Completed"})
NOT_YET = container("server", waiting={"reason": "PodInitializing"})
STARTED = "2026-11-26T10:00:00Z"
RUNNING = container("server", running={"startedAt": STARTED})


def in_prepare(address: str, prepare: dict[str, Any]) -> dict[str, Any]:
    """The status of a pod whose prepare container is the one given."""
    return pod_status(address, prepare, NOT_YET)


def in_server(address: str, server: dict[str, Any]) -> dict[str, Any]:
    """The status of a pod with its weights, whose server container is the one given."""
    return pod_status(address, DONE, server)


def serving(address: str) -> dict[str, Any]:
    """The status of a pod that answers."""
    return pod_status(address, DONE, RUNNING, ready=True)
