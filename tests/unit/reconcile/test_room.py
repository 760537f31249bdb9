"""When what serves is stopped to make room for its successor, and when that is only said."""

from dataclasses import replace
from typing import Any

import pytest

from genmodel_operator.controller.context import Context, Tools
from genmodel_operator.controller.room import make_room
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.errors import Forbidden
from genmodel_operator.kube.kinds import NODE, POD, Kind
from genmodel_operator.resources.revision import freeze
from genmodel_operator.settings import InventorySettings, Settings
from genmodel_operator.sizing.accelerators import Inventory, NodeGroup
from tests.builders import a_gpu_plan, a_model, some_facts
from tests.builders_pods import a_pod, a_ready_pod

BORN, NOW = "2026-11-24T10:00:00Z", "2026-11-24T10:01:00Z"
OLD = "aaaaaaaaaa"
NEW = freeze(a_model(), some_facts(), ServedTask.GENERATE, a_gpu_plan(), Settings(), number=2)
GPU = "nvidia.com/gpu"
NODE_OF_ONE: dict[str, Any] = {
    "metadata": {"name": "node-1", "labels": {"nvidia.com/gpu.product": "NVIDIA-L4"}},
    "spec": {},
    "status": {"allocatable": {"cpu": "64", "memory": "512Gi", "ephemeral-storage": "1Ti", "pods": "110", GPU: "1"}},
}


def holding(pod: dict[str, Any], devices: str = "1") -> dict[str, Any]:
    pod["metadata"] |= {"uid": pod["metadata"]["name"], "creationTimestamp": BORN}
    pod["spec"] |= {"containers": [{"name": "server", "resources": {"requests": {GPU: devices}}}], "initContainers": []}
    return pod


def served() -> dict[str, Any]:
    return holding(a_ready_pod("old", revision=OLD))


def unplaced(since: str = BORN) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": since}
    pod = holding(a_pod("new", revision=NEW.id, conditions=[condition]))
    del pod["spec"]["nodeName"]
    return pod


class Client:
    """Lists nodes and pods as they are live."""

    def __init__(self, *pods: dict[str, Any], nodes: Any = (NODE_OF_ONE,), forbidden: bool = False) -> None:
        self._pods, self._nodes, self._forbidden = pods, nodes, forbidden
        self.asked: list[str] = []

    async def list(self, kind: Kind, *_: Any, field_selector: str = "") -> list[dict[str, Any]]:
        self.asked.append(f"{kind.plural}?{field_selector}")
        if kind is POD and self._forbidden:
            raise Forbidden("not yours")
        found = self._nodes if kind is NODE else self._pods
        return list(found)


def a_context(client: Client, *pods: dict[str, Any], patience: float = 120, now: str = NOW, **spec: Any) -> Context:
    tools = Tools(
        client=client,  # type: ignore[arg-type]
        hub=None,  # type: ignore[arg-type]
        cache=ChildCache(),
        inventory=None,  # type: ignore[arg-type]
        runtimes=None,  # type: ignore[arg-type]
        settings=Settings(drain_patience_seconds=patience),
        now=lambda: now,
    )
    deployment = {"metadata": {"creationTimestamp": BORN}}
    return Context(
        tools=tools,
        model=a_model(**spec),
        resync=True,
        current=NEW,
        serving=OLD,
        deployments={OLD: deployment, NEW.id: deployment},
        pods=list(pods),
    )


async def test_until_its_time_has_come_it_is_only_said_when() -> None:
    client = Client(served())
    ctx = a_context(client, served(), unplaced())
    await make_room(ctx)
    assert (ctx.makes_room, ctx.drain_at, ctx.after_seconds) == (False, "2026-11-24T10:02:00Z", 60)
    assert client.asked == ["nodes?metadata.name=node-1", "pods?spec.nodeName=node-1"]


async def test_then_it_is_stopped() -> None:
    ctx = a_context(Client(served()), served(), unplaced(), patience=60)
    await make_room(ctx)
    assert (ctx.makes_room, ctx.drain_at) == (True, None)


async def test_the_patience_begins_with_the_last_pod() -> None:
    node = {**NODE_OF_ONE, "status": {"allocatable": NODE_OF_ONE["status"]["allocatable"] | {GPU: "2"}}}
    old = [served(), holding(a_ready_pod("old2", revision=OLD))]
    ctx = a_context(Client(*old, nodes=(node,)), *old, unplaced(), unplaced(since=NOW), patience=60, replicas=2)
    await make_room(ctx)
    assert (ctx.makes_room, ctx.drain_at) == (False, "2026-11-24T10:02:00Z")


def theirs(**requests: str) -> dict[str, Any]:
    pod = a_pod("theirs")
    pod["metadata"]["uid"] = "theirs"
    pod["spec"] |= {"containers": [{"name": "c", "resources": {"requests": requests}}], "initContainers": []}
    return pod


