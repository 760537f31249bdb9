"""From an event in the cluster to the right reason in the model's status, on a real API server.

Models have pods on a node whose kubelet is the bench: it writes what a kubelet would, and a watch of the models
notes when each tells the reason. Before the next event everything serves again.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from bench.api import PATHS, Milestones, Object, PlainClient, spread
from bench.control_plane import NAMESPACE, a_wish, clear
from bench.process import OperatorProcess
from bench.timings import quantile, seconds
from genmodel_operator.api import labels
from tests.fakes.hand_node import DONE, NOT_YET, container, pod_status, serving
from tests.situations.patients import PRODUCT
from tests.situations.pods import ended, looping, printed

MODELS = 10
ROUNDS = 5
AT_ONCE = 4
LIMIT_SECONDS = 90.0
NODE = "bench-by-hand"
ADDRESS = "10.245.200.1"
"""Nobody answers there, at once."""
QUOTA = "bench"


def _pull_failed() -> Object:
    waiting = {"reason": "ImagePullBackOff", "message": "manifest unknown"}
    return pod_status(ADDRESS, DONE, container("server", waiting=waiting))


def _crashed() -> Object:
    failure = printed("vllm: error: unrecognized arguments: --no-such-flag", code=2)
    return pod_status(ADDRESS, DONE, looping("server", ended(failure)))


def _out_of_memory() -> Object:
    return pod_status(ADDRESS, DONE, looping("server", {"exitCode": 137, "reason": "OOMKilled"}))


def _prepare_failed() -> Object:
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "x" not found'}
    return pod_status(ADDRESS, container("prepare", waiting=waiting), NOT_YET)


Forbid = Callable[[PlainClient], contextlib.AbstractAsyncContextManager[None]]
EVENTS: Mapping[str, tuple[str, Callable[[], Object]]] = {
    "image pull fails": ("ImagePullFailed", _pull_failed),
    "engine refuses an argument": ("BadEngineArgument", _crashed),
    "killed at its memory limit": ("OutOfMemory", _out_of_memory),
    "a Secret is missing": ("ContainerConfigFailed", _prepare_failed),
}


class Sightings:
    """Follows the models and tells when one shows a reason."""

    def __init__(self, client: PlainClient) -> None:
        self._client = client
        self._reasons: dict[str, str] = {}
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._follow())
        await asyncio.sleep(1)
        yield
        task.cancel()

    async def _follow(self) -> None:
        async for found in self._client.watch("GenerativeModel", NAMESPACE):
            conditions = found.get("status", {}).get("conditions", [])
            reason = next((c["reason"] for c in conditions if c["type"] == "Ready"), "")
            async with self._changed:
                self._reasons[found["metadata"]["name"]] = reason
                self._changed.notify_all()

    async def wait(self, name: str, reason: str) -> float:
        """Return when the model shows the reason, on the monotonic clock."""
        async with asyncio.timeout(LIMIT_SECONDS), self._changed:
            try:
                await self._changed.wait_for(lambda: self._reasons.get(name) == reason)
            except TimeoutError as error:
                raise TimeoutError(f"{name} shows {self._reasons.get(name)}, not {reason}") from error
        return time.monotonic()


async def measure(kubeconfig: Path, endpoint: str, log: Path) -> dict[str, dict[str, str]]:
    """Return a row for each kind of event, and one for all."""
    async with PlainClient(kubeconfig) as client:
        operator = OperatorProcess(kubeconfig, log)
        try:
            await operator.ready()
            found = await _measure(client, endpoint)
        finally:
            operator.stop()
            await clear(client, NAMESPACE)
    together = [value for values in found.values() for value in values]
    return {name: row_of(values) for name, values in {**found, "all": together}.items()}


def row_of(values: list[float]) -> dict[str, str]:
    """Return the figures of one kind of event."""
    return {
        "events": str(len(values)),
        "p50": seconds(quantile(values, 0.5)),
        "p95": seconds(quantile(values, 0.95)),
        "most": seconds(max(values, default=None)),
    }


async def _measure(client: PlainClient, endpoint: str) -> dict[str, list[float]]:
    names = [f"m{index:03d}" for index in range(MODELS)]
    sightings = Sightings(client)
    found: dict[str, list[float]] = {}
    async with sightings.watching():
        await spread([_wish(name, endpoint) for name in names], client.create, at_once=AT_ONCE)
        for name in names:
            await serve(client, sightings, name)
        for kind, (reason, status) in EVENTS.items():
            found[kind] = await _rounds(client, sightings, names, reason, status())
        found["no node has room"] = await _lack(client, sightings, names, "Unschedulable", _cordon)
        found["a quota refuses"] = await _lack(client, sightings, names, "QuotaExceeded", _forbid)
    return found


def _wish(name: str, endpoint: str) -> Object:
    wish = a_wish(name, NAMESPACE, endpoint)
    wish["spec"]["accelerator"] = {"products": [PRODUCT]}
    return wish


async def pod_of(client: PlainClient, name: str) -> Object:
    """Return the model's pod when it has a node."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            for pod in await client.list("Pod", NAMESPACE):
                mine = pod["metadata"]["labels"].get(labels.MODEL) == name
                if mine and pod["spec"].get("nodeName") and "deletionTimestamp" not in pod["metadata"]:
                    return pod
            await asyncio.sleep(0.2)


