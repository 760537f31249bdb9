"""The operator's inventory: nodes are listed once between changes, usage is looked at for every plan."""

import asyncio
from typing import Any

from genmodel_operator.api import labels
from genmodel_operator.controller.inventory import NodeInventory, PodUse
from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.kinds import NODE, POD, Kind
from genmodel_operator.policy.document import Policy
from genmodel_operator.settings import AcceleratorSettings, Settings
from tests import builders_nodes as nodes
from tests.builders_nodes import labelled

L4 = labelled(nodes.GFD_L4, {"nvidia.com/gpu": "8"}, "a")
SHARED = labelled(nodes.GFD_TIME_SLICED, {"nvidia.com/gpu": "32"}, "b")


class Nodes:
    """Answers with these nodes and counts how often it was asked."""

    def __init__(self, *listed: Any) -> None:
        self.listed = list(listed)
        self.asked = 0

    async def list(self, kind: Kind) -> list[dict[str, Any]]:
        assert kind is NODE
        self.asked += 1
        await asyncio.sleep(0)
        return self.listed


class CountedReads(ChildCache):
    """Counts how often an object was taken out."""

    reads = 0

    def get(
        self, kind: Kind, namespace: str, name: str, *, read: dict[str, Any] | None = None
    ) -> dict[str, Any] | None:
        self.reads += 1
        return super().get(kind, namespace, name, read=read)


def a_pod(name: str, *, node: str = "a", version: int = 1) -> Any:
    metadata = {"name": name, "namespace": "team-a", "uid": name, "resourceVersion": str(version)}
    container = {"name": "server", "resources": {"requests": {"nvidia.com/gpu": "2"}}}
    return {
        "metadata": metadata | {"labels": labels.child_labels("mistral")},
        "spec": {"nodeName": node, "containers": [container]},
        "status": {"phase": "Running"},
    }


POOL = {"name": "spare", "product": "NVIDIA-L40S", "devices": 2, "labels": {"pool": "l40s"}}
POOLED = Policy.model_validate({"pools": [POOL]})


async def test_pools_of_the_policy_come_and_go_with_it() -> None:
    source = Nodes(L4)
    inventory = NodeInventory(source, ChildCache(), Settings())
    before = await inventory.read()
    inventory.use(POOLED)
    found = await inventory.read()
    assert [(group.pool, group.product) for group in found.groups if group.pool] == [("spare", "NVIDIA-L40S")]
    inventory.use(POOLED.model_copy(update={"allow_gated": False}))
    assert (await inventory.read(), source.asked) == (found, 2), "the same pools: nothing is read again"
    inventory.use(Policy())
    assert await inventory.read() == before


async def test_pools_are_those_of_the_settings_or_of_their_policy() -> None:
    for settings in (Settings(policy=POOLED), Settings.model_validate({"accelerators": {"pools": [POOL]}})):
        inventory = NodeInventory(Nodes(), ChildCache(), settings)
        assert [group.pool for group in (await inventory.read()).groups] == ["spare"]
    inventory.use(Policy())
    assert [group.pool for group in (await inventory.read()).groups] == ["spare"], "none is taken away"


async def test_nodes_are_listed_once_until_one_changes() -> None:
    source = Nodes(L4)
    inventory = NodeInventory(source, ChildCache(), Settings())
    first, second = await asyncio.gather(inventory.read(), inventory.read())
    assert (first, source.asked) == (second, 1)
    source.listed.clear()
    assert await inventory.read() == first
    inventory.invalidate()
    assert (await inventory.read()).groups == ()
    assert source.asked == 2


async def test_what_models_use_is_looked_at_each_time() -> None:
    cache = ChildCache()
    inventory = NodeInventory(Nodes(L4), cache, Settings())

    async def in_use() -> int:
        return sum(group.devices_in_use_by_models for group in (await inventory.read()).groups)

    assert await in_use() == 0
    cache.put(POD, a_pod("one"))
    cache.put(POD, a_pod("two"))
    assert await in_use() == 4
    cache.drop(POD, "team-a", "one")
    assert await in_use() == 2


async def test_a_pod_that_moves_is_counted_where_it_is() -> None:
    cache = ChildCache()
    use = PodUse(cache)
    cache.put(POD, a_pod("one", node="a"))
    cache.put(POD, a_pod("two", node="b"))
    assert use.read() == {"a": {"nvidia.com/gpu": 2}, "b": {"nvidia.com/gpu": 2}}
    cache.put(POD, a_pod("one", node="b", version=2))
    assert use.read() == {"b": {"nvidia.com/gpu": 4}}


async def test_a_pod_is_read_once_for_each_change() -> None:
    cache = CountedReads()
    use = PodUse(cache)
    cache.put(POD, a_pod("one"))
    cache.put(POD, a_pod("two"))
    first = use.read()
    assert (use.read(), cache.reads) == (first, 2)
    cache.put(POD, a_pod("two", node="b", version=2))
    assert (use.read() == first, cache.reads) == (False, 3)


async def test_the_settings_rule() -> None:
    refused = await NodeInventory(Nodes(SHARED), ChildCache(), Settings()).read()
    allowed_by = Settings(accelerators=AcceleratorSettings(time_slices=True))
    allowed = await NodeInventory(Nodes(SHARED), ChildCache(), allowed_by).read()
    assert [bool(group.refusal) for group in refused.groups if group.is_gpu] == [True]
    assert [bool(group.refusal) for group in allowed.groups if group.is_gpu] == [False]


UNREAD = Settings.model_validate({"inventory": {"mode": "pools"}, "policy": {"pools": [POOL]}})


def on_pool(name: str, *, node: str) -> Any:
    pod = a_pod(name, node=node)
    terms = [{"matchExpressions": [{"key": "pool", "operator": "In", "values": ["l40s"]}]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    pod["spec"]["affinity"] = {"nodeAffinity": required}
    return pod


async def test_where_pools_say_it_all_no_node_is_asked_for() -> None:
    source, cache = Nodes(L4), ChildCache()
    inventory = NodeInventory(source, cache, UNREAD)
    (group,) = (await inventory.read()).groups
    assert (group.product, group.nodes, group.node_names) == ("NVIDIA-L40S", 1, ())
    assert group.replicas_free_now(1) == 2
    cache.put(POD, on_pool("one", node="far"))
    cache.put(POD, a_pod("two", node="elsewhere"))
    (group,) = (await inventory.read()).groups
    assert (group.node_names, group.devices_in_use_by_models) == (("far",), 2)
    cache.drop(POD, "team-a", "one")
    assert (await inventory.read()).groups[0].node_names == ()
    inventory.use(POOLED.model_copy(update={"pools": [POOLED.pools[0].model_copy(update={"nodes": 3})]}))
    assert (await inventory.read()).groups[0].nodes == 3
    assert source.asked == 0
