"""The cluster's nodes as the planner wants them, read at most once between two changes."""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.kinds import NODE, POD, Kind
from genmodel_operator.policy.document import Policy
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.accelerators import (
    Inventory,
    InventoryRules,
    Usage,
    place_of,
    read_inventory,
    total_usage,
    usage_of,
    with_places,
    with_usage,
)
from genmodel_operator.sizing.accelerators.configured import inventory_rules
from genmodel_operator.sizing.pools_given import pools_given


class Lister(Protocol):
    """Lists live objects."""

    async def list(self, kind: Kind) -> list[dict[str, Any]]:
        """Return all objects of a kind."""
        ...


class _Seen(NamedTuple):
    """What a pod told when it was read: the devices that it uses, and the labels of its node."""

    digest: int
    used: Usage
    place: Mapping[str, Mapping[str, str]]


class PodUse:
    """What models' pods use, as they were last seen; each pod is read once for each change of it.

    Many plans are made at once, and each asks.
    """

    def __init__(self, cache: ChildCache) -> None:
        """Take what was last seen of pods."""
        self._cache = cache
        self._known: dict[tuple[str, str], _Seen] = {}

    def read(self) -> Usage:
        """Return the devices in use now, by node and resource."""
        before, self._known = self._known, {}
        for key, digest in self._cache.digests(POD):
            known = before.get(key)
            self._known[key] = known if known is not None and known.digest == digest else self._look(key, digest)
        return total_usage(seen.used for seen in self._known.values())

    def places(self) -> Mapping[str, Mapping[str, str]]:
        """Return the nodes that pods are on with the labels that these tell of, as of the last ``read``."""
        told: dict[str, dict[str, str]] = {}
        for seen in self._known.values():
            for node, labels in seen.place.items():
                told.setdefault(node, {}).update(labels)
        return told

    def _look(self, key: tuple[str, str], digest: int) -> _Seen:
        pod = self._cache.get(POD, *key)
        return _Seen(digest, usage_of([pod]), place_of(pod)) if pod is not None else _Seen(digest, {}, {})


class NodeInventory:
    """Lists the nodes when they may have changed; everybody who asks meanwhile gets the same answer.

    What models use now is taken from the watched pods, so only models' own pods are seen; it ranks
    candidates that are equal otherwise, and refuses none. Where the settings' inventory is that of pools, no node
    is ever listed, and nodes are known by the pods on them.
    """

    def __init__(self, client: Lister, cache: ChildCache, settings: Settings) -> None:
        """Take the client that lists the nodes, what was last seen of pods, and the settings."""
        self._client = client
        self._use = PodUse(cache)
        self._settings = settings
        self._rules = self._rules_with(settings.policy)
        self._lock = asyncio.Lock()
        self._inventory: Inventory | None = None

    async def read(self) -> Inventory:
        """Return the inventory since the last change of a node, with what models use now."""
        async with self._lock:
            if self._inventory is None:
                nodes = await self._client.list(NODE) if self._rules.reads_nodes else []
                self._inventory = read_inventory(nodes, self._rules)
            inventory = self._inventory
        used = self._use.read()
        known = inventory if self._rules.reads_nodes else with_places(inventory, self._use.places())
        return with_usage(known, used)

    def use(self, policy: Policy) -> None:
        """Have the static pools of a policy in the inventory, where the settings have none."""
        rules = self._rules_with(policy)
        if rules.pools != self._rules.pools:
            self._rules = rules
            self.invalidate()

    def invalidate(self) -> None:
        """Forget what was read: a node came, went or changed."""
        self._inventory = None

    def _rules_with(self, policy: Policy) -> InventoryRules:
        settings = self._settings
        pools = pools_given(settings, policy)
        return inventory_rules(settings.accelerators, pools, reads_nodes=settings.inventory.reads_nodes)