async def write_status(client: PlainClient, pod: str, status: Object) -> None:
    """Write a pod's status as its kubelet."""
    path = f"{PATHS['Pod'].format(namespace=NAMESPACE)}/{pod}/status"
    await client.patch(path, {"status": status})


async def serve(client: PlainClient, sightings: Sightings, name: str) -> str:
    """Let a model's pod answer; return the pod's name."""
    pod = str((await pod_of(client, name))["metadata"]["name"])
    await write_status(client, pod, serving(ADDRESS))
    await sightings.wait(name, "Serving")
    return pod


async def _rounds(
    client: PlainClient, sightings: Sightings, names: list[str], reason: str, status: Object
) -> list[float]:
    values: list[float] = []

    async def one(name: str) -> None:
        pod = str((await pod_of(client, name))["metadata"]["name"])
        started = time.monotonic()
        await write_status(client, pod, status)
        values.append(await sightings.wait(name, reason) - started)
        await serve(client, sightings, name)

    for _ in range(ROUNDS):
        await spread(names, one, at_once=AT_ONCE)
    return values


async def _lack(
    client: PlainClient, sightings: Sightings, names: list[str], reason: str, forbid: Forbid
) -> list[float]:
    """Take pods away while their successors cannot be made or placed.

    The event is when the cluster itself has found that out: the pod's or the Deployment's condition.
    """
    values: list[float] = []
    found = Milestones(names)

    async def one(name: str) -> None:
        pod = str((await pod_of(client, name))["metadata"]["name"])
        path = f"{PATHS['Pod'].format(namespace=NAMESPACE)}/{pod}"
        await client.request("DELETE", path, gracePeriodSeconds="0")
        shown = await sightings.wait(name, reason)
        values.append(shown - found.since(0.0)[name])

    async with forbid(client), asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_note(client, found, "Pod", "PodScheduled", "False")),
            group.create_task(_note(client, found, "Deployment", "ReplicaFailure", "True")),
        ]
        await asyncio.sleep(1)
        await spread(names, one, at_once=AT_ONCE)
        for task in tasks:
            task.cancel()
    for name in names:
        await serve(client, sightings, name)
    return values


async def _note(client: PlainClient, found: Milestones, kind: str, condition: str, status: str) -> None:
    """Note when an object of each model first shows a condition."""
    async for obj in client.watch(kind, NAMESPACE):
        if has(obj, condition, status):
            found.note(obj["metadata"]["labels"][labels.MODEL])


def has(obj: Object, kind: str, status: str) -> bool:
    conditions = obj.get("status", {}).get("conditions", [])
    return any(c["type"] == kind and c["status"] == status for c in conditions)


@contextlib.asynccontextmanager
async def _cordon(client: PlainClient) -> AsyncIterator[None]:
    await client.patch(f"api/v1/nodes/{NODE}", {"spec": {"unschedulable": True}})
    yield
    await client.patch(f"api/v1/nodes/{NODE}", {"spec": {"unschedulable": False}})


@contextlib.asynccontextmanager
async def _forbid(client: PlainClient) -> AsyncIterator[None]:
    path = f"api/v1/namespaces/{NAMESPACE}/resourcequotas"
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": QUOTA}, "spec": {"hard": {"pods": "0"}}}
    await client.request("POST", path, quota)
    async with asyncio.timeout(LIMIT_SECONDS):
        while "hard" not in (await client.request("GET", f"{path}/{QUOTA}")).get("status", {}):
            await asyncio.sleep(0.1)
    yield
    await client.request("DELETE", f"{path}/{QUOTA}")
