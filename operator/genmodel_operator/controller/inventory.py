"""The cluster's nodes as the planner wants them, read at most once between two changes."""

import asyncio
from typing import Any, Protocol

from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.kinds import NODE, POD, Kind
from genmodel_operator.policy.document import Policy
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.accelerators import Inventory, Usage, read_inventory, total_usage, usage_of, with_usage
from genmodel_operator.sizing.accelerators.configured import inventory_rules
from genmodel_operator.sizing.pools_given import pools_given


class Lister(Protocol):
    """Lists live objects."""

    async def list(self, kind: Kind) -> list[dict[str, Any]]:
        """Return all objects of a kind."""
        ...


class PodUse:
    """What models' pods use, as they were last seen; each pod is read once for each change of it.

    Many plans are made at once, and each asks.
    """

    def __init__(self, cache: ChildCache) -> None:
        """Take what was last seen of pods."""
        self._cache = cache
        self._known: dict[tuple[str, str], tuple[int, Usage]] = {}

    def read(self) -> Usage:
        """Return the devices in use now, by node and resource."""
        before, self._known = self._known, {}
        for key, digest in self._cache.digests(POD):
            known = before.get(key)
            self._known[key] = known if known is not None and known[0] == digest else (digest, self._of(key))
        return total_usage(used for _, used in self._known.values())

    def _of(self, key: tuple[str, str]) -> Usage:
        pod = self._cache.get(POD, *key)
        return usage_of([pod] if pod is not None else [])


class NodeInventory:
    """Lists the nodes when they may have changed; everybody who asks meanwhile gets the same answer.

    What models use now is taken from the watched pods, so only models' own pods are seen; it ranks
    candidates that are equal otherwise, and refuses none.
    """

    def __init__(self, client: Lister, cache: ChildCache, settings: Settings) -> None:
        """Take the client that lists the nodes, what was last seen of pods, and the settings."""
        self._client = client
        self._use = PodUse(cache)
        self._settings = settings
        self._rules = inventory_rules(settings.accelerators, pools_given(settings))
        self._lock = asyncio.Lock()
        self._inventory: Inventory | None = None

    async def read(self) -> Inventory:
        """Return the inventory since the last change of a node, with what models use now."""
        async with self._lock:
            if self._inventory is None:
                self._inventory = read_inventory(await self._client.list(NODE), self._rules)
            inventory = self._inventory
        return with_usage(inventory, self._use.read())

    def use(self, policy: Policy) -> None:
        """Have the static pools of a policy in the inventory, where the settings have none."""
        rules = inventory_rules(self._settings.accelerators, pools_given(self._settings, policy))
        if rules.pools != self._rules.pools:
            self._rules = rules
            self.invalidate()

    def invalidate(self) -> None:
        """Forget what was read: a node came, went or changed."""
        self._inventory = None