@pytest.mark.parametrize(
    ("client", "pods"),
    [
        pytest.param(Client(served(), theirs(cpu="64")), [served(), unplaced()], id="others hold what else is needed"),
        pytest.param(Client(theirs(**{GPU: "1"})), [served(), unplaced()], id="others hold the device itself"),
        pytest.param(Client(served(), nodes=()), [served(), unplaced()], id="its node is gone"),
        pytest.param(Client(served()), [served()], id="no pod of the successor yet"),
        pytest.param(Client(served()), [served(), a_ready_pod("new", revision=NEW.id)], id="it has its node"),
        pytest.param(Client(), [unplaced()], id="the old one has no pods"),
    ],
)
async def test_nothing_is_stopped_where_that_would_not_help(client: Client, pods: list[dict[str, Any]]) -> None:
    pods[-1]["metadata"].setdefault("creationTimestamp", BORN)
    ctx = a_context(client, *pods, patience=0)
    await make_room(ctx)
    assert (ctx.makes_room, ctx.drain_at) == (False, None)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"may_replan": True}, id="it may be planned elsewhere in a moment"),
        pytest.param({"current": None}, id="no successor is known"),
        pytest.param({"serving": NEW.id}, id="it serves already"),
        pytest.param({"serving": None}, id="there is no Service"),
        pytest.param({"model": a_model(suspend=True)}, id="nothing is wanted"),
    ],
)
async def test_nothing_is_asked_where_nothing_is_replaced(changes: dict[str, Any]) -> None:
    client = Client(served())
    ctx = a_context(client, served(), unplaced(), patience=0)
    for name, value in changes.items():
        setattr(ctx, name, value)
    await make_room(ctx)
    assert (client.asked, ctx.makes_room) == ([], False)


async def test_an_operator_that_may_not_see_others_pods_counts_those_of_models() -> None:
    ctx = a_context(Client(forbidden=True), served(), unplaced(), patience=0)
    labelled = served()
    labelled["metadata"] |= {"resourceVersion": "1"}
    ctx.tools.cache.put(POD, labelled)
    await make_room(ctx)
    assert ctx.makes_room


FULL = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. preemption: 0/1 nodes are available."


def a_pool(**changes: Any) -> NodeGroup:
    """The node of the old revision, as its pool describes it."""
    described: dict[str, Any] = {
        "resource": GPU,
        "product": "NVIDIA-L4",
        "device_memory_gib": 21.9,
        "devices_per_node": 1,
        "compute_capability": (8, 9),
        "nodes": 1,
        "selector": (("nvidia.com/gpu.product", "NVIDIA-L4"),),
        "taints": (),
        "allocatable_memory_gib": 512.0,
        "allocatable_cpu": 64.0,
        "node_names": ("node-1",),
    }
    return NodeGroup(**described | changes)


class Pools:
    """An inventory of nodes that are not read."""

    def __init__(self, *groups: NodeGroup) -> None:
        self._groups = groups

    async def read(self) -> Inventory:
        return Inventory(groups=self._groups)


def disks(pod: dict[str, Any], gib: int) -> dict[str, Any]:
    pod["spec"]["containers"][0]["resources"]["requests"]["ephemeral-storage"] = f"{gib}Gi"
    return pod


@pytest.mark.parametrize(
    ("groups", "disk_gib", "want"),
    [
        pytest.param([a_pool()], 1000, True, id="the old one holds the only device"),
        pytest.param([a_pool(devices_per_node=2)], 1000, True, id="others hold what its pool has more"),
        pytest.param([a_pool(allocatable_memory_gib=1.0)], 1000, False, id="too small a node"),
        pytest.param([a_pool(node_names=("node-2",))], 1000, False, id="no pool has its node"),
        pytest.param([], 1000, False, id="there is no pool any more"),
        pytest.param([a_pool()], 1, False, id="more disk than the old one asked for"),
    ],
)
async def test_where_nodes_are_not_read_a_pool_says_what_they_have(
    groups: list[NodeGroup], disk_gib: int, want: bool
) -> None:
    ctx, client = without_nodes(*groups, old=disks(served(), disk_gib))
    await make_room(ctx)
    assert (ctx.makes_room, client.asked) == (want, [])


def without_nodes(*groups: NodeGroup, old: dict[str, Any], said: str = FULL) -> tuple[Context, Client]:
    client, new = Client(), unplaced()
    new["status"]["conditions"][0]["message"] = said
    ctx = a_context(client, old, new, patience=0)
    settings = ctx.tools.settings.model_copy(update={"inventory": InventorySettings(mode="pools")})
    ctx.tools = replace(ctx.tools, settings=settings, inventory=Pools(*groups))
    old["metadata"]["resourceVersion"] = "1"
    ctx.tools.cache.put(POD, old)
    return ctx, client


@pytest.mark.parametrize(
    ("said", "want"),
    [
        pytest.param(FULL, True, id="short of a device"),
        pytest.param("", False, id="no word"),
        pytest.param("0/2 nodes are available: 2 node(s) had volume node affinity conflict.", False, id="not of room"),
        pytest.param(
            "0/2 nodes are available: 1 Insufficient nvidia.com/gpu, 1 node(s) were unschedulable.",
            False,
            id="one is cordoned",
        ),
        pytest.param(
            "0/2 nodes are available: 1 Insufficient nvidia.com/gpu, "
            "1 node(s) had untolerated taint(s) {node.kubernetes.io/unreachable: }.",
            False,
            id="one is away",
        ),
        pytest.param(
            "0/2 nodes are available: 1 Insufficient nvidia.com/gpu, 1 node(s) had untolerated taint(s) {team: a}.",
            True,
            id="one is of others",
        ),
    ],
)
async def test_where_nodes_are_not_read_the_scheduler_says_what_is_short(said: str, want: bool) -> None:
    ctx, _ = without_nodes(a_pool(), old=disks(served(), 1000), said=said)
    await make_room(ctx)
    assert ctx.makes_room is want
