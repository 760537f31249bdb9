"""When the objects of one model got somewhere, seen in watches."""

import asyncio
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from bench.api import Object, PlainClient
from genmodel_operator.api import labels

KINDS = ("GenerativeModel", "Deployment", "Pod")


class Timeline:
    """Watches one model's objects from a thread of its own; a context manager that is watching once entered."""

    def __init__(self, kubeconfig: Path, namespace: str, name: str) -> None:
        self._kubeconfig, self._namespace, self._name = kubeconfig, namespace, name
        self._marks: dict[str, float] = {}
        self._since = 0.0
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._client = PlainClient(kubeconfig)
        self._thread = threading.Thread(target=self._loop.run_forever, name="timeline", daemon=True)

    def __enter__(self) -> "Timeline":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    def create(self, obj: Object) -> None:
        """Create an object, over a connection that is open already; what is older than it is not looked at."""
        self._since = time.time()
        asyncio.run_coroutine_threadsafe(self._client.create(obj), self._loop).result(60)

    def until(self, mark: str, *, limit_seconds: float) -> dict[str, float]:
        """Wait for a mark; return when each mark was first seen, by the wall clock."""
        with self._changed:
            if not self._changed.wait_for(lambda: mark in self._marks, timeout=limit_seconds):
                raise TimeoutError(
                    f"no {mark} after {limit_seconds:.0f} s; seen: {', '.join(self._marks) or 'nothing'}"
                )
            return dict(self._marks)

    async def _open(self) -> None:
        await self._client.__aenter__()
        self._tasks = [asyncio.create_task(self._follow(kind)) for kind in KINDS]
        # Each watch begins with a read of its own; a moment later all are open.
        await asyncio.sleep(1)

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.__aexit__(None, None, None)

    async def _follow(self, kind: str) -> None:
        async for found in self._client.watch(kind, self._namespace):
            own = found["metadata"].get("labels", {}).get(labels.MODEL, found["metadata"]["name"])
            if own == self._name and is_made_since(found, self._since):
                self._note(marks_of(kind, found))

    def _note(self, marks: list[str]) -> None:
        now = time.time()
        with self._changed:
            for mark in marks:
                self._marks.setdefault(mark, now)
            self._changed.notify_all()


def is_made_since(found: Mapping[str, Any], seconds: float) -> bool:
    """Return whether an object was created then or later; an earlier model's pods may still be on their way out.

    The API server tells whole seconds.
    """
    return datetime.fromisoformat(found["metadata"]["creationTimestamp"]).timestamp() >= int(seconds)


def marks_of(kind: str, found: Mapping[str, Any]) -> list[str]:
    """Return the marks that an object has reached."""
    if kind == "Deployment":
        return ["Deployment"]
    conditions = found.get("status", {}).get("conditions", [])
    is_ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    if kind == "GenerativeModel":
        return ["Ready"] if is_ready else []
    bound = ["bound"] if found["spec"].get("nodeName") else []
    return bound + (["pod ready"] if is_ready else [])
