"""Keeps what running servers measured in one ConfigMap of the operator's own namespace.

Learning is a help, never a condition: whatever is wrong with the store is logged, and planning goes
on with estimates. There is no watch: the store is read when a plan is made anew, and before it is written.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from genmodel_operator.controller.context import Object
from genmodel_operator.kube.client import KubeClient
from genmodel_operator.kube.errors import Conflict, KubeError, NotFound
from genmodel_operator.kube.kinds import CONFIG_MAP
from genmodel_operator.resources.measurements import build_measurements, entry_name, is_ours, parse_measurements
from genmodel_operator.sizing.corrections import Measurement
from genmodel_operator.sizing.plausibility import merged

log = logging.getLogger(__name__)

FRESH_SECONDS = 10.0
"""Many plans made at once read the store once."""
RETRY_SECONDS = 60.0
"""When a measurement that could not be written is tried again."""
_TRIES = 3
_MOST_WAITING = 64
"""Measurements that wait for the API server, at most; more are learnt at the next start of such a server."""


class MeasurementStore:
    """One ConfigMap; its entries are read leniently and written only where something is new."""

    def __init__(
        self,
        client: KubeClient,
        *,
        namespace: str,
        name: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the client and where the ConfigMap is; without a namespace nothing is kept."""
        self._client = client
        self._namespace = namespace
        self._name = name
        self._clock = clock
        self._lock = asyncio.Lock()
        self._known: list[Measurement] = []
        self._read_at = float("-inf")
        self._waiting: dict[str, Measurement] = {}
        self._retry_at = float("-inf")
        self._said: frozenset[str] = frozenset()

    @property
    def is_waiting(self) -> bool:
        """Whether a measurement could not be written yet."""
        return bool(self._waiting)

    async def read(self) -> list[Measurement]:
        """Return what is kept, at most a few seconds old; what was known last where it cannot be read."""
        async with self._lock:
            if self._namespace and self._clock() - self._read_at > FRESH_SECONDS:
                try:
                    await self._load()
                except KubeError as error:
                    log.warning("measurements could not be read, plans are made with what was known: %s", error)
            return list(self._known)

    async def keep(self, new: Measurement) -> bool:
        """Keep a measurement; return whether it told anything new. What cannot be written waits for the next call."""
        if not self._namespace:
            return False
        async with self._lock:
            self._waiting[entry_name(new)] = new
            while len(self._waiting) > _MOST_WAITING:
                del self._waiting[next(iter(self._waiting))]
            return await self._flush()

    async def flush(self) -> None:
        """Write what waits, if anything does."""
        async with self._lock:
            if self._waiting and self._clock() >= self._retry_at:
                await self._flush()

    async def _flush(self) -> bool:
        self._retry_at = self._clock() + RETRY_SECONDS
        for _ in range(_TRIES):
            try:
                is_news = await self._write(list(self._waiting.values()))
            except Conflict:
                continue
            except KubeError as error:
                log.warning("measurements could not be kept, it is tried again: %s", error)
                return False
            self._waiting.clear()
            return is_news
        log.warning("measurements could not be kept, it is tried again: somebody else writes %s too", self._name)
        return False

    async def _write(self, new: list[Measurement]) -> bool:
        """Write the store with these in it; return whether that was necessary."""
        live = await self._load()
        if live is not None and not is_ours(live):
            return False
        kept = {entry_name(found): found for found in self._known}
        before = dict(kept)
        for measurement in new:
            name = entry_name(measurement)
            kept[name] = merged(kept.get(name), measurement)
        if kept == before:
            return False
        desired = build_measurements(self._namespace, self._name, kept.values())
        if live is not None:
            desired["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
        written = await self._client.apply(CONFIG_MAP, desired)
        self._known, _ = parse_measurements(written)
        return True

    async def _load(self) -> Object | None:
        """Read the live ConfigMap; None where there is none."""
        try:
            live = await self._client.get(CONFIG_MAP, self._namespace, self._name)
        except NotFound:
            self._known, self._read_at = [], self._clock()
            return None
        if is_ours(live):
            self._known, problems = parse_measurements(live)
        else:
            self._known, problems = [], ["it is not the operator's: nothing is learnt until it has another name"]
        self._read_at = self._clock()
        self._say(problems)
        return live

    def _say(self, problems: list[str]) -> None:
        """Log what is wrong with the store, once until that changes."""
        for problem in problems:
            if problem not in self._said:
                log.warning("ConfigMap %s/%s: passed over: %s", self._namespace, self._name, problem)
        self._said = frozenset(problems)
