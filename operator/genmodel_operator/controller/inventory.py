"""The cluster's nodes as the planner wants them, read at most once between two changes."""

import asyncio

from genmodel_operator.kube.client import KubeClient
from genmodel_operator.kube.kinds import NODE
from genmodel_operator.sizing.accelerators import Inventory, read_inventory


class NodeInventory:
    """Lists the nodes when they may have changed; everybody who asks meanwhile gets the same answer."""

    def __init__(self, client: KubeClient) -> None:
        """Take the client that lists the nodes."""
        self._client = client
        self._lock = asyncio.Lock()
        self._inventory: Inventory | None = None

    async def read(self) -> Inventory:
        """Return the inventory since the last change of a node."""
        async with self._lock:
            if self._inventory is None:
                self._inventory = read_inventory(await self._client.list(NODE))
            return self._inventory

    def invalidate(self) -> None:
        """Forget what was read: a node came, went or changed."""
        self._inventory = None
