"""Runs our informer against the fake API server and remembers what it does."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import kopf

from genmodel_operator.controller.queue import Key
from genmodel_operator.handlers import build_registry, build_settings, run_informer
from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.client import WatchConnection
from tests.fakes.kube import FakeApi, connection

PATIENCE_SECONDS = 10.0


@dataclass
class Queue:
    """Remembers what was added."""

    added: list[tuple[str, bool]] = field(default_factory=list)

    def add(self, key: Key, *, fresh: bool = True) -> None:
        self.added.append((key.name, fresh))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.added]


@dataclass
class Informer:
    """An informer at work."""

    api: FakeApi
    queue: Queue
    cache: ChildCache
    stop: asyncio.Event
    watched: list[float] = field(default_factory=list)
    inventory_changes: list[float] = field(default_factory=list)
    seen: list[tuple[str | None, str]] = field(default_factory=list)
    token: str = ""
    task: asyncio.Task[None] | None = None

    async def until(self, holds: Callable[[], object], *, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until something holds; fails at once when the informer ended."""
        assert self.task is not None
        deadline = time.monotonic() + seconds
        while not holds():
            if self.task.done():
                self.task.result()
                raise AssertionError("the informer ended")
            assert time.monotonic() < deadline, "it did not happen"
            await asyncio.sleep(0.01)

    async def end(self, *, seconds: float = PATIENCE_SECONDS) -> BaseException | None:
        """Wait for the informer's end; returns what it raised."""
        assert self.task is not None
        done, _ = await asyncio.wait({self.task}, timeout=seconds)
        assert done, "the informer goes on"
        return self.task.exception()

    @property
    def is_running(self) -> bool:
        return self.task is not None and not self.task.done()


@asynccontextmanager
async def informing(
    api: FakeApi,
    *,
    namespaces: Iterable[str] = (),
    backoffs: Iterable[float] | None = None,
    token: str = "",
    configure: Callable[[kopf.OperatorSettings], None] | None = None,
) -> AsyncIterator[Informer]:
    """Run the informer on the fake; ``backoffs`` shortens the delays between its attempts."""
    settings = build_settings()
    settings.networking.error_backoffs = [0.05] * 10_000 if backoffs is None else backoffs
    if configure is not None:
        configure(settings)
    with api.run() as url:
        informer = Informer(api, Queue(), ChildCache(), asyncio.Event(), token=token)

        async def login() -> WatchConnection:
            return connection(url, token=informer.token)

        def observe(type_: str | None, obj: Any) -> None:
            informer.seen.append((type_, obj["metadata"]["name"]))

        registry = build_registry(
            informer.queue,
            informer.cache,
            lambda: informer.inventory_changes.append(time.monotonic()),
            login=login,
            watching=lambda: informer.watched.append(time.monotonic()),
            observe_model=observe,
        )
        work = run_informer(registry, settings, namespaces=list(namespaces), stop=informer.stop, started=lambda: None)
        informer.task = asyncio.create_task(work)
        try:
            yield informer
        finally:
            informer.stop.set()
            done, _ = await asyncio.wait({informer.task}, timeout=PATIENCE_SECONDS)
            assert done, "the informer does not stop"
            if not informer.task.cancelled():
                informer.task.exception()
