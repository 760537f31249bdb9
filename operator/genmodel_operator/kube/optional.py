"""A kind that a cluster may have or not, and that may come and go while the operator runs.

kopf watches what is there from the start to the end, so this one is watched by ourselves: looked for at each resync
where it is absent, so that a quiet minute has no request, else listed once and watched.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from genmodel_operator.api import labels
from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.client import KubeClient
from genmodel_operator.kube.errors import KubeError, NotFound
from genmodel_operator.kube.kinds import Kind

logger = logging.getLogger(__name__)

RETRY_SECONDS = 30.0
"""After this a watch that failed is tried again."""
WATCH_SECONDS = 600.0
"""After this a watch is opened anew, and tells everything again."""
PAUSE_SECONDS = 1.0
"""Between the end of a watch and the next one: a server that ends them at once is not asked all the time."""
PAGE_SIZE = 20


class OptionalKind:
    """Keeps our objects of the kind in the cache, and tells whose changed.

    ``wake`` takes namespace and name of a model, ``wake_all`` is called when the kind came while the operator ran.
    ``look_seconds``: how often an absent kind is looked for.
    """

    def __init__(
        self,
        client: KubeClient,
        cache: ChildCache,
        kind: Kind,
        *,
        namespaces: Sequence[str],
        look_seconds: float,
        wake: Callable[[str, str], None],
        wake_all: Callable[[], None],
    ) -> None:
        """Take what it works with; an empty list of namespaces means all."""
        self._client, self._cache, self._kind = client, cache, kind
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self._look_seconds = look_seconds
        self._wake, self._wake_all = wake, wake_all
        self.is_served = False
        """Whether the API server has the kind, and what is ours of it is in the cache."""

    async def look(self) -> bool:
        """Find out and return whether the kind is served; if so, its objects are in the cache afterwards."""
        try:
            if not await self._client.is_served(self._kind):
                return self._forget()
            for namespace in self._namespaces:
                await self._list(namespace)
        except KubeError as error:
            logger.warning("%s is not written for now: %s", self._kind.kind, error)
            return self._forget()
        self.is_served = True
        return True

    async def run(self) -> None:
        """Follow the kind until cancelled."""
        while True:
            if not self.is_served:
                await asyncio.sleep(self._look_seconds)
                if not await self.look():
                    continue
                logger.info("%s is served now", self._kind.kind)
                self._wake_all()
            async with asyncio.TaskGroup() as group:
                for namespace in self._namespaces:
                    group.create_task(self._follow(namespace))
            logger.info("%s is not served any more", self._kind.kind)
            self._forget()

    async def _list(self, namespace: str | None) -> None:
        pages = self._client.pages(self._kind, namespace, label_selector=labels.OWNED_SELECTOR, page_size=PAGE_SIZE)
        async for page in pages:
            for obj in page:
                self._cache.put(self._kind, obj)

    async def _follow(self, namespace: str | None) -> None:
        """Watch one namespace, or all, until the kind is gone."""
        while True:
            try:
                events = self._client.watch(
                    self._kind, namespace, label_selector=labels.OWNED_SELECTOR, seconds=WATCH_SECONDS
                )
                async for type_, obj in events:
                    self._observe(type_, obj)
                await asyncio.sleep(PAUSE_SECONDS)
            except NotFound:
                return
            except KubeError as error:
                logger.warning("the watch of %s ended and is opened again: %s", self._kind.kind, error)
                await asyncio.sleep(RETRY_SECONDS)

    def _observe(self, type_: str, obj: dict[str, Any]) -> None:
        owner = labels.owner_name(obj["metadata"])
        if self._cache.observe(self._kind, type_, obj) and owner is not None:
            self._wake(obj["metadata"]["namespace"], owner)

    def _forget(self) -> bool:
        """Know nothing of the kind any more; return that it is not served."""
        self.is_served = False
        for (namespace, name), _ in list(self._cache.digests(self._kind)):
            self._cache.drop(self._kind, namespace, name)
        return False
