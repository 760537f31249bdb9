"""What tests of rollouts need beside the world: nodes without room or without a kubelet, and who watches."""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from genmodel_operator.api import labels
from genmodel_operator.kube.client import KubeClient
from genmodel_operator.kube.errors import KubeError
from genmodel_operator.kube.kinds import GENERATIVE_MODEL, POD, SERVICE
from genmodel_operator.process import NODES_SETTLE_SECONDS
from genmodel_operator.settings import Settings
from tests.cluster.nodes import kwok_node
from tests.operator_world import Object, OperatorWorld

L40S, T4 = "NVIDIA-L40S", "Tesla-T4"
_LABELS = {
    L40S: {"nvidia.com/gpu.memory": "46068", "nvidia.com/gpu.compute.major": "8", "nvidia.com/gpu.compute.minor": "9"},
    T4: {"nvidia.com/gpu.memory": "15360", "nvidia.com/gpu.compute.major": "7", "nvidia.com/gpu.compute.minor": "5"},
}


@contextmanager
def restarted(world: OperatorWorld, **settings: str) -> Iterator[None]:
    """Run the operator with other settings, and as before afterwards."""
    assert world.stop_operator() == 0
    world.start_operator(settings=settings)
    try:
        yield
    finally:
        world.stop_operator()
        world.start_operator()


@contextmanager
def a_node(world: OperatorWorld, name: str, product: str, *, devices: int, silent: bool = False) -> Iterator[str]:
    """Yield a node with so many devices; on a silent one pods are placed and nothing ever starts them."""
    own = _LABELS[product] | {"nvidia.com/gpu.product": product, "nvidia.com/gpu.count": str(devices)}
    if silent:
        node = kwok_node(name, labels=own, allocatable={"nvidia.com/gpu": str(devices)})
        del node["metadata"]["annotations"]
        node["status"]["conditions"] = [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}]
        world.cluster.kubectl("create", "-f", "-", input=json.dumps(node))
    else:
        world.cluster.add_kwok_nodes(
            1, prefix=name.removesuffix("-0"), labels=own, allocatable={"nvidia.com/gpu": str(devices)}
        )
    threading.Event().wait(2 * NODES_SETTLE_SECONDS)
    try:
        yield name
    finally:
        world.cluster.kubectl("delete", "node", name, "--ignore-not-found")


def pods_of(world: OperatorWorld, team: str, revision: str) -> list[Object]:
    return world.list(team, "pods", "-l", f"{labels.REVISION}={revision}")


def uids(found: list[Object]) -> set[str]:
    return {one["metadata"]["uid"] for one in found}


def revision(world: OperatorWorld, team: str, name: str = "tiny") -> Mapping[str, Any]:
    found: Mapping[str, Any] = world.get(team, "gm", name)["status"]["revision"]
    return found


def selected(world: OperatorWorld, team: str, name: str = "tiny") -> str:
    return str(world.get(team, "service", name)["spec"]["selector"][labels.REVISION])


def crash(world: OperatorWorld, team: str, pod: str, reason: str, message: str) -> None:
    """Report for a pod without a kubelet what a kubelet reports of an engine that ends at once."""
    said = json.dumps({"contract": 1, "reason": reason, "message": message, "hint": "", "exitCode": 20, "log": []})
    ended = {"exitCode": 20, "reason": "Error", "message": said}
    done = {"name": "prepare", "image": "i", "imageID": "", "ready": True, "restartCount": 0}
    status = {
        "phase": "Running",
        "conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "Initialized", "status": "True"},
            {"type": "Ready", "status": "False"},
        ],
        "initContainerStatuses": [{**done, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}],
        "containerStatuses": [
            {
                **done,
                "name": "server",
                "ready": False,
                "restartCount": 3,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
                "lastState": {"terminated": ended},
            }
        ],
    }
    world.cluster.kubectl(
        "-n", team, "patch", "pod", pod, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status})
    )


@dataclass(frozen=True)
class Sample:
    """One look: the model before and after, and between them the Service and the pods."""

    before: Object
    service: Object
    pods: list[Object]
    after: Object

    @property
    def selected(self) -> str:
        return str(self.service["spec"]["selector"][labels.REVISION])

    @property
    def is_still(self) -> bool:
        """Whether the model did not change while the others were looked at."""
        versions = {it["metadata"]["resourceVersion"] for it in (self.before, self.after)}
        return len(versions) == 1

    def answering(self) -> list[Object]:
        """The ready pods behind the Service."""
        return [
            pod
            for pod in self.pods
            if pod["metadata"]["labels"].get(labels.REVISION) == self.selected
            and any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
        ]


class Sampler:
    """Looks at one model as fast as it can until it is told to stop."""

    def __init__(self, world: OperatorWorld, team: str, name: str) -> None:
        self._environ = {"KUBECONFIG": str(world.cluster.kubeconfig)}
        self._where = (team, name)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="sampler")
        self.samples: list[Sample] = []

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    async def _run(self) -> None:
        client = await KubeClient.connect(Settings(), environ=self._environ)
        try:
            while not self._stop.is_set():
                try:
                    self.samples.append(await self._look(client))
                except KubeError as error:
                    if error.status != 404:
                        raise
        finally:
            await client.close()

    async def _look(self, client: KubeClient) -> Sample:
        team, name = self._where
        before = await client.get(GENERATIVE_MODEL, team, name)
        service = await client.get(SERVICE, team, name)
        pods = await client.list(POD, team, label_selector=f"{labels.MODEL}={name}")
        return Sample(before, service, pods, await client.get(GENERATIVE_MODEL, team, name))


def environment(pod: Object) -> dict[str, str]:
    """The variables of a pod's server that are plain texts."""
    server = next(one for one in pod["spec"]["containers"] if one["name"] == "server")
    return {entry["name"]: entry["value"] for entry in server["env"] if "value" in entry}
