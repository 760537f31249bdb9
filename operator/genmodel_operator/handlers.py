"""The informer: watch events wake keys and feed the cache, and do nothing else.

Nothing is decided from an event: it may be stale, and after a gap in a watch it may speak of an
object that is gone. The only module that imports kopf.
"""

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

import aiohttp
import kopf

from genmodel_operator.api import labels
from genmodel_operator.controller.queue import Key
from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.client import WatchConnection
from genmodel_operator.kube.kinds import CHILD_KINDS, GENERATIVE_MODEL, NODE, Kind
from genmodel_operator.watch_streams import closed_streams

logger = logging.getLogger(__name__)

CHUNK_SIZE = 20
"""Objects per page of a listing: kopf holds each as a dict until its own worker ends, and what many at once take
is never given back (200 models after a restart: 121 MiB with 100, 89 MiB with 20)."""
WORKER_IDLE_SECONDS = 0.1
"""How long kopf keeps an object's last event, and a task, after it was handled."""
SHUTDOWN_SECONDS = 25.0
"""Below the chart's terminationGracePeriodSeconds of 30."""

Login = Callable[[], Awaitable[WatchConnection]]


class Queue(Protocol):
    """The part of the work queue that events use."""

    def add(self, key: Key, *, fresh: bool = True) -> None:
        """Want a run of the key."""
        ...


class EndlessJitter:
    """Delays of 1, 2, 4, 8, 16, 30, 30, ... seconds, each up to a quarter shorter or longer, without an end.

    A finite list would end the process when the API server is away for longer than its sum.
    """

    def __init__(self, *, cap_seconds: float = 30.0) -> None:
        self._cap_seconds = cap_seconds

    def __iter__(self) -> Iterator[float]:
        """Yield the delays; each call starts anew."""
        delay = 1.0
        while True:
            yield min(delay, self._cap_seconds) * random.uniform(0.75, 1.25)
            delay = min(delay * 2, self._cap_seconds)


class _NothingStored(kopf.DiffBaseStorage):
    """No last-handled state: kopf would copy every object of every event to make one that nobody reads."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Store nothing."""


def build_settings() -> kopf.OperatorSettings:
    """Return kopf's settings: an informer that writes nothing and outlives an API outage."""
    built = kopf.OperatorSettings()
    built.posting.enabled = False
    for kind in CHILD_KINDS:
        built.watching.label_selectors[_selector(kind)] = labels.OWNED_SELECTOR
    built.watching.chunk_size = CHUNK_SIZE
    built.queueing.idle_timeout = WORKER_IDLE_SECONDS
    built.watching.connect_timeout = 10
    built.networking.request_timeout = 30
    built.networking.error_backoffs = EndlessJitter()
    # The process starts kopf only when our kind is served, and without scanning a kind that goes ends it (404).
    # With scanning on, kopf would need to read every CustomResourceDefinition and stay up, watching nothing.
    built.scanning.disabled = True
    built.persistence.finalizer = f"{labels.GROUP}/operator"
    built.persistence.diffbase_storage = _NothingStored()
    built.peering.standalone = True
    built.process.ultimate_exiting_timeout = SHUTDOWN_SECONDS
    return built


def build_registry(
    queue: Queue,
    cache: ChildCache,
    inventory_changed: Callable[[], None] | None,
    *,
    login: Login,
    watching: Callable[[], None] | None = None,
    observe_model: Callable[[str | None, Mapping[str, Any]], None] | None = None,
) -> kopf.OperatorRegistry:
    """Return the handlers: models and children add keys, nodes tell the inventory.

    Nodes are not watched where ``inventory_changed`` is None.
    ``login`` says how the API server is reached, ``watching`` is called each time that a watch of models
    is open, and ``observe_model`` sees every event of a model, for metrics.
    """
    registry = kopf.OperatorRegistry()
    _handle_login(registry, login, watching)
    _handle_models(registry, queue, observe_model)
    for kind in CHILD_KINDS:
        _handle_children(registry, kind, queue, cache)
    if inventory_changed is not None:
        _handle_nodes(registry, inventory_changed)
    return registry


async def run_informer(
    registry: kopf.OperatorRegistry,
    settings: kopf.OperatorSettings,
    *,
    namespaces: Sequence[str],
    stop: asyncio.Event,
    started: Callable[[], None],
) -> None:
    """Watch until ``stop`` is set; raises what ends a watch.

    ``started`` is called when kopf has installed its signal handlers, which the caller replaces. Tasks
    of the event loop that are younger than this call are taken for kopf's at the end, and cancelled.
    """
    others = asyncio.all_tasks()
    async with closed_streams():
        tasks = await kopf.spawn_tasks(
            registry=registry,
            settings=settings,
            stop_flag=stop,
            clusterwide=not namespaces,
            namespaces=list(namespaces),
        )
        started()
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                await kopf.run_tasks(tasks, ignored=others)
            for task in done:
                task.result()
        finally:
            await _cancel_younger(others)


async def _cancel_younger(others: Collection[asyncio.Task[Any]]) -> None:
    """End what a failed informer left behind.

    ``kopf.run_tasks`` hangs after a failure: it cancels a watch and the watch's own pause signal at once,
    and a watch takes the end of that signal for a pause and goes on. Who survives is cancelled alone.
    """
    for _ in range(3):
        left = {task for task in asyncio.all_tasks() if task not in others and task is not asyncio.current_task()}
        while left:
            for task in left:
                task.cancel()
            _, pending = await asyncio.wait(left, timeout=1)
            if pending == left:
                break
            left = pending


def _selector(kind: Kind) -> tuple[str, str, str] | tuple[str, str]:
    return (kind.group, kind.version, kind.plural) if kind.group else (kind.version, kind.plural)


def _handle_login(registry: kopf.OperatorRegistry, login: Login, watching: Callable[[], None] | None) -> None:
    @kopf.on.login(registry=registry, id="login")
    async def log_in(**_: Any) -> kopf.AiohttpSession:
        connection = await login()
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=connection.ssl_context),
            proxy=connection.proxy,
            trust_env=True,
            middlewares=[_authenticate(login)],
            trace_configs=[_trace(watching)] if watching else None,
        )
        return kopf.AiohttpSession(server=connection.server, aiohttp_session=session)


def _authenticate(login: Login) -> aiohttp.ClientMiddlewareType:
    """Return a middleware that sends fresh credentials with each request, and waits while they are refused.

    A 401 must not reach kopf: it would close the session under the other watches, and they fail.
    """

    async def authenticate(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        delays = iter(EndlessJitter())
        while True:
            request.headers.update((await login()).headers)
            response = await send(request)
            if response.status != 401:
                return response
            response.release()
            logger.warning("the API server refuses the credentials of the watches")
            await asyncio.sleep(next(delays))

    return authenticate


def _trace(watching: Callable[[], None]) -> aiohttp.TraceConfig:
    """Return a trace that tells when a watch of models is open; kopf itself does not."""
    trace = aiohttp.TraceConfig()

    async def on_request_end(_session: Any, _context: Any, params: aiohttp.TraceRequestEndParams) -> None:
        is_watch = params.url.name == labels.PLURAL and "watch" in params.url.query
        if is_watch and params.response.status == 200:
            watching()

    trace.on_request_end.append(on_request_end)
    return trace


def _handle_models(
    registry: kopf.OperatorRegistry,
    queue: Queue,
    observe_model: Callable[[str | None, Mapping[str, Any]], None] | None,
) -> None:
    seen = SeenModels()

    @kopf.on.event(*_selector(GENERATIVE_MODEL), registry=registry, id="models")
    async def model_seen(event: kopf.RawEvent, **_: Any) -> None:
        type_, metadata = event["type"], event["object"]["metadata"]
        if observe_model is not None:
            observe_model(type_, event["object"])
        if seen.is_news(type_, event["object"]):
            queue.add(Key(metadata["namespace"], metadata["name"]), fresh=type_ is not None)


def _handle_children(registry: kopf.OperatorRegistry, kind: Kind, queue: Queue, cache: ChildCache) -> None:
    @kopf.on.event(*_selector(kind), registry=registry, id=kind.plural)
    async def child_seen(event: kopf.RawEvent, **_: Any) -> None:
        type_, metadata = event["type"], event["object"]["metadata"]
        is_news = cache.observe(kind, type_, event["object"])
        owner = labels.owner_name(metadata)
        if is_news and owner is not None:
            queue.add(Key(metadata["namespace"], owner), fresh=type_ is not None)


def _handle_nodes(registry: kopf.OperatorRegistry, inventory_changed: Callable[[], None]) -> None:
    seen = SeenNodes()

    @kopf.on.event(*_selector(NODE), registry=registry, id="nodes")
    async def node_seen(event: kopf.RawEvent, **_: Any) -> None:
        if seen.is_news(event["type"], event["object"]):
            inventory_changed()


class SeenModels:
    """Tells changes of a model from the echo of our own status writes."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], int] = {}

    def is_news(self, type_: str | None, obj: Mapping[str, Any]) -> bool:
        """Return whether somebody else changed anything that we read; a re-list always is news."""
        metadata = obj["metadata"]
        key = (metadata["namespace"], metadata["name"])
        if type_ == "DELETED":
            self._seen.pop(key, None)
            return True
        watched = [metadata.get(field) for field in ("uid", "generation", "annotations", "deletionTimestamp")]
        digest = hash(json.dumps(watched, sort_keys=True))
        before, self._seen[key] = self._seen.get(key), digest
        return type_ != "MODIFIED" or before != digest or not _has_only_our_status(metadata)


def _has_only_our_status(metadata: Mapping[str, Any]) -> bool:
    """Return whether we alone wrote the status; where somebody edits it, it is put right."""
    entries = metadata.get("managedFields") or []
    writers = {entry.get("manager") for entry in entries if entry.get("subresource") == "status"}
    return writers == {labels.FIELD_MANAGER}


class SeenNodes:
    """Tells changes that the planner reads from a node's heartbeats."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def is_news(self, type_: str | None, obj: Mapping[str, Any]) -> bool:
        """Return whether a node came, went, or changed in what a plan can depend on."""
        name = obj["metadata"]["name"]
        if type_ == "DELETED":
            self._seen.pop(name, None)
            return True
        digest = hash(json.dumps(_planned_on(obj), sort_keys=True))
        before, self._seen[name] = self._seen.get(name), digest
        return before != digest


def _planned_on(node: Mapping[str, Any]) -> list[Any]:
    spec, status = node.get("spec") or {}, node.get("status") or {}
    conditions = {c["type"]: c["status"] for c in status.get("conditions") or []}
    return [
        node["metadata"].get("labels"),
        spec.get("taints"),
        spec.get("unschedulable"),
        status.get("allocatable"),
        conditions,
    ]
